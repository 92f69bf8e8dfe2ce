"""Multi-scale Glow from nflows' own parts: the baseline, one density for all scales at once.

It cannot say at which scale or place its nats arise; the wavelet flow can.
"""

import math
from functools import partial

import torch
from nflows.distributions.base import Distribution
from nflows.transforms.base import CompositeTransform, MultiscaleCompositeTransform
from nflows.transforms.conv import OneByOneConvolution
from nflows.transforms.coupling import (
    AffineCouplingTransform,
    CouplingTransform,
    PiecewiseRationalQuadraticCouplingTransform,
)
from nflows.transforms.normalization import ActNorm
from nflows.transforms.reshape import SqueezeTransform
from torch import nn

from flows.config import FlowConfig
from flows.densities.conditioners import GlowConditioner

__all__ = ["GlowFlow"]

MOST_LEVELS, SMALLEST_GRID = 4, 4
"""Levels of the pyramid, as many as leave a grid of at least 4 x 4; our choice."""
SPLINE_BINS, SPLINE_BOUND = 8, 4.0
"""Bins of a spline coupling, and half-width of the interval that it bends: 99.99 % of a unit normal."""


class SolvedConvolution(OneByOneConvolution):
    """nflows' 1x1 convolution, inverted by a routine that present torch still has."""

    def inverse_no_cache(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Solve the two triangular systems."""
        lower, upper = self._create_lower_upper()
        columns = torch.linalg.solve_triangular(
            lower, (inputs - self.bias).t(), upper=False, unitriangular=True
        )
        outputs = torch.linalg.solve_triangular(upper, columns, upper=True).t()
        return outputs, -self.logabsdet().expand(len(inputs))


class GlowFlow(Distribution):
    """Squeeze, then ActNorm, 1x1 convolution and coupling in turn; half of the channels leave per level.

    Parameters
    ----------
    config : FlowConfig
        `widths` and `steps` are read per level, finest first.
    spline : bool
        Rational-quadratic couplings in place of affine ones: slower, more flexible.

    References
    ----------
    Kingma & Dhariwal 2018, arXiv:1807.03039; Durkan et al. 2019, arXiv:1906.04032.
    """

    is_local = False
    scale_names = ("all scales",)

    def __init__(self, config: FlowConfig, spline: bool = False) -> None:
        super().__init__()
        self.config = config
        n_levels = min(MOST_LEVELS, int(math.log2(config.size // SMALLEST_GRID)))
        self.transform = MultiscaleCompositeTransform(n_levels)
        shape = (config.n_bands, config.size, config.size)
        for level in range(n_levels):
            shape = (shape[0] * 4, shape[1] // 2, shape[2] // 2)
            layers: list[nn.Module] = [SqueezeTransform()]
            for step in range(config.at_scale("steps", level)):
                layers += [
                    ActNorm(shape[0]),
                    SolvedConvolution(shape[0]),
                    self._coupling(shape[0], step, config.at_scale("widths", level), spline),
                ]
            shape = self.transform.add_transform(CompositeTransform(layers), shape)

    def _coupling(self, channels: int, step: int, width: int, spline: bool) -> CouplingTransform:
        """One coupling; the halves swap at every step."""
        mask = [int((channel + step) % 2) for channel in range(channels)]
        make = partial(
            GlowConditioner, width=width, n_context=len(self.config.context), dropout=self.config.dropout
        )
        if spline:
            return PiecewiseRationalQuadraticCouplingTransform(
                mask, make, num_bins=SPLINE_BINS, tails="linear", tail_bound=SPLINE_BOUND
            )
        return AffineCouplingTransform(mask, make)

    @property
    def scale_dims(self) -> tuple[int, ...]:
        """Number of pixel values, in one piece."""
        return (self.config.n_dim,)

    def scale_of(self, parameter_name: str) -> int:
        """All parameters belong together."""
        return 0

    def terms(self, images: torch.Tensor, context: torch.Tensor | None) -> list[torch.Tensor]:
        """Nats of each image, as a list of one (n, 1, 1, 1)."""
        latents, log_det = self.transform(images, context)
        normal = -0.5 * (latents.square().sum(1) + self.config.n_dim * math.log(2 * math.pi))
        return [(normal + log_det)[:, None, None, None]]

    def _log_prob(self, inputs: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        return self.terms(inputs, context)[0].flatten()

    def latents(self, images: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Standard-normal latents in the order of nflows, shape of the images."""
        return self.transform(images, context)[0].view_as(images)

    def inverse(self, latents: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Images in flow space from their latents."""
        return self.transform.inverse(latents.flatten(1), context)[0].view_as(latents)

    def draw(
        self, n: int, context: torch.Tensor | None, generator: torch.Generator, temperature: float
    ) -> torch.Tensor:
        """Random images in flow space, shape (n, band, y, x)."""
        config, like = self.config, next(self.parameters())
        shape = (n, config.n_bands, config.size, config.size)
        latents = temperature * torch.randn(shape, generator=generator, device=generator.device)
        return self.inverse(latents.to(like), context)
