"""Galaxies of one file, one after another: what cannot be read is left out by itself."""

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import h5py

from simcompare.images.stamps import RawStamp, unusable_stamp

__all__ = ["check_filters", "each_row"]

_SPOILT = (ValueError, KeyError, IndexError, TypeError, ArithmeticError, OSError, EOFError, struct.error)


def check_filters(group: h5py.Group, path: Path) -> None:
    """Refuse a group in which a dataset is compressed by a filter that this installation lacks.

    Raises
    ------
    ValueError
        Naming the first such dataset, the filter, and how to get it.
    """
    for dataset in group.values():
        if not isinstance(dataset, h5py.Dataset):
            continue
        if _lacking(dataset):
            with suppress(ImportError):
                import hdf5plugin  # noqa: F401  registers the filters of others
        if lacking := _lacking(dataset):
            raise ValueError(
                f"{path}: {dataset.name} is compressed by the filter {lacking}, which this installation "
                "lacks: pip install hdf5plugin, or unpack the file with h5repack."
            )


def _lacking(dataset: h5py.Dataset) -> str:
    """List number and name of the filters that a dataset needs and HDF5 does not have."""
    plan = dataset.id.get_create_plist()
    filters = (plan.get_filter(number) for number in range(plan.get_nfilters()))
    return ", ".join(
        f"{code} ({name.decode(errors='replace')})" if name else str(code)
        for code, _, _, name in filters
        if not h5py.h5z.filter_avail(code)
    )


def each_row(
    rows: Iterable,
    make: Callable[[object], RawStamp],
    bands: tuple[str, ...],
    source: str,
    name: Callable[[object], str],
    label: Callable[[object], str] = str,
) -> Iterator[RawStamp]:
    """Stamps of the rows of a file; in place of one that cannot be made stands its reason.

    Parameters
    ----------
    rows : iterable
        Numbers or names of the rows.
    make : callable
        From a row to its stamp.
    bands : tuple of str
    source : str
        Name of the file.
    name : callable
        From a row to the name of its galaxy.
    label : callable
        From a row to its index in the file.

    Yields
    ------
    RawStamp
    """
    for row in rows:
        try:
            stamp = make(row)
        except _SPOILT as error:
            index = label(row)
            stamp = unusable_stamp(bands, name(row), _reason(error, source), source, index)
        yield stamp


def _reason(error: Exception, source: str) -> str:
    """Text of an error, without the file's path in front, which stands beside it."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        return f"incomplete: {text}"
    before, is_there, after = text.partition(f"{source}: ")
    return after if is_there and len(before) < 4096 and " " not in before.strip() else text
