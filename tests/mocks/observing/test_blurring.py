"""The blurring of a point against the PSF itself, written down pixel by pixel."""

import numpy as np
from scipy.signal import fftconvolve

from mocks.observing.blurring import convolve_psf


def test_a_point_becomes_a_lopsided_psf_the_right_way_round():
    y, x = np.mgrid[-12:13, -12:13]
    psf = np.exp(-((x - 1.5) ** 2 + (y + 0.8) ** 2) / (2 * 2.0**2))
    psf /= psf.sum()
    image = np.zeros((99, 99))  # with the PSF's reach 135 pixels, an odd number, are transformed
    image[49, 49] = 1
    expected = np.zeros((33, 33))
    expected[4:29, 4:29] = psf
    seen = convolve_psf(image, psf, 3).reshape(33, 3, 33, 3).sum(axis=(1, 3))
    np.testing.assert_allclose(seen, expected, atol=2e-4)  # the point fills a fine pixel; the peak is 0.04


def test_an_image_with_unequal_sides_is_blurred_as_scipy_does():
    """On survey pixels; light is smooth, for the blurring drops what a survey pixel does not hold."""
    y, x = np.mgrid[-15:16, -15:16]
    psf = np.exp(-((x - 1.0) ** 2 + (y + 2.0) ** 2) / (2 * 2.5**2))
    psf /= psf.sum()
    row, column = np.mgrid[:60, :83]
    image = np.exp(-((column - 30) ** 2 + (row - 25) ** 2) / (2 * 3.0**2))
    found = convolve_psf(image[None], psf)[0]
    # The pixel, which is divided out of the PSF, widens a Gaussian by 1/12 of its variance: 1 % of the peak.
    expected = fftconvolve(image, psf, mode="same")
    peak = expected.max()
    assert found.shape == (60, 83)
    assert np.abs(found - expected).max() < 0.02 * peak
    assert abs(found.sum() / expected.sum() - 1) < 1e-6
