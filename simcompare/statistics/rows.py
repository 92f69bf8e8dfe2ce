"""Features of many galaxies, read and standardised some rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from simcompare.runs.files import read_rows

__all__ = ["Rows", "Sample", "standardise"]

AT_ONCE = 16_384  # rows of features read


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of features that are read and standardised when they are asked for.

    Parameters
    ----------
    values : array_like, shape (n, d)
        Array, dataset of an open HDF5 file, or anything else that gives rows by their numbers.
    index : ndarray of int, shape (m,)
        Those meant.
    middle, spread : ndarray, shape (d,), optional
        What is subtracted, and what is divided by.
    """

    values: Any
    index: np.ndarray
    middle: np.ndarray | None = None
    spread: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return self.index.size, self.values.shape[1]

    def __len__(self) -> int:
        return self.index.size

    def __getitem__(self, item) -> np.ndarray:
        """Rows, shape (k, d), of which no value is farther than 6 from zero once they are standardised."""
        index = self.index[item]
        is_file = isinstance(self.values, h5py.Dataset) and index.size
        rows = np.asarray(read_rows(self.values, index) if is_file else self.values[index], float)
        return rows if self.middle is None else np.clip((rows - self.middle) / self.spread, -6, 6)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all rows, some at a time."""
        for start in range(0, len(self), AT_ONCE):
            yield self[start : start + AT_ONCE]


Sample = Rows | np.ndarray


def standardise(first: Sample, second: Sample) -> tuple[Rows, Rows]:
    """Bring features to zero median and unit spread of the second sample, without far outliers.

    Parameters
    ----------
    first, second : Rows or ndarray, shape (n, d) and (m, d)
        Features; rows that are not finite are left out. `second` is the reference.

    Returns
    -------
    tuple of two Rows
    """
    kept = []
    for sample in (first, second):
        rows = sample if isinstance(sample, Rows) else Rows(sample, np.arange(len(sample)))
        finite = [np.isfinite(block).all(axis=1) for block in rows.blocks()]
        kept.append(Rows(rows.values, rows.index[np.concatenate([np.zeros(0, bool), *finite])]))
    if first.shape[1] != second.shape[1] or min(map(len, kept)) < 2:
        raise ValueError(
            f"two-sample tests need the same features and two finite rows of each sample; found shapes "
            f"{first.shape} and {second.shape}, finite rows {len(kept[0])} and {len(kept[1])}."
        )
    columns = (np.concatenate([block[:, k] for block in kept[1].blocks()]) for k in range(second.shape[1]))
    low, middle, high = np.transpose([np.percentile(column, [16, 50, 84]) for column in columns])
    spread = np.where(high > low, 0.5 * (high - low), 1.0)
    return tuple(Rows(each.values, each.index, middle, spread) for each in kept)
