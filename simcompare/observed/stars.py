"""The point-spread function of a small image from the stars that stand in it."""

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.optimize import least_squares

from mocks.observing.psf_images import measure_fwhm, psf_from_image
from simcompare.images.preparation.segmentation import DETECTION_SIGMA, pixel_noise

__all__ = ["star_psf"]

_REACH = 7  # half side of the square fitted around a star [pixels]
LEAST_PEAK = 20.0  # brightest pixel of a star, in units of the sky noise
# What a star looks like from the ground: width [arcsec], ellipticity, exponent of the wings, reduced chi^2.
WIDTHS, MOST_ELLIPTICITY, EXPONENTS, MOST_CHI2 = (0.7, 1.8), 0.2, (2.0, 7.0), 3.0
MODEL_ERROR = 0.03  # error of the Moffat profile, relative to the star's light
AGREEMENT = 1.08  # width of the widest star over that of the narrowest
# Amplitude and background [of the peak], FWHM [pixels], exponent, x, y [pixels], two ellipticities.
_START = (1, 0, 3, 3, 0, 0, 0, 0)
_LOW, _HIGH = (0, -1, 1, 1.5, -3, -3, -0.6, -0.6), (10, 1, 10, 10, 3, 3, 0.6, 0.6)


def star_psf(
    image: np.ndarray,
    usable: np.ndarray,
    pixel_scale: float,
    electrons: float,
    brightest: float,
    side: int = 41,
) -> np.ndarray | None:
    """PSF from the isolated stars of one image, each fitted by a Moffat profile.

    What looks like a star but is wider than the narrowest is a compact galaxy and is left out.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Sky-subtracted flux [nanomaggies per pixel].
    usable : ndarray of bool, shape (y, x)
        Where a star may stand: not on the galaxy.
    pixel_scale : float
        [arcsec].
    electrons : float
        Per nanomaggy.
    brightest : float
        Flux of a pixel from which on a star is saturated [nanomaggies].
    side : int
        Of the result, odd [pixels].

    Returns
    -------
    ndarray, shape (side, side), or None
        Sum 1, the mean of the profiles weighted by their squared signal-to-noise; None without a star.
    """
    noise = pixel_noise(image, usable)
    stars = []
    for row, column in _peaks(image, usable, noise):
        piece = image[row - _REACH : row + _REACH + 1, column - _REACH : column + _REACH + 1]
        if piece.max() < brightest:
            stars.append(_fitted(piece, noise, electrons))
    stars = [
        (measure_fwhm(_moffat(shape, 2 * _REACH + 1)) * pixel_scale, peak / noise, shape)
        for shape, peak, chi2 in stars
        if peak > LEAST_PEAK * noise and chi2 < MOST_CHI2
    ]
    stars = [star for star in stars if _is_point_source(star[0], star[2])]
    if not stars:
        return None
    narrowest = min(width for width, _, _ in stars)
    profiles, weights = zip(
        *[
            (psf_from_image(_moffat(np.where([0, 0, 1, 1, 0, 0], 0, shape), side)), snr**2)
            for width, snr, shape in stars
            if width < AGREEMENT * narrowest
        ],
        strict=True,
    )
    return np.average(profiles, axis=0, weights=weights)


def _peaks(image: np.ndarray, usable: np.ndarray, noise: float):
    """Rows and columns of the bright peaks whose surroundings are usable and inside the image."""
    smooth = gaussian_filter(image, DETECTION_SIGMA)
    window = 2 * _REACH + 1
    peaks = (smooth == maximum_filter(smooth, window)) & (image > 0.5 * LEAST_PEAK * noise)
    free = maximum_filter(~usable, window, mode="constant", cval=True)
    return zip(*np.nonzero(peaks & ~free), strict=True)


def _moffat(shape: np.ndarray, side: int) -> np.ndarray:
    """Elliptical Moffat profile of height 1: FWHM, exponent, x, y from the middle, two ellipticities."""
    fwhm, beta, x, y, plus, cross = shape
    offset = np.arange(side) - side // 2
    dx, dy = offset - x, (offset - y)[:, None]
    squared = (1 + plus) * dx**2 + (1 - plus) * dy**2 + 2 * cross * dx * dy
    return (1 + 4 * (2 ** (1 / beta) - 1) * squared / fwhm**2) ** -beta


def _fitted(piece: np.ndarray, noise: float, electrons: float) -> tuple[np.ndarray, float, float]:
    """Shape of the profile that fits a star best, the height of its brightest pixel, and reduced chi^2."""
    border = np.concatenate([piece[[0, -1]].ravel(), piece[:, [0, -1]].ravel()])
    piece = piece - np.median(border)
    peak = float(piece.max())
    light = np.clip(piece, 0, None)
    error = np.sqrt(noise**2 + light / electrons + (MODEL_ERROR * light) ** 2)

    def residual(p):
        return ((peak * (p[0] * _moffat(p[2:], len(piece)) + p[1]) - piece) / error).ravel()

    fit = least_squares(residual, _START, bounds=(_LOW, _HIGH))
    return fit.x[2:], peak, 2 * fit.cost / (piece.size - len(_START))


def _is_point_source(width: float, shape: np.ndarray) -> bool:
    """Whether a fitted profile is one that a star can have."""
    return (
        WIDTHS[0] < width < WIDTHS[1]
        and np.hypot(shape[4], shape[5]) < MOST_ELLIPTICITY
        and EXPONENTS[0] < shape[1] < EXPONENTS[1]
    )
