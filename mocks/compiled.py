"""Functions compiled by numba, with its cache wherever there is a place for one.

Numba takes settings from a file ``.numba_config.yaml`` where a command is given, the folder of its cache
among them, whose files it unpickles: data that come with such a file would run code. It is not read.
"""

import atexit
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import lru_cache, partial

_YAML = sys.modules.get("yaml")
sys.modules["yaml"] = None  # so that numba, while it is imported, cannot read the file
try:
    with warnings.catch_warnings(action="ignore"):
        import numba
finally:
    del sys.modules["yaml"]
    if _YAML is not None:
        sys.modules["yaml"] = _YAML
numba.core.config._config_fname = ""  # nor later, when it looks for changed settings
numba.core.config.reload_config()

__all__ = ["njit"]

logger = logging.getLogger(__name__)


def njit(function: Callable) -> Callable:
    """Compile a function at its first call, in nopython mode, and keep the machine code for the next process.

    The code is kept beside the package or in the user's cache folder. In a read-only installation whose user
    has no home, neither can be written: then in a folder for this process and those that it starts, or
    nowhere.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
    """
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # "cannot cache function: no locator available"
        if not _has_folder_of_its_own():
            return numba.njit(function)
    return numba.njit(cache=True)(function)


@lru_cache(maxsize=1)
def _has_folder_of_its_own() -> bool:
    """Give numba a folder for this process; say so, or that there is none."""
    try:
        # Its files are unpickled, so nobody else may write there; mkdtemp sees to that.
        folder = tempfile.mkdtemp(prefix="simcompare-numba-")
    except OSError as error:
        logger.warning(
            "numba cannot store compiled code (%s): each process compiles it again, which takes a minute",
            error,
        )
        return False
    atexit.register(partial(_remove, folder, os.getpid()))
    os.environ["NUMBA_CACHE_DIR"] = numba.config.CACHE_DIR = folder
    # Of level warning: this comes with the first import, when no log is set up yet.
    logger.warning(
        "numba keeps compiled code in %s, for this run only; set NUMBA_CACHE_DIR to keep it", folder
    )
    return True


def _remove(folder: str, process: int) -> None:
    """Remove a folder when the process that made it ends, not with one forked from it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
