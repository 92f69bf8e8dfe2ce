"""Seen from somewhere, at some distance: star particles become an ideal image."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mocks.deposit.particles import deposit
from mocks.deposit.smoothing import with_smoothing_lengths
from mocks.dust.registry import dust_model
from mocks.dust.screens import Dust
from mocks.filters import load_filter
from mocks.galaxy import Galaxy, Stars
from mocks.ideal.record import IdealImage
from mocks.light.base import NANOMAGGY, StellarPopulation, dimming
from mocks.light.registry import stellar_population
from mocks.magnitudes import magnitude_of
from mocks.surveys import Survey, load_survey
from mocks.views import view_matrix

__all__ = ["Scene", "kpc_per_arcsec", "project"]

ARCSEC_PER_HALF_TURN = 648000


def kpc_per_arcsec(redshift: float, cosmology) -> float:
    """Transverse physical size of one arcsecond.

    Parameters
    ----------
    redshift : float
        Positive.
    cosmology : astropy.cosmology.FLRW

    Returns
    -------
    float
        [kpc].
    """
    return float(cosmology.angular_diameter_distance(redshift).to_value("kpc") * np.pi / ARCSEC_PER_HALF_TURN)


@dataclass(frozen=True, eq=False)
class Scene:
    """Where a galaxy stands and in what light it is seen, before any telescope.

    Parameters
    ----------
    redshift : float, optional
        Where the galaxy is placed; default the snapshot's own. Dimming, angular size and k-correction follow,
        in the galaxy's own cosmology; the stars keep their ages.
    view : ndarray of shape (3, 3), or str
        Rotation to the observer's axes, a name in ``VIEWS``, or ``"random"``, which ``mock_galaxy`` draws.
    size : int
        Side of the survey image [survey pixels].
    population : StellarPopulation or str
    dust : Dust or str
    oversampling : int
        Fine pixels per survey pixel and axis.
    """

    redshift: float | None = None
    view: np.ndarray | str = "random"
    size: int = 64
    population: StellarPopulation | str = "bc03"
    dust: Dust | str = "screen"
    oversampling: int = 3


def project(
    galaxy: Galaxy,
    survey: Survey | str,
    bands,
    scene: Scene,
    *,
    margin: int = 20,
    offset: tuple[float, float] = (0.0, 0.0),
) -> IdealImage:
    """Image of a galaxy above the atmosphere: light, dust, distance, projection, smoothing.

    Parameters
    ----------
    galaxy : Galaxy
    survey : Survey or str
        Gives filters and pixel scale.
    bands : sequence of str
    scene : Scene
        With a view that is not random.
    margin : int
        Survey pixels added on every side for light that the PSF will carry in.
    offset : tuple of float
        Shift (y, x) of the galaxy's centre from the image's [survey pixels].

    Raises
    ------
    ValueError
        For a redshift of zero, an unknown band, view, population or dust, or a galaxy without stars.
    """
    if not len(galaxy.stars):
        raise ValueError(f"{galaxy.galaxy_id} ({galaxy.source}) has no stars.")
    survey, bands = load_survey(survey), tuple(bands)
    redshift = galaxy.redshift if scene.redshift is None else float(scene.redshift)
    dimming(redshift, galaxy.cosmology)  # refuses a galaxy at no distance before any work is done
    is_named = isinstance(scene.view, str)
    rotation = view_matrix(scene.view, galaxy) if is_named else np.asarray(scene.view, float)
    filters = tuple(band.filter for band in survey.select(bands))
    galaxy = with_smoothing_lengths(galaxy)
    light = _light(galaxy, filters, redshift, rotation, scene)

    pixel_scale = survey.pixel_scale / scene.oversampling
    scale = kpc_per_arcsec(redshift, galaxy.cosmology) * pixel_scale  # kpc per fine pixel
    side = (scene.size + 2 * margin) * scene.oversampling

    def drawn(stars: Stars, flux: np.ndarray) -> np.ndarray:
        x, y = rotation[:2] @ stars.position.T / scale + side / 2
        x, y = x + offset[1] * scene.oversampling, y + offset[0] * scene.oversampling
        return deposit(x, y, stars.smoothing_length / scale, flux, (side, side))

    image = drawn(galaxy.stars, light.flux)
    companions = {}
    if galaxy.companions is not None:
        others = drawn(galaxy.companions.stars, light.of_companions)
        image = image + others
        companions = light.record_of_companions(bands, others, margin * scene.oversampling)
    return IdealImage(
        image=image,
        pixel_scale=pixel_scale,
        bands=bands,
        oversampling=scene.oversampling,
        margin=margin,
        flux_outside=np.maximum(light.total - image.sum(axis=(1, 2)), 0),
        metadata=_identity(galaxy)
        | {"redshift": redshift, "view": rotation.round(9).tolist(), "offset": tuple(map(float, offset))}
        | light.names
        | {"kpc_per_arcsec": scale / pixel_scale, "n_stars": len(galaxy.stars)}
        | light.record(bands)
        | companions,
    )


def _identity(galaxy: Galaxy) -> dict:
    """Which galaxy an image is of."""
    return {name: getattr(galaxy, name) for name in ("simulation", "snapshot", "subhalo_id")}


class _Light(NamedTuple):
    """Light of the stars of a galaxy on its way to the observer: flux of each (band, n) [nanomaggies].

    ``emitted`` is that of all without dust (band,), ``nebular`` the share of ionised gas in it (band,);
    ``beyond`` says whose is a guess (n,) on each side of the population's range, and ``continued`` is what
    ``emitted`` were without an edge there; ``of_companions`` is the flux of stars that are not the galaxy's
    (band, m).
    """

    flux: np.ndarray
    emitted: np.ndarray
    nebular: np.ndarray
    beyond: dict[str, np.ndarray]
    continued: np.ndarray
    names: dict[str, str]
    of_companions: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Flux of all stars (band,)."""
        return self.flux.sum(axis=1) + self.of_companions.sum(axis=1)

    def _share(self, chosen: np.ndarray) -> float:
        """Share of the light of chosen stars (n,) in all bands."""
        return float(self.flux[:, chosen].sum() / self.flux.sum())

    def record(self, bands) -> dict:
        """Give what the metadata keep of it."""
        magnitude = magnitude_of(self.flux.sum(axis=1))
        attenuation = magnitude - magnitude_of(self.emitted)
        clamped = np.logical_or.reduce([np.zeros(self.flux.shape[1], bool), *self.beyond.values()])
        shares = {side: self._share(each) for side, each in self.beyond.items() if each.any()}
        edge = np.abs(2.5 * np.log10(self.continued / self.emitted)).max()
        return {
            "n_clamped": int(np.count_nonzero(clamped)),
            "light_clamped": self._share(clamped),
            "light_beyond": shares,
            "edge_effect": float(edge),
            "light_nebular": dict(zip(bands, self.nebular.tolist(), strict=True)),
            "magnitude": dict(zip(bands, magnitude.tolist(), strict=True)),
            "attenuation": dict(zip(bands, attenuation.tolist(), strict=True)),
        }

    def record_of_companions(self, bands, image: np.ndarray, margin: int) -> dict:
        """Give what the metadata keep of companions: number, and their flux in the image without margin."""
        inside = image[:, margin : image.shape[1] - margin, margin : image.shape[2] - margin].sum(axis=(1, 2))
        flux = dict(zip(bands, inside.tolist(), strict=True))
        return {"n_companion_stars": self.of_companions.shape[1], "companion_flux": flux}


