"""HDF5 files opened so that neither a damaged heap of texts nor a file that they point at does harm."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath

import h5py
import numpy as np

from mocks.claims import refuse_bomb

__all__ = ["LARGEST", "open_checked", "open_contained", "open_locking", "refuse_foreign"]

LARGEST = 2**26  # bytes of an attribute or a heap; real ones have a few kB
HEAP_SIGNATURE, HEAP_HEADER, SIZE_AT = b"GCOL", 16, 8  # the same for a heap and each object in it


def _check_heap(heap: bytes, size: int, width: int) -> None:
    """Refuse a global heap of `size` bytes of which HDF5 would never reach the end.

    HDF5 keeps strings of variable length there. It steps from object to object by the sizes that they state,
    `width` bytes each, and so for ever on the spot where one states 0.
    """
    if size > len(heap):
        raise OSError(f"a string heap should have {size} bytes, {len(heap)} of it can be read")
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


_NOT_FOLLOWED = ", which is not followed; write the values into the file itself."


def _is_sibling(target: str) -> bool:
    """Whether a file named in another one lies in its folder, or below."""
    ways = PurePosixPath(target), PureWindowsPath(target)
    return not any(way.is_absolute() or way.drive or way.root or ".." in way.parts for way in ways)


def _not_its_own(file: h5py.File, siblings: bool) -> str | None:
    """Say which link or dataset of a file keeps its content in another file, or that it claims too much."""
    links, datasets, claimed = [], [], 0

    def note_link(name: bytes, link: object) -> None:
        if link.type not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
            links.append((name, link.type))

    def note_object(name: bytes, item: object) -> None:
        if item.type == h5py.h5o.TYPE_DATASET:
            datasets.append(name)

    file.id.links.visit(note_link, info=True)
    h5py.h5o.visit(file.id, note_object, info=True)
    for name, kind in links:
        target = "elsewhere"
        if kind == h5py.h5l.TYPE_EXTERNAL:
            target = os.fsdecode(file.id.links.get_val(name)[0])
            if siblings and _is_sibling(target):
                continue
        return f"{os.fsdecode(name)} is a link into another file ({target}){_NOT_FOLLOWED}"
    for name in datasets:
        dataset = h5py.h5d.open(file.id, name)
        layout = dataset.get_create_plist()
        if layout.get_external_count():
            target = os.fsdecode(layout.get_external(0)[0])
            return f"{os.fsdecode(name)} keeps its values in another file ({target}){_NOT_FOLLOWED}"
        if layout.get_layout() == h5py.h5d.VIRTUAL:
            sources = {layout.get_virtual_filename(i) for i in range(layout.get_virtual_count())} - {"."}
            for target in sorted(sources):
                if not (siblings and _is_sibling(target)):
                    return f"{os.fsdecode(name)} is put together from another file ({target}){_NOT_FOLLOWED}"
        else:
            claimed += int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize
    try:
        refuse_bomb(claimed, file.id.get_filesize())
    except ValueError as error:
        return str(error)
    return None


def open_locking(path: str | Path, locking: bool | str) -> h5py.File:
    """Open an HDF5 file for reading, locked in another way where this process has it open so already.

    HDF5 refuses to open a file twice in one process, a notebook say, unless both ways of locking agree.

    Parameters
    ----------
    path : str or Path
    locking : bool or str
        As `h5py.File` takes it: the way that is tried first.

    Raises
    ------
    OSError
        When the file cannot be opened in any way.
    """
    ways = [locking, *(way for way in ("best-effort", True, False) if way != locking)]
    for way in ways[:-1]:
        try:
            return h5py.File(path, "r", locking=way)
        except OSError as error:
            if "flag values don't match" not in str(error):
                raise
    return h5py.File(path, "r", locking=ways[-1])


@lru_cache(maxsize=4096)
def _remembered(path: str, _state: tuple, siblings: bool) -> str | None:
    """As `_not_its_own`, of a file in the state that it has; some 50 us for each object in it."""
    with open_locking(path, False) as file:
        return _not_its_own(file, siblings)


def refuse_foreign(path: str | Path, *, siblings: bool = False) -> None:
    """Refuse an HDF5 file that has other files read in its place, any of this machine, or claims too much.

    Values in external storage may be the bytes of whatever file this user may read; external links and
    virtual datasets lead into other HDF5 files.

    Parameters
    ----------
    path : str or Path
        Looked through once for each content that it has.
    siblings : bool
        Whether links and virtual datasets may lead to files in the same folder or below, as those of a
        snapshot in several files do.

    Raises
    ------
    OSError
        When the file is not an HDF5 file, or damaged.
    ValueError
        When it points at another file, or see `refuse_bomb`.
    """
    state = os.stat(path)
    try:
        problem = _remembered(
            str(path), (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns), siblings
        )
    except (RuntimeError, KeyError, ValueError) as error:
        raise OSError(f"{path} is damaged ({error})") from error
    if problem is not None:
        raise ValueError(f"{path}: {problem}")


@contextmanager
def _as_damage(path: str | Path) -> Iterator[None]:
    """Turn what HDF5 raises for broken structures, now or while they are read, into one kind of error."""
    try:
        yield
    except (RuntimeError, OverflowError, MemoryError) as error:
        reason = str(error) or "it claims more than the memory holds"
        raise OSError(f"{path} is damaged ({reason}); fetch or make it again.") from error


@contextmanager
def open_contained(path: str | Path, *, siblings: bool = False) -> Iterator[h5py.File]:
    """Open an HDF5 file for fast reading, refused when it points at other files.

    Parameters
    ----------
    path : str or Path
    siblings : bool
        See `refuse_foreign`.

    Yields
    ------
    h5py.File

    Raises
    ------
    OSError, ValueError
        As `refuse_foreign`.
    """
    refuse_foreign(path, siblings=siblings)
    with _as_damage(path), open_locking(path, "best-effort") as file:
        yield file


@contextmanager
def open_checked(path: str | Path, *, attributes_only: bool = False) -> Iterator[h5py.File]:
    """Open an HDF5 file of small size or few reads, each heap of texts in it checked before HDF5 sees it.

    All reads go through Python, some 10 us each: right for headers, tables and stamps, not for snapshots.

    Parameters
    ----------
    path : str or Path
    attributes_only : bool
        Attributes stand in the file itself: whether it points at other files does not matter.

    Yields
    ------
    h5py.File

    Raises
    ------
    OSError
        When it is missing, no HDF5 file, or damaged.
    ValueError
        When it points at other files, see `refuse_foreign`.
    """
    with _as_damage(path), _CheckedFile(path) as raw, h5py.File(raw, "r") as file:
        raw.width = file.id.get_create_plist().get_sizes()[1]
        if not attributes_only:
            refuse_foreign(path)
        yield file
