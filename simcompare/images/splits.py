"""Training, validation and test split, and folds, by place on the sky."""

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from simcompare.images.positions import CELL, SAME_OBJECT, near_pairs

__all__ = ["FRACTIONS", "SPLITS", "TEST_ALONE", "assign_split", "deal_folds", "split_of_place"]


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


def deal_folds(
    names: Sequence[str], ra: Sequence[float], dec: Sequence[float], fields: Sequence[str], n_folds: int
) -> np.ndarray:
    """Deal galaxies into folds of about equal size, neighbours on the sky into the same one.

    Galaxies of one field, and those within 6 arcmin of each other, stay together. The largest groups are
    dealt first, each into the smallest fold; groups of one size come in the order of hashes of their names.

    Parameters
    ----------
    names : sequence of str, length n
        Of the galaxies.
    ra, dec : sequence of float, length n
        ICRS [deg]; NaN where the place is not known.
    fields : sequence of str, length n
        Exposure that each galaxy was cut from; empty where it is not known.
    n_folds : int

    Returns
    -------
    ndarray of int, shape (n,)
        Number of the fold of each galaxy, from 0.

    Raises
    ------
    ValueError
        For fewer than two folds, or fewer groups than folds.
    """
    groups = _neighbours(np.asarray(names), ra, dec, np.asarray(fields))
    regions, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    if n_folds < 2 or len(regions) < n_folds:
        raise ValueError(
            f"{len(names)} galaxies lie in {len(regions)} separate regions of the sky, which cannot be dealt "
            f"into {n_folds} folds; at least 2 folds are needed, and a region for each."
        )
    key = [hashlib.sha256(str(names[row]).encode()).digest() for row in first]
    fold_of, totals = {}, np.zeros(n_folds, int)
    for i in sorted(range(len(regions)), key=lambda i: (-sizes[i], key[i])):
        fold_of[regions[i]] = int(np.argmin(totals))
        totals[fold_of[regions[i]]] += sizes[i]
    return np.array([fold_of[group] for group in groups])


def _neighbours(names: np.ndarray, ra, dec, fields: np.ndarray) -> np.ndarray:
    """Group galaxies of one name, of one field, or within a cell's side of each other; number of each."""
    pairs = [near_pairs(ra, dec, CELL)]
    for labels in (names, fields):
        known = np.flatnonzero(labels != "")
        order = known[np.argsort(labels[known], kind="stable")]
        alike = labels[order][1:] == labels[order][:-1]
        pairs.append(np.column_stack([order[:-1], order[1:]])[alike])
    first, second = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(names), len(names)))
    return connected_components(graph, directed=False)[1]
