"""Conditioners: the networks that give a coupling its shift and scale."""

import torch
from torch import nn
from torch.nn import functional

from flows.densities.layers import started_small

__all__ = ["ContextConditioner", "GlowConditioner", "WaveletConditioner"]

MODULATION_WIDTH = 32
"""Hidden numbers of the network that turns context into scale and shift; our choice, for a few columns."""
FAINT_GAIN = 4
"""Factor on the second view of the coarser image, whose tanh saturates at a quarter of the softening.

With a softening of five times the noise (`flows.measure_softening`) that is about the noise of a pixel.
"""


class GlowConditioner(nn.Module):
    """Convolutions of 3x3, 1x1 and 3x3; context enters as planes of equal values."""

    def __init__(self, inputs: int, outputs: int, width: int, n_context: int, dropout: float) -> None:
        super().__init__()
        self.hidden_channels = width  # nflows' splines scale their inputs by it
        self.first = nn.Conv2d(inputs + n_context, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 1)
        self.dropout = nn.Dropout2d(dropout)
        self.last = started_small(nn.Conv2d(width, outputs, 3, padding=1))

    def forward(self, inputs: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Parameters of a coupling from the channels it keeps."""
        if context is not None:
            planes = context[:, :, None, None].expand(-1, -1, *inputs.shape[2:])
            inputs = torch.cat([inputs, planes], dim=1)
        hidden = functional.relu(self.first(inputs), inplace=True)
        return self.last(self.dropout(functional.relu(self.second(hidden), inplace=True)))


class WaveletConditioner(nn.Module):
    """Features of the coarser image and the context, shared by all layers of one scale.

    Two convolutions, a mean over the image (which tells the noise and brightness of the whole), and
    feature-wise modulation by the context.

    Parameters
    ----------
    n_bands, width, n_context : int
    grid : int
        Side of the coarser image.
    level : int
        How often it was halved, which sets the scale of its values.
    dropout : float

    References
    ----------
    Perez et al. 2018, arXiv:1709.07871 (feature-wise linear modulation).
    """

    def __init__(
        self, n_bands: int, width: int, n_context: int, grid: int, level: int, dropout: float
    ) -> None:
        super().__init__()
        self.unit = 2.0**-level  # the Haar average is 2^level times the mean pixel
        kernel = 3 if grid > 1 else 1
        self.first = nn.Conv2d(2 * n_bands + 1, width, kernel, padding=kernel // 2)
        self.second = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.whole = nn.Linear(width, width)
        self.dropout = nn.Dropout2d(dropout)
        if n_context:
            self.modulation = nn.Sequential(
                nn.Linear(n_context, MODULATION_WIDTH), nn.SiLU(), nn.Linear(MODULATION_WIDTH, 2 * width)
            )
        centre = torch.arange(grid) - (grid - 1) / 2
        radius = torch.hypot(centre[:, None], centre[None, :]) / max(grid / 2, 1)
        self.register_buffer("radius", radius[None, None], persistent=False)

    def forward(self, coarse: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Features (n, width, y, x) of a coarser image (n, band, y, x)."""
        mean = coarse * self.unit
        # once linear for bright light, once opened up for the faint outskirts
        planes = [mean, torch.tanh(FAINT_GAIN * mean), self.radius.expand(len(mean), -1, -1, -1)]
        inputs = torch.cat(planes, dim=1).contiguous(memory_format=torch.channels_last)
        hidden = functional.silu(self.first(inputs), inplace=True)
        whole = self.whole(hidden.mean((2, 3)))
        if context is not None:
            scale, shift = self.modulation(context).chunk(2, dim=1)
            hidden = hidden * (1 + scale[:, :, None, None])
            whole = whole + shift
        hidden = functional.silu(self.second(hidden) + whole[:, :, None, None], inplace=True)
        return self.dropout(hidden)


class ContextConditioner(nn.Module):
    """Features of the coarsest image, which knows nothing but the context.

    Parameters
    ----------
    width, n_context : int
    """

    def __init__(self, width: int, n_context: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_context + 1, width)
        self.second = nn.Linear(width, width)

    def forward(self, coarse: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Features (n, width, 1, 1); of `coarse` only the number of images is used."""
        one = coarse.new_ones(len(coarse), 1)
        inputs = one if context is None else torch.cat([one, context], dim=1)
        return functional.silu(self.second(functional.silu(self.first(inputs))))[:, :, None, None]
