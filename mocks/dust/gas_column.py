"""Dust from the gas between each star and the observer."""

import numpy as np

from mocks.deposit.smoothing import smoothing_lengths
from mocks.dust.columns import column_in_front
from mocks.dust.screens import Dust, TwoComponentScreen, cardelli_curve
from mocks.galaxy import Galaxy, Gas

__all__ = ["GasColumn", "neutral_hydrogen", "scattering_factor"]

HYDROGEN_FRACTION = 0.76
SOLAR_METALLICITY = 0.0127
ATOMS_PER_CM2 = 1.2477e14
"""Hydrogen atoms per cm^2 in one Msun of hydrogen per kpc^2."""
NEUTRAL_BELOW = 8000.0
"""Temperature [K] of gas that is taken as neutral: Camps et al. 2016, section 2."""
# Nelson et al. 2018, section 3.3: column of atoms per cm^2 of optical depth 1 at V; power of the metallicity
# above and below 2000 Angstrom; kernel support in radii of a cell.
ATOMS_PER_TAU, METALLICITY_POWERS, REACH_OF_CELL = 2.1e21, (1.6, 1.35), 2.5
_NOTHING = 1e-30  # Msun per kpc^2 that stands for an empty column, to avoid 0 / 0
_THIN = 1e-8  # optical depth below which (1 - e^-tau) / tau is 1 to rounding


def neutral_hydrogen(gas: Gas) -> np.ndarray:
    """Mass of neutral hydrogen of gas particles.

    Parameters
    ----------
    gas : Gas
        With neutral fractions, or else temperatures or star formation rates: gas that forms stars or is
        colder than 8000 K is then taken as neutral, other gas as ionised.

    Returns
    -------
    ndarray, shape (n,)
        [Msun].

    Raises
    ------
    ValueError
        When none of these is known.

    References
    ----------
    The rule by temperature: Camps et al. 2016, MNRAS 462, 1057, section 2.
    """
    if gas.neutral_fraction is not None:
        neutral = gas.neutral_fraction
    elif gas.temperature is not None or gas.star_formation_rate is not None:
        neutral = np.zeros(len(gas), bool)
        if gas.temperature is not None:
            neutral |= gas.temperature < NEUTRAL_BELOW
        if gas.star_formation_rate is not None:
            neutral |= gas.star_formation_rate > 0
    else:
        raise ValueError(
            "dust from gas columns needs neutral fractions, temperatures or star formation rates of the gas; "
            "choose the dust 'screen' for a snapshot without them."
        )
    return HYDROGEN_FRACTION * gas.mass * neutral


def scattering_factor(wavelength: np.ndarray) -> np.ndarray:
    """Effective over absorption optical depth, for dust mixed with the stars.

    Parameters
    ----------
    wavelength : ndarray
        At rest [Angstrom].

    References
    ----------
    Calzetti, Kinney & Storchi-Bergmann 1994, ApJ 429, 582, equations 7 to 9; used in this form by
    Nelson et al. 2018, MNRAS 475, 624, equation 7.
    """
    wavelength = np.asarray(wavelength, float)
    y = np.log10(wavelength)
    forward = np.clip(1 - 0.561 * np.exp(-(np.abs(y - 3.3112) ** 2.2) / 0.17), 0, 1)
    blue = 0.43 + 0.366 * (1 - np.exp(-((y - 3) ** 2) / 0.2))
    albedo = np.clip(np.where(wavelength < 3460, blue, 2.41 - 0.48 * y), 0, 1)
    return forward * np.sqrt(1 - albedo) + (1 - forward) * (1 - albedo)


