"""Fit a flow to images: deterministic by seed, resumable, kept at its best for every scale."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from flows.checks import check_context, check_images
from flows.config import FlowConfig, TrainingConfig
from flows.model import FlowModel
from flows.pixels import PixelTransform, RgbPixels, measure_softening
from flows.training.augment import crop
from flows.training.fitting import Fit, Progress

__all__ = ["Execution", "Progress", "train"]

log = logging.getLogger(__name__)

Array = np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Execution:
    """Where and how a training is carried out; but for a time limit the weights do not depend on it.

    Parameters
    ----------
    folder : path, optional
        Where snapshots go, the last two of which are kept. The last whole one of the same fit is taken up
        and leads to the same weights as a fit without interruption.
    time_limit : float, optional
        Seconds for the fit; the learning rate then falls with the time spent.
    callback : callable, optional
        Called with a `Progress` after each validation.
    device : str
        Where to compute, e.g. ``"cuda"``. Inside a `flows.training.distributed.process_group` each process
        takes its share of every batch, and all end with equal weights.
    metadata : dict, optional
        Stored with the model.
    """

    folder: str | Path | None = None
    time_limit: float | None = None
    callback: Callable[[Progress], None] | None = None
    device: str = "cpu"
    metadata: dict | None = None


def train(
    images: Array,
    context: Array | None = None,
    *,
    config: FlowConfig,
    training: TrainingConfig | None = None,
    validation: tuple[Array, Array | None] | None = None,
    seed: int = 0,
    init: FlowModel | None = None,
    **execution,
) -> FlowModel:
    """Fit the density of a set of images.

    Every scale of the wavelet flow is a density of its own. The weights returned are, for each scale,
    the running mean that did best on the validation images: a coarse scale, of which hundreds of
    images show little, stops early while the fine ones go on.

    Parameters
    ----------
    images : array, shape (n, band, y, x)
        Training images in pixel units; larger by ``2 training.max_shift`` on both axes for shifts.
    context : array, shape (n, c), optional
        Nuisance of each image, columns as named in ``config.context``.
    config : FlowConfig
        What to build. An empty softening is measured from the images.
    training : TrainingConfig, optional
        How to fit.
    validation : tuple of two arrays, optional
        Held-out images, of the training size or already cut, and their context or None. Without it a
        random share of the images is held out; give it, split by galaxy, when one galaxy has several
        images.
    seed : int
        Equal seeds give equal weights on one machine and device, if no time limit cuts in.
    init : FlowModel, optional
        Start from these weights (transfer). Two models of one survey whose log_prob is to be
        *subtracted* should be trained so, one from the other: they then share what they know of the
        noise, and unrelated sky pixels cancel in the ratio. Context is standardised as in `init`, and
        its softening is taken over. Steps are smaller, see ``training.transfer_rate``.
    **execution
        Fields of `Execution`: ``folder``, ``time_limit``, ``callback``, ``device``, ``metadata``.

    Returns
    -------
    FlowModel
        On the CPU, with `history` and `summary`.

    Raises
    ------
    ValueError
        Unusable images or context, settings that differ from those of `init` or of the snapshot.
    """
    carried = Execution(**execution)
    training = training or TrainingConfig()
    if init is not None:
        training = replace(training, learning_rate=training.learning_rate * training.transfer_rate)
    config = _resolve(config, images, init)
    sample, held = _samples(images, context, validation, config, training, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = FlowModel(config, carried.metadata)
    if init is not None:
        model.load_state_dict({name: value.to(model.device) for name, value in init.state_dict().items()})
    else:
        model.fit_context(sample[1])
    model.to(carried.device)
    fit = Fit(model, *sample, *held, training, seed, carried.device)
    if init is None:
        fit.initialise()
    folder = None if carried.folder is None else Path(carried.folder)
    fit.run(folder, carried.time_limit, carried.callback)
    return fit.finish()


def _samples(images, context, validation, config: FlowConfig, training: TrainingConfig, seed: int) -> tuple:
    """Images and context to train on, and those held out, all checked."""
    limits = (RgbPixels if config.pixels == "rgb" else PixelTransform).limits
    images = check_images(images, config, limits, training.max_shift)
    context = check_context(context, len(images), config)
    if validation is None:
        images, context, *validation = _hold_out(images, context, training, seed)
    held_images, held_context = validation
    if (side := held_images.shape[-1]) != config.size:
        held_images = crop(torch.as_tensor(held_images), (side - config.size) // 2)
    held_images = check_images(held_images, config, limits)
    held_context = check_context(held_context, len(held_images), config)
    if len(images) < 2:
        raise ValueError(f"{len(images)} training image; training needs at least 2, and preferably hundreds.")
    return (images, context), (held_images, held_context)


def _resolve(config: FlowConfig, images: Array, init: FlowModel | None) -> FlowConfig:
    """Fill in the softening, and refuse what differs from `init`."""
    if init is not None:
        if not config.softening:
            config = config.replace(softening=init.config.softening)
        if difference := config.difference(init.config):
            raise ValueError(f"init was built differently: {difference}. Use the configuration of init.")
        return config
    if config.pixels != "rgb" and not config.softening:
        config = config.replace(softening=measure_softening(images))
        log.info("softening measured from the images: %s", config.softening)
    return config


def _hold_out(
    images: torch.Tensor, context: torch.Tensor | None, training: TrainingConfig, seed: int
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor | None]:
    """Training and validation part of the images; the latter cut to size."""
    if len(images) < 3:
        raise ValueError(
            f"{len(images)} images cannot be split into training and validation; give at least 3."
        )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    n_held = max(1, round(training.validation_fraction * len(images)))
    held, kept = order[:n_held], order[n_held:]
    log.info("%d of %d images held out at random for validation", n_held, len(images))
    pick = lambda rows: None if context is None else context[rows]  # noqa: E731
    return images[kept], pick(kept), crop(images[held], training.max_shift), pick(held)
