"""Bands, units and zero points from the headers of images, checked for contradictions."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from mocks.ideal.bands import band_in_name, band_of_filter, filter_pivot, parse_bands
from mocks.ideal.units import IMAGE_UNITS, parse_unit
from mocks.magnitudes import magnitude_of

__all__ = [
    "REDSHIFT_CARDS",
    "SKIRT_ZEROPOINTS",
    "ZEROPOINT_CARDS",
    "agreed",
    "bands_of",
    "filter_names",
    "number_of",
    "overruled",
    "unit_of",
    "wavelengths_of",
    "zeropoints_of",
]

# AB magnitude of one count per second in the SKIRT images of the Illustris and TNG sites, from the counts of
# AB 0 that their author gives (TNG data forum, topic 304): g 2.40238e10, r 2.3826e10, i 1.59001e10,
# z 2.66542e9 (Rodriguez-Gomez et al. 2019, MNRAS 483, 4140)
SKIRT_ZEROPOINTS = {"g": 25.952, "r": 25.943, "i": 25.503, "z": 23.564}
SKIRT_FILTER = re.compile(r"(?i)sloan/sdss_[griz]")
SAME_ZEROPOINT = 0.005  # mag
SAME_REDSHIFT = 1e-4
ZEROPOINT_CARDS = (
    "MAGZERO",
    "MAGZPT",
    "MAGZP",
    "ZP",
    "ZPT",
    "ZEROPNT",
    "ZEROPT",
    "ZEROPOIN",
    "PHOTZP",
    "ABZP",
)
REDSHIFT_CARDS = ("USE_Z", "REDSHIFT")


def agreed(headers: Sequence[fits.Header], names: Sequence[str], where: str) -> float | None:
    """Give the number that cards of all headers state; None when none does.

    Raises
    ------
    ValueError
        When they state different ones.
    """
    candidates = [(name, number_of(header.get(name))) for header in headers for name in names]
    stated = [(name, value) for name, value in candidates if value is not None]
    values = [value for _, value in stated]
    if values and not np.allclose(values, values[0], rtol=1e-3, atol=1e-4):
        raise ValueError(f"{where}: {' and '.join(f'{name} = {x:g}' for name, x in stated)} disagree.")
    return values[0] if values else None


def number_of(card: object) -> float | None:
    """Value of a card that is a number, or words that are one."""
    if card is None or isinstance(card, bool):
        return None
    try:
        return float(card)
    except (TypeError, ValueError):
        return None


def overruled(headers: Sequence[fits.Header], names: list[str], stated: dict, where: str) -> list[str]:
    """Say which cards a statement of the user contradicts, with both values.

    Parameters
    ----------
    headers : sequence of astropy.io.fits.Header
    names : list of str
        Of the filters of the planes, empty where not told.
    stated : dict
        By ``redshift``, ``unit`` and ``bands``; None where nothing is stated.
    where : str
        File, for messages.
    """
    notes = []
    for header in headers:
        in_header = {card: number_of(header.get(card)) for card in REDSHIFT_CARDS}
        for card, other in in_header.items():
            if None not in (stated["redshift"], other) and abs(other - stated["redshift"]) > SAME_REDSHIFT:
                notes.append(f"redshift {stated['redshift']:g} as given, not {other:g} as in {card}")
        unit = " ".join(str(header.get("BUNIT", "")).split())
        if stated["unit"] is not None and unit not in ("", stated["unit"]):
            notes.append(f"unit {stated['unit']} as given, not {unit} as in BUNIT")
    if stated["bands"] is not None:
        for band, name in zip(parse_bands(stated["bands"]), names, strict=False):
            in_header = band_of_filter(name)
            if in_header is not None and in_header != band:
                notes.append(f"band {band} as given, not {in_header} as in the filter name {name}")
    return list(dict.fromkeys(notes))


def filter_names(headers: Sequence[fits.Header], n_planes: int) -> list[str]:
    """Give the filter names of the planes of a cube, or of one image each."""
    if len(headers) > 1:
        names = ("FILTER", "FILTER0", "BAND")
        return [next((str(header[name]) for name in names if name in header), "") for header in headers]
    header = headers[0]
    listed = str(header.get("BANDS", ""))
    numbered = ("FILTER0", "BAND0", "FILTER1", "BAND1")
    if not any(name in header for name in ("FILTER", *numbered)) and len(listed) == n_planes:
        return list(listed)
    whole = header.get("FILTER", header.get("BAND", ""))
    # Planes are numbered from 0, as SKIRT does, or from 1, as FITS does.
    first = 0 if any(name in header for name in numbered[:2]) else 1
    numbers = range(first, first + n_planes)
    return [str(header.get(f"FILTER{i}", header.get(f"BAND{i}", whole))) for i in numbers]


def bands_of(
    stated: str | Sequence[str] | None, names: list[str], paths: list[Path], where: str
) -> tuple[tuple[str, ...], list[str]]:
    """Give bands as stated, by the filters' names, or, one image a file, by the files' names; and notes.

    Raises
    ------
    ValueError
        When they are not told, or one twice.
    """
    if stated is not None:
        return parse_bands(stated), []
    bands = [band_of_filter(name) for name in names]
    if None in bands and len(paths) == len(names) and not any(names):
        named = [band_in_name(path) for path in paths]
        if None not in named:
            bands = [band for band, _ in named]
            if len(set(bands)) == len(bands):
                return tuple(bands), [f"bands {''.join(bands)} by the names of the files"]
    if None in bands or len(set(bands)) != len(bands):
        raise ValueError(
            f"{where}: FILTER keywords do not name the bands of {len(names)} planes ({', '.join(names)}); "
            "state them with bands= (--reader bands=gri)."
        )
    return tuple(bands), []


def unit_of(stated: str | None, headers: Sequence[fits.Header], where: str) -> str:
    """Give the unit as stated, or else that of all headers, which must not contradict their zero points.

    Raises
    ------
    ValueError
        When there is none, headers differ, or pixels are packed.
    """
    for header in headers:
        if packed := [name for name in ("BSOFTEN", "BOFFSET") if name in header]:
            raise ValueError(f"{where}: pixels are packed by asinh ({', '.join(packed)}); unpack them first.")
    if stated is not None:
        return stated
    units = {" ".join(str(header.get("BUNIT", "")).split()) for header in headers}
    if len(units) > 1:
        raise ValueError(f"{where}: units of its bands differ: {', '.join(sorted(map(repr, units)))}.")
    unit = units.pop()
    if not unit:
        raise ValueError(
            f"{where}: no BUNIT in the header; state it with unit=, such as {', '.join(IMAGE_UNITS)}."
        )
    known = parse_unit(unit, where)
    for header in headers:
        card = agreed([header], ZEROPOINT_CARDS, where)
        if card is None or known.kind != "flux" or known.is_surface:
            continue
        ours = magnitude_of(known.nanomaggies(1.0))
        if abs(ours - card) > SAME_ZEROPOINT:
            raise ValueError(
                f"{where}: BUNIT {unit!r} implies the AB zero point {ours:.3f}, a card has {card:g}; state "
                "the right unit with unit= (--reader unit=...)."
            )
    return unit


def zeropoints_of(
    headers: Sequence[fits.Header], names: list[str], bands: tuple[str, ...], where: str
) -> tuple[list[float] | None, list[str]]:
    """Give zero points by cards, or those of the SKIRT images of the TNG site; None without; and notes."""
    if len(headers) == len(bands):
        in_headers = [agreed([header], ZEROPOINT_CARDS, where) for header in headers]
        if None not in in_headers:
            return in_headers, [f"zero points {in_headers} from the header"]
    if all(SKIRT_FILTER.fullmatch(name) for name in names) and set(bands) <= set(SKIRT_ZEROPOINTS):
        note = "zero points not stored: those of the SKIRT images of the Illustris and TNG sites assumed"
        return [SKIRT_ZEROPOINTS[band] for band in bands], [note]
    return None, []


def wavelengths_of(
    listed: Sequence[float] | None,
    names: list[str],
    bands: tuple[str, ...],
    filters: dict[str, str],
    where: str,
) -> tuple[list[float] | None, list[str]]:
    """Give pivot wavelengths [Angstrom] of a file's table or of its filters; None without; and notes.

    Parameters
    ----------
    listed : sequence of float or None
        Wavelengths in the file's table.
    names : list of str
        Filters of the planes.
    bands : tuple of str
    filters : dict of str
        Curves in ``speclite`` to take for bands whose filters tell none.
    where : str
        File, for the message.

    Raises
    ------
    ValueError
        When table and filters disagree.
    """
    curves = [filter_pivot(name, band, filters.get(band)) for name, band in zip(names, bands, strict=True)]
    pivots = None if None in curves else [pivot for pivot, _ in curves]
    if listed is not None and len(listed) == len(bands):
        if pivots is not None and not np.allclose(listed, pivots, rtol=0.05):
            raise ValueError(
                f"{where}: its table lists {np.round(listed).tolist()} Angstrom, its bands {''.join(bands)} "
                f"lie at {np.round(pivots).tolist()}: planes in another order? State bands= or wavelengths=."
            )
        return list(listed), ["wavelengths of the bands from the file's table"]
    if pivots is None:
        return None, []
    return pivots, [f"wavelengths of the bands: pivots of {', '.join(curve for _, curve in curves)}"]
