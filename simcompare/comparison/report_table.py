"""Tables beside the headline: their record, their files, and the columns that join the headline table."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.runs.documents import read_json, read_json_object
from simcompare.runs.files import write_text
from simcompare.runs.ledger import check_hash
from simcompare.runs.names import file_name
from simcompare.runs.tables import filled_table, plain, read_ecsv, write_table

__all__ = [
    "INDEX",
    "FurtherTable",
    "as_json",
    "read_comparison",
    "read_further",
    "with_columns_of",
    "write_comparison",
    "write_further",
]

INDEX = "index.json"
_ENDS = ("", "_low", "_high", "_error")
_UNITS = ("fraction", "delta")  # structure fraction; where there is none, nats
# Table, its columns, and what they are called in the headline table.
_JOINED = {
    "matched": {"n_pairs": "n_matched"}
    | {f"{unit}_matched{end}": f"{unit}_matched{end}" for unit in _UNITS for end in _ENDS},
    "adjusted": {f"{unit}_adjusted{end}": f"{unit}_adjusted{end}" for unit in _UNITS for end in _ENDS},
    "jackknife": {f"{unit}_jackknife{end}": f"{unit}_jackknife{end}" for unit in _UNITS for end in _ENDS[1:]},
    "typicality": {"p_value": "batch_typicality_p", "share_below_5": "share_atypical"},
}
_TESTS = {
    "classifier AUC": "c2st_auc",
    "MMD squared": "mmd2",
    "energy distance": "energy",
    "sliced Wasserstein": "sliced_wasserstein",
    "simulated inside real": "simulated_inside_real",
    "real inside simulated": "real_inside_simulated",
    "near real galaxies": "near_real",
}


@dataclass(frozen=True, eq=False)
class FurtherTable:
    """One table of the report.

    Parameters
    ----------
    name : str
        File name without ending.
    title, note : str
        What it is, and how to read it or why it is empty.
    table : Table or None
        None where it could not be made; `note` says why.
    """

    name: str
    title: str
    note: str
    table: Table | None


def write_further(tables: Sequence[FurtherTable], folder: str | os.PathLike) -> None:
    """Write tables as ECSV and ``index.json``, which keeps their order, titles and notes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for each in tables:
        if each.table is not None:
            write_table(each.table, folder / f"{each.name}.ecsv")
    index = [
        {"name": each.name, "title": each.title, "note": each.note, "made": each.table is not None}
        for each in tables
    ]
    write_text(folder / INDEX, json.dumps(index, indent=1))


def read_further(folder: str | os.PathLike) -> list[FurtherTable]:
    """Read what `write_further` wrote.

    Raises
    ------
    FileNotFoundError
        When the folder holds no tables.
    """
    path = Path(folder) / INDEX
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; run 'simcompare compare' first.")
    check_hash(path)
    entries = read_json(path)
    for entry in entries if isinstance(entries, list) else [None]:
        name = entry.get("name") if isinstance(entry, dict) else None
        if (
            not isinstance(name, str)
            or file_name(name) != name
            or not {"title", "note", "made"} <= entry.keys()
        ):
            raise ValueError(f"{path} lists {entry!r}, which is not one of its tables; run 'compare' again.")
    tables = []
    for entry in entries:
        where = Path(folder) / f"{entry['name']}.ecsv"
        table = filled_table(read_ecsv(where)) if entry["made"] else None
        tables.append(FurtherTable(entry["name"], str(entry["title"]), str(entry["note"]), table))
    return tables


def with_columns_of(comparison: Table, further: Sequence[FurtherTable]) -> Table:
    """Headline table with the main columns of the further tables.

    Parameters
    ----------
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    further : sequence of FurtherTable

    Returns
    -------
    Table
        With ``n_matched``, ``fraction_matched``, ``fraction_adjusted``, ``fraction_jackknife_error`` (where
        there is no structure fraction: ``delta_matched``, ..., in nats),
        ``batch_typicality_p``, and value, interval and p-value of every feature test by space, e.g.
        ``c2st_auc_latents``, ``c2st_auc_latents_p``. NaN where a table has nothing on a data set.
    """
    tables = {each.name: each.table for each in further if each.table is not None}
    cells = [
        cell for name, names in _JOINED.items() if name in tables for cell in _cells(tables[name], names)
    ]
    cells += _feature_cells(tables["features"]) if "features" in tables else []
    table = comparison.copy()
    places = {name: k for k, name in enumerate(np.asarray(table["dataset"]).tolist())}
    for dataset, column, value in cells:
        if column not in table.colnames:
            table[column] = np.full(len(table), 0 if column == "n_matched" else np.nan)
        if dataset in places:
            table[column][places[dataset]] = value
    caution = table["caution"]
    table.remove_column("caution")
    table["caution"] = caution  # stays the last word
    return table


def _cells(table: Table, names: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
    """Yield data set, new column and value."""
    for row in table:
        for theirs, ours in names.items():
            if theirs in table.colnames:
                yield str(row["dataset"]), ours, row[theirs]


def _feature_cells(table: Table) -> Iterator[tuple[str, str, float]]:
    """Yield the same of the feature tests."""
    for row in table:
        stem = f"{_TESTS[str(row['test'])]}_{row['space']}"
        for end, column in (("", "value"), ("_low", "low"), ("_high", "high"), ("_p", "p_value")):
            if np.isfinite(row[column]):
                yield str(row["dataset"]), f"{stem}{end}", row[column]


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
    is_json = path.suffix == ".json"
    table = _from_json(read_json_object(path), path) if is_json else read_ecsv(path)
    if not str(table.meta.get("schema", "")).startswith("simcompare.comparison/"):
        raise ValueError(f"{path} is not a comparison of simcompare (schema {table.meta.get('schema')!r}).")
    if missing := [name for name in ("dataset", "caution") if name not in table.colnames]:
        raise ValueError(
            f"{path} is damaged: no column {', '.join(missing)}; run 'simcompare compare' again."
        )
    if hasattr(table["caution"], "filled"):
        table["caution"] = table["caution"].filled("")
    return table


def _from_json(content: dict, path: Path) -> Table:
    """Comparison as the board's JSON holds it."""
    try:
        rows = [
            {name: np.nan if value is None else value for name, value in row.items()}
            for row in content["rows"]
        ]
        return Table(rows=rows, meta=dict(content["meta"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not a comparison of simcompare ({error}).") from error
