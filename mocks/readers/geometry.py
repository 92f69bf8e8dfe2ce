"""Centres, periodic boxes and sizes of particle sets."""

import numpy as np

__all__ = ["half_mass_radius", "shrinking_sphere", "unwrap"]

KEEP = 0.75  # of the particles in each smaller sphere
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
    position = np.asarray(position)
    offset = np.empty(position.shape)
    for axis in range(3):  # three long loops are three times faster than many of length 3
        np.subtract(position[:, axis], float(centre[axis]), out=offset[:, axis], dtype=float)
    if box_size is not None and len(offset):
        half = 0.5 * box_size
        # most galaxies lie far from the edge: two reductions tell, without an array of their own
        if not -half <= offset.min() <= offset.max() <= half:
            far = np.abs(offset) > half
            offset[far] -= box_size * np.round(offset[far] / box_size)
    return offset


def shrinking_sphere(position: np.ndarray, mass: np.ndarray, box_size: float | None = None) -> np.ndarray:
    """Densest place of a particle set: centre of mass inside ever smaller spheres.

    Each sphere holds the nearest three quarters of the particles of the one before.

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
    Power et al. 2003, MNRAS 338, 14, section 2.5 (there with radii that shrink by a constant factor).
    """
    start = np.array(position[0], dtype=float)
    offset, mass = unwrap(position, start, box_size), np.asarray(mass, dtype=float)
    fewest = min(FEWEST, max(1, len(mass) // 10))
    while True:
        centre = mass @ offset / mass.sum()
        keep = int(KEEP * len(mass))
        if keep < fewest:
            break
        away = offset - centre
        nearest = np.argpartition(np.einsum("ij,ij->i", away, away), keep)[:keep]
        offset, mass = offset[nearest], mass[nearest]
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
    square, mass = np.einsum("ij,ij->i", position, position), np.asarray(mass, dtype=float)
    missing = 0.5 * mass.sum()
    while len(mass) > FEWEST:  # halving by partition costs less than sorting all
        order = np.argpartition(square, len(mass) // 2)
        inner, outer = np.split(order, [len(mass) // 2])
        enclosed = mass[inner].sum()
        half = inner if enclosed >= missing else outer
        missing -= 0.0 if half is inner else enclosed
        square, mass = square[half], mass[half]
    order = np.argsort(square)
    return float(np.interp(missing, np.cumsum(mass[order]), np.sqrt(square[order])))
