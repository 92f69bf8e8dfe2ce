"""Whether there is anything at the middle of an image."""

import numpy as np
from scipy.ndimage import gaussian_filter

__all__ = ["DETECTION_SNR", "detection_snr"]

DETECTION_SNR = 7.0  # sources below a survey's 5 sigma depth reach 6.5 with noise
_SCALES = (1.2, 2.4, 4.8)  # widths of the galaxies that are looked for [pixels]
_MOST_CORRELATED = 0.7


def detection_snr(light: np.ndarray, sigma: float, correlation: float, centre: tuple[float, float]) -> float:
    """Signal-to-noise of what lies at a place: the highest of matched filters of three widths.

    Parameters
    ----------
    light : ndarray, shape (y, x)
        Flux above the sky, other objects removed.
    sigma : float
        Noise of a pixel, in the unit of the image.
    correlation : float
        Of the noise of adjacent pixels; NaN where unknown counts as none.
    centre : (float, float)
        x and y [pixels].

    Returns
    -------
    float

    Notes
    -----
    Noise smoothed by a Gaussian of width s has sigma / (2 sqrt(pi) s) times the root of the sum, over all
    separations, of its correlation times exp(-separation^2 / (4 s^2)). Of 2700 blank images of SDSS, HSC and
    the Legacy Survey, with sources that the surveys do not detect, 1 % reach 4.3, and the highest 6.5; of
    1091 images of real SDSS galaxies none is below 15.
    """
    column, row = (round(place) for place in centre)
    near = np.s_[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    ratios = []
    for width in _SCALES:
        smooth = gaussian_filter(light, width, mode="constant")
        ratios.append(smooth[near].max() / (sigma * _smoothed_noise(width, correlation)))
    return float(max(ratios))


def _smoothed_noise(width: float, correlation: float) -> float:
    """Noise that is left of unit noise after smoothing, correlated as `correlated_noise` draws it."""
    rho = float(np.clip(np.nan_to_num(correlation), 0, _MOST_CORRELATED))
    step = np.exp(-1 / (4 * width**2))
    # Of pixels two apart, for noise that was smoothed with weights (a, 1, a).
    a = (1 - np.sqrt(1 - 2 * rho**2)) / (2 * rho) if rho > 0 else 0.0
    two_apart = a * a / (1 + 2 * a * a)
    along_one_axis = 1 + 2 * rho * step + 2 * two_apart * step**4
    return along_one_axis / (2 * np.sqrt(np.pi) * width)
