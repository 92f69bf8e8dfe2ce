"""Which galaxy or halo each particle of a file belongs to, by the columns that say so."""

import h5py
import numpy as np

from mocks.readers.hdf5.layout import galaxy_numbers
from mocks.readers.hdf5.snapshot import find, read_array

__all__ = ["NO_HALO", "halo_numbers", "is_of_haloes", "numbers_in", "whole_numbers"]

NO_HALO = 2**31 - 1  # SWIFT's FOFGroupIDs of particles in none; SIMBA's HaloID of such is 0


def is_of_haloes(group: h5py.Group) -> bool:
    """Whether a particle group tells haloes, and not galaxies, apart."""
    if find(group, "galaxy_number") is not None:
        return False
    return find(group, "group_number") is None or find(group, "subgroup_number") is None


def numbers_in(group: h5py.Group) -> np.ndarray | None:
    """Give the number of the galaxy, or else of the halo, of each particle.

    Parameters
    ----------
    group : h5py.Group
        ``PartType4`` or ``PartType0``.

    Returns
    -------
    ndarray of int64, shape (n,), or None
        -1 for particles of none; None when no column tells.
    """
    galaxy, first, second = (
        find(group, name) for name in ("galaxy_number", "group_number", "subgroup_number")
    )
    if galaxy is not None:
        numbers = whole_numbers(galaxy)
        return np.where(numbers == NO_HALO, -1, numbers)
    if first is not None and second is not None:
        return galaxy_numbers(whole_numbers(first), whole_numbers(second))
    return halo_numbers(group)


def halo_numbers(group: h5py.Group) -> np.ndarray | None:
    """Give the number of the halo, a friends-of-friends group, of each particle.

    Parameters
    ----------
    group : h5py.Group
        ``PartType4`` or ``PartType0``.

    Returns
    -------
    ndarray of int64, shape (n,), or None
        -1 for particles of none; None when no column tells.
    """
    first = find(group, "group_number")
    column = first if first is not None else find(group, "halo_number")
    if column is None:
        return None
    numbers = whole_numbers(column)
    return np.where((numbers > 0) & (numbers < NO_HALO), numbers, -1)


def whole_numbers(dataset: h5py.Dataset) -> np.ndarray:
    """Read a column of galaxy numbers.

    Returns
    -------
    ndarray of int64, shape (n,)
        -1 for the largest number of an unsigned type, which is how that type holds -1.

    Raises
    ------
    ValueError
        When some are not whole numbers.
    """
    values = read_array(dataset)
    if values.dtype.kind == "f":
        wrong = np.count_nonzero(~(np.abs(values) < 2.0**53) | (values != np.rint(values)))
        if wrong:
            raise ValueError(
                f"{dataset.file.filename}: {dataset.name} numbers galaxies, but {wrong} of {len(values)} "
                "values are not integers."
            )
    numbers = values.astype(np.int64)
    if values.dtype.kind == "u":
        numbers[values == np.iinfo(values.dtype).max] = -1
    return numbers
