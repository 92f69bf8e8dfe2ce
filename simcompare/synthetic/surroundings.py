"""Real sky around a smooth galaxy: the pixels of its parent outside the aperture, with a soft edge."""

import numpy as np
from astropy.table import Table
from scipy.ndimage import distance_transform_edt

from simcompare.images.aperture import aperture_weights

__all__ = ["EDGE", "aperture_share", "in_real_surroundings"]

EDGE = 4.0
"""Width of the soft edge, which lies inside the aperture [pixels]."""


def aperture_share(catalogue: Table, size: int, pixel_scale: float) -> np.ndarray:
    """Share of the model in each pixel: 1 inside the galaxy's aperture, 0 outside, rising over its rim.

    Parameters
    ----------
    catalogue : Table
        One row, with the geometry of the aperture.
    size : int
        Side of the image [pixels].
    pixel_scale : float
        [arcsec].

    Returns
    -------
    ndarray, shape (size, size)
        1 everywhere for a galaxy that has no Petrosian radius within its image. A galaxy narrower than twice
        the edge gets a narrower one.
    """
    inside = aperture_weights(catalogue, size, pixel_scale)
    inside = np.ones((size, size), bool) if inside is None else inside[0] > 0.5
    if inside.all():
        return np.ones((size, size))
    depth = distance_transform_edt(inside)
    share = np.clip(depth / max(min(EDGE, depth.max() / 2), 1.0), 0, 1)
    return share * share * (3 - 2 * share)


def in_real_surroundings(
    observed: np.ndarray, model: np.ndarray, real: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Put a mock galaxy into the real image of its parent, outside whose aperture nothing changes.

    Parameters
    ----------
    observed : ndarray, shape (band, y, x)
        Mock with its noise, dithered.
    model : ndarray, shape (band, y, x)
        The same without noise.
    real : ndarray, shape (band, y, x)
        The parent's image, on the same pixels.
    share : ndarray, shape (y, x)
        Of the mock, as `aperture_share` gives it.

    Returns
    -------
    ndarray, shape (band, y, x)
        Over the soft edge light goes over from the mock's to the parent's in proportion, and the mock's noise
        is scaled so that, added to what there is of the parent's, it has the variance of either.
    """
    noise = np.sqrt(share * (2 - share))  # squared, and (1 - share) squared, make one
    mixed = share * model + (1 - share) * real + noise * (observed - model)
    return np.where(share == 1, observed, np.where(share == 0, real, mixed))
