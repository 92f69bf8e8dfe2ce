"""Catalogues of places on the sky, as a table in any form that astropy reads."""

import bz2
import gzip
import logging
import lzma
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO
from xml.parsers import expat

import numpy as np
from astropy import units as u
from astropy.coordinates import FK4, FK5, ICRS, Angle, SkyCoord
from astropy.table import Column, MaskedColumn, Table

from mocks.checked_fits import open_fits
from mocks.claims import refuse_bomb
from simcompare.images.positions import place_problem
from simcompare.runs.tables import refuse_large_parquet

__all__ = ["degrees_of", "lower_names", "read_places", "read_table"]

log = logging.getLogger(__name__)

_NAMES = {
    "ra": ("ra", "ra_deg", "raj2000", "_raj2000", "alpha_j2000", "ra_icrs", "_ra.icrs", "_ra_icrs"),
    "dec": (
        "dec", "dec_deg", "dej2000", "decj2000", "_dej2000", "delta_j2000", "de_icrs", "_de.icrs", "_de_icrs",
    ),
}  # fmt: skip
_OLD_NAMES = {
    "ra": ("rab1950", "_rab1950", "ra_b1950", "ra1950"),
    "dec": ("deb1950", "_deb1950", "decb1950", "dec_b1950", "dec1950"),
}
_SAME_PLACE = 0.1  # deg; near the poles right ascensions of one place differ by more than angles
# What stands in a CSV for no value, and the number under its mask.
_NO_VALUES = [(word, "0") for word in ("", "NULL", "null", "N/A", "n/a", "--")]
_LONGEST_LINE, _MOST_COLUMNS = 1_000_000, 10_000  # characters; of the catalogues of surveys, some 1000
_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_IN_MEMORY = 8  # bytes that each byte of a text takes while it is read, at least


def read_table(path: Path) -> Table:
    """Table of any form that astropy reads, places in degrees; ``#`` begins comments in CSV, as SkyServer's.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file, it is not a table, or its places are not angles.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a table.")
    try:
        endings = [ending.lower() for ending in path.suffixes[-2:]]
        if ".csv" in endings or ".tsv" in endings:
            form = "ascii.csv" if ".csv" in endings else "ascii.tab"
            # Excel begins a CSV with a byte-order mark. As a text of one line it would be taken for a path.
            with _opener(path)(path, "rt", encoding="utf-8-sig") as file:
                lines = list(_lines(file, path.stat().st_size))
            table = Table.read(lines, comment="#", format=form, fill_values=_NO_VALUES)
        elif _is_parquet(path):
            table = _parquet_table(path)
        else:
            frames = _frames_of(path)
            table = Table.read(path)
            if len(frames) == 1:  # with several, column names decide
                table.meta["RADESYS"], _, table.meta["EQUINOX"] = frames.pop().partition(" ")
    except Exception as error:  # astropy raises many kinds for files that are not tables
        reason = " ".join(str(error).split("The available formats")[0].split())[:300]
        if "Format could not be identified" in reason:
            reason = "its ending tells no form; ECSV, CSV, TSV, FITS, VOTable and Parquet are read"
        raise ValueError(f"{path}: not a table that can be read ({reason}).") from error
    for name in table.colnames:
        plain = name.strip().lower()
        axis = next((axis for axis in _NAMES if plain in (*_NAMES[axis], *_OLD_NAMES[axis])), None)
        if axis is not None and table[name].ndim == 1:
            values = degrees_of(table[name], axis, path)
            table[name] = MaskedColumn(values, mask=np.isnan(values), unit=u.deg)
    return table


def _is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    with open(path, "rb") as file:
        return file.read(4) == b"PAR1"


def _parquet_table(path: Path) -> Table:
    """Columns of numbers and texts of a Parquet file, masked where they are null."""
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        refuse_large_parquet(file, path.stat().st_size)
        columns = file.read()
    table = Table()
    for name, column in zip(columns.column_names, columns.columns, strict=True):
        is_text = types.is_string(column.type) or types.is_large_string(column.type)
        is_number = types.is_integer(column.type) or types.is_floating(column.type)
        if is_text or is_number or types.is_boolean(column.type):
            null = column.is_null().to_numpy()
            values = column.fill_null("" if is_text else False if types.is_boolean(column.type) else 0)
            plain = values.to_numpy()
            table[name] = MaskedColumn(plain.astype(str) if is_text else plain, mask=null)
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
        When the unit is not an angle, or a text no coordinate.
    """
    values = np.ma.asarray(column)
    if values.dtype.kind in "OSU":
        return _sexagesimal(values, axis, where)
    unit = getattr(column, "unit", None) or u.deg
    try:
        factor = u.Unit(unit).to(u.deg)
    except (u.UnitConversionError, ValueError, TypeError) as error:
        raise ValueError(f"{where}: column {column.name} has the unit {unit}, not an angle.") from error
    return np.ma.filled(values.astype(float), np.nan) * factor


