"""Asymmetry, Gini coefficient and M20 of prepared images: one measurement for real and simulated galaxies."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter, label

from simcompare.images.preparation.photometry import elliptical_radius

__all__ = ["MORPHOLOGY", "Morphology", "half_turn", "measure_morphology", "morphology_columns"]

MORPHOLOGY = ("measured_asymmetry", "measured_gini", "measured_m20")
"""Columns of a score table that `morphology_columns` makes."""
REACH = 1.5  # Petrosian radii within which the asymmetry is measured
SMOOTHING = 0.2  # Petrosian radii, sigma of the blur before the segmentation
SHARE_OF_M20 = 0.2
STEPS = (0.5, 0.25, 0.125)  # pixels, of the search for the centre of least asymmetry


@dataclass(frozen=True)
class Morphology:
    """Numbers of one galaxy that no model has been fitted for; NaN where one cannot be measured.

    Parameters
    ----------
    asymmetry : float
        Light that a half turn changes over twice the light, without what noise of the given variance
        changes: 0 for a galaxy that a half turn does not change; below 0 by noise alone.
    gini : float
        Gini coefficient of the pixels of the galaxy: 0 for equal light, 1 for all in one pixel.
    m20 : float
        log10 of the second moment of the brightest fifth of the light over that of all.
    """

    asymmetry: float
    gini: float
    m20: float


def measure_morphology(
    light: np.ndarray,
    variance: np.ndarray,
    centre: tuple[float, float],
    petrosian_radius: float,
    axis_ratio: float = 1.0,
    position_angle: float = 0.0,
) -> Morphology:
    """Measure one galaxy.

    Parameters
    ----------
    light : ndarray, shape (y, x)
        Flux above the sky, neighbours removed.
    variance : ndarray, shape (y, x)
        Of the noise, in the square of that unit.
    centre : (float, float)
        x and y [pixels].
    petrosian_radius : float
        Semi-major axis [pixels].
    axis_ratio, position_angle : float
        Of the galaxy; angle from +x towards +y [rad].

    References
    ----------
    Conselice, Bershady & Jangren 2000, ApJ 529, 886 (asymmetry, its least value over the centre); Lotz,
    Primack & Madau 2004, AJ 128, 163 (Gini coefficient, M20, and the pixels that they are measured in).
    """
    light, variance = np.asarray(light, float), np.asarray(variance, float)
    if not petrosian_radius > 0 or not (np.isfinite(light).all() and np.isfinite(variance).all()):
        return Morphology(np.nan, np.nan, np.nan)
    radius = elliptical_radius(light.shape, centre, axis_ratio, position_angle)
    inside = radius <= REACH * petrosian_radius
    pixels = _galaxy_pixels(light, radius, petrosian_radius, centre)
    return Morphology(
        asymmetry=_asymmetry(light, variance, centre, inside),
        gini=_gini(light[pixels]),
        m20=_m20(light, pixels),
    )


def _asymmetry(
    light: np.ndarray, variance: np.ndarray, centre: tuple[float, float], inside: np.ndarray
) -> float:
    """Least asymmetry about a centre within a pixel of the one given."""

    @cache
    def at(x: float, y: float) -> float:
        return _asymmetry_about(light, variance, (x, y), inside)

    best = tuple(float(np.round(8 * each) / 8) for each in centre)
    for step in STEPS:
        for _ in range(2):  # no further than a pixel at the coarsest
            near = [(best[0] + i * step, best[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            nearest = min(near, key=lambda place: at(*place))
            if nearest == best:
                break
            best = nearest
    return at(*best)


def half_turn(image: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Turn an image by 180 degrees about a point, by Fourier phases.

    A shift by phases keeps the variance of white noise, and the light of an image that its PSF samples.

    Parameters
    ----------
    image : ndarray, shape (y, x)
    centre : (float, float)
        x and y [pixels].
    """
    n_y, n_x = image.shape
    shift = 2 * centre[0] - (n_x - 1), 2 * centre[1] - (n_y - 1)
    waves = np.fft.fftfreq(n_y)[:, None] * shift[1] + np.fft.rfftfreq(n_x) * shift[0]
    return np.fft.irfft2(np.fft.rfft2(image[::-1, ::-1]) * np.exp(-2j * np.pi * waves), s=image.shape)


