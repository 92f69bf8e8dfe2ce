"""The card of a model: what it was trained on, how well it does, and where it holds."""

import math
from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from flows import FlowModel
from simcompare.images.description import data_section
from simcompare.images.image_set import ImageSet
from simcompare.models.cross_fitted import CrossFitted
from simcompare.runs.tables import numbers_of

__all__ = ["depth", "model_card"]

_FEW = 2000  # galaxies; below, a card warns of a small sample


def depth(catalogue: Table, bands: Sequence[str], pixel_scale: float) -> dict[str, float]:
    """Typical magnitude of a point source of five sigma, for a Gaussian PSF and bare sky.

    Parameters
    ----------
    catalogue : Table
        With ``sky_sigma_<band>`` [nanomaggies] and ``psf_fwhm_<band>`` [arcsec].
    bands : sequence of str
    pixel_scale : float
        [arcsec]

    Returns
    -------
    dict of str to float
        AB mag by band; a band without magnitudes (pictures) is left out.

    References
    ----------
    King 1983, PASP 95, 163: the noise of a PSF fit is that of 4 pi sigma^2 of sky.
    """
    depths = {}
    for band in bands:
        width = numbers_of(catalogue[f"psf_fwhm_{band}"]) / 2.3548 / pixel_scale
        noise = numbers_of(catalogue[f"sky_sigma_{band}"]) * np.sqrt(4 * math.pi) * width
        noise = noise[np.isfinite(noise) & (noise > 0)]
        if len(noise):
            depths[band] = round(float(22.5 - 2.5 * np.log10(5 * np.median(noise))), 2)
    return depths


def _training(model: FlowModel | CrossFitted) -> list[str]:
    """Say what was trained on; of several folds, by each."""
    folds = [each.summary for each in getattr(model, "members", [model])]
    n_train, n_validation, epochs = (
        ", ".join(dict.fromkeys(str(fold[name]) for fold in folds))
        for name in ("n_train", "n_validation", "epochs")
    )
    lines = [f"- trained on {n_train} images, stopped by {n_validation} others, {epochs} epochs"]
    if len(folds) > 1:
        lines.insert(
            0,
            f"- cross-fitted: {len(folds)} flows, each of the galaxies outside one of {len(folds)} folds, "
            "dealt by place on the sky; an image has the mean of their log_prob, a galaxy of the sample that "
            "of the flow that has not seen it",
        )
    return lines


def model_card(model: FlowModel | CrossFitted, images: ImageSet, remarks: str = "") -> str:
    """Describe a model in Markdown.

    Parameters
    ----------
    model : FlowModel or CrossFitted
        With the metadata of `simcompare.models.storage.model_metadata`.
    images : ImageSet
        The set it was trained on.
    remarks : str
        Further Markdown, put behind the results.
    """
    facts, summary = model.metadata, model.summary
    sky = ", ".join(f"{band} {value} mag" for band, value in facts["depth"].items()) or "not known"
    lines = [
        f"# Flow of {facts['dataset']}",
        "",
        f"Density of {facts['kind']} galaxy images of {facts['survey']} in {', '.join(facts['bands'])}: "
        f"{facts['size']} x {facts['size']} pixels of {facts['pixel_scale']:g} arcsec, {facts['unit']}; "
        f"5 sigma depth for point sources {sky}.",
        "",
        f"- architecture `{model.config.architecture}`, {model.n_parameters} parameters, "
        f"pixels `{model.config.pixels}` with softening {model.config.softening}",
        *_training(model),
        f"- -log_prob of validation images {summary['validation_nats_per_pixel']:.4f} nats per pixel value, "
        f"{summary['gap_nats_per_pixel']:+.4f} against training images",
        f"- preparation SHA-256 `{facts['preparation_hash']}`",
        "",
        "## Where it holds",
        "",
        "Images prepared in the same way (another preparation is refused), with",
        "",
        "| nuisance | least | greatest |",
        "|---|---|---|",
        *(f"| {name} | {low:.4g} | {high:.4g} |" for name, (low, high) in facts["validity"].items()),
        "",
        "Outside, scores are extrapolations; `outside_domain` marks them. Its log_prob alone is no measure "
        "of realism: take the ratio to a background model.",
    ]
    if summary["n_train"] < _FEW:
        lines += [
            "",
            f"**Small sample.** {summary['n_train']} galaxies show the common shapes alone. Rare kinds of "
            "galaxies score low here because they are rare, not because they are unreal.",
        ]
    return "\n".join([*lines, "", *([remarks.strip(), ""] if remarks else []), data_section(images)])
