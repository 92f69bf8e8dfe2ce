"""The record of one simulated galaxy that every reader returns."""

from dataclasses import dataclass, field, fields, replace

import numpy as np
from astropy.cosmology import FLRW

from mocks.display import facts_table

__all__ = ["Galaxy", "Gas", "Stars"]

PLOT_CELLS = 128  # along a side of a drawn galaxy
PLOTTED_MASS = 0.99  # default share of the stellar mass within the picture
LEAST_RADIUS = 1e-3  # kpc; of a picture of stars that lie at one place


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

    def joined(self, other: "_Particles") -> "_Particles":
        """Rows of another record behind those of this one, without columns that only one of them has."""
        rows = {}
        for item in fields(self):
            first, second = getattr(self, item.name), getattr(other, item.name)
            if first is None or second is None:
                rows[item.name] = None
            elif isinstance(first, dict):
                shared = [key for key in first if key in second]
                rows[item.name] = {key: np.concatenate([first[key], second[key]]) for key in shared}
            else:
                rows[item.name] = np.concatenate([first, second])
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
    centre : ndarray, shape (3,), optional
        What positions count from, in the box frame [physical kpc].
    companions : Galaxy, optional
        Stars and gas of what lies about it, from the same centre; not among its own.
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
    centre: np.ndarray | None = None
    companions: "Galaxy | None" = None

    @property
    def whole(self) -> "Galaxy":
        """Galaxy with the stars and gas of its companions among its own, which come first."""
        if self.companions is None:
            return self
        others, gas = self.companions, [each.gas for each in (self, self.companions) if each.gas is not None]
        return replace(
            self,
            stars=self.stars.joined(others.stars),
            gas=gas[0].joined(gas[1]) if len(gas) > 1 else next(iter(gas), None),
            companions=None,
        )

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

    def _facts(self) -> dict[str, str]:
        """Say in short what the galaxy is."""
        known = {"redshift": f"{self.redshift:g}", "stars": f"{len(self.stars):,}"}
        if self.gas is not None:
            known["gas"] = f"{len(self.gas):,}"
        if self.companions is not None:
            known["stars of companions"] = f"{len(self.companions.stars):,}"
        known["stellar mass"] = f"{self.stars.mass.sum():.3g} Msun"
        if "half_mass_radius" in self.properties:
            known["half-mass radius"] = f"{self.properties['half_mass_radius']:.3g} kpc"
        return known

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self._facts().items())
        return f"<Galaxy {self.galaxy_id}: {facts}>"

    def _repr_html_(self) -> str:
        facts = self._facts() | {"read from": self.source or "memory"}
        facts |= {f"note {i + 1}": note for i, note in enumerate(self.notes)}
        return facts_table(self.galaxy_id, facts)

    def plot(self, view: np.ndarray | None = None, radius: float | None = None, ax=None):
        """Draw the surface density of stellar mass [Msun per kpc^2], on a logarithmic scale.

        Parameters
        ----------
        view : ndarray, shape (3, 3), optional
            The observer's axes as rows, as ``mocks.view_matrix`` gives them; default along z of the box.
        radius : float, optional
            Half the side of the picture [kpc]; default the radius that holds 99 % of the mass.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt
        from matplotlib.colors import LogNorm

        x, y = (np.eye(3) if view is None else np.asarray(view, float))[:2] @ self.stars.position.T
        if radius is None:
            distance = np.linalg.norm(self.stars.position, axis=1)
            order = np.argsort(distance)
            mass = np.cumsum(self.stars.mass[order])
            radius = max(float(distance[order[np.searchsorted(mass, PLOTTED_MASS * mass[-1])]]), LEAST_RADIUS)
        edges = np.linspace(-radius, radius, PLOT_CELLS + 1)
        cell = (edges[1] - edges[0]) ** 2
        mass = np.histogram2d(y, x, bins=(edges, edges), weights=self.stars.mass)[0] / cell
        ax = plt.subplots()[1] if ax is None else ax
        picture = ax.imshow(
            np.where(mass > 0, mass, np.nan), origin="lower", extent=(-radius, radius) * 2, norm=LogNorm()
        )
        ax.figure.colorbar(picture, ax=ax, label=r"stellar mass [M$_\odot$ kpc$^{-2}$]")
        ax.set(xlabel="x [kpc]", ylabel="y [kpc]", title=self.galaxy_id)
        return ax
