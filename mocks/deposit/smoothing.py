"""Smoothing lengths: how far the light of one particle is spread."""

from dataclasses import replace

import numpy as np

from mocks.deposit.neighbours import neighbour_distances
from mocks.galaxy import Galaxy

__all__ = ["smoothing_lengths", "with_smoothing_lengths"]


def smoothing_lengths(position: np.ndarray, k: int = 32) -> np.ndarray:
    """Distance of every particle to its k-th other particle.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        [kpc].
    k : int
        Neighbour taken; with fewer particles the farthest. One particle alone gets zero.

    Returns
    -------
    ndarray, shape (n,)
        Support radius of the kernel [kpc].

    Raises
    ------
    ValueError
        For positions that are not finite.

    References
    ----------
    The 32nd neighbour is the habit of Torrey et al. 2015, MNRAS 447, 2753 and Rodriguez-Gomez et al. 2019,
    MNRAS 483, 4140.
    """
    position = np.asarray(position, float)
    if not np.isfinite(position).all():
        raise ValueError("positions of particles hold numbers that are not finite.")
    k = min(k, len(position) - 1)
    if k < 1:
        return np.zeros(len(position))
    return neighbour_distances(position, k)


def with_smoothing_lengths(galaxy: Galaxy) -> Galaxy:
    """Galaxy whose stars have smoothing lengths: the snapshot's own, else to the 32nd other star.

    They are the same from every side, so that a galaxy given them once serves all views. Those of companions
    are found among themselves, so that the galaxy's own light is the same with and without them.
    """
    if galaxy.companions is not None:
        galaxy = replace(galaxy, companions=with_smoothing_lengths(galaxy.companions))
    if galaxy.stars.smoothing_length is not None:
        return galaxy
    return replace(
        galaxy, stars=replace(galaxy.stars, smoothing_length=smoothing_lengths(galaxy.stars.position))
    )
