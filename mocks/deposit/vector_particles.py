"""Particles onto pixels in vector instructions: the fast backend of ``particles``."""

import numpy as np

from mocks.compiled import njit
from mocks.deposit.kernel import PAD, REACH, stamps
from mocks.deposit.pyramid import COEFFICIENTS, DEEPEST, INTEGRALS, level_shapes
from mocks.deposit.vector_patches import Grid, add_4, add_8

__all__ = ["draw"]

_TILE = 16  # pixels; a tile of all bands fits into the processor's fastest memory
_BLOCK = 1 << 16  # particles drawn at a time, which bounds the memory


@njit
def _piles(x, y, h, n_y, n_x, tiles_x, n_tile, pile):
    """Find the pile of every particle, -1 beside the image, -2 if wider than any stamp.

    Without branches, so that the compiler takes eight particles at a time.
    """
    for i in range(len(x)):
        seen = (x[i] > -h[i]) & (x[i] < n_x + h[i]) & (y[i] > -h[i]) & (y[i] < n_y + h[i])
        narrow = seen & (h[i] <= REACH[-1])
        u, v = (x[i] if narrow else 0.0) + PAD, (y[i] if narrow else 0.0) + PAD
        tile = np.int32(v) // _TILE * tiles_x + np.int32(u) // _TILE
        tile += n_tile if h[i] > REACH[0] else 0
        pile[i] = tile if narrow else (-2 if seen else -1)


@njit
def _sorted_by_place(x, y, h, flux, n_y, n_x, bands):
    """Particles that reach the image, sorted so that neighbours in memory are neighbours on the image.

    By kind of stamp and then by tiles of the image, which fit into the processor's fastest memory; by level
    of the pyramid for those wider than any stamp. Returns rows of position, support and flux, in pixels of
    the grid that they belong to; and where each kind and level starts.
    """
    tiles_x = n_x // _TILE + 4
    n_tile = tiles_x * (n_y // _TILE + 4)
    widest = 2 * n_tile
    pile, count = np.empty(len(x), np.int32), np.zeros(widest + DEEPEST + 1, np.int64)
    _piles(x, y, h, n_y, n_x, tiles_x, n_tile, pile)
    for i in range(len(x)):
        if pile[i] == -2:
            level, span = 1, 2 * REACH[-1]
            while h[i] > span and level < DEEPEST:
                level, span = level + 1, 2 * span
            pile[i] = widest + level - 1
        if pile[i] >= 0:
            count[pile[i] + 1] += 1
    place = np.cumsum(count)
    start = np.concatenate((place[:widest:n_tile], place[widest:]))
    rows = np.empty((place[-1], 3 + len(bands)))
    for i in range(len(x)):
        if pile[i] >= 0:
            at = place[pile[i]]
            place[pile[i]] = at + 1
            scale = 1.0 if pile[i] < widest else 0.5 ** (pile[i] - widest + 1)
            rows[at, 0], rows[at, 1] = x[i] * scale + (PAD - 0.5), y[i] * scale + (PAD - 0.5)
            rows[at, 2] = min(h[i] * scale, REACH[-1])
            for band in range(len(bands)):
                rows[at, 3 + band] = flux[band, i]
    return rows, start


@njit
def _draw(image, grids, x, y, h, flux, stamps, bands):
    """Add particles to the padded grids of all levels, which lie in one array one after the other.

    ``grids`` holds the first element and the sides of each.
    """
    rows, start = _sorted_by_place(x, y, h, flux, grids[0, 1] - 2 * PAD, grids[0, 2] - 2 * PAD, bands)
    for group in range(len(start) - 1):
        if start[group] < start[group + 1]:
            level, stamp = max(group - len(REACH) + 1, 0), stamps[min(group, len(REACH))]
            begin, n_y, n_x = grids[level]
            grid = Grid(image, begin, n_y * n_x, n_y, n_x)
            if stamp.side == 4:
                for i in range(start[group], start[group + 1]):
                    add_4(grid, (rows[i, 0], rows[i, 1], rows[i, 2]), stamp, rows, i, 3, bands)
            else:
                for i in range(start[group], start[group + 1]):
                    add_8(grid, (rows[i, 0], rows[i, 1], rows[i, 2]), stamp, rows, i, 3, bands)


@njit
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


def draw(x: np.ndarray, y: np.ndarray, h: np.ndarray, flux: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Image of checked particles, shape (band, n_y, n_x); as ``particles.deposit``."""
    sides = np.array(level_shapes(shape, h.max(initial=0)))
    start = np.cumsum(np.append(0, len(flux) * sides.prod(axis=1)))
    light, layout = np.zeros(start[-1]), np.column_stack((start[:-1], sides))
    for low in range(0, len(x), _BLOCK):
        part = slice(low, low + _BLOCK)
        _draw(light, layout, x[part], y[part], h[part], flux[:, part], stamps(), (0.0,) * len(flux))
    grids = [part.reshape(-1, *pair) for part, pair in zip(np.split(light, start[1:-1]), sides, strict=True)]
    for coarse, fine in zip(grids[:1:-1], grids[-2:0:-1], strict=True):
        _refine(coarse, fine, 0, *COEFFICIENTS)
    image = grids[0][:, PAD : PAD + shape[0], PAD : PAD + shape[1]].copy()
    if len(grids) > 1:
        _refine(grids[1], image, PAD, *INTEGRALS)
    return image
