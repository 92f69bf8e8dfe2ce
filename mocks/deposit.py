"""Spread particles over pixels so that every one gives all its light, whatever its size."""

import numpy as np
from numba import njit

from mocks.kernel import PAD, REACH, stamps
from mocks.patches import add_4, add_8

__all__ = ["deposit"]

_TILE = 16
_BLOCK = 1 << 16
_DEEPEST = 40  # levels of the pyramid: what is wider than a million million pixels is drawn as wide as that


@njit(cache=True)
def _sorted_by_place(x, y, h, flux, n_y, n_x, reach):
    """Particles that reach the image, sorted so that neighbours in memory are neighbours on the image.

    By kind of stamp and then by tiles of the image, which fit into the processor's fastest memory; by level
    of the pyramid for those wider than any stamp. Returns rows of position, support and flux, in pixels of
    the grid that they belong to, and where each kind and level starts.
    """
    tiles_x = n_x // _TILE + 4
    n_tile = tiles_x * (n_y // _TILE + 4)
    widest = 2 * n_tile
    key, count = np.empty(len(x), np.int32), np.zeros(widest + _DEEPEST + 1, np.int64)
    for i in range(len(x)):
        key[i] = -1
        if (x[i] > -h[i]) & (x[i] < n_x + h[i]) & (y[i] > -h[i]) & (y[i] < n_y + h[i]):
            if h[i] <= reach[-1]:
                kind = int(h[i] > reach[0])
                tile = int(y[i] + PAD) // _TILE * tiles_x + int(x[i] + PAD) // _TILE
                key[i] = kind * n_tile + tile
            else:
                level = 1
                while h[i] > reach[-1] * 2.0**level and level < _DEEPEST:
                    level += 1
                key[i] = widest + level - 1
            count[key[i] + 1] += 1
    place = np.cumsum(count)
    start = np.concatenate((place[:widest:n_tile], place[widest:]))
    rows = np.empty((place[-1], 3 + len(flux)))
    for i in range(len(x)):
        if key[i] >= 0:
            at = place[key[i]]
            place[key[i]] = at + 1
            scale = 1.0 if key[i] < widest else 0.5 ** (key[i] - widest + 1)
            rows[at, 0], rows[at, 1] = x[i] * scale + (PAD - 0.5), y[i] * scale + (PAD - 0.5)
            rows[at, 2] = h[i] * scale
            for band in range(len(flux)):
                rows[at, 3 + band] = flux[band, i]
    return rows, start


@njit(cache=True)
def _add(grid, rows, stamp, bands):
    """Add the stamps of particles to a padded grid (band, y, x)."""
    _, n_y, n_x = grid.shape
    image = grid.reshape(-1)
    if stamp.side == 4:
        for i in range(len(rows)):
            u, v, reach = rows[i, 0], rows[i, 1], rows[i, 2]
            add_4(image, 0, n_y * n_x, n_y, n_x, u, v, reach, stamp, rows, i, 3, bands)
    else:
        for i in range(len(rows)):
            u, v, reach = rows[i, 0], rows[i, 1], rows[i, 2]
            add_8(image, 0, n_y * n_x, n_y, n_x, u, v, reach, stamp, rows, i, 3, bands)


@njit(cache=True)
def _refine(coarse, fine, near, centre, far):
    """Add to a grid what one with pixels twice as wide holds, by the same three weights along each axis.

    A fine pixel takes ``centre`` of the coarse one that it lies in, ``near`` of the one it borders on and
    ``far`` of the opposite one. The finer grid starts PAD of its own pixels before the image, half of the
    coarser one's margin.
    """
    n_band, n_y, n_x = fine.shape
    half = PAD // 2
    for band in range(n_band):
        for y in range(n_y):
            j = y // 2 + half
            above, below = (near, far) if y % 2 == 0 else (far, near)
            row = above * coarse[band, j - 1] + centre * coarse[band, j] + below * coarse[band, j + 1]
            line = fine[band, y]
            for i in range(n_x // 2):
                left, middle, right = row[i + half - 1], row[i + half], row[i + half + 1]
                line[2 * i] += near * left + centre * middle + far * right
                line[2 * i + 1] += far * left + centre * middle + near * right


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
    Stamps are tabulated by size and by position within the pixel, and are sums of two products, which leaves
    the one error: below 1 % of the light (sum of absolute differences) of a typical galaxy lies a pixel off.
    Particles wider than 5.5 pixels go to grids 2, 4, 8, ... times coarser, as coefficients of quadratic
    B-splines that are refined exactly.
    """
    x, y, h = (np.ascontiguousarray(values, float) for values in (x, y, h))
    flux = np.atleast_2d(np.asarray(flux, float))
    if not len(x) == len(y) == len(h) == flux.shape[1]:
        raise ValueError(f"{len(x)} x, {len(y)} y, {len(h)} h and {flux.shape[1]} fluxes do not match.")
    with np.errstate(over="ignore", invalid="ignore"):
        for name, values in (("x", x), ("y", y), ("h", h), ("flux", flux)):
            # The sum tells most of the time, at half the cost of two extremes.
            if not np.isfinite(values.sum()) and not np.isfinite(values).all():
                raise ValueError(f"{name} of the particles holds numbers that are not finite.")
    if h.min(initial=0) < 0:
        raise ValueError("h of the particles holds negative numbers.")
    grids = {0: _grid(len(flux), shape, 0)}
    for low in range(0, len(x), _BLOCK):
        part = slice(low, low + _BLOCK)
        rows, start = _sorted_by_place(x[part], y[part], h[part], flux[:, part], *shape, REACH)
        for group in np.flatnonzero(np.diff(start)):
            level = max(group - len(REACH) + 1, 0)
            if level not in grids:
                grids[level] = _grid(len(flux), shape, level)
            stamp = stamps()[min(group, len(REACH))]
            _add(grids[level], rows[start[group] : start[group + 1]], stamp, (0.0,) * len(flux))
    for level in range(max(grids), 0, -1):
        finer = grids.setdefault(level - 1, _grid(len(flux), shape, level - 1))
        # Spline coefficients of half the width, or at last the integrals of the splines over the pixels.
        _refine(grids[level], finer, *((7 / 48, 16 / 48, 1 / 48) if level == 1 else (1 / 8, 3 / 8, 0.0)))
    return grids[0][:, PAD : PAD + shape[0], PAD : PAD + shape[1]].copy()


def _grid(n_band: int, shape: tuple[int, int], level: int) -> np.ndarray:
    """Empty padded image with pixels ``2**level`` wide; sides are even, as ``_refine`` wants them."""
    return np.zeros((n_band, *(2 * (-(-side // 2 ** (level + 1)) + PAD) for side in shape)))
