"""Figures drawn again from the numbers beside them, for a paper: other width, names and data sets."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simcompare.figures.checks import draw_matched, draw_realism, draw_sky, draw_typicality
from simcompare.figures.differences import draw_forest, draw_scales
from simcompare.figures.distributions import (
    MOST_BANDS,
    draw_density,
    draw_null,
    draw_ridges,
    draw_roc,
    draw_violins,
)
from simcompare.figures.feature_maps import draw_map
from simcompare.figures.grids import draw_grid
from simcompare.figures.pixel_values import draw_pixels
from simcompare.figures.planes import draw_plane
from simcompare.figures.populations import draw_fractions, draw_mass_function
from simcompare.figures.relations import draw_difference, draw_relation
from simcompare.figures.single_galaxies import draw_profile
from simcompare.figures.style import order_of, styled, table_styles
from simcompare.figures.training import draw_training

__all__ = ["STORED", "draw_stored", "with_labels"]


_PANEL = 2.2  # least width of a panel [inch]


def _distribution(table: Table) -> Axes:
    """Curves with bands where data sets are few, else one above the other."""
    return draw_ridges(table) if len(table_styles(table)) > MOST_BANDS else draw_density(table)


def _map(table: Table) -> Axes:
    return draw_map(table, labels=tuple(table.meta["labels"]))


_MATCHED = partial(draw_grid, draw=draw_matched, n_across=2, height=2.9, one_legend=False)
STORED: dict[str, Callable[[Table], Axes | Figure]] = {
    "difference": draw_forest,
    "distribution": _distribution,
    "splits": draw_density,
    "violins": draw_violins,
    "roc": draw_roc,
    "scales": draw_scales,
    "null": draw_null,
    "bins": partial(draw_grid, draw=draw_density),
    "relations": partial(draw_grid, draw=draw_relation),
    "relation_differences": partial(draw_grid, draw=draw_difference),
    "classes": partial(draw_grid, draw=draw_relation, n_across=2),
    "plane": partial(draw_grid, draw=draw_plane, height=2.4),
    "mass_functions": partial(draw_grid, draw=draw_mass_function),
    "fractions": draw_fractions,
    "realism": draw_realism,
    "typicality": draw_typicality,
    "matched": _MATCHED,
    "sky": draw_sky,
    "pixels": draw_pixels,
    "profile": draw_profile,
    "latents": _map,
    "training": draw_training,
}
"""How each figure of the report is drawn from its numbers, by the beginning of its name."""


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

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        For a name that is not there.
    """
    labels = dict(labels or {})
    known = order_of(table) if "dataset" in table.colnames else []
    known += [str(meta["dataset"]) for meta in _metas(table) if "dataset" in meta]
    references = {str(meta["reference"]) for meta in _metas(table) if "reference" in meta}
    unknown = [name for name in (*labels, *datasets) if name not in {*known, *references}]
    if unknown:
        raise ValueError(f"no data set {', '.join(unknown)} in the figure; it has {', '.join(known)}.")
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


@styled
def draw_stored(name: str, table: Table, width: float | None = None, title: str | None = None) -> Figure:
    """Draw a figure of the report from its numbers.

    Parameters
    ----------
    name : str
        Of the figure, as its file is called.
    table : Table
        The numbers beside it.
    width : float, optional
        Width [inch]; letters keep their size. Default: that of the report.
    title : str, optional
        Title in place of the figure's own; "" for none.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        For a figure that is not drawn from numbers alone.
    """
    stems = [stem for stem in STORED if name == stem or name.startswith(f"{stem}_")]
    if not stems:
        raise ValueError(
            f"figure {name!r} needs images or is unknown; drawn from numbers: {', '.join(STORED)}."
        )
    draw = STORED[max(stems, key=len)]
    if width is not None and isinstance(draw, partial):  # panels that stay readable
        draw = partial(draw, n_across=min(draw.keywords.get("n_across", 3), max(1, int(width / _PANEL))))
    drawing = draw(table)
    figure = drawing if isinstance(drawing, Figure) else drawing.figure
    if title is not None:
        for ax in figure.axes:
            for side in ("left", "center", "right"):
                ax.set_title("", loc=side)
        figure.axes[0].set_title(title, loc="left")
    if width is not None:
        figure.set_size_inches(width, figure.get_figheight() * max(1.0, width / figure.get_figwidth()))
    return figure
