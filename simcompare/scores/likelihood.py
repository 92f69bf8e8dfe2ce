"""Give every image its log-likelihood under a flow of real galaxies, and its ratio to background flows."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from flows import symmetry
from simcompare.images.image_set import LINEAR_UNIT
from simcompare.images.morphology import morphology_columns
from simcompare.kinds import Kind
from simcompare.models.density import (
    SKY,
    Density,
    bound,
    check_prepared_alike,
    context_of,
    outside_domain,
    validity_of,
)
from simcompare.scores.aperture import GEOMETRY, aperture_columns, aperture_weights
from simcompare.scores.complexity import complexity
from simcompare.scores.record import Scores, headline_of

__all__ = ["score", "warn_of_doubts"]

logger = logging.getLogger(__name__)

_LOCAL = "local ratio"  # of whole image and aperture, (2, n, n_scales, band), until it becomes columns


def score(
    images: Any,
    model: Density | Callable | Sequence[Density],
    background: Density | Callable | Mapping[str, Density] | None = None,
    *,
    batch_size: int = 64,
    symmetries: bool = True,
    progress: Callable[[int], None] | None = None,
    warn: bool = True,
) -> Scores:
    """Log-likelihood and log-likelihood ratio of every image.

    Images are read and scored in batches, so memory does not grow with their number.

    Parameters
    ----------
    images : ImageSet
        Images with their catalogue.
    model : Density, callable, or sequence of Density
        Flow of real galaxies; a plain callable ``log_prob(images)``; or an ensemble of them (several
        seeds), whose mean is reported together with its scatter.
    background : Density, callable, or mapping of str to Density, optional
        Flow of the background class. With several by name, the first gives the headline ratio; one named
        "sky", the density of bare sky, takes its place for images which that explains better.
    batch_size : int
        Images scored at once.
    symmetries : bool
        Average over the eight flips and rotations by 90 degrees, which change no pixel value; one evaluation
        where every density has these symmetries by construction (``is_symmetric``).
    progress : callable, optional
        Called with the number of images done after each batch.
    warn : bool
        Log what `warn_of_doubts` finds.

    Returns
    -------
    Scores
        Catalogue columns, ``kind`` and ``image_index`` (position in the image set). Per image [nats]:
        ``log_prob``, ``log_prob_background``, ``log_likelihood_ratio`` (to the background, or to bare sky
        where that is the likelier); ``log_prob_<name>`` and
        ``log_likelihood_ratio_<name>`` of further backgrounds; ``log_prob_scale_<k>``,
        ``log_prob_background_scale_<k>`` and ``log_likelihood_ratio_scale_<k>``, k = 0 the finest, with
        the names of the scales in ``meta["scale_names"]``; ``symmetry_scatter``, the standard deviation
        of the ratio (of log_prob without background) over the orientations; ``ensemble_scatter``;
        where the flows are local and the catalogue has `simcompare.scores.aperture.GEOMETRY`, the columns of
        `simcompare.scores.aperture.aperture_columns`; those of `simcompare.images.morphology.MORPHOLOGY` of
        fluxes;
        ``complexity`` and ``log_prob_corrected``, see `simcompare.scores.complexity`, where the model says
        what noise it was trained on; then ``outside_domain`` (bits of `Domain`) and ``is_finite``.

    Raises
    ------
    ValueError
        When the images were prepared otherwise than the model's, saying what differs; when there are none.
    """
    if len(images) == 0:
        raise ValueError(f"image set {images.name!r} is empty; there is nothing to score.")
    models = list(model) if isinstance(model, Sequence) else [model]
    given = background if isinstance(background, Mapping) else {"background": background}
    backgrounds = {name: density for name, density in given.items() if density is not None}
    densities = [*models, *backgrounds.values()]
    for density in densities:
        check_prepared_alike(images, density)
    catalogue = images.catalogue
    contexts = [context_of(catalogue, getattr(density, "context_names", ())) for density in densities]
    quantum = _quantum(images.bands, models[0])
    split = [*models, *list(backgrounds.values())[:1]]
    has_aperture = bool(backgrounds) and all(getattr(each, "is_local", False) for each in split)
    has_morphology = _has_morphology(images)
    blocks, done = [], 0
    for stack in images.batches(batch_size):
        rows = slice(done, done + len(stack.image))
        batch = [None if context is None else context[rows] for context in contexts]
        shape = stack.image.shape[-1], images.pixel_scale
        weight = aperture_weights(catalogue[rows], *shape) if has_aperture else None
        own = [bound(each, catalogue[rows]) for each in densities]
        behind = dict(zip(backgrounds, own[len(models) :], strict=True))
        block = _score_batch(stack.image, own[: len(models)], behind, batch, symmetries, weight)
        if _LOCAL in block:
            block |= aperture_columns(*block.pop(_LOCAL), images.bands)
        if has_morphology:
            block |= morphology_columns(
                stack.image, stack.variance, catalogue[rows], images.bands, images.pixel_scale,
                is_subtracted=images.preparation.subtract_background,
            )  # fmt: skip
        if quantum is not None:
            block |= _corrected(block["log_prob"], stack.image, quantum)
        blocks.append(block)
        done = rows.stop
        if progress is not None:
            progress(done)
    scores = _scores(images, models, blocks)
    if warn:
        warn_of_doubts([scores])
    return scores


def _corrected(log_prob: np.ndarray, images: np.ndarray, quantum: np.ndarray) -> dict[str, np.ndarray]:
    """Complexity of images, and their log-likelihood corrected for it."""
    found = complexity(images, quantum)
    rounded = log_prob + np.log(quantum).sum() * images[0, 0].size
    return {"complexity": found, "log_prob_corrected": rounded + found}


def warn_of_doubts(blocks: Iterable[Scores]) -> None:
    """Log how many scores are not finite or outside the model's training range, by data set."""
    counts = {}  # rows, not finite, outside
    for block in blocks:
        doubtful = (~block["is_finite"], block["outside_domain"] > 0)
        for name in block.datasets:
            rows = block.equals("dataset", name)
            n_doubtful = np.array([rows.sum(), *(int((rows & each).sum()) for each in doubtful)])
            counts[name] = counts.get(name, 0) + n_doubtful
    for name, (n, *doubts) in counts.items():
        texts = ("scores of %s are not finite", "images of %s lie outside the model's training range")
        for text, doubtful in zip(texts, doubts, strict=True):
            if doubtful:
                logger.warning(f"%d of %d {text}", doubtful, n, name)


