"""How much of a stellar population's mass at birth is left at an age, for snapshots that do not store it."""

import functools

import numpy as np

from mocks.light.bc03 import living_fractions

__all__ = ["IMFS", "remaining_mass_fraction", "remnant_mass"]


def _salpeter(mass: np.ndarray) -> np.ndarray:
    """Count stars per unit mass, Salpeter 1955."""
    return mass**-2.35


def _kroupa(mass: np.ndarray) -> np.ndarray:
    """Count stars per unit mass, Kroupa 2001 eq. 2 above 0.1 Msun."""
    return np.where(mass < 0.5, (mass / 0.5) ** -1.3, (mass / 0.5) ** -2.3)


def _chabrier(mass: np.ndarray) -> np.ndarray:
    """Count stars per unit mass, Chabrier 2003 table 1 (disc, single stars)."""
    peak, width = np.log10(0.079), 0.69
    at_one = np.exp(-(peak**2) / (2 * width**2))
    low = np.exp(-((np.log10(mass) - peak) ** 2) / (2 * width**2)) / mass
    return np.where(mass < 1.0, low, at_one * mass**-2.3)


IMFS = {"chabrier": _chabrier, "kroupa": _kroupa, "salpeter": _salpeter}


def remnant_mass(mass: np.ndarray) -> np.ndarray:
    """Mass that a dead star leaves.

    Parameters
    ----------
    mass : ndarray
        At birth [Msun].

    Returns
    -------
    ndarray
        [Msun].

    References
    ----------
    Renzini & Ciotti 1993, ApJ 416, L49, section 2.
    """
    return np.where(mass >= 40.0, 0.5 * mass, np.where(mass >= 8.5, 1.4, 0.077 * mass + 0.48))


def _up_to(mass: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Integral of a density from the first mass to each."""
    return np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(mass))])


@functools.cache
def _table(imf: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithms of metallicity and of age [yr] of the BC03 models, and the fraction left (n_z, n_age)."""
    metallicity, log_age, living = living_fractions()
    mass = np.geomspace(0.1, 100.0, 20001)
    kroupa = _up_to(mass, mass * _kroupa(mass))
    heaviest = np.interp(living, kroupa / kroupa[-1], mass)  # star that still lives
    count = IMFS[imf](mass)
    alive, dead = _up_to(mass, mass * count), _up_to(mass, np.minimum(remnant_mass(mass), mass) * count)
    return np.log10(metallicity), log_age, np.interp(heaviest, mass, (alive + (dead[-1] - dead)) / alive[-1])


def remaining_mass_fraction(age: np.ndarray, metallicity: np.ndarray, imf: str = "chabrier") -> np.ndarray:
    """Fraction of the mass at birth that a single-age stellar population still has, remnants included.

    The BC03 models that also give the default light tell which share of a Kroupa population still lives, and
    so the heaviest star that does. What the heavier ones left as remnants is integrated over the initial mass
    function (0.1 to 100 Msun). Current over initial masses as TNG, CAMELS, COLIBRE, EAGLE and Magneticum
    store them are 0.02 to 0.04 above the Chabrier curve, EAGLE's up to 0.03 below, at all ages.

    Parameters
    ----------
    age : ndarray
        Age [Gyr], never negative.
    metallicity : ndarray
        Mass fraction of metals; outside 0.0001 to 0.1 the nearest of these.
    imf : str
        One of `IMFS`.

    Returns
    -------
    ndarray
        1 for newborn stars, falling to 0.57 (Chabrier) or 0.72 (Salpeter) at 10 Gyr and solar metallicity.

    Raises
    ------
    ValueError
        For an unknown initial mass function.

    References
    ----------
    Bruzual & Charlot 2003, MNRAS 344, 1000 (2016 version); Renzini & Ciotti 1993, ApJ 416, L49;
    Chabrier 2003, PASP 115, 763, table 1; Kroupa 2001, MNRAS 322, 231, eq. 2; Salpeter 1955, ApJ 121, 161.
    """
    if imf not in IMFS:
        raise ValueError(f"unknown initial mass function {imf!r}; known: {', '.join(IMFS)}.")
    log_z, log_age, left = _table(imf)
    with np.errstate(divide="ignore"):
        (z, s), (a, t) = _cell(np.log10(metallicity), log_z), _cell(np.log10(age) + 9, log_age)
    low = left[z, a] * (1 - t) + left[z, a + 1] * t
    return low * (1 - s) + (left[z + 1, a] * (1 - t) + left[z + 1, a + 1] * t) * s


def _cell(position: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Point of an axis at or below each position, and how far it lies towards the next; ends are held."""
    position = np.clip(position, axis[0], axis[-1])
    cell = np.clip(np.searchsorted(axis, position, side="right") - 1, 0, len(axis) - 2)
    return cell, (position - axis[cell]) / (axis[cell + 1] - axis[cell])
