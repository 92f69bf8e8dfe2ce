"""``simcompare train``: learn the density of an image set."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from flows import ARCHITECTURES, FlowConfig, FlowModel, Progress, TrainingConfig, process_group, train
from flows.training.distributed import is_first
from simcompare.data.shipped import MEMBER, find_model
from simcompare.images.image_set import ImageSet
from simcompare.models.card import model_card
from simcompare.models.density import context_of
from simcompare.models.storage import (
    MODEL,
    default_config,
    load_flow,
    load_model,
    model_metadata,
    write_samples,
)
from simcompare.runs.files import explained
from simcompare.runs.folder import open_run
from simcompare.settings import TrainSettings

__all__ = ["messages", "train_model"]


logger = logging.getLogger(__name__)


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
        Also saved in ``settings.out / "model"``, with its card; ``samples.png`` beside it shows held-out
        images above samples. A model that is there already is returned as it is. Further members are runs
        of their own in ``settings.out / "member-1"`` and so on, each with the next seed.

    Raises
    ------
    ValueError
        When a split is empty, or the settings do not fit those of ``settings.init``.
    """
    with process_group(settings.device) as device:
        model = _train_member(settings, config, training, device)
        for number in range(1, settings.members):
            change = {
                "out": settings.out / f"{MEMBER}{number}",
                "seed": settings.seed + number,
                "members": 1,
            }
            _train_member(settings.model_copy(update=change), config, training, device)
    return model


def _train_member(
    settings: TrainSettings, config: FlowConfig | None, training: TrainingConfig | None, device: str
) -> FlowModel:
    """Train one model in a run folder of its own."""
    inputs = [settings.images, *([find_model(settings.init)] if settings.init else [])]
    with open_run(settings.out, "train", settings, inputs) if is_first() else nullcontext():
        if (settings.out / MODEL).is_dir():
            logger.info("%s already holds a trained model", settings.out)
            return load_model(settings.out)
        images = ImageSet.open(settings.images)
        splits = {name: images.split(name) for name in ("train", "validation")}
        for name, part in splits.items():
            if len(part) < 2:
                raise ValueError(
                    f"{settings.images} has {len(part)} images in its {name} split; at least 2 are needed."
                )
        init = _start(settings.init, images, splits["train"]) if settings.init else None
        config = _config(settings, config or (init.config if init else default_config(images)), init)
        context = {name: context_of(part.catalogue, config.context) for name, part in splits.items()}
        with _reporter(settings) as report, _explained(settings.out):
            model = train(
                splits["train"].read().image,
                context["train"],
                config=config,
                training=_training(settings, training),
                validation=(splits["validation"].read().image, context["validation"]),
                seed=settings.seed,
                init=init,
                time_limit=settings.minutes and 60 * settings.minutes,
                folder=settings.out,
                callback=report,
                device=device,
                metadata=model_metadata(images, splits["train"]),
            )
        if is_first():
            model.card = model_card(model, images)
            write_samples(model, splits["validation"], settings)
            with _explained(settings.out):
                model.save(settings.out / MODEL)  # last: a folder with a model is finished
    return model


def _start(path: Path, images: ImageSet, learned: ImageSet) -> FlowModel:
    """Flow to train on from, put on the scale of the images where it is of another survey or other bands."""
    flow = load_flow(path)
    theirs = flow.metadata.get("survey"), flow.metadata.get("bands")
    side, n_bands = images.image_shape[-1], len(images.bands)
    if (flow.config.size, flow.config.n_bands) != (side, n_bands):
        raise ValueError(
            f"{path} takes {flow.config.n_bands} x {flow.config.size} x {flow.config.size} pixels (bands, y, "
            f"x), {images.name} has {n_bands} x {side} x {side}: prepare with --size {flow.config.size} and "
            "as many bands."
        )
    if flow.config.pixels == "rgb" or theirs == (images.survey, list(images.bands)):
        return flow
    names = default_config(images).context if flow.config.context else ()
    logger.info("%s is of %s %s: its pixels are taken in units of the new noise", path, theirs[0], theirs[1])
    return flow.moved_to(learned.read().image, context_of(learned.catalogue, names), names)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say what to do about a folder that `flows` cannot write."""
    try:
        yield
    except OSError as error:
        raise explained(error, folder) from error


def _config(settings: TrainSettings, config: FlowConfig, init: FlowModel | None) -> FlowConfig:
    """Put the architecture of the settings before that of the configuration."""
    name = settings.architecture
    if name is None or name == config.architecture:
        return config
    if name not in ARCHITECTURES:
        raise ValueError(f"--architecture is {name!r}; known: {', '.join(ARCHITECTURES)}.")
    if init is not None:
        raise ValueError(
            f"--architecture is {name!r}, but {settings.init} is {config.architecture!r} and stays so when "
            "trained on: leave out --architecture or --init."
        )
    return config.replace(architecture=name)


def _training(settings: TrainSettings, training: TrainingConfig | None) -> TrainingConfig:
    """How to fit: what the settings say goes before the configuration."""
    names = ("epochs", "batch_size", "precision", "compile")
    given = {name: value for name in names if (value := getattr(settings, name)) not in (None, False)}
    return replace(training or TrainingConfig(), **given)


@contextmanager
def _reporter(settings: TrainSettings) -> Iterator[Callable[[Progress], None] | None]:
    """Tell the progress to the log, and to TensorBoard when wanted; only the first process speaks."""
    if not is_first():
        yield None
        return
    if not settings.tensorboard:
        yield _log_progress
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            "--tensorboard needs the package tensorboard: pip install 'simcompare[tensorboard]'."
        ) from error
    with SummaryWriter(settings.out / "tensorboard") as writer:

        def report(progress: Progress) -> None:
            _log_progress(progress)
            for name, nats in {"train": progress.train, "validation": progress.validation}.items():
                writer.add_scalar(f"nats per pixel/{name}", nats, progress.epoch)
            for name, nats in progress.scales.items():
                writer.add_scalar(f"nats per pixel by scale/{name}", nats, progress.epoch)

        yield report


def _log_progress(progress: Progress) -> None:
    """One log line now and then."""
    if progress.epoch % 10 == 0 or progress.epoch == progress.epochs:
        logger.info(
            "epoch %d of %d: train %.4f, validation %.4f nats per pixel, %.0f s left",
            progress.epoch, progress.epochs, progress.train, progress.validation, progress.seconds_left,
        )  # fmt: skip


def messages(settings: TrainSettings, model: FlowModel) -> Iterator[str]:
    """Say how good the model is; only the first process speaks."""
    if not is_first():
        return
    nats, gap = model.summary["validation_nats_per_pixel"], model.summary["gap_nats_per_pixel"]
    yield f"-log_prob on held-out images {nats:.4f} nats per pixel ({gap:+.4f} against training)"
    yield f"model in {settings.out}"
