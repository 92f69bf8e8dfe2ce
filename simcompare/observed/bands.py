"""Bands as files name them: in one word, in a list, by filters; and the survey that a filter belongs to."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mocks.surveys import SURVEYS
from simcompare.observed.names import word

__all__ = [
    "band_letter",
    "band_names",
    "band_places",
    "bands_of_header",
    "check_axes",
    "check_filter",
    "foreign_filter",
]

# Words that name a camera or a survey in a filter's name, and the beginnings of the surveys that use it.
_FAMILIES = {
    "sdss": ("sdss",),
    "hsc": ("hsc",),
    "des": ("des", "legacy"),
    "decam": ("des", "legacy"),
    "decals": ("legacy", "des"),
    "legacy": ("legacy", "des"),
    "legacysurvey": ("legacy", "des"),
    "kids": ("kids",),
    "omegacam": ("kids",),
    "ps1": ("panstarrs",),
    "panstarrs": ("panstarrs",),
    "lsst": ("lsst",),
    "lsstcam": ("lsst",),
    "euclid": ("euclid",),
    # of none of our surveys
    **dict.fromkeys(("cousins", "johnson", "bessell", "bessel", "vega", "cfht", "megacam", "megaprime"), ()),
    **dict.fromkeys(("hst", "acs", "wfc3", "wfpc2", "jwst", "nircam", "2mass", "ukidss", "vista"), ()),
    **dict.fromkeys(("ztf", "skymapper", "galex", "gaia", "wise"), ()),
}
# Filters of space telescopes and of MegaCam by their numbers: F606W, MP9601
_NUMBERED = re.compile(r"f\d{3,4}(?:w|m|n|lp|x|w2)|mp\d{4}", re.IGNORECASE)
_LETTER = re.compile(r"[ugrizyUGRIZY]2?")


def band_names(stated, where: str | Path) -> tuple[str, ...]:
    """Names of the planes of an image, in order.

    Parameters
    ----------
    stated : str, bytes or sequence
        ``"grz"``, ``"g,r,z"``, ``"g r z"``, ``'["g", "r"]'``, or a list of names; a name of several letters
        (``"hsc-g"``, ``"f814w"``) is one band where it stands in a list, or is more than letters.
    where : path-like
        For messages.

    Raises
    ------
    ValueError
        When none is named, or one twice.
    """
    if isinstance(stated, Sequence | np.ndarray) and not isinstance(stated, str | bytes):
        names = [word(name) for name in np.ravel(np.asarray(stated, dtype=object))]
    else:
        text = word(stated)
        if text.startswith("["):
            try:
                names = [word(name) for name in json.loads(text.replace("'", '"'))]
            except ValueError as error:
                raise ValueError(f"{where}: bands are {text!r}; write 'g,r,z'.") from error
        else:
            names = [name for name in re.split(r"[,;\s]+", text) if name]
            if len(names) == 1 and names[0].isalpha():
                names = list(names[0])
    if not names or "" in names or len(set(names)) < len(names):
        raise ValueError(f"{where}: bands are {', '.join(names) or 'not named'}; name each plane once.")
    return tuple(names)


def bands_of_header(header: Mapping, where: str | Path) -> tuple[str, ...] | None:
    """Names of the planes of a FITS image by its BANDS, or by BAND0, BAND1, ...; None where it has neither.

    Raises
    ------
    ValueError
        As `band_names`, or when the two contradict each other.
    """
    numbered = {int(card[4:]): word(header[card]) for card in header if re.fullmatch(r"BAND\d+", card)}
    planes = band_names([numbered[i] for i in sorted(numbered)], where) if numbered else None
    if "BANDS" not in header:
        return planes
    names = band_names(header["BANDS"], where)
    if planes is not None and [band_letter(x) or x for x in planes] != [band_letter(x) or x for x in names]:
        raise ValueError(
            f"{where}: BANDS says {', '.join(names)}, BAND{min(numbered)} to BAND{max(numbered)} say "
            f"{', '.join(planes)}; correct the header."
        )
    return names


def band_letter(name: str) -> str | None:
    """Letter of a filter, small, by its name: r for ``r``, ``HSC-R2``, ``sdss_r``; None where it has none."""
    parts = [part for part in re.split(r"[^a-zA-Z0-9]+", name.strip()) if _LETTER.fullmatch(part)]
    return parts[-1][0].lower() if parts else None


def band_places(where: str | Path, wanted: Sequence[str], present: Sequence[str]) -> list[int]:
    """Positions of the wanted bands among those present, by whole name or by its letter.

    Raises
    ------
    ValueError
        When one is not there, or stands there more than once.
    """
    forms = (str, lambda name: re.split(r"[-_.\s]", name)[-1].lower(), band_letter)
    places, missing = [], []
    for band in wanted:
        matching = []
        for form in forms:
            sought = band if form is str else band.lower()
            matching = matching or [i for i, name in enumerate(present) if form(name) == sought]
        if len(matching) > 1:
            raise ValueError(f"{where}: band {band} may be any of {', '.join(present[i] for i in matching)}.")
        places += matching
        missing += [] if matching else [band]
    if missing:
        raise ValueError(f"{where}: bands {missing} are not in it; it has {', '.join(present)}.")
    return places


def check_axes(where: str | Path, shape: tuple[int, ...], bands: Sequence[str], first: str = "n, ") -> None:
    """Refuse images whose axes are not (galaxy,) band, y, x: bands that come last would be taken for rows."""
    axis = 1 if first else 0
    if len(shape) != axis + 3 or shape[axis] != len(bands):
        raise ValueError(
            f"{where}: images have shape {tuple(shape)} for the bands {', '.join(bands)}; "
            f"({first}{len(bands)}, y, x) is needed, bands before rows."
        )


def check_filter(where: str | Path, filter_name: str, band: str) -> None:
    """Refuse an image whose header names another filter than its file."""
    letter = band_letter(filter_name)
    if letter is None and re.fullmatch(r"[A-Za-z]", filter_name.strip()):
        letter = filter_name.strip().lower()  # of another system, as V is
    if letter is not None and letter != band.lower():
        raise ValueError(
            f"{where}: its header says filter {filter_name.strip()}, but it is taken for band {band}; rename "
            "the file, or correct the header."
        )


def foreign_filter(filter_name: str, survey: str) -> bool:
    """Whether a filter is named after another survey than the one asked for, as far as both are known."""
    if survey not in SURVEYS:
        return False
    parts = re.split(r"[^a-z0-9]+", filter_name.lower().replace("pan-starrs", "panstarrs"))
    families = [family for part in parts if (family := _FAMILIES.get(part)) is not None]
    families += [() for part in parts if _NUMBERED.fullmatch(part) and not survey.startswith("euclid")]
    return any(not survey.startswith(family) for family in families)
