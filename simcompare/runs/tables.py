"""Tables: ECSV, which people, astropy and pandas read, nothing masked; plain values for JSON."""

import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from mocks.claims import refuse_bomb
from simcompare.runs.documents import damage_named
from simcompare.runs.files import atomic_path
from simcompare.runs.ledger import check_hash

__all__ = [
    "filled",
    "filled_table",
    "numbers_of",
    "plain",
    "read_ecsv",
    "readable",
    "refuse_large_parquet",
    "write_table",
]


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


def readable(table: Table) -> Table:
    """Copy of a table with its numbers as a person writes them: ``-`` where there is none, no negative zero.

    Parameters
    ----------
    table : Table
        Formats of the columns are followed.

    Returns
    -------
    Table
        Columns of numbers are text.
    """
    shown = table.copy(copy_data=False)
    for name in table.colnames:
        if np.ma.asarray(table[name]).dtype.kind == "f":
            lines = table[name].pformat(max_lines=-1, show_name=False, show_unit=False)
            shown[name] = Column([_as_written(line.strip()) for line in lines[: len(table)]], dtype=str)
    return shown


def _as_written(number: str) -> str:
    """Replace what stands for a missing number, and the sign of zero."""
    if number.lstrip("+-") in ("nan", ""):
        return "-"
    return number.lstrip("+-") if not number.strip("+-0.") else number


def read_ecsv(path: str | os.PathLike) -> Table:
    """Table that `write_table` wrote.

    Raises
    ------
    FileNotFoundError
        When it is missing.
    OSError, ValueError
        When it is damaged, or another than the one whose hash was recorded.
    """
    check_hash(Path(path))
    with damage_named(path):
        return Table.read(path, format="ascii.ecsv")


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
    table = table.copy(copy_data=False)
    table.meta = plain(dict(table.meta))
    with atomic_path(path) as temporary:
        table.write(temporary, format="ascii.ecsv")


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


def refuse_large_parquet(file, held: int) -> None:
    """Refuse a Parquet file that claims far more values than it can hold, see `mocks.claims.refuse_bomb`.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
    held : int
        Bytes of the file.

    Raises
    ------
    ValueError
    """
    groups = (file.metadata.row_group(k) for k in range(file.metadata.num_row_groups))
    columns = (group.column(k) for group in groups for k in range(group.num_columns))
    # Values that repeat take next to nothing in the file, 8 bytes each in memory.
    refuse_bomb(sum(max(each.total_uncompressed_size, 8 * each.num_values) for each in columns), held)
