"""Lean layers on nflows' interfaces that also say where in the image the log-determinant arises."""

import abc
import math

import torch
from nflows.distributions.base import Distribution
from nflows.transforms.base import Transform
from torch import nn
from torch.nn import functional

__all__ = [
    "ActNorm",
    "ConditionalAffine",
    "Coupling",
    "Mixing",
    "SpreadNormal",
    "bounded",
    "by_band",
    "pointwise",
    "started_small",
]

LEAST_DEVIATION = 1e-6  # for a channel that hardly varies in the first batch: its log scale stays finite
LARGEST_PRODUCT_GRID = 8  # side up to which a plain product was faster than a convolution
INITIAL_LOGIT_SHARE = -5.0  # share of the wide part of the base density: 0.7 % of all values
INITIAL_LOG_EXCESS = 0.7  # its width before training, softplus(0.7) = log(3.0): three times the unit part
HALVINGS = 60  # of a bracket of probabilities: to 1e-18, below float64 rounding


def started_small(layer: nn.Conv2d | nn.Linear, spread: float = 0.01) -> nn.Conv2d | nn.Linear:
    """Set a layer near zero, so that a new coupling hardly changes the image."""
    nn.init.normal_(layer.weight, std=spread / math.sqrt(layer.weight[0].numel()))
    nn.init.zeros_(layer.bias)
    return layer


