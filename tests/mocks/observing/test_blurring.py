"""The blurring of a point against the PSF itself, written down pixel by pixel."""

import numpy as np

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
