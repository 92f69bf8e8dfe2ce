"""What had to be assumed or is doubtful, said once for each kind instead of once for each galaxy."""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["collect_log", "count_notes", "join_notes", "kind_of"]

_NUMBER = re.compile(r"\d[\d.,]*(?:[eE][+-]?\d+)?")
_SUBJECT = re.compile(r"^\S*#\S*: ")  # name of a galaxy in front of what is said of it


def kind_of(note: str) -> str:
    """Give what notes that differ in their numbers, or in the name of the galaxy, have in common.

    Examples
    --------
    >>> kind_of("20 wind-phase particles left out") == kind_of("3 wind-phase particles left out")
    True
    """
    return _SUBJECT.sub("", _NUMBER.sub("#", note))


def count_notes(notes: Iterable[tuple[int, str]]) -> dict[str, list]:
    """Count notes by their kinds.

    Parameters
    ----------
    notes : iterable of (level, text)
        Level as in `logging`; of all galaxies, those of one behind those of another.

    Returns
    -------
    dict of list
        By kind: how many there are, the highest level, and the first of them.
    """
    return join_notes({kind_of(text): [1, level, text]} for level, text in notes)


def join_notes(parts: Iterable[dict[str, list]]) -> dict[str, list]:
    """Add up counts of several parts.

    Parameters
    ----------
    parts : iterable of dict
        Of `count_notes`.

    Returns
    -------
    dict of list
        As of `count_notes`.
    """
    joined: dict[str, list] = {}
    for part in parts:
        for kind, (count, level, first) in part.items():
            known = joined.setdefault(kind, [0, level, first])
            known[0] += count
            known[1] = max(known[1], level)
    return joined


@contextmanager
def collect_log(name: str, notes: list[tuple[int, str]]) -> Iterator[None]:
    """Collect what a package logs while the block runs, instead of printing it galaxy by galaxy.

    Parameters
    ----------
    name : str
        Of the package's logger.
    notes : list of (level, text)
        Filled with its warnings and whatever is worse.
    """

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notes.append((record.levelno, record.getMessage()))

    logger = logging.getLogger(name)
    kept = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [Collector(logging.WARNING)], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = kept