def pointwise(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """1x1 convolution with a matrix (output, input): on small grids a plain product takes half the time.

    Never in half precision, in which an autocast would do it: it makes pixels and log scales.
    """
    with torch.autocast(inputs.device.type, enabled=False):
        return _pointwise(inputs.to(weight.dtype), weight, bias)


def _pointwise(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    if inputs.shape[-1] > LARGEST_PRODUCT_GRID:
        return functional.conv2d(inputs, weight[:, :, None, None], bias)
    return functional.linear(inputs.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


def bounded(log_scale: torch.Tensor, clamp: float) -> torch.Tensor:
    """Log scale kept smoothly within plus or minus `clamp`."""
    return clamp * torch.tanh(log_scale / clamp)


def by_band(values: torch.Tensor, bands: int) -> torch.Tensor:
    """Sum over the channels of each band: (n, channel, y, x) to (n, band, y, x)."""
    n, channels, y, x = values.shape
    if bands == 1:
        return values.sum(1, keepdim=True)
    return values.reshape(n, channels // bands, bands, y, x).sum(1)


def knows(later: torch.Tensor, earlier: torch.Tensor) -> torch.Tensor:
    """Mask of a matrix (later, earlier) that lets nothing pass from a band to one before it."""
    return (later[:, None] >= earlier[None, :]).float()


class LocalTransform(Transform, abc.ABC):
    """nflows transform of (n, channel, y, x) that defines its log-determinant place by place.

    `context` holds the features of the coarser image, shape (n, feature, y, x). Channel i belongs to
    band i modulo the number of bands, and depends on itself and the bands before alone.
    """

    @abc.abstractmethod
    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs and the log-determinant of each band and place, shape (n, band, y, x)."""

    @abc.abstractmethod
    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `local` was given, and the log-determinant per image, shape (n,)."""

    def forward(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return outputs and log-determinant per image, shape (n,)."""
        outputs, log_det = self.local(inputs, context)
        return outputs, log_det.sum((1, 2, 3))


class ActNorm(LocalTransform):
    """Shift and scale of each channel, set from the first batch to zero mean and unit variance.

    References
    ----------
    Kingma & Dhariwal 2018, arXiv:1807.03039, section 3.1.
    """

    def __init__(self, channels: int, bands: int = 1) -> None:
        super().__init__()
        self.bands = bands
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.awaits_data = False

    def _take(self, inputs: torch.Tensor) -> None:
        """Set shift and scale from a batch."""
        with torch.no_grad():
            deviation, mean = torch.std_mean(inputs, dim=(0, 2, 3), keepdim=True, correction=0)
            self.log_scale.copy_(-torch.log(deviation.clamp_min(LEAST_DEVIATION)))
            self.shift.copy_(-mean)
        self.awaits_data = False

    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        if self.awaits_data:
            self._take(inputs)
        outputs = (inputs + self.shift) * torch.exp(self.log_scale)
        n, _, y, x = inputs.shape
        return outputs, by_band(self.log_scale, self.bands).expand(n, -1, y, x)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        n, _, y, x = inputs.shape
        return inputs * torch.exp(-self.log_scale) - self.shift, (-y * x * self.log_scale.sum()).expand(n)


class Mixing(LocalTransform):
    """Learnt invertible 1x1 convolution: the channels of a band turn by one half and mix, earlier bands add.

    ``lower @ upper`` with the channels sorted by band: `upper` acts within each band, `lower` on all.
    """

    def __init__(self, channels: int, bands: int = 1) -> None:
        super().__init__()
        self.bands = bands
        self.lower = nn.Parameter(torch.zeros(channels, channels))
        self.upper = nn.Parameter(torch.zeros(channels, channels))
        self.log_diagonal = nn.Parameter(torch.zeros(channels))
        each = channels // bands
        order = torch.arange(channels).view(each, bands)
        sorted_band = torch.arange(channels) // each
        # channels sorted by band, and the same with those of each band turned by one half
        self.register_buffer("order", order.T.flatten(), persistent=False)
        self.register_buffer("turned", order.roll(-(each // 2), 0).T.flatten(), persistent=False)
        within = (sorted_band[:, None] == sorted_band[None, :]).float()
        self.register_buffer("within", within.triu(1), persistent=False)

    def _factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Build the unit lower and the upper triangular matrix."""
        identity = torch.eye(len(self.log_diagonal), device=self.lower.device, dtype=self.lower.dtype)
        return self.lower.tril(-1) + identity, self.upper * self.within + torch.diag(
            torch.exp(self.log_diagonal)
        )

    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        lower, upper = self._factors()
        matrix = (lower @ upper)[self.order.argsort()][:, self.turned.argsort()]
        n, _, y, x = inputs.shape
        log_det = self.log_diagonal.view(self.bands, -1).sum(1).view(1, -1, 1, 1)
        return pointwise(inputs, matrix), log_det.expand(n, -1, y, x)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        lower, upper = self._factors()
        n, channels, y, x = inputs.shape
        columns = inputs.transpose(0, 1).reshape(channels, -1)[self.order]
        columns = torch.linalg.solve_triangular(lower, columns, upper=False, unitriangular=True)
        columns = torch.linalg.solve_triangular(upper, columns, upper=True)[self.turned.argsort()]
        outputs = columns.view(channels, n, y, x).transpose(0, 1)
        return outputs, (-y * x * self.log_diagonal.sum()).expand(n)


class ConditionalAffine(LocalTransform):
    """Shift and scale of every channel predicted from the features alone.

    Parameters
    ----------
    channels, features : int
        Channels of the detail and of the features.
    clamp : float
        Bound of the log scale.
    bands : int
    """

    def __init__(self, channels: int, features: int, clamp: float, bands: int = 1) -> None:
        super().__init__()
        self.clamp, self.bands = clamp, bands
        self.head = started_small(nn.Linear(features, 2 * channels))

    def _shift_log_scale(self, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shift, log_scale = pointwise(context, self.head.weight, self.head.bias).chunk(2, dim=1)
        return shift, bounded(log_scale, self.clamp)

    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        shift, log_scale = self._shift_log_scale(context)
        return (inputs + shift) * torch.exp(log_scale), by_band(log_scale, self.bands)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        shift, log_scale = self._shift_log_scale(context)
        return inputs * torch.exp(-log_scale) - shift, -log_scale.sum((1, 2, 3))


class Coupling(LocalTransform):
    """Affine coupling: the last channels change, given the first ones and the features.

    Parameters
    ----------
    channels, features : int
        Channels of the detail (at least 2) and of the features.
    width : int
        Hidden channels of the conditioner.
    kernel : int
        Side of its first convolution: 3, or 1 on a grid of one place.
    clamp : float
        Bound of the log scale.
    bands : int
        Hidden channels are divided among them too: each knows its band and those before.

    References
    ----------
    Dinh, Sohl-Dickstein & Bengio 2017, arXiv:1605.08803, equations 4 to 8; Germain et al. 2015,
    arXiv:1502.03509 (masks).
    """

    def __init__(
        self, channels: int, features: int, width: int, kernel: int, clamp: float, bands: int = 1
    ) -> None:
        super().__init__()
        self.kept = channels // bands // 2 * bands
        self.clamp, self.bands = clamp, bands
        changed = channels - self.kept
        self.from_detail = nn.Conv2d(self.kept, width, kernel, padding=kernel // 2, bias=False)
        self.from_features = nn.Linear(features, width)
        self.head = started_small(nn.Linear(width, 2 * changed))
        if bands > 1:
            hidden = torch.arange(width) % bands
            of_kept, of_head = torch.arange(self.kept) % bands, torch.arange(2 * changed) % bands
            self.register_buffer("to_hidden", knows(hidden, of_kept)[:, :, None, None], persistent=False)
            self.register_buffer("to_head", knows(of_head, hidden), persistent=False)

    def _weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights of the first convolution and of the head, without ways back to earlier bands."""
        if self.bands == 1:
            return self.from_detail.weight, self.head.weight
        return self.from_detail.weight * self.to_hidden, self.head.weight * self.to_head

    def _shift_log_scale(
        self, inputs: torch.Tensor, context: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        detail_weight, head_weight = self._weights()
        kept = inputs[:, : self.kept]
        if self.kept == 1:  # alone it would have no channels-last order, and take four times as long
            kept = inputs
            detail_weight = functional.pad(detail_weight, (0, 0, 0, 0, 0, inputs.shape[1] - 1))
        from_context = pointwise(context, self.from_features.weight, self.from_features.bias)
        seen = functional.conv2d(kept, detail_weight, padding=detail_weight.shape[-1] // 2)
        hidden = functional.silu(seen.add_(from_context), inplace=True)
        shift, log_scale = pointwise(hidden, head_weight, self.head.bias).chunk(2, dim=1)
        return shift, bounded(log_scale, self.clamp)

    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        kept, changed = inputs[:, : self.kept], inputs[:, self.kept :]
        shift, log_scale = self._shift_log_scale(inputs, context)
        outputs = torch.cat([kept, (changed + shift) * torch.exp(log_scale)], dim=1)
        return outputs, by_band(log_scale, self.bands)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        kept, changed = inputs[:, : self.kept], inputs[:, self.kept :]
        shift, log_scale = self._shift_log_scale(inputs, context)
        outputs = torch.cat([kept, changed * torch.exp(-log_scale) - shift], dim=1)
        return outputs, -log_scale.sum((1, 2, 3))


class SpreadNormal(Distribution):
    """Base density: a unit normal with a rare wider one, so that outliers cost little.

    A pixel far off (a cosmic ray, the core of a bright galaxy) would otherwise dominate the score of
    an image quadratically. Share and width of the wide part are learnt for each channel.

    Parameters
    ----------
    channels, bands : int
    """

    def __init__(self, channels: int, bands: int = 1) -> None:
        super().__init__()
        self.bands = bands
        self.logit_share = nn.Parameter(torch.full((1, channels, 1, 1), INITIAL_LOGIT_SHARE))
        self.log_excess = nn.Parameter(torch.full((1, channels, 1, 1), INITIAL_LOG_EXCESS))

    def _parts(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log share of the unit and of the wide part, and log width of the wide part (above zero)."""
        return (
            functional.logsigmoid(-self.logit_share),
            functional.logsigmoid(self.logit_share),
            functional.softplus(self.log_excess),
        )

    def local_log_prob(self, inputs: torch.Tensor) -> torch.Tensor:
        """Log density of (n, channel, y, x), summed over the channels of each band: (n, band, y, x)."""
        log_unit, log_wide, log_width = self._parts()
        energy = inputs.square() * 0.5
        # log(share_1 exp(-e) + share_2 / width exp(-e / width^2)) around the unit part
        ratio = energy * (1 - torch.exp(-2 * log_width)) + (log_wide - log_width - log_unit)
        terms = functional.softplus(ratio) - energy + (log_unit - 0.5 * math.log(2 * math.pi))
        return by_band(terms, self.bands)

    def _log_prob(self, inputs: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        return self.local_log_prob(inputs).sum((1, 2, 3))

    def draw(self, shape: tuple[int, ...], generator: torch.Generator, temperature: float) -> torch.Tensor:
        """Random numbers of shape (n, channel, y, x), scaled by the temperature."""
        _, log_wide, log_width = self._parts()
        device = generator.device
        normal = torch.randn(shape, generator=generator, device=device)
        is_wide = torch.rand(shape, generator=generator, device=device) < torch.exp(log_wide).to(device)
        values = temperature * normal * torch.where(is_wide, torch.exp(log_width).to(device), 1.0)
        return values.to(log_wide)

    def _log_survival(self, values: torch.Tensor) -> torch.Tensor:
        """Log probability above values of at least zero, in float64."""
        log_unit, log_wide, log_width = (part.double() for part in self._parts())
        narrow = log_unit + torch.special.log_ndtr(-values)
        return torch.logaddexp(narrow, log_wide + torch.special.log_ndtr(-values * torch.exp(-log_width)))

    def to_normal(self, inputs: torch.Tensor) -> torch.Tensor:
        """Equal-probability value of a unit normal: what `latents` reports."""
        size = inputs.abs().double()
        target = self._log_survival(size)
        low = size * torch.exp(-self._parts()[2].double())
        return (
            _solve(lambda value: torch.special.log_ndtr(-value), target, low, size)
            .copysign(inputs)
            .to(inputs)
        )

    def from_normal(self, inputs: torch.Tensor) -> torch.Tensor:
        """Undo `to_normal`."""
        size = inputs.abs().double()
        high = size * torch.exp(self._parts()[2].double())
        return (
            _solve(self._log_survival, torch.special.log_ndtr(-size), size, high).copysign(inputs).to(inputs)
        )


def _solve(function: object, target: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Where a falling function meets its target, by halving the bracket."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_above = function(middle) > target
        low, high = torch.where(is_above, middle, low), torch.where(is_above, high, middle)
    return (low + high) / 2
