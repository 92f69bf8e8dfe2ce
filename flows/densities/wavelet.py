"""The default density: one small conditional flow for each scale of a Haar pyramid.

``log p(image) = log p(coarsest) + sum over scales of log p(detail | coarser image)``, and each of these is
a sum over bands of log p(detail of a band | coarser image, details of the bands before). The pyramid is
orthonormal, so the sum is exact, and each term keeps the places where it arises.
"""

import math
from collections.abc import Callable

import torch
from nflows.distributions.base import Distribution
from nflows.flows.base import Flow
from nflows.transforms.base import CompositeTransform
from torch import nn

from flows.config import FlowConfig
from flows.densities import haar
from flows.densities.conditioners import ContextConditioner, WaveletConditioner
from flows.densities.layers import ActNorm, ConditionalAffine, Coupling, Mixing, SpreadNormal

__all__ = ["LayeredFlow", "ScaleFlow", "WaveletFlow"]

FEATURE_CLAMP = 5.0
"""Bound of the log scale that the features of the coarser image set.

Our choice: e^5 = 150 is room for details from empty sky to the core of a bright galaxy, and finite. The bound
of one coupling among several, ``FlowConfig.clamp``, may be smaller.
"""


class LayeredFlow(Flow):
    """Density of one scale's detail, given features of the coarser image: an nflows flow of local layers.

    Parameters
    ----------
    layers : list of LocalTransform
    base : SpreadNormal
    channels : int
        Of the detail.
    """

    def __init__(self, layers: list[nn.Module], base: SpreadNormal, channels: int) -> None:
        super().__init__(CompositeTransform(layers), base)
        self.channels = channels

    @property
    def layers(self) -> nn.ModuleList:
        """The transforms in the order from image to latent."""
        return self._transform._transforms

    def local(self, inputs: torch.Tensor, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (n, channel, y, x) and log density of each band and place (n, band, y, x) in nats."""
        total = 0
        for layer in self.layers:
            inputs, log_det = layer.local(inputs, features)
            total = total + log_det
        return inputs, total + self._distribution.local_log_prob(inputs)

    def draw(
        self, shape: tuple[int, ...], features: torch.Tensor, generator: torch.Generator, temperature: float
    ) -> torch.Tensor:
        """Random detail of shape (n, channel, y, x)."""
        return self._transform.inverse(self._distribution.draw(shape, generator, temperature), features)[0]

    def to_normal(self, inputs: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Standard-normal latents of a detail."""
        return self._distribution.to_normal(self.local(inputs, features)[0])

    def from_normal(self, latents: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Undo `to_normal`."""
        return self._transform.inverse(self._distribution.from_normal(latents), features)[0]


class ScaleFlow(LayeredFlow):
    """Density of one scale's detail, given features of the coarser image, by couplings of all channels.

    Every layer is triangular in the bands (channel i belongs to band i modulo `bands`): what a band
    becomes depends on itself and the bands before, which divides the density among them exactly.

    Parameters
    ----------
    channels, features, width, steps, kernel : int
    clamp : float
    bands : int
    """

    def __init__(
        self, channels: int, features: int, width: int, steps: int, kernel: int, clamp: float, bands: int = 1
    ) -> None:
        layers: list[nn.Module] = [
            ActNorm(channels, bands),
            ConditionalAffine(channels, features, FEATURE_CLAMP, bands=bands),
        ]
        if channels > bands:
            for _ in range(steps):
                layers += [
                    Mixing(channels, bands),
                    Coupling(channels, features, width, kernel, clamp, bands),
                ]
        super().__init__(layers, SpreadNormal(channels, bands), channels)


class WaveletFlow(Distribution):
    """Haar pyramid of conditional flows over images in flow space.

    Parameters
    ----------
    config : FlowConfig
    conditioner : callable
        Makes, of the arguments of `WaveletConditioner`, the module that turns the coarser image and the
        context into features of shape (n, width, y, x), one for each scale but the coarsest.

    References
    ----------
    Yu, Derpanis & Brubaker 2020, arXiv:2010.13821.
    """

    is_local = True

    def __init__(
        self, config: FlowConfig, conditioner: Callable[..., nn.Module] = WaveletConditioner
    ) -> None:
        super().__init__()
        self.config = config
        bands, n_context = config.n_bands, len(config.context)
        self.n_levels = int(math.log2(config.size // config.coarsest))
        conditioners, scales = [], []
        for level in range(self.n_levels):
            grid, width = config.size >> (level + 1), config.at_scale("widths", level)
            conditioners.append(conditioner(bands, width, n_context, grid, level + 1, config.dropout))
            scales.append(self._detail_flow(level, grid))
        conditioners.append(ContextConditioner(config.at_scale("widths", self.n_levels), n_context))
        scales.append(self._coarsest_flow())
        self.conditioners, self.scales = nn.ModuleList(conditioners), nn.ModuleList(scales)
        self.to(memory_format=torch.channels_last)

    def _detail_flow(self, level: int, grid: int) -> LayeredFlow:
        """Flow of one scale's detail, on a grid of so many places a side."""
        config, kernel = self.config, 3 if grid > 1 else 1
        width, steps = config.at_scale("widths", level), config.at_scale("steps", level)
        return ScaleFlow(3 * config.n_bands, width, width, steps, kernel, config.clamp, config.n_bands)

    def _coarsest_flow(self) -> LayeredFlow:
        """Flow of the coarsest image."""
        config = self.config
        width, steps = config.at_scale("widths", self.n_levels), config.at_scale("steps", self.n_levels)
        channels = config.n_bands * config.coarsest**2
        return ScaleFlow(channels, width, width, steps, 1, config.clamp, config.n_bands)

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Pixel sizes that each scale's detail separates, finest first, then the coarsest image."""
        names = [f"pixels {2**level}-{2 ** (level + 1)}" for level in range(self.n_levels)]
        return (*names, f"pixels {2**self.n_levels} and more")

    @property
    def scale_dims(self) -> tuple[int, ...]:
        """Number of coefficients of each scale; they sum to the number of pixel values."""
        config = self.config
        details = [3 * config.n_bands * (config.size >> (level + 1)) ** 2 for level in range(self.n_levels)]
        return (*details, config.n_bands * config.coarsest**2)

    def scale_of(self, parameter_name: str) -> int:
        """Scale a named parameter belongs to: scales share nothing, so each trains by itself."""
        return int(parameter_name.split(".")[1])

    def _flat(self, coarsest: torch.Tensor) -> torch.Tensor:
        """Coarsest image (n, band, y, x) as one place of many channels, bands next to each other."""
        return coarsest.permute(0, 2, 3, 1).reshape(len(coarsest), -1, 1, 1)

    def _unflat(self, coarsest: torch.Tensor) -> torch.Tensor:
        side = self.config.coarsest
        return coarsest.reshape(len(coarsest), side, side, self.config.n_bands).permute(0, 3, 1, 2)

    def _features(self, level: int, coarse: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Gather what the flow of one scale may know: the coarser image (not of the coarsest) and context."""
        return self.conditioners[level](coarse, context)

    def _pyramid(self, images: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Coarser image and detail of each scale, finest first; last the coarsest image itself."""
        pairs, coarse = [], images
        for _ in range(self.n_levels):
            coarse, detail = haar.split(coarse)
            pairs.append((coarse, detail.contiguous(memory_format=torch.channels_last)))
        return [*pairs, (coarse, self._flat(coarse))]

    def terms(self, images: torch.Tensor, context: torch.Tensor | None) -> list[torch.Tensor]:
        """Nats of each scale, band and place: list of (n, band, y, x), finest scale first."""
        pairs = self._pyramid(images)
        return [
            self.scales[level].local(detail, self._features(level, coarse, context))[1]
            for level, (coarse, detail) in enumerate(pairs)
        ]

    def _log_prob(self, inputs: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        return sum(term.sum((1, 2, 3)) for term in self.terms(inputs, context))

    def latents(self, images: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Standard-normal latents laid out as a wavelet mosaic, shape of the images."""
        values = [
            self.scales[level].to_normal(detail, self._features(level, coarse, context))
            for level, (coarse, detail) in enumerate(self._pyramid(images))
        ]
        return haar.mosaic(self._unflat(values[-1]), values[:-1])

    def _build(self, make: object, n: int, like: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Images from the coarsest scale to the finest; ``make(level, features)`` gives each detail."""
        image = like.new_zeros(n, self.config.n_bands, 1, 1)
        image = self._unflat(make(self.n_levels, self._features(self.n_levels, image, context)))
        for level in reversed(range(self.n_levels)):
            image = haar.join(image, make(level, self._features(level, image, context)))
        return image

    def inverse(self, latents: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Images in flow space from their standard-normal latents."""
        coarsest, details = haar.unmosaic(latents, self.config.coarsest)
        values = [*details, self._flat(coarsest)]
        make = lambda level, features: self.scales[level].from_normal(values[level], features)  # noqa: E731
        return self._build(make, len(latents), latents, context)

    def draw(
        self, n: int, context: torch.Tensor | None, generator: torch.Generator, temperature: float
    ) -> torch.Tensor:
        """Random images in flow space, shape (n, band, y, x)."""

        def make(level: int, features: torch.Tensor) -> torch.Tensor:
            shape = (n, self.scales[level].channels, *features.shape[2:])
            return self.scales[level].draw(shape, features, generator, temperature)

        return self._build(make, n, next(self.parameters()), context)
