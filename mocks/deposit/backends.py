"""Two pieces of code for one calculation: vector instructions, and the plain reference beside them."""

import logging
import os
from collections.abc import Callable

__all__ = ["VARIABLE", "compute"]

logger = logging.getLogger(__name__)

VARIABLE = "SIMCOMPARE_KERNELS"
"""Environment variable that names the backend, ``vector`` or ``plain``, wherever no argument does."""

_failures: list[str] = []  # why vector code was given up in this process; at most one entry


def compute(backends: dict[str, Callable], backend: str | None, *arguments):
    """Call the backend that is asked for.

    Parameters
    ----------
    backends : dict of callable
        ``"vector"`` and ``"plain"``, of one signature and one result, but for rounding.
    backend : str, optional
        Name in ``backends``; default what the environment variable ``SIMCOMPARE_KERNELS`` says, else vector
        code, with the plain one in its place when it does not compile here (said once in the log).
    *arguments
        Of the backend.

    Returns
    -------
    object
        What the backend returns.

    Raises
    ------
    ValueError
        For an unknown backend.
    """
    name = backend or os.environ.get(VARIABLE, "")
    if name:
        if name not in backends:
            raise ValueError(
                f"backend {name!r} is unknown; choose from {', '.join(backends)} "
                f"(as an argument or in the environment variable {VARIABLE})."
            )
        return backends[name](*arguments)
    if not _failures:
        try:
            return backends["vector"](*arguments)
        except Exception as error:
            if not _is_of_the_compiler(error):
                raise
            _failures.append(f"{type(error).__name__}: {error}".splitlines()[0])
            logger.warning(
                "vector code does not compile with this processor and numba (%s): the plain code is "
                "used, which is much slower and gives the same images; %s=plain chooses it at once",
                _failures[0], VARIABLE,
            )  # fmt: skip
    return backends["plain"](*arguments)


def _is_of_the_compiler(error: Exception) -> bool:
    """Whether numba or llvmlite cannot be loaded, or cannot compile; their errors have no common type."""
    if isinstance(error, ImportError | AttributeError | RuntimeError):
        return True
    return any(base.__module__.partition(".")[0] in ("numba", "llvmlite") for base in type(error).__mro__)
