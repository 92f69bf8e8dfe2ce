"""How much of a stellar population's birth mass is left at an age, for snapshots that do not store it."""

import functools

import numpy as np

from mocks.readers.particles.interpolation import on_even_grid

__all__ = ["IMFS", "remaining_mass_fraction"]


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


def _lifetime(mass: np.ndarray) -> np.ndarray:
    """Lifetime of a star of solar metallicity [Gyr], Raiteri et al. 1996 eq. 3 with Z = 0.02."""
    log_z = np.log10(0.02)
    a0 = 10.13 + 0.07547 * log_z - 0.008084 * log_z**2
    a1 = -4.424 - 0.7939 * log_z - 0.1187 * log_z**2
    a2 = 1.262 + 0.3385 * log_z + 0.05417 * log_z**2
    log_mass = np.log10(mass)
    return 10 ** (a0 + a1 * log_mass + a2 * log_mass**2 - 9.0)


def _remnant(mass: np.ndarray) -> np.ndarray:
    """Mass that a dead star leaves [Msun], Renzini & Ciotti 1993 section 2."""
    return np.where(mass >= 40.0, 0.5 * mass, np.where(mass >= 8.5, 1.4, 0.077 * mass + 0.48))


@functools.cache
def _table(imf: str) -> tuple[float, float, np.ndarray]:
    """First point and step of an even grid of age [Gyr] to the power 1/4, and the mass left at its points."""
    mass = np.geomspace(0.7, 100.0, 2001)  # lighter stars outlive the universe
    whole = np.geomspace(0.1, 100.0, 4001)
    formed = np.trapezoid(whole * IMFS[imf](whole), whole)
    shed = (mass - _remnant(mass)) * IMFS[imf](mass)
    steps = 0.5 * (shed[1:] + shed[:-1]) * np.diff(mass)
    returned = np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]]) / formed  # by all stars above each mass
    root = _lifetime(mass)[::-1] ** 0.25  # spreads young ages nearly as a logarithm does, at less cost
    grid = np.linspace(root[0], root[-1], 8001)
    return grid[0], grid[1] - grid[0], np.interp(grid, root, 1.0 - returned[::-1])


def remaining_mass_fraction(age: np.ndarray, imf: str = "chabrier") -> np.ndarray:
    """Fraction of the mass at birth that a single-age stellar population still has, remnants included.

    Integral over the initial mass function (0.1 to 100 Msun) of what dead stars have returned. Stored current
    over initial masses of TNG, EAGLE and COLIBRE star particles lie within 0.04 of the Chabrier curve from
    0.1 to 10 Gyr (TNG and COLIBRE 0.02-0.04 above it, EAGLE 0.01 below), and so does the light.

    Parameters
    ----------
    age : ndarray
        Age [Gyr], never negative.
    imf : str
        One of `IMFS`.

    Returns
    -------
    ndarray
        1 for newborn stars, falling to 0.56 (Chabrier) or 0.71 (Salpeter) at 10 Gyr.

    Raises
    ------
    ValueError
        For an unknown initial mass function.

    References
    ----------
    Raiteri, Villata & Navarro 1996, A&A 315, 105, eq. 3; Renzini & Ciotti 1993, ApJ 416, L49;
    Chabrier 2003, PASP 115, 763, table 1; Kroupa 2001, MNRAS 322, 231, eq. 2; Salpeter 1955, ApJ 121, 161.
    """
    if imf not in IMFS:
        raise ValueError(f"unknown initial mass function {imf!r}; known: {', '.join(IMFS)}.")
    start, step, fraction = _table(imf)
    return on_even_grid(np.sqrt(np.sqrt(age)), start, step, fraction)
