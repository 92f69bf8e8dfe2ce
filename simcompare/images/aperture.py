"""The aperture of a galaxy: where its own light is looked at, and where the sky around it."""

import numpy as np
from astropy.table import Table
from photutils.aperture import EllipticalAperture

__all__ = ["APERTURE_RADII", "GEOMETRY", "aperture_weights"]

APERTURE_RADII = 1.5
"""Semi-major axis of the aperture in Petrosian radii; see ``benchmarks/bench_power.py`` for others."""
GEOMETRY = ("centre_x", "centre_y", "petrosian_radius", "axis_ratio", "position_angle")
"""Columns of a catalogue that place the aperture."""


def aperture_weights(
    catalogue: Table, size: int, pixel_scale: float, radii: float = APERTURE_RADII
) -> np.ndarray | None:
    """Share of each pixel that lies inside the ellipse of some Petrosian radii.

    Parameters
    ----------
    catalogue : Table
        With the columns `GEOMETRY`: centre [pixels], Petrosian radius [arcsec], axis ratio, angle [rad].
    size : int
        Side of the images [pixels].
    pixel_scale : float
        [arcsec].
    radii : float
        Semi-major axis in Petrosian radii.

    Returns
    -------
    ndarray of float32, shape (n, y, x), or None
        1 everywhere for a galaxy whose Petrosian radius is not reached within the image (NaN). None where a
        column is missing.
    """
    if not all(name in catalogue.colnames for name in GEOMETRY):
        return None
    x, y, petrosian, axis_ratio, angle = (
        np.ma.filled(np.ma.asarray(catalogue[name]).astype(float), np.nan) for name in GEOMETRY
    )
    weights = np.ones((len(catalogue), size, size), dtype=np.float32)
    major = radii * petrosian / pixel_scale
    minor = major * axis_ratio
    for i in np.flatnonzero(np.isfinite([x, y, major, minor, angle]).all(axis=0) & (minor > 0)):
        ellipse = EllipticalAperture((x[i], y[i]), major[i], minor[i], theta=angle[i])
        weights[i] = ellipse.to_mask(method="exact").to_image((size, size))
    return weights
