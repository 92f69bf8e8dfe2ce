"""Names of real galaxies."""

import logging
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from simcompare.images.positions import place_problem

__all__ = ["coordinate_name", "galaxy_name", "names_of", "place_in_name", "word"]

log = logging.getLogger(__name__)

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
    return (np.nan, np.nan) if place_problem(ra, dec) else (ra, -dec if sign == "-" else dec)


def galaxy_name(survey: str, ra: float, dec: float, otherwise: str) -> str:
    """Name of a galaxy by its place as `coordinate_name`, or another where the place is not known."""
    known = np.isfinite(ra) and np.isfinite(dec) and not place_problem(ra, dec)
    return coordinate_name(survey, ra, dec) if known else otherwise


def names_of(ids: Sequence, ra: np.ndarray, dec: np.ndarray, stem: str) -> list[str]:
    """Names of the galaxies of one file by its column of names, as far as it tells them apart.

    A galaxy without a name of its own (empty, or shared with another) is named by its place, or, where that
    is not known, by file and row. Floating-point numbers beyond 2^53 are not names: digits of them are lost.

    Parameters
    ----------
    ids : sequence, shape (n,)
        Text, bytes or numbers.
    ra, dec : ndarray, shape (n,)
        ICRS [deg]; NaN where unknown.
    stem : str
        Name of the file.
    """
    ids = np.ma.filled(np.ma.asarray(ids).astype(object), "") if np.ma.isMaskedArray(ids) else np.asarray(ids)
    if ids.dtype.kind == "f":
        whole = np.isfinite(ids) & (np.abs(ids) < 2.0**53) & (ids == np.rint(ids))
        texts = [str(int(value)) if is_whole else "" for value, is_whole in zip(ids, whole, strict=True)]
    else:
        texts = [word(value) for value in ids]
    times, names, unclear, repeated = Counter(texts), [], 0, 0
    for i, text in enumerate(texts):
        named = text if text and times[text] == 1 else ""
        if text and not named and np.isnan(ra[i]) and np.isnan(dec[i]):
            named = text  # the second image of a name is a repetition, for all that is known
            repeated += 1
        elif not named:
            unclear += 1
        names.append(named or galaxy_name("J", ra[i], dec[i], f"{stem}-{i}"))
    if unclear:
        how = "by position, or else by file and row"
        log.warning("%s: %d of %d names are empty or repeated: named %s", stem, unclear, len(ids), how)
    if repeated:
        log.warning(
            "%s: %d of %d galaxies share their names; the first of each is taken", stem, repeated, len(ids)
        )
    return names


def word(value) -> str:
    """Text of a stored string, however it is stored, in one line."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes | np.bytes_):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    printable = "".join(each if each.isprintable() or each.isspace() else "?" for each in str(value))
    return " ".join(printable.split())