def _asymmetry_about(
    light: np.ndarray, variance: np.ndarray, centre: tuple[float, float], inside: np.ndarray
) -> float:
    """Asymmetry about a point."""
    turned = half_turn(light, centre)
    n_y, n_x = light.shape
    whole = round(2 * centre[1] - (n_y - 1)), round(2 * centre[0] - (n_x - 1))
    noise = variance + np.roll(variance[::-1, ::-1], whole, (0, 1))
    changed = np.abs(light - turned)[inside].sum()
    by_noise = np.sqrt(2 / np.pi * noise[inside]).sum()  # mean of |x| for normal x
    total = (np.abs(light) + np.abs(turned))[inside].sum()
    return float((changed - by_noise) / total) if total > 0 else np.nan


def _galaxy_pixels(
    light: np.ndarray, radius: np.ndarray, petrosian_radius: float, centre: tuple[float, float]
) -> np.ndarray:
    """Pixels around the centre brighter, once smoothed, than the galaxy is at its Petrosian radius."""
    smooth = gaussian_filter(light, SMOOTHING * petrosian_radius)
    edge = smooth[np.abs(radius - petrosian_radius) <= 0.7]
    if not edge.size:
        return np.zeros(light.shape, bool)
    regions, _ = label(smooth >= edge.mean())
    y, x = (int(np.clip(round(c), 0, n - 1)) for c, n in zip(centre[::-1], light.shape, strict=True))
    return (regions == regions[y, x]) if regions[y, x] else np.zeros(light.shape, bool)


def _gini(values: np.ndarray) -> float:
    """Gini coefficient of the absolute values (Lotz et al. 2004, eq. 6)."""
    n, ordered = values.size, np.sort(np.abs(values))
    if n < 2 or not ordered.sum() > 0:
        return np.nan
    return float(np.sum((2 * np.arange(1, n + 1) - n - 1) * ordered) / (ordered.mean() * n * (n - 1)))


def _m20(light: np.ndarray, pixels: np.ndarray) -> float:
    """Second moment of the brightest fifth over that of all, about the centre of the light (eq. 8)."""
    y, x = np.nonzero(pixels)
    values = light[y, x]
    total = values.sum()
    if values.size < 2 or not total > 0:
        return np.nan
    moment = values * ((x - values @ x / total) ** 2 + (y - values @ y / total) ** 2)
    order = np.argsort(values)[::-1]
    brightest = order[: np.searchsorted(np.cumsum(values[order]), SHARE_OF_M20 * total) + 1]
    whole, part = moment.sum(), moment[brightest].sum()
    return float(np.log10(part / whole)) if whole > 0 and part > 0 else np.nan


def morphology_columns(
    image: np.ndarray,
    variance: np.ndarray,
    catalogue: Mapping,
    bands: tuple[str, ...],
    pixel_scale: float,
    *,
    is_subtracted: bool = False,
) -> dict[str, np.ndarray]:
    """Measure a stack, all bands together as the preparation combines them.

    Parameters
    ----------
    image, variance : ndarray, shape (n, band, y, x)
    catalogue : Table
        Rows of the stack: centre, Petrosian radius [arcsec], shape, and the sky of each band.
    bands : tuple of str
    pixel_scale : float
        [arcsec].
    is_subtracted : bool
        Whether the sky's level has been taken off the images.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        `MORPHOLOGY`.
    """
    level, sigma = (
        np.stack([np.asarray(catalogue[f"{name}_{band}"], float) for band in bands], axis=1)
        for name in ("sky_level", "sky_sigma")
    )
    level = np.zeros_like(level) if is_subtracted else level
    weight = sigma**-2 / np.sum(sigma**-2, axis=1, keepdims=True)
    rows = []
    for i in range(len(image)):
        morphology = measure_morphology(
            np.tensordot(weight[i], image[i] - level[i][:, None, None], 1),
            np.tensordot(weight[i] ** 2, variance[i].astype(float), 1),
            (float(catalogue["centre_x"][i]), float(catalogue["centre_y"][i])),
            float(catalogue["petrosian_radius"][i]) / pixel_scale,
            float(catalogue["axis_ratio"][i]),
            float(catalogue["position_angle"][i]),
        )
        rows.append((morphology.asymmetry, morphology.gini, morphology.m20))
    return dict(zip(MORPHOLOGY, np.array(rows, float).reshape(-1, 3).T, strict=True))
