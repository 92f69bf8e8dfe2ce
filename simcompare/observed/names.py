"""Names of real galaxies."""

import re

import numpy as np

__all__ = ["coordinate_name", "place_in_name", "word"]

_PLACE = re.compile(r"J(\d\d)(\d\d)(\d\d(?:\.\d+)?)([+-])(\d\d)(\d\d)(\d\d(?:\.\d+)?)")


def coordinate_name(survey: str, ra: float, dec: float) -> str:
    """Name of a galaxy by its place on the sky, for example ``SDSS-J074440.62+440839.8``.

    Parameters
    ----------
    survey : str
        Goes in front.
    ra, dec : float
        ICRS [deg].

    Returns
    -------
    str
        Right ascension to 0.01 s and declination to 0.1 arcsec, rounded.
    """
    ticks = round(ra % 360 / 15 * 360_000) % (24 * 360_000)
    hours, rest = divmod(ticks, 360_000)
    minutes, seconds = divmod(rest, 6000)
    degrees, rest = divmod(round(abs(dec) * 36_000), 36_000)
    arcmin, arcsec = divmod(rest, 600)
    sign = "-" if dec < 0 else "+"
    right_ascension = f"{hours:02d}{minutes:02d}{seconds / 100:05.2f}"
    return f"{survey}-J{right_ascension}{sign}{degrees:02d}{arcmin:02d}{arcsec / 10:04.1f}"


def place_in_name(name: str) -> tuple[float, float]:
    """Right ascension and declination [deg] that a name by `coordinate_name` tells; NaN for other names."""
    match = _PLACE.search(name)
    if match is None:
        return np.nan, np.nan
    hours, minutes, seconds, sign, degrees, arcmin, arcsec = match.groups()
    ra = 15 * (int(hours) + int(minutes) / 60 + float(seconds) / 3600)
    dec = int(degrees) + int(arcmin) / 60 + float(arcsec) / 3600
    return ra, -dec if sign == "-" else dec


def word(value) -> str:
    """Text of an HDF5 string, however it is stored."""
    return value.decode() if isinstance(value, bytes | np.bytes_) else str(value)
