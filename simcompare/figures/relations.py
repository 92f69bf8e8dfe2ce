"""Score against a property of the galaxy or of the observation."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simcompare.figures.dataset_styles import table_styles
from simcompare.figures.distributions import FEW, MOST_BANDS
from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    COLUMN,
    count_label,
    legend_above,
    logarithmic,
    new_axes,
)
from simcompare.figures.samples import datasets_of
from simcompare.kinds import Kind
from simcompare.scores.columns import axis_label, column_of, unit_label
from simcompare.scores.record import Scores

__all__ = ["draw_difference", "draw_relation", "relation_numbers"]

_COLUMNS = (
    "dataset", "kind", "n_galaxies", "x_low", "x_high", "x", "median", "quartile_low", "quartile_high",
    "median_error", "difference", "difference_error",
)  # fmt: skip
_DTYPES = ("U1", "U1", int, *[float] * 9)


@drawing
def draw_relation(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the median score in bins of a property; few galaxies as single points.

    Quartiles are shaded, those of real galaxies alone where many data sets meet.

    Parameters
    ----------
    table : Table
        From `relation_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    styles = table_styles(table) if len(table) else {}
    for name, style in styles.items():
        rows = table[np.asarray(table["dataset"]) == name]
        if len(styles) <= MOST_BANDS or name == table.meta["reference"]:
            quartiles = rows["quartile_low"], rows["quartile_high"]
            ax.fill_between(rows["x"], *quartiles, color=style.color, alpha=0.12, lw=0)
        single = np.all(np.asarray(rows["n_galaxies"]) == 1)
        ax.plot(
            rows["x"], rows["median"], color=style.color, ls="" if single else style.line,
            marker=style.marker, ms=2 if single else 3, alpha=0.6 if single else 1,
            label=count_label(name, int(np.sum(rows["n_galaxies"]))),
        )  # fmt: skip
    ax.set_ylabel(axis_label(table.meta["column"]))
    return _finish(table, ax)


@drawing
def draw_difference(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the median score minus that of real galaxies in the same bin.

    Parameters
    ----------
    table : Table
        From `relation_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    reference = table.meta["reference"]
    ax.axhline(0, color="black", lw=0.7)
    for name, style in table_styles(table).items() if len(table) else ():
        rows = table[(np.asarray(table["dataset"]) == name) & np.isfinite(np.asarray(table["difference"]))]
        if name == reference or not len(rows):
            continue
        single = np.all(np.asarray(rows["n_galaxies"]) == 1)
        ax.errorbar(
            rows["x"], rows["difference"], yerr=None if single else rows["difference_error"],
            color=style.color, ls="" if single else style.line, marker=style.marker, ms=3, capsize=1.5,
            label=count_label(name, int(np.sum(rows["n_galaxies"]))),
        )  # fmt: skip
    ax.set_ylabel(f"median minus {reference}{unit_label(table.meta['column'])}")
    return _finish(table, ax)


def _finish(table: Table, ax: Axes) -> Axes:
    """Label the property and put the legend above."""
    ax.set_xlabel(axis_label(table.meta["x"]))
    if column_of(table.meta["x"]).is_logarithmic and len(table) and np.min(table["x"]) > 0:
        logarithmic(ax, "x")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))  # labels of small numbers are long
    if ax.get_legend_handles_labels()[0]:
        legend_above(ax)
    else:
        ax.text(0.5, 0.5, "too few galaxies", transform=ax.transAxes, ha="center", color="0.4")
    return ax


def relation_numbers(
    scores: Scores,
    x: str,
    *,
    column: str | None = None,
    n_bins: int = 8,
    least: int = 5,
) -> Table:
    """Score against a property: median and quartiles in bins of equal numbers of real galaxies.

    Frames without a galaxy, which have no properties, are left out.

    Parameters
    ----------
    scores : Scores
    x : str
        Column of the property.
    column : str, optional
        Score; default the headline.
    n_bins : int
        Greatest number of bins; fewer when galaxies are few.
    least : int
        Fewest galaxies of a bin that is shown. Data sets of fewer than 40, and a reference of fewer than
        this, are shown galaxy by galaxy.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies`` (in the bin), ``x_low``, ``x_high``, ``x`` (median of the data
        set in the bin), ``median``, ``quartile_low``, ``quartile_high``, ``median_error``, ``difference`` to
        the reference in the same bin and ``difference_error``, with that of the reference's median.
    """
    column, reference = column or scores.headline, scores.named_reference
    names = [name for name in datasets_of(scores) if scores.kind_of(name) != Kind.CONTROL]
    means = {name: _galaxy_table(scores, name, [x, column]) for name in names}
    edges = _edges({name: table[x] for name, table in means.items()}, reference, n_bins, least)
    known: dict[int, tuple[float, float]] = {}  # median of the reference and its error, by bin
    unknown = (np.nan, np.nan)
    rows = []
    for name in names:
        values, label = means[name], {"dataset": name, "kind": scores.kind_of(name)}
        place = np.clip(np.searchsorted(edges, values[x], side="right") - 1, 0, max(len(edges) - 2, 0))
        if place.size < (least if name == reference else FEW):
            rows += [
                label | _single(values[x][i], values[column][i], known.get(int(place[i]), unknown)[0])
                for i in range(place.size)
            ]
            continue
        for k in np.unique(place):
            inside = values[column][place == k]
            if inside.size < least:
                continue
            if name == reference:
                known[int(k)] = float(np.median(inside)), _median_error(inside)
            ends = {"x_low": edges[k], "x_high": edges[min(k + 1, len(edges) - 1)]}
            middle = {"x": float(np.median(values[x][place == k]))}
            row = label | ends | middle | _quartiles(inside, *known.get(int(k), unknown))
            rows.append(row | ({"difference_error": 0.0} if name == reference else {}))
    table = Table(rows=rows, names=_COLUMNS) if rows else Table(names=_COLUMNS, dtype=_DTYPES)
    table.meta = {"x": x, "column": column, "reference": reference}
    return table


def _edges(values: dict[str, np.ndarray], reference: str, n_bins: int, least: int) -> np.ndarray:
    """Limits of bins of equal numbers of real galaxies, of all where there are none."""
    pooled = np.concatenate(list(values.values()))
    real = values[reference] if len(values.get(reference, ())) else pooled
    n_bins = int(np.clip(len(real) // (2 * least), 1, n_bins))
    inner = np.quantile(real, np.linspace(0, 1, n_bins + 1))[1:-1]
    return np.unique(np.concatenate([[pooled.min()], inner, [pooled.max()]]))


def _median_error(inside: np.ndarray) -> float:
    """Estimate the standard error of the median as that of a normal distribution with these quartiles."""
    low, high = np.quantile(inside, [0.25, 0.75])
    return float(1.2533 * (high - low) / 1.349 / np.sqrt(inside.size))


def _quartiles(inside: np.ndarray, real: float, real_error: float) -> dict[str, float]:
    """Median and quartiles of the scores in one bin."""
    low, middle, high = np.quantile(inside, [0.25, 0.5, 0.75])
    error = _median_error(inside)
    return {
        "n_galaxies": inside.size,
        "median": middle,
        "quartile_low": low,
        "quartile_high": high,
        "median_error": error,
        "difference": middle - real,
        "difference_error": float(np.hypot(error, real_error)),
    }


def _single(x: float, value: float, real: float) -> dict[str, float]:
    """Row of a single galaxy."""
    unknown = dict.fromkeys(("quartile_low", "quartile_high", "median_error", "difference_error"), np.nan)
    place = {"x_low": x, "x_high": x, "x": x}
    return {"n_galaxies": 1, "median": value, "difference": value - real} | place | unknown


def _galaxy_table(scores: Scores, dataset: str, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Mean over views of columns, one row per galaxy whose values are all finite."""
    rows = scores.held_out(dataset)
    values = {name: scores.numbers(name)[rows] for name in columns}
    finite = np.all([np.isfinite(each) for each in values.values()], axis=0)
    _, codes = np.unique(scores.galaxies[rows][finite], return_inverse=True)
    counts = np.bincount(codes)
    return {name: np.bincount(codes, each[finite]) / counts for name, each in values.items()}
