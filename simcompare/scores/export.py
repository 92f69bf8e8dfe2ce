"""Scores written for people: text that any program reads, or a FITS table."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from astropy.table import Table

from simcompare.runs.files import atomic_path
from simcompare.runs.tables import write_table
from simcompare.scores.files import arrow_table
from simcompare.scores.record import Scores

__all__ = ["LAYOUTS", "export_scores"]

_FORMULA = r"[=+@\t\r-]"  # characters that begin a formula in a spreadsheet


def _ecsv(scores: Scores, path: Path) -> None:
    write_table(scores.table, path)


def _csv(scores: Scores, path: Path) -> None:
    with atomic_path(path) as temporary:
        pyarrow.csv.write_csv(_without_formulae(arrow_table(scores)), temporary)


def _without_formulae(table: pa.Table) -> pa.Table:
    """Table whose words, should they begin like a formula of a spreadsheet, begin with an apostrophe."""
    for number, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            words = pc.cast(table.column(number), kind)
            harmless = pc.replace_substring_regex(words, rf"\A({_FORMULA})", r"'\1")
            table = table.set_column(number, field.name, harmless)
    return table.rename_columns([re.sub(rf"\A({_FORMULA})", r"'\1", name) for name in table.column_names])


def _fits(scores: Scores, path: Path) -> None:
    table = _for_fits(scores.table)
    with atomic_path(path) as temporary:
        table.write(temporary, format="fits")


def _for_fits(table: Table) -> Table:
    """Table without what FITS does not know: other letters than ASCII, other units, nested meta data."""
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "U":
            table[name] = np.char.encode(column, "ascii", "backslashreplace")
        elif column.unit is not None:
            try:
                column.unit.to_string("fits")
            except ValueError:
                column.description = f"{column.description or name} [{column.unit}]"
                column.unit = None
    words = {
        key: ", ".join(map(str, each)) if isinstance(each, list) else each for key, each in table.meta.items()
    }
    table.meta = {key: each for key, each in words.items() if isinstance(each, str | int | float)}
    return table


LAYOUTS: dict[str, Callable[[Scores, Path], None]] = {"ecsv": _ecsv, "fits": _fits, "csv": _csv}


def export_scores(scores: Scores, path: str | os.PathLike, layout: str) -> None:
    """Write scores, with the columns that follow from others, whole or not at all.

    Parameters
    ----------
    scores : Scores
    path : path-like
    layout : str
        One of `LAYOUTS`: ECSV with units and descriptions; a FITS table, in which letters beyond ASCII are
        replaced by their numbers; or plain CSV, whose words never begin like a formula: an apostrophe
        stands before them.

    Raises
    ------
    ValueError
        For another layout.
    OSError
        As `simcompare.runs.files.atomic_path`.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} is not one of scores; choose {', '.join(LAYOUTS)}.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    LAYOUTS[layout](scores.derived(), path)
