"""Stored comparisons of one survey, preparation and model, ranked against each other."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare import __version__
from simcompare.comparison.report_table import as_json
from simcompare.comparison.structure import UNRANKED, Verdict
from simcompare.kinds import Kind
from simcompare.runs.documents import read_json
from simcompare.runs.files import write_text
from simcompare.runs.ledger import check_hash

__all__ = ["board", "read_record", "write_record"]

SCHEMA = "simcompare.record/1"
# What two runs must share for their numbers to be comparable.
_SAME = ("survey", "bands", "preparation_hash", "reference", "score", "model", "background")
_SHOWN = (
    "n_galaxies",
    "structure_fraction",
    "structure_fraction_low",
    "structure_fraction_high",
    "structure_p_holm",
    "delta_mean",
    "delta_mean_low",
    "delta_mean_high",
    "auc",
    "auc_low",
    "auc_high",
    "overlap",
)


def write_record(
    comparison: Table, path: str | os.PathLike, *, name: str, model: str, background: str | None
) -> Path:
    """Write what is needed to rank a comparison against others later.

    Parameters
    ----------
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    path : path-like
        JSON file.
    name : str
        Of this run.
    model, background : str
        Fingerprints of the models that scored it.

    Returns
    -------
    Path
    """
    content = {
        "schema": SCHEMA,
        "version": __version__,
        "name": name,
        "setting": {key: comparison.meta.get(key) for key in _SAME[:5]}
        | {"model": model, "background": background},
        "comparison": as_json(comparison),
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False))
    return Path(path)


def read_record(path: str | os.PathLike) -> dict:
    """Read a stored comparison.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError
        When it does not exist.
    ValueError
        When the file is something else, or from a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; store a comparison there first.")
    check_hash(path)
    content = read_json(path)
    schema = content.get("schema") if isinstance(content, Mapping) else None
    if schema != SCHEMA:
        raise ValueError(
            f"{path} is not a stored comparison that this version reads: schema {schema!r}, not {SCHEMA!r}."
        )
    return content


def board(paths: Iterable[str | os.PathLike]) -> Table:
    """Rank the simulations of stored comparisons, best first.

    Parameters
    ----------
    paths : iterable of path-like
        Stored comparisons.

    Returns
    -------
    Table
        ``rank``, ``run``, ``dataset``, ``n_galaxies``, ``structure_fraction`` with its interval and
        ``structure_p_holm``, ``delta_mean``, ``auc`` with their intervals, ``overlap``, ``verdict``,
        ``caution``. Rows whose intervals overlap that of the best have ``tied`` set. Single galaxies, and
        data sets outside the range of the reference, stand at the end without a rank (0).

    Raises
    ------
    ValueError
        When the runs differ in survey, bands, preparation, reference, score or models, naming the difference.
    """
    records = [(Path(path), read_record(path)) for path in paths]
    if not records:
        raise ValueError("no stored comparison given; name at least one.")
    first_path, first = records[0]
    for path, record in records[1:]:
        differences = [
            f"{key} is {first['setting'].get(key)} in {first_path.name}, {value} in {path.name}"
            for key, value in ((key, record["setting"].get(key)) for key in _SAME)
            if first["setting"].get(key) != value
        ]
        if differences:
            raise ValueError(f"stored comparisons cannot be ranked together: {'; '.join(differences)}.")
    rows = [
        {"run": record["name"], "dataset": row["dataset"], "caution": row["caution"]}
        | {key: np.nan if row.get(key) is None else row[key] for key in _SHOWN}
        | {"verdict": row.get("verdict", str(Verdict.UNKNOWN))}
        for _, record in records
        for row in record["comparison"]["rows"]
        if row["kind"] == Kind.SIMULATED
    ]
    if not rows:
        raise ValueError("the stored comparisons hold no simulation.")
    table = Table(rows=rows)
    fraction = np.asarray(table["structure_fraction"], float)
    by_structure = np.isfinite(fraction).any()
    distance = np.abs(fraction - 1) if by_structure else np.abs(np.asarray(table["delta_mean"], float))
    unranked = (np.asarray(table["n_galaxies"]) < 2) | np.isin(table["verdict"], UNRANKED)
    table = table[np.lexsort((np.nan_to_num(distance, nan=np.inf), unranked))]
    unranked = np.sort(unranked)
    table.add_column(np.where(unranked, 0, np.arange(1, len(table) + 1)), name="rank", index=0)
    name = "structure_fraction" if by_structure else "delta_mean"
    low, high = (np.asarray(table[f"{name}_{end}"], float) for end in ("low", "high"))
    table["tied"] = (high >= low[0]) & (low <= high[0]) & ~unranked & (np.count_nonzero(~unranked) > 1)
    table.meta = {"setting": first["setting"]}
    return table["rank", "run", "dataset", *_SHOWN, "tied", "verdict", "caution"]
