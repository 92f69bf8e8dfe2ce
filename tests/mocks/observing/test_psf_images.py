import numpy as np
import pytest

from mocks.observing.blurring import convolve_psf
from mocks.observing.psf import effective_psf, gaussian_psf, moffat_psf
from mocks.observing.psf_images import (
    _check_border,
    _check_peak,
    centred_psf,
    check_psf,
    measure_fwhm,
    psf_from_image,
)


@pytest.mark.parametrize("fwhm", [2.0, 3.4, 8.0])
def test_width_is_that_of_the_gaussian_after_the_pixel(fwhm):
    # A fine sampling of the same Gaussian, averaged over the pixel, crosses half maximum there.
    fine = np.linspace(-12, 12, 24001)
    profile = np.exp(-4 * np.log(2) * (fine / fwhm) ** 2)
    smooth = np.convolve(profile, np.ones(1000) / 1000, mode="same")
    width = np.ptp(fine[smooth > smooth.max() / 2])
    assert measure_fwhm(gaussian_psf(fwhm, 51)) == pytest.approx(width, rel=0.01)


def test_bad_psf_is_refused():
    good = gaussian_psf(3.0, 21)
    with pytest.raises(ValueError, match="odd side"):
        check_psf(good[:-1, :-1])
    with pytest.raises(ValueError, match="not finite"):
        check_psf(np.where(good == good.max(), np.nan, good))
    with pytest.raises(ValueError, match="sums to 2"):
        convolve_psf(np.ones((40, 40)), 2 * good)
    with pytest.raises(ValueError, match="positive sum"):
        psf_from_image(-good)
    with pytest.raises(ValueError, match="choose from"):
        effective_psf("airy", 3.0, 21)
    assert psf_from_image(7 * good).sum() == pytest.approx(1)


def star(width, height, x, y, fwhm=3.4):
    """Gaussian sampled at a place, in a frame that need not be square."""
    rows, columns = np.indices((height, width))
    return np.exp(-4 * np.log(2) * ((rows - y) ** 2 + (columns - x) ** 2) / fwhm**2)


@pytest.mark.parametrize(
    ("frame", "side"),
    [
        ((31, 31, 15.6, 14.9), 29),  # more than half a pixel off
        ((30, 30, 14.5, 14.5), 29),  # the middle of an even side
        ((30, 30, 15, 15), 29),  # an even side, as transforms leave it
        ((31, 31, 18, 13.5), 25),  # off by pixels
        ((41, 31, 20, 15), 31),  # not square
    ],
)
def test_psf_is_centred_and_says_so(frame, side):
    psf, note = centred_psf(5 * star(*frame), "PSF of g")
    assert psf.shape == (side, side)
    check_psf(psf)
    grid = np.arange(side) - side // 2
    assert np.abs([psf.sum(0) @ grid, psf.sum(1) @ grid]).max() < 5e-3
    assert measure_fwhm(psf) == pytest.approx(3.4, rel=0.015)
    assert f"PSF of g of {frame[0]} by {frame[1]} pixels" in note
    assert f"{frame[2]:.2f}, {frame[3]:.2f} (x, y from 0)" in note


def test_centred_psf_is_only_divided_by_its_sum():
    image = 3 * star(31, 31, 15.3, 14.8)
    psf, note = centred_psf(image)
    assert note == ""
    assert np.array_equal(psf, image / image.sum())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (star(31, 31, 15, 15) - 0.01, r"negative pixels add up to \d+ %"),
        (star(31, 31, 29, 15), "so near an edge that a square about it holds"),
        (np.zeros((31, 31)), "sums to 0"),
        (np.ma.masked_greater(star(31, 31, 15, 15), 0.9), "masked pixels"),
        (star(31, 31, 15, 15)[None], "has shape"),
    ],
    ids=["negative", "edge", "zero", "masked", "cube"],
)
def test_image_that_is_no_psf_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        centred_psf(image)


def test_a_pedestal_is_refused_and_wings_are_not():
    """A Gaussian of FWHM 3.4 pixels holds 13.1 times its peak; 0.1 in each of 961 pixels are 96.1."""
    psf = star(31, 31, 15, 15)
    with pytest.raises(ValueError, match=r"brighter than 0\.1, which over all pixels is 88 % of its light"):
        centred_psf(psf + 0.1)
    with pytest.raises(ValueError, match=r"brighter than 1000, .* subtract this pedestal"):
        centred_psf(1000 * psf + 1000)
    assert centred_psf(psf + 0.001)[1] == ""
    for side, fwhm in ((11, 6.0), (7, 3.3), (41, 12.0)):
        assert centred_psf(moffat_psf(fwhm, side, 2.5))[1] == ""


@pytest.mark.parametrize("total", [0.9, 0.9998, 1.0002, 1.1])
def test_psf_that_loses_or_adds_light_is_refused(total):
    psf = gaussian_psf(3.0, 15)
    check_psf(psf * 1.00005)
    check_psf(psf * 0.99995)
    with pytest.raises(ValueError, match=r"sums to .*, not 1"):
        check_psf(psf * total)


def test_two_stars_and_rings_are_no_psf():
    """Their light is centred where there is next to none."""
    y, x = np.indices((31, 31)) - 15
    ring = np.exp(-((np.hypot(x, y) - 6) ** 2) / 4)
    with pytest.raises(ValueError, match="star of r: 2 peaks are half as bright as the brightest"):
        centred_psf(star(31, 31, 11, 15) + star(31, 31, 19, 15), "star of r")
    with pytest.raises(ValueError, match="star of r: its centre is less than half as bright as its peak"):
        centred_psf(ring, "star of r")
    assert centred_psf(star(31, 31, 15, 15) + 0.6 * star(31, 31, 17, 15), "star")[0].max() > 0


def test_a_peak_may_be_a_pixel_off_and_no_more():
    for y in range(-3, 4):
        for x in range(-3, 4):
            image = np.zeros((11, 11))
            image[5 + y, 5 + x] = 1
            if max(abs(y), abs(x)) <= 1:
                _check_peak(image, "star")
            else:
                with pytest.raises(ValueError, match="its centre is less than half as bright"):
                    _check_peak(image, "star")


def test_every_pixel_of_the_border_counts_once():
    """Their mean over the peak, where one side is brighter; two decimals tell a pixel left out."""
    rng = np.random.default_rng(0)
    image = rng.uniform(0.8, 1.0, (7, 7))
    image[1:-1, 6] += 0.5
    border = [image[y, x] for y in range(7) for x in range(7) if y in (0, 6) or x in (0, 6)]
    ratio = np.mean(border) / image.max()
    with pytest.raises(ValueError, match=f"its border is {ratio:.2f} times as bright as its peak"):
        _check_border(image, "star")
