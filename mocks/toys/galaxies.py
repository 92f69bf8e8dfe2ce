"""Toy galaxies: a disc with arms and clumps, a bulge, gas; one population for all toy simulations."""

from dataclasses import dataclass

import numpy as np
from astropy.cosmology import FLRW, FlatLambdaCDM

from mocks.galaxy import Galaxy, Gas, Stars
from mocks.readers.particles.geometry import half_mass_radius
from mocks.readers.particles.times import cosmic_time
from mocks.streams import stream
from mocks.toys.mass_loss import toy_mass_fraction
from mocks.toys.physics import TOY_GENERATIONS, ToyPhysics
from mocks.views import random_view

__all__ = ["TOY_COSMOLOGY", "ToyStructure", "toy_galaxies", "toy_galaxy", "toy_structure"]

TOY_COSMOLOGY = FlatLambdaCDM(H0=67.74, Om0=0.3089, Ob0=0.0486)

LOG_MASS_RANGE = (9.5, 11.0)  # log10 of the stellar mass [Msun]
SIZE_RANGE = (2.0, 6.0)  # half-mass radius [kpc]
SCALE_PER_HALF_MASS = 1.6783  # half-mass radius of an exponential disc in scale lengths
YOUNG = 0.2  # Gyr; younger stars live in clumps and strong arms
DISC_EDGE = 6.0  # scale lengths


@dataclass(frozen=True, eq=False)
class ToyStructure:
    """What a toy galaxy looks like before any toy physics.

    Parameters
    ----------
    stellar_mass : float
        Current mass [Msun].
    half_mass_radius : float
        Of the disc [kpc].
    bulge_fraction : float
        Of the mass.
    bulge_radius : float
        Hernquist scale of the bulge [kpc].
    thickness : float
        sech^2 scale height over the disc's scale length.
    arms : int
        Number of spiral arms.
    pitch : float
        Pitch angle of the arms [rad].
    phase : float
        Angle of an arm at one scale length [rad].
    decline : float
        Time over which the disc's star formation declines [Gyr].
    metallicity : float
        Mass fraction of metals at one scale length.
    orientation : ndarray, shape (3, 3)
        Rotation of the disc's frame (spin along z) to the sky's.
    """

    stellar_mass: float
    half_mass_radius: float
    bulge_fraction: float
    bulge_radius: float
    thickness: float
    arms: int
    pitch: float
    phase: float
    decline: float
    metallicity: float
    orientation: np.ndarray


def toy_structure(rng: np.random.Generator) -> ToyStructure:
    """Draw a galaxy of the toy population, the same for all toy simulations.

    Log mass is uniform, size follows mass with 0.1 dex scatter, the orientation is isotropic.

    Parameters
    ----------
    rng : numpy.random.Generator
    """
    log_mass = rng.uniform(*LOG_MASS_RANGE)
    size = 3.6 * 10 ** (0.2 * (log_mass - 10.3) + 0.1 * rng.normal())
    size = float(np.clip(size, *SIZE_RANGE))
    orientation = random_view(rng)  # before the rest: the order of the draws makes the galaxy
    return ToyStructure(
        stellar_mass=10**log_mass,
        half_mass_radius=size,
        bulge_fraction=rng.beta(2.0, 6.0),
        bulge_radius=0.15 * size * 10 ** (0.1 * rng.normal()),
        thickness=rng.uniform(0.08, 0.18),
        arms=int(rng.choice([2, 2, 3, 4])),
        pitch=np.radians(rng.uniform(12.0, 28.0)),
        phase=rng.uniform(0.0, 2.0 * np.pi),
        decline=rng.uniform(3.0, 12.0),
        metallicity=0.018 * 10 ** (0.25 * (log_mass - 10.3) + 0.08 * rng.normal()),
        orientation=orientation,
    )


def _disc_radius(rng: np.random.Generator, n: int) -> np.ndarray:
    """Radii of an exponential disc in scale lengths, inside its edge."""
    grid = np.linspace(0.0, DISC_EDGE, 2001)
    enclosed = 1.0 - (1.0 + grid) * np.exp(-grid)
    return np.interp(rng.uniform(0.0, enclosed[-1], n), enclosed, grid)


def _azimuth(
    rng: np.random.Generator, radius: np.ndarray, contrast: np.ndarray, structure: ToyStructure
) -> np.ndarray:
    """Angles with density 1 + contrast x cos(m (angle - logarithmic spiral))."""
    m = structure.arms
    arm = structure.phase - np.log(np.maximum(radius, 0.05)) / np.tan(structure.pitch)
    target = rng.uniform(0.0, 2.0 * np.pi, len(radius))
    angle = target.copy()
    for _ in range(
        40
    ):  # angle + contrast / m sin(m angle) = target; contrast < 1: monotonic, damped Newton converges
        excess = angle + contrast / m * np.sin(m * angle) - target
        angle -= 0.7 * excess / (1.0 + contrast * np.cos(m * angle))
        angle = np.clip(angle, target - 1.0 / m, target + 1.0 / m)
    return angle + arm


