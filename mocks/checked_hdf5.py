"""HDF5 files opened so that a damaged heap of texts ends in an error and never in an endless loop."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

__all__ = ["LARGEST", "open_checked"]

LARGEST = 2**26  # bytes of an attribute or a heap; real ones have a few kB
HEAP_SIGNATURE, HEAP_HEADER, SIZE_AT = b"GCOL", 16, 8  # of a heap and of each object in it alike


def _check_heap(heap: bytes, size: int, width: int) -> None:
    """Refuse a global heap of `size` bytes of which HDF5 would never reach the end.

    HDF5 keeps strings of variable length there. It steps from object to object by the sizes that they state,
    `width` bytes each, and so for ever on the spot where one states 0.
    """
    if size > len(heap):
        raise OSError(f"a heap of strings states {size} bytes, {len(heap)} of it can be read")
    place = HEAP_HEADER
    while place + HEAP_HEADER <= size:
        is_used = heap[place : place + 2] != b"\0\0"
        length = int.from_bytes(heap[place + SIZE_AT : place + SIZE_AT + width], "little")
        step = HEAP_HEADER + (length + 7) // 8 * 8 if is_used else length  # free space counts its header
        if not 0 < step <= size - place:
            raise OSError(f"a heap of strings states a piece of {length} bytes at its byte {place} of {size}")
        place += step


class _CheckedFile(io.FileIO):
    """Bytes of an HDF5 file, each global heap checked before HDF5 sees it."""

    width = 8  # bytes of a length in this file

    def readinto(self, buffer: memoryview) -> int:
        place = self.tell()
        count = super().readinto(buffer)
        if bytes(buffer[:4]) == HEAP_SIGNATURE:
            self.seek(place + SIZE_AT)
            size = int.from_bytes(self.read(self.width), "little")
            self.seek(place)
            _check_heap(self.read(min(size, LARGEST)), size, self.width)
        return count


@contextmanager
def open_checked(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file of small size or few reads, each heap of texts in it checked before HDF5 sees it.

    All reads go through Python, some 10 us each: right for headers, tables and stamps, not for snapshots.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    h5py.File

    Raises
    ------
    OSError
        When it is missing, no HDF5 file, or damaged.
    """
    with _CheckedFile(path) as raw, h5py.File(raw, "r") as file:
        raw.width = file.id.get_create_plist().get_sizes()[1]
        yield file
