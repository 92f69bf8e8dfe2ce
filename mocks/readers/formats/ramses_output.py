"""One output of RAMSES: its galaxies and their stars."""

import functools
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

from mocks.galaxy import Galaxy
from mocks.readers.base import Snapshot
from mocks.readers.hdf5.layout import with_units
from mocks.readers.hdf5.units import KM, KPC, MSUN
from mocks.readers.particles.friends import friends_of_friends
from mocks.readers.particles.gathering import Part, gather
from mocks.readers.particles.geometry import half_mass_radius, shrinking_sphere, unwrap
from mocks.readers.particles.hilbert import domains_in_sphere
from mocks.readers.particles.records import BY_CATALOGUE, BY_PLACE, check_ages, make_stars
from mocks.readers.particles.times import age_from_conformal_time, conformal_time, cosmic_time
from mocks.readers.ramses.files import Info, check_part, read_stars
from mocks.readers.ramses.galaxymaker import (
    Brick,
    galaxy_table,
    read_galaxy,
    read_identities,
    read_tree_bricks,
)
from mocks.readers.ramses.gas_cells import read_gas_cells

__all__ = ["RamsesSnapshot"]

logger = logging.getLogger(__name__)

CLOCK_SLACK = 1e-4  # tolerance of birth times [1 / H0]: a million years
TIME_TOLERANCE = 1e-3  # tolerance of conformal times [1 / H0]; proper ones are far off
SEARCH_MARGIN = 1.2  # in GalaxyMaker's radii, which are rounded to float32 and may miss members
POSITIONS = ("position", "mass", "birth")
ALL = ("position", "mass", "birth", "velocity", "metallicity")


