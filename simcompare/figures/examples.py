"""Which galaxies to show: those at percentiles of the score, and those beyond all real ones."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from simcompare.figures.populations import galaxy_classes
from simcompare.figures.samples import datasets_of, sample_of
from simcompare.scores.table import first_views, headline_score, reference_rows

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
        order = _by_score(scores, name, column)
        size = min(n, len(order) // 3) or len(order)
        middle = (len(order) - size) // 2
        groups = {"least": range(size)}
        if size < len(order):
            groups |= {"middle": range(middle, middle + size), "most": range(len(order) - size, len(order))}
        percentile = 100 * (np.arange(len(order)) + 0.5) / len(order)
        rows += [
            _entry(scores, order[k], group, column, percentile[k])
            for group, picked in groups.items()
            for k in picked
        ]
    table = Table(rows=rows)
    table.meta = {"column": column, "reference": reference}
    return table


def _by_score(scores: Table, dataset: str, column: str) -> np.ndarray:
    """Row of the first view of every galaxy of a data set, the least likely one first."""
    chosen = np.flatnonzero(reference_rows(scores, dataset) & np.isfinite(np.asarray(scores[column], float)))
    chosen = first_views(scores, chosen)
    return chosen[np.argsort(np.asarray(scores[column], float)[chosen], kind="stable")]


def _entry(scores: Table, row: int, group: str, column: str, percentile: float) -> dict:
    """Describe one galaxy of a gallery."""
    return {
        "dataset": str(scores["dataset"][row]),
        "kind": str(scores["kind"][row]),
        "group": group,
        "galaxy_id": str(scores["galaxy_id"][row]),
        "image_index": int(scores["image_index"][row]),
        "percentile": float(percentile),
        "score": float(scores[column][row]),
    }


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
        order = _by_score(scores, name, column)
        values = np.asarray(scores[column], float)[order]
        groups = {"below": order[values < low][:n], "above": order[values > high][::-1][:n]}
        rows += [
            _entry(scores, k, group, column, 100 * np.searchsorted(real, scores[column][k]) / real.size)
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
    rows = []
    for group, inside in groups.items():
        for name in datasets_of(scores, reference):
            order = _by_score(scores, name, column)
            order = order[inside[order]]
            percentile = 100 * (np.arange(len(order)) + 0.5) / max(len(order), 1)
            nearest = np.sort(np.argsort(np.abs(percentile - 50), kind="stable")[:n])
            rows += [_entry(scores, order[k], group, column, percentile[k]) for k in nearest]
    joined = Table(rows=rows)
    joined.meta = {"column": column, "reference": reference, "median mass": middle}
    return joined
