"""Progress of long work: a bar with time left on a terminal, plain lines in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

__all__ = ["meter", "track"]

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def meter(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far the work is while the block runs.

    Parameters
    ----------
    description : str
        Name of the work, shown before the count.
    total : int
        Amount of work.

    Yields
    ------
    callable
        To be told how much is done by now.
    """
    if sys.stderr.isatty() and logger.isEnabledFor(logging.INFO):
        with _bar(description, total) as tell:
            yield tell
    else:
        yield _lines(description, total)


def track(items: Iterable, description: str, total: int) -> Iterator:
    """Yield the items and show how far the work is.

    Parameters
    ----------
    items : iterable
        What is worked on; an item counts as done when the next one is asked for.
    description : str
        Name of the work, shown before the count.
    total : int
        Number of items.

    Yields
    ------
    object
        The items, unchanged.
    """
    with meter(description, total) as tell:
        for done, item in enumerate(items, start=1):
            yield item
            tell(done)


@contextmanager
def _bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Rich progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


def _lines(description: str, total: int) -> Callable[[int], None]:
    """One log line now and then, with the time left."""
    start = last = time.monotonic()

    def tell(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _SECONDS_BETWEEN_LINES or done == total:
            left = (now - start) / done * (total - done)
            logger.info("%s: %d of %d, %.0f s left", description, done, total, left)
            last = now

    return tell
