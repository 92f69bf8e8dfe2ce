"""Stored comparisons: ranked when alike, refused when not."""

import json

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats

from simcompare.comparison.board import board, read_record, write_record
from simcompare.comparison.headline import compare
from simcompare.comparison.structure import UNRANKED
from simcompare.scores.record import Scores
from simcompare.statistics.contrast import Fraction


def compared(name, mean, survey="sdss"):
    rng = np.random.default_rng(len(name))
    parts = {"real": ("observed", 0.0), name: ("simulated", mean)}
    rows = [
        {
            "galaxy_id": f"{dataset}{k}", "dataset": dataset, "kind": kind, "split": "test",
            "log_prob": 0.0, "log_likelihood_ratio": rng.normal(centre, 10),
        }
        for dataset, (kind, centre) in parts.items()
        for k in range(100)
    ]  # fmt: skip
    table = Table(rows=rows)
    table.meta = {"survey": survey, "bands": ["r"], "preparation_hash": "a"}
    return compare(Scores.of(table), rng, n_bootstrap=100)


def record(folder, name, mean, survey="sdss", model="m"):
    return write_record(
        compared(name, mean, survey), folder / f"{name}.json", name=f"run {name}", model=model, background="b"
    )


def test_runs_are_ranked_and_ties_marked(tmp_path):
    paths = [record(tmp_path, *run) for run in (("coarse", -60), ("fine", -20), ("twin", -21))]
    table = board(paths)
    assert list(table["rank"]) == [1, 2, 3]
    assert table["dataset"][2] == "coarse"
    assert list(table["tied"]) == [True, True, False]
    assert table["run"][2] == "run coarse"


def test_unlike_runs_are_refused_by_name(tmp_path):
    first = record(tmp_path, "a", -10)
    with pytest.raises(ValueError, match=r"survey is sdss in .*a\.json, hsc-wide in .*b\.json"):
        board([first, record(tmp_path, "b", -10, survey="hsc-wide")])
    with pytest.raises(ValueError, match="model is m in"):
        board([first, record(tmp_path, "c", -10, model="other")])
    with pytest.raises(ValueError, match="no stored comparison given"):
        board([])


def test_what_is_no_record_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="store a comparison there first"):
        read_record(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        read_record(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('{"schema": "simcompare.record/99"}')
    with pytest.raises(ValueError, match="record/99"):
        read_record(tmp_path / "c.json")


def told(folder, name, fraction, influence, *, own=0.01, galaxies=("a", "b"), conditions=None):
    """Record of one simulation whose fraction is known."""
    table = compared(name, -20.0)
    for column, value in (("structure_fraction", fraction), ("n_structure", 50)):
        table[column] = np.where(table["dataset"] == name, value, table[column])
    for end, sign in (("low", -1), ("high", 1)):
        table[f"structure_fraction_{end}"] = table["structure_fraction"] + sign * 0.5
    if conditions:
        table.meta["structure"]["conditions"] = conditions
    fractions = {name: Fraction(fraction, own, 40.0, np.array(influence))}
    return write_record(
        table, folder / f"{name}.json", name="run", model="m", background="b", fractions=fractions,
        galaxies=galaxies,
    )  # fmt: skip


def test_fractions_of_several_runs_are_held_against_each_other(tmp_path):
    shared = [0.2, -0.2]  # an error of the reference that both have
    paths = [told(tmp_path, "best", 0.9, shared), told(tmp_path, "next", 0.4, shared)]
    table = board(paths)
    assert table["delta_fraction"][1] == pytest.approx(-0.5)
    error = np.sqrt(0.02)  # of the two sets alone
    p_value = 2 * stats.t.sf(0.5 / error, 80)
    assert table["p_value"][1] == pytest.approx(p_value, rel=0.01)
    assert list(table["tied"]) == [True, False]  # though the intervals overlap
    assert np.isnan(table["delta_fraction"][0])
    near = board([paths[0], told(tmp_path, "near", 0.8, shared)])
    assert list(near["tied"]) == [True, True]
    other = board([paths[0], told(tmp_path, "other", 0.4, shared, galaxies=("c", "d"))])
    assert np.isnan(other["p_value"]).all()
    assert list(other["tied"]) == [True, True]  # by the intervals
    with pytest.raises(ValueError, match="conditions is"):
        board([paths[0], told(tmp_path, "red", 0.4, shared, conditions=["snr", "resolution", "redshift"])])


def test_rows_that_cannot_be_ranked_stand_last_and_tie_with_nothing(tmp_path):
    """A single galaxy; a fraction that is not known goes behind those that are."""
    shared = [0.2, -0.2]
    paths = [
        told(tmp_path, *run, shared) for run in (("lone", 1.0), ("odd", 0.99), ("high", 1.3), ("low", 0.8))
    ]
    for path, key, value in ((paths[0], "n_galaxies", 1), (paths[1], "verdict", str(UNRANKED[0]))):
        record = json.loads(path.read_text())
        rows = record["comparison"]["rows"]
        next(row for row in rows if row["kind"] == "simulated")[key] = value
        path.write_text(json.dumps(record))
        path.with_name(path.name + ".sha256").unlink(missing_ok=True)
    table = board(paths)
    assert table["dataset"].tolist() == ["low", "high", "lone", "odd"]
    assert table["rank"].tolist() == [1, 2, 0, 0]
    assert table["tied"].tolist() == [True, False, False, False]
    assert table["delta_fraction"][1] == pytest.approx(0.5)
    reach = stats.t.ppf(0.975, 80) * np.sqrt(0.02)
    assert table["delta_fraction_low"][1] == pytest.approx(0.5 - reach, rel=0.01)
    assert table["delta_fraction_high"][1] == pytest.approx(0.5 + reach, rel=0.01)
    assert table["p_holm"][1] == table["p_value"][1]
    assert np.isnan(table["delta_fraction"][2:]).all()
    alone = board(paths[3:])
    assert (alone["rank"][0], alone["tied"][0]) == (1, False)


def test_p_values_of_a_board_are_corrected_for_their_number(tmp_path):
    shared = [0.2, -0.2]
    paths = [told(tmp_path, *run, shared) for run in (("a", 1.0), ("b", 0.65), ("c", 0.6))]
    table = board(paths)
    assert table["p_holm"][2] == pytest.approx(2 * table["p_value"][2])
    assert table["p_holm"][1] == pytest.approx(max(table["p_value"][1], 2 * table["p_value"][2]))
