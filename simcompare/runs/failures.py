"""What could not be done: why, and whether giving the command again may help."""

import re
from enum import StrEnum
from pathlib import Path

__all__ = ["SOME_FAILED", "FailureKind", "InputChangedError", "count_failures", "may_pass"]

SOME_FAILED = 3
"""Exit status of a command that finished, but for inputs that failed."""

_PASSING = (MemoryError, FileNotFoundError, PermissionError, TimeoutError, ConnectionError)
_HDF5_NUMBER = re.compile(r"errno = \d+")


class FailureKind(StrEnum):
    """Why something is not among the products, as ``failures.ecsv`` says it."""

    LEFT_OUT = "left out"
    """By a rule, as too faint to be found, or twice among the inputs."""
    INPUT = "input"
    """It cannot be used as it is; tried again once it has changed."""
    MAY_PASS = "may pass"
    """A missing file, an error of reading, a timeout, a lack of memory; tried again by the next run."""


class InputChangedError(ValueError):
    """An input that is no longer what it was when the run began."""


def may_pass(error: BaseException) -> bool:
    """Whether an error, or one behind it, is of the machine at this moment and not of the data.

    Examples
    --------
    >>> may_pass(OSError(5, "Input/output error")), may_pass(OSError("truncated file"))
    (True, False)
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        # What HDF5, gzip and FITS say of damaged content is an OSError without a number of the system.
        is_of_system = isinstance(error, OSError) and (error.errno or _HDF5_NUMBER.search(str(error)))
        if is_of_system or isinstance(error, (*_PASSING, InputChangedError)):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def count_failures(path: Path) -> int:
    """Count what failed, by its table; what a rule left out is not a failure, and no table is none."""
    from simcompare.runs.tables import read_ecsv  # with astropy, which the command line does without

    if not path.is_file():
        return 0
    table = read_ecsv(path)
    if "kind" not in table.colnames:
        return len(table)
    return sum(kind != FailureKind.LEFT_OUT for kind in table["kind"].tolist())
