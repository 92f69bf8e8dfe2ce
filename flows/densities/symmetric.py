"""A wavelet flow that gives the eight turns and mirror images of an image the same density.

The details of a scale are fields (`flows.densities.fields`): differences along x and y are a vector, the
diagonal difference turns like xy. Every layer commutes with the eight symmetries and the base density does
not see them, so one evaluation is worth the eight of an average over orientations.
"""

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from flows.config import FlowConfig
from flows.densities.conditioners import FAINT_GAIN, MODULATION_WIDTH
from flows.densities.fields import Layout, TiedConvolution
from flows.densities.layers import ActNorm, LocalTransform, SpreadNormal, bounded, by_band
from flows.densities.wavelet import FEATURE_CLAMP, LayeredFlow, WaveletFlow

__all__ = ["SymmetricFlow"]

DETAIL = ("vector", "xy")
HIDDEN = ("axes", "diagonals")
PLANES = 8  # of one copy of the hidden fields
NUMBERS = {
    "vector": ("vector", "scalar", "x2-y2", "xy"),
    "xy": ("xy", "scalar"),
    "scalar": ("scalar", "scalar"),
}
"""What an affine map of a field takes: a shift, a log scale and, for a vector, the two parts of a shear."""
TINY = 1e-12  # keeps the square root of a shear differentiable at zero


def hidden_layout(width: int, bands: int = 1, field: tuple[str, ...] = HIDDEN) -> Layout:
    """Fields of about `width` channels, at least one of each for every band."""
    planes = PLANES if field == HIDDEN else 1
    return Layout(field, max(bands, math.ceil(width / planes)), bands)


def numbers_layout(fields: tuple[str, ...], bands: int) -> Layout:
    """Layout of the numbers that `affine` takes for these fields."""
    return Layout(tuple(name for field in fields for name in NUMBERS[field]), bands, bands)


