"""Comparison tables on disk, as ECSV for people and astropy and as JSON for machines."""

import json
import os
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.runs.files import write_text
from simcompare.runs.tables import plain, write_table

__all__ = ["as_json", "read_comparison", "write_comparison"]


def write_comparison(table: Table, folder: str | os.PathLike) -> None:
    """Write ``comparison.ecsv`` and ``comparison.json`` into a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(table, folder / "comparison.ecsv")
    write_text(folder / "comparison.json", json.dumps(as_json(table), indent=1, allow_nan=False))


def as_json(table: Table) -> dict:
    """Turn a table into plain values for JSON."""
    return {
        "meta": plain(dict(table.meta)),
        "rows": [{name: plain(row[name]) for name in table.colnames} for row in table],
    }


def read_comparison(path: str | os.PathLike) -> Table:
    """Read a comparison from its folder, its ECSV or its JSON.

    Parameters
    ----------
    path : path-like
        What `write_comparison` wrote.

    Returns
    -------
    Table

    Raises
    ------
    FileNotFoundError
        When there is none.
    ValueError
        When the file is not a comparison.
    """
    path = Path(path)
    path = path / "comparison.ecsv" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no comparison there; run `simcompare compare` first.")
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            {name: np.nan if value is None else value for name, value in row.items()}
            for row in content["rows"]
        ]
        table = Table(rows=rows)
        table.meta = content["meta"]
    else:
        table = Table.read(path, format="ascii.ecsv")
    if not str(table.meta.get("schema", "")).startswith("simcompare.comparison/"):
        raise ValueError(f"{path} is not a comparison of simcompare (schema {table.meta.get('schema')!r}).")
    if hasattr(table["caution"], "filled"):
        table["caution"] = table["caution"].filled("")
    return table
