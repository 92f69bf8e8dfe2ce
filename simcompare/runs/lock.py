"""One process at a time in a run folder, on local disks and on shared ones."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from simcompare.runs.files import explained, open_own

try:
    import fcntl
except ImportError:  # no such calls on Windows
    fcntl = None

__all__ = ["lock_folder"]

_LOCK = "run.lock"
# What file systems answer that know no locks, as Lustre mounted without "flock".
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def lock_folder(folder: Path, verb: str) -> Iterator[None]:
    """Keep other processes out of a run folder while the block runs.

    The lock is the kernel's, which also NFS knows between machines, so it ends with its process however that
    ends. Where a file system has no locks, a file of the process's machine and number stands in; one left
    by a process of this machine that has ended is taken over.

    Parameters
    ----------
    folder : pathlib.Path
        Must exist.
    verb : str
        What works in it, for the message to others.

    Raises
    ------
    BlockingIOError
        When another process works in the folder, saying which.
    """
    path = folder / _LOCK
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "verb": verb,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    descriptor = _by_kernel(path, holder)
    if descriptor is None:
        _by_name(path, holder)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def _by_kernel(path: Path, holder: dict) -> int | None:
    """Descriptor of the locked file, None where the file system has no locks."""
    if fcntl is None:
        return None
    while True:
        existed = path.exists()
        descriptor = open_own(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed the file between our opening and locking it.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    os.truncate(descriptor, 0)
                    os.write(descriptor, json.dumps(holder).encode())
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise _in_use(path) from None
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _NO_LOCKS:
                raise explained(error, path.parent) from error
            if not existed:
                path.unlink(missing_ok=True)
            return None
        os.close(descriptor)


def _by_name(path: Path, holder: dict) -> None:
    """Hold the lock by having made its file."""
    if _is_stale(path, holder["host"]):
        path.unlink(missing_ok=True)
    try:
        descriptor = open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        raise _in_use(path) from None
    os.write(descriptor, json.dumps(holder).encode())
    os.close(descriptor)


def _is_stale(path: Path, host: str) -> bool:
    """Whether a lock file was left by a process of this machine that has ended."""
    held = _read(path)
    if held.get("host") != host:
        return False
    try:
        os.kill(int(held["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError):
        return False
    return False


def _read(path: Path) -> dict:
    """Read what a lock file says, nothing when it is gone or half written."""
    if not path.is_file():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _in_use(path: Path) -> BlockingIOError:
    """Error that names the holder."""
    held = _read(path)
    who = f"'{held.get('verb', '?')}' (process {held.get('pid', '?')} on {held.get('host', '?')}"
    return BlockingIOError(
        f"{path.parent} is in use by {who}, since {held.get('since', '?')}); wait for it, or choose another "
        f"--out. If that process is gone, remove {path}."
    )
