"""Scales and bands judged one by one: each planted departure is found where it is, equal sets are not."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.structure import Verdict
from simcompare.comparison.structure_parts import _kind, reading_of, structure_by_part
from simcompare.data.shipped import reference_table
from simcompare.kinds import Kind
from simcompare.scores.files import joined_form, joined_scores
from simcompare.statistics.conditional import SOFTENING

SCALES = ("pixels 1-2", "pixels 2-4", "pixels 4-8", "pixels 8-16", "pixels 16-32")


@pytest.fixture(scope="module")
def real():
    path = reference_table("sdss-r")
    scores = joined_scores([path], joined_form([path]))
    return scores.with_reference(scores.of_kind(Kind.OBSERVED)[0])


def drawn(real, n, rng, shifts=(0, 0, 0, 0, 0)):
    """Some real galaxies as a simulation, the compressed ratio of each scale shifted; others with twins."""
    names = rng.permutation(np.unique(real.reference_sample()["galaxy_id"]))[:n]
    is_drawn = np.isin(real["galaxy_id"], names)
    is_sim = is_drawn & real.equals("dataset", real.reference)
    words = {
        name: np.where(is_sim, word, real[name]) for name, word in (("dataset", "sim"), ("kind", "simulated"))
    }
    for k, shift in enumerate(shifts):
        values = real.numbers(f"aperture_ratio_scale_{k}")
        moved = SOFTENING * np.sinh(np.arcsinh(values / SOFTENING) + shift)
        words[f"aperture_ratio_scale_{k}"] = np.where(is_sim, moved, values)
    return real.with_columns(**words)[is_sim | ~is_drawn]


@pytest.mark.parametrize("n", [10, 30])
def test_equal_sets_raise_no_more_than_five_per_cent(real, n):
    rng, alarms = np.random.default_rng(n), []
    for _ in range(60):
        table = structure_by_part(drawn(real, n, rng), ["sim"], 0)
        alarms.append((np.asarray(table["p_holm"]) < 0.05).any())
    assert np.mean(alarms) <= 0.1  # of 60 draws


@pytest.mark.parametrize(
    ("shifts", "scales", "says"),
    [
        ((1.2, 0.9, 0.9, 0.0, 0.0), SCALES[:3], "noise of few particles, small clumps"),
        ((1.0, 1.0, 1.2, 1.2, 1.2), SCALES, "large clumps or neighbours"),
        ((-1.0, -0.8, 0.0, 0.0, 0.0), SCALES[:2], "like blur"),
        ((-0.8, -0.8, -1.0, -1.2, -1.0), SCALES, "missing structure"),
        ((1.2, 0, 0, 0, -1.2), (SCALES[0], SCALES[-1]), "too smooth in pixels 16-32"),
    ],
)
def test_a_departure_is_found_at_its_scale_and_named(real, shifts, scales, says):
    table = structure_by_part(drawn(real, 60, np.random.default_rng(0), shifts), ["sim"], 0)
    found = {str(row["name"]): row for row in table if row["p_holm"] < 0.05}
    assert set(found) == set(scales)
    for name, row in found.items():
        planted = shifts[SCALES.index(name)]
        assert row["verdict"] == (Verdict.CLUMPIER if planted > 0 else Verdict.SMOOTHER)
    assert says in table.meta["note"]
    assert "sim: too " in table.meta["note"]


def test_nothing_found_is_not_named(real):
    table = structure_by_part(drawn(real, 30, np.random.default_rng(5)), ["sim"], 0)
    assert reading_of(table) == ""
    assert "sim:" not in table.meta["note"]


def test_twins_are_controls_outside_the_correction(real):
    scores = drawn(real, 40, np.random.default_rng(1), (-1.0, -1.0, -1.0, -1.0, -1.0))
    twins = scores.of_kind(Kind.TWINS)[0]
    alone = structure_by_part(scores, ["sim"], 0)
    both = structure_by_part(scores, ["sim", twins], 0)
    of_sim = np.asarray(both["dataset"]) == "sim"
    np.testing.assert_array_equal(alone["p_holm"], both["p_holm"][of_sim])
    np.testing.assert_array_equal(both["p_holm"][~of_sim], both["p_value"][~of_sim])


def test_scores_without_scales_are_told(real):
    bare = real.without(*(name for name in real.colnames if name.startswith("aperture_ratio_scale")))
    with pytest.raises(ValueError, match="no aperture_ratio by scale or band"):
        structure_by_part(bare, ["sim"], 0)
    few = Table({"part": ["scale"], "name": ["a"], "p_holm": [0.01], "structure_z_weighted": [1.0]})
    assert reading_of(few) == "too structured in a"


@pytest.mark.parametrize(
    ("z", "is_excess", "says"),
    [
        ((4.0, 2.0, 0.0, 4.9, 7.0), True, "at all scales, like noise of few particles"),  # 1.98
        ((4.0, 2.0, 0.0, 5.2, 7.0), True, "mostly at coarse scales, like large clumps"),  # 2.03
        ((4.0, 4.0, 0.0, 0.1, 0.1), True, "at all scales, like noise of few particles"),
        ((-4.0, -4.0, 0.0, -3.1, -2.3), False, "like blur"),
        ((-4.0, -4.0, -3.3, -2.5), False, "like missing structure"),
        ((-1.0, 0.5, 3.0, 3.0), True, "at coarse scales"),
        ((4.0, 4.0, 1.0), True, ""),
        ((4.0, 4.0, 1.0, np.nan), True, ""),
        ((-1.0, np.nan, 3.0, 3.0), True, ""),
    ],
)
def test_a_departure_is_named_by_how_it_goes_with_scale(z, is_excess, says):
    found = _kind(Table({"structure_z_weighted": z}), is_excess=is_excess)
    assert found == says if not says else says in found
