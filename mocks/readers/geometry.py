"""Centres, periodic boxes and sizes of particle sets."""

import numpy as np

__all__ = ["half_mass_radius", "shrinking_sphere", "unwrap"]

SHRINK = (
    0.9  # radius ratio of successive spheres; Power et al. 2003 use 0.975, this is 4x faster, same centre
)
FEWEST = 50  # particles in the last sphere


def unwrap(position: np.ndarray, centre: np.ndarray, box_size: float | None) -> np.ndarray:
    """Positions about a centre, by the nearest periodic image.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        In the box frame.
    centre : ndarray, shape (3,)
        In the same frame and unit.
    box_size : float or None
        Side of the periodic box, same unit; None for a box that is not periodic.

    Returns
    -------
    ndarray, shape (n, 3)
        float64, each component within half a box of 0.
    """
    offset = np.asarray(position, dtype=float) - np.asarray(centre, dtype=float)
    if box_size is not None:
        offset -= box_size * np.round(offset / box_size)
    return offset


def shrinking_sphere(position: np.ndarray, mass: np.ndarray, box_size: float | None = None) -> np.ndarray:
    """Densest place of a particle set: centre of mass inside ever smaller spheres.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        In the box frame, any unit.
    mass : ndarray, shape (n,)
        Any unit.
    box_size : float, optional
        Side of the periodic box, same unit as `position`.

    Returns
    -------
    ndarray, shape (3,)
        In the box frame.

    References
    ----------
    Power et al. 2003, MNRAS 338, 14, section 2.5.
    """
    start = np.array(position[0], dtype=float)
    offset, mass = unwrap(position, start, box_size), np.asarray(mass, dtype=float)
    centre = np.average(offset, axis=0, weights=mass)
    distance = np.linalg.norm(offset - centre, axis=1)
    radius = distance.max()
    fewest = min(FEWEST, max(1, len(mass) // 10))
    while True:
        radius *= SHRINK
        inside = distance < radius
        if np.count_nonzero(inside) < fewest or radius == 0.0:
            break
        offset, mass, distance = offset[inside], mass[inside], distance[inside]
        centre = np.average(offset, axis=0, weights=mass)
        distance = np.linalg.norm(offset - centre, axis=1)
    centre = start + centre
    return centre if box_size is None else centre % box_size


def half_mass_radius(position: np.ndarray, mass: np.ndarray) -> float:
    """Radius of the sphere about the origin that holds half the mass.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        About the centre [kpc].
    mass : ndarray, shape (n,)
        [Msun].

    Returns
    -------
    float
        [kpc].
    """
    radius = np.linalg.norm(position, axis=1)
    order = np.argsort(radius)
    cumulative = np.cumsum(mass[order], dtype=float)
    return float(np.interp(0.5 * cumulative[-1], cumulative, radius[order]))
