"""Scores for people: every layout holds the same rows, and says what it means."""

import csv

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from simcompare.cli import main
from simcompare.runs.tables import write_table
from simcompare.scores.export import export_scores
from simcompare.scores.files import write_blocks
from simcompare.scores.record import Scores


def scores(dataset="sim", n=5):
    table = Table({"galaxy_id": [f"ä{k}" for k in range(n)], "dataset": n * [dataset]})
    table["kind"], table["split"] = "simulated", "test"
    table["mag_r"] = np.linspace(16, 18, n)
    table["sky_sigma_r"] = 0.1
    table["stellar_mass"], table["star_formation_rate"] = 1e10, [0.0, 1, 2, np.nan, 4]
    table["is_finite"] = np.arange(n) > 0
    table["log_prob"] = 1 / 3 + np.arange(n)
    table.meta = {"survey": "sdss", "bands": ["g", "r"], "not_finite": {dataset: 0}}
    return Scores.of(table)


@pytest.fixture
def runs(tmp_path):
    """Two run folders, the second of a version that wrote ECSV."""
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
    write_blocks([scores()], tmp_path / "new" / "scores.parquet")
    write_table(scores("other").table, tmp_path / "old" / "scores.ecsv")
    return tmp_path


@pytest.mark.parametrize("layout", ["ecsv", "fits", "csv"])
def test_layouts_hold_the_same_rows(runs, layout, capsys):
    out = runs / "out" / f"scores.{layout}"
    sources = [str(runs / "new"), str(runs / "old" / "scores.ecsv")]
    assert main(["export", *sources, "--layout", layout, "--out", str(out), "--where", "mag_r < 17.4"]) == 0
    assert "6 images in" in capsys.readouterr().out
    table = Table.read(out, format={"csv": "ascii.csv", "ecsv": "ascii.ecsv"}.get(layout, layout))
    assert len(table) == 6
    assert table["dataset"].astype(str).tolist() == 3 * ["sim"] + 3 * ["other"]
    np.testing.assert_array_equal(table["log_prob"], np.tile(1 / 3 + np.arange(3), 2))  # every digit
    np.testing.assert_allclose(table["specific_star_formation_rate"][:2], [10**-12.5, 1e-10])
    assert [str(each) in ("True", "true") for each in table["is_finite"][:2]] == [False, True]
    if layout != "csv":
        assert table["mag_r"].unit == u.mag
    if layout == "ecsv":
        assert table["galaxy_id"][0] == "ä0"
        assert table["log_prob"].description.endswith("[nat]")
        assert table.meta["not_finite"] == {"sim": 0, "other": 0}
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layout", "mmu"], "is for images; choose ecsv, fits, csv for scores"),
        (["--layout", "csv", "--where", "mag_r < 1"], "no scores match"),
        (["--layout", "csv", "--where", "colour < 1"], "colour"),
    ],
)
def test_what_cannot_be_exported_is_refused(runs, words, message, capsys):
    assert main(["export", str(runs / "new"), *words, "--out", str(runs / "x.csv")]) == 2
    assert message in capsys.readouterr().err
    assert not (runs / "x.csv").exists()


def test_layouts_of_scores_are_not_those_of_images(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    assert main(["export", str(tmp_path), "--layout", "csv", "--out", str(tmp_path / "x.csv")]) == 2
    assert "layout 'csv' is for scores, but" in capsys.readouterr().err


def test_no_word_of_a_csv_is_a_formula(tmp_path):
    """A spreadsheet would run what begins with such a letter; numbers and other names stay as they are."""
    names = ['=HYPERLINK("http://x","y")', "+1", "-2", "@SUM(A1)", "\tx", "\r=1", "a=1", "'=1", "", "x\n=1"]
    columns = {
        "galaxy_id": names,
        "dataset": ["real"] * 10,
        "kind": ["observed"] * 10,
        "split": ["test"] * 10,
    }
    table = Table(columns | {"log_prob": -np.arange(10.0), "=1+1": np.arange(10)})
    export_scores(Scores.of(table), tmp_path / "scores.csv", "csv")
    with open(tmp_path / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [f"'{name}" if name[:1] in tuple("=+-@\t\r") else name for name in names]
    assert [row["galaxy_id"] for row in rows] == expected
    assert [float(row["log_prob"]) for row in rows] == table["log_prob"].tolist()
    assert "'=1+1" in rows[0]
