"""The README's worked example on real SDSS stamps and real simulated galaxies, shortened."""

import json

import numpy as np
import pytest
from astropy.table import Table

from simcompare.cli import main
from simcompare.comparison.report_table import read_comparison
from simcompare.images.image_set import ImageSet

EPOCHS = "8"


def run(*arguments) -> None:
    assert main([str(word) for word in arguments]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shared_data):
    """Run folders of the whole chain."""
    out, observed, simulated = (
        tmp_path_factory.mktemp("real"),
        shared_data / "observed",
        shared_data / "simulated",
    )
    run(
        "prepare", observed / "sdss-ugriz-stamps/sdss-ugriz-stamps.h5",
        observed / "sdss-r-spirals/sdss-r-spirals.h5", "--every", 2, "--out", out / "sdss",
    )  # fmt: skip
    run("twins", out / "sdss", "--out", out / "twins")
    run("train", out / "sdss", "--out", out / "flow-sdss", "--epochs", EPOCHS)
    run("train", out / "twins", "--init", out / "flow-sdss", "--out", out / "flow-twins", "--epochs", EPOCHS)
    cutouts = sorted((simulated / "illustris1_snap135_m31_analogs").glob("*.hdf5"))
    pictures = sorted((simulated / "illustris1_skirt_sdss_snap135").glob("*.fits"))
    mocks = {
        "tng": [simulated / "tng100_sub565261_z0/cutout_stars_565261.hdf5", "--redshift", 0.03, "--views", 4],
        "illustris": [*cutouts, "--redshift", 0.05, "--views", 2],
        "camels": [simulated / "camels_tng_cv0_snap086", "--redshift", 0.05, "--views", 1],
        "skirt": [*pictures, "--name", "Illustris-1-SKIRT"],
    }
    for name, words in mocks.items():
        run("mock", *words, "--conditions", out / "sdss", "--out", out / name, "--workers", 1)
    run(
        "score", *(out / name for name in ("sdss", "twins", *mocks)), "--model", out / "flow-sdss",
        "--background", out / "flow-twins", "--out", out / "scores",
    )  # fmt: skip
    run("compare", out / "scores", "--reference", "SDSS", "--out", out / "comparison", "--bootstrap", 500)
    run("report", out / "comparison")
    return out


def test_every_data_set_has_its_row(folder):
    table = read_comparison(folder / "comparison")
    rows = {str(row["dataset"]): row for row in table}
    simulated = {"TNG100-1": 1, "Illustris-1": 3, "CAMELS-TNG": None, "Illustris-1-SKIRT": 3}
    assert set(rows) == {*simulated, "Sersic twins of SDSS", "SDSS (half)", "blank sky"}
    for name, n_galaxies in simulated.items():
        assert n_galaxies is None or rows[name]["n_galaxies"] == n_galaxies
        assert np.isfinite(rows[name]["delta_mean"])
        assert "galax" in rows[name]["caution"] or rows[name]["n_galaxies"] >= 5
    assert np.isnan(rows["TNG100-1"]["delta_mean_low"])  # one galaxy has no interval
    assert np.isfinite(rows["Illustris-1"]["delta_mean_low"])


def test_twins_score_below_their_parents(folder):
    rows = {str(row["dataset"]): row for row in read_comparison(folder / "comparison")}
    twins = rows["Sersic twins of SDSS"]  # half the galaxies and few epochs: the side, without its interval
    assert twins["delta_mean"] < 0
    assert twins["auc"] > 0.5


def test_only_held_out_galaxies_are_the_reference(folder):
    table, catalogue = read_comparison(folder / "comparison"), ImageSet.open(folder / "sdss").catalogue
    assert table.meta["n_reference_galaxies"] == np.count_nonzero(catalogue["split"] == "test")
    twins = ImageSet.open(folder / "twins").catalogue
    parents = dict(zip(catalogue["galaxy_id"], catalogue["split"], strict=True))
    assert all(parents[row["galaxy_id"]] == row["split"] for row in twins)


def test_what_was_left_out_is_listed_with_its_reason(folder):
    rejected = Table.read(folder / "sdss" / "failures.ecsv")
    assert len(rejected) + len(ImageSet.open(folder / "sdss")) == (356 + 172) // 2
    assert sum("resampled" in reason for reason in rejected["reason"]) > 50


def test_report_stands_alone(folder):
    page = (folder / "comparison" / "report.html").read_text()
    assert 'src="http' not in page
    assert "TOY DATA" not in page
    content = json.loads((folder / "comparison" / "report.json").read_text())
    assert content["toy"] is False
    assert len(content["comparison"]["rows"]) == 7
    assert (folder / "comparison" / "figures" / "gallery.pdf").is_file()


def test_images_prepared_otherwise_are_refused(folder, shared_data, tmp_path, capsys):
    run(
        "mock", shared_data / "simulated/camels_tng_cv0_snap086", "--redshift", 0.05, "--size", 32,
        "--out", tmp_path / "small", "--workers", 1,
    )  # fmt: skip
    words = ["score", tmp_path / "small", "--model", folder / "flow-sdss", "--out", tmp_path / "scores"]
    assert main([str(word) for word in words]) == 2
    assert "size is 32 in the images, 64 in the model" in capsys.readouterr().err
