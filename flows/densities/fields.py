"""Planes that turn with the image, and linear maps that turn with them.

When an image is turned or mirrored some planes only move with it (a scalar), some also change sign (a
diagonal difference), some change places (differences along x and y). Here such planes are *fields*, on which
each of the eight symmetries acts by a permutation with signs, and a convolution between fields is held to
commute with all eight by tying the entries of its kernel.

References
----------
Cohen & Welling 2016, arXiv:1602.07576; 2017, arXiv:1612.08498 (steerable convolutions).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from flows.densities.layers import pointwise
from flows.symmetry import N_SYMMETRIES, apply_symmetry

__all__ = ["Layout", "TiedConvolution"]


def _matrices() -> np.ndarray:
    """Where each symmetry takes the vector (x, y): signed permutations, shape (8, 2, 2)."""
    y, x = np.mgrid[-1:2, -1:2]
    matrices = []
    for number in range(N_SYMMETRIES):
        # at place p the turned image shows what was at q; the row of q's coordinate in p
        came_from = [[turned[1, 2], turned[2, 1]] for turned in (apply_symmetry(c, number) for c in (x, y))]
        matrices.append(np.transpose(came_from))  # the inverse of a turn is its transpose
    return np.array(matrices)


def _directions(first: tuple[int, int]) -> np.ndarray:
    """Permutation matrices of all directions that the symmetries make of one, shape (8, n, n)."""
    turned = MATRICES @ np.array(first)
    points = np.unique(turned, axis=0)
    moved = np.einsum("gij,pj->gpi", MATRICES, points)
    return (moved[:, None, :, :] == points[None, :, None, :]).all(-1).astype(int)  # (8, to, from)


MATRICES = _matrices()
FIELDS: dict[str, np.ndarray] = {
    "scalar": np.ones((N_SYMMETRIES, 1, 1), int),
    "xy": MATRICES.sum(2).prod(1)[:, None, None],
    "x2-y2": np.where(MATRICES[:, 0, 0] == 0, -1, 1)[:, None, None],
    "vector": MATRICES,
    "axes": _directions((1, 0)),
    "diagonals": _directions((1, 1)),
}
"""Matrices (8, n, n) by which the symmetries, in the order of `flows.symmetry`, act on a field's planes."""


@dataclass(frozen=True)
class Layout:
    """Which fields the channels of an array hold, each once for every band or copy.

    Channels go through the planes of a field, and within a plane through its copies; copy c belongs to band
    c modulo the number of bands.

    Parameters
    ----------
    fields : tuple of str
        Names in `FIELDS`.
    copies : int
    bands : int
    """

    fields: tuple[str, ...]
    copies: int = 1
    bands: int = 1

    @cached_property
    def matrices(self) -> np.ndarray:
        """How the symmetries act on the channels, shape (8, channel, channel)."""
        result = np.zeros((N_SYMMETRIES, self.channels, self.channels), int)
        start = 0
        for name in self.fields:
            block = np.kron(FIELDS[name], np.eye(self.copies, dtype=int))
            stop = start + block.shape[1]
            result[:, start:stop, start:stop] = block
            start = stop
        return result

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.copies * sum(FIELDS[name].shape[1] for name in self.fields)

    @property
    def band(self) -> np.ndarray:
        """Band of each channel."""
        return np.arange(self.channels) % self.copies % self.bands

    @property
    def n_fields(self) -> int:
        """Number of fields, copies counted."""
        return len(self.fields) * self.copies

    @property
    def field(self) -> np.ndarray:
        """Number of the field, copies counted, that each channel is a plane of."""
        numbers = [
            np.tile(np.arange(self.copies) + i * self.copies, FIELDS[name].shape[1])
            for i, name in enumerate(self.fields)
        ]
        return np.concatenate(numbers)


SCALAR = Layout(("scalar",))


