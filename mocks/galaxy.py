"""The record of one simulated galaxy that every reader returns."""

from dataclasses import dataclass, field, fields, replace

import numpy as np
from astropy.cosmology import FLRW

__all__ = ["Galaxy", "Gas", "Stars"]


class _Particles:
    """Row selection shared by the particle records."""

    def __len__(self) -> int:
        return len(self.position)

    def select(self, index: np.ndarray) -> "_Particles":
        """Rows of the record by boolean mask or integer index, as a new record."""
        rows = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, dict):
                value = {key: column[index] for key, column in value.items()}
            elif value is not None:
                value = value[index]
            rows[item.name] = value
        return type(self)(**rows)


@dataclass(frozen=True, eq=False)
class Stars(_Particles):
    """Star particles of one galaxy; wind-phase gas is not among them.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        About the galaxy centre, box-unwrapped [physical kpc].
    mass : ndarray, shape (n,)
        Current mass [Msun].
    initial_mass : ndarray, shape (n,)
        Mass at birth [Msun]; stellar-population tables are per initial mass.
    age : ndarray, shape (n,)
        Age at the snapshot [Gyr], never negative.
    metallicity : ndarray, shape (n,)
        Mass fraction of metals, never negative.
    velocity : ndarray, shape (n, 3), optional
        Peculiar, about the galaxy [km/s].
    smoothing_length : ndarray, shape (n,), optional
        Radius of the sphere holding the nearest neighbours, the kernel's support [kpc].
    photometry : dict of ndarray, shape (n,), optional
        Rest-frame absolute magnitudes stored in the snapshot, by band as the simulation names it
        (Illustris and TNG: U B V K in Vega, g r i z in AB).
    """

    position: np.ndarray
    mass: np.ndarray
    initial_mass: np.ndarray
    age: np.ndarray
    metallicity: np.ndarray
    velocity: np.ndarray | None = None
    smoothing_length: np.ndarray | None = None
    photometry: dict[str, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Gas(_Particles):
    """Gas cells or particles of one galaxy.

    Parameters
    ----------
    position : ndarray, shape (n, 3)
        About the galaxy centre, box-unwrapped [physical kpc].
    mass : ndarray, shape (n,)
        Mass [Msun].
    metallicity : ndarray, shape (n,), optional
        Mass fraction of metals.
    density : ndarray, shape (n,), optional
        Mass density [Msun / kpc^3].
    temperature : ndarray, shape (n,), optional
        Temperature [K].
    star_formation_rate : ndarray, shape (n,), optional
        [Msun / yr].
    neutral_fraction : ndarray, shape (n,), optional
        Neutral hydrogen over total hydrogen.
    smoothing_length : ndarray, shape (n,), optional
        Kernel support or cell size [kpc].
    velocity : ndarray, shape (n, 3), optional
        Peculiar, about the galaxy [km/s].
    """

    position: np.ndarray
    mass: np.ndarray
    metallicity: np.ndarray | None = None
    density: np.ndarray | None = None
    temperature: np.ndarray | None = None
    star_formation_rate: np.ndarray | None = None
    neutral_fraction: np.ndarray | None = None
    smoothing_length: np.ndarray | None = None
    velocity: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Galaxy:
    """One simulated galaxy at one output time.

    Parameters
    ----------
    simulation : str
        Name of the run, for example ``"TNG100-1"``.
    snapshot : int
        Number of the output.
    subhalo_id : int
        Index in the simulation's own catalogue.
    redshift : float
        Redshift of the output.
    cosmology : astropy.cosmology.FLRW
        The simulation's own.
    stars : Stars
    gas : Gas, optional
    properties : dict
        Catalogue values in house units: ``stellar_mass`` [Msun], ``star_formation_rate`` [Msun/yr],
        ``half_mass_radius`` [kpc], ``is_central`` (bool), ... whatever the source holds.
    source : str
        File or folder it was read from.
    notes : tuple of str
        What the reader had to assume (guessed centre, missing initial mass, ...).
    """

    simulation: str
    snapshot: int
    subhalo_id: int
    redshift: float
    cosmology: FLRW
    stars: Stars
    gas: Gas | None = None
    properties: dict = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def galaxy_id(self) -> str:
        """Name of the galaxy, unique over simulations and outputs."""
        return f"{self.simulation}-{self.snapshot:03d}-{self.subhalo_id}"

    def within(self, radius: float) -> "Galaxy":
        """Galaxy cut to a sphere of ``radius`` [kpc] about its centre."""

        def cut(particles):
            distance = np.linalg.norm(particles.position, axis=1)
            return particles.select(distance <= radius)

        return replace(self, stars=cut(self.stars), gas=None if self.gas is None else cut(self.gas))
