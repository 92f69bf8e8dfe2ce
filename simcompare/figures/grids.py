"""Several panels in one figure, each drawn by the function that draws one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from astropy.table import Table, vstack
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from simcompare.figures.dataset_styles import (
    fixed_styles,
    names_and_kinds,
    order_of,
)
from simcompare.figures.distributions import MOST_BANDS, draw_density, draw_ridges
from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    PAGE,
    entry_of,
    legend_columns,
    new_figure,
    panels_across,
    wrapped,
)
from simcompare.kinds import Kind

__all__ = ["draw_bins", "draw_each", "draw_grid", "small_multiples", "stack_panels"]

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


@drawing
def draw_grid(
    table: Table,
    draw: Callable[[Table, Axes], Axes],
    *,
    n_across: int = 3,
    height: float = 2.1,
    one_legend: bool = True,
    minimum: float | None = None,
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
    minimum : float, optional
        Width of a panel [inch] below which fewer are side by side. Default: 1.5, with legends of their own 3.
    """
    titles = order_of(table, PANEL)
    n_across = panels_across(min(n_across, len(titles)), minimum or (1.5 if one_legend else 3.0))
    n_down = -(-len(titles) // n_across)
    width = PAGE * max(n_across, 2) / 3 if one_legend and n_across < 3 else PAGE
    figure = new_figure(width, 0.7 + height * n_down)
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
        room = 0.9 * figure.get_figwidth() / n_across
        ax.set_xlabel(wrapped(ax.get_xlabel(), room))
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
            shown = wrapped(title, room)
            ax.set_title(f"{shown}\n{own}" if own else shown, loc="left", fontsize="small")
    for ax in axes.flat[len(titles) :]:
        ax.set_axis_off()
    if entries:
        labels = [label for _, label, _ in entries.values()]
        columns = legend_columns(figure, labels)
        figure.legend(
            [handle for _, _, handle in entries.values()], labels, loc="outside upper left", ncols=columns,
            title="galaxies in brackets", alignment="left",
        )  # fmt: skip
    return figure


@drawing
def draw_bins(table: Table) -> Figure:
    """Draw the distributions of a score in bins of a property: curves, or ridges where data sets are many.

    Parameters
    ----------
    table : Table
        From `stack_panels`, of `simcompare.figures.density_numbers` in each bin.
    """
    names, titles = order_of(table), order_of(table, PANEL)
    if len(names) <= MOST_BANDS:
        return draw_grid(table, draw_density)
    parts = {title: table[np.asarray(table[PANEL]) == title] for title in titles}
    is_alike = all(
        order_of(rows) == names for rows in parts.values()
    )  # then the first of a row has the names
    n_across = panels_across(min(3, len(titles)), 1.9 if is_alike else 3.3)
    n_down = -(-len(titles) // n_across)
    figure = new_figure(PAGE, n_down * (0.8 + 0.2 * len(names)))
    axes = figure.subplots(n_down, n_across, squeeze=False)
    for place, (ax, (title, rows)) in enumerate(zip(axes.flat, parts.items(), strict=False)):
        rows.remove_column(PANEL)
        rows.meta = dict(table.meta["panels"][title])
        with fixed_styles(*names_and_kinds(table)):
            draw_ridges(rows, ax)
        ax.set_title("", loc="right")
        ax.set_title(wrapped(title, 0.7 * figure.get_figwidth() / n_across), loc="left", fontsize="small")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel(wrapped(ax.get_xlabel(), 0.8 * figure.get_figwidth() / n_across), loc="right")
        if is_alike:
            ax.set_yticks(ax.get_yticks(), names[::-1] if place % n_across == 0 else [""] * len(names))
    for ax in axes.flat[len(titles) :]:
        ax.set_axis_off()
    reference = table.meta["panels"][titles[0]].get("reference")
    figure.suptitle(f"dotted: {reference}", x=0.01, ha="left", fontsize="small")
    return figure


@drawing
def draw_each(
    table: Table, draw: Callable[[Table, Axes], Axes], *, n_across: int = 4, height: float = 1.5
) -> Figure:
    """Draw small multiples: every data set in a panel of its own beside the reference, on common axes.

    Parameters
    ----------
    table : Table
        Of a figure with a ``dataset``, and the ``reference`` in its meta data.
    draw : callable
        Draws such a table into given axes, for instance `draw_profile`.
    n_across : int
        Panels side by side.
    height : float
        Of a panel [inch].
    """
    dataset, reference = np.asarray(table["dataset"]).astype(str), _reference_of(table)
    names = [name for name in order_of(table) if name != reference]
    n_across = panels_across(min(n_across, len(names)))
    n_down = -(-len(names) // n_across)
    figure = new_figure(PAGE, 0.75 + height * n_down)
    axes = figure.subplots(n_down, n_across, squeeze=False, sharex=True, sharey=True)
    for place, (ax, name) in enumerate(zip(axes.flat, names, strict=False)):
        rows = table[(dataset == name) | (dataset == reference)]
        rows.meta = dict(table.meta)
        with fixed_styles(*names_and_kinds(table)):
            draw(rows, ax)
        entries = ax.get_legend_handles_labels()[1]
        if ax.get_legend() is not None:
            ax.get_legend().remove()
        own = [entry for entry in entries if _counted(entry)[0] == entry_of(name)]
        room = 0.95 * figure.get_figwidth() / n_across
        ax.set_title(wrapped(own[0] if own else name, room), loc="left", fontsize="small")
        is_last = place + n_across >= len(names)
        ax.tick_params(labelbottom=is_last)
        across, up = ax.get_xlabel(), ax.get_ylabel()
        ax.set(xlabel="", ylabel="")
        _drop_small_ticks(ax)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    figure.supxlabel(across, fontsize="medium")
    figure.supylabel(up, fontsize="medium")
    beside = f"; black: {reference}" if reference in dataset else ""
    figure.suptitle(f"galaxies in brackets{beside}", x=0.01, ha="left", fontsize="small")
    return figure


def small_multiples(draw: Callable[..., Axes]) -> Callable[..., Axes | Figure]:
    """Let a function draw up to four data sets in one frame, and more of them as small multiples.

    Parameters
    ----------
    draw : callable
        Such as `draw_profile`.

    Returns
    -------
    callable
    """

    def choose(table: Table, **options: Any) -> Axes | Figure:
        chosen = options.get("datasets") or order_of(table)
        if len({*chosen} - {_reference_of(table)}) < MOST_BANDS:
            return draw(table, **options)
        return draw_each(table, draw, **options)

    return choose


def _reference_of(table: Table) -> str | None:
    """Name of the reference: that of the meta data, else the first observed data set."""
    if "reference" in table.meta or "kind" not in table.colnames:
        return table.meta.get("reference")
    observed = np.asarray(table["dataset"])[np.asarray(table["kind"]) == Kind.OBSERVED]
    return str(observed[0]) if observed.size else None


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