@dataclass(frozen=True, eq=False, kw_only=True)
class RamsesSnapshot(Snapshot):
    """One output folder.

    Parameters
    ----------
    path, format, simulation, snapshot, redshift, cosmology, notes
        See `Snapshot`.
    info : Info
        Content of the info file.
    galaxies : Path or None
        GalaxyMaker's ``tree_bricks`` file or ``GAL_NNNNN`` folder; without it galaxies are
        friends-of-friends groups of stars.
    linking_length : float
        Of those groups [physical kpc].
    min_stars : int
        Smallest of those groups.
    proper_time : bool or None
        Birth times are proper instead of conformal; None to tell by the stars.
    imf : str
        Initial mass function of the run's stellar populations.
    remaining_fraction : float or None
        Current over initial mass of all stars, where the run lost mass otherwise than a population does.
    gas_radius : float or None
        Gas cells within this radius of a galaxy [physical kpc] are read, through yt.
    """

    info: Info
    galaxies: Path | None
    linking_length: float
    min_stars: int
    proper_time: bool | None
    imf: str
    remaining_fraction: float | None
    gas_radius: float | None = None

    @property
    def box_size(self) -> float:
        """Side of the periodic box [physical kpc]."""
        return self.info.box_length * self.info.unit_length / KPC

    @functools.cached_property
    def _friends(self) -> tuple[Table, np.ndarray, np.ndarray]:
        """Catalogue of friends-of-friends groups, and the file and group of each star in order of reading."""
        parts = [read_stars(path, self.info, POSITIONS) for path in self.info.files]
        file = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        columns = gather(parts, self._factors)
        position, mass = columns.get("position", np.zeros((0, 3))), columns.get("mass", np.zeros(0))
        group = friends_of_friends(position, self.linking_length, self.box_size)
        nowhere, notes = np.count_nonzero(group < 0), []
        if nowhere:
            notes.append(f"{nowhere} stars at NaN positions are in no galaxy")
            logger.warning("%s: %s", self.path, notes[-1])
        count = np.bincount(group[group >= 0]) if len(group) else np.zeros(0, dtype=int)
        rows = []
        order, start = np.argsort(group, kind="stable")[nowhere:], np.concatenate([[0], np.cumsum(count)])
        for number in np.flatnonzero(count >= self.min_stars):
            mine = order[start[number] : start[number + 1]]
            centre = shrinking_sphere(position[mine], mass[mine], self.box_size)
            row = {"subhalo_id": int(number), "n_stars": int(count[number]), "stellar_mass": mass[mine].sum()}
            row["half_mass_radius"] = half_mass_radius(
                unwrap(position[mine], centre, self.box_size), mass[mine]
            )
            rows.append(row | {"flag": True} | dict(zip("xyz", centre, strict=True)))
        if not rows:
            raise ValueError(
                f"{self.path}: no group of {self.min_stars} stars within {self.linking_length} kpc steps "
                f"among {len(group)} stars; change min_stars= or linking_length= (--reader ...)."
            )
        table = with_units(Table(rows=rows))
        left_out = len(group) - nowhere - int(table["n_stars"].sum())
        if left_out:
            share = 100 * (1 - table["stellar_mass"].sum() / mass.sum())
            notes.append(
                f"{left_out} of {len(group)} stars ({share:.1f} % of the mass) are in groups of fewer than "
                f"{self.min_stars} and left out"
            )
        promised = check_part(self.info.files[0], self.info)
        if promised > len(group):
            notes.append(f"the part files count {promised} stars, {len(group)} are there")
        table.meta["notes"] = notes
        return table, file, group

    @functools.cached_property
    def _galaxymaker(self) -> Table:
        """GalaxyMaker's catalogue."""
        return galaxy_table(self.galaxies, self.box_size)

    @property
    def _table(self) -> Table:
        return self._friends[0] if self.galaxies is None else self._galaxymaker

    @functools.cached_property
    def _bricks(self) -> dict[int, Brick]:
        return read_tree_bricks(self.galaxies)

    @functools.cached_property
    def _factors(self) -> dict[str, float]:
        """From code units to house units."""
        info = self.info
        mass = info.unit_density * info.unit_length**3 / MSUN
        factors = {"position": info.unit_length / KPC, "velocity": info.unit_length / info.unit_time / KM}
        return factors | {"mass": mass, "initial_mass": mass}

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; see `Snapshot.sources`."""
        info = self.path / f"info_{self.path.name[7:]}.txt"
        return (info, *self.info.files, *filter(None, [self.galaxies]))

    def problems(self) -> list[str]:
        """Go through all part files to their end, and tell what their times are; see `Snapshot.problems`."""
        issues = []
        for path in self.info.files:
            try:
                check_part(path, self.info)
            except (OSError, ValueError) as error:
                issues.append(str(error))
        if issues:
            return issues
        try:
            is_proper = self._is_proper
        except (OSError, ValueError) as error:
            return [str(error)]
        if not is_proper:
            expected = float(conformal_time(self.scale_factor, self.cosmology))
            if abs(self.info.time - expected) > TIME_TOLERANCE:
                issues.append(
                    f"{self.path}: time {self.info.time:.6g}, not the conformal time {expected:.6g} of aexp: "
                    "proper times? Open with proper_time=True (--reader proper_time=true)."
                )
        return issues

    def catalogue(self) -> Table:
        """Galaxies of GalaxyMaker, or else friends-of-friends groups; see `Snapshot.catalogue`."""
        self.require_unchanged()
        return with_units(self._table.copy())

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`."""
        table = self._table
        entry = self._row_of(table, subhalo_id)
        centre = np.array([entry["x"], entry["y"], entry["z"]])
        if self.galaxies is None:
            columns = gather(self._read_friends(subhalo_id), self._factors)
            notes = ("galaxy is a friends-of-friends group of stars",)
        else:
            columns, notes = self._read_members(subhalo_id, centre), ()
        names = ("stellar_mass", "half_mass_radius", "is_central", "flag")
        properties = {name: entry[name].item() for name in names if name in table.colnames}
        return self._galaxy(columns, centre, int(subhalo_id), notes, properties)

    def region_problem(self) -> str:
        """See `Snapshot.region_problem`."""
        return ""

    def group_problem(self) -> str:
        """See `Snapshot.group_problem`."""
        return f"{self.path}: no group catalogue comes with RAMSES outputs; give a radius."

    def read_region(
        self, centre: np.ndarray, radius: float, subhalo_id: int = 0, *, gas: bool = True
    ) -> Galaxy:
        """Read all stars in a sphere, of whichever galaxy; only the CPU files that touch it are opened.

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

        Returns
        -------
        Galaxy
            Stars of NaN position in these files are left out and counted in its notes.

        Raises
        ------
        ValueError
            When no star is there.
        """
        centre = np.asarray(centre, dtype=float)
        files = self._files_in_sphere(centre, radius)
        to_code = KPC / self.info.unit_length
        sphere = (centre * to_code, radius * to_code)
        columns = gather([read_stars(path, self.info, ALL, sphere) for path in files], self._factors)
        notes = (f"all stars within {radius:g} kpc",)
        if "position" in columns and np.isnan(np.sum(columns["position"])):
            nowhere = np.isnan(columns["position"]).any(axis=1)
            columns = {name: values[~nowhere] for name, values in columns.items()}
            notes = (*notes, f"{np.count_nonzero(nowhere)} stars of NaN position left out")
            logger.warning("%s: %s", self.path, notes[-1])
        return self._galaxy(columns, centre, subhalo_id, notes, chosen=BY_PLACE, with_gas=gas)

    def _files_in_sphere(self, centre: np.ndarray, radius: float) -> list[Path]:
        """CPU files whose domains touch a sphere [physical kpc]; all where the ordering is not Hilbert's."""
        if self.info.bounds is None:
            return list(self.info.files)
        depth = round(np.log2(self.info.bounds[-1]) / 3.0)
        # a particle lies in the file that owns its oct, whose centre can be half an oct's diagonal away
        reach = radius / self.box_size + np.sqrt(3.0) * 2.0**-self.info.coarsest_level
        domains = domains_in_sphere(centre / self.box_size, reach, self.info.bounds, depth)
        logger.debug("%s: %d of %d CPU files touch the region", self.path, len(domains), len(self.info.files))
        return [self.info.files[domain] for domain in domains]

    def _read_friends(self, number: int) -> list[Part]:
        """Stars of one friends-of-friends group, of each file it lies in."""
        _, file, group = self._friends
        parts = []
        for index in np.unique(file[group == number]):
            stars = read_stars(self.info.files[index], self.info, ALL)
            parts.append(stars.select(group[file == index] == number))
        return parts

    def _read_members(self, number: int, centre: np.ndarray) -> dict:
        """Columns of one galaxy of GalaxyMaker."""
        if self.galaxies.is_dir():
            return read_galaxy(self.galaxies, number, self.box_size)
        entry = self._bricks[number]
        identity = read_identities(self.galaxies, entry)
        files = self._files_in_sphere(centre, SEARCH_MARGIN * 1e3 * entry.radius)
        parts = [read_stars(path, self.info, (*ALL, "identity")) for path in files]
        columns = gather(parts, self._factors)
        mine = np.isin(columns.pop("identity", ()), identity)
        if np.count_nonzero(mine) != len(identity):
            raise ValueError(
                f"{self.galaxies}: galaxy {number} lists {len(identity)} stars, {self.path} has "
                f"{np.count_nonzero(mine)} of them; is the catalogue of this output?"
            )
        return {name: values[mine] for name, values in columns.items()}

    @functools.cached_property
    def _is_proper(self) -> bool:
        """Whether birth times are proper, as was told, or as no star could be born otherwise."""
        if self.proper_time is not None:
            return self.proper_time
        a, hubble_time = self.scale_factor, self._hubble_time
        now = float(conformal_time(a, self.cosmology))
        first = -float(cosmic_time(1.0, self.cosmology)) / hubble_time
        last = first + float(cosmic_time(a, self.cosmology)) / hubble_time
        least, most = np.inf, -np.inf
        for path in self.info.files:
            part = read_stars(path, self.info, ("birth",))
            if len(part):
                birth = part.values("birth")
                least, most = min(least, float(np.nanmin(birth))), max(most, float(np.nanmax(birth)))
            if least < first - CLOCK_SLACK:
                return False  # before the big bang, if times were proper
        if not first - CLOCK_SLACK <= least <= most <= last + CLOCK_SLACK:
            return False  # neither, or no star at all: reading one will say so
        ages = age_from_conformal_time(np.array([least]), a, self.cosmology)
        also = "" if most <= now + CLOCK_SLACK else "; as conformal ones some would lie in the future"
        raise ValueError(
            f"{self.path}: birth times from {least:.4g} to {most:.4g} may be proper times (oldest star "
            f"{(last - least) * hubble_time:.3g} Gyr) or conformal ones ({float(ages[0]):.3g} Gyr){also}. "
            "There is no namelist.txt to tell; state which (--reader proper_time=true, or false)."
        )

    @property
    def _hubble_time(self) -> float:
        """1 / H0 [Gyr], the unit of RAMSES's times."""
        return float((1.0 / self.cosmology.H0).to_value(u.Gyr))

    def _ages(self, birth: np.ndarray) -> np.ndarray:
        """Ages [Gyr] from the birth times of the file."""
        a, cosmology = self.scale_factor, self.cosmology
        if not self._is_proper:
            age = age_from_conformal_time(birth, a, cosmology)
        else:
            hubble_time = self._hubble_time  # proper times count from today, negative before
            age = cosmic_time(a, cosmology) - (cosmic_time(1.0, cosmology) + birth * hubble_time)
            age = np.where(age > cosmic_time(a, cosmology), np.nan, age)
        return check_ages(str(self.path), age)

    def _galaxy(
        self,
        columns: dict,
        centre: np.ndarray,
        subhalo_id: int,
        notes: tuple[str, ...],
        properties: dict | None = None,
        chosen: str = BY_CATALOGUE,
        with_gas: bool = True,
    ) -> Galaxy:
        """Galaxy record from columns in house units, but for the birth times of the file."""
        if len(columns.get("mass", ())) == 0:
            raise ValueError(f"{self.path}: no stars in galaxy {subhalo_id}.")
        names = ("position", "mass", "initial_mass", "metallicity", "velocity")
        given = {name: columns[name] for name in names if name in columns}
        given["age"] = self._ages(columns["birth"])
        if given.get("initial_mass") is None and self.remaining_fraction is not None:
            given["initial_mass"] = given["mass"] / self.remaining_fraction
            notes = (
                *notes,
                f"initial mass not stored: assumed, current over {self.remaining_fraction:g}",
            )
        if "metallicity" not in given:
            raise ValueError(
                f"{self.path}: part files hold no metallicity (run without metals); no light without it."
            )
        stars, more = make_stars(str(self.path), given, self.imf)
        gas = None
        if self.gas_radius is not None and with_gas:
            gas = read_gas_cells(self.path, centre, self.gas_radius, self.box_size)
        return self.assembled(
            subhalo_id,
            stars=stars,
            gas=gas,
            centre=centre,
            box_size=self.box_size,
            properties=properties or {},
            notes=notes + more,
            chosen=chosen,
        )
