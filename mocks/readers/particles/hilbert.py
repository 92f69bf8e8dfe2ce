"""Hilbert keys by which RAMSES orders its CPU domains and EAGLE its particles."""

from dataclasses import dataclass

import numpy as np

from mocks.compiled import njit

__all__ = ["GADGET_CURVE", "RAMSES_CURVE", "Curve", "cells_in_sphere", "domains_in_sphere", "hilbert_keys"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One orientation convention of the 3-D Hilbert curve, as tables over its states.

    Parameters
    ----------
    digit : ndarray of int, shape (n_states, 8)
        Place along the curve of each octant (x, y, z bits, x first).
    next : ndarray of int, shape (n_states, 8)
        State within that octant.
    """

    digit: np.ndarray
    next: np.ndarray


# RAMSES orders its CPU domains along this one
RAMSES_CURVE = Curve(
    digit=np.array(
        [
            [0, 1, 3, 2, 7, 6, 4, 5],
            [0, 7, 1, 6, 3, 4, 2, 5],
            [0, 3, 7, 4, 1, 2, 6, 5],
            [2, 3, 1, 0, 5, 4, 6, 7],
            [4, 3, 5, 2, 7, 0, 6, 1],
            [6, 5, 1, 2, 7, 4, 0, 3],
            [4, 7, 3, 0, 5, 6, 2, 1],
            [6, 7, 5, 4, 1, 0, 2, 3],
            [2, 5, 3, 4, 1, 6, 0, 7],
            [2, 1, 5, 6, 3, 0, 4, 7],
            [4, 5, 7, 6, 3, 2, 0, 1],
            [6, 1, 7, 0, 5, 2, 4, 3],
        ]
    ),
    next=np.array(
        [
            [1, 2, 3, 2, 4, 5, 3, 5],
            [2, 6, 0, 7, 8, 8, 0, 7],
            [0, 9, 10, 9, 1, 1, 11, 11],
            [6, 0, 6, 11, 9, 0, 9, 8],
            [11, 11, 0, 7, 5, 9, 0, 7],
            [4, 4, 8, 8, 0, 6, 10, 6],
            [5, 7, 5, 3, 1, 1, 11, 11],
            [6, 1, 6, 10, 9, 4, 9, 10],
            [10, 3, 1, 1, 10, 3, 5, 9],
            [4, 4, 8, 8, 2, 7, 2, 3],
            [7, 2, 11, 2, 7, 5, 8, 5],
            [10, 3, 2, 6, 10, 3, 4, 4],
        ]
    ),
)
# Gadget and EAGLE sort particles along this one
GADGET_CURVE = Curve(
    digit=np.array(
        [
            [0, 7, 1, 6, 3, 4, 2, 5],
            [0, 1, 7, 6, 3, 2, 4, 5],
            [6, 7, 1, 0, 5, 4, 2, 3],
            [0, 3, 1, 2, 7, 4, 6, 5],
            [4, 7, 5, 6, 3, 0, 2, 1],
            [2, 5, 3, 4, 1, 6, 0, 7],
            [0, 1, 3, 2, 7, 6, 4, 5],
            [6, 1, 7, 0, 5, 2, 4, 3],
            [4, 5, 7, 6, 3, 2, 0, 1],
            [2, 3, 5, 4, 1, 0, 6, 7],
            [6, 7, 5, 4, 1, 0, 2, 3],
            [2, 3, 1, 0, 5, 4, 6, 7],
            [4, 5, 3, 2, 7, 6, 0, 1],
            [0, 3, 7, 4, 1, 2, 6, 5],
            [2, 1, 3, 0, 5, 6, 4, 7],
            [6, 5, 1, 2, 7, 4, 0, 3],
            [4, 3, 5, 2, 7, 0, 6, 1],
            [6, 5, 7, 4, 1, 2, 0, 3],
            [4, 7, 3, 0, 5, 6, 2, 1],
            [2, 1, 5, 6, 3, 0, 4, 7],
            [0, 7, 3, 4, 1, 6, 2, 5],
            [6, 1, 5, 2, 7, 0, 4, 3],
            [4, 3, 7, 0, 5, 2, 6, 1],
            [2, 5, 1, 6, 3, 4, 0, 7],
        ]
    ),
    next=np.array(
        [
            [1, 2, 3, 4, 5, 5, 3, 4],
            [0, 6, 7, 8, 9, 6, 9, 8],
            [10, 0, 11, 7, 10, 12, 11, 12],
            [13, 14, 0, 0, 15, 14, 16, 16],
            [17, 18, 0, 0, 17, 19, 16, 16],
            [17, 14, 0, 0, 17, 14, 12, 9],
            [20, 1, 11, 1, 21, 12, 11, 12],
            [17, 14, 1, 2, 17, 14, 16, 16],
            [10, 1, 22, 1, 10, 12, 23, 12],
            [10, 1, 11, 1, 10, 16, 11, 5],
            [2, 20, 2, 8, 9, 21, 9, 8],
            [2, 6, 2, 22, 9, 6, 9, 23],
            [2, 6, 2, 8, 16, 6, 5, 8],
            [3, 19, 17, 19, 20, 20, 22, 22],
            [7, 7, 3, 18, 5, 5, 3, 19],
            [21, 21, 23, 23, 3, 18, 17, 18],
            [7, 7, 3, 4, 12, 9, 3, 4],
            [7, 7, 13, 4, 5, 5, 15, 4],
            [15, 4, 15, 14, 20, 20, 22, 22],
            [21, 21, 23, 23, 13, 4, 13, 14],
            [6, 10, 23, 23, 13, 18, 13, 18],
            [15, 19, 15, 19, 6, 10, 22, 22],
            [21, 21, 8, 11, 13, 18, 13, 18],
            [15, 19, 15, 19, 20, 20, 8, 11],
        ]
    ),
)


@njit
def _keys(cell, bits, digit, following):
    keys = np.zeros(len(cell), dtype=np.int64)
    for i in range(len(cell)):
        state = 0
        for bit in range(bits - 1, -1, -1):
            x, y, z = cell[i, 0] >> bit & 1, cell[i, 1] >> bit & 1, cell[i, 2] >> bit & 1
            octant = x << 2 | y << 1 | z
            keys[i] = keys[i] << 3 | digit[state, octant]
            state = following[state, octant]
    return keys


def hilbert_keys(cell: np.ndarray, bits: int, curve: Curve = RAMSES_CURVE) -> np.ndarray:
    """Place of cells along the Hilbert curve.

    Parameters
    ----------
    cell : ndarray of int, shape (n, 3)
        Indices 0 to ``2**bits - 1``.
    bits : int
        Depth of the grid, at most 20.
    curve : Curve

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    return _keys(np.ascontiguousarray(cell, dtype=np.int64), bits, curve.digit, curve.next)


@njit
def _numbers_in_sphere(centre, radius, side):
    """Cells that a sphere touches as ``(x side + y) side + z``; lengths in cells."""
    reach = min(int(np.ceil(radius)) + 1, side // 2 + 1)
    first = np.floor(centre).astype(np.int64) - reach
    # square distance of the centre from the slab of each cell along each axis
    away = np.zeros((3, 2 * reach + 1))
    for axis in range(3):
        for i in range(2 * reach + 1):
            low = first[axis] + i
            away[axis, i] = max(low - centre[axis], centre[axis] - low - 1.0, 0.0) ** 2
    numbers, count = np.empty((2 * reach + 1) ** 3, dtype=np.int64), 0
    for i in range(2 * reach + 1):
        for j in range(2 * reach + 1):
            for k in range(2 * reach + 1):
                if away[0, i] + away[1, j] + away[2, k] <= radius * radius:
                    x, y, z = (first[0] + i) % side, (first[1] + j) % side, (first[2] + k) % side
                    numbers[count] = (x * side + y) * side + z
                    count += 1
    return numbers[:count]


def cells_in_sphere(centre: np.ndarray, radius: float, side: int) -> np.ndarray:
    """Cells of a periodic grid over the unit box that a sphere touches.

    Parameters
    ----------
    centre : ndarray, shape (3,)
        In box units.
    radius : float
        In box units.
    side : int
        Cells along each axis.

    Returns
    -------
    ndarray of int, shape (n, 3)
        Indices, each cell once.
    """
    number = np.unique(_numbers_in_sphere(np.asarray(centre, dtype=float) * side, radius * side, side))
    return np.stack([number // side**2, number // side % side, number % side], axis=1)


def domains_in_sphere(centre: np.ndarray, radius: float, bounds: np.ndarray, depth: int) -> np.ndarray:
    """CPU domains that touch a sphere in the periodic unit box.

    Parameters
    ----------
    centre : ndarray, shape (3,)
        In box units.
    radius : float
        In box units.
    bounds : ndarray, shape (n_cpu + 1,)
        Hilbert keys at which domains begin, and the last one's end, as listed in the info file.
    depth : int
        Levels of the grid that `bounds` count (levelmax + 1 in RAMSES).

    Returns
    -------
    ndarray of int
        Zero-based CPU numbers.
    """
    # a grid no finer than the sphere needs: at most a few hundred cells cover it
    level = int(np.clip(np.floor(-np.log2(max(2.0 * radius, 2.0**-depth))) + 2, 1, depth))
    cells = cells_in_sphere(centre, radius, 2**level)
    keys = np.unique(hilbert_keys(cells, level)).astype(float)
    scale = 8.0 ** (depth - level)
    first = np.searchsorted(bounds, keys * scale, side="right") - 1
    last = np.searchsorted(bounds, (keys + 1) * scale, side="left") - 1
    wanted = np.zeros(len(bounds) - 1, dtype=bool)
    for low, high in zip(first, last, strict=True):
        wanted[max(low, 0) : high + 1] = True
    return np.flatnonzero(wanted)
