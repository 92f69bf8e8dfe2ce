"""What every reader promises: one opened output of one simulation."""

import abc
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from astropy.cosmology import FLRW
from astropy.table import Row, Table

from mocks.galaxy import Galaxy
from mocks.readers.particles.limits import refuse_repeated_stars
from mocks.readers.particles.records import assemble

__all__ = ["Fingerprint", "Format", "Snapshot"]

WATCHED = 64
"""Files of a snapshot whose state is watched; asking for thousands takes seconds on some file systems."""


def _state(path: Path) -> tuple | None:
    """Tell a file from what lies at its path after a change; None where there is none."""
    try:
        now = os.stat(path)
    except OSError:
        return None
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns


@dataclass(frozen=True, eq=False, kw_only=True)
class Snapshot(abc.ABC):
    """One output of one simulation, opened but not read.

    Parameters
    ----------
    path : Path
        File or folder it is read from.
    format : str
        Name of its entry in `mocks.readers.SIMULATIONS`.
    simulation : str
        Name of the run, for example ``"TNG100-1"``.
    snapshot : int
        Number of the output; 0 where the source does not tell.
    redshift : float
        Redshift of the output.
    cosmology : astropy.cosmology.FLRW
        The simulation's own.
    notes : tuple of str
        What had to be assumed when opening.
    states : dict
        What the files were when it was opened, see `watched`.
    """

    path: Path
    format: str
    simulation: str
    snapshot: int
    redshift: float
    cosmology: FLRW
    notes: tuple[str, ...] = ()
    states: dict[Path, tuple | None] = field(default_factory=dict, repr=False)

    def watched(self) -> "Snapshot":
        """Give this snapshot, which refuses to be read once one of its files is another than now."""
        return replace(self, states={path: _state(path) for path in self.sources[:WATCHED]})

    def require_unchanged(self) -> None:
        """Refuse files that are not those whose header was read.

        Raises
        ------
        ValueError
            When one has been written to or replaced; one that is gone is missed where it is read.
        """
        changed = [path for path, state in self.states.items() if _state(path) not in (state, None)]
        if changed:
            raise ValueError(f"{changed[0]} has changed since it was opened; open the snapshot again.")

    def _row_of(self, table: Table, subhalo_id: int) -> Row:
        """Row of a galaxy in a catalogue, or an error that names those there."""
        rows = np.flatnonzero(table["subhalo_id"] == subhalo_id)
        if len(rows) == 0:
            known = ", ".join(map(str, table["subhalo_id"][:10]))
            more = "..." if len(table) > 10 else ""
            raise ValueError(f"{self.path}: no galaxy {subhalo_id}; it has {known} {more}")
        return table[int(rows[0])]

    @property
    def scale_factor(self) -> float:
        """Scale factor of the output."""
        return 1.0 / (1.0 + self.redshift)

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; when one changes, this is another snapshot."""
        return (self.path,)

    def problems(self) -> list[str]:
        """Check that the files are complete and fit together, at the cost of opening each.

        Returns
        -------
        list of str
            What is wrong, one sentence each; empty when nothing is.
        """
        return []

    @abc.abstractmethod
    def catalogue(self) -> Table:
        """Galaxies that have stars, one row each.

        Returns
        -------
        astropy.table.Table
            ``subhalo_id``, ``n_stars``, ``stellar_mass`` [Msun] and, where the source holds them,
            ``half_mass_radius`` [kpc], ``star_formation_rate`` [Msun/yr], ``is_central``, ``flag``
            (False: the simulation's authors advise against it), ``x``, ``y``, ``z``
            [physical kpc, box frame].
        """

    @abc.abstractmethod
    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy of the catalogue.

        Parameters
        ----------
        subhalo_id : int
            Value of the catalogue's column of that name.

        Raises
        ------
        ValueError
            When there is no such galaxy, it has no stars, or its particles are not plausible.
        """

    def region_problem(self) -> str:
        """Say why stars of other galaxies cannot be read about a place; empty where `read_region` can."""
        return (
            f"{self.path}: format {self.format} gives single galaxies, not what lies about them; companions "
            "need a snapshot of a whole box, or a file of a whole group."
        )

    def group_problem(self) -> str:
        """Say why the stars of a galaxy's group cannot be read; empty where `read_group` can."""
        return self.region_problem()

    def read_region(
        self, centre: np.ndarray, radius: float, subhalo_id: int = 0, *, gas: bool = True
    ) -> Galaxy:
        """Read all stars in a sphere, of whichever galaxy or of none.

        Parameters
        ----------
        centre : array_like, shape (3,)
            [physical kpc, box frame].
        radius : float
            [physical kpc].
        subhalo_id : int
            Number to give to the result.
        gas : bool
            Whether gas is read as well, where the snapshot is opened with it.

        Raises
        ------
        ValueError
            When no star is there, or the snapshot does not hold them, see `region_problem`.
        """
        raise ValueError(self.region_problem())

    def read_group(self, subhalo_id: int, centre: np.ndarray, *, gas: bool = True) -> Galaxy:
        """Read all stars of the friends-of-friends group that a galaxy lies in.

        Parameters
        ----------
        subhalo_id : int
        centre : array_like, shape (3,)
            What positions shall count from [physical kpc, box frame].
        gas : bool
            Whether gas is read as well, where the snapshot is opened with it.

        Raises
        ------
        ValueError
            When the snapshot does not tell groups, see `group_problem`.
        """
        raise ValueError(self.group_problem())

    def assembled(self, subhalo_id: int, *, notes: tuple[str, ...] = (), **parts) -> Galaxy:
        """Make the record of one galaxy of this output.

        Parameters
        ----------
        subhalo_id : int
        notes : tuple of str
            Beside those of the output.
        **parts
            ``stars``, ``gas``, ``centre``, ``box_size``, ``properties``, ``chosen``, as of
            `mocks.readers.particles.records.assemble`.

        Raises
        ------
        ValueError
            When a file has changed since it was opened, stars are there twice, or as `assemble`.
        """
        self.require_unchanged()
        refuse_repeated_stars(f"{self.path}, galaxy {subhalo_id}", parts["stars"])
        identity = {name: getattr(self, name) for name in ("simulation", "snapshot", "redshift", "cosmology")}
        return assemble(self.path, notes=self.notes + notes, subhalo_id=int(subhalo_id), **identity, **parts)


@dataclass(frozen=True, eq=False, kw_only=True)
class Fingerprint:
    """What can be seen of a path at little cost, to tell formats apart.

    Parameters
    ----------
    path : Path
    kind : str
        ``"folder"``, ``"hdf5"``, ``"fits"`` or ``"other"``.
    names : frozenset of str
        Entries of a folder, or top-level groups of an HDF5 file.
    header : dict
        Attributes of an HDF5 file's ``Header`` group.
    stars : frozenset of str
        Datasets of its ``PartType4`` group.
    attributes : frozenset of str
        Attribute names on the stars' ``Coordinates``.
    """

    path: Path
    kind: str
    names: frozenset[str]
    header: dict
    stars: frozenset[str]
    attributes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way in which simulations are stored.

    Parameters
    ----------
    description : str
        What it covers, in one line.
    looks_like : str
        How a user knows it: the names of files or fields.
    matches : callable
        Takes a `Fingerprint`, says whether the path is in this format.
    open : callable
        Takes a path and keyword options, returns a `Snapshot`.
    """

    description: str
    looks_like: str
    matches: Callable[[Fingerprint], bool]
    open: Callable[..., Snapshot]