def _disc_ages(
    rng: np.random.Generator, radius: np.ndarray, structure: ToyStructure, oldest: float
) -> np.ndarray:
    """Ages [Gyr] under a declining star formation rate that began earlier and fell faster inside."""
    began = oldest * (0.95 - 0.05 * np.minimum(radius, DISC_EDGE))
    decline = structure.decline * (0.7 + 0.2 * np.minimum(radius, 4.0))
    # rate exp(-(began - age) / decline) over 0..began, drawn by inversion
    u = rng.uniform(size=len(radius))
    return decline * np.log1p(u * np.expm1(began / decline))


def _clumps(
    rng: np.random.Generator, position: np.ndarray, age: np.ndarray, physics: ToyPhysics, scale: float
) -> np.ndarray:
    """Move part of the young stars to a few compact clumps among them."""
    young = np.flatnonzero(age < YOUNG)
    moved = young[rng.uniform(size=len(young)) < physics.clump_fraction]
    n_clumps = int(rng.integers(12, 30))
    if len(moved) == 0:
        return position
    seeds = rng.choice(young, size=n_clumps)
    weight = rng.pareto(2.0, n_clumps) + 0.3
    home = seeds[rng.choice(n_clumps, size=len(moved), p=weight / weight.sum())]
    position = position.copy()
    position[moved] = position[home] + rng.normal(scale=0.03 * scale, size=(len(moved), 3))
    return position


def _bulge(rng: np.random.Generator, n: int, scale: float) -> np.ndarray:
    """Positions [kpc] in a Hernquist sphere cut at ten scale radii."""
    root = np.sqrt(rng.uniform(0.0, (10.0 / 11.0) ** 2, n))
    radius = scale * root / (1.0 - root)
    direction = rng.normal(size=(n, 3))
    return radius[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)


def _velocity(
    rng: np.random.Generator, position: np.ndarray, structure: ToyStructure, hot: np.ndarray
) -> np.ndarray:
    """Rotation with a flat curve, and dispersion; the bulge (hot) does not rotate [km/s]."""
    speed = 190.0 * (structure.stellar_mass / 2e10) ** 0.25
    radius = np.hypot(position[:, 0], position[:, 1])
    turn = np.where(hot, 0.0, speed / np.sqrt(radius**2 + 1.0))
    velocity = rng.normal(scale=np.where(hot, 0.6, 0.15)[:, None] * speed, size=position.shape)
    velocity[:, 0] -= turn * position[:, 1]
    velocity[:, 1] += turn * position[:, 0]
    return velocity


def _gas(rng: np.random.Generator, n: int, structure: ToyStructure, scale: float) -> Gas:
    """Thin gas disc, a tenth of the stellar mass, twice as wide as the stars."""
    radius = 2.0 * scale * _disc_radius(rng, n)
    angle, height = rng.uniform(0.0, 2.0 * np.pi, n), rng.laplace(scale=0.1, size=n)
    position = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    mass = np.full(n, 0.1 * structure.stellar_mass / n)
    surface = mass.sum() / (2.0 * np.pi * (2.0 * scale) ** 2) * np.exp(-radius / (2.0 * scale))
    density = surface / 0.2 * np.exp(-np.abs(height) / 0.1)
    dense = density > np.median(density)
    return Gas(
        position=position @ structure.orientation.T,
        mass=mass,
        metallicity=structure.metallicity * 10 ** (-0.03 * radius),
        density=density,
        temperature=np.where(dense, 8e3, 2e4),
        star_formation_rate=np.where(dense, mass / 2e9, 0.0),  # depletion time 2 Gyr
        neutral_fraction=np.where(dense, 0.9, 0.2),
        smoothing_length=np.cbrt(3.0 * mass / (4.0 * np.pi * density)),
        velocity=_velocity(rng, position, structure, np.zeros(n, dtype=bool)) @ structure.orientation.T,
    )


