"""Progress of long work: a bar with time left on a terminal, plain lines in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator

__all__ = ["track"]

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 15.0


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
    if sys.stderr.isatty() and logger.isEnabledFor(logging.INFO):
        yield from _bar(items, description, total)
    else:
        yield from _lines(items, description, total)


def _bar(items, description, total):
    """Rich progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        for item in items:
            yield item
            progress.advance(task)


def _lines(items, description, total):
    """One log line now and then, with the time left."""
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last > _SECONDS_BETWEEN_LINES or done == total:
            left = (now - start) / done * (total - done)
            logger.info("%s: %d of %d, %.0f s left", description, done, total, left)
            last = now
