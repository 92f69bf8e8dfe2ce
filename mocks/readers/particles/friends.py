"""Friends-of-friends groups of particles."""

import numpy as np

from mocks.compiled import njit

__all__ = ["LINKS_IN_BOX", "friends_of_friends"]

LINKS_IN_BOX = 8
"""Fewest linking lengths in a box: with fewer, cells of the search would meet themselves around it."""
MOST_CELLS = 2_000_000  # along a side, so that keys fit into 63 bits


@njit
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit
def _link(position, start, cells, lookup_key, n_cells, reach, length2, box):
    """Roots of all particles; particles are sorted by cell, and all of one cell are friends already."""
    n = len(position)
    parent = np.arange(n)
    for c in range(len(cells)):
        for i in range(start[c] + 1, start[c + 1]):
            parent[i] = start[c]
    for c in range(len(cells)):
        for dx in range(-reach, reach + 1):
            for dy in range(-reach, reach + 1):
                for dz in range(-reach, reach + 1):
                    x = (cells[c, 0] + dx) % n_cells
                    y = (cells[c, 1] + dy) % n_cells
                    z = (cells[c, 2] + dz) % n_cells
                    key = (x * n_cells + y) * n_cells + z
                    if key <= lookup_key[c]:  # each pair of cells once
                        continue
                    other = np.searchsorted(lookup_key, key)
                    if other == len(cells) or lookup_key[other] != key:
                        continue
                    a, b = _root(parent, start[c]), _root(parent, start[other])
                    if a == b:
                        continue
                    if _touch(position, start[c], start[c + 1], start[other], start[other + 1], length2, box):
                        parent[b] = a
    for i in range(n):
        parent[i] = _root(parent, i)
    return parent


@njit
def _touch(position, i0, i1, j0, j1, length2, box):
    """Whether any particle of one cell is within the linking length of any of another."""
    for i in range(i0, i1):
        for j in range(j0, j1):
            distance2 = 0.0
            for axis in range(3):
                d = position[i, axis] - position[j, axis]
                d -= box * np.round(d / box)
                distance2 += d * d
            if distance2 <= length2:
                return True
    return False


def friends_of_friends(position: np.ndarray, linking_length: float, box_size: float) -> np.ndarray:
    """Find groups of particles that are linked by steps no longer than a linking length.

    Particles are sorted into cells whose diagonal is the linking length: all of a cell are friends at
    once, and two cells need only one close pair. Dense centres cost no more than sparse outskirts.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        In a periodic box.
    linking_length, box_size : float
        Same unit; the box must be at least 8 linking lengths wide.

    Returns
    -------
    ndarray of int, shape (n,)
        0 for the group with most particles, 1 for the next, ...; -1 for particles of NaN position.

    Raises
    ------
    ValueError
        When the linking length does not suit the box.

    References
    ----------
    Davis et al. 1985, ApJ 292, 371, section 2.
    """
    if not 0 < linking_length <= box_size / LINKS_IN_BOX:
        raise ValueError(
            f"linking length {linking_length:g} is too long for a box of {box_size:g} (limit: an eighth)."
        )
    is_somewhere = np.isfinite(position).all(axis=1)
    if not is_somewhere.all():
        groups = np.full(len(position), -1)
        groups[is_somewhere] = friends_of_friends(position[is_somewhere], linking_length, box_size)
        return groups
    if len(position) == 0:
        return np.zeros(0, dtype=np.int64)
    position = np.asarray(position, dtype=float) % box_size
    n_cells = int(np.ceil(box_size * np.sqrt(3.0) / linking_length))
    n_cells = min(n_cells, MOST_CELLS)
    if box_size / n_cells * np.sqrt(3.0) > linking_length * (1 + 1e-9):
        raise ValueError(f"linking length {linking_length:g} is too short for a box of {box_size:g}.")
    cell = np.minimum((position / box_size * n_cells).astype(np.int64), n_cells - 1)
    key = (cell[:, 0] * n_cells + cell[:, 1]) * n_cells + cell[:, 2]
    order = np.argsort(key, kind="stable")
    keys, start = np.unique(key[order], return_index=True)
    start = np.append(start, len(position))
    # friends can be two cells apart: a linking length is sqrt(3) cell sides
    cells = cell[order][start[:-1]]
    roots = _link(position[order], start, cells, keys, n_cells, 2, linking_length**2, box_size)
    _, group, size = np.unique(roots, return_inverse=True, return_counts=True)
    rank = np.empty(len(size), dtype=np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    groups = np.empty(len(position), dtype=np.int64)
    groups[order] = rank[group]
    return groups
