"""Draw every standard figure of a comparison into a folder."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from mocks.streams import stream
from simcompare import figures
from simcompare.report import ReportFigure

__all__ = ["draw_figures"]

logger = logging.getLogger(__name__)

_RELATIONS = ("mag", "half_light_radius", "sky_sigma", "psf_fwhm", "concentration", "stellar_mass")


def draw_figures(
    scores: Table,
    comparison: Table,
    folder: str | os.PathLike,
    *,
    seed: int,
    image_sets: Mapping[str, Any] | None = None,
    history: Table | None = None,
    samples: Sequence[np.ndarray] | None = None,
) -> list[ReportFigure]:
    """Draw the standard figures, each as PNG, PDF and ECSV.

    Parameters
    ----------
    scores : Table
        Score table of all data sets.
    comparison : Table
        From `simcompare.comparison.compare` on these scores.
    folder : path-like
        Where the files go.
    seed : int
        Of the bootstrap bands; each figure has its own stream.
    image_sets : mapping of str to ImageSet, optional
        Images of the data sets, for the gallery.
    history : Table, optional
        Training curves of the flow, see `simcompare.figures.draw_training`.
    samples : sequence of ndarray, shape (band, y, x), optional
        Images drawn from the flow of real galaxies.

    Returns
    -------
    list of ReportFigure
        In the order of the report.
    """
    reference, folder = comparison.meta["reference"], Path(folder)
    drawn: list[ReportFigure] = []

    def draw(
        name: str, title: str, caption: str, table: Table, function: Callable[[Table], Axes], wide=False
    ):
        figures.save_figure(function(table).figure, table, folder, name)
        drawn.append(ReportFigure(name, title, caption, folder / f"{name}.png", wide))

    draw(
        "difference", "Difference to real galaxies",
        "Mean score of each data set minus that of held-out real galaxies; open symbols are controls.",
        comparison, figures.draw_forest, True,
    )  # fmt: skip
    columns = [name for name in ("log_likelihood_ratio", "log_prob") if name in scores.colnames]
    for column in columns:
        table = figures.density_numbers(scores, reference, stream(seed, "figure", column), column=column)
        what = "likelihood ratio" if column == "log_likelihood_ratio" else "raw log-likelihood"
        caption = "Smoothed distribution; bands are 95 % bootstrap intervals, galaxies resampled."
        draw(f"distribution_{column}", f"Distribution of the {what}", caption, table, figures.draw_density)
        if column == columns[0]:
            draw("ridges", f"The same, one above the other: {what}", caption, table, figures.draw_ridges)
    table = figures.roc_numbers(scores, reference)
    caption = (
        "Above the diagonal the data set scores lower than real galaxies; on it they cannot be told apart."
    )
    draw("roc", "Telling data sets from real galaxies", caption, table, figures.draw_roc)
    if f"{comparison.meta['score']}_scale_0" in scores.colnames:
        table = figures.scale_numbers(scores, reference, stream(seed, "figure", "scales"))
        caption = (
            "The difference to real galaxies divided over scales of the image; the parts add up to the whole."
        )
        draw("scales", "Which scales carry the difference", caption, table, figures.draw_scales)
    table = figures.null_numbers(scores, comparison, stream(seed, "figure", "null"))
    caption = "Differences between random halves of the real galaxies, beside the claimed differences."
    draw("null", "Real against real", caption, table, figures.draw_null)
    for column in relation_columns(scores, reference):
        table = figures.relation_numbers(scores, reference, column)
        label = column.replace("_", " ")
        caption = "Medians in bins of equal numbers of real galaxies; shaded: quartiles."
        draw(f"score_{column}", f"Score against {label}", caption, table, figures.draw_relation)
        caption = "Median minus that of real galaxies in the same bin; bars are standard errors."
        draw(f"difference_{column}", f"Difference against {label}", caption, table, figures.draw_difference)
    if image_sets:
        _draw_images(scores, reference, image_sets, samples, draw)
    if history is not None:
        caption = "Mean log-likelihood of training and validation images; early epochs cut off."
        draw("training", "Training of the flow of real galaxies", caption, history, figures.draw_training)
    logger.info("%d figures in %s", len(drawn), folder)
    return drawn


def relation_columns(scores: Table, reference: str) -> list[str]:
    """Columns worth a figure: properties that the reference and another data set have."""
    is_reference = np.asarray(scores["dataset"]) == reference
    names = [
        name for name in scores.colnames if name.startswith(_RELATIONS) and scores[name].dtype.kind == "f"
    ]
    finite = {name: np.isfinite(np.asarray(scores[name])) for name in names}
    return [
        name for name in names if finite[name][is_reference].sum() > 1 and finite[name][~is_reference].any()
    ]


def _draw_images(
    scores: Table, reference: str, image_sets: Mapping[str, Any], samples: Sequence | None, draw: Callable
) -> None:
    """Draw the gallery, and samples of the flow beside real galaxies."""
    known = [name for name in dict.fromkeys(np.asarray(scores["dataset"]).tolist()) if name in image_sets]
    known = sorted(known, key=lambda name: name != reference)
    table = figures.gallery_numbers(scores, reference, n=4, datasets=known)
    images = figures.gallery_images(table, image_sets)
    bands = image_sets[known[0]].bands
    sky = [np.nanmedian(np.asarray(scores[f"sky_sigma_{band}"], float)) for band in bands]
    stretch = figures.common_stretch(images, sky)
    caption = "Least, middle and most likely galaxies of every data set under one stretch, scores printed."
    draw(
        "gallery",
        "Galaxies by score",
        caption,
        table,
        lambda t: figures.draw_gallery(t, images, stretch),
        True,
    )
    if samples is None or reference not in known:
        return
    real = table[(table["dataset"] == reference) & (table["group"] == "middle")]
    rows = {"real": figures.gallery_images(real, image_sets), "flow": list(samples)[: len(real)]}
    caption = "Real galaxies and images drawn from the flow under one stretch."
    draw(
        "samples", "What the flow has learned", caption, real,
        lambda _: figures.draw_samples(rows, stretch), True,
    )  # fmt: skip
