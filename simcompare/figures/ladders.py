"""The gap over steps of the observation and variants of the model, and galaxies in a space of features."""

from textwrap import fill

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter

from simcompare.figures.dataset_styles import (
    DatasetStyle,
    order_of,
    styles_of,
)
from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    PAGE,
    new_axes,
)
from simcompare.kinds import Kind
from simcompare.scores.columns import unit_label

__all__ = ["draw_contours", "draw_ladder", "draw_stability"]

CROWD = 250  # rows from which points would hide each other


@drawing
def draw_ladder(table: Table, ax: Axes | None = None) -> Axes:
    """Draw how each step of the observation changes the distance to real galaxies.

    Parameters
    ----------
    table : Table
        From `simcompare.comparison.budget.fraction_ladder`, or `simcompare.comparison.attribution.ladder` in
        nats.
    ax : Axes, optional
    """
    ax = new_axes(ax, PAGE * 0.6, 0.9 + 0.3 * len(table))
    is_fraction = "fraction" in table.colnames
    start, digits = (1.0, 2) if is_fraction else (0.0, 1)  # value of real galaxies
    level = np.asarray(table["fraction" if is_fraction else "to_real"], float)
    before = np.append(start, level[:-1])
    y = np.arange(len(table))[::-1]
    ax.axvline(start, color="black", lw=0.8)
    colors = np.where(np.abs(level - start) <= np.abs(before - start), "#0072B2", "#D55E00")
    ax.barh(y, level - before, left=before, color=colors, height=0.55, alpha=0.8)
    reach = np.array([table["change"] - table["change_low"], table["change_high"] - table["change"]], float)
    reach = np.where(np.isfinite(reach), np.abs(reach), 0)
    ax.errorbar(level, y, xerr=reach, fmt="none", ecolor="black", capsize=2, lw=0.8)
    for k, row in enumerate(table):
        change = f"{row['change']:+.{digits}f} ± {row['change_error']:.{digits}f}"
        ax.text(1.02, y[k], change, va="center", fontsize="small",
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set_yticks(y, [str(name) for name in table["step"]])
    ax.tick_params(axis="y", which="both", length=0)
    ax.yaxis.minorticks_off()
    if is_fraction:
        ax.set_xlabel("structure fraction after the step  (0: smooth twins, 1: real galaxies)")
    else:
        unit = unit_label(table.meta["score"])
        ax.set_xlabel(f"mean score minus {table.meta['reference']} after the step{unit}")
    ax.set_title(f"{table.meta['dataset']} ({table['n_galaxies'][0]} galaxies); blue: nearer", loc="left")
    return ax


@drawing
def draw_stability(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the difference of every data set under every variant of the model.

    Parameters
    ----------
    table : Table
        From `simcompare.comparison.stability.stability`.
    ax : Axes, optional
    """
    names, variants = order_of(table), order_of(table, "variant")
    ax = new_axes(ax, PAGE * 0.6, 1.0 + 0.3 * len(names))
    styles = styles_of(
        names, [Kind.SIMULATED if np.max(table["rank"][table["dataset"] == n]) else Kind.TWINS for n in names]
    )
    column = "structure_fraction" if "structure_fraction" in table.colnames else "delta_mean"
    ax.axvline(1 if column == "structure_fraction" else 0, color="black", lw=0.7)
    for level, name in enumerate(reversed(names)):
        for number, variant in enumerate(variants):
            row = table[(table["dataset"] == name) & (table["variant"] == variant)][0]
            reach = np.array(
                [[row[column] - row[f"{column}_low"]], [row[f"{column}_high"] - row[column]]], float
            )
            reach = np.where(np.isfinite(reach), reach, 0)
            y = level + 0.5 * ((number + 0.5) / len(variants) - 0.5)
            ax.errorbar(row[column], y, xerr=reach, color=styles[name].color, fmt="o", ms=3)
    ax.set_yticks(range(len(names)), names[::-1])
    ax.yaxis.minorticks_off()
    label = "structure fraction"
    if column == "delta_mean":
        label = f"difference of mean score to {table.meta['reference']}  [nats]"
    ax.set_xlabel(label)
    ax.set_title(fill(f"top to bottom of each: {', '.join(reversed(variants))}", 52), loc="left")
    return ax


def draw_contours(ax: Axes, rows: Table, style: DatasetStyle) -> None:
    """Outline the densest places that hold 50 and 90 % of the rows."""
    counts, x, y = np.histogram2d(rows["x"], rows["y"], bins=40)
    smooth = gaussian_filter(counts, 1.5)
    ordered = np.sort(smooth.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    levels = sorted({float(ordered[np.searchsorted(held, share)]) for share in (0.5, 0.9)})
    middle = [0.5 * (edge[1:] + edge[:-1]) for edge in (x, y)]
    look = {"colors": [style.color], "linestyles": [style.line], "linewidths": 1.0}
    ax.contour(*middle, smooth.T, levels=levels, **look)
