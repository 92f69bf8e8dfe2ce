"""Settings of a flow and of its training: frozen records, saved with every model."""

import math
from dataclasses import dataclass, fields, replace

__all__ = ["FlowConfig", "TrainingConfig"]

# Tens of times what flows of galaxies need: others are mistakes.
MOST_CHANNELS, MOST_STEPS, LARGEST_SIZE = 1024, 100, 4096


@dataclass(frozen=True)
class FlowConfig:
    """What a flow is built from; saved in its checkpoint, so scoring is never told the architecture.

    Parameters
    ----------
    size : int
        Side of the images in pixels, a power of two from 8 to 4096.
    n_bands : int
        Bands per image, 1 to 5.
    architecture : str
        Name in `flows.ARCHITECTURES`.
    pixels : str
        Name in `flows.PIXEL_TRANSFORMS`: how pixel values become flow space.
    softening : tuple of float
        Softening per band in pixel units, some times the noise of the sky. Empty: measured from the
        training images (`flows.measure_softening`) and then stored here.
    gain : tuple of float
        Electrons per pixel unit and band; only for ``pixels="stabilised"``.
    context : tuple of str
        Names of the context columns, in order, e.g. ``("log_sky_sigma_r", "psf_fwhm_r")``.
    widths : tuple of int
        Hidden channels per scale, finest scale first; the last entry serves all coarser scales.
    steps : tuple of int
        Coupling steps per scale, in the same order.
    coarsest : int
        Side of the coarsest image, which has a flow of its own. A power of two.
    dropout : float
        Share of conditioner features dropped in training, a guard for small samples.
    clamp : float
        Bound of the log scale of one coupling.
    """

    size: int = 64
    n_bands: int = 1
    architecture: str = "wavelet"
    pixels: str = "asinh"
    softening: tuple[float, ...] = ()
    gain: tuple[float, ...] = ()
    context: tuple[str, ...] = ()
    widths: tuple[int, ...] = (16, 24, 32)
    steps: tuple[int, ...] = (2, 2, 3)
    coarsest: int = 2
    dropout: float = 0.1
    clamp: float = 2.0

    def __post_init__(self) -> None:
        for name in ("softening", "gain", "context", "widths", "steps"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not 8 <= self.size <= LARGEST_SIZE or self.size & (self.size - 1):
            raise ValueError(
                f"size is {self.size}; images need a side that is a power of two from 8 to {LARGEST_SIZE}."
            )
        if not 1 <= self.n_bands <= 5:
            raise ValueError(f"n_bands is {self.n_bands}; 1 to 5 bands are supported.")
        for name in ("softening", "gain"):
            values = getattr(self, name)
            if values and (len(values) != self.n_bands or not all(0 < each < math.inf for each in values)):
                raise ValueError(
                    f"{name} is {values}; give one positive number for each of {self.n_bands} bands."
                )
        if not 1 <= self.coarsest <= self.size // 4 or self.coarsest & (self.coarsest - 1):
            raise ValueError(
                f"coarsest is {self.coarsest}; allowed are powers of two up to {self.size // 4}."
            )
        if not self.widths or not self.steps or min(*self.widths, *self.steps) < 1:
            raise ValueError(
                f"widths {self.widths} and steps {self.steps} need positive entries, finest scale first."
            )
        if max(self.widths) > MOST_CHANNELS or max(self.steps) > MOST_STEPS:
            raise ValueError(
                f"widths {self.widths} and steps {self.steps}: at most {MOST_CHANNELS} and {MOST_STEPS} are "
                "allowed."
            )
        if not 0 <= self.dropout < 1 or not 0 < self.clamp < math.inf:
            raise ValueError(
                f"dropout is {self.dropout} (allowed: 0 to 1) and clamp {self.clamp} (allowed: above 0)."
            )

    @property
    def n_dim(self) -> int:
        """Number of pixel values of one image, all bands counted."""
        return self.n_bands * self.size**2

    def at_scale(self, name: str, scale: int) -> int:
        """Entry of `widths` or `steps` for one scale; the last entry serves all coarser ones."""
        values = getattr(self, name)
        return values[min(scale, len(values) - 1)]

    def difference(self, other: "FlowConfig", ignore: tuple[str, ...] = ("dropout",)) -> str:
        """Fields in which two configurations differ, in words; empty when weights can be exchanged."""
        names = [field.name for field in fields(self) if field.name not in ignore]
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return ", ".join(
            f"{name}: {mine!r} against {theirs!r}" for name, mine, theirs in pairs if mine != theirs
        )

    def replace(self, **changes: object) -> "FlowConfig":
        """Copy with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class TrainingConfig:
    """How a flow is fitted.

    Parameters
    ----------
    epochs : int
        Passes over the training images; the learning rate falls to zero over them.
    batch_size : int
        Images per step.
    learning_rate : float
        Peak rate of AdamW, reached after the warm-up.
    transfer_rate : float
        Factor on the learning rate when training starts from another model: small steps keep what
        the two have in common.
    weight_decay : float
        Decoupled weight decay of the convolution weights.
    warm_up : float
        Share of the training in which the rate rises.
    clip : float
        Largest norm of the gradient (loss in nats per pixel value).
    ema : float
        Decay per step of the running mean of the weights, which is what is validated and kept.
    patience : int
        Epochs without improvement at any scale after which training stops.
    max_shift : int
        Largest random integer shift in pixels; needs stamps larger by twice as much.
    validation_fraction : float
        Share held out when no validation images are given. Give them, split by galaxy, whenever
        one galaxy has several images.
    validate_every : int
        Epochs between validations.
    snapshot_every : int
        Epochs between snapshots, when a folder is given.
    precision : str
        ``"float32"``, or ``"bfloat16"`` for the convolutions that look at images: faster on a GPU. What
        becomes of the pixels, and every log-determinant, stays in float32. Scoring is always float32.
    compile : bool
        Let ``torch.compile`` fuse the steps: needs a compiler, and minutes before the first step.
    """

    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 1e-2
    transfer_rate: float = 0.2
    weight_decay: float = 1e-2
    warm_up: float = 0.05
    clip: float = 1.0
    ema: float = 0.99
    patience: int = 25
    max_shift: int = 0
    validation_fraction: float = 0.15
    validate_every: int = 1
    snapshot_every: int = 5
    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.patience, self.validate_every, self.snapshot_every) < 1:
            raise ValueError(
                "epochs, batch_size, patience, validate_every and snapshot_every must be at least 1."
            )
        if (
            min(self.learning_rate, self.transfer_rate, self.clip) <= 0
            or self.weight_decay < 0
            or self.max_shift < 0
        ):
            raise ValueError(
                "learning_rate, transfer_rate, clip must be positive; weight_decay, max_shift not negative."
            )
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is {self.precision!r}; it must be 'float32' or 'bfloat16'.")
        if not (0 <= self.ema < 1 and 0 <= self.warm_up < 1 and 0 < self.validation_fraction < 1):
            raise ValueError("ema and warm_up must lie in 0 to 1, validation_fraction between 0 and 1.")
