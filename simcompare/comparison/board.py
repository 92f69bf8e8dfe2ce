"""Stored comparisons of one survey, preparation and model, ranked against each other."""

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare import __version__
from simcompare.comparison.report_table import as_json
from simcompare.comparison.structure import SIGNIFICANCE, UNRANKED, Verdict
from simcompare.kinds import Kind
from simcompare.runs.documents import read_json
from simcompare.runs.files import write_text
from simcompare.runs.ledger import check_hash
from simcompare.runs.tables import plain
from simcompare.scores.structure import ALWAYS
from simcompare.statistics.contrast import Fraction, combine_fractions
from simcompare.statistics.intervals import UNKNOWN
from simcompare.statistics.significance import adjust_p_values

__all__ = ["board", "read_record", "write_record"]

SCHEMA = "simcompare.record/1"
# What two runs must share for their numbers to be comparable.
_SAME = ("survey", "bands", "preparation_hash", "reference", "score", "model", "background", "conditions")
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
    comparison: Table,
    path: str | os.PathLike,
    *,
    name: str,
    model: str,
    background: str | None,
    fractions: Mapping[str, Fraction | None] | None = None,
    galaxies: Sequence[str] = (),
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
    fractions : mapping of str to Fraction, optional
        By data set; with them data sets of several runs can be compared with each other.
    galaxies : sequence of str
        Real galaxies that the fractions were made with, in order.
    """
    known = {name: asdict(each) for name, each in (fractions or {}).items() if each is not None}
    content = {
        "schema": SCHEMA,
        "version": __version__,
        "name": name,
        "setting": {key: comparison.meta.get(key) for key in _SAME[:5]}
        | {"model": model, "background": background}
        | {"conditions": comparison.meta.get("structure", {}).get("conditions")},
        "galaxies": f"{zlib.crc32(chr(10).join(galaxies).encode()):08x}",
        "fractions": plain(known),
        "comparison": as_json(comparison),
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False))
    return Path(path)


def read_record(path: str | os.PathLike) -> dict:
    """Read a stored comparison.

    Parameters
    ----------
    path : path-like

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


def _of(record: dict, key: str) -> object:
    """Read a setting of a record; one of before there were conditions has the usual ones."""
    value = record["setting"].get(key)
    return list(ALWAYS) if key == "conditions" and value is None else value


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
        ``structure_p_holm``, ``delta_mean``, ``auc`` with their intervals, ``overlap``, ``delta_fraction``,
        the fraction less that of the best, with its interval, ``p_value`` and ``p_holm`` over the board,
        ``verdict``, ``caution``. Rows that do not differ from the best have ``tied`` set: by ``p_holm``, or
        where records do not tell it because their intervals overlap. Single galaxies, and
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
            f"{key} is {_of(first, key)} in {first_path}, {value} in {path}"
            for key, value in ((key, _of(record, key)) for key in _SAME)
            if _of(first, key) != value
        ]
        if differences:
            raise ValueError(f"stored comparisons cannot be ranked together: {'; '.join(differences)}.")
    rows = [
        {"record": number, "run": record["name"], "dataset": row["dataset"], "caution": row["caution"]}
        | {key: np.nan if row.get(key) is None else row[key] for key in _SHOWN}
        | {"verdict": row.get("verdict", str(Verdict.UNKNOWN))}
        for number, (_, record) in enumerate(records)
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
    ranked = ~unranked & (np.count_nonzero(~unranked) > 1)
    table["tied"] = (high >= low[0]) & (low <= high[0]) & ranked
    _add_differences(table, records, ranked)
    table.meta = {"setting": first["setting"]}
    return table["rank", "run", "dataset", *_SHOWN, *_DIFFERENCE, "tied", "verdict", "caution"]


_DIFFERENCE = ("delta_fraction", "delta_fraction_low", "delta_fraction_high", "p_value", "p_holm")


def _add_differences(table: Table, records: Sequence[tuple[Path, dict]], ranked: np.ndarray) -> None:
    """Compare each fraction with that of the best, where both were made with the same real galaxies."""
    known = {}
    for number, (_, record) in enumerate(records):
        for name, each in record.get("fractions", {}).items():
            parts = each | {"influence": np.array(each["influence"], float)}
            known[number, name] = record["galaxies"], Fraction(**parts)
    fractions = [known.get((int(row["record"]), str(row["dataset"]))) for row in table]
    rows = []
    for each, is_ranked in zip(fractions, ranked, strict=True):
        difference, p_value = UNKNOWN, np.nan
        known_both = each is not None and fractions[0] is not None and each is not fractions[0]
        if is_ranked and known_both and each[0] == fractions[0][0]:
            difference, p_value = combine_fractions((each[1], fractions[0][1]), (1, -1))
        rows.append((difference.value, difference.low, difference.high, p_value))
    for name, values in zip(_DIFFERENCE, np.transpose(rows), strict=False):
        table[name] = values
    table["p_holm"] = adjust_p_values(np.asarray(table["p_value"], float))
    has_p_value = np.isfinite(table["p_holm"])
    table["tied"] = np.where(has_p_value, ~(np.asarray(table["p_holm"]) < SIGNIFICANCE), table["tied"])
