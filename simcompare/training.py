"""An image set to a flow of its images."""

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from flows import FlowConfig, FlowModel, Progress, TrainingConfig, train
from simcompare.config import TrainSettings
from simcompare.description import data_section
from simcompare.files import fingerprint, sha256, write_text
from simcompare.imageset import ImageSet
from simcompare.runs import open_run
from simcompare.scoring import context_of

__all__ = ["load_model", "model_hash", "model_metadata", "train_model"]

logger = logging.getLogger(__name__)

_MODEL = "model"
_DATA_SECTION = "data.md"  # of the model's card: what it learned from


def train_model(
    settings: TrainSettings, config: FlowConfig | None = None, training: TrainingConfig | None = None
) -> FlowModel:
    """Learn the density of an image set; its own train and validation splits are used.

    Parameters
    ----------
    settings : TrainSettings
    config : FlowConfig, optional
        What to build; default: a wavelet flow of the images' size and bands, conditioned on the
        logarithm of the sky noise and on the width of the PSF of every band.
    training : TrainingConfig, optional
        How to fit; ``settings.epochs`` takes precedence when given.

    Returns
    -------
    FlowModel
        Also saved in ``settings.out / "model"``, with ``data.md``: what was selected, left out and why, and
        how it is distributed. A model that is there already is returned as it is.

    Raises
    ------
    ValueError
        When a split is empty, or the settings do not fit those of ``settings.init``.
    """
    inputs = [settings.images, *([settings.init] if settings.init else [])]
    with open_run(settings.out, "train", settings, inputs):
        if (settings.out / _MODEL).is_dir():
            logger.info("%s holds a trained model already", settings.out)
            return load_model(settings.out)
        images = ImageSet.open(settings.images)
        splits = {name: images.split(name) for name in ("train", "validation")}
        for name, part in splits.items():
            if len(part) < 2:
                raise ValueError(
                    f"{settings.images} has {len(part)} images in its {name} split; at least 2 are needed."
                )
        init = load_model(settings.init) if settings.init else None
        config = config or (init.config if init else default_config(images))
        context = {name: context_of(part.catalogue, config.context) for name, part in splits.items()}
        training = training or TrainingConfig()
        if settings.epochs is not None:
            training = replace(training, epochs=settings.epochs)
        model = train(
            splits["train"].read().image,
            context["train"],
            config=config,
            training=training,
            validation_images=splits["validation"].read().image,
            validation_context=context["validation"],
            seed=settings.seed,
            init=init,
            time_limit=settings.minutes and 60 * settings.minutes,
            folder=settings.out,
            callback=_log_progress,
            metadata=model_metadata(images, splits["train"]),
        )
        model.save(settings.out / _MODEL)
        write_text(settings.out / _MODEL / _DATA_SECTION, data_section(images))
    return model


def load_model(path: Path) -> FlowModel:
    """Read a model from its training run, or from the model's own folder."""
    inner = Path(path) / _MODEL
    return FlowModel.load(inner if inner.is_dir() else path)


def model_hash(path: Path) -> str:
    """First 16 digits of the SHA-256 of a model's weights."""
    inner = Path(path) / _MODEL
    folder = inner if inner.is_dir() else Path(path)
    files = sorted(folder.rglob("*.safetensors"))
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()[:16]


def default_config(images: ImageSet) -> FlowConfig:
    """Flow of an image set when none is asked for."""
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
        ``validity`` holds the least and greatest value of each nuisance in training.
    """
    catalogue = train_set.catalogue
    per_band = ("mag", "sky_sigma", "psf_fwhm")
    nuisances = [f"{quantity}_{band}" for band in images.bands for quantity in per_band]
    ranges = {}
    for name in [*nuisances, "half_light_radius"]:
        values = np.asarray(catalogue[name], float)
        values = values[np.isfinite(values)]
        ranges[name] = [float(values.min()), float(values.max())]
    return {
        "dataset": images.name,
        "kind": images.kind,
        "survey": images.survey,
        "bands": list(images.bands),
        "pixel_scale": images.pixel_scale,
        "unit": images.unit,
        "size": images.preparation.size,
        "preparation": json.loads(images.preparation.to_json()),
        "preparation_hash": images.preparation_hash,
        "n_train": len(train_set),
        "training_files": {path.name: fingerprint(path) for path in images.files},
        "validity": ranges,
    }


def _log_progress(progress: Progress) -> None:
    """One log line now and then."""
    if progress.epoch % 10 == 0 or progress.epoch == progress.epochs:
        logger.info(
            "epoch %d of %d: train %.4f, validation %.4f nats per pixel, %.0f s left",
            progress.epoch, progress.epochs, progress.train, progress.validation, progress.seconds_left,
        )  # fmt: skip
