"""What every drawing function takes beside its table: names, colours, a choice of data sets, a title."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure

from simcompare.figures.dataset_styles import (
    colored,
    order_of,
)
from simcompare.figures.looks import (
    new_width,
    styled,
)

__all__ = ["drawing", "with_labels"]

_SHARED = """
labels : mapping of str to str, optional
    Other names of data sets, by their own.
colors : mapping of str to color, optional
    Colours of data sets, by their own names. Default: fixed for each name, black for the reference.
datasets : sequence of str, optional
    Data sets to show, in this order; the reference stays. Default: all.
title : str, optional
    In place of the figure's own; "" for none. Above the panels where there are several.
width : float, optional
    Width of a new figure [inch]: 3.3 for a column, 7 for a page. Letters keep their size."""
_KEYWORDS = {
    "labels": Mapping[str, str] | None,
    "colors": Mapping[str, Any] | None,
    "datasets": Sequence[str],
    "title": str | None,
    "width": float | None,
}


def drawing(function: Callable[..., Axes | Figure]) -> Callable[..., Axes | Figure]:
    """Give a drawing function, whose first argument is its table, the keywords that all of them share.

    Parameters
    ----------
    function : callable
        Draws a table, under the publication style, into the axes given or a new figure.

    Returns
    -------
    callable
        Also takes ``labels``, ``colors``, ``datasets``, ``title`` and ``width``.
    """

    @functools.wraps(function)
    def inside(
        table: Table,
        *args: Any,
        labels: Mapping[str, str] | None = None,
        colors: Mapping[str, Any] | None = None,
        datasets: Sequence[str] = (),
        title: str | None = None,
        width: float | None = None,
        **options: Any,
    ) -> Axes | Figure:
        with ExitStack() as stack:
            stack.enter_context(new_width(width))
            if labels or colors or datasets:
                stack.enter_context(colored(table, _checked(colors or {}, table), labels or {}))
                table = with_labels(table, labels, datasets)
            drawn = styled(function)(table, *args, **options)
        if title is not None:
            _retitle(drawn, title)
        return drawn

    own = inspect.signature(function)
    parameters = list(own.parameters.values())
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=() if name == "datasets" else None,
                          annotation=kind)
        for name, kind in _KEYWORDS.items()
    ]  # fmt: skip
    inside.__signature__ = own.replace(parameters=parameters + added)
    text, mark, rest = inspect.getdoc(function).partition("\n\nReturns\n")
    inside.__doc__ = text + _SHARED + mark + rest
    return inside


def _checked(colors: Mapping[str, Any], table: Table) -> Mapping[str, Any]:
    """Refuse what is no colour, and colours of data sets that are not there."""
    if wrong := [f"{name}={color!r}" for name, color in colors.items() if not is_color_like(color)]:
        raise ValueError(f"no colour that matplotlib knows: {', '.join(wrong)}.")
    _refuse_unknown(table, colors)
    return colors


def _retitle(drawn: Axes | Figure, title: str) -> None:
    """Replace the title of axes; panels keep their titles, and the figure gets one."""
    if isinstance(drawn, Figure):
        if title:
            drawn.suptitle(title, x=0.01, ha="left")
        return
    for side in ("left", "center", "right"):
        drawn.set_title("", loc=side)
    drawn.set_title(title, loc="left")


def with_labels(table: Table, labels: Mapping[str, str] | None = None, datasets: Sequence[str] = ()) -> Table:
    """Give data sets other names, and leave some out.

    Parameters
    ----------
    table : Table
        Numbers of a figure.
    labels : mapping of str to str, optional
        New name by the old one.
    datasets : sequence of str
        Old names of those to keep, in this order; the reference stays. Default: all.

    Raises
    ------
    ValueError
        For a name that is not there.
    """
    labels = dict(labels or {})
    known, references = _names(table)
    _refuse_unknown(table, (*labels, *datasets))
    chosen = table.copy()
    if datasets:
        names = np.asarray(chosen["dataset"]).astype(str)
        first = [name for name in known if name in references and name not in datasets]
        rows = [np.flatnonzero(names == name) for name in (*first, *datasets)]
        chosen = chosen[np.concatenate(rows)]
        chosen.meta = dict(table.meta)
    if labels and "dataset" in chosen.colnames:
        names = np.asarray(chosen["dataset"]).astype(str).tolist()
        chosen["dataset"] = [labels.get(name, name) for name in names]
    for meta in _metas(chosen):
        for key in ("reference", "dataset"):
            if key in meta:
                meta[key] = labels.get(str(meta[key]), meta[key])
    return chosen


def _metas(table: Table) -> list[dict]:
    """Meta data of a table, and of its panels."""
    return [table.meta, *table.meta.get("panels", {}).values()]


def _names(table: Table) -> tuple[list[str], set[str]]:
    """Names of the data sets that a table or its meta data hold, and of references."""
    known = order_of(table) if "dataset" in table.colnames else []
    known += [str(meta["dataset"]) for meta in _metas(table) if "dataset" in meta]
    return known, {str(meta["reference"]) for meta in _metas(table) if "reference" in meta}


def _refuse_unknown(table: Table, names: Iterable[str]) -> None:
    """Raise for names of data sets that the figure does not have."""
    known, references = _names(table)
    if unknown := [name for name in names if name not in {*known, *references}]:
        raise ValueError(f"no data set {', '.join(unknown)} in the figure; it has {', '.join(known)}.")
