"""PSFs that come beside images: off-centre, negative, even, and models of PSFEx."""

import logging

import numpy as np
import pytest
from astropy.io import fits

from mocks.observing.psf import gaussian_psf
from mocks.observing.psf_images import measure_fwhm
from simcompare.images.preparation.prepare import Preparation
from simcompare.observed import prepare_observed, read_stamps
from simcompare.observed.formats import files_of
from simcompare.observed.psfs import gaussian_psf as stated
from simcompare.observed.psfs import odd_psf
from tests.mocks.survey_files.test_psfex import write_model
from tests.simcompare.observed.test_cutouts import galaxy, header


def shifted(x, y, side=31):
    rows, columns = np.indices((side, side))
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 1.5**2))


def centroid(psf):
    grid = np.arange(len(psf)) - len(psf) // 2
    return psf.sum(0) @ grid, psf.sum(1) @ grid


def test_bands_are_centred_each_for_itself(caplog):
    with caplog.at_level(logging.WARNING):
        psf = odd_psf(np.stack([shifted(16, 17, 34), shifted(17.5, 16, 34)]))
        odd_psf(np.stack([shifted(16, 17, 34), shifted(17.5, 16, 34)]))
    assert psf.shape == (2, 33, 33)
    assert [record.message for record in caplog.records] == [
        "PSFs of 34 by 34 pixels are not centred on a pixel: they are recentred."
    ]
    for each in psf:
        assert centroid(each) == pytest.approx((0, 0), abs=5e-3)
        assert measure_fwhm(each) == pytest.approx(1.5 * np.sqrt(8 * np.log(2)), rel=0.02)


def test_centred_ones_are_left_as_they_are():
    psf = np.stack([gaussian_psf(3.0, 25), gaussian_psf(4.0, 25)])
    assert np.array_equal(odd_psf(psf), psf / psf.sum(axis=(1, 2), keepdims=True))


def stack(path, psfs):
    images = np.stack([np.stack([galaxy(50, seed)]) for seed in range(len(psfs))])
    cards = fits.Header({"BANDS": "r", "PIXSCALE": 0.2, "BUNIT": "nanomaggy"})
    hdus = [fits.PrimaryHDU(images, cards), fits.ImageHDU(np.stack(psfs)[:, None], name="PSF")]
    fits.HDUList(hdus).writeto(path)


def test_a_bad_psf_is_one_row_and_an_off_centre_one_is_moved(tmp_path):
    bad = shifted(15, 15) - 0.01
    hole = np.where(shifted(15, 15) > 0.9, np.nan, shifted(15, 15))
    good = shifted(15, 15)
    stack(tmp_path / "stack.fits", [good, shifted(12, 17.5), bad, hole, 0 * good, good, good * 0 + 1])
    made = prepare_observed(
        [tmp_path / "stack.fits"],
        survey="kids",
        bands=["r"],
        preparation=Preparation(),
        out=tmp_path / "run",
        name="KiDS",
    )
    assert len(made.images) == 3
    assert made.rejected["source_index"].tolist() == ["2", "3", "4", "6"]
    reasons = " ".join(made.rejected["reason"])
    for expected in (
        "negative pixels add up",
        "1 pixels that are not finite",
        "sums to 0",
        "not a point source",
    ):
        assert expected in reasons
    np.testing.assert_allclose(
        made.images.catalogue["psf_fwhm_r"], 0.2 * 1.5 * np.sqrt(8 * np.log(2)), rtol=0.02
    )


