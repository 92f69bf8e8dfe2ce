"""Centres, periodic boxes and sizes of particle sets."""

from collections.abc import Sequence

import numpy as np

from mocks.compiled import njit

__all__ = ["extent", "half_mass_radius", "in_sphere", "mass_within", "shrinking_sphere", "unwrap"]

KEEP = 0.75  # share of the particles in each smaller sphere
FEWEST = 50  # particles in the last sphere
# 64 shells to each factor of 2 in the square radius, from 2^-40 to 2^40; the first and last hold the rest
SHELL_BITS, INNERMOST, N_SHELLS = 46, (1023 - 40) * 64, 80 * 64


@njit
def _offsets(position, centre, period, offset):
    """Offsets by the nearest image; a period of 0 is none."""
    x, y, z = centre[0], centre[1], centre[2]
    per_period = 1.0 / period if period > 0.0 else 0.0
    for i in range(len(position)):  # no branches and axes written out: half the time of a loop over them
        dx, dy, dz = position[i, 0] - x, position[i, 1] - y, position[i, 2] - z
        offset[i, 0] = dx - period * np.rint(dx * per_period)
        offset[i, 1] = dy - period * np.rint(dy * per_period)
        offset[i, 2] = dz - period * np.rint(dz * per_period)


def unwrap(
    position: np.ndarray, centre: np.ndarray, box_size: float | None, *, overwrite: bool = False
) -> np.ndarray:
    """Positions about a centre, by the nearest periodic image.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        In the box frame.
    centre : ndarray, shape (3,)
        In the same frame and unit.
    box_size : float or None
        Side of the periodic box, same unit; None for a box that is not periodic.
    overwrite : bool
        Write over `position` where its layout allows, which spares the memory of another array.

    Returns
    -------
    ndarray, shape (n, 3)
        float64, each component within half a box of 0.
    """
    position, centre = np.ascontiguousarray(position, dtype=float), np.asarray(centre, dtype=float)
    offset = position if overwrite else np.empty_like(position)
    _offsets(position, centre, 0.0 if box_size is None else float(box_size), offset)
    return offset


@njit
def _not_outside(x, y, z, centre, radius, box_size):
    inside = np.empty(len(x), dtype=np.bool_)
    for i in range(len(x)):
        square = 0.0
        for axis in range(3):
            away = (x[i] if axis == 0 else y[i] if axis == 1 else z[i]) - centre[axis]
            if abs(away) > 0.5 * box_size:
                away -= box_size * np.round(away / box_size)
            square += away * away
        inside[i] = not square > radius * radius
    return inside


def in_sphere(
    axes: Sequence[np.ndarray], centre: np.ndarray, radius: float, box_size: float | None = None
) -> np.ndarray:
    """Tell particles that lie outside of a sphere in a periodic box from all others.

    Parameters
    ----------
    axes : sequence of ndarray, shape (n,)
        x, y and z; float32 or float64.
    centre : ndarray, shape (3,)
    radius : float
    box_size : float or None
        Side of the periodic box; all in one unit.

    Returns
    -------
    ndarray of bool, shape (n,)
        False outside; True for NaN, which lies nowhere and which the caller has to refuse or to count.
    """
    centre = np.asarray(centre, dtype=float)
    return _not_outside(*axes, centre, float(radius), np.inf if box_size is None else float(box_size))


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


@njit
def _shells(position, mass):
    """Square radii, the shell of each, and the mass in each shell.

    Exponent and first bits of a float64, read as an integer, count along with it.
    """
    square = np.empty(len(position))
    for i in range(len(position)):
        square[i] = position[i, 0] ** 2 + position[i, 1] ** 2 + position[i, 2] ** 2
    shell, inside = square.view(np.int64) >> SHELL_BITS, np.zeros(N_SHELLS)
    for i in range(len(shell)):
        shell[i] = min(max(shell[i] - INNERMOST, 0), N_SHELLS - 1)
        inside[shell[i]] += mass[i]
    return square, shell, inside


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
    square, shell, inside = _shells(np.asarray(position, dtype=float), np.asarray(mass, dtype=float))
    enclosed = np.cumsum(inside)
    middle = np.searchsorted(enclosed, 0.5 * enclosed[-1])
    missing = 0.5 * enclosed[-1] - (enclosed[middle - 1] if middle else 0.0)
    rows = np.flatnonzero(shell == middle)  # a few to sort instead of all
    rows = rows[np.argsort(square[rows])]
    return float(np.interp(missing, np.cumsum(np.asarray(mass)[rows]), np.sqrt(square[rows])))


@njit
def _extent(vectors):
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for i in range(len(vectors)):  # numpy takes twenty times as long along this axis
        for axis in range(3):
            low[axis] = min(low[axis], vectors[i, axis])
            high[axis] = max(high[axis], vectors[i, axis])
    return low, high


def extent(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest of each component.

    Parameters
    ----------
    vectors : ndarray, shape (n, 3)
        Finite.

    Returns
    -------
    tuple of ndarray, shape (3,)
    """
    return _extent(np.asarray(vectors, dtype=float))


@njit
def _within(position, mass, square):
    total = 0.0
    for i in range(len(position)):
        if position[i, 0] ** 2 + position[i, 1] ** 2 + position[i, 2] ** 2 <= square:
            total += mass[i]
    return total


def mass_within(position: np.ndarray, mass: np.ndarray, radius: float) -> float:
    """Mass within a sphere about the origin.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        About the centre [kpc].
    mass : ndarray, shape (n,)
        [Msun].
    radius : float
        [kpc].

    Returns
    -------
    float
        [Msun].
    """
    return float(_within(np.asarray(position, float), np.asarray(mass, float), float(radius) ** 2))
