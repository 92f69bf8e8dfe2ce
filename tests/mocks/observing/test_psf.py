import numpy as np
import pytest
from scipy.special import j0

from mocks import stream
from mocks.observing.blurring import convolve_psf
from mocks.observing.psf import (
    PSF_MODELS,
    _von_karman_profile,
    double_gaussian_psf,
    effective_psf,
    fit_moffat,
    gaussian_psf,
)
from mocks.observing.psf_images import check_psf, measure_fwhm


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


@pytest.mark.parametrize("outer_scale", [20.0, 200.0])
def test_von_karman_psf_is_the_transform_of_its_spectrum(outer_scale):
    """Structure function by integrating (k^2 + k0^2)^(-11/6), scaled to 6.88 r^(5/3) without k0."""
    k = np.geomspace(1e-6, 1e4, 40_000)
    rho = np.concatenate([[1e-6], np.geomspace(1e-3, 5, 500)])
    waves = 1 - j0(k * rho[:, None])
    spectra = [(k**2 + k0**2) ** (-11 / 6) * k for k0 in (0.0, 2 * np.pi / outer_scale)]
    kolmogorov, structure = (np.trapezoid(waves * each, k, axis=1) for each in spectra)
    transfer = np.exp(-structure / kolmogorov * 6.8839 * rho ** (5 / 3) / 2)
    angle = np.linspace(0, 2.5, 251)
    image = np.trapezoid(transfer * rho * j0(2 * np.pi * angle[:, None] * rho), rho, axis=1)
    image /= image[0]
    fwhm = 2 * np.interp(-0.5, -image, angle)
    radius, profile = _von_karman_profile(outer_scale)
    for at in (0.25, 0.5, 0.75, 1.0, 1.5):  # of the FWHM
        expected = np.interp(at * fwhm, angle, image)
        assert np.interp(at, radius, profile) == pytest.approx(expected, rel=0.01)
