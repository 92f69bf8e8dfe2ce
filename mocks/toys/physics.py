"""What distinguishes the toy simulations: resolution, softening, clumps and arms, and nothing else."""

from dataclasses import dataclass

__all__ = ["TOY_GENERATIONS", "ToyPhysics"]


@dataclass(frozen=True)
class ToyPhysics:
    """How a toy simulation makes galaxies from a given structure.

    Parameters
    ----------
    name : str
        Of the toy simulation.
    particle_mass : float
        Initial mass of a star particle [Msun].
    softening : float
        Positions are blurred by a Gaussian of this sigma in each direction [kpc].
    arm_strength : float
        Contrast of the spiral arms, 0 (none) to 1.
    clump_fraction : float
        Part of the young stars that sit in clumps.
    most_particles : int
        No galaxy has more; heavier ones get heavier particles.
    """

    name: str
    particle_mass: float
    softening: float
    arm_strength: float
    clump_fraction: float
    most_particles: int = 30_000


# Rising likeness to "toy-real", which stands for nature in the demonstration
TOY_GENERATIONS = {
    "toy-1": ToyPhysics("toy-1", 6e6, 1.4, 0.0, 0.0),
    "toy-2": ToyPhysics("toy-2", 3e6, 0.5, 0.5, 0.3),
    "toy-3": ToyPhysics("toy-3", 1.5e6, 0.25, 0.7, 0.5),
    "toy-real": ToyPhysics("toy-real", 2e5, 0.08, 0.8, 0.6),
}
