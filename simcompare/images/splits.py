"""Training, validation and test split by place on the sky."""

import hashlib
from collections.abc import Sequence

import numpy as np

from simcompare.images.positions import CELL, SAME_OBJECT

__all__ = ["FRACTIONS", "SPLITS", "TEST_ALONE", "assign_split", "split_of_place"]


SPLITS = ("train", "validation", "test")

FRACTIONS = (0.7, 0.1, 0.2)
"""Shares of real galaxies to train, to stop the training, and to test with."""

TEST_ALONE = (0.0, 0.0, 1.0)
"""Fractions of images that nothing learns from, as mocks."""


def assign_split(name: str, seed: int = 0, fractions: Sequence[float] = (0.8, 0.1, 0.1)) -> str:
    """Training, validation or test, decided by a name alone.

    Parameters
    ----------
    name : str
        Of the galaxy, which all of its views carry, or of its cell of the sky.
    seed : int
        Another seed, another division.
    fractions : sequence of 3 floats
        Of train, validation and test; sum 1.

    Returns
    -------
    str
        One of `SPLITS`.

    Raises
    ------
    ValueError
        When the fractions are negative or do not sum to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"split fractions are {tuple(fractions)}; give three numbers >= 0 that sum to 1.")
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    return SPLITS[int(np.searchsorted(np.cumsum(fractions)[:2], position, side="right"))]


def split_of_place(
    ra: float, dec: float, seed: int = 0, fractions: Sequence[float] = (0.8, 0.1, 0.1)
) -> str | None:
    """Split of a place on the sky: the same in every set, whatever the object is called there.

    The sky is divided into cells of 6 arcmin, and the name of the cell decides. Two positions of one object
    may differ by up to `SAME_OBJECT`; so nothing is taken from the seam between cells of unlike splits, and
    no object can be on one side in one catalogue and on the other in the next.

    Parameters
    ----------
    ra, dec : float
        ICRS [deg].
    seed, fractions
        As of `assign_split`.

    Returns
    -------
    str or None
        One of `SPLITS`; None in a seam.
    """
    reach = SAME_OBJECT / 2 / 3600
    across = reach / max(np.cos(np.deg2rad(min(abs(dec) + reach, 90))), 1e-9)
    cells = {
        _cell(ra + i * min(across, 180), np.clip(dec + j * reach, -90, 90))
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    }
    sides = {assign_split(cell, seed, fractions) for cell in cells}
    return sides.pop() if len(sides) == 1 else None


def _cell(ra: float, dec: float) -> str:
    """Name of the cell of a place: a row of declination, and a part of it."""
    rows = round(180 * 3600 / CELL)
    row = min(int((dec + 90) / 180 * rows), rows - 1)
    middle = np.deg2rad((row + 0.5) / rows * 180 - 90)
    columns = max(int(360 * 3600 * np.cos(middle) / CELL), 1)
    return f"{row}/{int(ra % 360 / 360 * columns) % columns}"
