"""Starlight through filters: from stellar mass, age and metallicity to nanomaggies."""

import abc

import numpy as np
from astropy.cosmology import FLRW

from mocks.filters import Filter
from mocks.galaxy import Stars

__all__ = ["StellarPopulation", "band_weights", "dimming"]

LIGHT_SPEED = 2.99792458e18
"""[Angstrom / s]."""
AB_ZERO = 3631e-23
"""Flux density of AB magnitude zero [erg / s / cm^2 / Hz]."""
SOLAR_LUMINOSITY = 3.828e33
"""Nominal solar luminosity, IAU 2015 resolution B3 [erg / s]."""
TEN_PARSEC = 3.0856775814913674e19
"""[cm]."""
NANOMAGGY = 1e-9


def band_weights(wavelength: np.ndarray, band: Filter, redshift: float) -> np.ndarray:
    """Linear weights that turn a luminosity density at rest into the flux through a band.

    Parameters
    ----------
    wavelength : ndarray, shape (n,)
        Of the spectrum, at rest [Angstrom], increasing.
    band : Filter
    redshift : float

    Returns
    -------
    ndarray, shape (n,)
        ``weights @ L_lambda``, with ``L_lambda`` in solar luminosities per Angstrom, is the flux in maggies
        of the redshifted spectrum at a luminosity distance of 10 pc.

    Raises
    ------
    ValueError
        When the spectrum does not cover the band.

    Notes
    -----
    Photon-counting: integral of f_lambda lambda R over that of the AB reference, f_lambda being
    L_lambda(lambda / (1 + z)) / (4 pi d_L^2 (1 + z)). Spectrum and curve are taken as piecewise linear and
    integrated by trapezoids on the union of their grids.
    """
    observed = np.asarray(wavelength, float) * (1 + redshift)
    low, high = band.wavelength[0], band.wavelength[-1]
    if observed[0] > low or observed[-1] < high:
        raise ValueError(
            f"spectra from {observed[0]:.0f} to {observed[-1]:.0f} Angstrom (at redshift {redshift}) "
            f"do not cover {band.name}, {low:.0f} to {high:.0f}."
        )
    inside = observed[(observed > low) & (observed < high)]
    nodes = np.union1d(inside, band.wavelength)
    response = np.interp(nodes, band.wavelength, band.response)
    step = np.zeros(len(nodes))
    step[:-1] += np.diff(nodes) / 2
    step[1:] += np.diff(nodes) / 2
    reference = np.sum(step * response * LIGHT_SPEED * AB_ZERO / nodes)
    node_weight = step * response * nodes / reference
    lower = np.clip(np.searchsorted(observed, nodes, side="right") - 1, 0, len(observed) - 2)
    share = (nodes - observed[lower]) / (observed[lower + 1] - observed[lower])
    weights = np.bincount(lower, node_weight * (1 - share), len(observed))
    weights += np.bincount(lower + 1, node_weight * share, len(observed))
    return weights * SOLAR_LUMINOSITY / (4 * np.pi * TEN_PARSEC**2 * (1 + redshift))


def dimming(redshift: float, cosmology: FLRW) -> float:
    """Factor from the flux at a luminosity distance of 10 pc to that at a redshift.

    Parameters
    ----------
    redshift : float
        Positive.
    cosmology : astropy.cosmology.FLRW

    Returns
    -------
    float
        (10 pc / d_L)^2.

    Raises
    ------
    ValueError
        For redshift zero or below, which has no distance.
    """
    if not redshift > 0:
        raise ValueError(
            f"redshift {redshift} has no luminosity distance; place the galaxy at a positive redshift, "
            "for example redshift=0.05."
        )
    parsec = cosmology.luminosity_distance(redshift).to_value("pc")
    if not 10 <= parsec < np.inf:
        raise ValueError(f"redshift {redshift} has a distance of {parsec:g} pc; place the galaxy elsewhere.")
    return float((10 / parsec) ** 2)


class StellarPopulation(abc.ABC):
    """Maker of starlight from the properties of star particles.

    Attributes
    ----------
    name : str
        For the record.
    k_correction : str
        ``"full"`` when the spectrum is redshifted through the filter, ``"none"`` when not.
    assumed : tuple of str
        What is assumed of the light without a source, in words.
    """

    name: str
    k_correction: str = "full"
    assumed: tuple[str, ...] = ()

    @abc.abstractmethod
    def absolute_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """Flux of each particle, spectrum redshifted, at a luminosity distance of 10 pc.

        Parameters
        ----------
        stars : Stars
        filters : tuple of str
            Names in ``speclite``.
        redshift : float

        Returns
        -------
        ndarray, shape (band, n)
            [maggies].
        """

    def clamped(self, stars: Stars) -> np.ndarray:
        """Particles whose age or metallicity is outside the model and taken at its edge, shape (n,)."""
        return np.logical_or.reduce([np.zeros(len(stars), bool), *self.beyond(stars).values()])

    def beyond(self, stars: Stars) -> dict[str, np.ndarray]:
        """Particles beyond each side of the model, shape (n,), by the side in words."""
        return {}

    def continued_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """As `absolute_flux`, but stars beyond the model continue its trend instead of taking its edge."""
        return self.absolute_flux(stars, filters, redshift)

    def nebular_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """Part of `absolute_flux` from ionised gas, shape (band, n) [maggies]; zero where not modelled."""
        return np.zeros((len(filters), len(stars)))

    def apparent_flux(
        self, stars: Stars, filters: tuple[str, ...], redshift: float, cosmology: FLRW
    ) -> np.ndarray:
        """Observer-frame flux of each particle.

        Parameters
        ----------
        stars : Stars
        filters : tuple of str
            Names in ``speclite``.
        redshift : float
        cosmology : astropy.cosmology.FLRW

        Returns
        -------
        ndarray, shape (band, n)
            [nanomaggies].
        """
        return self.absolute_flux(stars, filters, redshift) * (dimming(redshift, cosmology) / NANOMAGGY)
