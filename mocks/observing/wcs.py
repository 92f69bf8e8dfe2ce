"""World coordinates of an image that has no place on the sky until it is given one."""

from astropy.wcs import WCS

__all__ = ["tangent_wcs"]

ARCSEC_PER_DEGREE = 3600


def tangent_wcs(shape: tuple[int, ...], pixel_scale: float, ra: float = 0.0, dec: float = 0.0) -> WCS:
    """World coordinates with the middle of the image at a position, north up, east left.

    Parameters
    ----------
    shape : tuple of int
        (y, x), or (band, y, x): the bands are then a third, linear axis, counted from 0.
    pixel_scale : float
        [arcsec].
    ra, dec : float
        [deg]. A simulated galaxy has no place on the sky; the default says so by being the origin.

    Returns
    -------
    astropy.wcs.WCS
    """
    n_y, n_x = shape[-2:]
    step = pixel_scale / ARCSEC_PER_DEGREE
    bands = len(shape) - 2
    wcs = WCS(naxis=len(shape))
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"] + [""] * bands
    wcs.wcs.crpix = [(n_x + 1) / 2, (n_y + 1) / 2] + [1] * bands
    wcs.wcs.crval = [ra, dec] + [0] * bands
    wcs.wcs.cdelt = [-step, step] + [1] * bands
    return wcs
