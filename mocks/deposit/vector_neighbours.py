"""The k-th neighbour of every particle, in vector instructions: the fast backend of ``neighbours``."""

from typing import NamedTuple

import numpy as np

from mocks.compiled import njit
from mocks.deposit.vector_lanes import (
    LANES,
    boxes_within,
    count_at_most,
    largest_within,
    points_within,
    smallest_above,
)

__all__ = ["search"]

_FARTHEST = 1e300  # square of a distance that nothing reaches
_SLACK = 1 + 1e-12  # allows for rounding of distances compared with sums of others
# These decide the speed and not the result; tuned on clustered galaxies of 1e3 to 1e6 particles.
_CROWD = 4  # distances kept before only the nearest stay, in units of k
_LIKELY_GAP, _LIKELY_ROOM = (
    0.3,
    1.1,
)  # first guess of a bound: neighbour's length + 0.3 gap, its square times 1.1


class _Tree(NamedTuple):
    """Particles in boxes in boxes.

    Attributes
    ----------
    leaves : ndarray, shape (leaf, 3, 8)
        Coordinates of eight particles, the last ones filled up with infinity.
    boxes : ndarray, shape (node, 2, 3, 8)
        Lowest and highest coordinates of the children of every node.
    start : ndarray, shape (level,)
        First node of every level, beginning with the parents of the leaves.
    """

    leaves: np.ndarray
    boxes: np.ndarray
    start: np.ndarray


@njit
def _split(points, low, high, axis, pivot):
    """Bring the rows below a pivot to the front, without branches; returns where the others begin."""
    begin = low
    for i in range(low, high):
        x, y, z, number = points[i, 0], points[i, 1], points[i, 2], points[i, 3]
        below = points[i, axis] < pivot
        for column in range(4):
            points[i, column] = points[begin, column]
        points[begin, 0], points[begin, 1], points[begin, 2], points[begin, 3] = x, y, z, number
        begin += below
    return begin


