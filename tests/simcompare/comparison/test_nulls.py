"""What other seeds change, in the structure fraction, and whether a difference exceeds it."""

import json

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.nulls import symmetry_share, with_nulls
from simcompare.comparison.stability import fraction_stability
from simcompare.data.shipped import reference_table
from simcompare.figures import draw_stability
from simcompare.kinds import Kind
from simcompare.scores.files import joined_form, joined_scores
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores
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


@pytest.mark.parametrize(
    ("column", "value", "gap", "doubt"),
    [
        (
            "seed_scatter",
            20.0,
            39.0,
            "the mean ratio differs by less than training seeds change it (40.0 nats)",
        ),
        ("seed_scatter", 20.0, 41.0, ""),
        ("transform_scatter", 20.0, -39.0, "than pixel transforms change it (40.0 nats)"),
        (
            "half_difference",
            20.0,
            19.0,
            "than flows of disjoint halves of the real galaxies change it (20.0 nats)",
        ),
        ("half_difference", 20.0, 21.0, ""),
    ],
)
def test_a_mean_ratio_within_twice_its_scatter_is_doubted(real, tmp_path, column, value, gap, doubt):
    (tmp_path / "nulls.json").write_text(json.dumps({"sim": {"unit": "nats", column: value}}))
    row = {"kind": "simulated", "structure_fraction": 0.1, "delta_mean": gap, "caution": "few"}
    rows = [row | {"dataset": "sim"}, row | {"dataset": "sky", "kind": "blank"}]
    table = with_nulls(Table(rows=rows), real, tmp_path)
    assert table["caution"][0].startswith("few")
    assert table["caution"][0].endswith(doubt if doubt else "few")
    assert table["caution"][1] == "few"
    assert table[column].tolist() == pytest.approx([value, np.nan], nan_ok=True)
    assert table.meta["null_unit"] == "nats"
    how = "differ by" if column == "half_difference" else "scatter by (standard deviation)"
    assert any(f"the differences in nats {how}: sim 20.0." in line for line in table.meta["null_lines"])
    missing = table.meta["nulls_missing"]
    assert len(missing) == 4  # twins, sky and two of the three variants
    assert table.meta["null_lines"][-1].startswith("Not run: Sersic twins")
    assert table.meta["null_lines"][-1].endswith("'simcompare compare --nulls'.")


def test_without_a_run_the_nulls_are_missing(real, tmp_path):
    row = {"dataset": "sim", "kind": "simulated", "structure_fraction": 0.5, "delta_mean": 1.0, "caution": ""}
    table = with_nulls(Table(rows=[row]), real, None)
    assert table["caution"][0] == ""
    assert table.meta["null_unit"] == "fraction"
    assert len(table.meta["nulls_missing"]) == 5
    full = Table(rows=[row, row | {"dataset": "twins", "kind": "twins"}, row | {"dataset": "blank sky"}])
    assert len(with_nulls(full, real, None).meta["nulls_missing"]) == 3
    with pytest.raises(FileNotFoundError, match="run 'simcompare nulls'"):
        with_nulls(full, real, tmp_path / "none")


def test_scatter_over_orientations_is_in_units_of_the_spread_of_real_galaxies():
    """Root mean square of 3 and 4 over the standard deviation 5 of -5 and 5; twins do not count."""
    scores = Scores.of(
        {
            "galaxy_id": list("abc"), "dataset": ["real", "real", "sim"], "split": ["test"] * 3,
            "kind": ["observed", "observed", "simulated"], "log_prob": [0.0, 100.0, 9.0],
            "log_likelihood_ratio": [-5.0, 5.0, 99.0], "symmetry_scatter": [3.0, 4.0, 70.0],
        }
    )  # fmt: skip
    assert symmetry_share(scores) == pytest.approx(np.sqrt(12.5) / 5)
    assert symmetry_share(scores.without("log_likelihood_ratio")) == pytest.approx(np.sqrt(12.5) / 50)
    assert np.isnan(symmetry_share(scores.without("symmetry_scatter")))
    table = with_nulls(
        Table(rows=[{"dataset": "sim", "kind": "simulated", "structure_fraction": 0.5, "caution": ""}]),
        scores,
        None,
    )
    assert "scatter by 70.7% of the spread" in table.meta["null_lines"][0]
