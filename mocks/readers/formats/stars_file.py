"""HDF5 files of star particles without a catalogue of their own: API cutouts, extracts, generic snapshots."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from mocks.galaxy import Galaxy, Gas, Stars
from mocks.readers.base import Snapshot
from mocks.readers.formats.around import galaxy_around
from mocks.readers.hdf5.chunks import count_problems, sample_note
from mocks.readers.hdf5.fields import (
    GAS_FIELDS,
    STAR_FIELDS,
    column_factors,
    gas_from_parts,
    house_columns,
    read_part,
    require_fields,
    stars_from_parts,
)
from mocks.readers.hdf5.layout import EAGLE_ID, with_units
from mocks.readers.hdf5.membership import halo_numbers, is_of_haloes, numbers_in, whole_numbers
from mocks.readers.hdf5.snapshot import find, open_hdf5
from mocks.readers.hdf5.units import Units
from mocks.readers.particles.friends import LINKS_IN_BOX, friends_of_friends
from mocks.readers.particles.gathering import Part
from mocks.readers.particles.geometry import half_mass_radius, in_sphere, shrinking_sphere, unwrap
from mocks.readers.particles.limits import refuse_later_births
from mocks.readers.particles.records import BY_CATALOGUE, STATED, UNTOLD

__all__ = ["STARS", "ExtractSnapshot"]

STARS, GAS = "PartType4", "PartType0"


@dataclass(frozen=True, eq=False, kw_only=True)
class ExtractSnapshot(Snapshot):
    """HDF5 files with particles of one galaxy, or of several told apart by numbers or by friends-of-friends.

    Parameters
    ----------
    path, format, simulation, snapshot, redshift, cosmology, notes
        See `Snapshot`.
    files : tuple of Path
        The file, or all chunks.
    h : float
        Hubble constant of the file's units [100 km/s/Mpc].
    units : Units
        Of datasets without unit attributes.
    box_size : float or None
        Side of the periodic box [physical kpc].
    centre : ndarray, shape (3,), or None
        Of the only galaxy [physical kpc, box frame].
    subhalo_id : int
        Of the only galaxy, where the file does not number its galaxies.
    linking_length : float or None
        Divide the stars into friends-of-friends groups [physical kpc].
    min_stars : int
        Smallest such group.
    membership : Path or None
        File with ``PartType4/GroupNr_bound`` beside a SWIFT snapshot.
    imf : str
        For missing initial masses.
    gas : bool
        Whether gas is read.
    is_one : bool
        The stars are one galaxy's, however they lie.
    is_subhalo : bool
        The file says that its stars are one subhalo's.
    partial : bool
        The file holds some of the particles that its header speaks of, and is meant to.
    solar_metallicity : float or None
        Mass fraction that a metallicity of 1 stands for; None where metallicities are mass fractions.
    """

    files: tuple[Path, ...]
    h: float
    units: Units
    box_size: float | None
    centre: np.ndarray | None = None
    subhalo_id: int = 0
    linking_length: float | None = None
    min_stars: int = 50
    membership: Path | None = None
    imf: str = "chabrier"
    gas: bool = True
    is_one: bool = False
    is_subhalo: bool = False
    partial: bool = False
    solar_metallicity: float | None = None

    @functools.cached_property
    def _numbers(self) -> np.ndarray | None:
        """Galaxy number of each star row, -1 for none; None when all stars are one galaxy's."""
        numbers = self._stored_numbers(STARS)
        if numbers is None and self.linking_length is not None:
            columns = house_columns(*self._parts(STARS, ("position", "birth")))
            is_star = columns["birth"] > 0
            group = friends_of_friends(
                columns["position"][is_star], self.linking_length, self._friends_box(columns)
            )
            count = np.bincount(group, minlength=1)
            numbers = np.full(len(is_star), -1)
            numbers[is_star] = np.where(count[group] >= self.min_stars, group, -1)
        return numbers

    def _friends_box(self, columns: dict) -> float:
        """Box for the search for groups; one wide enough not to wrap where the file's is unknown."""
        if self.box_size is not None:
            return self.box_size
        widest = np.ptp(columns["position"], axis=0).max()
        return float(2.0 * widest + LINKS_IN_BOX * self.linking_length)

    def _stored_numbers(self, kind: str) -> np.ndarray | None:
        """Galaxy numbers that the files, or the membership file, hold for particles of one type."""
        if self.membership is not None:
            with open_hdf5(self.membership) as file:
                dataset = find(file[kind], "galaxy_number") if kind in file else None
                if dataset is None and kind == STARS:
                    raise ValueError(f"{self.membership}: no {kind}/GroupNr_bound; is it a membership file?")
                return None if dataset is None else whole_numbers(dataset)
        parts = []
        for path in self.files:
            with open_hdf5(path) as file:
                if kind not in file or len(file[kind]) == 0:
                    continue
                in_file = numbers_in(file[kind])
                if in_file is None:
                    return None
                parts.append(in_file)
        return np.concatenate(parts) if parts else None

    @functools.cached_property
    def _are_haloes(self) -> bool:
        """Whether the numbers that files hold are of haloes, of which each may have several galaxies."""
        for path in self.files if self.membership is None else ():
            with open_hdf5(path) as file:
                if STARS in file and len(file[STARS]):
                    return is_of_haloes(file[STARS])
        return False

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; see `Snapshot.sources`."""
        return (*self.files, *filter(None, [self.membership]))

    @property
    def _chosen(self) -> str:
        """Why the stars of a galaxy of the catalogue are held to be one galaxy's."""
        is_told = self._numbers is not None and not self._are_haloes
        if self.is_one or self.linking_length is not None or is_told:
            return BY_CATALOGUE
        return STATED if self.is_subhalo and self._numbers is None else UNTOLD

    @property
    def _is_eagle(self) -> bool:
        """Whether galaxy numbers are pairs of EAGLE's."""
        return self.format == "eagle-extract" and self._numbers is not None

    def problems(self) -> list[str]:
        """Check files against their headers; see `Snapshot.problems`."""
        return count_problems(self.files, partial=self.partial)

    def catalogue(self) -> Table:
        """One row per galaxy, computed from its particles; see `Snapshot.catalogue`."""
        self.require_unchanged()
        parts, factors = self._parts(STARS, ("position", "mass", "birth"))
        require_fields(str(self.path), factors, ("position", "mass", "birth"))
        columns = house_columns(parts, factors)
        if (least := float(np.nanmin(columns["mass"], initial=0.0))) < 0:
            raise ValueError(f"{self.path}: negative stellar masses, down to {least:.4g} Msun; damaged?")
        if self._numbers is None:
            numbers = np.full(len(columns["mass"]), self.subhalo_id)
        else:
            numbers = self._numbers
            refuse_later_births(str(self.path), columns["birth"], self.scale_factor)
        has_mass = columns["mass"] != 0.0
        kept = np.flatnonzero((columns["birth"] > 0) & (numbers >= 0) & has_mass)
        if len(kept) == 0:
            wind, empty = np.count_nonzero(columns["birth"] <= 0), np.count_nonzero(~has_mass)
            raise ValueError(
                f"{self.path}: no galaxy with stars: of {len(numbers)} star particles {wind} are wind-phase "
                f"gas (no birth time), {empty} have no mass, and none of the others is in a galaxy."
            )
        kept = kept[np.argsort(numbers[kept], kind="stable")]
        ids, starts = np.unique(numbers[kept], return_index=True)
        rows = []
        for number, mine in zip(ids.tolist(), np.split(kept, starts[1:]), strict=True):
            position, mass = columns["position"][mine], columns["mass"][mine]
            centre = self.centre
            if centre is None:
                centre = shrinking_sphere(position, mass, self.box_size)
            radius = half_mass_radius(unwrap(position, centre, self.box_size), mass)
            row = {"subhalo_id": number, "n_stars": len(mine), "stellar_mass": float(mass.sum())}
            row |= {"half_mass_radius": radius, "flag": True} | dict(zip("xyz", centre.tolist(), strict=True))
            rows.append(row | self._properties(number))
        table = with_units(Table(rows=rows))
        left_out = np.count_nonzero((columns["birth"] > 0) & (numbers < 0))
        if left_out:
            share = 1 - table["stellar_mass"].sum() / columns["mass"][columns["birth"] > 0].sum()
            text = f"{left_out} stars ({100 * share:.1f} % of the mass) in no galaxy, left out"
            table.meta["notes"] = [text]
        with open_hdf5(self.files[0]) as file:
            sampled = sample_note(file) if len(self.files) == 1 and not self.partial else ""
        if sampled:
            table.meta["notes"] = [*table.meta.get("notes", ()), sampled]
        return table

    def _properties(self, number: int) -> dict:
        """Read off what a galaxy's number tells."""
        if not self._is_eagle:
            return {}
        return {"group_number": number // EAGLE_ID, "is_central": number % EAGLE_ID == 0}

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`."""
        subhalo_id = int(subhalo_id)
        parts, factors = self._parts(STARS, STAR_FIELDS, self._rows_of(subhalo_id))
        stars, notes = stars_from_parts(
            str(self.path), parts, factors, self.scale_factor, self.cosmology, self.imf
        )
        gas, properties = self._read_gas(subhalo_id), self._properties(subhalo_id)
        stars, gas = self._in_mass_fractions(stars, gas)
        if gas is not None and gas.star_formation_rate is not None:
            properties["star_formation_rate"] = float(gas.star_formation_rate.sum())
        return self.assembled(
            subhalo_id,
            stars=stars,
            gas=gas,
            centre=self.centre,
            box_size=self.box_size,
            properties=properties,
            notes=notes,
            chosen=self._chosen,
        )

    def _in_mass_fractions(self, stars: Stars, gas: Gas | None) -> tuple[Stars, Gas | None]:
        """Stars and gas whose metallicities are mass fractions."""
        if self.solar_metallicity is not None:
            stars = replace(stars, metallicity=stars.metallicity * self.solar_metallicity)
            if gas is not None and gas.metallicity is not None:
                gas = replace(gas, metallicity=gas.metallicity * self.solar_metallicity)
        return stars, gas

    def region_problem(self) -> str:
        """See `Snapshot.region_problem`."""
        if self._numbers is not None and (self._numbers != self._numbers[0]).any():
            return ""
        return (
            f"{self.path}: all its stars are one galaxy's, so that it holds no companions; take the snapshot "
            "of the whole box, or say how galaxies are found (--reader linking_length=2, in kpc)."
        )

    def group_problem(self) -> str:
        """See `Snapshot.group_problem`."""
        if problem := self.region_problem():
            return problem
        if self._are_haloes:
            return f"{self.path}: its galaxies are whole groups already, not told apart within them."
        if self._group_numbers[STARS] is None:
            return (
                f"{self.path}: no group catalogue ({STARS}/GroupNumber, FOFGroupIDs, HaloID); give a radius."
            )
        return ""

    @functools.cached_property
    def _group_numbers(self) -> dict[str, np.ndarray | None]:
        """Friends-of-friends group of each row of stars and gas, -1 for none; None when no column tells."""
        numbers = {}
        for kind in (STARS, GAS):
            parts = []
            for path in self.files:
                with open_hdf5(path) as file:
                    if kind in file and len(file[kind]):
                        parts.append(halo_numbers(file[kind]))
            untold = not parts or any(part is None for part in parts)
            numbers[kind] = None if untold else np.concatenate(parts)
        return numbers

    def read_group(self, subhalo_id: int, centre: np.ndarray, *, gas: bool = True) -> Galaxy:
        """Read a galaxy's group; see `Snapshot.read_group`. Gas of untold groups is left out."""
        if problem := self.group_problem():
            raise ValueError(problem)
        of_stars = self._group_numbers[STARS]
        numbers, count = np.unique(of_stars[self._rows_of(subhalo_id)], return_counts=True)
        group = numbers[np.argmax(count)]  # a subhalo may have lost stars to a group beside its own
        if group < 0:
            raise ValueError(f"{self.path}: galaxy {subhalo_id} is in no friends-of-friends group.")
        with_gas = gas and self.gas and self._has_gas and self._group_numbers[GAS] is not None
        return self._around(centre, subhalo_id, lambda kind: self._group_numbers[kind] == group, with_gas)

    def read_region(
        self, centre: np.ndarray, radius: float, subhalo_id: int = 0, *, gas: bool = True
    ) -> Galaxy:
        """Read all stars in a sphere; see `Snapshot.read_region`."""
        if problem := self.region_problem():
            raise ValueError(problem)
        centre = np.asarray(centre, dtype=float)

        def chosen(kind):
            position = house_columns(*self._parts(kind, ("position",)))["position"]
            return in_sphere(position.T, centre, radius, self.box_size)

        return self._around(centre, subhalo_id, chosen, gas and self.gas and self._has_gas)

    def _around(
        self, centre: np.ndarray, subhalo_id: int, chosen: Callable[[str], np.ndarray], with_gas: bool
    ) -> Galaxy:
        """Galaxy record of chosen rows of each particle type."""

        def read(kind, fields):
            return self._parts(kind, fields, chosen(kind))

        stars, gas = functools.partial(read, STARS, STAR_FIELDS), functools.partial(read, GAS, GAS_FIELDS)
        galaxy = galaxy_around(self, subhalo_id, centre, stars, gas if with_gas else None, self.imf)
        stars, gas = self._in_mass_fractions(galaxy.stars, galaxy.gas)
        return replace(galaxy, stars=stars, gas=gas)

    def _rows_of(self, subhalo_id: int) -> np.ndarray | None:
        """Star rows of a galaxy, None for all."""
        if self._numbers is None:
            if subhalo_id != self.subhalo_id:
                raise ValueError(f"{self.path}: holds the one galaxy {self.subhalo_id}, not {subhalo_id}.")
            return None
        rows = self._numbers == subhalo_id
        if subhalo_id < 0 or not rows.any():
            known = np.unique(self._numbers[self._numbers >= 0])
            raise ValueError(
                f"{self.path}: no galaxy {subhalo_id}; it holds {', '.join(map(str, known[:10]))} ..."
            )
        return rows

    def _parts(
        self, kind: str, fields: tuple[str, ...], rows: np.ndarray | None = None
    ) -> tuple[list[Part], dict]:
        """Columns of one particle type, and how they are called and counted.

        Only files that hold wanted rows are read.
        """
        parts, start = [], 0
        for path in self.files:
            with open_hdf5(path) as file:
                position = find(file[kind], "position", self.units) if kind in file else None
                count = 0 if position is None else len(position)
                mine = None if rows is None else rows[start : start + count]
                start += count
                if count and (mine is None or mine.any()):
                    if (kind, fields) not in self._factors:
                        factors = column_factors(file[kind], fields, self.scale_factor, self.h, self.units)
                        self._factors[kind, fields] = factors
                    parts.append(read_part(file[kind], self._factors[kind, fields], mine))
        return parts, self._factors.get((kind, fields), {})

    @functools.cached_property
    def _factors(self) -> dict:
        """Names and conversions of fields by particle type and request, filled while reading."""
        return {}

    @functools.cached_property
    def _has_gas(self) -> bool:
        for path in self.files:
            with open_hdf5(path) as file:
                if GAS in file and find(file[GAS], "position", self.units) is not None:
                    return True
        return False

    def _read_gas(self, subhalo_id: int) -> Gas | None:
        """Gas of a galaxy, or None where there is none or the file does not tell whose it is."""
        if not self.gas or not self._has_gas:
            return None
        numbers = (
            self._stored_numbers(GAS) if self._numbers is not None and self.linking_length is None else None
        )
        if self._numbers is not None and numbers is None:
            return None
        parts = self._parts(GAS, GAS_FIELDS, None if numbers is None else numbers == subhalo_id)
        return gas_from_parts(str(self.path), *parts)
