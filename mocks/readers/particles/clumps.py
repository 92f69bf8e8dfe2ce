"""Whether stars that are taken for one galaxy are one."""

import numpy as np
from scipy.spatial import cKDTree

from mocks.readers.particles.friends import LINKS_IN_BOX, friends_of_friends

__all__ = ["LINKS_OF_SUBHALO", "require_one_galaxy", "shares_of_clumps"]

NEIGHBOUR = 16  # the median distance to this neighbour sets the scale
LINKS = 2.0  # linking length in such distances
LINKS_OF_SUBHALO = 20.0  # what a halo finder has bound reaches out so far; 20 real ones hold 0.4 % beyond
FEWEST = 40  # stars of which clumps can be told
OF_A_CLUMP = 20  # stars
MOST = 5000  # stars that are looked at
# In 36 real galaxies of six simulations other clumps hold at most 2 %, and the main one at least 86 %
MOST_ELSEWHERE, LEAST_MAIN = 0.1, 0.5


def shares_of_clumps(position: np.ndarray, mass: np.ndarray, links: float = LINKS) -> np.ndarray:
    """Share of the mass in each clump of a set of stars, friends of friends by their own typical distance.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        Not wrapped by a box, any unit.
    mass : ndarray, shape (n,)
    links : float
        Linking length in median distances to the 16th neighbour.

    Returns
    -------
    ndarray
        Of clumps of 20 stars or more, by falling number of stars; empty for fewer than 40 stars.
    """
    if len(mass) < FEWEST:
        return np.zeros(0)
    step = -(-len(mass) // MOST)
    position, mass = position[::step], mass[::step]
    distance = cKDTree(position).query(position, k=NEIGHBOUR + 1)[0][:, -1]
    link = links * float(np.median(distance))
    low, widest = position.min(axis=0), float(np.ptp(position, axis=0).max())
    if not link > 0 or not np.isfinite(widest) or widest > 1e5 * link:
        link = max(link, 1e-5 * widest)
    if not link > 0:
        return np.ones(1)  # all in one place
    group = friends_of_friends(position - low, link, 2.0 * widest + 2.0 * LINKS_IN_BOX * link)
    count = np.bincount(group)
    return (np.bincount(group, weights=mass) / mass.sum())[count >= OF_A_CLUMP]


def require_one_galaxy(where: str, position: np.ndarray, mass: np.ndarray, links: float = LINKS) -> None:
    """Refuse stars of several galaxies.

    Parameters
    ----------
    where : str
        File and galaxy, for the message.
    position, mass, links
        See `shares_of_clumps`.

    Raises
    ------
    ValueError
        When clumps other than the main one hold a tenth of the mass, or the main one less than half.
    """
    shares = shares_of_clumps(position, mass, links)
    if len(shares) == 0:
        return
    elsewhere = float(shares[1:].sum())
    if elsewhere > MOST_ELSEWHERE or shares[0] < LEAST_MAIN:
        raise ValueError(
            f"{where}: its stars are in {len(shares)} clumps, {100 * shares[0]:.0f} % of the mass in the "
            f"largest and {100 * elsewhere:.0f} % in the others: several galaxies, with no group numbers. "
            "Separate them by friends-of-friends (--reader linking_length=2, in kpc), or state that they are "
            "one galaxy (--reader one_galaxy=true)."
        )