def _has_morphology(images: Any) -> bool:
    """Whether images are fluxes whose galaxies and sky have been measured."""
    needed = [*GEOMETRY, *(f"{name}_{band}" for name in ("sky_level", "sky_sigma") for band in images.bands)]
    known = images.catalogue.colnames
    return getattr(images, "unit", None) == LINEAR_UNIT and all(name in known for name in needed)


def _quantum(bands: Sequence[str], model: Density | Callable) -> np.ndarray | None:
    """Half the typical noise of the model's training images; None where the model does not say."""
    validity = validity_of(model)
    names = [f"sky_sigma_{band}" for band in bands]
    if not all(name in validity for name in names):
        return None
    return np.array([0.25 * (validity[name][0] + validity[name][1]) for name in names])


def _score_batch(
    stack: np.ndarray,
    models: list,
    backgrounds: dict,
    contexts: list,
    symmetries: bool,
    weight: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Columns of one batch, the mean over orientations of each."""
    asked = symmetries
    densities = (*models, *backgrounds.values())
    symmetries = asked and not all(getattr(each, "is_symmetric", False) for each in densities)
    views = symmetry.symmetries(stack) if symmetries else [stack]
    planes = symmetry.symmetries(weight) if symmetries and weight is not None else [weight] * len(views)
    rows = [
        _evaluate(view, models, backgrounds, contexts, plane)
        for view, plane in zip(views, planes, strict=True)
    ]
    columns = {name: np.mean([row[name] for row in rows], axis=0) for name in rows[0]}
    if SKY in list(backgrounds)[1:]:
        # Neither flow of galaxies has seen an image of nothing, so their ratio says nothing of one.
        is_sky = columns["log_prob_sky"] > columns["log_prob_background"]
        for each in (*rows, columns):
            _hold_against_sky(each, is_sky)
        columns = {name: each for name, each in columns.items() if not name.startswith("log_prob_sky_scale_")}
    if asked:
        headline = "log_likelihood_ratio" if backgrounds else "log_prob"
        columns["symmetry_scatter"] = np.std([row[headline] for row in rows], axis=0)
    return columns


def _hold_against_sky(columns: dict[str, np.ndarray], is_sky: np.ndarray) -> None:
    """Replace the headline ratio, and its scales (NaN where sky has none), by that to bare sky."""
    stem = "log_likelihood_ratio"
    for name in [stem, *(each for each in columns if each.startswith(f"{stem}_scale_"))]:
        of_model, of_sky = (name.replace(stem, other) for other in ("log_prob", "log_prob_sky"))
        to_sky = columns[of_model] - columns.get(of_sky, np.nan)
        columns[name] = np.where(is_sky, to_sky, columns[name])


def _evaluate(
    stack: np.ndarray, models: list, backgrounds: dict, contexts: list, weight: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Log densities of one orientation: mean over the ensemble, each background, and the ratios."""
    evaluated = [
        _terms(each, stack, context, weight) for each, context in zip(models, contexts, strict=False)
    ]
    terms = [each for each, _ in evaluated]
    total = np.array([term.sum(axis=1) for term in terms])
    budget = np.mean(terms, axis=0)
    columns = {"log_prob": total.mean(axis=0)} | _by_scale("log_prob", budget)
    if len(models) > 1:
        columns["ensemble_scatter"] = total.std(axis=0, ddof=1)
    for order, (name, density) in enumerate(backgrounds.items()):
        first = order == 0
        term, local = _terms(density, stack, contexts[len(models) + order], weight if first else None)
        other = "log_prob_background" if first else f"log_prob_{name}"
        columns[other] = term.sum(axis=1)
        columns["log_likelihood_ratio" + f"_{name}" * (not first)] = columns["log_prob"] - columns[other]
        if term.shape == budget.shape and (first or name == SKY):
            columns |= _by_scale(other, term)
            columns |= _by_scale("log_likelihood_ratio", budget - term) if first else {}
        if local is not None and local.shape == evaluated[0][1].shape:
            columns[_LOCAL] = np.mean([each for _, each in evaluated], axis=0) - local
    return columns


def _by_scale(stem: str, terms: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the scales, where there are several."""
    n_scales = terms.shape[1]
    return {f"{stem}_scale_{k}": terms[:, k] for k in range(n_scales)} if n_scales > 1 else {}


def _terms(
    density: Density | Callable, stack: np.ndarray, context: np.ndarray | None, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Log density by scale (n, n_scales), one column where the density knows none; and within a region.

    The second, of shape (2, n, n_scales, band), holds whole image and region; None without a region.
    """
    usable = np.isfinite(stack).all(axis=(1, 2, 3))
    ramp = np.linspace(0, 1, stack[0].size, dtype=stack.dtype).reshape(stack[0].shape)
    stack = np.where(usable[:, None, None, None], stack, ramp)  # a flow refuses the whole batch for one NaN
    local = None
    with torch.inference_mode():
        if weight is not None:
            whole, inside = density.budget_within(stack, context, weight)
            values, local = whole.sum(2), np.array([whole.numpy(), inside.numpy()])
        elif hasattr(density, "budget"):
            values = density.budget(stack, context)
        elif hasattr(density, "log_prob"):
            values = density.log_prob(stack, context)
        else:
            values = density(stack)
    values = np.asarray(torch.as_tensor(values).cpu(), dtype=float)
    if len(values) != len(stack) or values.ndim > 2:
        raise ValueError(
            f"{density!r} returned shape {values.shape} for {len(stack)} images; one number each."
        )
    if local is not None:
        local = np.where(usable[:, None, None], local, np.nan)
    return np.where(usable[:, None], values.reshape(len(stack), -1), np.nan), local


def _scores(images: Any, models: list, blocks: list[dict[str, np.ndarray]]) -> Scores:
    """Catalogue and scores in one record, with what is needed to read it."""
    scores, n = Scores.of(images.catalogue), len(images.catalogue)
    columns = {} if "dataset" in scores else {"dataset": np.full(n, images.name)}
    columns |= {"kind": np.full(n, images.kind), "image_index": np.arange(n)}
    columns |= {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    columns["outside_domain"] = outside_domain(images.catalogue, validity_of(models[0]))
    headline = headline_of(columns)
    columns["is_finite"] = np.isfinite(columns[headline])
    meta = {
        "schema": "simcompare.scores/1",
        "survey": images.survey,
        "bands": list(images.bands),
        "pixel_scale": float(images.pixel_scale),
        "preparation_hash": images.preparation_hash,
        "scale_names": [str(name) for name in getattr(models[0], "scale_names", ())],
        "not_finite": {images.name: int((~columns["is_finite"]).sum())},
        "nats": "log_prob and its ratios are natural logarithms, of physical pixel values",
    }
    scores = replace(scores.with_columns(**columns), headline=headline, meta=meta)
    return scores.with_reference(images.name if images.kind == Kind.OBSERVED else None)
