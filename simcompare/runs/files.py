"""Files that are either whole or not there."""

import errno
import glob
import hashlib
import io
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

__all__ = [
    "atomic_hdf5",
    "atomic_path",
    "explained",
    "file_state",
    "fingerprint",
    "open_own",
    "read_rows",
    "remove_leftovers",
    "sha256",
    "write_text",
]

_WHOLE_FILE_LIMIT = 256 * 1024**2
_LEFTOVER = re.compile(r"\.[0-9a-f]{12}\.tmp$")
_HDF5_NUMBER = re.compile(r"errno = (\d+)")  # HDF5 raises RuntimeError, or OSError without the number
_MEND = {
    errno.ENOSPC: "the disk is full: free some space, or choose another --out",
    errno.EDQUOT: "the disk quota is used up: free some space, or choose another --out",
    errno.EFBIG: "the file is larger than this system allows: raise the limit, or choose another --out",
    errno.EROFS: "the file system is read-only: choose another --out",
    errno.EACCES: "this user may not write there: mend the permissions, or choose another --out",
    errno.EPERM: "this user may not write there: mend the permissions, or choose another --out",
}


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Temporary path beside ``path`` that takes its name once the block has succeeded.

    Content and name are flushed to disk, so a crash leaves the old file, the new file or a leftover that
    `remove_leftovers` knows, never half a file under the final name. Two processes, on whatever machines,
    may write the same path: the last one to finish wins, with a whole file.

    Parameters
    ----------
    path : path-like
        Final name; its folder must exist.

    Yields
    ------
    pathlib.Path
        Where to write.

    Raises
    ------
    OSError
        When the disk is full or cannot be written, saying how to mend it; what was there is still there.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except (OSError, RuntimeError) as error:
        raise explained(error, path) from error
    finally:
        # On a disk gone read-only the file cannot be removed; the reason for that is on its way already.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


class _Disk(io.FileIO):
    """File that keeps the first error of writing to itself, and from then on nothing else.

    Told of a full disk, HDF5 ends in hundreds of lines, or in a crash.
    """

    error: OSError | None = None

    def write(self, content: bytes | memoryview) -> int:
        rest = memoryview(content).cast("B")
        size = len(rest)
        try:
            while len(rest) and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size) if self.error is None else size
        except OSError as error:
            self.error = error
            return size


@contextmanager
def atomic_hdf5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """HDF5 file that is there, whole, once the block has succeeded; memory holds little of it.

    Parameters
    ----------
    path : path-like
        Final name; its folder must exist.

    Yields
    ------
    h5py.File
        To be filled.

    Raises
    ------
    OSError
        As `atomic_path`.
    """
    with atomic_path(path) as temporary, _Disk(temporary, "w+") as disk:
        with h5py.File(disk, "w") as file:
            yield file
        if disk.error is not None:
            raise disk.error


def explained(error: OSError | RuntimeError, path: Path) -> Exception:
    """Say of a failed writing what to do about it, where that is known."""
    match = _HDF5_NUMBER.search(str(error))
    mend = _MEND.get(int(match[1]) if match else getattr(error, "errno", None))
    return error if mend is None else OSError(f"{path} cannot be written: {mend}. Finished work is kept.")


def _flush(path: Path) -> None:
    """Make sure that a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(path: Path) -> None:
    """Remove what interrupted calls of `atomic_path` left of a file, or in a folder and the folders in it."""
    leftovers = path.rglob("*.tmp") if path.is_dir() else path.parent.glob(f"{glob.escape(path.name)}.*.tmp")
    for each in leftovers:
        if _LEFTOVER.search(each.name) and each.is_file():
            each.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a small text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def open_own(path: str | os.PathLike, flags: int) -> int:
    """Descriptor of a file of a run that is written in place, which no link may lead elsewhere.

    Parameters
    ----------
    path : path-like
    flags : int
        As `os.open` takes them.

    Raises
    ------
    OSError
        When a link, a pipe or a device lies there, or it cannot be written.
    """
    path = Path(path)
    if path.is_symlink():
        raise OSError(f"{path} is a symbolic link; refusing to write through it. Remove it.")
    # Without waiting: a pipe would have us wait for its other end.
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | safe, 0o644)
    except OSError as error:
        if path.exists() and not path.is_file():
            raise OSError(f"{path} is not a file; remove it.") from error
        raise explained(error, path.parent) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is a pipe or a device; remove it.")
    return descriptor


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a whole file, hexadecimal; a pipe or a device, which has no end, is refused."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path} is a pipe, a device or a folder; it should be a file.")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: str | os.PathLike) -> str:
    """Short text that changes when an input changes, cheap enough for whole snapshots.

    Files up to 256 MiB are hashed whole; larger files and folders through names and sizes.

    Parameters
    ----------
    path : path-like
        File or folder.

    Returns
    -------
    str
        ``"sha256:..."`` for a hashed file, ``"names-and-sizes:..."`` otherwise.

    Raises
    ------
    ValueError
        For a name in the folder that is not UTF-8.
    """
    path = Path(os.path.abspath(path))  # the same for every way of giving it
    if path.is_file() and path.stat().st_size <= _WHOLE_FILE_LIMIT:
        return f"sha256:{sha256(path)}"
    members = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    digest = hashlib.sha256()
    for member in members:
        try:
            digest.update(f"{member.relative_to(path.parent)} {member.stat().st_size}\n".encode())
        except UnicodeEncodeError:
            raise ValueError(f"the name {str(member)!a} is not UTF-8; rename the file or folder.") from None
    return f"names-and-sizes:{digest.hexdigest()}"


def file_state(path: str | os.PathLike) -> tuple:
    """Tell a file, or those of a folder, from what lay there before, without reading it.

    The time at which its entry changed tells copies apart that keep size and time of the last change.

    Parameters
    ----------
    path : path-like
        File or folder.

    Returns
    -------
    tuple
        To be part of the key of a cache.
    """
    path = Path(path)
    members = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    stats = ((str(member), member.stat()) for member in members)
    return tuple((name, s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats)


def read_rows(dataset: h5py.Dataset, rows: np.ndarray) -> np.ndarray:
    """Rows of a dataset in any order, repeats allowed; one slice where they are close together."""
    unique, order = np.unique(rows, return_inverse=True)
    first, last = unique[0], unique[-1]
    if last - first < 4 * len(unique):
        return dataset[first : last + 1][rows - first]
    return dataset[unique][order]
