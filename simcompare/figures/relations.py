"""Score against a property of the galaxy or of the observation."""

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simcompare.figures.style import (
    COLUMN,
    LOGARITHMIC,
    axis_label,
    count_label,
    legend_above,
    logarithmic,
    new_axes,
    styled,
    table_styles,
)

__all__ = ["draw_difference", "draw_relation"]


@styled
def draw_relation(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the median score in bins of a property, with quartiles; few galaxies as single points.

    Parameters
    ----------
    table : Table
        From `simcompare.figures.samples.relation_numbers`.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, COLUMN, 2.9)
    for name, style in table_styles(table).items() if len(table) else ():
        rows = table[np.asarray(table["dataset"]) == name]
        ax.fill_between(
            rows["x"], rows["quartile_low"], rows["quartile_high"], color=style.color, alpha=0.12, lw=0
        )
        single = np.all(np.asarray(rows["n_galaxies"]) == 1)
        ax.plot(
            rows["x"], rows["median"], color=style.color, ls="" if single else style.line,
            marker=style.marker, ms=3, label=count_label(name, int(np.sum(rows["n_galaxies"]))),
        )  # fmt: skip
    ax.set_ylabel(axis_label(table.meta["column"]))
    return _finish(table, ax)


@styled
def draw_difference(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the median score minus that of real galaxies in the same bin.

    Parameters
    ----------
    table : Table
        From `simcompare.figures.samples.relation_numbers`.
    ax : Axes, optional

    Returns
    -------
    Axes
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
    ax.set_ylabel(f"median minus {reference}  [nats]")
    return _finish(table, ax)


def _finish(table: Table, ax: Axes) -> Axes:
    """Label the property and put the legend above."""
    ax.set_xlabel(axis_label(table.meta["x"]))
    if table.meta["x"].startswith(LOGARITHMIC) and len(table) and np.min(table["x"]) > 0:
        logarithmic(ax, "x")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))  # labels of small numbers are long
    if ax.get_legend_handles_labels()[0]:
        legend_above(ax)
    else:
        ax.text(0.5, 0.5, "too few galaxies", transform=ax.transAxes, ha="center", color="0.4")
    return ax
