"""What other seeds change, in the structure fraction, and whether a difference exceeds it."""

import json

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.nulls import with_nulls
from simcompare.comparison.stability import fraction_stability
from simcompare.data.shipped import reference_table
from simcompare.figures import draw_stability
from simcompare.kinds import Kind
from simcompare.scores.files import joined_form, joined_scores
from simcompare.scores.joining import stack_scores
from simcompare.scores.structure import STRUCTURE, learn_structure


@pytest.fixture(scope="module")
def real():
    path = reference_table("sdss-r")
    scores = joined_scores([path], joined_form([path]))
    return scores.with_reference(scores.of_kind(Kind.OBSERVED)[0])


def variant(real, smooth, shift=0.0):
    """A data set of real galaxies, and of the twins of some; another flow adds a shift to every ratio."""
    twins = real[real.equals("kind", Kind.TWINS)]
    names = np.unique(twins["galaxy_id"])[::3]
    drawn = real.equals("dataset", real.reference) & np.isin(real["galaxy_id"], names)
    made = real[drawn]
    values = made.numbers(STRUCTURE).copy()
    for k, name in enumerate(made["galaxy_id"]):
        if k % 10 < 10 * smooth:
            values[k] = twins.numbers(STRUCTURE)[twins["galaxy_id"] == name][0]
    made = made.with_columns(
        dataset=["sim"] * len(made), kind=[str(Kind.SIMULATED)] * len(made), **{STRUCTURE: values}
    )
    rest = real[~np.isin(real["galaxy_id"], names)]
    both = stack_scores([rest, made]).with_reference(real.reference)
    return both.with_columns(**{STRUCTURE: both.numbers(STRUCTURE) + shift})


def test_fractions_are_repeated_under_every_variant(real):
    variants = {"one": variant(real, 0.5), "two": variant(real, 0.5, shift=1.0)}
    structures = {name: learn_structure(each, np.random.default_rng(0)) for name, each in variants.items()}
    table = fraction_stability(variants, structures)
    rows = {(row["dataset"], row["variant"]): row for row in table}
    # Half of the galaxies smooth is half of the structure, whichever flow says so.
    for name in variants:
        row = rows["sim", name]
        assert row["structure_fraction_low"] < 0.5 < row["structure_fraction_high"] < 1
        assert row["rank"] == 1
    expected = np.std([rows["sim", name]["structure_fraction"] for name in variants], ddof=1)
    assert table.meta["scatter"]["sim"] == pytest.approx(expected)
    draw_stability(table)


@pytest.mark.parametrize(("fraction", "doubted"), [(0.5, False), (0.9, True), (1.1, True)])
def test_a_fraction_within_the_scatter_of_seeds_is_doubted(real, tmp_path, fraction, doubted):
    found = {"sim": {"unit": "fraction", "seed_scatter": 0.1}}
    (tmp_path / "nulls.json").write_text(json.dumps(found))
    row = {"dataset": "sim", "kind": "simulated", "structure_fraction": fraction, "delta_mean": 900.0}
    table = with_nulls(Table(rows=[row | {"caution": ""}]), real, tmp_path)
    assert ("training seeds change it (0.20)" in table["caution"][0]) == doubted
    assert any(
        "structure fractions scatter" in line and "sim 0.10" in line for line in table.meta["null_lines"]
    )
