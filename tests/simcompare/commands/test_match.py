"""``simcompare match``: what catalogues know of real galaxies, put beside images prepared already."""

import numpy as np
import pytest
from astropy.table import Table

from mocks.observing.psf import gaussian_psf
from simcompare import match
from simcompare.cli import main
from simcompare.commands.prepare import make_image_set
from simcompare.images.image_set import ImageSet
from simcompare.models.density import outside_domain
from simcompare.models.storage import model_metadata
from simcompare.settings import PrepareSettings

N = 6
RA, DEC = 150.05 + 0.1 * np.arange(N), np.full(N, 2.05)  # in the middle of cells of a split


@pytest.fixture(scope="module")
def images():
    """Round galaxies of one brightness at known places, the first without a redshift."""
    psf, rng = gaussian_psf(3.0, 31), np.random.default_rng(0)
    stack = 30 * gaussian_psf(8.0, 81) + 0.02 * rng.standard_normal((N, 81, 81))
    redshift = np.where(np.arange(N) == 0, -9999.0, 0.05)
    places = {
        "galaxy_id": [f"g{i}" for i in range(N)],
        "ra": RA,
        "dec": DEC,
        "redshift": redshift,
    }
    return ImageSet.from_arrays(stack, bands="r", psf=psf, catalogue=places, kind="observed", name="field")


@pytest.fixture
def catalogue(tmp_path):
    """Rows of four of the galaxies, two of the second one, the nearer later."""
    ra = np.array([*RA[:4], RA[1]]) + np.array([0, 1.2, 0, 3.0, 0.5]) / 3600
    table = Table({"RA": ra, "DEC": [2.05] * 5, "lgm_tot_p50": [10.0, 9.0, -9999.0, 12.0, 11.0]})
    table["z"] = [0.01, 0.02, 0.03, 0.04, 0.06]
    table.write(tmp_path / "mpa.fits")
    return tmp_path / "mpa.fits"


def test_the_best_match_gives_its_properties_and_ambiguous_ones_are_counted(
    images, catalogue, tmp_path, capsys
):
    images.save(tmp_path / "field")
    words = ["match", tmp_path / "field", "--catalogue", catalogue, "--out", tmp_path / "out"]
    assert main(["-q", *map(str, words)]) == 0
    assert "3 of 6 images of field have a row within 2 arcsec, 1 of them several" in capsys.readouterr().out
    found = ImageSet.open(tmp_path / "out")
    table, nan = found.catalogue, np.nan
    np.testing.assert_allclose(table["stellar_mass"], [1e10, 1e11, nan, nan, nan, nan])
    np.testing.assert_allclose(table["redshift"], [0.01, 0.06, 0.03, 0.05, 0.05, 0.05])
    assert table["catalogue_near"].tolist() == [1, 2, 1, 0, 0, 0]
    np.testing.assert_allclose(table["catalogue_separation"], [0, 0.5, 0, nan, nan, nan], atol=2e-3)
    for name in ("image", "variance", "mask", "psf", "quantum"):
        np.testing.assert_array_equal(getattr(found.read(), name), getattr(images.read(), name))
    assert (found.preparation_hash, found.kind, found.name) == (images.preparation_hash, "observed", "field")
    part = tmp_path / "out" / "images" / "part-0000.h5"
    before = part.stat().st_mtime_ns
    assert main(["-q", *map(str, words)]) == 0
    assert part.stat().st_mtime_ns == before  # nothing is made twice
    part.unlink()
    assert main(["-q", *map(str, words)]) == 0
    assert len(ImageSet.open(tmp_path / "out")) == N
    assert main(["-q", *map(str, words), "--radius", "5"]) == 2
    assert "made with other settings (radius = 2.0 there, 5.0 now)" in capsys.readouterr().err


