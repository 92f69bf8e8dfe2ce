"""Files that are either whole or not there."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "fingerprint", "sha256", "write_text"]

_WHOLE_FILE_LIMIT = 256 * 1024**2


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Temporary path beside ``path`` that takes its name once the block has succeeded.

    The content is flushed to disk before the rename, so a crash leaves the old file, the new file
    or a ``*.tmp``, never half a file under the final name.

    Parameters
    ----------
    path : path-like
        Final name; its folder must exist.

    Yields
    ------
    pathlib.Path
        Where to write.
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a small text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a whole file, hexadecimal."""
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
    """
    path = Path(path)
    if path.is_file() and path.stat().st_size <= _WHOLE_FILE_LIMIT:
        return f"sha256:{sha256(path)}"
    members = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    digest = hashlib.sha256()
    for member in members:
        digest.update(f"{member.relative_to(path.parent)} {member.stat().st_size}\n".encode())
    return f"names-and-sizes:{digest.hexdigest()}"
