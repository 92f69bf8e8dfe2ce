"""Where a galaxy is, and how large: by the catalogue, or by its light."""

from dataclasses import replace

import numpy as np

from mocks.galaxy import Galaxy
from mocks.light.base import StellarPopulation
from mocks.light.registry import stellar_population
from mocks.readers.particles.geometry import half_mass_radius, shrinking_sphere

__all__ = ["centre_on_light", "centred_on"]

LIGHT = "light"
BY_STARS = ("shrinking sphere", "friends-of-friends group of stars")
"""In the notes of readers that have no catalogue."""


def centred_on(galaxy: Galaxy) -> str:
    """Say what a galaxy's centre is.

    Returns
    -------
    str
        ``"catalogue"``, ``"stars"`` (densest place of their mass, where no catalogue tells) or ``"light"``.
    """
    if "light_radius" in galaxy.properties:
        return LIGHT
    return "stars" if any(words in note for note in galaxy.notes for words in BY_STARS) else "catalogue"


def centre_on_light(
    galaxy: Galaxy, band: str, redshift: float, population: StellarPopulation | str = "bc03"
) -> Galaxy:
    """Move a galaxy's centre to where its light is densest, and measure its extent in light.

    The centre of light inside ever smaller spheres, in three dimensions and without dust; the bulk motion
    stays that of all its stars.

    Parameters
    ----------
    galaxy : Galaxy
    band : str
        Name of the filter in ``speclite``.
    redshift : float
        At which it is observed.
    population : StellarPopulation or str

    Returns
    -------
    Galaxy
        With ``light_radius`` [kpc], the radius that holds half of the light, and ``centre_shift`` [kpc] among
        its properties.
    """
    stars = galaxy.stars
    light = stellar_population(population).absolute_flux(stars, (band,), redshift)[0]
    shift = shrinking_sphere(stars.position, light)

    def moved(particles):
        return None if particles is None else replace(particles, position=particles.position - shift)

    companions = galaxy.companions
    if companions is not None:
        companions = replace(companions, stars=moved(companions.stars), gas=moved(companions.gas))
    distance, before = float(np.linalg.norm(shift)), centred_on(galaxy)
    radius = half_mass_radius(stars.position - shift, light)
    return replace(
        galaxy,
        stars=moved(stars),
        gas=moved(galaxy.gas),
        companions=companions,
        centre=None if galaxy.centre is None else galaxy.centre + shift,
        properties=galaxy.properties | {"light_radius": radius, "centre_shift": distance},
        notes=(*galaxy.notes, f"centred on its light, {distance:.3g} kpc from its place by {before}"),
    )
