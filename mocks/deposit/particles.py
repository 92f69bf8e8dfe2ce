"""Spread particles over pixels so that every one gives all its light, whatever its size."""

import numpy as np
from numba import njit

from mocks.deposit.kernel import PAD, REACH, stamps
from mocks.deposit.patches import add_4, add_8

__all__ = ["deposit"]

_TILE = 16
_BLOCK = 1 << 16
_DEEPEST = 40  # levels of the pyramid: what is wider than a million million pixels is drawn as wide as that


@njit(cache=True, fastmath={"reassoc", "nsz"})
def _piles(x, y, h, n_y, n_x, tiles_x, n_tile, pile):
    """Find the pile of every particle, -1 beside the image, -2 if wider than any stamp; return a sum of all.

    Without branches, so that the compiler takes eight particles at a time.
    """
    total = 0.0
    for i in range(len(x)):
        seen = (x[i] > -h[i]) & (x[i] < n_x + h[i]) & (y[i] > -h[i]) & (y[i] < n_y + h[i])
        narrow = seen & (h[i] <= REACH[-1])
        u, v = (x[i] if narrow else 0.0) + PAD, (y[i] if narrow else 0.0) + PAD
        tile = np.int32(v) // _TILE * tiles_x + np.int32(u) // _TILE
        tile += n_tile if h[i] > REACH[0] else 0
        pile[i] = tile if narrow else (-2 if seen else -1)
        total += x[i] + y[i] + h[i]
    return total


