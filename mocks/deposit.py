"""Spread particles over pixels so that every one gives all its light, whatever its size."""

import numpy as np
from numba import njit

from mocks.kernel import REACH, spline_stamps, stamps

__all__ = ["deposit"]

PAD = 16
"""Pixels around every grid, wide enough for a stamp centred outside to reach in."""


@njit(cache=True, fastmath=True, boundscheck=False)
def _add_stamps(grid, x, y, reach, flux, index, smallest, step, table, scale):
    """Add the stamp of each particle in ``index`` to a padded grid (band, y, x) with pixels of ``scale``."""
    n_band, n_y, n_x = grid.shape
    n_size, n_offset, _, side, _ = table.shape
    for k in range(len(index)):
        i = index[k]
        u, v = x[i] / scale + (PAD - 0.5), y[i] / scale + (PAD - 0.5)
        column, row = int(np.floor(u)), int(np.floor(v))
        size = min(max(int((reach[i] / scale - smallest) / step), 0), n_size - 1)
        stamp = table[size, int((v - row) * n_offset), int((u - column) * n_offset)]
        column -= side // 2 - 1
        row -= side // 2 - 1
        if column < 0 or row < 0 or column + side > n_x or row + side > n_y:
            continue
        for band in range(n_band):
            light = flux[band, i]
            for a in range(side):
                for b in range(side):
                    grid[band, row + a, column + b] += light * stamp[a, b]


def _refine(grid: np.ndarray) -> np.ndarray:
    """Coefficients on pixels half as wide of the same quadratic spline; sums are kept."""
    for axis in (-1, -2):
        before = np.moveaxis(grid, axis, -1)
        after = np.zeros((*before.shape[:-1], 2 * before.shape[-1]))
        # Each coefficient gives 1/8, 3/8, 3/8, 1/8 of itself to the four half-width neighbours.
        after[..., 0::2] = 3 * before
        after[..., 1::2] = 3 * before
        after[..., 1:-1:2] += before[..., 1:]
        after[..., 2::2] += before[..., :-1]
        grid = np.moveaxis(after / 8, -1, axis)
    return grid


def _integrate(grid: np.ndarray) -> np.ndarray:
    """Pixel integrals of a quadratic spline with these coefficients."""
    for axis in (-1, -2):
        before = np.moveaxis(grid, axis, -1)
        after = 4 * before
        after[..., 1:] += before[..., :-1]
        after[..., :-1] += before[..., 1:]
        grid = np.moveaxis(after / 6, -1, axis)
    return grid


def deposit(
    x: np.ndarray, y: np.ndarray, h: np.ndarray, flux: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Image of particles smoothed with the two-dimensional cubic spline of support ``h``.

    Every particle gives exactly its flux: pixels receive the integral of its kernel, read from ready-made
    stamps that sum to one. Light falls outside only where the kernel does.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Positions from the lower left corner of the image [pixels].
    h : ndarray, shape (n,)
        Support radius of the kernel [pixels], from zero (a point) to any size.
    flux : ndarray, shape (band, n)
        All bands share the look-up of the stamps.
    shape : tuple of int
        (n_y, n_x).

    Returns
    -------
    ndarray, shape (band, n_y, n_x)
        In the unit of ``flux``, float64.

    Raises
    ------
    ValueError
        For lengths that differ, numbers that are not finite, or a negative ``h``.

    Notes
    -----
    Stamps are tabulated by size and by position within the pixel, which leaves the one error: about 1 % of
    the light (sum of absolute differences) of a typical galaxy lies a pixel off. Particles wider than 7.5
    pixels go to grids 2, 4, 8, ... times coarser, as coefficients of quadratic B-splines that are refined
    exactly.
    """
    x, y, h = (np.ascontiguousarray(values, float) for values in (x, y, h))
    flux = np.ascontiguousarray(np.atleast_2d(flux), float)
    if not len(x) == len(y) == len(h) == flux.shape[1]:
        raise ValueError(f"{len(x)} x, {len(y)} y, {len(h)} h and {flux.shape[1]} fluxes do not match.")
    for name, values in (("x", x), ("y", y), ("h", h), ("flux", flux)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} of the particles holds numbers that are not finite.")
    if (h < 0).any():
        raise ValueError("h of the particles holds negative numbers.")
    kind = np.searchsorted(REACH, h)
    level = np.where(kind < len(REACH), 0, np.ceil(np.log2(np.maximum(h, 1) / REACH[-1]))).astype(int)
    image = _pyramid(x, y, h, flux, shape, level)
    for which in range(len(REACH)):
        index = np.flatnonzero((kind == which) & (level == 0))
        table, smallest, step = stamps(which)
        _add_stamps(image, x, y, h, flux, index, smallest, step, table, 1.0)
    return image[:, PAD : PAD + shape[0], PAD : PAD + shape[1]].copy()


def _pyramid(x, y, h, flux, shape, level) -> np.ndarray:
    """Draw the particles too wide for stamps, coarsest grid first, on the padded image."""
    table, smallest, step = spline_stamps()
    coarse = None
    for current in range(level.max(initial=0), 0, -1):
        scale = 2**current
        sides = [-(-side // scale) + 2 * PAD for side in shape]
        grid = np.zeros((len(flux), *sides))
        if coarse is not None:
            # The finer grid starts PAD of its own pixels before the image, half of the coarser one's margin.
            fine = _refine(coarse)[:, PAD:, PAD:][:, : sides[0], : sides[1]]
            grid[:, : fine.shape[1], : fine.shape[2]] = fine
        index = np.flatnonzero(level == current)
        _add_stamps(grid, x, y, h, flux, index, smallest, step, table, float(scale))
        coarse = grid
    image = np.zeros((len(flux), shape[0] + 2 * PAD, shape[1] + 2 * PAD))
    if coarse is not None:
        fine = _integrate(_refine(coarse))[:, PAD:, PAD:][:, : image.shape[1], : image.shape[2]]
        image[:, : fine.shape[1], : fine.shape[2]] = fine
    return image
