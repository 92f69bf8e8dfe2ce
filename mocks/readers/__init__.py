"""Readers of simulation outputs; all return the same `mocks.Galaxy`."""

from mocks.readers.arrays import galaxy_from_arrays
from mocks.readers.base import Format, Snapshot
from mocks.readers.headers import RUNS
from mocks.readers.registry import SIMULATIONS, open_snapshot, recognise

__all__ = [
    "RUNS",
    "SIMULATIONS",
    "Format",
    "Snapshot",
    "galaxy_from_arrays",
    "open_snapshot",
    "recognise",
]
