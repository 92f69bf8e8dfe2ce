"""Inputs of a mock: caches by content, one bad input as one row, names of images."""

import logging
import os
import shutil

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mocks.readers import examine
from simcompare.commands.mock import make_mocks
from simcompare.settings import MockSettings
from simcompare.synthetic.targets import select_targets


def settings(inputs, out, **changes):
    usual = {"redshift": 0.05, "size": 32, "workers": 1, "dust": "none"}
    return MockSettings(inputs=inputs, out=out, **(usual | changes))


def disc(path, flux, **cards):
    y, x = np.indices((60, 60)) - 29.5
    image = np.exp(-np.hypot(x, y) / 6.0)
    header = {"BUNIT": "nanomaggy", "PIXSCALE": 0.2, "REDSHIFT": 0.05, "FILTER": "SDSS r"} | cards
    card = fits.Header([(name, value) for name, value in header.items() if value is not None])
    path.parent.mkdir(exist_ok=True)
    fits.PrimaryHDU(flux * image / image.sum(), card).writeto(path)
    return path


@pytest.fixture
def cutouts(tmp_path, star_columns, write_stars):
    """Three galaxies, a file each."""
    return [write_stars(tmp_path / "in" / f"cutout_{i}.hdf5", star_columns(seed=i)) for i in (1, 2, 3)]


@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_file_that_changed_is_read_again_in_the_same_session(cutouts, tmp_path, keeps_time):
    before = make_mocks(settings(cutouts[:1], tmp_path / "before")).catalogue["stellar_mass"][0]
    times = cutouts[0].stat()
    with h5py.File(cutouts[0], "r+") as file:
        for name in ("Masses", "GFM_InitialMass"):
            file["PartType4"][name][...] *= 2
    if keeps_time:  # as copies do that keep it
        os.utime(cutouts[0], ns=(times.st_atime_ns, times.st_mtime_ns))
    after = make_mocks(settings(cutouts[:1], tmp_path / "after")).catalogue["stellar_mass"][0]
    assert after == pytest.approx(2 * before, rel=1e-5)


