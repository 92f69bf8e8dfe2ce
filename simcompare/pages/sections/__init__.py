"""Draw every standard figure of a comparison into a folder."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from simcompare import figures
from simcompare.comparison.further_tables import FurtherTable
from simcompare.figures.populations import with_derived_columns
from simcompare.pages.page import ReportFigure
from simcompare.pages.sections.checks import draw_checks
from simcompare.pages.sections.galaxies import draw_looks
from simcompare.pages.sections.properties import draw_properties, relation_columns
from simcompare.pages.sections.scores import draw_scores
from simcompare.pages.sections.sketchbook import Sketchbook
from simcompare.runs.ledger import Ledger
from simcompare.scores.columns import COLUMNS, Use, names_for
from simcompare.scores.record import Scores

__all__ = ["draw_figures", "figure_columns", "relation_columns"]

logger = logging.getLogger(__name__)


def figure_columns(form: Scores, models: Mapping[str, Any]) -> list[str]:
    """Name the columns of scores that `draw_figures` reads.

    Parameters
    ----------
    form : Scores
        Rows are not needed.
    models : mapping of str to FlowModel
        Flows under which single images are looked at.
    """
    known = {
        "dataset", "kind", "split", "galaxy_id", "image_index", "is_central", "star_formation_rate",
        "halo_mass", "log_prob", "log_prob_background", "log_prob_sky", form.headline, *form.scales,
        *names_for(Use.SCORE | Use.NUISANCE | Use.RELATION, form.colnames),
        *(name for column in COLUMNS.values() for name in column.needs),
    }  # fmt: skip
    for model in models.values():
        known |= {name.removeprefix("log_") for name in model.context_names} | set(model.context_names)
    return [name for name in form.colnames if name in known or name.startswith("sky_level_")]


def draw_figures(
    scores: Scores,
    comparison: Table,
    folder: str | os.PathLike,
    *,
    seed: int,
    image_sets: Mapping[str, Any] | None = None,
    history: Table | None = None,
    samples: Sequence[np.ndarray] | None = None,
    models: Mapping[str, Any] | None = None,
    further: Sequence[FurtherTable] = (),
    embedding: str = "pca",
    sky: Table | None = None,
    done: Ledger | None = None,
) -> list[ReportFigure]:
    """Draw the standard figures, each as PNG, PDF and ECSV.

    A figure whose columns, images or tables are not there is left out; the log says why.

    Parameters
    ----------
    scores : Scores
        Of all data sets.
    comparison : Table
        From `simcompare.comparison.headline.compare` on these scores.
    folder : path-like
        Where the files go.
    seed : int
        Of the bootstrap bands; each figure has its own stream.
    image_sets : mapping of str to ImageSet, optional
        Images of the data sets, for galleries, panels and maps.
    history : Table, optional
        Training curves of the flow, see `simcompare.figures.draw_training`.
    samples : sequence of ndarray, shape (band, y, x), optional
        Images drawn from the flow of real galaxies.
    models : mapping of str to FlowModel, optional
        ``model`` and ``background``, for likelihood maps and latents.
    further : sequence of FurtherTable
        Tables of the report; those that look like a ladder of `simcompare.comparison.attribution` or a
        stability table of `simcompare.comparison.stability` are drawn.
    embedding : str
        Coordinates of the map of latents: "pca", or "umap" when it is installed.
    sky : Table, optional
        Blank sky of the data sets, from `simcompare.comparison.realism.sanity_curves`.
    done : Ledger, optional
        Figures that it has are left as they are; drawn ones are recorded in it.

    Returns
    -------
    list of ReportFigure
        In the order of the report.
    """
    book = Sketchbook(Path(folder), done)
    scores = with_derived_columns(scores)
    with figures.fixed_styles(scores.in_order, map(scores.kind_of, scores.in_order)):
        book.section = "scores"
        draw_scores(book, scores, comparison, seed)
        book.section = "properties"
        draw_properties(book, scores, comparison, seed)
        book.section = "checks"
        draw_checks(book, scores, comparison, seed, further)
        if sky is not None and len(sky):
            caption = (
                "Corners free of galaxies. Mock sky that differs here is told from real sky by any score."
            )
            book.draw("sky", "Blank sky", caption, sky, figures.draw_sky, wide=True)
        if image_sets:
            book.section = "galaxies"
            draw_looks(book, scores, image_sets, seed, samples, models or {}, embedding)
        if history is not None:
            book.section = "checks"
            caption = (
                "Loss of training and validation images, minus the log-likelihood; early epochs cut off."
            )
            book.draw(
                "training", "Training of the flow of real galaxies", caption, history, figures.draw_training
            )
    logger.info("%d figures in %s", len(book.figures), folder)
    return book.figures
