"""Tables on disk as ECSV, written and read some rows at a time, so that memory holds the numbers alone."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from itertools import islice

import numpy as np
from astropy.io import ascii
from astropy.table import Column, MaskedColumn, Table, vstack

from simcompare.runs.files import atomic_path

__all__ = [
    "count_rows",
    "filled",
    "filled_table",
    "numbers_of",
    "plain",
    "read_blocks",
    "read_ecsv",
    "read_form",
    "write_blocks",
    "write_table",
]

_ROWS_AT_ONCE = 1000  # as text and Python objects, some 10 kB each


def numbers_of(column: object) -> np.ndarray:
    """Values of a column as float64; what is masked is NaN, not what lies under the mask."""
    return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)


def filled(column: object) -> np.ndarray:
    """Values of a column with what stands for a missing one where it is masked: NaN, no text, False or -1."""
    values = np.ma.asarray(column)
    missing = {"U": "", "S": b"", "O": "", "f": np.nan, "c": np.nan, "b": False}.get(values.dtype.kind, -1)
    if values.dtype.kind == "u" and np.ma.is_masked(values):
        values = values.astype(np.int64)
    return np.ma.filled(values, missing)


def filled_table(table: Table) -> Table:
    """Table of which nothing is masked, see `filled`; with its units, descriptions and meta data."""
    whole = table.copy(copy_data=False)
    for name in table.colnames:
        if isinstance(table[name], MaskedColumn):
            values = filled(table[name])
            whole[name] = Column(values, unit=table[name].unit, description=table[name].description)
    return whole


def write_table(table: Table, path: str | os.PathLike) -> None:
    """Write a table as ECSV, whole or not at all; its meta data as plain values.

    Parameters
    ----------
    table : Table
    path : path-like

    Raises
    ------
    OSError
        As `simcompare.runs.files.atomic_path`.
    """
    starts = range(0, max(1, len(table)), _ROWS_AT_ONCE)
    write_blocks((table[start : start + _ROWS_AT_ONCE] for start in starts), path)


def write_blocks(blocks: Iterable[Table], path: str | os.PathLike) -> int:
    """Write one table as ECSV from blocks of its rows, of which one at a time is in memory.

    Parameters
    ----------
    blocks : iterable of Table
        At least one; of the same columns, types and units. The meta data are those of the first.
    path : path-like

    Returns
    -------
    int
        Rows written.
    """
    rows = 0
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        for number, block in enumerate(blocks):
            block = block.copy(copy_data=False)
            block.meta = plain(dict(block.meta))
            lines = _written(block)
            first = len(lines) - len(block) if number else 0  # the header stands once
            file.writelines(f"{line}\n" for line in lines[first:])
            rows += len(block)
    return rows


def read_blocks(path: str | os.PathLike, columns: Collection[str] | None = None) -> Iterator[Table]:
    """Read a table that `write_table` or `write_blocks` wrote, some rows at a time.

    Parameters
    ----------
    path : path-like
        ECSV without line breaks in its texts.
    columns : collection of str, optional
        Those wanted of the columns that are there; default all.

    Yields
    ------
    Table
        With the meta data of all; one without rows where there are none.
    """
    with open(path, encoding="utf-8", newline="") as lines:
        header = _header(lines)
        rows = list(islice(lines, _ROWS_AT_ONCE))
        while True:
            yield _parsed([*header, *rows], columns)
            rows = list(islice(lines, _ROWS_AT_ONCE))
            if not rows:
                return


def read_ecsv(path: str | os.PathLike, columns: Collection[str] | None = None) -> Table:
    """Read a table as `read_blocks`, in one piece and in a fraction of the memory that astropy takes."""
    blocks = list(read_blocks(path, columns))
    table = Table(meta=blocks[0].meta)
    for name in blocks[0].colnames:
        # Column by column, so that no second copy of all is needed.
        table[name] = vstack([block[[name]] for block in blocks], metadata_conflicts="silent")[name]
        for block in blocks:
            block.remove_column(name)
    return table


def read_form(path: str | os.PathLike) -> Table:
    """Read the columns of a table as `read_blocks`, with their types, units and meta data, without rows."""
    with open(path, encoding="utf-8", newline="") as lines:
        return _parsed(_header(lines))


def _parsed(lines: list[str], columns: Collection[str] | None = None) -> Table:
    """Read ECSV."""
    reader = ascii.get_reader(ascii.Ecsv, include_names=columns, fill_values=[("", "0")])
    table = reader.read(lines)
    _forget(reader)
    return table


def _written(table: Table) -> list[str]:
    """Write ECSV."""
    writer = ascii.get_writer(ascii.Ecsv)
    lines = writer.write(table)
    _forget(writer)
    return lines


def _forget(way: ascii.BaseReader) -> None:
    """Undo a reader or writer: it refers to itself, and would keep 10 kB a row until garbage is collected."""
    for part in (way.header, way.data):
        vars(part).clear()


def count_rows(path: str | os.PathLike) -> int:
    """Count the rows of an ECSV file without reading its columns."""
    with open(path, encoding="utf-8", newline="") as lines:
        _header(lines)
        return sum(1 for _ in lines)


def _header(lines: Iterator[str]) -> list[str]:
    """Comments and names of the columns, which begin a file."""
    header = []
    for line in lines:
        header.append(line)
        if not line.startswith("#"):
            break
    return header


def plain(value: object) -> object:
    """Turn nested values into what JSON knows; a number that is not finite becomes None.

    Parameters
    ----------
    value : object
        Numbers, text, mappings, sequences, arrays, dataclasses; anything else by its text.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