def _sexagesimal(values: np.ma.MaskedArray, axis: str, where: str | Path) -> np.ndarray:
    """Degrees of texts such as 12:30:45.6, of plain numbers too."""
    texts = ["" if value is np.ma.masked else str(value).strip() for value in values]
    unit, degrees = u.hourangle if axis == "ra" else u.deg, []
    for text in texts:
        try:
            degrees.append(float(text) if text else np.nan)
        except ValueError:
            try:
                degrees.append(Angle(text, unit=unit).deg)
            except (ValueError, u.UnitsError) as error:
                raise ValueError(
                    f"{where}: column {axis} holds {text!r}, not a coordinate; write degrees, or 12:30:45.6."
                ) from error
    return np.array(degrees)


def _opener(path: Path) -> Callable:
    """Find what opens a file, packed or not, by its first bytes as astropy does, whatever its name."""
    with open(path, "rb") as file:
        first = file.read(6)
    return next((opener for start, opener in _PACKED.items() if first.startswith(start)), open)


def _lines(file: TextIO, held: int) -> Iterator[str]:
    """Lines of a table of `held` bytes on disk, refused where they are too long or too many."""
    size, is_first = 0, True
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"a line of more than {_LONGEST_LINE} characters")
        size += _IN_MEMORY * len(line)
        refuse_bomb(size, held)
        if is_first and not line.startswith("#"):
            _refuse_wide(max(len(line.split(",")), len(line.split())))
            is_first = False
        yield line.rstrip("\r\n")


def _refuse_wide(columns: int) -> None:
    """Refuse a table of which each column would be read in turn for minutes."""
    if columns > _MOST_COLUMNS:
        raise ValueError(f"it has some {columns} columns; at most {_MOST_COLUMNS} are read")


def _frames_of(path: Path) -> set[str]:
    """Frames that a VOTable states (COOSYS), after a look at what any table holds.

    One that unpacks to far more than it holds, is absurdly wide, or has its rows at an address, which may be
    any file of this machine, is refused.
    """

    def check(name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2].upper()
        if tag == "STREAM" and "href" in attributes:
            raise ValueError(f"its rows are at {attributes['href']}, which is not followed")
        if tag == "COOSYS":
            system = attributes.get("system", "ICRS").upper().removeprefix("EQ_")
            frames.add(f"{system} {attributes.get('equinox', '')}".strip())
        fields[tag] += 1
        _refuse_wide(fields["FIELD"])

    held, size, fields, frames = path.stat().st_size, 0, Counter(), set()
    parser = expat.ParserCreate()
    parser.StartElementHandler = check
    opener = _opener(path)
    with opener(path, "rb") as file:
        start = file.read(9)
    if start == b"SIMPLE  =":
        with open_fits(path) as hdus:
            _refuse_wide(max((hdu.header.get("TFIELDS", 0) for hdu in hdus), default=0))
        return frames
    if start.startswith(b"# %ECSV"):
        with opener(path, "rt", encoding="utf-8") as file:
            for _ in _lines(file, held):
                pass
        return frames
    is_xml = True
    with opener(path, "rb") as file:
        while block := file.read(2**20):
            size += _IN_MEMORY * len(block)
            refuse_bomb(size, held)
            try:
                if is_xml:
                    parser.Parse(block)
            except expat.ExpatError:  # most tables are no XML
                is_xml = False
    return frames


