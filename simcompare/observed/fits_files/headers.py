"""What the header of an image says: unit and zero point of its pixels, and where they are on the sky."""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from mocks.checked_fits import refuse_text_coordinates
from simcompare.images.stamps import SkyFrame
from simcompare.observed.units import is_counts, nanomaggies_per_unit

__all__ = ["linear_pixels", "place_and_matrix", "sky_frame", "stated_unit"]

_ZEROPOINTS = ("MAGZERO", "MAGZPT", "MAGZP", "ZP", "ZPT", "ZEROPNT", "ZEROPT", "ZEROPOIN", "PHOTZP", "ABZP")
_AXES = {"RA--", "DEC-", "GLON", "GLAT"}  # frames that astropy knows; it takes ecliptic ones for ICRS
_SYSTEMS = ("MAGSYS", "ZPSYS", "PHOTSYS", "MAGTYPE")
_AGREE = 0.005  # mag
_SQUARE = 0.01  # relative difference of the sides of a square pixel


def stated_unit(
    header: fits.Header, units: str, where: str | Path, pixel_scale: float | None = None
) -> float:
    """Factor to nanomaggies by a header, or by ``units`` where it does not say.

    Raises
    ------
    ValueError
        When cards contradict each other, or say nothing that is understood.
    """
    zeropoint = _zeropoint(header, where)
    stated = str(header.get("BUNIT", "")).strip()
    if not stated and "legacysurvey" in str(header.get("SURVEY", "")).lower():
        stated = "nanomaggy"
    if not stated or (units and zeropoint is None and is_counts(stated)):
        stated = units
    return nanomaggies_per_unit(stated, zeropoint, str(where), pixel_scale)


def _zeropoint(header: fits.Header, where: str | Path) -> float | None:
    """AB magnitude of a pixel value of one, if a header says it."""
    zeropoints = {}
    for key in (*_ZEROPOINTS, "FLUXMAG0"):
        if key not in header:
            continue
        try:
            value = float(header[key])
            zeropoints[key] = 2.5 * np.log10(value) if key == "FLUXMAG0" else value
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: card {key} is {header[key]!r}, not a number.") from error
        if "vega" in header.comments[key].lower():
            raise ValueError(f"{where}: the zero point {key} is not AB ({header.comments[key]}); convert it.")
    system = next((str(header[key]) for key in _SYSTEMS if key in header), "AB")
    if zeropoints and "AB" not in system.upper():
        raise ValueError(f"{where}: zero points are {system}, not AB; convert them.")
    if zeropoints and not np.ptp(list(zeropoints.values())) <= _AGREE:
        cards = ", ".join(f"{key} {value:.3f}" for key, value in zeropoints.items())
        raise ValueError(f"{where}: zero points contradict each other: {cards}.")
    return next(iter(zeropoints.values()), None)


def linear_pixels(image: np.ndarray, header: Mapping, where: str | Path) -> np.ndarray:
    """Pixels as fluxes, where Pan-STARRS has stored them as inverse hyperbolic sines.

    References
    ----------
    Waters et al. 2020, ApJS 251, 4: flux = BOFFSET + 2 BSOFTEN sinh(value / 1.0857).
    """
    cards = [card for card in ("BSOFTEN", "BOFFSET") if card in header]
    if not cards:
        return image
    if len(cards) == 1:
        raise ValueError(
            f"{where}: pixels are compressed by {cards[0]}, but the other of BSOFTEN and BOFFSET is missing."
        )
    unit = str(header.get("BUNIT", "")).strip()
    if unit and not is_counts(unit):
        raise ValueError(
            f"{where}: BUNIT says {unit}, BSOFTEN and BOFFSET say inverse hyperbolic sines; remove "
            "the cards that are not true."
        )
    softening, offset = float(header["BSOFTEN"]), float(header["BOFFSET"])
    return offset + 2 * softening * np.sinh(image * (np.log(10) / 2.5))


def sky_frame(
    header: fits.Header, shape: tuple[int, int], where: str | Path
) -> tuple[float, float, float, SkyFrame]:
    """Pixel scale [arcsec], ICRS place of an image's middle [deg], and how it lies on the sky.

    Parameters
    ----------
    header : fits.Header
    shape : (int, int)
        y and x.
    where : path-like
        For messages.

    Raises
    ------
    ValueError
        Without celestial coordinates, with ones that cannot be understood, or pixels that are not square.
    """
    middle = [(side - 1) / 2 for side in shape[::-1]]
    refuse_text_coordinates(header, where)
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning), _quiet():
            wcs = WCS(header).celestial
            if not wcs.has_celestial:
                raise ValueError("no celestial coordinates (CTYPE1, CRVAL1, ...) in its header")
            if not {axis[:4] for axis in wcs.wcs.ctype} <= _AXES:
                known = "ICRS, FK5, FK4 and galactic coordinates are read"
                raise ValueError(f"its axes are {' and '.join(wcs.wcs.ctype)}; {known}")
            scale = float(np.mean(proj_plane_pixel_scales(wcs))) * 3600
            place, matrix = place_and_matrix(wcs, *middle)
    except Exception as error:  # wcslib and astropy raise many kinds for coordinates they do not know
        raise ValueError(f"{where}: {_one_line(error)}.") from error
    if not np.isfinite(matrix).all() or not scale > 0:
        raise ValueError(f"{where}: its coordinates have no finite value in the middle of the image.")
    # The two axes of the ellipse that a pixel's inscribed circle makes on the sky.
    sides = np.linalg.svd(matrix, compute_uv=False)
    if sides[0] > (1 + _SQUARE) * sides[1]:
        raise ValueError(
            f"{where}: pixels are not square, {sides[0]:.4g} by {sides[1]:.4g} arcsec; resample the image."
        )
    return scale, place.ra.deg, place.dec.deg, SkyFrame.of_matrix(middle[0], middle[1], matrix)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what astropy says of each header (a page on distortions without -SIP) out of the log."""
    logger = logging.getLogger("astropy")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def place_and_matrix(wcs: WCS, x: float, y: float) -> tuple[SkyCoord, np.ndarray]:
    """ICRS place of a pixel, and what one pixel along x and y (columns) is to the east and north [arcsec]."""
    place, along_x, along_y = (wcs.pixel_to_world(x + i, y + j).icrs for i, j in ((0, 0), (1, 0), (0, 1)))
    return place, np.array([_offset(place, other) for other in (along_x, along_y)]).T


def _offset(place: SkyCoord, other: SkyCoord) -> tuple[float, float]:
    """Angle to the east and to the north from one place to another [arcsec]."""
    return tuple(each.to_value("arcsec") for each in place.spherical_offsets_to(other))


def _one_line(error: Exception) -> str:
    """Text of an error without its line breaks."""
    return re.sub(r"\s+", " ", str(error)).strip().rstrip(".")
