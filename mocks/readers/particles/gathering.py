"""Rows of particles in several files, gathered into one set of columns."""

import math
from dataclasses import dataclass, replace

import numpy as np

from mocks.compiled import njit

__all__ = ["Part", "gather"]


@dataclass(frozen=True, eq=False)
class Part:
    """Chosen particles of one file, not yet copied out.

    Parameters
    ----------
    columns : dict of tuple of ndarray
        House name to the arrays that make the column, (n,) each or one (n, k), in the file's units.
    rows : ndarray of int, optional
        Which particles are meant; all when left out.
    """

    columns: dict[str, tuple[np.ndarray, ...]]
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        if self.rows is not None:
            return len(self.rows)
        return len(next(iter(self.columns.values()))[0]) if self.columns else 0

    def select(self, chosen: np.ndarray) -> "Part":
        """Part with those of its particles for which a boolean array is True."""
        if chosen.all():
            return self
        return replace(self, rows=np.flatnonzero(chosen) if self.rows is None else self.rows[chosen])

    def values(self, name: str) -> np.ndarray:
        """Column of one array, as it is in the file."""
        (values,) = self.columns[name]
        return values if self.rows is None else values[self.rows]


@njit
def _put(values, rows, factor, out, start, axis):
    if values.shape[1] == 1:  # twice as fast without an inner loop, as are vectors below
        for i in range(len(rows)):
            out[start + i, axis] = values[rows[i], 0] * factor
        return
    if values.shape[1] == 3:
        for i in range(len(rows)):
            row, to = rows[i], start + i
            out[to, axis], out[to, axis + 1] = values[row, 0] * factor, values[row, 1] * factor
            out[to, axis + 2] = values[row, 2] * factor
        return
    for i in range(len(rows)):
        for k in range(values.shape[1]):
            out[start + i, axis + k] = values[rows[i], k] * factor


def _shape(arrays: tuple[np.ndarray, ...], count: int) -> tuple[int, ...]:
    """Shape of a column of `count` rows made from such arrays."""
    return (count, len(arrays)) if arrays[0].ndim == 1 else (count, *arrays[0].shape[1:])


def gather(parts: list[Part], factors: dict[str, float] | None = None) -> dict[str, np.ndarray]:
    """Columns of the chosen particles of several files one after another.

    Choosing, joining and scaling at once saves three copies of everything.

    Parameters
    ----------
    parts : list of Part
    factors : dict of float, optional
        By house name; 1 for others.

    Returns
    -------
    dict of ndarray
        float64, of shape (n,) or (n, k), views of one block; ``identity`` in int64 and without its sign.
        Columns that some file lacks are left out, but files without a chosen particle do not count.
    """
    parts = [part for part in parts if len(part)] or parts[:1]
    shared = set.intersection(*(set(part.columns) for part in parts)) if parts else set()
    joined, count = {}, sum(map(len, parts))
    # one block for all: large blocks are kept for the next galaxy, or come in large pages, and a galaxy of
    # small ones costs more in page faults than in arithmetic
    floats = shared - {"identity"}
    free = np.empty(sum(math.prod(_shape(parts[0].columns[name], count)) for name in floats))
    for name in sorted(shared):
        first = parts[0].columns[name]
        if name == "identity":
            joined[name] = np.abs(np.concatenate([part.values(name) for part in parts]).astype(np.int64))
            continue
        shape = _shape(first, count)
        size = math.prod(shape)
        joined[name], free = free[:size].reshape(shape), free[size:]
        start, factor = 0, (factors or {}).get(name, 1.0)
        for part in parts:
            for axis, values in enumerate(part.columns[name]):
                table = values.reshape(len(values), -1)
                if part.rows is None:
                    into = joined[name][start : start + len(part), axis : axis + table.shape[1]]
                    np.multiply(table, factor, out=into, dtype=float)
                else:
                    table = table if table.dtype.char in "fd" else table.astype(float)
                    _put(table, part.rows, factor, joined[name], start, axis)
            start += len(part)
        joined[name] = joined[name][:, 0] if len(first) == 1 and first[0].ndim == 1 else joined[name]
    return joined
