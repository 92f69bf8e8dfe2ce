"""Several panels in one figure, each drawn by the function that draws one."""

from collections.abc import Callable, Mapping

import numpy as np
from astropy.table import Table, vstack
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from simcompare.figures.style import PAGE, ShownFigure, fixed_styles, names_and_kinds, order_of, styled

__all__ = ["draw_grid", "stack_panels"]

PANEL = "panel"


def stack_panels(tables: Mapping[str, Table]) -> Table:
    """Put the tables of several panels one below the other.

    Parameters
    ----------
    tables : mapping of str to Table
        By the title of the panel; a title that begins with "_" is not shown.

    Returns
    -------
    Table
        With ``panel`` as first column and what each table said of itself in ``meta["panels"]``.
    """
    parts = []
    for title, table in tables.items():
        part = table.copy()
        part.meta = {}
        part.add_column(np.full(len(part), title), name=PANEL, index=0)
        parts.append(part)
    joined = vstack(parts, metadata_conflicts="silent")
    joined.meta = {"panels": {title: dict(table.meta) for title, table in tables.items()}}
    return joined


@styled
def draw_grid(
    table: Table,
    draw: Callable[[Table, Axes], Axes],
    *,
    n_across: int = 3,
    height: float = 2.1,
    one_legend: bool = True,
) -> Figure:
    """Draw every panel of a table.

    Parameters
    ----------
    table : Table
        From `stack_panels`.
    draw : callable
        Draws the table of one panel into given axes, for instance `draw_relation`.
    n_across : int
        Panels side by side.
    height : float
        Of a panel [inch].
    one_legend : bool
        Whether one legend above serves all panels; else each keeps its own, which then says more than
        names.

    Returns
    -------
    Figure
    """
    titles = order_of(table, PANEL)
    n_across = min(n_across, len(titles))
    n_down = -(-len(titles) // n_across)
    width = PAGE * max(n_across, 2) / 3 if one_legend and n_across < 3 else PAGE
    figure = ShownFigure(figsize=(width, 0.7 + height * n_down))
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_down, n_across, squeeze=False)
    entries: dict[str, tuple[int, str, object]] = {}
    styled_names = names_and_kinds(table) if "kind" in table.colnames else ((), ())
    for ax, title in zip(axes.flat, titles, strict=False):
        rows = table[np.asarray(table[PANEL]) == title]
        rows.remove_column(PANEL)
        rows.meta = dict(table.meta["panels"][title])
        with fixed_styles(*styled_names):
            draw(rows, ax)
        _drop_small_ticks(ax)
        if not one_legend:
            if not title.startswith("_"):
                ax.set_xlabel(f"{ax.get_xlabel()}\n{title}")
            continue
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            name, count = _counted(label)
            if name not in entries or count > entries[name][0]:  # the legend gives the largest number
                entries[name] = (count, label, handle)
        if ax.get_legend() is not None:
            ax.get_legend().remove()
        if not title.startswith("_"):
            own = ax.get_title(loc="left")
            ax.set_title(f"{title}\n{own}" if own else title, loc="left", fontsize=6.5)
    for ax in axes.flat[len(titles) :]:
        ax.set_axis_off()
    if entries:
        labels = [label for _, label, _ in entries.values()]
        columns = max(1, min(4, int(16 * figure.get_figwidth() // max(map(len, labels)))))
        figure.legend(
            [handle for _, _, handle in entries.values()], labels, loc="outside upper left", ncols=columns,
            title="galaxies in brackets", title_fontsize=6.5, alignment="left",
        )  # fmt: skip
    return figure


def _drop_small_ticks(ax: Axes) -> None:
    """Take minor ticks off linear axes: many in a small panel, and slow to draw."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "linear":
            axis.set_minor_locator(NullLocator())


def _counted(label: str) -> tuple[str, int]:
    """Name of a data set and number of galaxies in a legend entry."""
    name, _, rest = label.partition("  (")
    digits = "".join(letter for letter in rest.split(")")[0].split(";")[0] if letter.isdigit())
    return name, int(digits or 0)