def _light(galaxy, filters, redshift, rotation, scene) -> _Light:
    """Light of the stars in the filters of a survey, behind dust."""
    population, dust = stellar_population(scene.population), dust_model(scene.dust)
    whole, own = galaxy.whole, len(galaxy.stars)
    flux = population.apparent_flux(whole.stars, filters, redshift, galaxy.cosmology)
    rest_wavelength = np.array([load_filter(name).pivot for name in filters]) / (1 + redshift)
    seen = flux * dust.transmission(whole, rotation, rest_wavelength)
    emitted, beyond = flux[:, :own].sum(axis=1), population.beyond(galaxy.stars)
    # The rest is of few stars, before dust, in units of `emitted`.
    unit = dimming(redshift, galaxy.cosmology) / NANOMAGGY
    change = np.zeros(len(filters))
    if (outer := population.clamped(galaxy.stars)).any():
        stars = galaxy.stars.select(outer)
        change = population.continued_flux(stars, filters, redshift).sum(axis=1)
        change -= population.absolute_flux(stars, filters, redshift).sum(axis=1)
    gas = population.nebular_flux(galaxy.stars, filters, redshift).sum(axis=1)
    return _Light(
        flux=seen[:, :own],
        of_companions=seen[:, own:],
        emitted=emitted,
        nebular=gas * unit / emitted,
        beyond=beyond,
        continued=emitted + change * unit,
        names={"population": population.name, "k_correction": population.k_correction, "dust": dust.name},
    )
