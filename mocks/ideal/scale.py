"""Pixel size of an image from its header."""

import warnings
from collections.abc import Sequence

import numpy as np
from astropy import units as u
from astropy.cosmology import FLRW, FlatLambdaCDM
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from mocks.checked_fits import refuse_text_coordinates
from mocks.ideal.headers import number_of

__all__ = ["COSMOLOGY", "pixel_scale_of"]

COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3)
"""Assumed where a file gives parsecs and a redshift only, and said so in the notes."""
SQUARE = 0.01  # difference of the sides of a square pixel, or cosine between them, as a share of the side
AGREE = 0.05  # PIXSCALE against the matrix; through a redshift they differ by the cosmology of their author
USUAL = 1e-5, 60.0  # [arcsec]
MATRIX = ("CDELT1", "CD1_1", "CD1_2", "PC1_1")


def _sides(header: fits.Header, where: str) -> tuple[float, u.UnitBase] | None:
    """Side of a pixel by the header's matrix, and its unit; None where there is no matrix."""
    if not any(name in header for name in MATRIX):
        return None
    refuse_text_coordinates(header, where)
    plain = header.copy()
    for name in ("CUNIT", "CTYPE", "CDELT"):  # one axis stands for both
        if f"{name}1" in header and f"{name}2" not in header and "CD1_1" not in header:
            plain[f"{name}2"] = header[f"{name}1"]
    has_unit = any(str(header.get(name, "")).strip() for name in ("CUNIT1", "CTYPE1"))
    for axis in "12":  # SKIRT writes the unit of lengths as their type
        kind = str(plain.get(f"CTYPE{axis}", "")).strip()
        if kind in ("pc", "kpc", "Mpc") and not str(plain.get(f"CUNIT{axis}", "")).strip():
            plain[f"CUNIT{axis}"], plain[f"CTYPE{axis}"] = kind, "LINEAR"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            warnings.simplefilter("ignore", u.UnitsWarning)  # of an unknown unit, refused below
            wcs = WCS(plain, naxis=2)
            matrix, units = np.asarray(wcs.pixel_scale_matrix, float), list(wcs.wcs.cunit)
    except (ValueError, TypeError, KeyError, MemoryError) as error:  # astropy raises subclasses of these
        raise ValueError(f"{where}: its coordinates cannot be read ({error}).") from error
    if unknown := [unit for unit in units if isinstance(unit, u.UnrecognizedUnit)]:
        raise ValueError(f"{where}: CUNIT is {unknown[0]}, no known unit; state pixel_scale= [arcsec].")
    units = [u.deg if unit == u.dimensionless_unscaled and not has_unit else unit for unit in units]
    if not units[0].is_equivalent(units[1]):
        raise ValueError(f"{where}: axes in {units[0]} and {units[1]}, which do not match.")
    matrix = matrix * np.array([[1.0], [units[1].to(units[0])]])
    sides = np.hypot(*matrix)
    if not np.isfinite(sides).all() or not sides.min() > 0:
        raise ValueError(f"{where}: pixels of {sides.tolist()} {units[0]}; state pixel_scale= [arcsec].")
    skew = abs(matrix[:, 0] @ matrix[:, 1]) / np.prod(sides)
    if abs(sides[0] / sides[1] - 1) > SQUARE or skew > SQUARE:
        raise ValueError(
            f"{where}: pixels of {sides[0]:.6g} by {sides[1]:.6g} {units[0]}, the cosine between their sides "
            f"{skew:.3g}: not square; resample the image."
        )
    return float(sides[0] if sides[0] == sides[1] else np.sqrt(np.prod(sides))), units[0]


def _scale(header: fits.Header, redshift: float | None, cosmology: FLRW | None, where: str) -> tuple:
    """Pixel scale [arcsec] that a header tells, or None, and how."""
    scales = {}
    for name in ("PIXSCALE", "PIXELSCL"):
        value = number_of(header.get(name))
        if value is not None:
            scales[name] = value
    sides = _sides(header, where)
    if sides is not None:
        side, unit = sides
        if unit.is_equivalent(u.arcsec):
            has_unit = any(header.get(name) for name in ("CUNIT1", "CTYPE1"))
            scales[f"the matrix in {unit}" if has_unit else "the matrix, degrees assumed"] = side * unit.to(
                u.arcsec
            )
        elif unit.is_equivalent(u.kpc):
            if redshift is not None and redshift > 0:
                used = cosmology or COSMOLOGY
                per_arcsec = used.kpc_proper_per_arcmin(redshift).to_value(u.kpc / u.arcsec)
                how = f"pixels of {side:.6g} {unit} at redshift {redshift:g}"
                if cosmology is None:
                    how += f" (cosmology not stored: H0 = {used.H0.value:g}, Omega_m = {used.Om0:g} assumed)"
                scales[how] = side * unit.to(u.kpc) / per_arcsec
        elif not scales:
            raise ValueError(
                f"{where}: pixels of {side:g} {unit}, not an angle; state pixel_scale= [arcsec]."
            )
    if not scales:
        return None, ""
    values = list(scales.values())
    if max(values) > (1 + AGREE) * min(values):
        raise ValueError(
            f"{where}: pixel sizes disagree: "
            + " and ".join(f"{value:.5g} arcsec by {how}" for how, value in scales.items())
            + "; state the right one with pixel_scale= (--reader pixel_scale=...)."
        )
    how, value = next(iter(scales.items()))
    if not USUAL[0] <= value <= USUAL[1]:
        raise ValueError(
            f"{where}: pixels of {value:g} arcsec by {how}; usual: {USUAL[0]:g} to {USUAL[1]:g}. State "
            "the right size with pixel_scale= (--reader pixel_scale=...)."
        )
    return value, how


def pixel_scale_of(
    headers: Sequence[fits.Header], redshift: float | None, cosmology: FLRW | None, where: str
) -> tuple[float, str]:
    """Pixel scale on which all headers agree.

    Parameters
    ----------
    headers : sequence of astropy.io.fits.Header
        One for each file.
    redshift : float or None
        For pixels in parsecs.
    cosmology : astropy.cosmology.FLRW or None
        For pixels in parsecs; `COSMOLOGY` when None.
    where : str
        File, for messages.

    Returns
    -------
    float
        [arcsec].
    str
        How the header tells it.

    Raises
    ------
    ValueError
        When none does, several differ, or pixels are not square.
    """
    scales = {_scale(header, redshift, cosmology, where) for header in headers}
    if len(scales) > 1 or None in {scale for scale, _ in scales}:
        raise ValueError(
            f"{where}: pixel size not given, or different between bands ("
            + ", ".join(sorted(f"{scale} {how}".strip() for scale, how in scales))
            + "); state it with pixel_scale= [arcsec] (--reader pixel_scale=...)."
        )
    return scales.pop()
