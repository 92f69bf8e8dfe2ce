"""Which rows of HDF5 files can lie in a sphere, by the extent of blocks of neighbouring rows."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from mocks.readers.hdf5.snapshot import find, open_hdf5, read_array
from mocks.readers.hdf5.units import Units

__all__ = ["RowBlocks", "row_blocks"]

BLOCK = 1024  # rows; galaxies lie behind each other in the files, so that a block is as small as they are
AT_ONCE = 1024 * BLOCK  # rows in memory


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """Blocks of rows of one particle type, in the unit of the files.

    Parameters
    ----------
    low, high : ndarray, shape (n, 3)
        Lowest and highest coordinates of each block.
    file : ndarray of int, shape (n,)
        Number of the file it lies in.
    start, count : ndarray of int, shape (n,)
        First row and number of rows.
    """

    low: np.ndarray
    high: np.ndarray
    file: np.ndarray
    start: np.ndarray
    count: np.ndarray

    def near(self, centre: np.ndarray, radius: float, side: float) -> dict[int, list[slice]]:
        """Rows of each file that a sphere in a periodic box can hold.

        Parameters
        ----------
        centre : ndarray, shape (3,)
        radius, side : float
            Of the sphere and of the box, in the unit of the files.

        Returns
        -------
        dict of list of slice
            By number of the file; adjoining blocks are joined.
        """
        middle, half = 0.5 * (self.low + self.high), 0.5 * (self.high - self.low)
        away = np.abs(middle - centre)
        away = np.maximum(np.minimum(away, side - away) - half, 0.0)
        chosen = np.flatnonzero((self.count > 0) & ~((away**2).sum(axis=1) > radius**2))
        ranges: dict[int, list[slice]] = {}
        for block in chosen[np.lexsort((self.start[chosen], self.file[chosen]))].tolist():
            mine = ranges.setdefault(int(self.file[block]), [])
            rows = slice(int(self.start[block]), int(self.start[block] + self.count[block]))
            if mine and mine[-1].stop == rows.start:
                rows = slice(mine.pop().start, rows.stop)
            mine.append(rows)
        return ranges


def row_blocks(files: tuple[Path, ...], kind: str, units: Units) -> RowBlocks:
    """Go through the coordinates of all files once.

    Parameters
    ----------
    files : tuple of Path
    kind : str
        ``"PartType0"`` or ``"PartType4"``.
    units : Units
        For the name of the coordinates.
    """
    parts = []
    for number, path in enumerate(files):
        with open_hdf5(path) as file:
            position = find(file[kind], "position", units) if kind in file else None
            if position is not None and len(position):
                parts.append(_blocks(position, number))
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return RowBlocks(np.zeros((0, 3)), np.zeros((0, 3)), nothing, nothing, nothing)
    return RowBlocks(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _blocks(position: h5py.Dataset, number: int) -> tuple[np.ndarray, ...]:
    """Columns of `RowBlocks` of one file; a block with NaN lies everywhere."""
    low, high, rows = [], [], np.arange(0, len(position), BLOCK)
    for start in range(0, len(position), AT_ONCE):
        values = read_array(position, slice(start, start + AT_ONCE)).astype(float)
        first = np.arange(0, len(values), BLOCK)
        low.append(np.minimum.reduceat(values, first))
        high.append(np.maximum.reduceat(values, first))
    count = np.minimum(BLOCK, len(position) - rows)
    return np.concatenate(low), np.concatenate(high), np.full(len(rows), number), rows, count
