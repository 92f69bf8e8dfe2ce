"""Seen from somewhere, at some distance: star particles become an ideal image."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mocks.deposit.particles import deposit
from mocks.deposit.smoothing import with_smoothing_lengths
from mocks.dust.registry import dust_model
from mocks.dust.screens import Dust
from mocks.filters import load_filter
from mocks.galaxy import Galaxy
from mocks.ideal.record import IdealImage
from mocks.light.base import StellarPopulation, dimming
from mocks.light.registry import stellar_population
from mocks.magnitudes import magnitude_of
from mocks.surveys import Survey, load_survey

__all__ = ["VIEWS", "Scene", "kpc_per_arcsec", "named_views", "project", "random_view", "view_matrix"]

VIEWS = ("x", "y", "z", "face-on", "edge-on")
"""Named views: along an axis of the box, along the angular momentum, or across it."""

ARCSEC_PER_HALF_TURN = 648000
SPIN_RADIUS = (
    2  # half-mass radii within which the angular momentum is taken; our choice, the disc and no halo
)
# The line of sight becomes the third coordinate; the other two keep a right-handed order.
_AXES = {
    "x": np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]),
    "y": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "z": np.eye(3),
}


def random_view(rng: np.random.Generator) -> np.ndarray:
    """Rotation drawn uniformly: any direction on the sphere, any angle about it.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (3, 3)
        Rows are the observer's axes: right, up, towards the observer.
    """
    w, x, y, z = (quaternion := rng.normal(size=4)) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def view_matrix(view: str, galaxy: Galaxy | None = None) -> np.ndarray:
    """Rotation of a named view.

    Parameters
    ----------
    view : str
        One of ``VIEWS``.
    galaxy : Galaxy, optional
        Needed, with stellar velocities, for ``"face-on"`` and ``"edge-on"``.

    Returns
    -------
    ndarray, shape (3, 3)
        Rows are the observer's axes: right, up, towards the observer. Edge-on has the angular momentum up.

    Raises
    ------
    ValueError
        For an unknown name, or a galaxy without velocities.
    """
    if view in _AXES:
        return _AXES[view].copy()
    if view == "random":
        raise ValueError("view 'random' is for mock_galaxy; give random_view(rng), or one of VIEWS.")
    if view not in VIEWS:
        raise ValueError(f"view {view!r} is unknown; choose from {', '.join(VIEWS)}.")
    if galaxy is None or galaxy.stars.velocity is None:
        raise ValueError(f"view {view!r} needs stellar velocities; use x, y, z or a random view.")
    spin = _angular_momentum(galaxy)
    side = np.cross(spin, _AXES["z"][np.argmin(np.abs(spin))])
    side /= np.linalg.norm(side)
    if view == "face-on":
        return np.stack([side, np.cross(spin, side), spin])
    return np.stack([side, spin, np.cross(side, spin)])


def named_views(text: str) -> tuple[str, ...]:
    """Read a list of views.

    Parameters
    ----------
    text : str
        Number of random views, or names in ``VIEWS`` and ``random:N``, separated by commas: ``"3"``,
        ``"face-on,edge-on"``, ``"z,random:2"``.

    Returns
    -------
    tuple of str
        Names in ``VIEWS`` or ``"random"``, one per view.

    Raises
    ------
    ValueError
        For an unknown name, a number below one, or a named view twice.
    """
    views = []
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        if name.isdecimal() and not number:
            name, number = "random", name
        if name == "random" and (number or "1").isdecimal() and int(number or 1) > 0:
            views += ["random"] * int(number or 1)
        elif name in VIEWS and not number and name not in views:
            views.append(name)
        else:
            raise ValueError(
                f"views {text!r}: {part.strip()!r} is not a number of random views, random:N, or one of "
                f"{', '.join(VIEWS)}, each once."
            )
    return tuple(views)


def _angular_momentum(galaxy: Galaxy) -> np.ndarray:
    """Direction of the angular momentum of stars within some half-mass radii."""
    stars = galaxy.stars
    distance = np.linalg.norm(stars.position, axis=1)
    order = np.argsort(distance)
    half = distance[order[np.searchsorted(np.cumsum(stars.mass[order]), stars.mass.sum() / 2)]]
    inner = stars.select(distance <= SPIN_RADIUS * half)
    momentum = inner.mass[:, None] * (inner.velocity - np.average(inner.velocity, axis=0, weights=inner.mass))
    spin = np.cross(inner.position, momentum).sum(axis=0)
    if not np.linalg.norm(spin) > 0:
        raise ValueError(f"{galaxy.galaxy_id} has no angular momentum; use x, y, z or a random view.")
    return spin / np.linalg.norm(spin)


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

    Returns
    -------
    IdealImage

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
    rotation = (
        view_matrix(scene.view, galaxy) if isinstance(scene.view, str) else np.asarray(scene.view, float)
    )
    filters = tuple(band.filter for band in survey.select(bands))
    light = _light(galaxy, filters, redshift, rotation, scene)

    pixel_scale = survey.pixel_scale / scene.oversampling
    scale = kpc_per_arcsec(redshift, galaxy.cosmology) * pixel_scale  # kpc per fine pixel
    side = (scene.size + 2 * margin) * scene.oversampling
    x, y = rotation[:2] @ galaxy.stars.position.T / scale + side / 2
    length = with_smoothing_lengths(galaxy).stars.smoothing_length
    image = deposit(
        x + offset[1] * scene.oversampling,
        y + offset[0] * scene.oversampling,
        length / scale,
        light.flux,
        (side, side),
    )
    return IdealImage(
        image=image,
        pixel_scale=pixel_scale,
        bands=bands,
        oversampling=scene.oversampling,
        margin=margin,
        flux_outside=np.maximum(light.flux.sum(axis=1) - image.sum(axis=(1, 2)), 0),
        metadata={
            **{name: getattr(galaxy, name) for name in ("simulation", "snapshot", "subhalo_id")},
            "redshift": redshift,
            "view": rotation.round(9).tolist(),
            "offset": tuple(map(float, offset)),
            **light.names,
            "kpc_per_arcsec": scale / pixel_scale,
            "n_stars": len(galaxy.stars),
            **light.record(bands),
        },
    )


class _Light(NamedTuple):
    """Light of the stars of a galaxy on its way to the observer: flux of each (band, n) [nanomaggies].

    ``emitted`` is that of all of them without dust (band,), ``clamped`` says whose is a guess (n,).
    """

    flux: np.ndarray
    emitted: np.ndarray
    clamped: np.ndarray
    names: dict[str, str]

    def record(self, bands) -> dict:
        """Give what the metadata keep of it."""
        magnitude = magnitude_of(self.flux.sum(axis=1))
        attenuation = magnitude - magnitude_of(self.emitted)
        return {
            "n_clamped": int(np.count_nonzero(self.clamped)),
            "light_clamped": float(self.flux[:, self.clamped].sum() / self.flux.sum()),
            "magnitude": dict(zip(bands, magnitude.tolist(), strict=True)),
            "attenuation": dict(zip(bands, attenuation.tolist(), strict=True)),
        }


def _light(galaxy, filters, redshift, rotation, scene) -> _Light:
    """Light of the stars in the filters of a survey, behind dust."""
    population, dust = stellar_population(scene.population), dust_model(scene.dust)
    flux = population.apparent_flux(galaxy.stars, filters, redshift, galaxy.cosmology)
    rest_wavelength = np.array([load_filter(name).pivot for name in filters]) / (1 + redshift)
    return _Light(
        flux=flux * dust.transmission(galaxy, rotation, rest_wavelength),
        emitted=flux.sum(axis=1),
        clamped=population.clamped(galaxy.stars),
        names={"population": population.name, "k_correction": population.k_correction, "dust": dust.name},
    )
