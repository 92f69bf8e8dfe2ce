"""Catalogues of places on the sky, as a table in any form that astropy reads."""

import bz2
import gzip
import logging
import lzma
from contextlib import suppress
from pathlib import Path
from xml.parsers import expat

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle
from astropy.table import Column, MaskedColumn, Table

from simcompare.images.positions import place_problem

__all__ = ["degrees_of", "lower_names", "read_places", "read_table"]

log = logging.getLogger(__name__)

_NAMES = {
    "ra": ("ra", "ra_deg", "raj2000", "_raj2000", "alpha_j2000"),
    "dec": ("dec", "dec_deg", "dej2000", "decj2000", "_dej2000", "delta_j2000"),
}
_OPENERS = {".gz": gzip.open, ".bz2": bz2.open}


def read_table(path: Path) -> Table:
    """Table of any form that astropy reads, places in degrees; ``#`` begins comments in CSV, as SkyServer's.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file, it is no table, or its places are no angles.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a table.")
    try:
        if ".csv" in [ending.lower() for ending in path.suffixes[-2:]]:
            # Excel begins a CSV with a byte-order mark. As a text of one line it would be taken for a path.
            with _OPENERS.get(path.suffix.lower(), open)(path, "rt", encoding="utf-8-sig") as file:
                table = Table.read(file.read().splitlines(), comment="#", format="ascii.csv")
        else:
            _refuse_streams(path)
            table = Table.read(path)
    except Exception as error:  # astropy raises many kinds for files that are no tables
        reason = " ".join(str(error).split("The available formats")[0].split())[:300]
        raise ValueError(f"{path}: no table that can be read ({reason}).") from error
    for name in table.colnames:
        axis = next((axis for axis, names in _NAMES.items() if name.strip().lower() in names), None)
        if axis is not None and table[name].ndim == 1:
            values = degrees_of(table[name], axis, path)
            table[name] = MaskedColumn(values, mask=np.isnan(values), unit=u.deg)
    return table


def lower_names(table: Table) -> dict[str, str]:
    """Columns by their names in small letters, without blanks about them."""
    return {name.strip().lower(): name for name in table.colnames}


def degrees_of(column: Column, axis: str, where: str | Path) -> np.ndarray:
    """Coordinates of a column [deg]; NaN where it is masked.

    Parameters
    ----------
    column : Column
        Numbers, in degrees when it states no unit; or sexagesimal text, right ascension in hours.
    axis : str
        ``"ra"`` or ``"dec"``.
    where : path-like
        For messages.

    Raises
    ------
    ValueError
        When the unit is no angle, or a text no coordinate.
    """
    values = np.ma.asarray(column)
    if values.dtype.kind in "OSU":
        return _sexagesimal(values, axis, where)
    unit = getattr(column, "unit", None) or u.deg
    try:
        factor = u.Unit(unit).to(u.deg)
    except (u.UnitConversionError, ValueError, TypeError) as error:
        raise ValueError(f"{where}: column {column.name} has the unit {unit}, no angle.") from error
    return np.ma.filled(values.astype(float), np.nan) * factor


def _sexagesimal(values: np.ma.MaskedArray, axis: str, where: str | Path) -> np.ndarray:
    """Degrees of texts such as 12:30:45.6, of plain numbers too."""
    texts = ["" if value is np.ma.masked else str(value).strip() for value in values]
    unit, found = u.hourangle if axis == "ra" else u.deg, []
    for text in texts:
        try:
            found.append(float(text) if text else np.nan)
        except ValueError:
            try:
                found.append(Angle(text, unit=unit).deg)
            except (ValueError, u.UnitsError) as error:
                raise ValueError(
                    f"{where}: column {axis} holds {text!r}, no coordinate; write degrees, or 12:30:45.6."
                ) from error
    return np.array(found)


def _refuse_streams(path: Path) -> None:
    """Refuse a VOTable that has its rows read from an address, which may be any file of this machine."""

    def check(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2].upper() == "STREAM" and "href" in attributes:
            raise ValueError(f"its rows are at {attributes['href']}, which is not followed")

    with open(path, "rb") as file:
        first = file.read(6)
    # astropy unpacks a file by its first bytes, whatever its name.
    packed = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
    unpack = next((unpack for start, unpack in packed.items() if first.startswith(start)), open)
    parser = expat.ParserCreate()
    parser.StartElementHandler = check
    with suppress(expat.ExpatError), unpack(path, "rb") as file:  # most tables are no XML
        parser.ParseFile(file)


def read_places(path: Path) -> Table:
    """Table of galaxies with their places.

    Parameters
    ----------
    path : Path
        ECSV, CSV, FITS or VOTable with columns ``ra`` and ``dec``, in any case of letters, ICRS: degrees when
        they state no other unit, or sexagesimal text.

    Returns
    -------
    Table
        With columns ``ra`` and ``dec`` [deg] first; rows without a place are left out and counted in the log.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file, it is no table, or it has no places.
    """
    table = read_table(path)
    lower = lower_names(table)
    found = {
        axis: next((lower[name] for name in names if name in lower), None) for axis, names in _NAMES.items()
    }
    if None in found.values():
        older = [name for name in lower if "1950" in name]
        epoch = f" Places of B1950 ({', '.join(older)}) must be brought to ICRS first." if older else ""
        raise ValueError(f"{path}: no columns ra and dec [deg]; it has {', '.join(table.colnames)}.{epoch}")
    places = Table()
    for axis, name in found.items():
        places[axis] = degrees_of(table[name], axis, path)
    for name in table.colnames:
        if name not in found.values() and table[name].ndim == 1:
            places[name] = table[name]
    good = np.array(
        [
            np.isfinite(ra) and not place_problem(ra, dec)
            for ra, dec in zip(places["ra"], places["dec"], strict=True)
        ],
        dtype=bool,
    )
    if not good.any():
        raise ValueError(f"{path}: none of its {len(places)} rows has a place on the sky.")
    if not good.all():
        row = places[~good][0]
        log.warning(
            "%s: %d of %d rows are left out, they have no place on the sky; the first: ra %s, dec %s",
            path, np.sum(~good), len(good), row["ra"], row["dec"],
        )  # fmt: skip
    return places[good]
