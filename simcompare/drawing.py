"""Draw every standard figure of a comparison into a folder."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mocks.streams import stream
from simcompare import figures
from simcompare.comparison import nuisance_columns
from simcompare.report import ReportFigure
from simcompare.typicality import add_typicality

__all__ = ["draw_figures"]

logger = logging.getLogger(__name__)

LEAST_FOR_TYPICALITY = 20
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
    sky: Table | None = None,
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
    sky : Table, optional
        Blank sky of the data sets, from `simcompare.sanity.sanity_curves`.

    Returns
    -------
    list of ReportFigure
        In the order of the report.
    """
    reference, folder = comparison.meta["reference"], Path(folder)
    drawn: list[ReportFigure] = []

    def draw(name, title, caption, table, function: Callable[[Table], Axes | Figure], wide=False):
        drawing = function(table)
        figure = drawing if isinstance(drawing, Figure) else drawing.figure
        figures.save_figure(figure, table, folder, name)
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
    _draw_checks(scores, comparison, seed, draw)
    if sky is not None and len(sky):
        caption = "Corners free of galaxies. Mock sky that differs here is told from real sky by any score."
        draw("sky", "Blank sky", caption, sky, figures.draw_sky, True)
    if image_sets:
        _draw_images(scores, reference, image_sets, samples, draw)
    if history is not None:
        caption = "Loss of training and validation images, minus the log-likelihood; early epochs cut off."
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


def _draw_checks(scores: Table, comparison: Table, seed: int, draw: Callable) -> None:
    """Draw what mocks share with real images, typicality, and maps on the plane of size and brightness."""
    reference = comparison.meta["reference"]
    columns = [name for name in nuisance_columns(scores) if name in relation_columns(scores, reference)]
    if columns:
        table = figures.realism_numbers(scores, reference, seed, columns=columns)
        caption = "What mocks and real images should share; unequal curves call for matching or adjustment."
        draw("realism", "Brightness, size, noise and seeing", caption, table, figures.draw_realism, True)
    if columns and comparison.meta["n_reference_galaxies"] >= LEAST_FOR_TYPICALITY:
        typical = add_typicality(scores, reference, stream(seed, "figure", "folds"), columns=columns)
        table = figures.typicality_numbers(typical, reference)
        caption = (
            "Flat: as typical as real galaxies of like nuisance. Peak at zero: too unlikely or likely."
        )
        draw("typicality", "Typicality", caption, table, figures.draw_typicality)
    magnitude = next((name for name in columns if name.startswith("mag_")), None)
    if magnitude is None or "half_light_radius" not in columns:
        return
    for row in comparison[np.asarray(comparison["kind"]) == "simulated"]:
        name = str(row["dataset"])
        table = figures.plane_numbers(scores, name, reference, "half_light_radius", magnitude)
        if not np.isfinite(np.asarray(table["difference"], float)).any():
            continue
        caption = "Red: less likely than real galaxies of this size and brightness."
        short = "".join(letter if letter.isalnum() else "-" for letter in name)
        draw(f"plane_{short}", f"Where {name} differs", caption, table, figures.draw_plane)


def _draw_images(
    scores: Table, reference: str, image_sets: Mapping[str, Any], samples: Sequence | None, draw: Callable
) -> None:
    """Draw the gallery, and samples of the flow beside real galaxies."""
    known = [name for name in dict.fromkeys(np.asarray(scores["dataset"]).tolist()) if name in image_sets]
    known = sorted(known, key=lambda name: name != reference)
    table = figures.gallery_numbers(scores, reference, n=4, datasets=known)
    images = figures.gallery_images(table, image_sets)
    outliers = figures.outlier_numbers(scores, reference, n=6)
    outliers = outliers[np.isin(np.asarray(outliers["dataset"]), known)] if len(outliers) else outliers
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
    if len(outliers):
        others = figures.gallery_images(outliers, image_sets)
        caption = "Galaxies beyond 97.5 % of the real ones on either side; of real ones 5 % are expected."
        draw(
            "outliers", "Outliers", caption, outliers,
            lambda t: figures.draw_gallery(t, others, stretch), True,
        )  # fmt: skip
    if samples is None or reference not in known:
        return
    real = table[(table["dataset"] == reference) & (table["group"] == "middle")]
    rows = {"real": figures.gallery_images(real, image_sets), "flow": list(samples)[: len(real)]}
    caption = "Real galaxies and images drawn from the flow under one stretch."
    draw(
        "samples", "What the flow has learned", caption, real,
        lambda _: figures.draw_samples(rows, stretch), True,
    )  # fmt: skip