def affine(
    values: torch.Tensor,
    numbers: torch.Tensor,
    fields: tuple[str, ...],
    bands: int,
    clamp: float,
    *,
    back: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift and scale fields, or undo that; with the log-determinant of the way forward.

    A vector is multiplied by the exponential of a symmetric matrix, [[a + b, c], [c, a - b]].

    Parameters
    ----------
    values : Tensor, shape (n, channel, y, x)
    numbers : Tensor, shape (n, number, y, x)
        Laid out as `numbers_layout`.
    fields : tuple of str
    bands : int
    clamp : float
        Bound of a, of hypot(b, c), and of the log scale of other fields.
    back : bool

    Returns
    -------
    Tensor, shape (n, channel, y, x)
    Tensor, shape (n, band, y, x)
    """
    blocks, log_det = [], 0
    numbers = iter(numbers.split(bands, dim=1))
    planes = iter(values.split(bands, dim=1))
    for field in fields:
        if field == "vector":
            block, nats = _affine_vector(planes, numbers, clamp, back)
        else:
            value, shift, nats = next(planes), next(numbers), bounded(next(numbers), clamp)
            block = [value * torch.exp(-nats) - shift if back else (value + shift) * torch.exp(nats)]
        blocks += block
        log_det = log_det + nats
    return torch.cat(blocks, dim=1), log_det


def _affine_vector(
    planes: Iterator[torch.Tensor], numbers: Iterator[torch.Tensor], clamp: float, back: bool
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Both planes of a vector, moved, and the log-determinant."""
    x, y = next(planes), next(planes)
    shift_x, shift_y, scale, along, across = (next(numbers) for _ in range(5))
    scale = bounded(scale, clamp)
    shear = torch.sqrt(along.square() + across.square() + TINY)
    stretch = bounded(shear, clamp)
    gain = torch.exp(-scale if back else scale)
    even, odd = gain * torch.cosh(stretch), gain * torch.sinh(-stretch if back else stretch) / shear
    along, across = odd * along, odd * across
    if not back:
        x, y = x + shift_x, y + shift_y
    x, y = (even + along) * x + across * y, across * x + (even - along) * y
    return [x - shift_x, y - shift_y] if back else [x, y], 2 * scale


class FieldNorm(ActNorm):
    """Scale of each field, and shift of scalars alone, set from the first batch."""

    def __init__(self, fields: tuple[str, ...], bands: int) -> None:
        layout = Layout(fields, bands, bands)
        super().__init__(layout.n_fields, bands)
        self.register_buffer("field", torch.as_tensor(layout.field), persistent=False)
        self.has_shift = fields == ("scalar",)
        if not self.has_shift:
            del self.shift

    def _take(self, inputs: torch.Tensor) -> None:
        """Set scale, and shift, from a batch."""
        with torch.no_grad():
            mean = inputs.mean((0, 2, 3)) if self.has_shift else torch.zeros_like(inputs[0, :, 0, 0])
            power = (inputs - mean[:, None, None]).square().mean((0, 2, 3))
            for number in range(self.log_scale.shape[1]):
                own = power[self.field == number].mean().clamp_min(1e-12)
                self.log_scale[0, number] = -0.5 * torch.log(own)
            if self.has_shift:
                self.shift[0, :, 0, 0] = -mean
        self.awaits_data = False

    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        if self.awaits_data:
            self._take(inputs)
        log_scale = self.log_scale[:, self.field]
        outputs = (inputs + self.shift if self.has_shift else inputs) * torch.exp(log_scale)
        n, _, y, x = inputs.shape
        return outputs, by_band(log_scale, self.bands).expand(n, -1, y, x)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        n, _, y, x = inputs.shape
        log_scale = self.log_scale[:, self.field]
        outputs = inputs * torch.exp(-log_scale)
        return outputs - self.shift if self.has_shift else outputs, (-y * x * log_scale.sum()).expand(n)


class FieldAffine(LocalTransform):
    """Shift and scale of every field, predicted from the features alone.

    Parameters
    ----------
    fields : tuple of str
    features : Layout
    bands : int
    """

    def __init__(self, fields: tuple[str, ...], features: Layout, bands: int) -> None:
        super().__init__()
        self.fields, self.bands = fields, bands
        self.head = TiedConvolution(features, numbers_layout(fields, bands), small=True)

    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        return affine(inputs, self.head(context), self.fields, self.bands, FEATURE_CLAMP)

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`."""
        outputs, log_det = affine(
            inputs, self.head(context), self.fields, self.bands, FEATURE_CLAMP, back=True
        )
        return outputs, -log_det.sum((1, 2, 3))


class FieldCoupling(LocalTransform):
    """Affine coupling: one field of each band changes, given the other one and the features.

    Where every field changes, it does so given the bands before.

    Parameters
    ----------
    fields : tuple of str
        Of the detail.
    changed : str, optional
        The one that changes; every one if missing.
    features : Layout
    hidden : Layout
    kernel : int
        Side of the convolution of the detail: 3, or 1 on a grid of one place.
    clamp : float
    """

    def __init__(
        self,
        fields: tuple[str, ...],
        changed: str | None,
        features: Layout,
        hidden: Layout,
        kernel: int,
        clamp: float,
    ) -> None:
        super().__init__()
        self.bands, self.clamp, self.by_band = hidden.bands, clamp, changed is None
        bands, self.changed = hidden.bands, fields if changed is None else (changed,)
        kept = tuple(name for name in fields if name != changed)
        sizes = [Layout((name,), bands).channels for name in fields]
        self.sizes = sizes if changed is not None else [sum(sizes)]
        self.first = changed == fields[0]
        self.from_detail = TiedConvolution(Layout(kept, bands, bands), hidden, kernel, lag=0, bias=False)
        self.from_features = TiedConvolution(features, hidden)
        self.head = TiedConvolution(
            hidden, numbers_layout(self.changed, bands), lag=int(self.by_band), small=True
        )

    def _numbers(self, inputs: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Shift and log scale of what changes; what changes has no weight in the convolution."""
        weight = self.from_detail.full_weight()
        if not self.by_band:  # the whole detail, as one channel alone would have no channels-last order
            before, after = (self.sizes[0], 0) if self.first else (0, self.sizes[1])
            weight = functional.pad(weight, (0, 0, 0, 0, before, after))
        seen = functional.conv2d(inputs, weight, padding=weight.shape[-1] // 2)
        return self.head(functional.silu(seen.add_(self.from_features(context)), inplace=True))

    def _parts(self, inputs: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor]:
        """Split a detail into what stays and what changes."""
        if self.by_band:
            return None, inputs
        first, second = inputs.split(self.sizes, dim=1)
        return (second, first) if self.first else (first, second)

    def _joined(self, kept: torch.Tensor | None, changed: torch.Tensor) -> torch.Tensor:
        if kept is None:
            return changed
        return torch.cat([changed, kept] if self.first else [kept, changed], dim=1)

    def local(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map forward, place by place."""
        kept, changed = self._parts(inputs)
        changed, log_det = affine(
            changed, self._numbers(inputs, context), self.changed, self.bands, self.clamp
        )
        return self._joined(kept, changed), log_det

    def inverse(
        self, inputs: torch.Tensor, context: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Undo `local`; band by band where a band depends on those before."""
        kept, target = self._parts(inputs)
        outputs = inputs
        for _ in range(self.bands if self.by_band else 1):
            numbers = self._numbers(outputs, context)
            changed, log_det = affine(target, numbers, self.changed, self.bands, self.clamp, back=True)
            outputs = self._joined(kept, changed)
        return outputs, -log_det.sum((1, 2, 3))


class FieldNormal(SpreadNormal):
    """Base density that is the same for all planes of a field."""

    def __init__(self, fields: tuple[str, ...], bands: int) -> None:
        layout = Layout(fields, bands, bands)
        super().__init__(layout.n_fields, bands)
        self.register_buffer("field", torch.as_tensor(layout.field), persistent=False)

    def _parts(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return tuple(part[:, self.field] for part in super()._parts())


class SymmetricConditioner(nn.Module):
    """Features of the coarser image and the context, as `WaveletConditioner`, in fields that turn with it.

    Parameters
    ----------
    n_bands, width, n_context, grid, level, dropout
        As there; `width` is rounded up to eights.
    """

    def __init__(
        self, n_bands: int, width: int, n_context: int, grid: int, level: int, dropout: float
    ) -> None:
        super().__init__()
        self.unit = 2.0**-level  # the Haar average is 2^level times the mean pixel
        kernel = 3 if grid > 1 else 1
        hidden = hidden_layout(width)
        self.first = TiedConvolution(Layout(("scalar",), 2 * n_bands + 1), hidden, kernel)
        self.second = TiedConvolution(hidden, hidden, kernel)
        self.whole = TiedConvolution(hidden, hidden)
        self.dropout = nn.Dropout2d(dropout)
        self.n_fields = hidden.n_fields
        self.register_buffer("field", torch.as_tensor(hidden.field), persistent=False)
        if n_context:
            self.modulation = nn.Sequential(
                nn.Linear(n_context, MODULATION_WIDTH),
                nn.SiLU(),
                nn.Linear(MODULATION_WIDTH, 2 * self.n_fields),
            )
        centre = torch.arange(grid) - (grid - 1) / 2
        radius = torch.hypot(centre[:, None], centre[None, :]) / max(grid / 2, 1)
        self.register_buffer("radius", radius[None, None], persistent=False)

    def forward(self, coarse: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Features (n, hidden, y, x) of a coarser image (n, band, y, x)."""
        mean = coarse * self.unit
        planes = [mean, torch.tanh(FAINT_GAIN * mean), self.radius.expand(len(mean), -1, -1, -1)]
        inputs = torch.cat(planes, dim=1).contiguous(memory_format=torch.channels_last)
        hidden = functional.silu(self.first(inputs), inplace=True)
        whole = self.whole(hidden.mean((2, 3), keepdim=True))
        if context is not None:
            scale, shift = self.modulation(context)[:, :, None, None].chunk(2, dim=1)
            hidden = hidden * (1 + scale[:, self.field])
            whole = whole + shift[:, self.field]
        hidden = functional.silu(self.second(hidden) + whole, inplace=True)
        if self.training and self.dropout.p:  # whole fields, so that training sees all orientations alike
            share = self.dropout(hidden.new_ones(len(hidden), self.n_fields, 1, 1))
            hidden = hidden * share[:, self.field]
        return hidden


class SymmetricFlow(WaveletFlow):
    """Haar pyramid, down to a single place, of flows that commute with the eight symmetries.

    Scales coarser than ``config.coarsest`` are told as one, as in `WaveletFlow`.

    Parameters
    ----------
    config : FlowConfig
        Widths are rounded up to eights; a step is a coupling of the vector or of the diagonal difference,
        in turn.
    """

    is_symmetric = True

    def __init__(self, config: FlowConfig) -> None:
        self.n_told = int(math.log2(config.size // config.coarsest))
        super().__init__(config.replace(coarsest=1), SymmetricConditioner)

    def _detail_flow(self, level: int, grid: int) -> LayeredFlow:
        config, bands = self.config, self.config.n_bands
        width, kernel = config.at_scale("widths", level), 3 if grid > 1 else 1
        features, hidden = hidden_layout(width), hidden_layout(width, bands)
        layers = [FieldNorm(DETAIL, bands), FieldAffine(DETAIL, features, bands)]
        changes = [DETAIL[step % 2] for step in range(config.at_scale("steps", level))]
        for changed in [None, *changes] if bands > 1 else changes:
            layers.append(FieldCoupling(DETAIL, changed, features, hidden, kernel, config.clamp))
        return LayeredFlow(layers, FieldNormal(DETAIL, bands), 3 * bands)

    def _coarsest_flow(self) -> LayeredFlow:
        config, bands, fields = self.config, self.config.n_bands, ("scalar",)
        width = config.at_scale("widths", self.n_levels)
        features, hidden = Layout(fields, width), hidden_layout(width, bands, fields)
        layers = [FieldNorm(fields, bands), FieldAffine(fields, features, bands)]
        if bands > 1:
            layers.append(FieldCoupling(fields, None, features, hidden, 1, config.clamp))
        return LayeredFlow(layers, FieldNormal(fields, bands), bands)

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Pixel sizes that each scale's detail separates, finest first, then the coarsest image."""
        return (*super().scale_names[: self.n_told], f"pixels {2**self.n_told} and more")

    @property
    def scale_dims(self) -> tuple[int, ...]:
        """Number of coefficients of each scale; they sum to the number of pixel values."""
        dims = super().scale_dims
        return (*dims[: self.n_told], sum(dims[self.n_told :]))

    def scale_of(self, parameter_name: str) -> int:
        """Scale a named parameter belongs to."""
        return min(super().scale_of(parameter_name), self.n_told)

    def terms(self, images: torch.Tensor, context: torch.Tensor | None) -> list[torch.Tensor]:
        """Nats of each scale, band and place: list of (n, band, y, x), finest scale first."""
        terms = super().terms(images, context)
        coarsest = sum(term.sum((2, 3), keepdim=True) for term in terms[self.n_told :])
        return [*terms[: self.n_told], coarsest]
