"""Distance to the k-th neighbour of every particle, exact, for any clustering."""

import numpy as np
from numba import njit

from mocks.lanes import LANES, boxes_within, count_at_most, points_within

__all__ = ["neighbour_distances"]

_FARTHEST = 1e300  # square of a distance that nothing reaches
_SLACK = 1 + 1e-12  # for the rounding of distances that are compared with sums of others


@njit(cache=True)
def _select(points, low, high, middle, axis):
    """Order rows so that the middle one is where a sort along an axis would put it.

    References
    ----------
    Hoare 1961, Communications of the ACM 4, 321 (algorithm 65, FIND).
    """
    while high - low > 1:
        pivot = points[(low + high) // 2, axis]
        i, j = low, high - 1
        while i <= j:
            while points[i, axis] < pivot:
                i += 1
            while points[j, axis] > pivot:
                j -= 1
            if i <= j:
                for column in range(4):
                    points[i, column], points[j, column] = points[j, column], points[i, column]
                i, j = i + 1, j - 1
        if middle <= j:
            high = j + 1
        elif middle >= i:
            low = i
        else:
            return


@njit(cache=True)
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
        widest, axis = -1.0, 0
        for trial in range(3):
            least = most = points[low, trial]
            for i in range(low, high):
                least, most = min(least, points[i, trial]), max(most, points[i, trial])
            if most - least > widest:
                widest, axis = most - least, trial
        _select(points, low, high, low + half, axis)
        waiting[top] = low, low + half
        waiting[top + 1] = low + half, high
        top += 2


@njit(cache=True)
def _grow(points):
    """Tree of sorted rows in which every node has eight children.

    Returns the leaves, shape (leaf, 3, 8): coordinates of eight particles, the last ones filled up with
    infinity; the boxes of the children of every node, shape (node, 2, 3, 8): lowest and highest
    coordinates; and the first node of every level, beginning with the parents of the leaves.
    """
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
    return leaves, boxes, np.array(start)


@njit(cache=True, fastmath={"reassoc", "nsz", "nnan"})
def _nearest_above(values, count, threshold):
    """Smallest number above a threshold."""
    nearest = np.inf
    for i in range(count):
        nearest = min(nearest, values[i] if values[i] > threshold else np.inf)
    return nearest


@njit(cache=True, fastmath={"reassoc", "nsz", "nnan"})
def _nearest_below(values, count, threshold):
    """Largest number, none of them negative, that is at most a threshold."""
    nearest = -1.0
    for i in range(count):
        nearest = max(nearest, values[i] if values[i] <= threshold else -1.0)
    return nearest


@njit(cache=True)
def _smallest(square, count, rank, most):
    """Find the number at a rank, counted from 1, by counting below thresholds; none is above ``most``.

    ``square`` must have room for seven more numbers, which fill the last vector.
    """
    padded = count + -count % LANES
    square[count:padded] = np.inf
    low, n_low, high, n_high, tries = -1.0, 0, most, count, 0
    threshold = most / 2
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


@njit(cache=True)
def _bound(leaves, length, leaf, i):
    """Square of a length that a particle does not exceed, from those of particles that are done.

    No particle is farther from its k-th neighbour than another one is from its own plus the distance between
    the two.
    """
    if leaf + i == 0:
        return _FARTHEST
    x, y, z = leaves[leaf, :, i]
    bound = np.inf
    for j in range(0 if i else -1, i):
        a, b, c = leaves[leaf, :, j] if j >= 0 else leaves[leaf - 1, :, LANES - 1]
        gap = np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2)
        bound = min(bound, length[leaf * LANES + j] + gap)
    return bound * bound * _SLACK + 1 / _FARTHEST


@njit(cache=True)
def _leaves_near(boxes, start, level, own, x, y, z, bound, near):
    """Leaves within a bound under one node and not under its child ``own``; lists them in ``near[0]``.

    Level by level, so that the processor need not guess what comes next.
    """
    flat, size = boxes.reshape(-1), 6 * LANES
    parent = own // LANES
    now = level % 2
    found = boxes_within(flat, (start[level] + parent) * size, parent * LANES, x, y, z, bound, near[now], 0)
    if level:  # the leaves under it were seen before
        count = 0
        for j in range(found):
            near[now, count] = near[now, j]
            count += near[now, j] != own
        found = count
    for below in range(level - 1, -1, -1):
        count = 0
        for j in range(found):
            node = near[now, j]
            at = (start[below] + node) * size
            count = boxes_within(flat, at, node * LANES, x, y, z, bound, near[1 - now], count)
        found, now = count, 1 - now
    return found


@njit(cache=True)
def _distance(leaves, boxes, start, leaf, i, k, bound, near, square):
    """Squared distance of a particle from its k-th other one, seen from its own leaf outwards."""
    x, y, z = leaves[leaf, :, i]
    flat, crowd = leaves.reshape(-1), 4 * k + LANES
    count, own = 0, leaf
    for level in range(len(start) - 1):
        found = _leaves_near(boxes, start, level, own, x, y, z, bound, near)
        for j in range(found):
            count = points_within(flat, near[0, j] * 3 * LANES, x, y, z, bound, square, count)
            if count > crowd:
                bound = _smallest(square, count, k + 1, bound)
                _keep(square, count, k + 1, bound)
                count = k + 1
        own //= LANES
    return _smallest(square, count, k + 1, bound)


@njit(cache=True)
def _keep(square, count, rank, limit):
    """Leave only the smallest numbers, in place; ``limit`` is the one at the rank."""
    kept = 0
    for i in range(count):
        square[kept] = square[i]
        kept += square[i] < limit
    square[kept:rank] = limit


@njit(cache=True)
def _search(leaves, boxes, start, n, k):
    """Distance of every particle to its k-th other one, in the order of the tree."""
    length = np.empty(n)
    near, square = np.empty((2, len(leaves) + LANES), np.int64), np.empty(4 * k + 4 * LANES)
    for leaf in range(len(leaves)):
        for i in range(min(LANES, n - leaf * LANES)):
            bound = _bound(leaves, length, leaf, i)
            found = _distance(leaves, boxes, start, leaf, i, k, bound, near, square)
            length[leaf * LANES + i] = np.sqrt(found)
    return length


def neighbour_distances(position: np.ndarray, k: int) -> np.ndarray:
    """Distance of every particle to its k-th other particle.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        Finite.
    k : int
        At least 1 and less than n.

    Returns
    -------
    ndarray, shape (n,)
        In the unit of ``position``.
    """
    n = len(position)
    points = np.empty((n, 4))
    points[:, :3], points[:, 3] = position, np.arange(n)
    _sort(points)
    length = np.empty(n)
    length[points[:, 3].astype(int)] = _search(*_grow(points), n, k)
    return length
