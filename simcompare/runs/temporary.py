"""Temporary folder for products without an `out`, removed with the last reference to it."""

import os
import shutil
import weakref
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["TemporaryFolder"]


class TemporaryFolder:
    """Folder that is removed together with the last object that refers to this one, or at the end of Python.

    What goes to another process in its place is None: the folder belongs to the process that made it.

    Parameters
    ----------
    needs : iterable of object
        Other temporary folders that its content points at; they stay at least as long.

    Attributes
    ----------
    path : pathlib.Path
    """

    def __init__(self, needs: Iterable[object] = ()) -> None:
        self.path = Path(mkdtemp(prefix="simcompare-"))
        self.needs = tuple(needs)
        weakref.finalize(self, _remove, str(self.path), os.getpid())

    def __repr__(self) -> str:
        return f"<TemporaryFolder {self.path}>"

    def __reduce__(self) -> tuple:
        return type(None), ()


def _remove(path: str, owner: int) -> None:
    """Remove the folder, unless this is a process that was forked from its owner."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
