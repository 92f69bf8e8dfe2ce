"""Hilbert keys as RAMSES orders its domains by, and the CPU files that a region needs."""

import numpy as np

__all__ = ["domains_in_sphere", "hilbert_keys"]

# Next state and digit of each octant for the 12 orientations of the 3-D curve, numbered as RAMSES does; the
# curve itself is of Hilbert 1891, its table the usual one of space-filling-curve codes
_NEXT = np.array(
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
)
_DIGIT = np.array(
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
)


def hilbert_keys(cell: np.ndarray, bits: int) -> np.ndarray:
    """Place of cells along the Hilbert curve.

    Parameters
    ----------
    cell : ndarray of int, shape (n, 3)
        Indices 0 to ``2**bits - 1``.
    bits : int
        Depth of the grid, at most 20.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    cell = np.asarray(cell, dtype=np.int64)
    key, state = np.zeros(len(cell), dtype=np.int64), np.zeros(len(cell), dtype=np.int64)
    for bit in range(bits - 1, -1, -1):
        octant = ((cell >> bit) & 1) @ np.array([4, 2, 1])
        key = key * 8 + _DIGIT[state, octant]
        state = _NEXT[state, octant]
    return key


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
    side = 2**level
    reach = min(int(np.ceil(radius * side)) + 1, side // 2 + 1)
    middle = np.floor(np.asarray(centre) * side).astype(np.int64)
    steps = np.arange(-reach, reach + 1)
    cells = middle + np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    nearest = np.clip(np.asarray(centre) * side, cells, cells + 1)
    touched = ((nearest - np.asarray(centre) * side) ** 2).sum(axis=1) <= (radius * side) ** 2
    keys = np.unique(hilbert_keys(cells[touched] % side, level)).astype(float)
    scale = 8.0 ** (depth - level)
    first = np.searchsorted(bounds, keys * scale, side="right") - 1
    last = np.searchsorted(bounds, (keys + 1) * scale, side="left") - 1
    wanted = np.zeros(len(bounds) - 1, dtype=bool)
    for low, high in zip(first, last, strict=True):
        wanted[max(low, 0) : high + 1] = True
    return np.flatnonzero(wanted)
