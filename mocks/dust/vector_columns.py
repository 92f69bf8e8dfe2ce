"""Gas in front of every star, in vector instructions: the fast backend of ``columns``."""

from typing import NamedTuple

import numpy as np

from mocks.compiled import njit
from mocks.deposit.kernel import PAD, stamps
from mocks.deposit.vector_patches import Grid, add_4, add_8

__all__ = ["sweep"]


@njit
def _read(grid, n_y, n_x, u, v, smooth, out):
    """Add the value of every quantity at a point: bilinear, or a quadratic spline where ``smooth``."""
    column, row = int(np.floor(u)), int(np.floor(v))
    s, t = u - column, v - row
    if smooth:  # nearest centre and its two neighbours
        column, row = int(np.floor(u + 0.5)) - 1, int(np.floor(v + 0.5)) - 1
        s, t = u - column - 1, v - row - 1
    if column < 0 or row < 0 or column + 2 >= n_x or row + 2 >= n_y:
        return
    wx, wy = np.zeros(3), np.zeros(3)
    if smooth:
        wx[0], wx[1], wx[2] = (0.5 - s) ** 2 / 2, 0.75 - s * s, (0.5 + s) ** 2 / 2
        wy[0], wy[1], wy[2] = (0.5 - t) ** 2 / 2, 0.75 - t * t, (0.5 + t) ** 2 / 2
    else:
        wx[0], wx[1], wy[0], wy[1] = 1 - s, s, 1 - t, t
    for q in range(len(out)):
        for a in range(3):
            for b in range(3):
                out[q] += wy[a] * wx[b] * grid[q, (row + a) * n_x + column + b]


class _Gas(NamedTuple):
    """``columns.GasStamps`` as numba takes it."""

    level: np.ndarray
    kind: np.ndarray
    reach: np.ndarray
    weight: np.ndarray


@njit
def _sweep(order, x, y, n_star, gas, shapes, stamps, quantities):
    """Go from the front to the back: gas fills the grids, stars read them."""
    n_quantity = gas.weight.shape[1]
    start = np.zeros(len(shapes) + 1, np.int64)
    for k in range(len(shapes)):
        start[k + 1] = start[k] + shapes[k, 0] * shapes[k, 1]
    grids = np.zeros((n_quantity, start[-1]))
    flat = grids.reshape(-1)
    column = np.zeros((n_star, n_quantity))
    for i in order:
        if i < n_star:
            for k in range(len(shapes)):
                n_y, n_x = shapes[k]
                u, v = x[i] / 2**k + (PAD - 0.5), y[i] / 2**k + (PAD - 0.5)
                part = np.zeros(n_quantity)
                _read(grids[:, start[k] : start[k + 1]], n_y, n_x, u, v, k > 0, part)
                column[i] += part / 4.0**k
        else:
            j = i - n_star
            k = gas.level[j]
            n_y, n_x = shapes[k]
            grid = Grid(flat, start[k], start[-1], n_y, n_x)
            place = x[i] / 2**k + (PAD - 0.5), y[i] / 2**k + (PAD - 0.5), gas.reach[j] / 2**k
            if gas.kind[j] == 0:
                add_4(grid, place, stamps[gas.kind[j]], gas.weight, j, 0, quantities)
            else:
                add_8(grid, place, stamps[gas.kind[j]], gas.weight, j, 0, quantities)
    return column


def sweep(order, place, n_star, gas, shapes):
    """Sum up what is in front of every star; as ``columns.BACKENDS``."""
    x, y = np.ascontiguousarray(place.T)
    return _sweep(order, x, y, n_star, _Gas(*gas), shapes, stamps(), (0.0,) * gas.weight.shape[1])
