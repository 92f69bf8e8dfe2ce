"""Figures of the images themselves: galleries, outliers, panels with maps, profiles, latents."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import Table

from simcompare import figures
from simcompare.figures.examples import class_gallery_numbers
from simcompare.figures.feature_maps import latent_coordinates
from simcompare.figures.galleries import Stretch, score_text
from simcompare.figures.single_galaxies import budget_numbers
from simcompare.kinds import Kind
from simcompare.models.density import bound, context_of
from simcompare.pages.page import closely
from simcompare.pages.sections.sketchbook import Sketchbook
from simcompare.scores.bare_sky import SkyDensity
from simcompare.scores.columns import in_words
from simcompare.scores.record import Scores

__all__ = ["draw_looks"]

logger = logging.getLogger(__name__)

_MOST_MAPS = 60  # galaxies of a data set in a radial profile
_MOST_LATENTS = 400  # galaxies of a data set in the map of latents
_MOST_PICTURES = 40  # images of a data set in the histogram of pixel values
_PER_GROUP = 4


def draw_looks(
    book: Sketchbook,
    scores: Scores,
    image_sets: Mapping[str, Any],
    seed: int,
    samples: Sequence[np.ndarray] | None,
    models: Mapping[str, Any],
    embedding: str,
) -> None:
    """Draw the galleries, and with the flows at hand panels, radial profiles and the map of latents."""
    reference = scores.named_reference
    known = [name for name in scores.in_order if name in image_sets]
    known = sorted(known, key=lambda name: name != reference)
    table = figures.gallery_numbers(scores, n=_PER_GROUP, datasets=known)
    images = figures.gallery_images(table, image_sets)
    bands = image_sets[known[0]].bands
    sky = [np.nanmedian(scores.numbers(f"sky_sigma_{band}")) for band in bands]
    stretch = figures.common_stretch(images, sky)
    book.draw(
        "gallery", "Galaxies by score",
        "Galaxies of lowest, median and highest score in each data set; same stretch, scores above.",
        table, lambda t: figures.draw_gallery(t, images, stretch), wide=True,
    )  # fmt: skip
    _draw_chosen(book, scores, image_sets, known, stretch)
    _draw_pixels(book, scores, image_sets, known)
    if samples is not None and reference in known:
        real = table[(table["dataset"] == reference) & (table["group"] == "middle")]
        rows = {"real": figures.gallery_images(real, image_sets), "flow": list(samples)[: len(real)]}
        book.draw(
            "samples", "Samples of the flow", "Real galaxies and images drawn from the flow.",
            real, lambda _: figures.draw_samples(rows, stretch), wide=True,
        )  # fmt: skip
    if "model" in models:
        _draw_maps(book, scores, image_sets, known, models, stretch, seed)
        _draw_latents(book, scores, image_sets, models["model"], seed, embedding)


def _draw_chosen(
    book: Sketchbook, scores: Scores, image_sets: Mapping, known: list[str], stretch: Stretch
) -> None:
    """Draw sheets of outliers, and of galaxies by mass and activity."""
    n_real = len(scores.reference_sample())
    tail = 0.15 if n_real >= 2000 else 2.5  # at least three real galaxies beyond each limit, or one of 40
    outliers = figures.outlier_numbers(scores, n=6, tail=tail)
    outliers = outliers[np.isin(np.asarray(outliers["dataset"]), known)] if len(outliers) else outliers
    if len(outliers):
        others = figures.gallery_images(outliers, image_sets)
        book.draw(
            "outliers", "Outliers",
            f"Galaxies beyond {100 - tail:g}% of the real ones on either side; {2 * tail:g}% of real ones "
            "are expected there.", outliers, lambda t: figures.draw_gallery(t, others, stretch), wide=True,
        )  # fmt: skip
    inside = np.any([scores.equals("dataset", name) for name in known], axis=0)
    usable = scores if inside.all() else scores[inside]
    try:
        table = class_gallery_numbers(usable, n=3)
    except ValueError as error:
        logger.info("figure 'gallery_classes' skipped: %s", error)
        return
    pictures = figures.gallery_images(table, image_sets)
    book.draw(
        "gallery_classes", "Galaxies by mass and star formation",
        "Galaxies nearest to the median score of their class; same stretch, scores above.",
        table, lambda t: figures.draw_gallery(t, pictures, stretch), wide=True,
    )  # fmt: skip


def _draw_pixels(book: Sketchbook, scores: Scores, image_sets: Mapping, known: list[str]) -> None:
    """Draw the pixel values of the first band."""
    band = image_sets[known[0]].bands[0]
    images, sigma, kinds = {}, {}, {}
    for name in known:
        rows = np.flatnonzero(scores.equals("dataset", name))
        rows = rows[:: max(1, rows.size // _MOST_PICTURES)][:_MOST_PICTURES]
        part = scores[rows[np.argsort(scores["image_index"][rows])]]
        images[name] = [image_sets[name].read(int(k)).image[0, 0] for k in part["image_index"]]
        sigma[name] = part.numbers(f"sky_sigma_{band}")
        kinds[name] = scores.kind_of(name)
    book.draw(
        "pixels", "Pixel values",
        f"Share of pixels of the {band} band by their value in units of the image's sky noise, of up to "
        f"{_MOST_PICTURES} images of a data set.",
        lambda: figures.pixel_numbers(images, sigma, kinds, scores.named_reference),
        figures.small_multiples(figures.draw_pixels),
    )  # fmt: skip


def _read(part: Scores, image_sets: Mapping) -> np.ndarray:
    """Images of some rows of the scores, shape (n, band, y, x)."""
    places = zip(part["dataset"].tolist(), part["image_index"].tolist(), strict=True)
    return np.stack([image_sets[name].read(k).image[0] for name, k in places])


def _maps(model: Any, part: Scores, images: np.ndarray) -> np.ndarray:
    """Nats per pixel of some images under a flow."""
    return np.asarray(bound(model, part.table).map(images, context_of(part, model.context_names)))


def _ratio_maps(
    flows: Sequence, part: Scores, images: np.ndarray, bands: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Nats per pixel of some images: under the flow of real galaxies, and of the headline ratio."""
    first, second = (_maps(flow, part, images) for flow in flows)
    if "log_prob_sky" in part:  # the ratio is to bare sky where that explains an image better
        is_sky = part["log_prob_sky"] > part["log_prob_background"]
        if is_sky.any():
            second[is_sky] = _maps(SkyDensity(bands), part[is_sky], images[is_sky])
    return first, first - second


