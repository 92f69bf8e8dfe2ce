"""Pixel values to flow space and back, with the exact log-determinant; part of every model."""

import abc
import math

import numpy as np
import torch
from nflows.transforms.base import Transform

from flows.config import FlowConfig

__all__ = [
    "PIXEL_TRANSFORMS",
    "AsinhPixels",
    "PixelTransform",
    "RgbPixels",
    "StabilisedPixels",
    "dequantise",
    "make_pixels",
    "measure_softening",
]

SOFTENING_OVER_NOISE = 5.0
"""Keeps sky noise linear; gave the best held-out density of real survey images among 1, 3, 5 and 10."""
MAD_OF_NORMAL = 0.6745  # median of the absolute value of a unit normal number
EIGHT_BITS = 256  # values of 8-bit pixels; dequantised they lie in [0, 256)
BELOW_ONE = 0.9999  # 255 + u of a float32, with 24 bits, may round up to 256 beyond it


class PixelTransform(Transform, abc.ABC):
    """Elementwise map of pixel values to flow space.

    A subclass defines `local` and `inverse`. Raise `version` whenever its numbers change: it is
    stored with the model, and a model of another version is refused.
    """

    version = 1
    limits = (-math.inf, math.inf)  # pixel values the transform is defined on

    @abc.abstractmethod
    def local(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return transformed images and the log-determinant of each pixel value: (n, band, y, x)."""

    @abc.abstractmethod
    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and log-determinant per image, shape (n,)."""

    def forward(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return transformed images and log-determinant per image, shape (n,)."""
        outputs, log_det = self.local(inputs)
        return outputs, log_det.sum((1, 2, 3))


class AsinhPixels(PixelTransform):
    """``asinh(x / softening)``: linear in the sky noise, logarithmic in bright light.

    Parameters
    ----------
    softening : sequence of float
        Per band, in pixel units.

    References
    ----------
    Lupton, Gunn & Szalay 1999, AJ 118, 1406.
    """

    def __init__(self, softening: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("softening", torch.tensor(softening).view(1, -1, 1, 1), persistent=False)

    def local(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        ratio = images / self.softening
        root = torch.sqrt(1 + ratio.square())
        # asinh without cancellation, from functions that are vectorised: torch.asinh takes ten times as long
        size = torch.log1p(ratio.abs() + ratio.square() / (1 + root))
        return size.copysign(ratio), -torch.log(root * self.softening)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        images = torch.sinh(inputs) * self.softening
        return images, -self.local(images)[1].sum((1, 2, 3))


class StabilisedPixels(PixelTransform):
    """Pixels of unit noise: the noise variance is ``softening**2 + |x| / gain``.

    ``y = 2 gain (sqrt(softening**2 + |x| / gain) - softening)`` with the sign of x, whose slope is one
    over the noise. The branch below zero mirrors the upper one, so the map stays one to one.

    Parameters
    ----------
    softening : sequence of float
        Noise of the sky per band, in pixel units.
    gain : sequence of float
        Electrons per pixel unit and band.
    """

    def __init__(self, softening: tuple[float, ...], gain: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("softening", torch.tensor(softening).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("gain", torch.tensor(gain).view(1, -1, 1, 1), persistent=False)

    def local(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        noise = torch.sqrt(self.softening**2 + images.abs() / self.gain)
        # the difference of the two roots, written without cancellation for small x
        outputs = 2 * images / (noise + self.softening)
        return outputs, -torch.log(noise)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        images = inputs * (self.softening + inputs.abs() / (4 * self.gain))
        return images, -self.local(images)[1].sum((1, 2, 3))


class RgbPixels(PixelTransform):
    """8-bit values, uniformly dequantised to [0, 256), by a logit.

    The density is per unit of the 8-bit value, so `bits_per_dim` of `log_prob` bounds the code length
    of the integers from above.

    Parameters
    ----------
    margin : float
        Share of the unit interval left free at both ends, so that the logit stays finite.

    References
    ----------
    Dinh, Sohl-Dickstein & Bengio 2017, arXiv:1605.08803, section 4.1.
    """

    limits = (0.0, float(EIGHT_BITS))

    def __init__(self, margin: float = 0.01) -> None:
        super().__init__()
        self.margin = margin

    def local(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        share = self.margin + (1 - 2 * self.margin) * images / EIGHT_BITS
        log_slope = math.log((1 - 2 * self.margin) / EIGHT_BITS)
        log_up, log_down = torch.log(share), torch.log1p(-share)
        return log_up - log_down, log_slope - log_up - log_down

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        images = (torch.sigmoid(inputs) - self.margin) * (EIGHT_BITS / (1 - 2 * self.margin))
        # samples may fall into the margin, beyond what 8 bits can hold
        exact = images.dtype == torch.float64
        images = images.clamp(0, math.nextafter(EIGHT_BITS, 0) if exact else EIGHT_BITS - 1 + BELOW_ONE)
        return images, -self.local(images)[1].sum((1, 2, 3))


PIXEL_TRANSFORMS = {
    "asinh": lambda config: AsinhPixels(config.softening),
    "stabilised": lambda config: StabilisedPixels(config.softening, config.gain),
    "rgb": lambda config: RgbPixels(),
}


def make_pixels(config: FlowConfig) -> PixelTransform:
    """Pixel transform of a configuration.

    Raises
    ------
    ValueError
        Unknown name, or numbers the transform needs are missing.
    """
    if config.pixels not in PIXEL_TRANSFORMS:
        raise ValueError(f"pixels is {config.pixels!r}; known: {', '.join(PIXEL_TRANSFORMS)}.")
    if config.pixels != "rgb" and not config.softening:
        raise ValueError("softening is empty; give one number per band, see flows.measure_softening.")
    if config.pixels == "stabilised" and not config.gain:
        raise ValueError("gain is empty; stabilised pixels need the electrons per pixel unit of each band.")
    return PIXEL_TRANSFORMS[config.pixels](config)


def measure_softening(images: np.ndarray | torch.Tensor) -> tuple[float, ...]:
    """Softening per band: a multiple of the typical noise between neighbouring pixels.

    Parameters
    ----------
    images : array, shape (n, band, y, x)
        Training images in pixel units.

    Returns
    -------
    tuple of float
        One per band, in pixel units.

    Raises
    ------
    ValueError
        More than half of the pixels of a band equal their neighbour.
    """
    images = torch.as_tensor(images, dtype=torch.float32)
    difference = (images[..., 1:] - images[..., :-1]).abs().transpose(0, 1).flatten(1)
    noise = difference.median(dim=1).values / (MAD_OF_NORMAL * math.sqrt(2))
    if not bool((noise > 0).all()):
        raise ValueError(
            f"noise per band is {noise.tolist()}: most neighbouring pixels are equal; add a dither."
        )
    return tuple(float(f"{SOFTENING_OVER_NOISE * value:.6g}") for value in noise.tolist())


def dequantise(images: np.ndarray | torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Spread 8-bit values uniformly over their unit interval: x + U[0, 1).

    Parameters
    ----------
    images : array of uint8, or float in [0, 256), shape (n, band, y, x)
        Fractions of floats are replaced.
    generator : torch.Generator

    Returns
    -------
    Tensor of float32
    """
    values = torch.as_tensor(images).to(torch.float32).floor()
    noise = torch.rand(values.shape, generator=generator, device=generator.device).to(values.device)
    return torch.minimum(values + noise, values + BELOW_ONE)
