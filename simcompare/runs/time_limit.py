"""A limit of time for reading one thing, which holds even where the reading cannot be interrupted."""

import faulthandler
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType

from simcompare.runs.files import open_own

__all__ = ["Watch"]

_GRACE = 5.0  # s between the polite end of a reading and that of the process
_AGAIN = 1.0  # s between tries to end a reading politely


class Watch:
    """Gives up on what takes too long, once, for all later attempts.

    A read from a dead file server blocks inside a C library, where neither signals nor other threads of
    Python run. The process is then ended from outside of Python, with its stack in the journal; a Dask
    cluster replaces the worker and repeats its task, and the journal tells the repetition what to skip.
    In the main thread of a program a reading that can be interrupted is, and the program goes on.

    Parameters
    ----------
    journal : pathlib.Path
        File that lives while the work goes on, and after its failure if something in it took too long.
    seconds : float
        Longest time for one thing.
    """

    def __init__(self, journal: Path, seconds: float) -> None:
        self.journal, self.seconds = journal, seconds
        self._stuck: set[str] = set()
        self._file = -1
        self._last: str | None = None

    def __enter__(self) -> "Watch":
        self._stuck = _read_stuck(self.journal)
        self._file = open_own(self.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
        if kind is None or not self._stuck:
            self.journal.unlink(missing_ok=True)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Limit the time of the block, which reads the thing of this name, or a piece of it.

        Raises
        ------
        TimeoutError
            When it takes longer, or took longer in an attempt before.
        """
        message = f"took longer than {self.seconds:g} s to read"
        if name in self._stuck:
            raise TimeoutError(message)
        # A full disk is reported where the product is written; it is no fault of what is read.
        if name != self._last:
            with suppress(OSError):
                os.write(self._file, (json.dumps({"name": name}) + "\n").encode())
            self._last = name
        in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
        with _alarm(self.seconds, message) if in_main else nullcontext():
            limit = self.seconds + (_GRACE if in_main else 0.0)
            faulthandler.dump_traceback_later(limit, exit=True, file=self._file)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()


def _read_stuck(journal: Path) -> set[str]:
    """Names behind which the journal has a stack, not another name."""
    if not journal.is_file():
        return set()
    stuck, name = set(), None
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith('{"name"'):
            try:
                name = json.loads(line)["name"]
            except json.JSONDecodeError:  # cut off by the end of the process that wrote it
                name = None
        elif line.startswith("Timeout") and name is not None:
            stuck.add(name)
    return stuck


class _LateError(TimeoutError):
    """The time of a block is over."""


@contextmanager
def _alarm(seconds: float, message: str) -> Iterator[None]:
    """Raise TimeoutError in the block, which the main thread runs, after a time.

    Python ignores, and prints, what is raised while it cleans up after an object: so once a second again.
    """

    def end(_number, _frame):
        raise _LateError(message)

    def ignored(unraisable):
        if unraisable.exc_type is not _LateError:
            hook(unraisable)

    before, hook = signal.signal(signal.SIGALRM, end), sys.unraisablehook
    sys.unraisablehook = ignored
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = hook
