"""Footprints of a coadd's detections: which of their objects is the target, and whether it is a star."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from simcompare.images.preparation.segmentation import locate_target, pixel_noise

__all__ = ["concentration", "peak_columns", "target_of"]

log = logging.getLogger(__name__)

_SMOOTHING = 1.5  # pixels
_SMALL, _LARGE = 2.0, 5.0  # aperture radii [pixels]
# Magnitude between the apertures beyond the PSF's: HSC's stars have -0.17 to 0.02, galaxies 0.03 to 1.2.
LEAST_EXTENT = 0.025
MOST_ERROR = 0.08  # largest error of that magnitude; fainter objects may be anything
_CLEARER = 1.5  # light found in the right order of coordinates over that in the wrong one


def peak_columns(groups: Iterable[Mapping], where: str | Path) -> tuple[int, int]:
    """Columns of ``peaks_yx`` that hold y and x: as its name says, unless the light lies otherwise.

    Parameters
    ----------
    groups : iterable of mapping
        With ``image`` (band, y, x) and ``peaks_yx`` (m, 2).
    where : path-like
        For messages.

    Returns
    -------
    (int, int)
        (0, 1), or (1, 0) for a file whose peaks are x, y.
    """
    light = np.zeros(2)
    for group in groups:
        smooth = _smoothed(group["image"][:])
        peaks = np.rint(np.asarray(group["peaks_yx"][:], float)).astype(int)
        for order in (0, 1):
            y, x = peaks[:, order], peaks[:, 1 - order]
            inside = (y >= 0) & (x >= 0) & (y < smooth.shape[0]) & (x < smooth.shape[1])
            # Each footprint counts alike, however bright it is.
            light[order] += smooth[y[inside], x[inside]].sum() / max(smooth.max(), 1e-30) / max(len(peaks), 1)
    if light[1] > _CLEARER * max(light[0], 0):
        log.warning("%s: peaks_yx is in the order x, y, as the light shows; read accordingly", where)
        return 1, 0
    return 0, 1


def target_of(
    image: np.ndarray, psf: np.ndarray, weight: np.ndarray | None, peaks: np.ndarray | None
) -> tuple[tuple[float, float] | None, str]:
    """Place of the target of a footprint, and why it cannot be used.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
        Flux.
    psf : ndarray, shape (band, k, k)
    weight : ndarray, shape (band, y, x), optional
        Inverse variance; 0 outside the footprint and on masked pixels.
    peaks : ndarray, shape (m, 2), optional
        Rows and columns of the footprint's objects.

    Returns
    -------
    (float, float) or None
        x and y of its brightest peak, or without peaks of its brightest pixel; None where neither is known.
    str
        Empty for a galaxy.
    """
    if weight is None and peaks is None:
        return None, ""
    smooth = _smoothed(image)
    usable = np.ones(smooth.shape, bool) if weight is None else (weight > 0).all(axis=0)
    if peaks is None:
        if not usable.any():
            return None, ""
        y, x = np.unravel_index(np.argmax(np.where(usable, smooth, -np.inf)), smooth.shape)
        return (float(x), float(y)), ""
    rows, columns = np.rint(np.asarray(peaks, float)).astype(int).T
    inside = (rows >= 0) & (columns >= 0) & (rows < smooth.shape[0]) & (columns < smooth.shape[1])
    if not inside.any():
        return None, "none of its peaks lies inside its image"
    rows, columns = rows[inside], columns[inside]
    brightest = np.argmax(smooth[rows, columns])
    y, x = int(rows[brightest]), int(columns[brightest])
    if usable[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean() < 0.5:
        return (float(x), float(y)), "its brightest peak is masked"
    if _is_star(image, psf, weight, (x, y)):
        return (float(x), float(y)), "a star: as concentrated as the PSF"
    return (float(x), float(y)), ""


def _smoothed(image: np.ndarray) -> np.ndarray:
    """All bands in one smoothed image."""
    return gaussian_filter(np.nan_to_num(image).sum(axis=0), _SMOOTHING)


def _is_star(image, psf, weight, place) -> bool:
    """Whether a peak is as concentrated as the PSF, in the median of the bands, beyond doubt."""
    extents, errors = [], []
    for i, (band, own_psf) in enumerate(zip(np.nan_to_num(image), psf, strict=True)):
        centre = locate_target(band, place, 2.0)
        middle = own_psf.shape[0] // 2
        measured, flux = concentration(band, centre)
        expected, _ = concentration(own_psf, locate_target(own_psf, (middle, middle), 2.0))
        good = np.ones(band.shape, bool) if weight is None else weight[i] > 0
        noise = pixel_noise(band, good) if weight is None else np.median(weight[i][good]) ** -0.5
        extents.append(measured - expected)
        # Of the two apertures' magnitudes, by the noise of the sky.
        inner = flux * 10 ** (-0.4 * measured)
        areas = np.pi * np.array([_LARGE, _SMALL]) ** 2
        errors.append(1.086 * noise * np.hypot(*(np.sqrt(areas) / np.maximum((flux, inner), 1e-30))))
    extent, error = np.median(extents), np.median(errors)
    return bool(np.isfinite(extent) and error < MOST_ERROR and extent < LEAST_EXTENT)


def concentration(image: np.ndarray, centre: tuple[float, float]) -> tuple[float, float]:
    """Magnitude between apertures of 2 and 5 pixels, and the flux in the larger one.

    By the median of the light at each distance, so that a neighbour on one side does not count.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux.
    centre : (float, float)
        x and y [pixels].

    Returns
    -------
    float, float
        Magnitude NaN where an aperture holds no light.
    """
    step = 0.5
    radii = np.arange(step / 2, _LARGE + step, step)
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    rows = centre[1] + np.outer(radii, np.sin(angles))
    columns = centre[0] + np.outer(radii, np.cos(angles))
    profile = np.median(map_coordinates(image, [rows, columns], order=3, mode="constant"), axis=1)
    light = profile * 2 * np.pi * radii * step
    small, large = (float(light[radii < reach].sum()) for reach in (_SMALL, _LARGE))
    return (2.5 * np.log10(large / small) if small > 0 and large > 0 else np.nan), large
