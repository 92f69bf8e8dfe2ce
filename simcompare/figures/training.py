"""How a flow was trained."""

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from simcompare.figures.style import COLUMN, new_axes, styled

__all__ = ["draw_training"]

_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


@styled
def draw_training(table: Table, ax: Axes | None = None, *, unit: str = "nats per image") -> Axes:
    """Draw the curves of a training, one for each column beside ``epoch``.

    Parameters
    ----------
    table : Table
        ``epoch`` and one column for each set, e.g. ``training`` and ``validation``: mean log-likelihood.
    ax : Axes, optional
    unit : str
        Unit of the columns.

    Returns
    -------
    Axes
    """
    ax = new_axes(ax, COLUMN, 2.6)
    names = [name for name in table.colnames if name != "epoch"]
    for name, color in zip(names, _COLORS, strict=False):
        ax.plot(table["epoch"], table[name], color=color, label=name.replace("_", " "))
    values = np.concatenate([np.asarray(table[name], float) for name in names])
    values = values[np.isfinite(values)]
    if values.size > 20:  # the first epochs would squeeze the rest into a line
        low, high = np.quantile(values, [0.05, 1.0])
        ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"mean log-likelihood  [{unit}]")
    ax.legend(loc="lower right")
    return ax
