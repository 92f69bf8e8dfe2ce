"""Places on the sky: which objects are the same one, and on which side of a split a place falls."""

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["SAME_OBJECT", "SPLITS", "TakenPlaces", "assign_split", "repeats", "separation", "split_of_place"]

SPLITS = ("train", "validation", "test")
SAME_OBJECT = 3.0  # arcsec
CELL = 360.0  # side of the cells of sky that fall on one side of a split [arcsec]


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


def _unit_vectors(ra, dec) -> np.ndarray:
    """Vectors of length one, shape (..., 3), that point to places [deg]."""
    longitude, latitude = np.deg2rad(ra), np.deg2rad(dec)
    across = np.cos(latitude)
    return np.stack([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=-1)


def separation(ra, dec, other_ra: float, other_dec: float) -> np.ndarray:
    """Angle between places and one place [deg], all in degrees."""
    chord = np.linalg.norm(_unit_vectors(ra, dec) - _unit_vectors(other_ra, other_dec), axis=-1)
    return np.rad2deg(2 * np.arcsin(np.minimum(chord / 2, 1)))


def _chord(angle: float) -> float:
    """Distance of unit vectors that stand an angle [arcsec] apart."""
    return float(2 * np.sin(np.deg2rad(angle / 3600) / 2))


def repeats(ra: np.ndarray, dec: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Rows that show an object of an earlier group again.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        ICRS [deg]; a row with NaN repeats nothing.
    group : ndarray of int, shape (n,)
        Rising; rows of one group are never repeats of each other.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    ra, dec, group = np.asarray(ra, float), np.asarray(dec, float), np.asarray(group)
    again = np.zeros(len(ra), dtype=bool)
    placed = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    if len(placed) == 0:
        return again
    tree = cKDTree(_unit_vectors(ra[placed], dec[placed]))
    pairs = tree.query_pairs(_chord(SAME_OBJECT), output_type="ndarray")
    for first, second in placed[np.sort(pairs, axis=1)]:
        again[second] |= group[first] != group[second]
    return again


class TakenPlaces:
    """Names and places on the sky that are taken, asked and added to one by one."""

    def __init__(self) -> None:
        self.cell = _chord(SAME_OBJECT)
        self.places: dict[tuple[int, ...], list[np.ndarray]] = {}
        self.names: set[str] = set()

    def holds(self, galaxy_id: str, ra: float, dec: float) -> bool:
        """Whether another object has this place, or this name."""
        if galaxy_id in self.names:
            return True
        if not (np.isfinite(ra) and np.isfinite(dec)):
            return False
        place = _unit_vectors(ra, dec)
        neighbours = (tuple(np.add(self._key(place), shift) - 1) for shift in np.ndindex(3, 3, 3))
        others = (other for cell in neighbours for other in self.places.get(cell, ()))
        return any(np.linalg.norm(other - place) < self.cell for other in others)

    def add(self, galaxy_id: str, ra: float, dec: float) -> None:
        """Take a place and a name."""
        self.names.add(galaxy_id)
        if np.isfinite(ra) and np.isfinite(dec):
            place = _unit_vectors(ra, dec)
            self.places.setdefault(self._key(place), []).append(place)

    def _key(self, place: np.ndarray) -> tuple[int, ...]:
        """Cell of a grid in space that a vector lies in."""
        return tuple(int(i) for i in np.floor(place / self.cell))
