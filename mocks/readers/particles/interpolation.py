"""Fast linear interpolation."""

import numpy as np

from mocks.compiled import njit

__all__ = ["on_even_grid"]


@njit
def _interpolate(x, start, per_step, table):
    """Values at the points of `x`; NaN where it is NaN."""
    last = len(table) - 2
    result = np.empty(len(x))
    for i in range(len(x)):
        place = (x[i] - start) * per_step
        if place != place:
            result[i] = place
            continue
        place = min(max(place, 0.0), last + 1.0)
        cell = min(int(place), last)
        result[i] = table[cell] + (place - cell) * (table[cell + 1] - table[cell])
    return result


def on_even_grid(x: np.ndarray | float, start: float, step: float, table: np.ndarray) -> np.ndarray:
    """Interpolate linearly in a table over evenly spaced points, its ends held beyond them.

    Many times faster than `numpy.interp`, which has to search.

    Parameters
    ----------
    x : array_like
    start, step : float
        First point and distance of the points; the step may be negative.
    table : ndarray, shape (n,)
        Values at the points.

    Returns
    -------
    ndarray
        Of the shape of `x`; NaN where `x` is.
    """
    flat = np.asarray(x, dtype=float).reshape(-1)
    return _interpolate(np.ascontiguousarray(flat), start, 1.0 / step, table).reshape(np.shape(x))
