"""The smoothing kernel and its ready-made, pixel-integrated stamps."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["REACH", "Stamps", "cubic_spline", "kernel_share", "spline_stamps", "stamps"]

REACH = (1.5, 3.5, 7.5)
"""Largest support radius [pixels] of stamps of 4, 8 and 16 pixels."""
SIDES = (4, 8, 16)
_SIZES = (24, 24, 24)
_OFFSETS = (16, 8, 8)
_CELLS = 96


def cubic_spline(q: np.ndarray) -> np.ndarray:
    """Cubic spline kernel in two dimensions for a support radius of one, integral one.

    Parameters
    ----------
    q : ndarray
        Distance over support radius.

    Returns
    -------
    ndarray

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
    """Pixel-integrated kernels by size and position within a pixel.

    Attributes
    ----------
    table : ndarray, shape (size, offset, offset, side, side)
        Each stamp sums to 1.
    smallest, step : float
        Support radius of the first size and difference between sizes [pixels].
    """

    table: np.ndarray
    smallest: float
    step: float


@lru_cache(maxsize=3)
def stamps(kind: int) -> Stamps:
    """Stamps of 4, 8 or 16 pixels a side (kind 0, 1, 2) for supports up to ``REACH[kind]``.

    A particle at x (in pixels) has its stamp start at ``floor(x - 1/2) - side / 2 + 1``.
    """
    side, n_size, n_offset = SIDES[kind], _SIZES[kind], _OFFSETS[kind]
    low = 0.0 if kind == 0 else REACH[kind - 1]
    step = (REACH[kind] - low) / n_size
    cells = _cells(_CELLS)
    table = np.empty((n_size, n_offset, n_offset, side, side), np.float32)
    for i in range(n_size):
        reach = low + (i + 0.5) * step
        share = _shares(reach, side, n_offset)
        part = np.einsum("opc,cd->opd", share, cells, optimize=True)
        stamp = np.einsum("opd,uqd->oupq", part, share, optimize=True)
        table[i] = stamp / stamp.sum(axis=(-1, -2), keepdims=True)
    return Stamps(table, low, step)


def _shares(reach: float, side: int, n_offset: int) -> np.ndarray:
    """Overlaps for every offset, shape (offset, side, cells)."""
    offset = (np.arange(n_offset) + 0.5) / n_offset
    return np.stack([_overlap(side / 2 - 0.5 + g - reach, reach, side, _CELLS) for g in offset])


@lru_cache(maxsize=1)
def spline_stamps() -> Stamps:
    """Quadratic B-spline coefficients, 16 a side, of kernels with supports from 3.75 to 7.5 pixels.

    Least-squares fits on quarter pixels; refined and integrated they give the kernel's pixel integrals.
    """
    side, n_size, n_offset, fine = 16, 24, 8, 4
    low, step = REACH[2] / 2, REACH[2] / 2 / n_size
    # Integral of the B-spline of each pixel over every quarter pixel, one pixel of surroundings included.
    edge = np.arange((side + 2) * fine + 1) / fine - 1
    basis = np.diff(_quadratic_integral(edge[:, None] - (np.arange(side) + 0.5)), axis=0)
    inverse = np.linalg.pinv(basis)  # (side, fine pixels)
    table = np.empty((n_size, n_offset, n_offset, side, side), np.float32)
    cells = _cells(_CELLS)
    offset = (np.arange(n_offset) + 0.5) / n_offset
    for i in range(n_size):
        reach = low + (i + 0.5) * step
        start = (side / 2 - 0.5 + offset - reach + 1) * fine
        share = np.stack([_overlap(s, reach * fine, (side + 2) * fine, _CELLS) for s in start])
        solved = np.einsum("sf,ofc->osc", inverse, share, optimize=True)
        part = np.einsum("opc,cd->opd", solved, cells, optimize=True)
        stamp = np.maximum(np.einsum("opd,uqd->oupq", part, solved, optimize=True), 0)  # no negative light
        table[i] = stamp / stamp.sum(axis=(-1, -2), keepdims=True)
    return Stamps(table, low, step)


def _quadratic_integral(x: np.ndarray) -> np.ndarray:
    """Integral from minus infinity of the centred quadratic B-spline."""
    x = np.clip(x, -1.5, 1.5)
    left = (x + 1.5) ** 3 / 6
    middle = 1 / 6 + 0.75 * (x + 0.5) - (x**3 + 0.125) / 3
    right = 1 - (1.5 - x) ** 3 / 6
    return np.where(x < -0.5, left, np.where(x < 0.5, middle, right))
