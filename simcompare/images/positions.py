"""Places on the sky: which objects are the same one, and on which side of a split a place falls."""

import numpy as np
from scipy.spatial import cKDTree

__all__ = [
    "SAME_OBJECT",
    "TakenPlaces",
    "match_places",
    "near_pairs",
    "place_problem",
    "repeats",
    "separation",
]

SAME_OBJECT = 3.0  # arcsec
CELL = 360.0  # side of the cells of sky that fall on one side of a split [arcsec]


def place_problem(ra: float, dec: float) -> str:
    """Say why coordinates [deg] are no place on the sky; nothing for a place, and for NaN twice: unknown."""
    if np.isnan(ra) and np.isnan(dec):
        return ""
    if np.isnan(ra) or np.isnan(dec):
        return f"its coordinates are incomplete: ra {ra}, dec {dec}"
    if not (-180 <= ra <= 360 and -90 <= dec <= 90):
        return f"ra {ra:g}, dec {dec:g} is not a position on the sky [deg]"
    return ""


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


def match_places(ra, dec, other_ra, other_dec, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest of other places to each place.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        ICRS [deg]; a place with NaN has no match.
    other_ra, other_dec : ndarray, shape (m,)
        Of a catalogue, without NaN.
    radius : float
        Greatest distance of a match [arcsec].

    Returns
    -------
    index : ndarray of int, shape (n,)
        Of the match; -1 where there is none. A row of the catalogue is given to the nearest place alone.
    distance : ndarray, shape (n,)
        To it [arcsec]; NaN where there is none.
    near : ndarray of int, shape (n,)
        Rows of the catalogue within the radius.
    """
    places = np.array([ra, dec], float)
    known = np.flatnonzero(np.isfinite(places).all(axis=0))
    index, distance = np.full(places.shape[1], -1), np.full(places.shape[1], np.nan)
    near = np.zeros(places.shape[1], dtype=int)
    if len(known) == 0 or len(other_ra) == 0:
        return index, distance, near
    tree, vectors = cKDTree(_unit_vectors(other_ra, other_dec)), _unit_vectors(*places[:, known])
    chord, row = tree.query(vectors, distance_upper_bound=_chord(radius))
    near[known] = tree.query_ball_point(vectors, _chord(radius), return_length=True)
    taken = set()
    for i in np.argsort(chord, kind="stable"):
        if np.isfinite(chord[i]) and row[i] not in taken:
            taken.add(row[i])
            index[known[i]] = row[i]
            distance[known[i]] = np.rad2deg(2 * np.arcsin(chord[i] / 2)) * 3600
    return index, distance, near


def near_pairs(ra, dec, reach: float) -> np.ndarray:
    """Pairs of rows within ``reach`` [arcsec] of each other, shape (n_pairs, 2); rows with NaN have none."""
    places = np.array([ra, dec], float)
    placed = np.flatnonzero(np.isfinite(places).all(axis=0))
    if len(placed) == 0:
        return np.empty((0, 2), dtype=int)
    tree = cKDTree(_unit_vectors(*places[:, placed]))
    return placed[tree.query_pairs(_chord(reach), output_type="ndarray")].reshape(-1, 2)


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
    for first, second in np.sort(near_pairs(ra, dec, SAME_OBJECT), axis=1):
        again[second] |= group[first] != group[second]
    return again


class TakenPlaces:
    """Names and places on the sky that are taken, asked and added to one by one."""

    def __init__(self) -> None:
        self.cell = _chord(SAME_OBJECT)
        self.places: dict[tuple[int, ...], list[np.ndarray]] = {}
        self.names: set[str] = set()

    def holds(self, galaxy_id: str, ra: float, dec: float) -> str:
        """Say in which way an object was taken before, by place or by name; nothing for a new one."""
        if np.isfinite(ra) and np.isfinite(dec):
            place = _unit_vectors(ra, dec)
            neighbours = (tuple(np.add(self._key(place), shift) - 1) for shift in np.ndindex(3, 3, 3))
            others = (other for cell in neighbours for other in self.places.get(cell, ()))
            if any(np.linalg.norm(other - place) < self.cell for other in others):
                return f"an object within {SAME_OBJECT} arcsec was taken before"
        return "an image of this name was taken before" if galaxy_id in self.names else ""

    def add(self, galaxy_id: str, ra: float, dec: float) -> None:
        """Take a place and a name."""
        self.names.add(galaxy_id)
        if np.isfinite(ra) and np.isfinite(dec):
            place = _unit_vectors(ra, dec)
            self.places.setdefault(self._key(place), []).append(place)

    def _key(self, place: np.ndarray) -> tuple[int, ...]:
        """Cell of a grid in space that a vector lies in."""
        return tuple(int(i) for i in np.floor(place / self.cell))
