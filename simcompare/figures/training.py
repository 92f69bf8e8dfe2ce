"""How a flow was trained."""

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    COLUMN,
    new_axes,
)

__all__ = ["draw_training"]

_CURVES = {"train": ("#0072B2", "training"), "validation": ("#E69F00", "validation")}


@drawing
def draw_training(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the loss of training and validation images, and where the validation loss was least.

    Parameters
    ----------
    table : Table
        ``epoch``, ``train``, ``validation``: mean loss, minus the log-likelihood [nats per pixel value].
        Other columns (of single scales, times) are kept in the saved numbers but not drawn.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.6)
    for name, (color, label) in _CURVES.items():
        ax.plot(table["epoch"], table[name], color=color, label=label, marker="o" if len(table) < 3 else "")
    best = int(np.argmin(table["validation"]))
    label = f"least, epoch {int(table['epoch'][best])}"
    ax.plot(table["epoch"][best], table["validation"][best], "o", color="black", ms=3.5, label=label)
    values = np.concatenate([np.asarray(table[name], float) for name in _CURVES])
    if len(table) > 10:  # the first epochs would squeeze the rest into a line
        low, high = np.quantile(values, [0.0, 0.92])
        ax.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))
    ax.set_xlabel("epoch")
    ax.set_ylabel("mean loss  [nats per pixel value]")
    ax.legend(loc="upper right", title="less is better")
    return ax