def _stars(
    rng: np.random.Generator,
    physics: ToyPhysics,
    structure: ToyStructure,
    n_disc: int,
    n_bulge: int,
    oldest: float,
) -> Stars:
    """Stars of disc and bulge, turned to the sky; `oldest` is the age of the first [Gyr]."""
    n, scale = n_disc + n_bulge, structure.half_mass_radius / SCALE_PER_HALF_MASS
    radius = _disc_radius(rng, n_disc)
    age = _disc_ages(rng, radius, structure, oldest)
    contrast = np.minimum(
        physics.arm_strength * np.where(age < YOUNG, 1.2, np.where(age < 3.0, 0.9, 0.5)), 0.95
    )
    angle = _azimuth(rng, radius, contrast, structure)
    height = (
        structure.thickness * np.where(age < YOUNG, 0.4, 1.0) * np.arctanh(rng.uniform(-0.999, 0.999, n_disc))
    )
    disc = scale * np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    disc = _clumps(rng, disc, age, physics, scale)

    position = np.concatenate([disc, _bulge(rng, n_bulge, structure.bulge_radius)])
    velocity = _velocity(rng, position, structure, np.arange(n) >= n_disc)
    age = np.concatenate([age, oldest * rng.uniform(0.7, 1.0, n_bulge)])
    distance = np.linalg.norm(position, axis=1) / scale
    metallicity = structure.metallicity * 10 ** (0.06 * (1.0 - distance) + 0.08 * rng.normal(size=n))
    position = position + rng.normal(scale=physics.softening, size=position.shape)

    share = toy_mass_fraction(age)
    initial_mass = np.full(n, structure.stellar_mass / share.sum())
    return Stars(
        position=position @ structure.orientation.T,
        mass=initial_mass * share,
        initial_mass=initial_mass,
        age=age,
        metallicity=np.minimum(metallicity, 0.06),
        velocity=velocity @ structure.orientation.T,
    )


def toy_galaxy(
    physics: ToyPhysics | str,
    rng: np.random.Generator,
    *,
    structure: ToyStructure | None = None,
    subhalo_id: int = 0,
    snapshot: int = 99,
    redshift: float = 0.0,
    cosmology: FLRW = TOY_COSMOLOGY,
    gas: bool = False,
) -> Galaxy:
    """Make one toy galaxy.

    An exponential disc with a sech^2 height, ages and metallicities with a gradient, logarithmic spiral arms
    and star-forming clumps, and a Hernquist bulge of old stars; positions blurred by the softening.

    Parameters
    ----------
    physics : ToyPhysics or str
        The toy simulation, or its name in `TOY_GENERATIONS`.
    rng : numpy.random.Generator
    structure : ToyStructure, optional
        Drawn from the population when left out.
    subhalo_id, snapshot : int
        Names of the galaxy and its output.
    redshift : float
        Of the output.
    cosmology : astropy.cosmology.FLRW
    gas : bool
        Whether it has a gas disc.

    Returns
    -------
    Galaxy
        With its centre of mass at the origin, give or take the particle noise; no photometry.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if isinstance(physics, str):
        if physics not in TOY_GENERATIONS:
            raise ValueError(f"unknown toy simulation {physics!r}; known: {', '.join(TOY_GENERATIONS)}.")
        physics = TOY_GENERATIONS[physics]
    structure = toy_structure(rng) if structure is None else structure
    scale = structure.half_mass_radius / SCALE_PER_HALF_MASS
    oldest = min(12.5, 0.93 * float(cosmic_time(1.0 / (1.0 + redshift), cosmology)))
    # particles are equal at birth; 0.6 of that mass is left on average
    n = int(np.clip(structure.stellar_mass / 0.6 / physics.particle_mass, 100, physics.most_particles))
    n_bulge = int(rng.binomial(n, structure.bulge_fraction))
    n_disc = n - n_bulge

    stars = _stars(rng, physics, structure, n_disc, n_bulge, oldest)
    disc_gas = _gas(rng, max(50, n // 4), structure, scale) if gas else None
    properties = {
        "stellar_mass": float(stars.mass.sum()),
        "half_mass_radius": half_mass_radius(stars.position, stars.mass),
        "n_stars": n,
        "star_formation_rate": float(stars.initial_mass[stars.age < 0.1].sum() / 1e8),
        "is_central": True,
    }
    return Galaxy(
        simulation=physics.name,
        snapshot=snapshot,
        subhalo_id=subhalo_id,
        redshift=redshift,
        cosmology=cosmology,
        stars=stars,
        gas=disc_gas,
        properties=properties,
        source="mocks.toys",
        notes=("toy galaxy",),
    )


def toy_galaxies(physics: ToyPhysics | str, n: int, seed: int, **options) -> list[Galaxy]:
    """Make a sample of toy galaxies; galaxy i is the same whatever `n`.

    Parameters
    ----------
    physics : ToyPhysics or str
    n : int
        Number of galaxies.
    seed : int
        Of the run; each toy simulation draws galaxies of its own from the common population.
    **options
        Of `toy_galaxy`.

    Returns
    -------
    list of Galaxy
        With ``subhalo_id`` 0 to n - 1.
    """
    name = physics if isinstance(physics, str) else physics.name
    return [
        toy_galaxy(physics, stream(seed, name, "toy galaxy", i), subhalo_id=i, **options) for i in range(n)
    ]
