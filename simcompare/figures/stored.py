"""Figures drawn again from the numbers beside them, for a paper: other width, names and data sets."""

from collections.abc import Callable
from functools import partial
from typing import Any

from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simcompare.figures.checks import draw_matched, draw_realism, draw_sky, draw_typicality
from simcompare.figures.dataset_styles import table_styles
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
from simcompare.figures.grids import draw_bins, draw_grid, small_multiples
from simcompare.figures.pixel_values import draw_pixels
from simcompare.figures.planes import draw_plane
from simcompare.figures.populations import draw_fractions, draw_mass_function
from simcompare.figures.relations import draw_difference, draw_relation
from simcompare.figures.single_galaxies import draw_profile
from simcompare.figures.training import draw_training

__all__ = ["STORED", "draw_stored"]


def _distribution(table: Table, **options: Any) -> Axes:
    """Curves with bands where data sets are few, else one above the other."""
    draw = draw_ridges if len(options.get("datasets") or table_styles(table)) > MOST_BANDS else draw_density
    return draw(table, **options)


_MATCHED = partial(draw_grid, draw=draw_matched, n_across=2, height=2.9, one_legend=False)
STORED: dict[str, Callable[..., Axes | Figure]] = {
    "difference": draw_forest,
    "distribution": _distribution,
    "splits": draw_density,
    "violins": draw_violins,
    "roc": small_multiples(draw_roc),
    "scales": small_multiples(draw_scales),
    "null": draw_null,
    "bins": draw_bins,
    "relations": partial(draw_grid, draw=draw_relation),
    "relation_differences": partial(draw_grid, draw=draw_difference),
    "classes": partial(draw_grid, draw=draw_relation, n_across=2),
    "plane": partial(draw_grid, draw=draw_plane, height=2.4, minimum=2.2),
    "mass_functions": partial(draw_grid, draw=draw_mass_function),
    "fractions": draw_fractions,
    "realism": draw_realism,
    "typicality": small_multiples(draw_typicality),
    "matched": _MATCHED,
    "sky": draw_sky,
    "pixels": small_multiples(draw_pixels),
    "profile": small_multiples(draw_profile),
    "latents": small_multiples(draw_map),
    "training": draw_training,
}
"""How each figure of the report is drawn from its numbers, by the beginning of its name."""


def draw_stored(
    name: str, table: Table, width: float | None = None, title: str | None = None, **options: Any
) -> Figure:
    """Draw a figure of the report from its numbers.

    Parameters
    ----------
    name : str
        Of the figure, as its file is called.
    table : Table
        The numbers beside it.
    width, title, **options
        As for every drawing function, also ``labels``, ``colors`` and ``datasets``: see `draw_density`.

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
    drawn = STORED[max(stems, key=len)](table, width=width, title=title, **options)
    return drawn if isinstance(drawn, Figure) else drawn.figure
