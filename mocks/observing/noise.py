"""Noise beyond independent pixels: correlated by resampling, or set by a survey's depth."""

import numpy as np

from mocks.magnitudes import nanomaggies_of
from mocks.observing.fast_random import standard_normal

__all__ = [
    "correlate",
    "correlated_noise",
    "measure_correlation",
    "sigma_from_aperture_depth",
    "sigma_from_point_depth",
]


def measure_correlation(patches: np.ndarray, max_lag: int = 5) -> np.ndarray:
    """Correlation between pixels of blank patches by their separation.

    Parameters
    ----------
    patches : ndarray, shape (n, y, x)
        Blank sky; NaN marks pixels to leave out. The mean of each patch is subtracted.
    max_lag : int
        Largest separation along each axis [pixels].

    Returns
    -------
    ndarray, shape (2 max_lag + 1, 2 max_lag + 1)
        One in the centre, symmetric under point reflection.

    Notes
    -----
    Pairs are counted without wrapping around the edges, and the bias from subtracting the mean of each patch
    is undone to first order by adding its expected variance.
    """
    patches = np.asarray(patches, float)
    if patches.ndim != 3 or min(patches.shape[1:]) <= 2 * max_lag:
        raise ValueError(f"patches have shape {patches.shape}; needed is (n, y, x) wider than {2 * max_lag}.")
    good = np.isfinite(patches)
    residual = np.where(good, patches - np.nanmean(patches, axis=(1, 2), keepdims=True), 0)
    n_y, n_x = patches.shape[1:]
    covariance = np.empty((2 * max_lag + 1, 2 * max_lag + 1))
    for dy in range(-max_lag, max_lag + 1):
        for dx in range(-max_lag, max_lag + 1):
            here = np.s_[:, max(0, -dy) : n_y - max(0, dy), max(0, -dx) : n_x - max(0, dx)]
            there = np.s_[:, max(0, dy) : n_y + min(0, dy), max(0, dx) : n_x + min(0, dx)]
            pairs = np.count_nonzero(good[here] & good[there])
            covariance[max_lag + dy, max_lag + dx] = np.sum(residual[here] * residual[there]) / pairs
    # The mean of a patch took away the mean covariance over it, which is the sum over lags per pixel.
    covariance += covariance.sum() / (good.sum() / len(patches))
    return covariance / covariance[max_lag, max_lag]


def correlated_noise(shape: tuple[int, int], correlation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of unit variance with a given correlation between pixels.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    correlation : ndarray, shape (2 l + 1, 2 l + 1)
        By separation, one in the centre, as from ``measure_correlation``; zero beyond.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (y, x)

    Raises
    ------
    ValueError
        For a table that is not square, odd and one in its centre.

    Notes
    -----
    White noise times the square root of the power spectrum, on a field wider than asked by the largest lag,
    so that opposite edges do not know of each other. Negative powers of a measured table are set to zero.
    """
    side = len(correlation)
    field = standard_normal((shape[0] + side, shape[1] + side), rng)
    return correlate(field, correlation)[: shape[0], : shape[1]]


def correlate(field: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Give independent pixels a correlation; their variance stays.

    Parameters
    ----------
    field : ndarray, shape (y, x)
        Noise of mean zero, wider than the table. Opposite edges come to know of each other.
    correlation : ndarray, shape (2 l + 1, 2 l + 1)
        As for ``correlated_noise``.

    Returns
    -------
    ndarray, shape (y, x)

    Raises
    ------
    ValueError
        For a table that is not square, odd and one in its centre.
    """
    correlation = np.asarray(correlation, float)
    side = len(correlation)
    if (
        correlation.shape != (side, side)
        or side % 2 == 0
        or abs(correlation[side // 2, side // 2] - 1) > 1e-6
    ):
        raise ValueError(
            f"correlation of shape {correlation.shape} must be square with odd side and one in the centre."
        )
    lag = side // 2
    kernel = np.zeros(field.shape)
    kernel[:side, :side] = (correlation + correlation[::-1, ::-1]) / 2
    power = np.fft.rfft2(np.roll(kernel, (-lag, -lag), axis=(0, 1))).real
    power = np.maximum(power, 0)
    noise = np.fft.irfft2(np.fft.rfft2(field) * np.sqrt(power), s=field.shape)
    # Clipping negative powers adds variance; it is taken out again.
    variance = np.fft.irfft2(power, s=field.shape)[0, 0]
    return noise / np.sqrt(variance)


def sigma_from_point_depth(depth: float, psf: np.ndarray, n_sigma: float = 5.0) -> float:
    """Noise per pixel of a survey whose point-source depth is known.

    Parameters
    ----------
    depth : float
        AB magnitude of a point source at ``n_sigma``.
    psf : ndarray, shape (k, k)
        Sum 1, on the survey's pixels.
    n_sigma : float

    Returns
    -------
    float
        [nanomaggies], for independent pixels and fluxes measured with the PSF as weight.
    """
    return float(nanomaggies_of(depth) / n_sigma * np.sqrt(np.sum(np.asarray(psf) ** 2)))


def sigma_from_aperture_depth(
    depth: float, diameter: float, pixel_scale: float, n_sigma: float = 5.0
) -> float:
    """Noise per pixel of a survey whose depth is quoted in an aperture.

    Parameters
    ----------
    depth : float
        AB magnitude of the noise in the aperture times ``n_sigma``.
    diameter : float
        Of the aperture [arcsec]; a depth without its aperture says nothing about pixels.
    pixel_scale : float
        [arcsec].
    n_sigma : float

    Returns
    -------
    float
        [nanomaggies], for independent pixels: the aperture's noise over the square root of its pixels.
    """
    if not diameter > 0:
        raise ValueError(f"an aperture depth needs the diameter of its aperture, not {diameter}.")
    pixels = np.pi * (diameter / 2 / pixel_scale) ** 2
    return float(nanomaggies_of(depth) / n_sigma / np.sqrt(pixels))
