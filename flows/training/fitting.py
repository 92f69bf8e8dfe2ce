"""One training run: its steps, validations, snapshots, and what is kept of them."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from nflows.transforms.normalization import ActNorm as NflowsActNorm
from torch import nn

from flows.checkpoint import find_snapshot, load_snapshot, save_snapshot, snapshot_path
from flows.config import TrainingConfig
from flows.densities.layers import ActNorm
from flows.model import FlowModel
from flows.pixels import RgbPixels, dequantise
from flows.training import distributed
from flows.training.augment import augment, crop

__all__ = ["Fit", "Progress"]

log = logging.getLogger(__name__)

FIRST_BATCH = 256  # images that set the ActNorms: the deviation of a channel to some per cent
FIRST_RATE = 0.1  # share of the peak learning rate at the first warm-up step
EMA_WARM_UP = 10  # steps after which the running mean of the weights forgets its start
# Large primes, so that the streams of seeds, epochs and processes stay apart.
SEED_STRIDE, EPOCH_STRIDE, RANK_STRIDE = 1_000_003, 7919, 104_729


@dataclass(frozen=True)
class Progress:
    """What a callback is told after each validated epoch: losses in nats per pixel value.

    `scales` holds the validation loss of each scale by its name.
    """

    epoch: int
    epochs: int
    train: float
    validation: float
    best: float
    seconds: float
    seconds_left: float
    scales: dict[str, float]


class Fit:
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
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        if training.precision == "bfloat16" and not model.density.is_local:
            raise ValueError(
                f"architecture {model.config.architecture!r} passes pixels through convolutions, which "
                "bfloat16 would round; use precision 'float32', or 'wavelet'."
            )
        self.pieces = 1
        self.forward = torch.compile(model) if training.compile else model
        self.epoch = self.step = self.last_gain = 0
        self.seconds = 0.0

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches of one pass over the images."""
        return math.ceil(len(self.images) / self.training.batch_size)

    def _stream(self, epoch: int) -> torch.Generator:
        """Random numbers of one epoch, whatever came before."""
        return torch.Generator().manual_seed((self.seed * SEED_STRIDE + epoch + 1) % 2**63)

    def _batch(self, rows: torch.Tensor, stream: torch.Generator) -> tuple[torch.Tensor, torch.Tensor | None]:
        images = self.images[rows]
        if isinstance(self.model.pixels, RgbPixels):
            images = dequantise(images, stream)
        images = augment(images, self.training.max_shift, stream)
        return images, None if self.context is None else self.context[rows]

    def initialise(self) -> None:
        """Set every ActNorm, ours and nflows' own, from one large batch; the same in every process."""
        for module in self.model.modules():
            if isinstance(module, ActNorm):
                module.awaits_data = True
            module.training = isinstance(module, NflowsActNorm)
        rows = torch.randperm(len(self.images), generator=self._stream(-2))[:FIRST_BATCH]
        with torch.no_grad():
            batch = self._batch(rows, self._stream(-3))
            self.model.scale_terms(*(part if part is None else part.to(self.device) for part in batch))
        for name, parameter in self.named.items():
            distributed.from_first(parameter.data)
            self.mean[name].copy_(parameter.detach())
            self.best[name].copy_(parameter.detach())

    def run(self, folder: Path | None, time_limit: float | None, callback: Callable | None) -> None:
        """Train until the last epoch, the time limit, or no scale has gained for `patience` epochs.

        Snapshots in the folder are taken up, and written there.
        """
        training = self.training
        if folder is not None:
            self._resume(folder)
        start = time.monotonic() - self.seconds
        elapsed = lambda: _agreed(time.monotonic() - start, self.device)  # noqa: E731
        while self.epoch < training.epochs and self.epoch - self.last_gain < training.patience:
            with torch.random.fork_rng(
                devices=[self.device.index or 0] if self.device.type == "cuda" else []
            ):
                of_epoch = self.seed + EPOCH_STRIDE * (self.epoch + 1)
                torch.manual_seed(of_epoch + RANK_STRIDE * distributed.rank())  # dropout
                losses = self._train_epoch(elapsed, time_limit)
            if losses is None:
                break
            self.epoch += 1
            self.seconds = elapsed()
            is_over = time_limit is not None and self.seconds >= time_limit
            if self.epoch % training.validate_every == 0 or self.epoch == training.epochs or is_over:
                self._validate(losses, callback, time_limit)
            is_due = self.epoch % training.snapshot_every == 0 or self.epoch == training.epochs
            if folder is not None and is_due and distributed.is_first():
                self._save(folder)
            if is_over:
                log.info("time limit of %.0f s reached in epoch %d", time_limit, self.epoch)
                break

    def _rate(self, elapsed: Callable[[], float], time_limit: float | None) -> float:
        """Learning rate: linear warm-up, then a cosine to zero over steps or time, whichever is further."""
        done = self.step / (self.training.epochs * self.steps_per_epoch)
        if time_limit is not None:
            done = max(done, min(1.0, elapsed() / time_limit))
        warm_up = self.training.warm_up
        if done < warm_up:
            return self.training.learning_rate * (done + FIRST_RATE * warm_up) / ((1 + FIRST_RATE) * warm_up)
        return self.training.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))

    def _train_epoch(self, elapsed: Callable[[], float], time_limit: float | None) -> list[float] | None:
        """One pass over the images; mean loss per scale, or None when a loss was not a number."""
        model, stream, n_dim = self.model, self._stream(self.epoch), self.model.config.n_dim
        model.train()
        order = torch.randperm(len(self.images), generator=stream)
        total = torch.zeros(len(model.scale_names), device=self.device)
        for rows in order.split(self.training.batch_size):
            for group in self.optimiser.param_groups:
                group["lr"] = self._rate(elapsed, time_limit)
            nats, mine = self._backward(rows, stream)
            distributed.average_gradients(model)
            norm = nn.utils.clip_grad_norm_(model.parameters(), self.training.clip)
            summed = distributed.sum_over(nats.sum(0).to(total))
            if not (torch.isfinite(summed).all() and torch.isfinite(norm)):
                self._report_failure(nats, mine)
                return None
            self.optimiser.step()
            self.step += 1
            decay = min(self.training.ema, self.step / (EMA_WARM_UP + self.step))
            torch._foreach_lerp_(
                list(self.mean.values()), [p.detach() for p in self.named.values()], 1 - decay
            )
            total += summed
        return (total / (len(self.images) * n_dim)).tolist()

    def _backward(self, rows: torch.Tensor, stream: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient of this process' share of a batch; its nats (n, n_scales) and the rows they belong to.

        A share that does not fit into memory is halved until it does: the gradient is the same sum.
        """
        images, context = self._batch(rows, stream)
        share = slice(distributed.rank(), None, distributed.world_size())
        images, mine = images[share].to(self.device), rows[share]
        context = None if context is None else context[share].to(self.device)
        n_whole = len(rows) * self.model.config.n_dim
        while True:
            self.optimiser.zero_grad(set_to_none=False)  # a process without a share still sends zeros
            pieces = torch.arange(len(mine), device=self.device).chunk(self.pieces) if len(mine) else ()
            try:
                nats = [self._backward_piece(images, context, piece, n_whole) for piece in pieces]
                return torch.cat(nats) if nats else images.new_zeros(0, len(self.model.scale_names)), mine
            except RuntimeError as error:
                if not _is_out_of_memory(error) or self.pieces >= len(mine):
                    raise
                self.pieces *= 2
            log.warning("out of memory: batches are now split into %d pieces", self.pieces)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _backward_piece(
        self, images: torch.Tensor, context: torch.Tensor | None, piece: torch.Tensor, n_whole: int
    ) -> torch.Tensor:
        """Add the gradient of some images of a batch of `n_whole` pixel values; their nats (n, n_scales)."""
        is_half = self.training.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_half):
            nats = -self.forward(images[piece], None if context is None else context[piece])
        (nats.sum() / n_whole).backward()
        return nats.detach()

    def _report_failure(self, nats: torch.Tensor, rows: torch.Tensor) -> None:
        """Say where the loss ceased to be a number; the best weights so far are kept."""
        is_bad = ~torch.isfinite(nats.detach().cpu())
        scales = [
            name for name, bad in zip(self.model.scale_names, is_bad.any(0).tolist(), strict=True) if bad
        ]
        images = rows[is_bad.any(1)].tolist()[:5]
        log.error(
            "loss or gradient is not finite in epoch %d, step %d (scales: %s; training images: %s): "
            "training stops with the best weights so far; lower the learning rate or look at these images",
            self.epoch + 1, self.step + 1, ", ".join(scales) or "gradient only", images or "gradient only",
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
        """Mean of -log_prob per pixel value and scale, for cut images; each process scores its share."""
        self.model.eval()
        share = slice(distributed.rank(), None, distributed.world_size())
        total = torch.zeros(len(self.model.scale_names), dtype=torch.float64)
        if len(images[share]):
            total = self.model.budget(images[share], None if context is None else context[share]).sum(0)
        total = distributed.sum_over(
            total.to(self.device, torch.float32 if self.device.type == "mps" else None)
        )
        return (-total / (len(images) * self.model.config.n_dim)).tolist()

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
            self.epoch,
            self.training.epochs,
            row["train"],
            row["validation"],
            row["best"],
            self.seconds,
            left,
            dict(zip(self.model.scale_names, validation, strict=True)),
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

    def _save(self, folder: Path) -> None:
        tensors = {f"weight.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"mean.{name}": value for name, value in self.mean.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in state.items()}
        state = {"epoch": self.epoch, "step": self.step, "last_gain": self.last_gain, "seconds": self.seconds}
        state |= {"best_loss": self.best_loss} | self._facts()
        save_snapshot(folder, self.epoch, tensors, state, self.history)

    def _resume(self, folder: Path) -> None:
        """Go on from the last whole snapshot, if there is one; the first process looks for it."""
        snapshot = find_snapshot(folder) if distributed.is_first() else None
        epoch = int(distributed.from_first(torch.tensor(snapshot or 0, device=self.device)))
        if epoch:
            self._take_up(snapshot_path(folder, epoch))
        distributed.sum_over(torch.tensor(self.epoch, device=self.device))  # all have read, one may write

    def _take_up(self, snapshot: Path) -> None:
        """Put a snapshot's state in the place of ours."""
        tensors, state, self.history = load_snapshot(snapshot)
        for name, value in self._facts().items():
            if state.get(name) != value:
                raise ValueError(
                    f"{snapshot} belongs to another training run: its {name} is {state.get(name)}, now it is "
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
        log.info("training resumed from %s after epoch %d", snapshot, self.epoch)

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


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or the machine, had no memory left: only CUDA has an error of its own."""
    message = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError)
        or "out of memory" in message
        or "t allocate memory" in message
    )


def _agreed(seconds: float, device: torch.device) -> float:
    """Time of the first process, so that all take the same steps and stop together."""
    if distributed.world_size() == 1:
        return seconds
    return float(distributed.from_first(torch.tensor(seconds, device=device)))
