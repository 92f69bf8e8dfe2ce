"""Fit a flow to images: deterministic by seed, resumable, kept at its best for every scale."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from nflows.transforms.normalization import ActNorm as NflowsActNorm
from torch import nn

from flows.augment import augment, crop
from flows.checkpoint import load_snapshot, save_snapshot
from flows.checks import check_context, check_images
from flows.config import FlowConfig, TrainingConfig
from flows.layers import ActNorm
from flows.model import FlowModel
from flows.pixels import RgbPixels, dequantise, measure_softening

__all__ = ["Progress", "train"]

log = logging.getLogger(__name__)

Array = np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Progress:
    """What a callback is told after each validated epoch: losses in nats per pixel value."""

    epoch: int
    epochs: int
    train: float
    validation: float
    best: float
    seconds: float
    seconds_left: float


def train(
    images: Array,
    context: Array | None = None,
    *,
    config: FlowConfig,
    training: TrainingConfig | None = None,
    validation_images: Array | None = None,
    validation_context: Array | None = None,
    seed: int = 0,
    init: FlowModel | None = None,
    time_limit: float | None = None,
    folder: str | Path | None = None,
    callback: Callable[[Progress], None] | None = None,
    device: str = "cpu",
    metadata: dict | None = None,
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
    validation_images, validation_context : array, optional
        Held-out images, of the training size or already cut. Without them a random share of the
        images is held out; give them, split by galaxy, when one galaxy has several images.
    seed : int
        Equal seeds give equal weights on one machine and device, if no time limit cuts in.
    init : FlowModel, optional
        Start from these weights (transfer). Two models of one survey whose log_prob is to be
        *subtracted* should be trained so, one from the other: they then share what they know of the
        noise, and unrelated sky pixels cancel in the ratio. Context is standardised as in `init`, and
        its softening is taken over. Steps are smaller, see ``training.transfer_rate``.
    time_limit : float, optional
        Seconds for the fit; the learning rate then falls with the time spent.
    folder : path, optional
        Where snapshots go. An existing snapshot of the same fit is taken up and leads to the same
        weights as a fit without interruption.
    callback : callable, optional
        Called with a `Progress` after each validation.
    device : str
        Where to compute, e.g. ``"cuda"``.
    metadata : dict, optional
        Stored with the model.

    Returns
    -------
    FlowModel
        On the CPU, with `history` and `summary`.

    Raises
    ------
    ValueError
        Unusable images or context, settings that differ from those of `init` or of the snapshot.
    """
    training = training or TrainingConfig()
    if init is not None:
        training = replace(training, learning_rate=training.learning_rate * training.transfer_rate)
    config = _resolve(config, images, init)
    limits = (0.0, 256.0) if config.pixels == "rgb" else (-math.inf, math.inf)
    images = check_images(images, config, limits, training.max_shift)
    context = check_context(context, len(images), config)
    if validation_images is None:
        images, context, validation_images, validation_context = _hold_out(images, context, training, seed)
    elif (side := validation_images.shape[-1]) != config.size:
        validation_images = crop(torch.as_tensor(validation_images), (side - config.size) // 2)
    validation_images = check_images(validation_images, config, limits)
    validation_context = check_context(validation_context, len(validation_images), config)
    if len(images) < 2:
        raise ValueError(
            f"{len(images)} training image; a density needs at least 2, and better some hundreds."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = FlowModel(config, metadata)
    if init is not None:
        model.load_state_dict({name: value.to(model.device) for name, value in init.state_dict().items()})
    else:
        model.fit_context(context)
    model.to(device)
    fit = _Fit(model, images, context, validation_images, validation_context, training, seed, device)
    if init is None:
        fit.initialise()
    snapshot = Path(folder) / "snapshot" if folder is not None else None
    fit.run(snapshot, time_limit, callback)
    return fit.finish()


def _resolve(config: FlowConfig, images: Array, init: FlowModel | None) -> FlowConfig:
    """Fill in the softening, and refuse what differs from `init`."""
    if init is not None:
        if not config.softening:
            config = config.replace(softening=init.config.softening)
        if difference := config.difference(init.config):
            raise ValueError(f"init was built otherwise: {difference}. Use the configuration of init.")
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


class _Fit:
    """State of one training: what a snapshot must hold to go on as if nothing had happened."""

    def __init__(
        self,
        model: FlowModel,
        images: torch.Tensor,
        context: torch.Tensor | None,
        validation_images: torch.Tensor,
        validation_context: torch.Tensor | None,
        training: TrainingConfig,
        seed: int,
        device: str,
    ) -> None:
        self.model, self.training, self.seed, self.device = model, training, seed, torch.device(device)
        self.images, self.context = images, context
        self.validation = (validation_images, validation_context)
        if isinstance(model.pixels, RgbPixels):
            self.validation = (dequantise(validation_images, self._stream(-1)), validation_context)
        weights = [
            parameter for parameter in model.parameters() if parameter.ndim >= 2 and parameter.shape[0] > 1
        ]
        others = [
            parameter
            for parameter in model.parameters()
            if not (parameter.ndim >= 2 and parameter.shape[0] > 1)
        ]
        groups = [
            {"params": weights, "weight_decay": training.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)
        self.named = dict(model.density.named_parameters())
        self.scale_of = {name: model.density.scale_of(name) for name in self.named}
        self.mean = {name: parameter.detach().clone() for name, parameter in self.named.items()}
        self.best = {name: value.clone() for name, value in self.mean.items()}
        self.best_loss = [math.inf] * len(model.scale_names)
        self.history: list[dict[str, float]] = []
        self.epoch = self.step = self.last_gain = 0
        self.seconds = 0.0

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.images) / self.training.batch_size)

    def _stream(self, epoch: int) -> torch.Generator:
        """Random numbers of one epoch, whatever came before."""
        return torch.Generator().manual_seed((self.seed * 1_000_003 + epoch + 1) % 2**63)

    def _batch(self, rows: torch.Tensor, stream: torch.Generator) -> tuple[torch.Tensor, torch.Tensor | None]:
        images = self.images[rows]
        if isinstance(self.model.pixels, RgbPixels):
            images = dequantise(images, stream)
        images = augment(images, self.training.max_shift, stream).to(self.device)
        return images, None if self.context is None else self.context[rows].to(self.device)

    def initialise(self) -> None:
        """Set every ActNorm, ours and nflows' own, from one large batch."""
        for module in self.model.modules():
            if isinstance(module, ActNorm):
                module.awaits_data = True
            module.training = isinstance(module, NflowsActNorm)
        rows = torch.randperm(len(self.images), generator=self._stream(-2))[:256]
        with torch.no_grad():
            self.model.scale_terms(*self._batch(rows, self._stream(-3)))
        for name, parameter in self.named.items():
            self.mean[name].copy_(parameter.detach())
            self.best[name].copy_(parameter.detach())

    def run(self, snapshot: Path | None, time_limit: float | None, callback: Callable | None) -> None:
        """Train until the last epoch, the time limit, or no scale has gained for `patience` epochs."""
        training = self.training
        if snapshot is not None and snapshot.is_dir():
            self._resume(snapshot)
        start = time.monotonic() - self.seconds
        while self.epoch < training.epochs and self.epoch - self.last_gain < training.patience:
            with torch.random.fork_rng(
                devices=[self.device.index or 0] if self.device.type == "cuda" else []
            ):
                torch.manual_seed(self.seed + 7919 * (self.epoch + 1))  # dropout
                losses = self._train_epoch(start, time_limit)
            if losses is None:
                break
            self.epoch += 1
            self.seconds = time.monotonic() - start
            is_over = time_limit is not None and self.seconds >= time_limit
            if self.epoch % training.validate_every == 0 or self.epoch == training.epochs or is_over:
                self._validate(losses, callback, time_limit)
            if snapshot is not None and (
                self.epoch % training.snapshot_every == 0 or self.epoch == training.epochs
            ):
                self._save(snapshot)
            if is_over:
                log.info("time limit of %.0f s reached in epoch %d", time_limit, self.epoch)
                break

    def _rate(self, start: float, time_limit: float | None) -> float:
        """Learning rate: linear warm-up, then a cosine to zero over steps or time, whichever is further."""
        done = self.step / (self.training.epochs * self.steps_per_epoch)
        if time_limit is not None:
            done = max(done, min(1.0, (time.monotonic() - start) / time_limit))
        warm_up = self.training.warm_up
        if done < warm_up:
            return self.training.learning_rate * (done + 0.1 * warm_up) / (1.1 * warm_up)
        return self.training.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))

    def _train_epoch(self, start: float, time_limit: float | None) -> list[float] | None:
        """One pass over the images; mean loss per scale, or None when a loss was not a number."""
        model, stream, n_dim = self.model, self._stream(self.epoch), self.model.config.n_dim
        model.train()
        order = torch.randperm(len(self.images), generator=stream)
        total = torch.zeros(len(model.scale_names), device=self.device)
        for rows in order.split(self.training.batch_size):
            for group in self.optimiser.param_groups:
                group["lr"] = self._rate(start, time_limit)
            self.optimiser.zero_grad(set_to_none=True)
            nats = -model(*self._batch(rows, stream))
            loss = nats.mean(0).sum() / n_dim
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), self.training.clip)
            if not (torch.isfinite(loss) and torch.isfinite(norm)):
                self._report_failure(nats, rows)
                return None
            self.optimiser.step()
            self.step += 1
            decay = min(self.training.ema, self.step / (10 + self.step))
            torch._foreach_lerp_(
                list(self.mean.values()), [p.detach() for p in self.named.values()], 1 - decay
            )
            total += nats.detach().sum(0).to(total)
        return (total / (len(self.images) * n_dim)).tolist()

    def _report_failure(self, nats: torch.Tensor, rows: torch.Tensor) -> None:
        """Say where the loss ceased to be a number; the best weights so far are kept."""
        is_bad = ~torch.isfinite(nats.detach().cpu())
        scales = [
            name for name, bad in zip(self.model.scale_names, is_bad.any(0).tolist(), strict=True) if bad
        ]
        found = rows[is_bad.any(1)].tolist()[:5]
        log.error(
            "loss or gradient is not a number in epoch %d, step %d (scales: %s; training images: %s): "
            "training stops with the best weights so far; lower the learning rate or look at these images",
            self.epoch + 1, self.step + 1, ", ".join(scales) or "gradient only", found or "gradient only",
        )  # fmt: skip
        self.model.metadata["training_stopped"] = f"loss not a number in epoch {self.epoch + 1}"

    def _use(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Put weights into the model and return those it had."""
        previous = {name: parameter.detach().clone() for name, parameter in self.named.items()}
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(weights[name])
        return previous

    def _mean_nats(self, images: torch.Tensor, context: torch.Tensor | None) -> list[float]:
        """Mean of -log_prob per pixel value and scale, for cut images."""
        self.model.eval()
        budget = self.model.budget(images, context)
        return (-budget.mean(0) / self.model.config.n_dim).tolist()

    def _validate(self, losses: list[float], callback: Callable | None, time_limit: float | None) -> None:
        """Score the running mean, keep what gained, write a row of history, report."""
        current = self._use(self.mean)
        validation = self._mean_nats(*self.validation)
        self._use(current)
        for scale, loss in enumerate(validation):
            if loss < self.best_loss[scale]:
                self.best_loss[scale], self.last_gain = loss, self.epoch
                for name in self.named:
                    if self.scale_of[name] == scale:
                        self.best[name].copy_(self.mean[name])
        row = {
            "epoch": self.epoch,
            "seconds": round(self.seconds, 3),
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        row |= {"train": sum(losses), "validation": sum(validation), "best": sum(self.best_loss)}
        for scale, name in enumerate(self.model.scale_names):
            row |= {f"train {name}": losses[scale], f"validation {name}": validation[scale]}
        self.history.append(row)
        left = self.seconds / self.epoch * (self.training.epochs - self.epoch)
        left = left if time_limit is None else max(0.0, min(left, time_limit - self.seconds))
        progress = Progress(
            self.epoch, self.training.epochs, row["train"], row["validation"], row["best"], self.seconds, left
        )
        log.debug("%s", progress)
        if callback is not None:
            callback(progress)

    def _facts(self) -> dict[str, str]:
        """List what must agree between a snapshot and the fit that takes it up."""
        model, total = self.model, self.images.double().sum().item()
        return {
            "config": repr(model.config),
            "training": repr(self.training),
            "seed": str(self.seed),
            "images": f"{len(self.images)} with sum {total!r}",
        }

    def _save(self, snapshot: Path) -> None:
        tensors = {f"weight.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"mean.{name}": value for name, value in self.mean.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
        state = {"epoch": self.epoch, "step": self.step, "last_gain": self.last_gain, "seconds": self.seconds}
        save_snapshot(snapshot, tensors, state | {"best_loss": self.best_loss} | self._facts(), self.history)

    def _resume(self, snapshot: Path) -> None:
        tensors, state, self.history = load_snapshot(snapshot)
        for name, value in self._facts().items():
            if state.get(name) != value:
                raise ValueError(
                    f"{snapshot} belongs to another training: its {name} is {state.get(name)}, now it is "
                    f"{value}. Give another folder, or delete this one."
                )
        part = lambda prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}  # noqa: E731
        self.model.load_state_dict(part("weight."))
        for kept, prefix in ((self.mean, "mean."), (self.best, "best.")):
            for name, value in part(prefix).items():
                kept[name].copy_(value)
        optimiser = self.optimiser.state_dict()
        for name, value in part("optimiser.").items():
            index, key = name.split(".", 1)
            optimiser["state"].setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(optimiser)
        for parameter, moments in self.optimiser.state.items():  # the fused step needs equal memory order
            for key in ("exp_avg", "exp_avg_sq"):
                moments[key] = torch.empty_like(parameter).copy_(moments[key])
        self.epoch, self.step, self.last_gain = state["epoch"], state["step"], state["last_gain"]
        self.seconds, self.best_loss = state["seconds"], state["best_loss"]
        log.info("training taken up from %s after epoch %d", snapshot, self.epoch)

    def finish(self) -> FlowModel:
        """Model with the best weights of each scale, its history and the train-validation gap."""
        self._use(self.best)
        model = self.model
        images = crop(self.images, self.training.max_shift)
        if isinstance(model.pixels, RgbPixels):
            images = dequantise(images, self._stream(-4))
        on_train, on_validation = self._mean_nats(images, self.context), self._mean_nats(*self.validation)
        model.history = self.history
        model.summary = {
            "n_train": len(images),
            "n_validation": len(self.validation[0]),
            "epochs": self.epoch,
            "seconds": round(self.seconds, 2),
            "train_nats_per_pixel": sum(on_train),
            "validation_nats_per_pixel": sum(on_validation),
            "gap_nats_per_pixel": sum(on_validation) - sum(on_train),
        }
        log.info("training finished: %s", model.summary)
        return model.to("cpu").eval()
