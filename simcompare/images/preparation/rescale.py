"""Cuts that span the same number of galaxy radii, brought to one number of pixels."""

from dataclasses import replace

import numpy as np

from simcompare.images.preparation.photometry import measure_shape
from simcompare.images.preparation.segmentation import Objects
from simcompare.images.stamps import MASK_BITS, PreparedStamp, RawStamp, RejectedStampError

__all__ = ["bring_to_size", "overlaps", "side_in_half_mass_radii", "side_in_radii"]


def overlaps(n: int, size: int, step: float) -> np.ndarray:
    """Share of each of ``n`` pixels that falls into each of ``size`` pixels ``step`` times as wide.

    Parameters
    ----------
    n, size : int
        The two rows of pixels have the same middle.
    step : float
        Width of the new pixels in old ones.

    Returns
    -------
    ndarray, shape (size, n)
        A column sums to 1 where the new pixels cover the old one.
    """
    old = np.arange(n + 1) - n / 2
    new = step * (np.arange(size + 1) - size / 2)
    return np.clip(np.minimum(new[1:, None], old[1:]) - np.maximum(new[:-1, None], old[:-1]), 0, None)


def side_in_radii(
    light: np.ndarray, objects: Objects | None, centre: tuple[float, float], radii: float
) -> int:
    """Side of a cut that spans so many Petrosian radii of the galaxy.

    Parameters
    ----------
    light : ndarray, shape (y, x)
        Flux above the sky, neighbours removed.
    objects : Objects or None
        Of this image.
    centre : (float, float)
        x and y [pixels].
    radii : float
        Side in units of the radius, a semi-major axis.

    Returns
    -------
    int
        [pixels]

    Raises
    ------
    RejectedStampError
        When the radius cannot be measured, or the cut does not fit into the image.
    """
    target = objects.target if objects else np.ones(light.shape, dtype=bool)
    side = radii * measure_shape(light, target, centre).petrosian_radius
    return _odd_side(side, f"{radii:g} Petrosian radii", min(light.shape))


def side_in_half_mass_radii(stamp: RawStamp, radii: float, most: int) -> int:
    """Side of a cut that spans so many half-mass radii of a simulated galaxy.

    Parameters
    ----------
    stamp : RawStamp
        With its ``half_mass_radius`` [pixels].
    radii : float
    most : int
        Side of the image [pixels].

    Returns
    -------
    int
        [pixels]

    Raises
    ------
    RejectedStampError
        When the radius is not known, or the cut does not fit into the image.
    """
    if not np.isfinite(stamp.half_mass_radius):
        raise RejectedStampError("its half-mass radius is not known, as of no real galaxy; cut by --radii")
    return _odd_side(radii * stamp.half_mass_radius, f"{radii:g} half-mass radii", most)


def _odd_side(side: float, words: str, most: int) -> int:
    """Whole pixels of a side, odd, so that the galaxy's own pixel is the middle of every cut."""
    if not 1 <= side <= most - 1:
        raise RejectedStampError(f"a cut of {words}, {side:.0f} pixels, does not fit into {most}")
    return 2 * round((side - 1) / 2) + 1


def bring_to_size(prepared: PreparedStamp, stamp: RawStamp, size: int) -> PreparedStamp:
    """Bring a prepared square image to another number of pixels, sharing light by overlapping area.

    Flux is kept. Noise of neighbouring pixels becomes correlated unless the new pixels are whole old ones.

    Parameters
    ----------
    prepared : PreparedStamp
        Of any side.
    stamp : RawStamp
        That it was made of; gives bands and pixel scale.
    size : int
        New side [pixels].

    Returns
    -------
    PreparedStamp
        With the variance that uncorrelated pixels would give, masked where any masked pixel falls in, on no
        lattice of counts; its row has the new ``pixel_scale`` [arcsec], and sky and place in new pixels.
    """
    n, row = prepared.image.shape[-1], dict(prepared.row)
    step = n / size
    light = overlaps(n, size, step)
    wings = overlaps(prepared.psf.shape[-1], prepared.psf.shape[-1], step)
    psf = wings @ prepared.psf.astype(float) @ wings.T
    mask = np.zeros((len(prepared.mask), size, size), dtype=np.uint8)
    for bit in MASK_BITS.values():
        mask |= np.where(light @ (prepared.mask & bit > 0) @ light.T > 0, bit, 0).astype(np.uint8)
    row["pixel_scale"] = step * stamp.pixel_scale
    places = [name for name in ("centre_x", "centre_y", "place_x", "place_y") if name in row]
    row |= {axis: (row[axis] + 0.5) / step - 0.5 for axis in places}
    for band in stamp.bands:
        row[f"sky_level_{band}"] *= step**2
        row[f"sky_sigma_{band}"] *= float(np.mean(np.sum(light**2, axis=1)))
    return replace(
        prepared,
        image=(light @ prepared.image.astype(float) @ light.T).astype(np.float32),
        variance=(light**2 @ prepared.variance.astype(float) @ (light**2).T).astype(np.float32),
        mask=mask,
        psf=(psf / psf.sum(axis=(1, 2), keepdims=True)).astype(np.float32),
        quantum=np.zeros_like(prepared.quantum),
        row=row,
    )
