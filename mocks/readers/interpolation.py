"""Fast linear interpolation."""

import numpy as np

__all__ = ["on_even_grid"]


def on_even_grid(x: np.ndarray | float, start: float, step: float, table: np.ndarray) -> np.ndarray:
    """Interpolate linearly in a table over evenly spaced points, its ends held beyond them.

    Several times faster than `numpy.interp`, which has to search.

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
        Of the shape of `x`.
    """
    place = np.subtract(x, start, dtype=float)
    place /= step
    place = np.clip(place, 0.0, len(table) - 1.0)
    cell = np.minimum(place.astype(np.intp), len(table) - 2)
    low = table.take(cell)
    place -= cell
    place *= table[1:].take(cell) - low
    return place + low
