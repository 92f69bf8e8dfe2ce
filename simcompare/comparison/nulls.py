"""What the comparison shows where there is nothing to find, and whether a claimed gap exceeds it."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.comparison.report_table import FurtherTable, read_further
from simcompare.images.parts import BLANK_SKY
from simcompare.kinds import Kind
from simcompare.runs.documents import read_json_object
from simcompare.runs.ledger import check_hash
from simcompare.scores.record import Scores

__all__ = ["NULLS", "null_tables", "symmetry_share", "with_nulls"]

NULLS = "nulls.json"
# Spread of a null's variants, what it is called in the table, and in a sentence.
_SPREADS = {
    "seeds": ("seed_scatter", "training seeds"),
    "transforms": ("transform_scatter", "pixel transforms"),
    "halves": ("half_difference", "flows of disjoint halves of the real galaxies"),
}


def null_tables(folder: str | os.PathLike | None) -> list[FurtherTable]:
    """Tables of a run of ``simcompare nulls``; none without a folder."""
    return [] if folder is None else read_further(Path(folder) / "tables")


def symmetry_share(scores: Scores) -> float:
    """Scatter of the ratio over the eight orientations, in standard deviations of the real galaxies' ratios.

    Returns
    -------
    float
        Root mean square; NaN where the scores were made in one orientation.
    """
    if "symmetry_scatter" not in scores:
        return np.nan
    real = scores.reference_sample()
    ratio = "log_likelihood_ratio" if "log_likelihood_ratio" in real else "log_prob"
    scatter, spread = real.numbers("symmetry_scatter"), np.nanstd(real.numbers(ratio))
    return float(np.sqrt(np.nanmean(scatter**2)) / spread) if spread > 0 else np.nan


def with_nulls(comparison: Table, scores: Scores, folder: str | os.PathLike | None) -> Table:
    """Headline table that says what the nulls show, and where a gap does not exceed them.

    Parameters
    ----------
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    scores : Scores
        Those that it was made from.
    folder : path-like or None
        Run of ``simcompare nulls``.

    Returns
    -------
    Table
        With ``seed_scatter``, ``transform_scatter``, ``half_difference`` where the run has them, of the
        structure fraction (``meta["null_unit"]`` "fraction") or of the mean ratio in nats; a
        doubt in ``caution`` for every null that a gap does not exceed; ``meta["null_lines"]``, one
        sentence a null, and ``meta["nulls_missing"]``.
    """
    nulls = _read(folder)
    table = comparison.copy()
    for column, _ in _SPREADS.values():
        if any(column in each for each in nulls.values()):
            table[column] = [nulls.get(str(name), {}).get(column, np.nan) for name in table["dataset"]]
    unit = next((each.get("unit", "nats") for each in nulls.values()), "fraction")
    doubts = [
        [str(row["caution"])] * bool(row["caution"]) + list(_doubts(row, unit))
        if row["kind"] == Kind.SIMULATED
        else [str(row["caution"])] * bool(row["caution"])
        for row in table
    ]
    table.remove_column("caution")
    table["caution"] = ["; ".join(each) for each in doubts]
    share = symmetry_share(scores)
    missing = list(_missing(table))
    table.meta |= {
        "symmetry_share": share,
        "null_unit": unit,
        "null_lines": list(_lines(table, share, missing, unit)),
        "nulls_missing": missing,
    }
    return table


def _read(folder: str | os.PathLike | None) -> dict[str, dict[str, float]]:
    """Spreads by data set."""
    if folder is None:
        return {}
    path = Path(folder) / NULLS
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; run 'simcompare nulls' with --out {folder} first.")
    check_hash(path)
    nulls = read_json_object(path)
    for name, each in nulls.items():
        numbers = (
            [value for key, value in each.items() if key != "unit"] if isinstance(each, dict) else [None]
        )
        if not all(isinstance(value, int | float) for value in numbers):
            raise ValueError(f"{path}: what it says of {name!r} is damaged; run 'simcompare nulls' again.")
    return nulls


def _doubts(row: Table.Row, unit: str) -> Iterator[str]:
    """Nulls that the gap of one data set does not exceed."""
    for column, whose in _SPREADS.values():
        if column in row.colnames and np.isfinite(row[column]):
            gap = abs(row["structure_fraction"] - 1) if unit == "fraction" else abs(row["delta_mean"])
            # Two standard deviations; the halves give one difference, not a scatter.
            reach = row[column] * (1 if column == "half_difference" else 2)
            if gap <= reach:
                claim = "structure fraction differs from 1" if unit == "fraction" else "mean ratio differs"
                size = f"{reach:.2f}" if unit == "fraction" else f"{reach:.1f} nats"
                yield f"the {claim} by less than {whose} change it ({size})"


def _missing(table: Table) -> Iterator[str]:
    """Nulls that were not run."""
    kinds, names = set(np.asarray(table["kind"]).tolist()), set(np.asarray(table["dataset"]).tolist())
    if Kind.TWINS not in kinds:
        yield "Sersic twins (score their image set too)"
    if BLANK_SKY not in names:
        yield "blank sky (score the real images with the others)"
    for column, whose in _SPREADS.values():
        if column not in table.colnames:
            yield whose


def _lines(table: Table, share: float, missing: list[str], unit: str) -> Iterator[str]:
    """One sentence for each null."""
    for column, whose in _SPREADS.values():
        if column in table.colnames:
            text = ", ".join(
                f"{row['dataset']} {row[column]:.{2 if unit == 'fraction' else 1}f}"
                for row in table[np.asarray(table["kind"]) == Kind.SIMULATED]
                if np.isfinite(row[column])
            )
            verb = "differ by" if column == "half_difference" else "scatter by (standard deviation)"
            of_what = "structure fractions" if unit == "fraction" else "differences in nats"
            yield f"Under other {whose} the {of_what} {verb}: {text or 'not known'}."
    if np.isfinite(share):
        yield f"The eight orientations of a real image scatter by {share:.1%} of the spread of real galaxies."
    if missing:
        further = any(whose in missing for _, whose in _SPREADS.values())
        hint = " Run 'simcompare nulls', then 'simcompare compare --nulls'." if further else ""
        yield f"Not run: {'; '.join(missing)}.{hint}"