def test_a_larger_radius_finds_more_and_the_first_catalogue_decides(images, catalogue, tmp_path):
    Table({"ra": RA, "dec": DEC, "sfr": np.arange(6.0), "redshift": np.full(6, 0.3)}).write(
        tmp_path / "b.ecsv"
    )
    found = match(images, catalogue=[catalogue, tmp_path / "b.ecsv"], radius=4.0).catalogue
    np.testing.assert_allclose(found["redshift"], [0.01, 0.06, 0.03, 0.04, 0.3, 0.3])
    np.testing.assert_allclose(found["star_formation_rate"], np.arange(6.0))


def test_observed_redshifts_enter_the_range_where_a_model_holds(images, catalogue):
    found = match(images, catalogue=catalogue)
    assert model_metadata(found, found)["validity"]["redshift"] == pytest.approx([0.01, 0.06])
    assert model_metadata(images, images)["validity"]["redshift"] == pytest.approx([0.05, 0.05])
    told = Table({"redshift": [0.05, 0.5, np.nan, -9999.0]})
    assert outside_domain(told, {"redshift": [0.01, 0.06]}).astype(bool).tolist() == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ra": RA + 40, "dec": DEC, "z": DEC}, "none of 6 galaxies (6 with a place) has a row of t.ecsv"),
        ({"ra": RA / 15, "dec": DEC, "z": DEC}, "ra 10 to 10.04, dec 2.05 to 2.05; needed are degrees"),
        ({"ra": RA, "dec": DEC, "colour": DEC}, "is a known property; known:"),
        (
            {"objid": RA, "z": DEC},
            "t.ecsv: no columns ra and dec [deg]; it has objid, z. Where another",
        ),
    ],
)
def test_a_catalogue_that_cannot_serve_is_refused(images, tmp_path, capsys, columns, message):
    images.save(tmp_path / "field")
    Table(columns).write(tmp_path / "t.ecsv")
    words = ["match", tmp_path / "field", "--catalogue", tmp_path / "t.ecsv", "--out", tmp_path / "out"]
    assert main(["-q", *map(str, words)]) == 2
    assert message in capsys.readouterr().err


def test_images_without_places_and_a_changed_catalogue_are_refused(images, catalogue, tmp_path, capsys):
    unplaced = images.subset(slice(None))
    unplaced.catalogue = images.catalogue.copy()
    unplaced.catalogue.remove_columns(["ra", "dec"])
    unplaced.save(tmp_path / "mocks")
    words = ["--catalogue", str(catalogue), "--out", str(tmp_path / "out")]
    assert main(["-q", "match", str(tmp_path / "mocks"), *words]) == 2
    assert "mocks: its galaxies have no ra and dec" in capsys.readouterr().err
    images.save(tmp_path / "field")
    assert main(["-q", "match", str(tmp_path / "field"), *words]) == 0
    Table({"ra": RA, "dec": DEC, "z": np.full(N, 0.5)}).write(catalogue, overwrite=True)
    assert main(["-q", "match", str(tmp_path / "field"), *words]) == 2
    assert "was made from other images or catalogues" in capsys.readouterr().err


def test_spirals_matched_later_are_those_prepared_with_their_catalogue(shared_data, tmp_path):
    """154 of the 172 are in the catalogue by their NSA numbers."""
    spirals = [shared_data / "observed/sdss-r-spirals/sdss-r-spirals.h5"]
    nsa = shared_data / "observed/catalogues/nsa-gz2-hart.csv.gz"
    how = {"inputs": spirals, "workers": 1, "every": 4}
    plain = make_image_set(PrepareSettings(out=tmp_path / "plain", **how))
    known = make_image_set(PrepareSettings(out=tmp_path / "known", properties=[nsa], **how)).catalogue
    found = match(plain, catalogue=nsa).catalogue
    assert found.colnames == known.colnames
    assert len(found) >= 10
    assert (np.asarray(found["catalogue_near"]) > 0).mean() > 0.8
    for name in found.colnames:
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(known[name]), err_msg=name)
