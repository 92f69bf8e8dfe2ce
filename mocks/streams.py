"""Random streams named by the thing they belong to, never by the order of work."""

from zlib import crc32

import numpy as np

__all__ = ["stream"]


def stream(seed: int, *name: int | str) -> np.random.Generator:
    """Random generator that belongs to one named thing.

    The same name gives the same numbers alone, in a batch and on another machine;
    different names give independent streams.

    Parameters
    ----------
    seed : int
        Seed of the run, non-negative.
    *name : int or str
        What the numbers are for: simulation, snapshot, subhalo_id, view, purpose. Integers are
        taken as they are (negative ones by their text), words through their CRC-32.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> a = stream(1, "TNG100-1", 99, 565261, 0, "noise").normal()
    >>> a == stream(1, "TNG100-1", 99, 565261, 0, "noise").normal()
    True
    """

    def word(part: int | str) -> int:
        is_index = isinstance(part, int | np.integer) and part >= 0
        return int(part) if is_index else crc32(str(part).encode())

    return np.random.default_rng([seed, *map(word, name)])
