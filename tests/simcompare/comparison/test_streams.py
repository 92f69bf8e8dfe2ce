"""A data set has its own random streams: what is compared beside it changes none of its numbers."""

import numpy as np
import pytest

from simcompare import figures
from simcompare.comparison.further_tables import Questions, further_tables
from simcompare.comparison.headline import compare
from simcompare.comparison.matching import match
from simcompare.comparison.stability import model_null, stability
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores
from simcompare.scores.typicality import add_typicality

# What is made of all data sets together: correction for their number, probabilities among simulations.
OF_ALL = ("p_holm", "rank")
TABLES_OF_ALL = ("posterior", "calibration")


def galaxies(name, kind, n, mean, spread=15.0):
    """Galaxies whose numbers depend on their own name alone."""
    rng = np.random.default_rng(list(name.encode()))
    mag = np.clip(rng.normal(17, 0.5, n), 16, 18)
    ratio = mean - 20 * (mag - 17) + spread * rng.normal(size=n)
    columns = {
        "galaxy_id": [f"{name}-{k}" for k in range(n)],
        "dataset": np.full(n, name),
        "kind": np.full(n, kind),
        "split": np.full(n, "test"),
        "mag_r": mag,
        "half_light_radius": rng.uniform(1, 3, n),
        "concentration": rng.uniform(2, 4, n),
        "log_prob": rng.normal(4000, 30, n),
        "log_likelihood_ratio": ratio,
        "log_likelihood_ratio_scale_0": 0.6 * ratio,
        "log_likelihood_ratio_scale_1": 0.4 * ratio,
        "sub_box": np.arange(n) % 8,
        "image_index": np.arange(n),
    }
    return Scores.of(columns)


SETS = [
    galaxies("real", "observed", 90, 100.0, 25.0), galaxies("old", "simulated", 40, 70.0),
    galaxies("young", "simulated", 45, 90.0), galaxies("twins", "twins", 50, 20.0),
]  # fmt: skip


def everything(scores):
    """Tables of a comparison and numbers of its figures, by name."""
    space = np.random.default_rng(0).normal(size=(len(scores), 3))  # the rows of the first sets are the same
    asked = Questions(match=("mag_r",), bins="mag_r", edges=(16, 17, 18), generations=("old", "young"))
    made = {"compare": compare(scores, np.random.default_rng(0), n_bootstrap=50)}
    tables = further_tables(scores, 3, spaces={"latents": space}, questions=asked, n_bootstrap=50)
    made |= {each.name: each.table for each in tables if each.table is not None}
    made["marked"] = add_typicality(scores, np.random.default_rng(0)).table
    pairs = {name: match(scores, name, ["mag_r"]) for name in scores.of_kind("simulated")}
    changed = scores.with_columns(log_likelihood_ratio=1.1 * scores["log_likelihood_ratio"])
    made |= {
        "stability": stability({"a": scores, "b": changed}, 0, n_bootstrap=50),
        "halves": model_null(scores, changed, 0, n_bootstrap=50),
        "density": figures.density_numbers(scores, 0, n_bootstrap=20),
        "scales": figures.scale_numbers(scores, 0, n_bootstrap=20),
        "realism": figures.realism_numbers(scores, 0, columns=["mag_r"]),
        "matched figure": figures.matched_numbers(scores, pairs, 0, n_bootstrap=20),
        "roc": figures.roc_numbers(scores),
        "gallery": figures.gallery_numbers(scores, n=2),
        "relations": figures.relation_numbers(scores, "mag_r"),
        "profile": figures.profile_numbers(
            {name: np.resize(space, (9, 8, 8)) for name in scores.datasets},
            {name: scores.kind_of(name) for name in scores.datasets}, 0.4, 0, n_bootstrap=20,
        ),
    }  # fmt: skip
    return made


@pytest.fixture(scope="module")
def alone():
    return everything(stack_scores(SETS))


@pytest.mark.parametrize("kind", ["simulated", "control"])
def test_another_data_set_changes_no_other_row(alone, kind):
    # Inside the range of the others, so that the figures keep their axes.
    beside = everything(stack_scores([*SETS, galaxies("another", kind, 35, 80.0, 5.0)]))
    assert set(alone) <= set(beside)
    compared = 0
    for name in set(alone) - set(TABLES_OF_ALL):
        first, second = alone[name], beside[name]
        keys = [key for key in ("dataset", "first", "second") if key in second.colnames]
        other = np.any([np.asarray(second[key]) == "another" for key in keys], axis=0) if keys else False
        second = second[~np.broadcast_to(other, len(second))]
        assert len(first) == len(second), name
        # Order is by the gap, or by name: the rows that were there keep theirs.
        for column in set(first.colnames) - set(OF_ALL):
            ours, theirs = np.asarray(first[column]), np.asarray(second[column])
            equal = np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
            assert equal, f"{name}: {column}"
            compared += 1
    assert compared > 150
