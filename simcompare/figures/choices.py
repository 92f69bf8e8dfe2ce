"""Which galaxies to show: those at percentiles of the score, and those beyond all real ones."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from simcompare.comparison import headline_score, reference_rows
from simcompare.figures.numbers import datasets_of, kind_of, sample_of

__all__ = ["gallery_numbers", "outlier_numbers"]


def gallery_numbers(
    scores: Table,
    reference: str,
    *,
    n: int = 6,
    column: str | None = None,
    datasets: Sequence[str] | None = None,
) -> Table:
    """Choose the least likely, the middle and the most likely galaxies of every data set.

    Parameters
    ----------
    scores, reference, column
        Score table with ``image_index`` (the position in the image set), data set
        of real galaxies, and score (default the headline).
    n : int
        Galaxies of each of the three groups.
    datasets : sequence of str, optional
        Data sets, in this order; default all.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``group`` ("least", "middle", "most"), ``galaxy_id``, ``image_index``,
        ``percentile``, ``score``; one view per galaxy.
    """
    column = column or headline_score(scores)
    rows = []
    for name in datasets or datasets_of(scores, reference):
        chosen = np.flatnonzero(reference_rows(scores, name) & np.isfinite(np.asarray(scores[column], float)))
        galaxy = np.asarray(scores["galaxy_id"])[chosen].astype(str)
        chosen = chosen[np.unique(galaxy, return_index=True)[1]]
        values = np.asarray(scores[column], float)[chosen]
        order = np.argsort(values, kind="stable")
        size = min(n, len(order) // 3) or len(order)
        middle = (len(order) - size) // 2
        groups = {"least": order[:size]}
        if size < len(order):
            groups |= {"middle": order[middle : middle + size], "most": order[-size:]}
        rank = np.empty(len(order), int)
        rank[order] = np.arange(len(order))
        rows += [
            {
                "dataset": name,
                "kind": kind_of(scores, name),
                "group": group,
                "galaxy_id": str(scores["galaxy_id"][chosen[k]]),
                "image_index": int(scores["image_index"][chosen[k]]),
                "percentile": 100 * (rank[k] + 0.5) / len(order),
                "score": float(values[k]),
            }
            for group, picked in groups.items()
            for k in picked
        ]
    table = Table(rows=rows)
    table.meta = {"column": column, "reference": reference}
    return table


def outlier_numbers(
    scores: Table, reference: str, *, n: int = 8, tail: float = 2.5, column: str | None = None
) -> Table:
    """Choose the galaxies beyond nearly all real ones, farthest first.

    Parameters
    ----------
    scores, reference, column
        As for `gallery_numbers`.
    n : int
        Most galaxies of each side and data set.
    tail : float
        Percentage of real galaxies that lie beyond the limits on either side.

    Returns
    -------
    Table
        As of `gallery_numbers`, with the groups "below" and "above"; ``percentile`` is that among real
        galaxies. Data sets without outliers are absent.
    """
    column = column or headline_score(scores)
    real = np.sort(sample_of(scores, reference, column).values)
    low, high = np.percentile(real, [tail, 100 - tail])
    rows = []
    for name in datasets_of(scores, reference):
        chosen = np.flatnonzero(reference_rows(scores, name) & np.isfinite(np.asarray(scores[column], float)))
        galaxy = np.asarray(scores["galaxy_id"])[chosen].astype(str)
        chosen = chosen[np.unique(galaxy, return_index=True)[1]]
        values = np.asarray(scores[column], float)[chosen]
        order = np.argsort(values, kind="stable")
        groups = {
            "below": [k for k in order if values[k] < low][:n],
            "above": [k for k in order[::-1] if values[k] > high][:n],
        }
        rows += [
            {
                "dataset": name,
                "kind": kind_of(scores, name),
                "group": group,
                "galaxy_id": str(scores["galaxy_id"][chosen[k]]),
                "image_index": int(scores["image_index"][chosen[k]]),
                "percentile": 100 * np.searchsorted(real, values[k]) / real.size,
                "score": float(values[k]),
            }
            for group, picked in groups.items()
            for k in picked
        ]
    rows.sort(key=lambda row: row["group"] == "above")
    table = Table(rows=rows)
    table.meta = {"column": column, "reference": reference, "tail": tail}
    return table
