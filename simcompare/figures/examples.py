"""Which galaxies to show: those at percentiles of the score, and those beyond all real ones."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from simcompare.figures.populations import galaxy_classes
from simcompare.figures.samples import datasets_of
from simcompare.scores.record import Scores

__all__ = ["class_gallery_numbers", "gallery_numbers", "outlier_numbers"]


def gallery_numbers(scores: Scores, *, n: int = 6, datasets: Sequence[str] | None = None) -> Table:
    """Choose the least likely, the middle and the most likely galaxies of every data set.

    Parameters
    ----------
    scores : Scores
        With ``image_index``, the position in the image set.
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
    rows = []
    for name in datasets or datasets_of(scores):
        order = _by_score(scores, name)
        size = min(n, len(order) // 3) or len(order)
        middle = (len(order) - size) // 2
        groups = {"least": range(size)}
        if size < len(order):
            groups |= {"middle": range(middle, middle + size), "most": range(len(order) - size, len(order))}
        percentile = 100 * (np.arange(len(order)) + 0.5) / len(order)
        for group, picked in groups.items():
            picked = list(picked)
            rows += _entries(scores[order[picked]], group, percentile[picked])
    table = Table(rows=rows)
    table.meta = {"column": scores.headline, "reference": scores.reference}
    return table


def _by_score(scores: Scores, dataset: str) -> np.ndarray:
    """Row of the first view of every galaxy of a data set, the least likely one first."""
    values = scores.numbers()
    chosen = scores.first_views(np.flatnonzero(scores.held_out(dataset) & np.isfinite(values)))
    return chosen[np.argsort(values[chosen], kind="stable")]


def _entries(chosen: Scores, group: str, percentile: np.ndarray) -> list[dict]:
    """Describe galaxies of a gallery."""
    names = ("dataset", "kind", "galaxy_id")
    dataset, kind, galaxy = (chosen[name].tolist() for name in names)
    return [
        {
            "dataset": dataset[k],
            "kind": kind[k],
            "group": group,
            "galaxy_id": galaxy[k],
            "image_index": int(chosen["image_index"][k]),
            "percentile": float(percentile[k]),
            "score": float(chosen.numbers()[k]),
        }
        for k in range(len(chosen))
    ]


def outlier_numbers(scores: Scores, *, n: int = 8, tail: float = 2.5) -> Table:
    """Choose the galaxies beyond nearly all real ones, farthest first.

    Parameters
    ----------
    scores : Scores
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
    real = scores.clustered(scores.named_reference).values
    low, high = np.percentile(real, [tail, 100 - tail])
    rows = []
    for name in datasets_of(scores):
        order = _by_score(scores, name)
        values = scores.numbers()[order]
        groups = {"below": order[values < low][:n], "above": order[values > high][::-1][:n]}
        for group, picked in groups.items():
            chosen = scores[picked]
            rows += _entries(chosen, group, 100 * np.searchsorted(real, chosen.numbers()) / real.size)
    rows.sort(key=lambda row: row["group"] == "above")
    table = Table(rows=rows)
    table.meta = {"column": scores.headline, "reference": scores.reference, "tail": tail}
    return table


def class_gallery_numbers(scores: Scores, *, n: int = 3) -> Table:
    """Choose galaxies of middling score by mass and star formation.

    Parameters
    ----------
    scores : Scores
        After `simcompare.figures.populations.with_derived_columns`.
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
    mass = scores.numbers("stellar_mass") if "stellar_mass" in scores else np.array([])
    if not (mass > 0).any():
        raise ValueError("the scores have no stellar_mass.")
    middle = float(np.median(mass[mass > 0]))
    classes = galaxy_classes(scores)
    everything = {"": np.ones(len(scores), bool)}
    activity = {name: classes[name][0] for name in ("star-forming", "quenched") if name in classes}
    groups = {
        f"{label} massive{', ' + name if name else ''}": side & inside
        for label, side in (("less", (mass > 0) & (mass < middle)), ("more", mass >= middle))
        for name, inside in (activity or everything).items()
    }
    rows = []
    for group, inside in groups.items():
        for name in datasets_of(scores):
            order = _by_score(scores, name)
            order = order[inside[order]]
            percentile = 100 * (np.arange(len(order)) + 0.5) / max(len(order), 1)
            nearest = np.sort(np.argsort(np.abs(percentile - 50), kind="stable")[:n])
            rows += _entries(scores[order[nearest]], group, percentile[nearest])
    joined = Table(rows=rows)
    joined.meta = {"column": scores.headline, "reference": scores.reference, "median mass": middle}
    return joined