class GasColumn(Dust):
    """Resolved attenuation by the neutral gas in front of each star.

    Parameters
    ----------
    redshift : float, optional
        Sets the dust-to-metal ratio, (1 + z)^-1/2; default that of the galaxy's snapshot.
    geometry : str
        ``"mixed"``: stars and dust mixed along the column, (1 - e^-tau) / tau, as published;
        ``"screen"``: all of it in front, e^-tau.
    scattering : bool
        Lower the optical depth by forward scattering.
    tau_birth_cloud : float
        Optical depth at 5500 Angstrom of the unresolved clouds around stars younger than 10 Myr.
    cell : float
        Side of the grid's cells [kpc].

    References
    ----------
    Nelson et al. 2018, MNRAS 475, 624, section 3.3 (model C): optical depth (A_lambda / A_V) (1 + z)^-1/2
    (Z / Zsun)^gamma N_H / (2.1e21 cm^-2), gamma 1.6 above 2000 Angstrom and 1.35 below, Zsun 0.0127; gas
    kernels of 2.5 cell radii.
    """

    name = "gas-column"

    def __init__(
        self,
        redshift: float | None = None,
        geometry: str = "mixed",
        scattering: bool = True,
        tau_birth_cloud: float = 1.0,
        cell: float = 0.1,
    ):
        if geometry not in ("mixed", "screen"):
            raise ValueError(f"geometry {geometry!r} is unknown; choose from mixed, screen.")
        self.redshift, self.geometry, self.scattering, self.cell = redshift, geometry, scattering, cell
        self.birth_cloud = TwoComponentScreen(tau_young=tau_birth_cloud, tau_old=0.0)
        self.assumed = (
            f"hydrogen is {HYDROGEN_FRACTION:g} of the mass of gas",
            f"gas below {NEUTRAL_BELOW:g} K, or that forms stars, is neutral if its fraction is not stored",
            f"birth clouds have the optical depth {tau_birth_cloud:g} at 5500 Angstrom",
        )

    def optical_depth(self, galaxy: Galaxy, view: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Effective optical depth of the gas in front of each star, shape (band, n)."""
        wavelength = np.asarray(wavelength, float)
        stars, gas = galaxy.stars, galaxy.gas
        if gas is None or not len(gas):
            return np.zeros((len(wavelength), len(stars)))
        if gas.metallicity is None:
            raise ValueError(f"{galaxy.galaxy_id}: dust from gas columns needs the metallicity of the gas.")
        hydrogen = neutral_hydrogen(gas)
        dusty = hydrogen > 0
        if not dusty.any():
            return np.zeros((len(wavelength), len(stars)))
        weight = np.stack([hydrogen, hydrogen * gas.metallicity], axis=1)[dusty]
        reach = _gas_reach(gas)[dusty]
        in_front = column_in_front(
            stars.position @ view.T, gas.position[dusty] @ view.T, reach, weight, self.cell
        )
        column, metals = np.maximum(in_front, 0).T
        metallicity = metals / np.maximum(column, _NOTHING)
        gamma = np.where(wavelength >= 2000, *METALLICITY_POWERS)[:, None]
        redshift = galaxy.redshift if self.redshift is None else self.redshift
        tau = cardelli_curve(wavelength)[:, None] * (1 + redshift) ** -0.5
        tau = tau * (metallicity / SOLAR_METALLICITY) ** gamma * (column * ATOMS_PER_CM2 / ATOMS_PER_TAU)
        return tau * scattering_factor(wavelength)[:, None] if self.scattering else tau

    def transmission(self, galaxy: Galaxy, view: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Share of the light of each star that gets through, shape (band, n)."""
        tau = self.optical_depth(galaxy, view, wavelength)
        if self.geometry == "screen":
            share = np.exp(-tau)
        else:
            share = np.where(tau > _THIN, -np.expm1(-tau) / np.maximum(tau, _THIN), 1.0)
        return share * self.birth_cloud.transmission(galaxy, view, wavelength)


def _gas_reach(gas: Gas) -> np.ndarray:
    """Kernel support of gas [kpc]: 2.5 radii of the cell, or what the snapshot or the neighbours give."""
    if gas.density is not None:
        return REACH_OF_CELL * (3 * gas.mass / (4 * np.pi * gas.density)) ** (1 / 3)
    if gas.smoothing_length is not None:
        return gas.smoothing_length
    return smoothing_lengths(gas.position)