def read_places(path: Path) -> Table:
    """Table of galaxies with their places.

    Parameters
    ----------
    path : Path
        ECSV, CSV, FITS or VOTable with columns ``ra`` and ``dec``, in any case of letters: degrees when they
        state no other unit, or sexagesimal text. ICRS, unless the table states another equinox (``EQUINOX``
        and ``RADESYS``, ``COOSYS``, or columns of B1950); those are brought to ICRS.

    Returns
    -------
    Table
        With columns ``ra`` and ``dec`` [deg, ICRS] first; rows without a place are left out and counted in
        the log.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file, it is not a table, has no places, or they are of an unknown frame.
    """
    table = read_table(path)
    lower = lower_names(table)
    column_of, frame = _columns_of(lower, _NAMES), _frame_of(table.meta, path)
    if None in column_of.values() and None not in (old := _columns_of(lower, _OLD_NAMES)).values():
        column_of, frame = old, FK4(equinox="B1950")
    else:
        _refuse_other_places(table, column_of, path)
    if None in column_of.values():
        raise ValueError(
            f"{path}: no columns ra and dec [deg]; it has {', '.join(table.colnames)}. Where another table "
            "of the same catalogue has the places, join the two first."
        )
    places = Table()
    for axis, name in column_of.items():
        places[axis] = degrees_of(table[name], axis, path)
    for name in table.colnames:
        if name not in column_of.values() and table[name].ndim == 1:
            places[name] = table[name]
    good = np.array(
        [
            np.isfinite(ra) and not place_problem(ra, dec)
            for ra, dec in zip(places["ra"], places["dec"], strict=True)
        ],
        dtype=bool,
    )
    if not good.any():
        raise ValueError(f"{path}: none of its {len(places)} rows has a position on the sky.")
    if not good.all():
        row = places[~good][0]
        log.warning(
            "%s: %d of %d rows are left out, they have no position on the sky; the first: ra %s, dec %s",
            path, np.sum(~good), len(good), row["ra"], row["dec"],
        )  # fmt: skip
    places = places[good]
    if frame is not None:
        there = SkyCoord(places["ra"], places["dec"], unit="deg", frame=frame).transform_to(ICRS())
        places["ra"], places["dec"] = there.ra.deg, there.dec.deg
        log.info("%s: positions in %s %s converted to ICRS", path, frame.name.upper(), frame.equinox)
    return places


def _refuse_other_places(table: Table, column_of: dict[str, str | None], path: Path) -> None:
    """Refuse a table with a second column of one coordinate that tells another place."""
    for axis, chosen in column_of.items():
        for name in table.colnames if chosen is not None else ():
            if name == chosen or name.strip().lower() not in _NAMES[axis] or table[name].ndim != 1:
                continue
            pair = (degrees_of(table[name], axis, path), degrees_of(table[chosen], axis, path))
            apart = np.abs((pair[0] - pair[1] + 180) % 360 - 180)
            if (apart > _SAME_PLACE).any():
                row = int(np.argmax(apart > _SAME_PLACE))
                raise ValueError(
                    f"{path}: columns {name} and {chosen} contradict each other: {pair[0][row]:.6g} and "
                    f"{pair[1][row]:.6g} deg in row {row}; remove the one that is not the galaxy's."
                )


def _columns_of(lower: dict[str, str], names: dict[str, tuple[str, ...]]) -> dict[str, str | None]:
    """Columns of the two coordinates under any of their names."""
    return {
        axis: next((lower[name] for name in known if name in lower), None) for axis, known in names.items()
    }


def _frame_of(meta: Mapping, path: Path) -> FK4 | FK5 | None:
    """Frame that a table states for its places; None for ICRS, which is practically FK5 of J2000."""
    upper = {str(key).upper(): value for key, value in meta.items()}
    system = str(upper.get("RADESYS") or upper.get("RADECSYS") or "").strip().upper()
    stated = str(upper.get("EQUINOX") or "").strip().upper()
    try:
        year = float(stated.lstrip("BJ")) if stated else 1950.0 if system.startswith("FK4") else 2000.0
    except ValueError:
        year = np.nan
    if system not in ("", "ICRS", "FK5", "FK4", "FK4-NO-E") or not 1800 < year < 2200:
        raise ValueError(
            f"{path}: its places are of {system or 'an equinox'} {stated}, which is not known here; bring "
            "them to ICRS, or FK4 or FK5 of a stated equinox."
        )
    if system == "ICRS" or (year == 2000 and not system.startswith("FK4")):
        return None
    if system.startswith("FK4") or (not system and year < 1984):
        return FK4(equinox=f"B{year}")
    return FK5(equinox=f"J{year}")