@pytest.mark.parametrize("where", ["stated", "whole", "unsaid"])
def test_model_of_psfex_beside_an_image(tmp_path, where):
    """A cut-out of 90 pixels whose middle is at 280, 3170 of the image that PSFEx saw."""
    images = write_model(
        tmp_path / "a-r.psf", **({"POLSCAL1": 80.0, "POLSCAL2": 80.0} if where == "whole" else {})
    )
    cards = {"LTV1": 45.5 - 280, "LTV2": 45.5 - 3170} if where == "stated" else {}
    if where == "whole":
        with fits.open(tmp_path / "a-r.psf", mode="update") as file:
            file[1].header.update({"POLZERO1": 77.5, "POLZERO2": 21.5})
    fits.PrimaryHDU(galaxy(), header(0.26, BUNIT="nanomaggy", **cards)).writeto(tmp_path / "a-r.fits")
    if where == "unsaid":
        with pytest.raises(ValueError, match=r"a-r\.psf: the PSF varies over 1800 by 3900 .* LTV1 and LTV2"):
            next(read_stamps(tmp_path / "a-r.fits", ("r",)))
        return
    x, y = (
        -0.4,
        0.3,
    )  # (280 - 1000) / 1800 and (3170 - 2000) / 3900; (45.5 - 77.5) / 80 and (45.5 - 21.5) / 80
    expected = np.tensordot([1, x, x**2, y, x * y, y**2], images, 1)
    psf = next(read_stamps(tmp_path / "a-r.fits", ("r",))).psf[0]
    assert psf == pytest.approx(expected / expected.sum(), abs=1e-7)


def test_models_beside_images_are_not_said_to_be_skipped(tmp_path, caplog):
    for name in ("a-r.fits", "b-r.fits.gz"):
        fits.PrimaryHDU(galaxy(), header(0.26, BUNIT="nanomaggy")).writeto(tmp_path / name)
        write_model(tmp_path / f"{name.partition('.')[0]}.psf")
    write_model(tmp_path / "alone.psf")
    with caplog.at_level(logging.WARNING):
        assert files_of([tmp_path], ("r",)) == [tmp_path / "a-r.fits", tmp_path / "b-r.fits.gz"]
    assert caplog.messages == [f"{tmp_path}: files skipped by their suffix: 1 .psf"]


@pytest.mark.parametrize(
    ("cards", "of_psf", "why"),
    [
        ({}, {}, None),
        ({"PSF_FWHM": 1.2}, {}, None),
        ({"PSF_FWHM": 2.4}, {}, "its PSF is 1.1.* arcsec wide .FWHM., PSF_FWHM says 2.4"),
        ({}, {"PIXSCALE": 0.262}, None),
        ({}, {"PIXSCALE": 0.131}, "its PSF has pixels of 0.131 arcsec .PIXSCALE., the image of 0.262"),
        ({}, {"OVERSAMP": 2}, "oversampled by 2"),
    ],
)
def test_a_psf_image_and_what_headers_say_of_it_agree(cards, of_psf, why, tmp_path):
    """A Gaussian of 4.2 pixels of 0.262 arcsec, with the pixel 4.28 pixels or 1.12 arcsec wide."""
    place = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.05, "CRVAL2": 2.03, "CRPIX1": 45.5}
    place |= {"CRPIX2": 45.5, "CD1_1": -0.262 / 3600, "CD2_2": 0.262 / 3600, "BUNIT": "nanomaggy"}
    image = fits.PrimaryHDU(np.ones((90, 90), "f4"), fits.Header(place | cards))
    psf = fits.ImageHDU(gaussian_psf(4.2, 31), fits.Header(of_psf), name="PSF")
    fits.HDUList([image, psf]).writeto(tmp_path / "x.fits")
    if why is None:
        stamp = next(read_stamps(tmp_path / "x.fits", ("r",)))
        assert measure_fwhm(stamp.psf[0]) * 0.262 == pytest.approx(1.12, abs=0.02)
        return
    with pytest.raises(ValueError, match=why):
        next(read_stamps(tmp_path / "x.fits", ("r",)))


def test_a_stated_width_that_no_image_of_it_holds_is_refused():
    assert stated(6.0, 0.396, 1).shape == (1, 31, 31)
    with pytest.raises(ValueError, match=r"a PSF width is 99 arcsec; at most 6.14 arcsec"):
        stated(99.0, 0.396, 1)
