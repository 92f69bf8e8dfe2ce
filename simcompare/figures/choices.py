"""Which galaxies to show: those at percentiles of the score, and those beyond all real ones."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table, vstack

from simcompare.figures.numbers import datasets_of, kind_of, sample_of
from simcompare.figures.populations import galaxy_classes
from simcompare.scoretables import headline_score, reference_rows

__all__ = ["class_gallery_numbers", "gallery_numbers", "outlier_numbers"]


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


def class_gallery_numbers(scores: Table, reference: str, *, n: int = 3, column: str | None = None) -> Table:
    """Choose galaxies of middling score by mass and star formation.

    Parameters
    ----------
    scores : Table
        After `simcompare.figures.populations.with_derived_columns`.
    reference, column
        As for `gallery_numbers`.
    n : int
        Galaxies of each class and data set.

    Returns
    -------
    Table
        As of `gallery_numbers`; the groups are less and more massive than the median mass, divided in
        star-forming and quenched where rates are known. Data sets without masses are absent.

    Raises
    ------
    ValueError
        When no masses are known.
    """
    column = column or headline_score(scores)
    mass = np.asarray(scores["stellar_mass"], float) if "stellar_mass" in scores.colnames else np.array([])
    if not (mass > 0).any():
        raise ValueError("the scores have no stellar_mass.")
    middle = float(np.median(mass[mass > 0]))
    classes = galaxy_classes(scores)
    everything = {"": np.ones(len(scores), bool)}
    activity = {name: classes[name][0] for name in ("star-forming", "quenched") if name in classes}
    groups = {
        f"{word} massive{', ' + name if name else ''}": side & inside
        for word, side in (("less", (mass > 0) & (mass < middle)), ("more", mass >= middle))
        for name, inside in (activity or everything).items()
    }
    tables = []
    for group, inside in groups.items():
        for name in datasets_of(scores, reference):
            part = scores[inside & (np.asarray(scores["dataset"]) == name)]
            if not np.isfinite(np.asarray(part[column], float))[reference_rows(part, name)].any():
                continue
            table = gallery_numbers(part, reference, n=10**9, column=column, datasets=[name])
            nearest = np.argsort(np.abs(np.asarray(table["percentile"]) - 50), kind="stable")[:n]
            table = table[np.sort(nearest)]
            table["group"] = np.full(len(table), group)
            tables.append(table)
    joined = vstack(tables, metadata_conflicts="silent")
    joined.meta = {"column": column, "reference": reference, "median mass": middle}
    return joined
