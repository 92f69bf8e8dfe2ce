"""Galaxies of one file, one after another: what cannot be read is left out by itself."""

import struct
from collections.abc import Callable, Iterable, Iterator

from simcompare.images.stamps import RawStamp, unusable_stamp

__all__ = ["each_row"]

_SPOILT = (ValueError, KeyError, IndexError, TypeError, ArithmeticError, OSError, EOFError, struct.error)


def each_row(
    rows: Iterable,
    make: Callable[[object], RawStamp],
    bands: tuple[str, ...],
    source: str,
    stem: str,
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
    source, stem : str
        Name of the file, with and without its ending.
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
            stamp = unusable_stamp(bands, f"{stem}-{index}", _reason(error, source), source, index)
        yield stamp


def _reason(error: Exception, source: str) -> str:
    """Text of an error, without the file's path in front, which stands beside it."""
    text = " ".join(str(error).split())
    if isinstance(error, KeyError):
        return f"incomplete: {text}"
    before, is_there, after = text.partition(f"{source}: ")
    return after if is_there and len(before) < 4096 and " " not in before.strip() else text