def _orbits(inputs: Layout, outputs: Layout, kernel: int, lag: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Free weight behind each entry of a kernel, and the entry's sign (0: no weight can stand there).

    A kernel commutes with a symmetry if turning it, and its channels with it, gives it back.
    """
    shape = (outputs.channels, inputs.channels, kernel, kernel)
    number = np.arange(1, math.prod(shape) + 1).reshape(shape)
    moved = np.stack(
        [
            np.einsum("ab,bdyx,cd->acyx", outputs.matrices[g], apply_symmetry(number, g), inputs.matrices[g])
            for g in range(N_SYMMETRIES)
        ]
    )  # signed numbers of the entries that come to stand here
    size = np.abs(moved)
    first = size.min(0)
    is_first = size == first
    positive, negative = ((is_first & (moved * side > 0)).any(0) for side in (1, -1))
    sign = np.where(positive & negative, 0, np.where(positive, 1, -1))
    if lag is not None:  # nothing passes from a band to one before it
        sign = sign * (outputs.band[:, None] - inputs.band[None, :] >= lag)[:, :, None, None]
    free = np.unique(first[sign != 0])
    index = np.where(sign != 0, np.searchsorted(free, first), 0)
    return index, sign


class TiedConvolution(nn.Module):
    """Convolution of fields that commutes with the eight symmetries.

    Parameters
    ----------
    inputs, outputs : Layout
    kernel : int
        Odd side; the edge is padded with zeros.
    lag : int, optional
        Let outputs of a band depend on inputs of bands at least so many before it alone: 0 includes its own.
    small : bool
        Start near zero, for the last layer of a coupling.
    bias : bool
        Add a constant to the outputs where one commutes: to scalars, axes and diagonals.

    Raises
    ------
    ValueError
        Where symmetry leaves no weight at all.
    """

    def __init__(
        self,
        inputs: Layout,
        outputs: Layout,
        kernel: int = 1,
        *,
        lag: int | None = None,
        small: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        index, sign = _orbits(inputs, outputs, kernel, lag)
        if not sign.any():
            raise ValueError(
                f"no linear map from fields {', '.join(inputs.fields)} to {', '.join(outputs.fields)} "
                f"commutes with the symmetries at kernel {kernel}; use a larger kernel or other fields."
            )
        self.register_buffer("index", torch.as_tensor(index), persistent=False)
        self.register_buffer("sign", torch.as_tensor(sign, dtype=torch.float32), persistent=False)
        place, bias_sign = _orbits(SCALAR, outputs, 1, None)
        self.register_buffer("bias_index", torch.as_tensor(place.ravel()), persistent=False)
        self.register_buffer(
            "bias_sign", torch.as_tensor(bias_sign.ravel(), dtype=torch.float32), persistent=False
        )
        fan_in = max(1.0, float(np.abs(sign).sum((1, 2, 3)).mean()))
        spread = 0.01 / math.sqrt(fan_in) if small else math.sqrt(1 / 3 / fan_in)
        self.weight = nn.Parameter(
            spread * torch.randn(int(index.max()) + 1, 1)
        )  # a matrix, so that it decays
        has_bias = bias and bias_sign.any()
        self.bias = nn.Parameter(torch.zeros(int(place.max()) + 1)) if has_bias else None

    def full_weight(self) -> torch.Tensor:
        """Kernel with every entry in its place, shape (output, input, y, x)."""
        weight = self.weight[:, 0][self.index] * self.sign.to(self.weight.dtype)
        return weight.contiguous(memory_format=torch.channels_last)

    def full_bias(self) -> torch.Tensor | None:
        """Bias of each output channel; None where no constant commutes."""
        return None if self.bias is None else self.bias[self.bias_index] * self.bias_sign.to(self.bias.dtype)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (n, input, y, x) to (n, output, y, x); one place each in full precision if the kernel is 1."""
        weight, bias = self.full_weight(), self.full_bias()
        if weight.shape[-1] == 1:
            return pointwise(inputs, weight[:, :, 0, 0], bias)
        return functional.conv2d(inputs, weight, bias, padding=weight.shape[-1] // 2)
