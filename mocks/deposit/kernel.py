"""The smoothing kernel and its ready-made, pixel-integrated stamps."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["PAD", "REACH", "Stamps", "cubic_spline", "kernel_share", "stamps"]

REACH = np.array([2.4, 5.5])
"""Largest support radius [pixels] of stamps of 4 and 8 pixels.

Up to 2 % of the light of the widest would fall beside their stamp; the pixels within share it.
"""
PAD = 10
"""Pixels around a grid, even: at least 4, half a stamp, more than the widest support."""
_SIDES = (4, 8, 8)
_OFFSETS = 32
_SIZES = 32
_CELLS = 192


def cubic_spline(q: np.ndarray) -> np.ndarray:
    """Cubic spline kernel in two dimensions for a support radius of one, integral one.

    Parameters
    ----------
    q : ndarray
        Distance over support radius.

    References
    ----------
    Monaghan & Lattanzio 1985, A&A 149, 135, normalised in the plane.
    """
    q = np.asarray(q, float)
    inner = 1 - 6 * q**2 + 6 * q**3
    outer = 2 * (1 - np.clip(q, 0, 1)) ** 3
    return 40 / (7 * np.pi) * np.where(q < 0.5, inner, outer)


@lru_cache(maxsize=4)
def _cells(n: int) -> np.ndarray:
    """Kernel integrated over n x n cells of its bounding square, sum exactly 1."""
    node, weight = np.polynomial.legendre.leggauss(4)
    axis = ((np.arange(n)[:, None] + (node + 1) / 2) / n * 2 - 1).ravel()
    values = cubic_spline(np.hypot(axis[:, None], axis)).reshape(n, 4, n, 4)
    cells = np.einsum("iajb,a,b->ij", values, weight, weight)
    return cells / cells.sum()


def _overlap(start: float, reach: float, side: int, n: int) -> np.ndarray:
    """Share of each of n cells across a kernel that lies in each of ``side`` pixels, shape (side, n)."""
    edge = start + np.linspace(0, 2 * reach, n + 1)
    low = np.maximum(edge[:-1], np.arange(side)[:, None])
    high = np.minimum(edge[1:], np.arange(side)[:, None] + 1)
    return np.maximum(high - low, 0) / (2 * reach / n)


def kernel_share(x: float, y: float, reach: float, shape: tuple[int, int], cells: int = 256) -> np.ndarray:
    """Exact share of one particle's light in every pixel, by area-split cells of its kernel.

    Parameters
    ----------
    x, y : float
        Position in pixels from the lower left corner of the image.
    reach : float
        Support radius [pixels], positive.
    shape : tuple of int
        (n_y, n_x).
    cells : int
        Cells across the kernel; the error falls as its inverse square.

    Returns
    -------
    ndarray, shape (n_y, n_x)
        Sums to the share inside the image.
    """
    rows = _overlap(y - reach, reach, shape[0], cells)
    columns = _overlap(x - reach, reach, shape[1], cells)
    return rows @ _cells(cells) @ columns.T


class Stamps(NamedTuple):
    """Pixel-integrated kernels by size and position within a pixel, each as two factors along an axis.

    The stamp of a particle is ``p[y] * q[x] + q[y] * p[x]``, see ``_factors``, and sums to one.

    Attributes
    ----------
    table : ndarray, shape (size * offset * 2 * side,)
        Factors p and q, one after the other, by size and offset.
    side : int
        Pixels of a stamp along an axis.
    n_size, n_offset : int
    smallest : float
        Support radius at which the sizes begin [pixels].
    per_pixel : float
        Sizes in a pixel of support radius.
    """

    table: np.ndarray
    side: int
    n_size: int
    n_offset: int
    smallest: float
    per_pixel: float


@lru_cache(maxsize=1)
def _factors() -> np.ndarray:
    """Two non-negative functions p, q along an axis with p(x) q(y) + q(x) p(y) nearly the kernel.

    Shape (2, cells), each with sum sqrt(1/2). Any one product puts 2 % of the light elsewhere, for the kernel
    is rounder than that; this sum puts 0.4 %. Least squares, for p and q in turns.
    """
    kernel = _cells(_CELLS)
    p, q = kernel.sum(axis=0), kernel.sum(axis=0) ** 2
    for _ in range(200):
        norm, target = q @ q, kernel @ q
        p, q = q, np.maximum(target - q * (q @ target) / (2 * norm), 0) / norm
    return np.stack([p / p.sum(), q / q.sum()]) * np.sqrt(0.5)


def _integrals(reach: np.ndarray, offset: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Factors of kernels centred at ``offset`` between edges, shape (size, offset, 2, edges - 1)."""
    place = (edge - offset[:, None]) / reach[:, None, None]
    below = np.linspace(-1, 1, _CELLS + 1)
    grown = [np.interp(place, below, np.concatenate([[0], np.cumsum(p)])) for p in _factors()]
    return np.diff(np.stack(grown, axis=2))


@lru_cache(maxsize=1)
def stamps() -> tuple[Stamps, ...]:
    """Stamps of three kinds.

    The first two are pixel integrals for supports up to ``REACH``, the last holds coefficients of quadratic
    B-splines for supports from half of the largest ``REACH`` to the whole. A particle at u, counted in pixels
    from the centre of pixel 0, has its stamp start at pixel ``floor(u) - side / 2 + 1``.
    """
    largest = np.append(REACH, REACH[-1])
    smallest = np.array([0, *REACH[:-1], REACH[-1] / 2])
    step = (largest - smallest) / _SIZES
    levels = []
    for kind, side in enumerate(_SIDES):
        reach = smallest[kind] + (np.arange(_SIZES) + 0.5) * step[kind]
        centre = side / 2 - 0.5 + (np.arange(_OFFSETS) + 0.5) / _OFFSETS
        if kind < len(REACH):
            table = _integrals(reach, centre, np.arange(side + 1.0))
        else:
            table = _spline_coefficients(reach, centre, side)
        table *= np.sqrt(0.5) / table.sum(axis=-1, keepdims=True)
        levels.append(
            Stamps(table.ravel(), side, _SIZES, _OFFSETS, float(smallest[kind]), float(1 / step[kind]))
        )
    return tuple(levels)


def _spline_coefficients(reach: np.ndarray, centre: np.ndarray, side: int) -> np.ndarray:
    """Quadratic B-splines that integrate to the factors on quarter pixels, shape (size, offset, 2, side).

    By the multiplicative rule of Richardson and Lucy, which keeps coefficients positive and their sum.
    """
    edge = np.arange((side + 2) * 4 + 1) / 4 - 1
    basis = np.diff(_quadratic_integral(edge[:, None] - (np.arange(side) + 0.5)), axis=0)
    target = _integrals(reach, centre, edge)
    coefficients = np.full((*target.shape[:-1], side), np.sqrt(0.5) / side)
    for _ in range(100):
        coefficients *= (target / np.maximum(coefficients @ basis.T, 1e-300)) @ basis
    coefficients[coefficients < 1e-12] = 0  # numbers next to nothing are slow to calculate with
    return coefficients


def _quadratic_integral(x: np.ndarray) -> np.ndarray:
    """Integral from minus infinity of the centred quadratic B-spline."""
    x = np.clip(x, -1.5, 1.5)
    left = (x + 1.5) ** 3 / 6
    middle = 1 / 6 + 0.75 * (x + 0.5) - (x**3 + 0.125) / 3
    right = 1 - (1.5 - x) ** 3 / 6
    return np.where(x < -0.5, left, np.where(x < 0.5, middle, right))