@njit
def _select(points, low, high, middle, axis):
    """Order rows so that the middle one is where a sort along an axis would put it.

    References
    ----------
    Hoare 1961, Communications of the ACM 4, 321 (algorithm 65, FIND).
    """
    while high - low > 1:
        pivot = points[(low + high) // 2, axis]
        begin = _split(points, low, high, axis, pivot)
        if begin == low:  # none is below: those that equal it come first
            begin = _split(points, low, high, axis, np.nextafter(pivot, np.inf))
            if middle < begin:
                return
        if middle < begin:
            high = begin
        else:
            low = begin


@njit
def _longest(points, low, high):
    """Axis along which rows extend farthest."""
    x_low = x_high = points[low, 0]
    y_low = y_high = points[low, 1]
    z_low = z_high = points[low, 2]
    for i in range(low + 1, high):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        x_low, x_high = x if x < x_low else x_low, x if x > x_high else x_high
        y_low, y_high = y if y < y_low else y_low, y if y > y_high else y_high
        z_low, z_high = z if z < z_low else z_low, z if z > z_high else z_high
    x, y, z = x_high - x_low, y_high - y_low, z_high - z_low
    if x >= y and x >= z:
        return 0
    return 1 if y >= z else 2


@njit
def _sort(points):
    """Sort rows (x, y, z, number) so that every eight, every eight times eight and so on lie together.

    As the leaves of a k-d tree, each of which is split along its longest side.
    """
    waiting, top = np.empty((64, 2), np.int64), 1
    waiting[0] = 0, len(points)
    while top:
        top -= 1
        low, high = waiting[top]
        if high - low <= LANES:
            continue
        half = LANES
        while 2 * half < high - low:
            half *= 2
        _select(points, low, high, low + half, _longest(points, low, high))
        waiting[top] = low, low + half
        waiting[top + 1] = low + half, high
        top += 2


@njit
def _grow(points):
    """Tree of sorted rows in which every node has eight children."""
    n = len(points)
    n_leaf = -(-n // LANES)
    leaves = np.full((n_leaf, 3, LANES), np.inf)
    for i in range(n):
        leaves[i // LANES, :, i % LANES] = points[i, :3]
    start, below = [0], n_leaf
    while len(start) == 1 or below > 1:
        below = -(-below // LANES)
        start.append(start[-1] + below)
    boxes = np.empty((start[-1], 2, 3, LANES))
    boxes[:, 0], boxes[:, 1] = np.inf, -np.inf
    for i in range(n):
        leaf = i // LANES
        box, child = boxes[leaf // LANES], leaf % LANES
        for axis in range(3):
            box[0, axis, child] = min(box[0, axis, child], points[i, axis])
            box[1, axis, child] = max(box[1, axis, child], points[i, axis])
    for level in range(1, len(start) - 1):
        for i in range(start[level] - start[level - 1]):
            own, parent = boxes[start[level - 1] + i], boxes[start[level] + i // LANES]
            for axis in range(3):
                parent[0, axis, i % LANES] = own[0, axis].min()
                parent[1, axis, i % LANES] = own[1, axis].max()
    return _Tree(leaves, boxes, np.array(start))


@njit
def _nearest_above(values, count, threshold):
    """Smallest number above a threshold."""
    nearest = np.inf
    for i in range(0, count, LANES):
        nearest = min(nearest, smallest_above(values, i, threshold))
    return nearest


@njit
def _nearest_below(values, count, threshold):
    """Largest number, none of them negative, that is at most a threshold."""
    nearest = -1.0
    for i in range(0, count, LANES):
        nearest = max(nearest, largest_within(values, i, threshold))
    return nearest


@njit
def _smallest(square, count, rank, most):
    """Find the number at a rank, counted from 1, by counting below thresholds; none is above ``most``.

    ``square`` must have room for eight more numbers, which fill the last vector.
    """
    padded = count + -count % LANES
    for i in range(LANES):
        square[count + i] = np.inf
    low, n_low, high, n_high, tries = -1.0, 0, most, count, 0
    share = rank / count  # in even surroundings (threshold / most) ** (3 / 2), nearly
    threshold = most * (0.4 * share + 0.6 * np.sqrt(share))
    while True:
        if not low < threshold < high:
            threshold = (low + high) / 2
        n = 0
        for i in range(0, padded, LANES):
            n += count_at_most(square, i, threshold)
        if n == rank:
            return _nearest_below(square, padded, threshold)
        if n == rank - 1:
            return _nearest_above(square, padded, threshold)
        if n < rank:
            low, n_low = threshold, n
        else:
            high, n_high = threshold, n
        tries += 1
        if tries % 4 == 0:  # equal numbers, which no threshold parts
            low, n_low = _nearest_above(square, padded, low), 0
            for i in range(0, padded, LANES):
                n_low += count_at_most(square, i, low)
            if n_low >= rank:
                return low
        # In even surroundings a straight line finds it in four or five steps.
        threshold = max(low, 0.0) + (rank - 0.5 - n_low) / (n_high - n_low) * (high - max(low, 0.0))


@njit
def _bounds(leaves, length, leaf, i):
    """Squares of a length that a particle does not exceed and of a likely one, from particles that are done.

    No particle is farther from its k-th neighbour than another one is from its own plus the distance between
    the two.
    """
    if leaf + i == 0:
        return _FARTHEST, _FARTHEST
    x, y, z = leaves[leaf, :, i]
    bound = likely = np.inf
    for j in range(0 if i else -1, i):
        a, b, c = leaves[leaf, :, j] if j >= 0 else leaves[leaf - 1, :, LANES - 1]
        gap = np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2)
        bound = min(bound, length[leaf * LANES + j] + gap)
        likely = min(likely, length[leaf * LANES + j] + _LIKELY_GAP * gap)
    bound = bound * bound * _SLACK + 1 / _FARTHEST
    return bound, min(bound, _LIKELY_ROOM * likely * likely)


@njit
def _leaves_near(tree, level, own, place, bound, near):
    """Leaves within a bound under one node and not under its child ``own``; lists them in ``near[0]``.

    Level by level, so that the processor need not guess what comes next.
    """
    start, flat, size = tree.start, tree.boxes.reshape(-1), 6 * LANES
    parent = own // LANES
    now = level % 2
    n_near = boxes_within(flat, (start[level] + parent) * size, parent * LANES, place, bound, near[now], 0)
    if level:  # the leaves under it were seen before
        count = 0
        for j in range(n_near):
            near[now, count] = near[now, j]
            count += near[now, j] != own
        n_near = count
    for below in range(level - 1, -1, -1):
        count = 0
        for j in range(n_near):
            node = near[now, j]
            at = (start[below] + node) * size
            count = boxes_within(flat, at, node * LANES, place, bound, near[1 - now], count)
        n_near, now = count, 1 - now
    return n_near


@njit
def _distance(tree, leaf, i, k, bound, near, square):
    """Squared distance of a particle from its k-th other one, seen from its own leaf outwards.

    Negative if fewer than k others are within the bound.
    """
    place = tree.leaves[leaf, 0, i], tree.leaves[leaf, 1, i], tree.leaves[leaf, 2, i]
    flat, crowd = tree.leaves.reshape(-1), _CROWD * k + LANES
    count, own = 0, leaf
    for level in range(len(tree.start) - 1):
        n_near = _leaves_near(tree, level, own, place, bound, near)
        for j in range(n_near):
            count = points_within(flat, near[0, j] * 3 * LANES, place, bound, square, count)
            if count > crowd:
                bound = _smallest(square, count, k + 1, bound)
                _keep(square, count, k + 1, bound)
                count = k + 1
        own //= LANES
    return _smallest(square, count, k + 1, bound) if count > k else -1.0


@njit
def _keep(square, count, rank, limit):
    """Leave only the smallest numbers, in place; ``limit`` is the one at the rank."""
    kept = 0
    for i in range(count):
        square[kept] = square[i]
        kept += square[i] < limit
    square[kept:rank] = limit


@njit
def _search(tree, n, k):
    """Distance of every particle to its k-th other one, in the order of the tree."""
    length = np.empty(n)
    near, square = np.empty((2, len(tree.leaves) + LANES), np.int64), np.empty(_CROWD * k + 4 * LANES)
    for leaf in range(len(tree.leaves)):
        for i in range(min(LANES, n - leaf * LANES)):
            bound, likely = _bounds(tree.leaves, length, leaf, i)
            squared = _distance(tree, leaf, i, k, likely, near, square)
            if squared < 0:
                squared = _distance(tree, leaf, i, k, bound, near, square)
            length[leaf * LANES + i] = np.sqrt(squared)
    return length


def search(position: np.ndarray, k: int) -> np.ndarray:
    """Distance of every particle to its k-th other one; as ``neighbours.neighbour_distances``."""
    n = len(position)
    points = np.empty((n, 4))
    points[:, :3], points[:, 3] = position, np.arange(n)
    _sort(points)
    length = np.empty(n)
    length[points[:, 3].astype(int)] = _search(_grow(points), n, k)
    return length
