"""Bands of ready-made images: lists as people write them, filter names, one file for each band."""

import re
from collections.abc import Sequence
from pathlib import Path

from mocks.filters import load_filter

__all__ = ["band_in_name", "band_of_filter", "filter_family", "filter_pivot", "parse_bands"]

LETTERS = "ugrizy"
BAND = re.compile(r"(?:^|[^a-zA-Z])([ugrizyUGRIZY])(?:$|[^a-zA-Z])")
# Words in filter names, and the group of curves in speclite that they mean
FAMILIES = {
    r"sdss|sloan": "sdss2010",
    r"hsc|hyper.?suprime": "hsc2017",
    r"decam|\bdes\b|legacy": "decam2014",
    r"pan-?starrs|ps1": "panstarrs",
    r"lsst|rubin": "lsst2023",
}


def parse_bands(text: str | Sequence[str]) -> tuple[str, ...]:
    """Bands of a list written in any usual way.

    Parameters
    ----------
    text : str or sequence of str
        ``"gri"``, ``"g,r,i"``, ``"g r i"``, ``'["g", "r", "i"]'`` or a sequence.

    Raises
    ------
    ValueError
        For none, or one twice.

    Examples
    --------
    >>> parse_bands("g,r,z")
    ('g', 'r', 'z')
    """
    if isinstance(text, str):
        plain = re.sub(r"[\[\]()'\"]", " ", text)
        names = plain.replace(",", " ").replace(";", " ").split()
        bands = tuple(names) if len(names) != 1 else tuple(names[0]) if names[0].isalpha() else tuple(names)
    else:
        bands = tuple(str(name).strip() for name in text)
    if not bands or len(set(bands)) != len(bands):
        raise ValueError(f"bands {text!r}: give each band once, as 'gri' or 'g,r,i'.")
    return bands


def band_of_filter(name: str) -> str | None:
    """Band letter in a filter's name, such as ``sloan/sdss_g`` or ``g_SDSS.res``; None without one."""
    match = BAND.search(re.sub(r"(?i)sdss|sloan|hsc", " ", name.replace("_", " ")))
    return match[1].lower() if match else None


def band_in_name(path: Path) -> tuple[str, str] | None:
    """Band that is a word of a file's name, and the name without it.

    Parameters
    ----------
    path : Path
        For example ``photo_g_CNN_214.fits``.

    Returns
    -------
    tuple (band, rest) or None
        None when no word, or more than one, is a band.
    """
    parts = re.split(r"([^A-Za-z0-9]+)", path.name)
    places = [i for i, part in enumerate(parts) if len(part) == 1 and part.lower() in LETTERS]
    if len(places) != 1:
        return None
    band, parts[places[0]] = parts[places[0]].lower(), "*"
    return band, "".join(parts)


def filter_family(name: str) -> str | None:
    """Group of curves in ``speclite`` that a filter's name speaks of, such as ``"sdss2010"``, or None."""
    for pattern, group in FAMILIES.items():
        if re.search(pattern, name, re.IGNORECASE):
            return group
    return None


def filter_pivot(name: str, band: str, assumed: str | None = None) -> tuple[float, str] | None:
    """Pivot wavelength of a band.

    Parameters
    ----------
    name : str
        Of the filter, as a file has it; may be empty.
    band : str
    assumed : str, optional
        Filter in ``speclite`` to take where the name has none, the survey's.

    Returns
    -------
    tuple (wavelength [Angstrom], filter taken) or None
    """
    group = filter_family(name)
    curve = assumed if group is None else f"{group}-{band}"
    try:
        return None if curve is None else (load_filter(curve).pivot, curve)
    except ValueError:  # a band that this camera does not have
        return None
