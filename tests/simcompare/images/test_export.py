"""Image sets written for other programs, and read again."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from mocks.observing.psf import gaussian_psf
from mocks.survey_files import open_frame
from mocks.surveys import load_survey
from simcompare.images.export import export_fits, export_mmu
from simcompare.images.image_set import ImageSet, collect_stamps, write_part
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import RawStamp
from simcompare.observed import prepare_observed, read_stamps, recognise


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rows, columns = np.indices((64, 64)) - 31.7
    light = np.exp(-(rows**2 + columns**2) / 18)
    preparation, stamps = Preparation(size=48), []
    for i in range(5):
        noise = 0.02 * np.random.default_rng(i).standard_normal((2, 64, 64))
        stamp = RawStamp(
            image=(20 + i) * light / light.sum() + noise,
            psf=np.array([gaussian_psf(3.0, 31)] * 2),
            pixel_scale=0.4,
            bands=("g", "r"),
            galaxy_id=f"g{i}",
            ra=10.0 + i,
            dec=-5.03,
        )
        prepared = prepare_stamp(stamp, preparation, preparation_stream(1, stamp.galaxy_id))
        prepared.row.update(view=0, dataset="toy", split="train")
        stamps.append(prepared)
    stack, table = collect_stamps(stamps)
    path = tmp_path_factory.mktemp("set") / "toy.h5"
    write_part(
        path, stack, table, name="toy", kind="observed", survey="sdss", bands=("g", "r"), pixel_scale=0.4,
        preparation=preparation,
    )  # fmt: skip
    return ImageSet.open(path)


def test_fits_files_hold_image_place_and_catalogue(images, tmp_path):
    written = export_fits(images, tmp_path)
    assert [path.name for path in written] == [f"toy-g{i}-v0.fits" for i in range(5)]
    with fits.open(written[3]) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["VARIANCE", "MASK", "PSF"]
        np.testing.assert_array_equal(hdus[0].data, images.read(3).image[0])
        header = hdus[0].header
        assert header["cat mag_r"] == pytest.approx(images.catalogue["mag_r"][3])
        row = images.catalogue[3]
        place = WCS(header, naxis=2).pixel_to_world_values(row["centre_x"], row["centre_y"])
        np.testing.assert_allclose(place, [13, -5.03], atol=1e-9)
    assert not list(tmp_path.glob("*.tmp"))


def test_hostile_names_stay_in_the_folder_and_apart(images, tmp_path):
    names = ["../../out", "/abs/path", "a/b", "a_b", "caf\u00e9\nb"]
    chosen = images.subset(slice(None))
    chosen.catalogue["galaxy_id"] = names
    chosen.catalogue["dataset"] = [".."] * 5
    written = export_fits(chosen, tmp_path / "made" / "here")
    assert len(set(written)) == 5
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(written)
    assert {path.parent for path in written} == {tmp_path / "made" / "here"}
    assert fits.getheader(written[4])["cat galaxy_id"] == r"caf\xe9\nb"


def test_exported_fits_is_read_again(images, tmp_path):
    path = export_fits(images, tmp_path)[0]
    assert recognise(path) == "fits-cutout"
    stamp = next(read_stamps(path, ("r", "g")))
    np.testing.assert_array_equal(stamp.image, images.read(0).image[0, ::-1])
    assert stamp.pixel_scale == pytest.approx(0.4)


def test_multimodal_layout_goes_out_and_comes_back(images, tmp_path):
    path = export_mmu(images, tmp_path / "mmu.h5", batch_size=2)
    with h5py.File(path) as file:
        assert file["image_array"].shape == (5, 2, 48, 48)
        assert file["image_band"][0].tolist() == [b"sdss-g", b"sdss-r"]
        np.testing.assert_allclose(file["image_ivar"][:] * images.read().variance, 1, rtol=1e-5)
    assert recognise(path) == "multimodal"
    made = prepare_observed(
        [path],
        survey=replace(load_survey("sdss"), name="any", pixel_scale=0.4),
        bands=["r"],
        preparation=Preparation(size=40),
        out=tmp_path / "run",
        name="again",
    )
    assert made.images.catalogue["galaxy_id"].tolist() == [f"g{i}" for i in range(5)]
    difference = made.images.catalogue["mag_r"] - images.catalogue["mag_r"]
    assert np.abs(difference).max() < 0.05
    with h5py.File(path, "a") as file:
        del file.attrs["unit"]
    with pytest.raises(ValueError, match="no stated unit"):
        next(read_stamps(path, ("r",)))


def header_of(turn, parity=-1):
    """Coordinates of an image that shows 150.05, 2.03 in its middle."""
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.05, "CRVAL2": 2.03})
    header.update({"CRPIX1": 64.5, "CRPIX2": 64.5, "BUNIT": "nanomaggy", "PSF_FWHM": 1.3})
    scale, cos, sin = 0.396 / 3600, np.cos(turn), np.sin(turn)
    header.update({"CD1_1": parity * scale * cos, "CD1_2": scale * sin})
    header.update({"CD2_1": -parity * scale * sin, "CD2_2": scale * cos})
    return header


def prepared_cutout(path, turn, parity=-1, size=64, **settings):
    """Image set of one galaxy, off the middle of its cut-out, and the coordinates of that."""
    rows, columns = np.indices((128, 128)) - np.array([66.0, 61.5])[:, None, None]
    light = np.exp(-(rows**2 + columns**2) / 40)
    noise = 0.02 * np.random.default_rng(0).standard_normal((128, 128))
    header = header_of(turn, parity)
    fits.PrimaryHDU((500 * light / light.sum() + noise).astype("f4"), header).writeto(path / "cutout.fits")
    made = prepare_observed(
        [path / "cutout.fits"], survey="sdss", bands="r", preparation=Preparation(size=size, **settings),
        out=path / "run", name="x",
    )  # fmt: skip
    return made.images, WCS(header)


@pytest.mark.parametrize(("turn", "parity"), [(0.0, -1), (1.2, -1), (-2.0, -1), (0.7, 1)])
def test_exports_lie_on_the_sky_as_the_images_they_are_of(tmp_path, turn, parity):
    images, true = prepared_cutout(tmp_path, turn, parity)
    header = fits.getheader(export_fits(images, tmp_path / "out")[0])
    row = images.catalogue[0]
    # The galaxy is at 61.5, 66 of the cut-out and at centre_x, centre_y of the stamp.
    first = 61.5 - row["centre_x"], 66.0 - row["centre_y"]
    for x, y in ((0, 0), (63, 0), (0, 63), (31, 40)):
        expected = true.pixel_to_world(round(first[0]) + x, round(first[1]) + y)
        got = WCS(header, naxis=2).pixel_to_world(x, y)
        assert got.separation(expected).arcsec < 0.01
    assert "COMMENT" not in header


def test_export_of_a_real_frame_has_its_corner(shared_data, tmp_path):
    path = shared_data / "observed" / "sdss-frames" / "frame-r-005112-4-0345.fits.bz2"
    made = prepare_observed(
        [path],
        survey="sdss",
        bands="r",
        preparation=Preparation(),
        out=tmp_path / "run",
        name="SDSS",
        every=9,
    )
    frame, row = open_frame(path), made.images.catalogue[0]
    column, line = map(int, row["source_index"].split(","))
    # The stamp's first pixel in the frame: the peak lies at place_x, place_y of the stamp.
    first = column - round(row["place_x"]), line - round(row["place_y"])
    header = fits.getheader(export_fits(made.images, tmp_path / "out")[0])
    for x, y in ((0, 0), (63, 63)):
        expected = frame.wcs.pixel_to_world(first[0] + x, first[1] + y)
        assert WCS(header, naxis=2).pixel_to_world(x, y).separation(expected).arcsec < 0.05


def test_what_is_not_known_of_an_export_is_said(images, tmp_path):
    header = fits.getheader(export_fits(images, tmp_path / "a")[0])
    assert str(header["COMMENT"]) == "The orientation of this image is not known: north up is assumed."
    nowhere = images.subset(slice(0, 1))
    nowhere.catalogue["ra"] = np.nan
    comments = str(fits.getheader(export_fits(nowhere, tmp_path / "b")[0])["COMMENT"])
    assert "put at 0, 0" in comments


def test_cut_in_radii_keeps_its_own_scale(tmp_path):
    images, true = prepared_cutout(tmp_path, 0.5, size=32, petrosian_radii=4.0)
    path = export_fits(images, tmp_path / "out")[0]
    row, wcs = images.catalogue[0], WCS(fits.getheader(path), naxis=2)
    place = wcs.pixel_to_world(row["centre_x"], row["centre_y"])
    assert place.separation(true.pixel_to_world(61.5, 66.0)).arcsec < 0.1
    edge = wcs.pixel_to_world(row["centre_x"] + 10, row["centre_y"])
    assert place.separation(edge).arcsec == pytest.approx(10 * row["pixel_scale"], rel=1e-3)
    with h5py.File(export_mmu(images, tmp_path / "m.h5")) as file:
        assert file["image_scale"][0, 0] == pytest.approx(row["pixel_scale"], rel=1e-6)


def test_masked_pixels_of_an_export_are_known_again(images, tmp_path):
    path = export_fits(images, tmp_path)[0]
    with fits.open(path, mode="update") as hdus:
        hdus["MASK"].data[0, 3, 4], hdus["MASK"].data[1, 5, 6] = 1, 2
    mask = next(read_stamps(path, ("g", "r"))).mask
    assert (mask[0, 3, 4], mask[1, 5, 6]) == (1, 2)


def test_long_names_and_odd_columns_do_not_end_an_export(images, tmp_path):
    odd = images.subset(slice(0, 2))
    odd.catalogue["galaxy_id"] = ["x" * 300, "y" * 300]
    odd.catalogue["\u03b1 of it"] = ["\u00e4" * 100, "b"]
    written = export_fits(odd, tmp_path)
    assert len(written) == 2
    assert fits.getheader(written[0])["cat galaxy_id"].startswith("xxxxxxxx")
