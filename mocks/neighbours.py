"""Distance to the k-th neighbour of every particle, exact, for any clustering."""

import numpy as np
from numba import njit

__all__ = ["neighbour_distances"]

_LEAF = 64
_INFINITY = 0x7FF0000000000000  # its bits


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
def _build(points, n_leaf):
    """Sort rows (x, y, z, number) into a balanced k-d tree; returns the box of every node.

    Node i has the children 2 i and 2 i + 1; the root is 1, the leaves are the last ``n_leaf``, which share
    the particles evenly.
    """
    n = len(points)
    box = np.empty((2, 3, 2 * n_leaf))
    for node in range(1, 2 * n_leaf):
        wide = 1  # leaves below this node, of which this is the first
        while node * wide < n_leaf:
            wide *= 2
        first = node * wide - n_leaf
        low, high = first * n // n_leaf, (first + wide) * n // n_leaf
        for axis in range(3):
            least = most = points[low, axis]
            for i in range(low, high):
                least, most = min(least, points[i, axis]), max(most, points[i, axis])
            box[0, axis, node], box[1, axis, node] = least, most
        if node < n_leaf:
            axis = np.argmax(box[1, :, node] - box[0, :, node])
            _select(points, low, high, (first + wide // 2) * n // n_leaf, axis)
    return box


@njit(cache=True, fastmath=True)
def _measure(x, y, z, place, low, high, square, start):
    """Squared distances of a point from particles low to high, written from ``start`` on."""
    for i in range(high - low):
        a, b, c = place[0, low + i] - x, place[1, low + i] - y, place[2, low + i] - z
        square[start + i] = a * a + b * b + c * c


@njit(cache=True)
def _split(bits, count, threshold):
    """How many numbers are at most the threshold, the largest of them, and the smallest of the others."""
    n, below, above = 0, -1, _INFINITY
    for i in range(count // 32 * 32):
        value = bits[i]
        n += value <= threshold
        below = max(below, value if value <= threshold else -1)
        above = min(above, _INFINITY if value <= threshold else value)
    return n, below, above


@njit(cache=True)
def _smallest(square, count, rank, guess):
    """Find the number at a rank, counted from 1, by counting below thresholds.

    Numbers that are not negative sort like their bits, taken as integers, which the processor compares many
    at a time. They are padded to whole vectors: ``square`` must have room for 31 more.
    """
    padded = count + -count % 32
    square[count:padded] = np.inf
    bits, trial = square.view(np.int64), np.empty(1)
    trial_bits = trial.view(np.int64)
    low, n_low, high, n_high, tries = 0.0, 0, np.inf, count, 0
    trial[0] = guess
    while True:
        n, below, above = _split(bits, padded, trial_bits[0])
        if n == rank or n == rank - 1:
            trial_bits[0] = below if n == rank else above
            return trial[0]
        if n < rank:
            low, n_low = trial[0], n
            trial_bits[0] = above
            if trial[0] == high:
                return high
        else:
            trial_bits[0] = below
            high, n_high = trial[0], n
        tries += 1
        if high == np.inf:
            trial[0] = 2 * trial[0]
        else:  # in even surroundings a straight line finds it in three or four steps; halving is for others
            share = 0.5 if tries % 4 == 0 else (rank - 0.5 - n_low) / (n_high - n_low)
            trial[0] = low + share * (high - low)
            if trial[0] >= high:
                trial[0] = low if low < high else -1.0


@njit(cache=True)
def _leaves_within(box, n_leaf, own, radius, near):
    """Leaves within a radius of a leaf, about the nearest first; returns how many."""
    waiting, top, count = np.empty(64, np.int64), 1, 0
    waiting[0] = 1
    while top:
        top -= 1
        node = waiting[top]
        if _between(box, own, node) > radius * radius:
            continue
        if node >= n_leaf:
            near[count] = node
            count += 1
            continue
        first = 2 * node
        if _between(box, own, first + 1) < _between(box, own, first):
            first += 1
        waiting[top], waiting[top + 1] = first ^ 1, first
        top += 2
    return count


@njit(cache=True)
def _between(box, a, b):
    """Squared distance between the boxes of two nodes."""
    total = 0.0
    for axis in range(3):
        gap = max(box[0, axis, a] - box[1, axis, b], box[0, axis, b] - box[1, axis, a], 0.0)
        total += gap * gap
    return total


@njit(cache=True, fastmath=True)
def _to_boxes(x, y, z, box, count, square):
    """Squared distances of a point from boxes, shape (2, 3, size)."""
    for i in range(count):
        a = max(box[0, 0, i] - x, x - box[1, 0, i], 0.0)
        b = max(box[0, 1, i] - y, y - box[1, 1, i], 0.0)
        c = max(box[0, 2, i] - z, z - box[1, 2, i], 0.0)
        square[i] = a * a + b * b + c * c


@njit(cache=True)
def _search(place, box, n_leaf, k):
    """Distance of every particle to its k-th other one, in the order of the tree.

    No particle is farther from its k-th neighbour than another one is from its own plus the distance between
    the two. The middle of each leaf thus bounds where all of the leaf need to look, and every particle that
    is done bounds the next. ``place`` has shape (3, n), ``box`` (2, 3, node).
    """
    n = place.shape[1]
    crowd = 6 * (k + 1)
    length, square = np.empty(n), np.empty(crowd + n // n_leaf + 2 * k + 34)
    near, near_box, gap = np.empty(n_leaf, np.int64), np.empty((2, 3, n_leaf)), np.empty(n_leaf)
    inside = np.empty(n_leaf, np.int64)
    x, y, z = place
    edge = np.arange(n_leaf + 1) * n // n_leaf
    for leaf in range(n_leaf):
        low, high = edge[leaf], edge[leaf + 1]
        middle = (low + high) // 2
        first = min(max(middle - k, 0), n - min(2 * k + 1, n))
        last = min(first + 2 * k + 1, n)
        _measure(x[middle], y[middle], z[middle], place, first, last, square, 0)
        start = np.sqrt(_smallest(square, last - first, k + 1, square[0]))
        _measure(x[middle], y[middle], z[middle], place, low, high, square, 0)
        radius = start + np.sqrt(np.max(square[: high - low]))
        n_near = _leaves_within(box, n_leaf, n_leaf + leaf, radius * (1 + 1e-12), near)
        for side in range(2):
            for axis in range(3):
                for j in range(n_near):
                    near_box[side, axis, j] = box[side, axis, near[j]]
        for i in range(low, high):
            _measure(x[i], y[i], z[i], place, low, high, square, 0)
            bound, guess = start + np.sqrt(square[middle - low]), start
            for j in range(low, i):
                reach = length[j] + np.sqrt(square[j - low])
                if reach < bound:
                    bound, guess = reach, length[j]
            bound, guess = bound * bound * (1 + 1e-12), guess * guess
            _to_boxes(x[i], y[i], z[i], near_box, n_near, gap)
            count = n_inside = 0
            for j in range(n_near):
                inside[n_inside] = j
                n_inside += gap[j] <= bound
            for m in range(n_inside):
                j = inside[m]
                if gap[j] <= bound:  # which may have come down since
                    begin, end = edge[near[j] - n_leaf], edge[near[j] - n_leaf + 1]
                    _measure(x[i], y[i], z[i], place, begin, end, square, count)
                    count += end - begin
                    if count > crowd:
                        limit = _smallest(square, count, k + 1, bound)
                        _keep(square, count, k + 1, limit)
                        bound, count = min(bound, limit), k + 1
            length[i] = np.sqrt(_smallest(square, count, k + 1, guess))
    return length


@njit(cache=True)
def _keep(square, count, rank, limit):
    """Leave only the smallest numbers, in place; ``limit`` is the one at the rank."""
    kept = 0
    for i in range(count):
        square[kept] = square[i]
        kept += square[i] < limit
    square[kept:rank] = limit


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
    n_leaf = 1 << max(int(np.ceil(np.log2(n / _LEAF))), 0)
    box = _build(points, n_leaf)
    length = np.empty(n)
    length[points[:, 3].astype(int)] = _search(np.ascontiguousarray(points[:, :3].T), box, n_leaf, k)
    return length
