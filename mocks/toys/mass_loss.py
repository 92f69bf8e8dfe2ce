"""How much of its stars' mass a toy galaxy still has: a plain curve, the same at every metallicity."""

import functools

import numpy as np

from mocks.readers.particles.interpolation import on_even_grid
from mocks.readers.particles.mass_loss import IMFS, remnant_mass

__all__ = ["toy_mass_fraction"]


def _lifetime(mass: np.ndarray) -> np.ndarray:
    """Lifetime of a star of solar metallicity [Gyr], Raiteri et al. 1996 eq. 3 with Z = 0.02."""
    log_z = np.log10(0.02)
    a0 = 10.13 + 0.07547 * log_z - 0.008084 * log_z**2
    a1 = -4.424 - 0.7939 * log_z - 0.1187 * log_z**2
    a2 = 1.262 + 0.3385 * log_z + 0.05417 * log_z**2
    log_mass = np.log10(mass)
    return 10 ** (a0 + a1 * log_mass + a2 * log_mass**2 - 9.0)


@functools.cache
def _table() -> tuple[float, float, np.ndarray]:
    """First point and step of an even grid of age [Gyr] to the power 1/4, and the mass left at its points."""
    mass = np.geomspace(0.7, 100.0, 2001)  # lighter stars outlive the universe
    whole = np.geomspace(0.1, 100.0, 4001)
    formed = np.trapezoid(whole * IMFS["chabrier"](whole), whole)
    shed = (mass - remnant_mass(mass)) * IMFS["chabrier"](mass)
    steps = 0.5 * (shed[1:] + shed[:-1]) * np.diff(mass)
    returned = np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]]) / formed  # by all stars above each mass
    root = _lifetime(mass)[::-1] ** 0.25  # spreads young ages nearly as a logarithm does, at less cost
    grid = np.linspace(root[0], root[-1], 8001)
    return grid[0], grid[1] - grid[0], np.interp(grid, root, 1.0 - returned[::-1])


def toy_mass_fraction(age: np.ndarray) -> np.ndarray:
    """Fraction of the mass at birth that stars of an age still have, by a Chabrier initial mass function.

    Parameters
    ----------
    age : ndarray
        Age [Gyr], never negative.

    Returns
    -------
    ndarray
        1 for newborn stars, falling to 0.56 at 10 Gyr.

    References
    ----------
    Raiteri, Villata & Navarro 1996, A&A 315, 105, eq. 3; Renzini & Ciotti 1993, ApJ 416, L49.
    """
    start, step, fraction = _table()
    return on_even_grid(np.sqrt(np.sqrt(age)), start, step, fraction)
