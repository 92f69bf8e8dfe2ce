from dataclasses import replace

import h5py
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from scipy.ndimage import shift
from scipy.optimize import least_squares

from mocks import draw_conditions, stream
from mocks.noise import measure_correlation
from mocks.psf import gaussian_psf
from mocks.reobserve import RealImage, _blur, redshifted, reobserve

COSMOLOGY = FlatLambdaCDM(70, 0.3)
CONDITIONS = draw_conditions("sdss", "r", stream(1, "reobserve"))


def deep_image(fwhm=2.0, flux=100.0, sigma=1e-3, side=401, scale=0.168, rng=None):
    """A round Gaussian galaxy of a width [arcsec] seen with a PSF of 0.6 arcsec."""
    total = np.hypot(fwhm, 0.6)
    image = flux * gaussian_psf(total / scale, side)
    if rng is not None:
        image = image + sigma * rng.standard_normal(image.shape)
    return RealImage(image[None], (gaussian_psf(0.6 / scale, 41),), scale, np.array([sigma]), ("r",))


def test_new_image_is_the_galaxy_seen_through_the_new_psf():
    """Widths of Gaussians subtract and add in quadrature; flux and place stay."""
    new_psf = gaussian_psf(1.4 / 0.396, 41)
    real = deep_image()
    flux, _ = _blur(real.image[0], real.psf[0], 0.168, new_psf, 0.396, 101)
    exact = 100 * gaussian_psf(np.hypot(2.0, 1.4) / 0.396, 101)
    assert np.abs(flux - exact).max() < 2e-3 * exact.max()
    assert flux.sum() == pytest.approx(100, rel=1e-4)


def test_noise_is_completed_to_the_new_survey_and_white():
    real = deep_image(flux=1e-6, sigma=0.004)
    stack = []
    for i in range(40):
        rng = stream(2, i)
        old = replace(real, image=real.image + 0.004 * rng.standard_normal(real.image.shape))
        stack.append(reobserve(old, "sdss", CONDITIONS, rng, 128).image[0])
    stack = np.array(stack)
    assert stack.std() == pytest.approx(CONDITIONS.sky_sigma[0], rel=0.01)
    assert np.abs(measure_correlation(stack, 3) - np.eye(7)[3][:, None] * np.eye(7)[3]).max() < 0.01


def test_variance_counts_the_source():
    cutout = reobserve(deep_image(), "sdss", CONDITIONS, stream(3), 64)
    gain = CONDITIONS.electrons_per_nanomaggy[0]
    assert cutout.variance.min() == pytest.approx(CONDITIONS.sky_sigma[0] ** 2, rel=0.01)
    assert cutout.variance.max() > CONDITIONS.sky_sigma[0] ** 2 + 0.5 * cutout.image.max() / gain
    assert cutout.image.shape == (1, 64, 64)


def test_higher_redshift_is_smaller_and_fainter():
    real = deep_image()
    moved = redshifted(real, COSMOLOGY, 0.05, 0.15, k_correction=0.2)
    ratio = COSMOLOGY.angular_diameter_distance([0.05, 0.15]).value
    assert moved.pixel_scale == pytest.approx(0.168 * ratio[0] / ratio[1])
    surface = moved.image.max() / moved.pixel_scale**2 / (real.image.max() / real.pixel_scale**2)
    assert surface == pytest.approx((1.05 / 1.15) ** 3 * 10**-0.08)
    assert moved.metadata["redshift"] == 0.15
    cutout = reobserve(moved, "sdss", CONDITIONS, stream(4), 48)
    assert cutout.image.sum() == pytest.approx(moved.image.sum(), abs=5 * 48 * CONDITIONS.sky_sigma[0])
    with pytest.raises(ValueError, match="can be raised"):
        redshifted(real, COSMOLOGY, 0.15, 0.05)


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="not deep enough"):
        reobserve(deep_image(sigma=0.05), "sdss", CONDITIONS, stream(1), 64)
    blurred = deep_image()
    blurred = replace(blurred, psf=(gaussian_psf(20.0, 121),))
    with pytest.raises(ValueError, match="blurrier than the new"):
        reobserve(blurred, "sdss", CONDITIONS, stream(1), 64)
    with pytest.raises(ValueError, match="spans 13"):
        reobserve(deep_image(side=81), "sdss", CONDITIONS, stream(1), 64)
    with pytest.raises(ValueError, match="not finite"):
        replace(blurred, image=blurred.image * np.nan)
    with pytest.raises(ValueError, match="do not match"):
        replace(blurred, bands=("g", "r"))


def test_kids_degraded_to_sdss_agrees_with_sdss(shared_data):
    """Ten galaxies observed by both surveys: total fluxes to 3 %, pixels to about the SDSS noise.

    Median galaxy: residuals scatter by 1.17 times the noise (blank SDSS sky by 0.96 times), and chi^2 per
    pixel is 1.5 beyond 5 pixels from the centre. The cores of the brightest differ by more: there the two PSF
    images, not the noise, are the limit.
    """
    scaled, ratio, outer = [], [], []
    with h5py.File(shared_data / "observed" / "sdss-r-with-psf" / "sdss-r-with-psf.h5") as file:
        for pair in file["gama_pairs"].values():
            deep, sdss = pair["KiDS"], pair["SDSS"]
            old = np.nan_to_num(deep["image"][:].astype(float))
            side = min(sdss["image"].shape) // 2 * 2 - 1
            middle = tuple(slice((n - side) // 2, (n - side) // 2 + side) for n in sdss["image"].shape)
            image, sigma = (sdss[name][:].astype(float)[middle] for name in ("image", "sigma"))
            psfs = [
                pair_["psf"][:].astype(float) / pair_["psf"][:].sum(dtype=float) for pair_ in (deep, sdss)
            ]
            new, power = _blur(old, psfs[0], 0.2, psfs[1], 0.339, side)
            assert power.max() < 4
            distance = np.hypot(*(np.indices(image.shape) - side // 2))
            use = (
                (distance < min(min(old.shape) * 0.2 / 0.339 / 2 - 8, 18)) & (sigma > 0) & np.isfinite(image)
            )

            def residual(p, new=new, image=image, sigma=sigma, use=use):
                return ((p[2] * shift(new, p[:2], order=3) + p[3] * np.median(sigma) - image) / sigma)[use]

            start = np.subtract(
                *(np.unravel_index(np.argmax(np.where(use, i, 0)), i.shape) for i in (image, new))
            )
            fit = least_squares(residual, [*start, 1.0, 0.0], loss="soft_l1").x
            scaled.append(1.4826 * np.median(np.abs(residual(fit))))
            outer.append(np.mean(residual(fit)[distance[use] > 5] ** 2))
            ratio.append(fit[2])
    assert len(ratio) == 10
    assert np.median(ratio) == pytest.approx(1, abs=0.03)
    assert np.median(scaled) < 1.25
    assert np.median(outer) < 1.6
