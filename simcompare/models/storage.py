"""An image set to a flow of its images."""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from flows import FlowConfig, FlowModel, sample_sheet
from simcompare.data.shipped import find_model
from simcompare.images.image_set import LINEAR_UNIT, ImageSet
from simcompare.models.card import depth
from simcompare.models.cross_fitted import CrossFitted, is_cross_fitted
from simcompare.models.density import REDSHIFTS, context_of
from simcompare.runs.files import atomic_path, fingerprint, sha256
from simcompare.runs.tables import numbers_of
from simcompare.settings import TrainSettings

__all__ = ["MODEL", "load_flow", "load_model", "model_hash", "model_metadata", "write_samples"]

logger = logging.getLogger(__name__)

MODEL = "model"


def write_samples(model: FlowModel, held_out: ImageSet, settings: TrainSettings) -> None:
    """Draw held-out images and, below, samples under their conditions, as ``samples.png``."""
    held_out = held_out.subset(slice(0, 16))
    context = context_of(held_out.catalogue, model.context_names)
    generator = torch.Generator().manual_seed(settings.seed)
    real = held_out.read().image
    samples = model.sample(len(real), context, generator=generator).numpy()
    sheet = sample_sheet(np.concatenate([real, samples]))
    with atomic_path(settings.out / "samples.png") as temporary:
        Image.fromarray((255 * np.nan_to_num(sheet[::-1], nan=1.0)).astype(np.uint8)).save(temporary, "png")


def load_model(path: Path) -> FlowModel | CrossFitted:
    """Read a model from its training run or its own folder, or one that comes with the package by name."""
    folder = _model_folder(path)
    return CrossFitted.load(folder) if is_cross_fitted(folder) else FlowModel.load(folder)


def load_flow(path: Path) -> FlowModel:
    """Read one flow to train on from: as `load_model`; of several folds the first."""
    model = load_model(path)
    if not isinstance(model, CrossFitted):
        return model
    logger.info("%s holds %d folds; training starts from the first", path, len(model.members))
    return model.members[0]


def _model_folder(path: Path) -> Path:
    """Where the weights are: in the model of a training run, or at the path or name itself."""
    folder = find_model(path)
    return folder / MODEL if (folder / MODEL).is_dir() else folder


def model_hash(path: Path) -> str:
    """First 16 digits of the SHA-256 of a model's weights."""
    files = sorted(_model_folder(path).rglob("*.safetensors"))
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()[:16]


def default_config(images: ImageSet) -> FlowConfig:
    """Flow of an image set when none is asked for."""
    if images.unit != LINEAR_UNIT:  # pictures have no PSF, and no noise that their stretch has not changed
        return FlowConfig(size=images.image_shape[-1], n_bands=len(images.bands), pixels="rgb")
    context = [f"{quantity}_{band}" for band in images.bands for quantity in ("log_sky_sigma", "psf_fwhm")]
    return FlowConfig(size=images.image_shape[-1], n_bands=len(images.bands), context=tuple(context))


def model_metadata(images: ImageSet, train_set: ImageSet) -> dict:
    """Describe the images of a model: what they are, how prepared, where it is valid.

    Parameters
    ----------
    images : ImageSet
        The whole set.
    train_set : ImageSet
        The part trained on.

    Returns
    -------
    dict
        ``validity`` holds the least and greatest value of each nuisance in training, and of the redshift
        where most galaxies have one.
    """
    catalogue = train_set.catalogue
    per_band = ("mag", "sky_sigma", "psf_fwhm")
    nuisances = [f"{quantity}_{band}" for band in images.bands for quantity in per_band]
    ranges = {}
    for name in [*nuisances, "half_light_radius", "redshift"]:
        if name not in catalogue.colnames:
            continue
        values = numbers_of(catalogue[name])
        values = values[np.isfinite(values)]
        if name == "redshift":
            values = values[(values >= REDSHIFTS[0]) & (values <= REDSHIFTS[1])]
        # A range of redshifts is known when most galaxies have one.
        if len(values) > (0.5 * len(catalogue) if name == "redshift" else 0):
            ranges[name] = [float(values.min()), float(values.max())]
    return {
        "dataset": images.name,
        "kind": images.kind,
        "survey": images.survey,
        "bands": list(images.bands),
        "pixel_scale": images.pixel_scale,
        "unit": images.unit,
        "depth": depth(catalogue, images.bands, images.pixel_scale),
        "size": images.preparation.size,
        "preparation": json.loads(images.preparation.to_json()),
        "preparation_hash": images.preparation_hash,
        "n_train": len(train_set),
        "training_files": {path.name: fingerprint(path) for path in images.files},
        "validity": ranges,
    }
