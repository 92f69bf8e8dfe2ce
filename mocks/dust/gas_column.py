"""Dust from the gas between each star and the observer."""

import numpy as np
from numba import njit

from mocks.deposit.kernel import PAD, REACH, stamps
from mocks.deposit.patches import add_4, add_8
from mocks.deposit.smoothing import smoothing_lengths
from mocks.dust.screens import Dust, TwoComponentScreen, cardelli_curve
from mocks.galaxy import Galaxy, Gas

__all__ = ["GasColumn", "column_in_front", "neutral_hydrogen", "scattering_factor"]

HYDROGEN_FRACTION = 0.76
SOLAR_METALLICITY = 0.0127
ATOMS_PER_CM2 = 1.2477e14
"""Hydrogen atoms per cm^2 in one Msun of hydrogen per kpc^2."""


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
            neutral |= gas.temperature < 8000
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

    Returns
    -------
    ndarray

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


@njit(cache=True)
def _read(grid, n_y, n_x, u, v, smooth, out):
    """Add the value of every quantity at a point: bilinear, or a quadratic spline where ``smooth``."""
    column, row = int(np.floor(u)), int(np.floor(v))
    s, t = u - column, v - row
    if smooth:  # nearest centre and its two neighbours
        column, row = int(np.floor(u + 0.5)) - 1, int(np.floor(v + 0.5)) - 1
        s, t = u - column - 1, v - row - 1
    if column < 0 or row < 0 or column + 2 >= n_x or row + 2 >= n_y:
        return
    wx, wy = np.zeros(3), np.zeros(3)
    if smooth:
        wx[0], wx[1], wx[2] = (0.5 - s) ** 2 / 2, 0.75 - s * s, (0.5 + s) ** 2 / 2
        wy[0], wy[1], wy[2] = (0.5 - t) ** 2 / 2, 0.75 - t * t, (0.5 + t) ** 2 / 2
    else:
        wx[0], wx[1], wy[0], wy[1] = 1 - s, s, 1 - t, t
    for q in range(len(out)):
        for a in range(3):
            for b in range(3):
                out[q] += wy[a] * wx[b] * grid[q, (row + a) * n_x + column + b]


@njit(cache=True)
def _sweep(order, n_star, x, y, level, kind, reach, weight, quantities, stamps, start, shapes):
    """Go from the front to the back: gas fills the grids, stars read them."""
    n_quantity = weight.shape[1]
    grids = np.zeros((n_quantity, start[-1]))
    flat = grids.reshape(-1)
    found = np.zeros((n_star, n_quantity))
    for i in order:
        if i < n_star:
            for k in range(len(shapes)):
                n_y, n_x = shapes[k]
                u, v = x[i] / 2**k + (PAD - 0.5), y[i] / 2**k + (PAD - 0.5)
                part = np.zeros(n_quantity)
                _read(grids[:, start[k] : start[k + 1]], n_y, n_x, u, v, k > 0, part)
                found[i] += part / 4.0**k
        else:
            j = i - n_star
            k = level[j]
            n_y, n_x = shapes[k]
            u, v = x[i] / 2**k + (PAD - 0.5), y[i] / 2**k + (PAD - 0.5)
            stamp, width = stamps[kind[j]], reach[j] / 2**k
            if kind[j] == 0:
                add_4(flat, start[k], start[-1], n_y, n_x, u, v, width, stamp, weight, j, 0, quantities)
            else:
                add_8(flat, start[k], start[-1], n_y, n_x, u, v, width, stamp, weight, j, 0, quantities)
    return found


def column_in_front(
    stars: np.ndarray, gas: np.ndarray, reach: np.ndarray, weight: np.ndarray, cell: float = 0.1
) -> np.ndarray:
    """Surface density of gas in front of every star.

    Parameters
    ----------
    stars : ndarray, shape (n, 3)
        Positions in the observer's frame, the observer at large positive third coordinate [kpc].
    gas : ndarray, shape (m, 3)
        Positions in the same frame [kpc].
    reach : ndarray, shape (m,)
        Support of each gas particle's kernel [kpc].
    weight : ndarray, shape (m, quantity)
        What to add up, for example masses [Msun].
    cell : float
        Side of the grid's cells [kpc]; widened so that the grid has at most 1024 a side.

    Returns
    -------
    ndarray, shape (n, quantity)
        Per kpc^2. A gas particle counts wholly when its centre is in front of the star.

    Notes
    -----
    Stars and gas are sorted by depth and visited once: gas is added to a grid with the same stamps as light
    is, each star reads the grid as it stands. Cost grows as the number of particles.
    """
    low, high = stars[:, :2].min(axis=0), stars[:, :2].max(axis=0)
    cell = max(cell, float((high - low).max()) / 1024)
    shape = np.ceil((high - low) / cell).astype(int)[::-1] + 1
    place = (np.concatenate([stars, gas])[:, :2] - low) / cell
    reach = reach / cell
    kind = np.searchsorted(REACH, reach)
    level = np.where(kind < len(REACH), 0, np.ceil(np.log2(np.maximum(reach, 1) / REACH[-1]))).astype(int)
    shapes = np.array([-(-shape // 2**k) + 2 * PAD for k in range(level.max(initial=0) + 1)])
    start = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])
    # Gas at the very depth of a star lies behind it.
    order = np.argsort(-np.concatenate([stars[:, 2], gas[:, 2]]), kind="stable")
    found = _sweep(
        order,
        len(stars),
        np.ascontiguousarray(place[:, 0]),
        np.ascontiguousarray(place[:, 1]),
        level,
        kind,
        reach,
        np.ascontiguousarray(weight, float),
        (0.0,) * weight.shape[1],
        stamps(),
        start,
        shapes,
    )
    return found / cell**2


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
            raise ValueError(f"geometry {geometry!r} is unknown; known are mixed, screen.")
        self.redshift, self.geometry, self.scattering, self.cell = redshift, geometry, scattering, cell
        self.birth_cloud = TwoComponentScreen(tau_young=tau_birth_cloud, tau_old=0.0)

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
        found = column_in_front(
            stars.position @ view.T, gas.position[dusty] @ view.T, reach, weight, self.cell
        )
        column, metals = np.maximum(found, 0).T
        metallicity = metals / np.maximum(column, 1e-30)
        gamma = np.where(wavelength >= 2000, 1.6, 1.35)[:, None]
        redshift = galaxy.redshift if self.redshift is None else self.redshift
        tau = cardelli_curve(wavelength)[:, None] * (1 + redshift) ** -0.5
        tau = tau * (metallicity / SOLAR_METALLICITY) ** gamma * (column * ATOMS_PER_CM2 / 2.1e21)
        return tau * scattering_factor(wavelength)[:, None] if self.scattering else tau

    def transmission(self, galaxy: Galaxy, view: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Share of the light of each star that gets through, shape (band, n)."""
        tau = self.optical_depth(galaxy, view, wavelength)
        if self.geometry == "screen":
            share = np.exp(-tau)
        else:
            share = np.where(tau > 1e-8, -np.expm1(-tau) / np.maximum(tau, 1e-8), 1.0)
        return share * self.birth_cloud.transmission(galaxy, view, wavelength)


def _gas_reach(gas: Gas) -> np.ndarray:
    """Kernel support of gas [kpc]: 2.5 radii of the cell, or what the snapshot or the neighbours give."""
    if gas.density is not None:
        return 2.5 * (3 * gas.mass / (4 * np.pi * gas.density)) ** (1 / 3)
    if gas.smoothing_length is not None:
        return gas.smoothing_length
    return smoothing_lengths(gas.position)
