import numpy as np
import pytest

from mocks import stream
from mocks.observing.blurring import convolve_psf
from mocks.observing.psf import (
    PSF_MODELS,
    centred_psf,
    check_psf,
    double_gaussian_psf,
    effective_psf,
    fit_moffat,
    gaussian_psf,
    measure_fwhm,
    moffat_psf,
    psf_from_image,
)


@pytest.mark.parametrize("model", PSF_MODELS)
@pytest.mark.parametrize("fwhm", [1.7, 2.5, 3.4, 6.0, 8.0])
def test_effective_psf_has_the_width_asked_for(model, fwhm):
    psf = effective_psf(model, fwhm, 61)
    check_psf(psf)
    assert psf.sum() == pytest.approx(1, abs=1e-12)
    assert (psf >= 0).all()
    assert measure_fwhm(psf) == pytest.approx(fwhm, rel=5e-3)
    assert np.allclose(psf, psf[::-1, ::-1])
    assert np.allclose(psf, psf.T)


@pytest.mark.parametrize("fwhm", [2.0, 3.4, 8.0])
def test_width_is_that_of_the_gaussian_after_the_pixel(fwhm):
    # A fine sampling of the same Gaussian, averaged over the pixel, crosses half maximum there.
    fine = np.linspace(-12, 12, 24001)
    profile = np.exp(-4 * np.log(2) * (fine / fwhm) ** 2)
    smooth = np.convolve(profile, np.ones(1000) / 1000, mode="same")
    width = np.ptp(fine[smooth > smooth.max() / 2])
    assert measure_fwhm(gaussian_psf(fwhm, 51)) == pytest.approx(width, rel=0.01)


def test_double_gaussian_is_the_site_psf():
    """Weights 9/13 and 4/13 make the whole 1.05 times as wide as the core."""
    fwhm = 10.5
    core, wing = gaussian_psf(10.0, 101), gaussian_psf(20.0, 101)
    assert np.abs(double_gaussian_psf(fwhm, 101) - (9 * core + 4 * wing) / 13).max() < 5e-3 * core.max()


@pytest.mark.parametrize("oversampling", [2, 3, 4])
def test_blurred_and_binned_source_is_as_wide_as_the_psf(oversampling):
    side = 65
    psf = effective_psf("moffat", 3.4, 41)
    # A source one fine pixel wide, placed at random, so that its own width averages out to that pixel.
    rng = np.random.default_rng(3)
    stack = np.zeros((side, side))
    for dy, dx in rng.integers(0, oversampling, (9, 2)):
        fine = np.zeros((side * oversampling,) * 2)
        fine[32 * oversampling + dy, 32 * oversampling + dx] = 1
        blurred = convolve_psf(fine, psf, oversampling)
        stack = blurred.reshape(side, oversampling, side, oversampling).sum(axis=(1, 3))
        assert stack.sum() == pytest.approx(1, abs=1e-4)
        assert measure_fwhm(stack) == pytest.approx(measure_fwhm(psf), rel=0.01)
        grid = np.arange(side) - 32
        centre = np.array([stack.sum(1) @ grid, stack.sum(0) @ grid])
        expected = (np.array([dy, dx]) + 0.5) / oversampling - 0.5
        assert np.abs(centre - expected).max() < 2e-3


def test_smooth_source_comes_out_as_exact_convolution():
    """Gaussian sources: widths add in quadrature, and the survey pixel is in the PSF only once."""
    oversampling, side = 3, 81
    source = gaussian_psf(4.0 * oversampling, side * oversampling)
    psf = gaussian_psf(3.0, 41)  # effective: 3 pixels and the pixel
    blurred = convolve_psf(source, psf, oversampling)
    binned = blurred.reshape(side, oversampling, side, oversampling).sum(axis=(1, 3))
    assert np.abs(binned - gaussian_psf(5.0, side)).max() < 2e-3 * binned.max()


def test_light_is_kept_to_the_last_digit_away_from_the_edge():
    rng = np.random.default_rng(0)
    image = np.zeros((2, 150, 150))
    image[:, 60:90, 60:90] = rng.uniform(size=(2, 30, 30))
    blurred = convolve_psf(image, effective_psf("gaussian", 3.4, 31), 2)
    assert np.allclose(blurred.sum(axis=(1, 2)), image.sum(axis=(1, 2)), rtol=1e-7)


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


def test_power_law_wing_falls_as_its_slope():
    """Far out the Gaussians are gone and surface brightness falls as radius to minus the slope."""
    psf = double_gaussian_psf(3.0, 201, power_fraction=0.01, power_slope=3.0)
    assert psf.sum() == pytest.approx(1)
    middle = psf[100, 100:]
    assert np.log(middle[80] / middle[40]) / np.log(2) == pytest.approx(-3.0, abs=0.02)
    bare = double_gaussian_psf(3.0, 201)
    assert bare[100, 140] < 1e-12 < middle[40]
    assert measure_fwhm(psf) == pytest.approx(measure_fwhm(bare), rel=0.01)
    wide = effective_psf("double-gaussian", 3.5, 41, power_fraction=0.01)
    assert measure_fwhm(wide) == pytest.approx(3.5, rel=0.01)
    with pytest.raises(ValueError, match="power-law wing"):
        double_gaussian_psf(3.0, 41, power_fraction=0.1, power_slope=2.0)


def test_a_fitted_psf_is_free_of_noise_and_background():
    """Width and wings of the true profile come back, whatever constant the image stands on."""
    true = effective_psf("moffat", 3.3, 61, beta=3.0)
    image = true[18:43, 18:43]
    for constant in (-0.005, 0.0, 0.002):
        noise = 0.001 * stream(1).standard_normal(image.shape)
        noisy = image + image.max() * (constant + noise)
        fitted = fit_moffat(noisy, 61)
        assert measure_fwhm(fitted) == pytest.approx(3.3, rel=0.01)
        assert fitted[18:43, 18:43].sum() == pytest.approx(image.sum(), abs=0.01)
        assert np.abs(fitted - true).max() < 0.02 * true.max()
    with pytest.raises(ValueError, match="odd side"):
        fit_moffat(image[:-1, :-1], 31)


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
        (star(31, 31, 15, 15) - 0.01, r"negative pixels hold \d+ %"),
        (star(31, 31, 29, 15), "so near to an edge that a square about it keeps"),
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