@njit(cache=True)
def _sorted_by_place(x, y, h, flux, n_y, n_x, bands):
    """Particles that reach the image, sorted so that neighbours in memory are neighbours on the image.

    By kind of stamp and then by tiles of the image, which fit into the processor's fastest memory; by level
    of the pyramid for those wider than any stamp. Returns rows of position, support and flux, in pixels of
    the grid that they belong to; where each kind and level starts; and the sum of all numbers.
    """
    tiles_x = n_x // _TILE + 4
    n_tile = tiles_x * (n_y // _TILE + 4)
    widest = 2 * n_tile
    pile, count = np.empty(len(x), np.int32), np.zeros(widest + _DEEPEST + 1, np.int64)
    total = _piles(x, y, h, n_y, n_x, tiles_x, n_tile, pile)
    for i in range(len(x)):
        if pile[i] == -2:
            level, span = 1, 2 * REACH[-1]
            while h[i] > span and level < _DEEPEST:
                level, span = level + 1, 2 * span
            pile[i] = widest + level - 1
        if pile[i] >= 0:
            count[pile[i] + 1] += 1
    place = np.cumsum(count)
    start = np.concatenate((place[:widest:n_tile], place[widest:]))
    rows = np.empty((place[-1], 3 + len(bands)))
    for i in range(len(x)):
        light = 0.0
        for band in range(len(bands)):
            light += flux[band, i]
        total += light
        if pile[i] >= 0:
            at = place[pile[i]]
            place[pile[i]] = at + 1
            scale = 1.0 if pile[i] < widest else 0.5 ** (pile[i] - widest + 1)
            rows[at, 0], rows[at, 1] = x[i] * scale + (PAD - 0.5), y[i] * scale + (PAD - 0.5)
            rows[at, 2] = min(h[i] * scale, REACH[-1])
            for band in range(len(bands)):
                rows[at, 3 + band] = flux[band, i]
    return rows, start, total


@njit(cache=True)
def _draw(image, grids, x, y, h, flux, stamps, bands):
    """Add particles to the padded grids of all levels, which lie in one array one after the other.

    ``grids`` holds the first element and the sides of each. Returns the sum of all numbers.
    """
    rows, start, total = _sorted_by_place(x, y, h, flux, grids[0, 1] - 2 * PAD, grids[0, 2] - 2 * PAD, bands)
    for group in range(len(start) - 1):
        if start[group] < start[group + 1]:
            level, stamp = max(group - len(REACH) + 1, 0), stamps[min(group, len(REACH))]
            begin, n_y, n_x = grids[level]
            if stamp.side == 4:
                for i in range(start[group], start[group + 1]):
                    u, v, reach = rows[i, 0], rows[i, 1], rows[i, 2]
                    add_4(image, begin, n_y * n_x, n_y, n_x, u, v, reach, stamp, rows, i, 3, bands)
            else:
                for i in range(start[group], start[group + 1]):
                    u, v, reach = rows[i, 0], rows[i, 1], rows[i, 2]
                    add_8(image, begin, n_y * n_x, n_y, n_x, u, v, reach, stamp, rows, i, 3, bands)
    return total


@njit(cache=True)
def _refine(coarse, fine, skipped, near, centre, far):
    """Add to a grid what one with pixels twice as wide holds, by the same three weights along each axis.

    A fine pixel takes ``centre`` of the coarse one that it lies in, ``near`` of the one it borders on and
    ``far`` of the opposite one. The finer grid starts PAD of its own pixels before the image, half of the
    coarser one's margin, less ``skipped`` pixels, an even number.
    """
    n_band, n_y, n_x = fine.shape
    half, first = -(-n_x // 2), (PAD + skipped) // 2
    column, even, odd = np.empty(coarse.shape[2]), np.empty(half), np.empty(half)
    left, middle, right = column[first - 1 :], column[first:], column[first + 1 :]
    for band in range(n_band):
        for y in range(n_y):
            j = y // 2 + first
            above, below = (near, far) if y % 2 == 0 else (far, near)
            a, b, c = coarse[band, j - 1], coarse[band, j], coarse[band, j + 1]
            for i in range(len(column)):
                column[i] = above * a[i] + centre * b[i] + below * c[i]
            for i in range(half):
                even[i] = near * left[i] + centre * middle[i] + far * right[i]
                odd[i] = far * left[i] + centre * middle[i] + near * right[i]
            line = fine[band, y]
            for i in range(n_x // 2):
                line[2 * i] += even[i]
                line[2 * i + 1] += odd[i]
            if n_x % 2:
                line[n_x - 1] += even[half - 1]


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
    least, most = h.min(initial=0), h.max(initial=0)
    if least < 0:
        raise ValueError("h of the particles holds negative numbers.")
    n_level = 1
    while most > REACH[-1] * 2.0 ** (n_level - 1) and n_level <= _DEEPEST:
        n_level += 1
    sides = [[2 * (-(-side // 2 ** (level + 1)) + PAD) for side in shape] for level in range(n_level)]
    begin = np.cumsum([0] + [len(flux) * n_y * n_x for n_y, n_x in sides])
    light, layout = np.zeros(begin[-1]), np.column_stack((begin[:-1], sides))
    for low in range(0, len(x), _BLOCK):
        part = slice(low, low + _BLOCK)
        total = _draw(light, layout, x[part], y[part], h[part], flux[:, part], stamps(), (0.0,) * len(flux))
        if not np.isfinite(total):
            for name, values in (("x", x), ("y", y), ("h", h), ("flux", flux)):
                if not np.isfinite(values).all():
                    raise ValueError(f"{name} of the particles holds numbers that are not finite.")
    grids = [light[start : start + len(flux) * n_y * n_x].reshape(-1, n_y, n_x) for start, n_y, n_x in layout]
    for coarse, fine in zip(grids[:1:-1], grids[-2:0:-1], strict=True):
        _refine(coarse, fine, 0, 1 / 8, 3 / 8, 0.0)  # spline coefficients of half the width
    image = grids[0][:, PAD : PAD + shape[0], PAD : PAD + shape[1]].copy()
    if n_level > 1:
        _refine(grids[1], image, PAD, 7 / 48, 16 / 48, 1 / 48)  # the splines' integrals over the pixels
    return image
