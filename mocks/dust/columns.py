"""What lies between each star and the observer: surface density of gas in front of it."""

from typing import NamedTuple

import numpy as np

from mocks.deposit.backends import compute
from mocks.deposit.kernel import PAD, REACH, stamps
from mocks.deposit.particles import stamp_shares

__all__ = ["BACKENDS", "GasStamps", "column_in_front"]

MOST_CELLS = 1024
"""Cells along a side of the grid; its side is a galaxy's, so that they are finer than its gas particles."""


class GasStamps(NamedTuple):
    """How gas particles are added to the grids.

    Attributes
    ----------
    level : ndarray of int, shape (m,)
        Grid of each particle: cells are ``2**level`` wide.
    kind : ndarray of int, shape (m,)
        Index of its stamps.
    reach : ndarray, shape (m,)
        Support radius of its kernel [cells of level 0].
    weight : ndarray, shape (m, quantity)
    """

    level: np.ndarray
    kind: np.ndarray
    reach: np.ndarray
    weight: np.ndarray


def _vector(order, place, n_star, gas, shapes):
    """In vector instructions."""
    from mocks.dust.vector_columns import sweep  # may fail, and plain code serves without

    return sweep(order, place, n_star, gas, shapes)


def _plain(order, place, n_star, gas, shapes):
    """Go from the front to the back: gas fills the grids, stars read them, particle by particle."""
    grids = [np.zeros((gas.weight.shape[1], *shape)) for shape in shapes]
    in_front = np.zeros((n_star, gas.weight.shape[1]))
    of_gas = [_gas_stamps(place[n_star:], gas, kind) for kind in range(len(stamps()))]
    for i in order:
        if i < n_star:
            for level, grid in enumerate(grids):
                in_front[i] += _value(grid, place[i] / 2**level + (PAD - 0.5), level > 0) / 4.0**level
        else:
            j = i - n_star
            corner, shares = of_gas[gas.kind[j]]
            (column, row), share, grid = corner[j], shares[j], grids[gas.level[j]]
            side = len(share)
            if min(column, row) >= 0 and column + side <= grid.shape[2] and row + side <= grid.shape[1]:
                target = grid[:, row : row + side, column : column + side]
                target += gas.weight[j][:, None, None] * share
    return in_front


def _gas_stamps(place, gas, kind):
    """Corner (x, y) and stamp of each gas particle of a kind, by its number."""
    rows = np.flatnonzero(gas.kind == kind)
    scale = 0.5 ** gas.level[rows]
    u, v = (place[rows] * scale[:, None] + (PAD - 0.5)).T
    column, row, share = stamp_shares(stamps()[kind], u, v, gas.reach[rows] * scale)
    corner = np.stack([column, row], axis=1)
    return dict(zip(rows, corner, strict=True)), dict(zip(rows, share, strict=True))


def _value(grid, place, smooth):
    """Every quantity of a grid at a point (u, v): bilinear, or a quadratic spline where ``smooth``."""
    first = np.floor(place + 0.5).astype(int) - 1 if smooth else np.floor(place).astype(int)
    s = place - first - 1 if smooth else place - first
    if smooth:
        weights = np.stack([(0.5 - s) ** 2 / 2, 0.75 - s * s, (0.5 + s) ** 2 / 2])
    else:
        weights = np.stack([1 - s, s, np.zeros(2)])
    column, row = first
    if min(column, row) < 0 or column + 2 >= grid.shape[2] or row + 2 >= grid.shape[1]:
        return 0.0
    return weights[:, 1] @ grid[:, row : row + 3, column : column + 3] @ weights[:, 0]


BACKENDS = {"vector": _vector, "plain": _plain}
"""Functions of equal signature and, to rounding, equal results.

They take the order of stars and gas from the front to the back, their places (n + m, 2) [cells], the number n
of stars, the ``GasStamps``, and the sides (level, 2) of the grids; they return sums (n, quantity) per cell.
"""


def column_in_front(
    stars: np.ndarray,
    gas: np.ndarray,
    reach: np.ndarray,
    weight: np.ndarray,
    cell: float = 0.1,
    backend: str | None = None,
) -> np.ndarray:
    """Surface density of gas in front of every star.

    Parameters
    ----------
    stars : ndarray, shape (n, 3)
        Positions in the observer's frame, the observer at large positive third coordinate [kpc].
    gas : ndarray, shape (m, 3)
        Positions in the same frame [kpc].
    reach : ndarray, shape (m,)
        Support of each gas particle's kernel [kpc].
    weight : ndarray, shape (m, quantity)
        What to add up, for example masses [Msun].
    cell : float
        Side of the grid's cells [kpc]; widened so that the grid has at most 1024 a side.
    backend : str, optional
        Name in ``BACKENDS``; see ``mocks.deposit.backends.compute``.

    Returns
    -------
    ndarray, shape (n, quantity)
        Per kpc^2. A gas particle counts wholly when its centre is in front of the star.

    Notes
    -----
    Stars and gas are sorted by depth and visited once: gas is added to a grid with the same stamps as light
    is, each star reads the grid as it stands. Cost grows as the number of particles.
    """
    low, high = stars[:, :2].min(axis=0), stars[:, :2].max(axis=0)
    cell = max(cell, float((high - low).max()) / MOST_CELLS)
    shape = np.ceil((high - low) / cell).astype(int)[::-1] + 1
    place = (np.concatenate([stars, gas])[:, :2] - low) / cell
    reach = reach / cell
    kind = np.searchsorted(REACH, reach)
    level = np.where(kind < len(REACH), 0, np.ceil(np.log2(np.maximum(reach, 1) / REACH[-1]))).astype(int)
    shapes = np.array([-(-shape // 2**k) + 2 * PAD for k in range(level.max(initial=0) + 1)])
    # Gas at the very depth of a star lies behind it.
    order = np.argsort(-np.concatenate([stars[:, 2], gas[:, 2]]), kind="stable")
    stamped = GasStamps(level, kind, reach, np.ascontiguousarray(weight, float))
    return compute(BACKENDS, backend, order, place, len(stars), stamped, shapes) / cell**2
