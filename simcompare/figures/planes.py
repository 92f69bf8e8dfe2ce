"""Maps of the difference to real galaxies on a plane of two properties."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from astropy.table import Table
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Rectangle

from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    COLUMN,
    logarithmic,
    new_axes,
)
from simcompare.scores.columns import axis_label, column_of, unit_label
from simcompare.scores.record import Scores
from simcompare.statistics.means import Clustered
from simcompare.statistics.significance import welch

__all__ = ["draw_plane", "plane_numbers"]


def plane_numbers(
    scores: Scores,
    dataset: str,
    x: str,
    y: str,
    *,
    n_bins: Sequence[int] | None = None,
    least: int = 3,
) -> Table:
    """Difference of the mean headline to real galaxies in the cells of a plane.

    Parameters
    ----------
    scores : Scores
    dataset : str
    x, y : str
        Columns that span the plane; sizes, masses and rates by their logarithm.
    n_bins : sequence of 2 int, optional
        Default: 2 to 8 on each side, by the number of galaxies.
    least : int
        Fewest galaxies of either data set in a cell with a value.

    Returns
    -------
    Table
        ``x_low``, ``x_high``, ``y_low``, ``y_high``, ``n_galaxies``, ``n_reference``, ``difference`` [nats],
        ``p_value``, ``significant`` (p < 0.05); cells with galaxies of either data set only. Where the
        real galaxies have no such columns each cell is compared with all of them; ``meta["against"]``
        says which it was.

    Raises
    ------
    ValueError
        When the data set has no galaxy with finite values of both, or none in the middle 98 %.
    """
    reference = scores.named_reference
    n_bins = n_bins or 2 * (_bins_for(scores, dataset),)
    samples = [_sample(scores, name, x, y) for name in (dataset, reference)]
    if not samples[0][0].size:
        raise ValueError(f"{dataset!r} has no galaxy with finite {x} and {y}.")
    everywhere = not samples[1][0].size
    if everywhere:
        real = scores.reference_sample()
        unknown = np.full(len(real), np.nan)
        samples[1] = (unknown, unknown, real.numbers(), real.galaxies)
    placed = samples[:1] if everywhere else samples
    edges = [
        _edges([sample[axis] for sample in placed], name, n_bins[axis]) for axis, name in enumerate((x, y))
    ]
    rows = []
    for x_low, x_high in pairwise(edges[0]):
        for y_low, y_high in pairwise(edges[1]):
            cells = [
                (sample[0] >= x_low) & (sample[0] < x_high) & (sample[1] >= y_low) & (sample[1] < y_high)
                for sample in samples
            ]
            if everywhere and cells[0].any():
                cells[1] = np.ones(samples[1][0].size, dtype=bool)
            if any(map(np.any, cells)):
                limits = {"x_low": x_low, "x_high": x_high, "y_low": y_low, "y_high": y_high}
                rows.append(limits | _difference_in_cell(samples, cells, least))
    if not rows:
        raise ValueError(f"{dataset!r} has too few galaxies for cells of {x} and {y}.")
    table = Table(rows=rows)
    table.meta = {"x": x, "y": y, "column": scores.headline, "dataset": dataset, "reference": reference}
    table.meta["against"] = "all real galaxies" if everywhere else "real galaxies of the same cell"
    table.meta["n_reference"] = int(np.unique(samples[1][3]).size)
    return table


def _difference_in_cell(samples: Sequence[tuple], cells: Sequence[np.ndarray], least: int) -> dict:
    """Numbers of both data sets in a cell, and the difference where these are at least `least`."""
    counts = [np.unique(sample[3][cell]).size for sample, cell in zip(samples, cells, strict=True)]
    value, p_value = np.nan, np.nan
    if min(counts) >= least:
        groups = [Clustered.of(s[2][cell], s[3][cell]) for s, cell in zip(samples, cells, strict=True)]
        value = float(groups[0].means.mean() - groups[1].means.mean())
        p_value = welch(*groups)
    return {
        "n_galaxies": counts[0],
        "n_reference": counts[1],
        "difference": value,
        "p_value": p_value,
        "significant": bool(p_value < 0.05),
    }


def _bins_for(scores: Scores, dataset: str) -> int:
    """Bins on each side that leave some ten galaxies of the smaller data set in a cell."""
    n = min(scores.sample(name).n_galaxies for name in (dataset, scores.named_reference))
    return int(np.clip(np.sqrt(n / 8), 2, 8))


def _sample(scores: Scores, dataset: str, x: str, y: str) -> tuple[np.ndarray, ...]:
    """Finite x, y, score and galaxy of one data set."""
    rows = scores.held_out(dataset)
    values = [scores.numbers(name)[rows] for name in (x, y, scores.headline)]
    finite = np.isfinite(values).all(axis=0)
    for axis, name in enumerate((x, y)):
        if column_of(name).is_logarithmic:
            finite &= values[axis] > 0
    galaxy = scores.galaxies[rows]
    return *(value[finite] for value in values), galaxy[finite]


def _edges(values: Sequence[np.ndarray], name: str, n_bins: int) -> np.ndarray:
    """Equal steps over the middle 98 % of both data sets, in the logarithm where it is usual."""
    is_log = column_of(name).is_logarithmic
    pooled = np.concatenate([np.log10(each) if is_log else each for each in values])
    low, high = np.quantile(pooled, [0.01, 0.99]) if pooled.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, n_bins + 1)
    edges[-1] += 1e-9 * abs(edges[-1])
    return 10**edges if is_log else edges


@drawing
def draw_plane(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the difference in every cell: red is less likely than real, hatched is not significant.

    Parameters
    ----------
    table : Table
        From `plane_numbers`; ``meta["reach"]``, where given, is the difference of full colour, and
        ``meta["group"]`` names the part of the data set.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN * 1.15, 3.1)
    known = table[np.isfinite(np.asarray(table["difference"], float))]
    largest = float(np.max(np.abs(known["difference"]), initial=1.0)) if len(known) else 1.0
    reach = table.meta.get("reach", largest)
    norm, colors = TwoSlopeNorm(0, -reach, reach), colormaps["RdBu"]
    for row in table:
        place = (row["x_low"], row["y_low"]), row["x_high"] - row["x_low"], row["y_high"] - row["y_low"]
        if np.isfinite(row["difference"]):
            hatch = None if row["significant"] else "////"
            color = colors(norm(row["difference"]))
            ax.add_patch(Rectangle(*place, facecolor=color, edgecolor="0.55", lw=0.2, hatch=hatch))
        else:
            ax.add_patch(Rectangle(*place, facecolor="0.93", edgecolor="white", lw=0.3))
    ax.set_xlim(np.min(table["x_low"]), np.max(table["x_high"]))
    ax.set_ylim(np.min(table["y_low"]), np.max(table["y_high"]))
    for axis in ("x", "y"):
        if column_of(table.meta[axis]).is_logarithmic:
            logarithmic(ax, axis)
    ax.set_xlabel(axis_label(table.meta["x"]))
    ax.set_ylabel(axis_label(table.meta["y"]))
    count, where = int(np.sum(table["n_galaxies"])), table.meta.get("against", "")
    of_all = "all " if where.startswith("all") else ""
    group = f", {table.meta['group']}" if table.meta.get("group") else ""
    ax.set_title(
        f"{table.meta['dataset']}{group} ({count})\nminus {of_all}{table.meta['reference']} "
        f"({table.meta['n_reference']})\nhatched: p > 0.05; grey: too few", loc="left", fontsize="small",
    )  # fmt: skip
    bar = ax.figure.colorbar(ScalarMappable(norm, colors), ax=ax, pad=0.02)
    bar.set_label(f"difference of mean score{unit_label(table.meta['column'])}")
    return ax