def _draw_maps(
    book: Sketchbook,
    scores: Scores,
    image_sets: Mapping,
    known: list[str],
    models: Mapping,
    stretch: Stretch,
    seed: int,
) -> None:
    """Draw panels of the least, a middle and the most likely galaxy of each data set, and profiles."""
    flows = [models[name] for name in ("model", "background") if name in models]
    if not all(getattr(flow, "is_local", False) for flow in flows) or len(flows) < 2:
        return
    choice = figures.gallery_numbers(scores, n=1, datasets=known)
    profile, kinds, galaxies = {}, {}, {}
    for name in dict.fromkeys(str(each) for each in choice["dataset"]):
        picked = choice[np.asarray(choice["dataset"]) == name]
        if picked["kind"][0] in (Kind.OBSERVED, Kind.SIMULATED):
            _draw_panels(book, scores, picked, image_sets[name], flows, stretch)
        held = np.flatnonzero(scores.held_out(name))
        part = scores[held[:: max(1, held.size // _MOST_MAPS)][:_MOST_MAPS]]
        profile[name] = _ratio_maps(flows, part, _read(part, image_sets), image_sets[name].bands)[1]
        kinds[name], galaxies[name] = scores.kind_of(name), part.galaxies
    scale = next(iter(image_sets.values())).pixel_scale
    book.draw(
        "profile", "Radial profile of the log-likelihood ratio",
        f"Mean ratio per pixel in rings around the centre, of up to {_MOST_MAPS} images; bands: 95%.",
        lambda: figures.profile_numbers(profile, kinds, scale, seed, galaxies=galaxies),
        figures.small_multiples(figures.draw_profile),
    )  # fmt: skip


def _draw_panels(
    book: Sketchbook,
    scores: Scores,
    picked: Table,
    image_set: Any,
    flows: Sequence,
    stretch: Stretch,
) -> None:
    """Draw panels of some galaxies of one data set."""
    name = str(picked["dataset"][0])
    places = np.where(scores.equals("dataset", name), scores["image_index"], -1)
    rows = np.array([np.flatnonzero(places == k)[0] for k in picked["image_index"]])
    images = _read(scores[rows], {name: image_set})
    first, ratio = _ratio_maps(flows, scores[rows], images, image_set.bands)
    column = scores.headline
    label = in_words([column])
    titles = [
        f"{row['galaxy_id']}\n{row['group']}: {label} {score_text(row['score'], column)}" for row in picked
    ]
    book.draw(
        closely(name), f"Galaxies of {name} in detail",
        "Image, maps of log-likelihood and ratio (smoothed), and the ratio by scale; maps add up to it. "
        "Maps are made in one orientation, the score is the mean over eight: sums may differ a little.",
        lambda: budget_numbers(scores, rows),
        lambda table: figures.draw_panels(
            images, stretch, list(zip(first, ratio, strict=True)), table,
            pixel_scale=image_set.pixel_scale, titles=titles,
        ),
        wide=True,
    )  # fmt: skip


def _draw_latents(
    book: Sketchbook,
    scores: Scores,
    image_sets: Mapping,
    model: Any,
    seed: int,
    embedding: str,
) -> None:
    """Draw all galaxies in two coordinates of the latents of the flow."""
    reference = scores.named_reference
    learned = np.flatnonzero(scores.equals("dataset", reference) & ~scores.held_out(reference))
    names = [name for name in scores.in_order if name in image_sets]
    shown = [np.flatnonzero(scores.held_out(name)) for name in names]
    parts = [rows[:: max(1, rows.size // _MOST_LATENTS)][:_MOST_LATENTS] for rows in (learned, *shown)]
    rows = np.concatenate(parts)
    part, basis = scores[rows], np.arange(rows.size) < len(parts[0])
    images = _read(part, image_sets)
    latents = np.asarray(model.latents(images, context_of(part, model.context_names)))
    coarse = max(1, latents.shape[-1] // 4)  # the coarse corner of the mosaic; finer ones are mostly noise
    latents = latents[:, :, :coarse, :coarse].reshape(len(part), -1)

    def numbers() -> Table:
        places, labels = latent_coordinates(latents, basis, embedding, seed)
        table = figures.map_numbers(part[~basis], places[~basis])
        table.meta["labels"] = labels
        return table

    book.draw(
        "latents", "Real and simulated galaxies in the flow's latent space",
        "Coordinates of the latents at coarse scales, fitted to the training galaxies (not shown); up to "
        f"{_MOST_LATENTS} images per data set. Contours, where galaxies are many, hold 50 and 90%.",
        numbers, figures.small_multiples(figures.draw_map),
    )  # fmt: skip