def test_one_damaged_cutout_of_three_is_one_row(cutouts, tmp_path):
    raw = cutouts[1].read_bytes()
    cutouts[1].write_bytes(raw[: len(raw) // 2])
    for way, inputs in (("files", cutouts), ("folder", [cutouts[0].parent])):
        images = make_mocks(settings(inputs, tmp_path / way))
        failures = Table.read(tmp_path / way / "failures.ecsv")
        assert len(images) == 2
        assert len(failures) == 1
        assert cutouts[1].name in failures["galaxy_id"][0]
        assert "cannot be opened as HDF5" in failures["reason"][0]
    with pytest.raises(OSError, match=cutouts[1].name):
        make_mocks(settings([cutouts[1]], tmp_path / "alone"))


def spoil(path, way):
    """Spoil one cut-out."""
    if way == "cut short":
        path.write_bytes(path.read_bytes()[:20000])
        return
    with h5py.File(path, "r+") as file:
        stars = file["PartType4"]
        if way == "only wind":
            stars["GFM_StellarFormationTime"][...] = -0.5
        elif way == "a NaN coordinate":
            stars["Coordinates"][3, 1] = np.nan
        elif way == "absurd masses":
            stars["Masses"][...] = 1e30
        elif way == "no stars":
            for name in list(stars):
                empty = stars[name][:0]
                del stars[name]
                stars[name] = empty
            count = file["Header"].attrs["NumPart_ThisFile"].copy()
            count[4] = 0
            file["Header"].attrs["NumPart_ThisFile"] = count


WAYS = {
    "only wind": "of 3000 star particles 3000 are wind-phase gas",
    "no stars": "no star particles",
    "cut short": "cannot be opened as HDF5",
    "a NaN coordinate": "1 of 9000 values of position are NaN",
    "absurd masses": "Msun",
}


@pytest.mark.parametrize(("way", "word"), WAYS.items())
def test_one_bad_cutout_of_three_is_one_row_of_any_mock(cutouts, tmp_path, way, word):
    spoil(cutouts[1], way)
    images = make_mocks(settings(cutouts, tmp_path / "out"))
    failures = Table.read(tmp_path / "out" / "failures.ecsv")
    assert len(images) == 2
    assert len(failures) == 1
    assert word in failures["reason"][0]


def test_what_doctor_doubts_mock_says(cutouts, tmp_path, caplog):
    """Not impossible, but no metals at all."""
    for path in cutouts:
        with h5py.File(path, "r+") as file:
            file["PartType4/GFM_Metallicity"][...] = 0
    make_mocks(settings(cutouts, tmp_path / "out"))
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [
        text
        for text in said
        if "median metallicity is 0, usual is 1e-05 to 0.08" in text and "2 more" in text
    ]
    doubts = [str(finding) for path in cutouts for finding in examine(path).findings]
    assert sum("median metallicity is 0" in doubt for doubt in doubts) == 3


def test_one_galaxy_given_twice_is_refused_with_both_places(cutouts, tmp_path):
    (tmp_path / "again").mkdir()
    copy = shutil.copy(cutouts[0], tmp_path / "again")
    with pytest.raises(ValueError, match=rf"{cutouts[0]} and {copy} are both galaxy 1 of snapshot 0"):
        select_targets(settings([cutouts[0], copy], tmp_path / "out"))


def test_subhalo_is_looked_for_in_all_inputs(cutouts, tmp_path):
    numbers = [int(path.stem.split("_")[1]) for path in cutouts]
    targets, _ = select_targets(settings(cutouts, tmp_path / "out", subhalo=numbers[1:]))
    assert [target.subhalo_id for target in targets] == numbers[1:]
    with pytest.raises(ValueError, match="1 galaxies are not in the catalogue: 987654"):
        select_targets(settings(cutouts, tmp_path / "out", subhalo=[numbers[0], 987654]))


def test_images_of_one_name_in_two_folders_are_two_galaxies(tmp_path):
    inputs = [disc(tmp_path / folder / "x.fits", 500.0) for folder in ("a", "b")]
    images = make_mocks(settings(inputs, tmp_path / "run", name="mine", size=64))
    assert sorted(images.catalogue["galaxy_id"]) == ["mine-a-x", "mine-b-x"]
    first, second = images.read().image
    assert (first != second).any()


def test_cosmology_of_a_moved_image_is_said(tmp_path, caplog):
    """At redshift 0.1 instead of 0.05 distances are 460.3 and 222.3 Mpc."""
    path = disc(tmp_path / "in" / "x.fits", 500.0)
    here = make_mocks(settings([path], tmp_path / "here", redshift=None, size=64)).catalogue["mag_r"][0]
    with caplog.at_level(logging.INFO):
        there = make_mocks(settings([path], tmp_path / "there", redshift=0.1, size=64)).catalogue["mag_r"][0]
    assert there - here == pytest.approx(5 * np.log10(460.3 / 222.3), abs=0.03)
    assert "by the distances of H0 = 70, Omega_m = 0.3, which are assumed" in caplog.text


def test_files_of_one_band_each_make_one_image_of_all(tmp_path):
    for band, flux in zip("gri", (300.0, 500.0, 700.0), strict=True):
        disc(tmp_path / "in" / f"photo_{band}_7.fits", flux, FILTER=None)
    images = make_mocks(settings([tmp_path / "in"], tmp_path / "run", bands="gri", size=64))
    assert len(images) == 1
    measured = [images.catalogue[f"mag_{band}"][0] for band in "gri"]
    assert measured == pytest.approx(22.5 - 2.5 * np.log10([300, 500, 700]), abs=0.05)


def test_reader_options_reach_images(tmp_path):
    path = disc(tmp_path / "in" / "x.fits", 500.0, BUNIT=None, FILTER=None, PIXSCALE=None)
    stated = ["unit=10*nanomaggy", "pixel_scale=0.2", "bands=r"]
    image = make_mocks(settings([path], tmp_path / "run", reader=stated, size=64))
    assert image.catalogue["mag_r"][0] == pytest.approx(22.5 - 2.5 * np.log10(5000), abs=0.02)
    with pytest.raises(ValueError, match="pixel size not given"):
        make_mocks(settings([path], tmp_path / "other"))
