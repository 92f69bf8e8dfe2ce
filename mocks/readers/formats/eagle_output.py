"""One output of EAGLE: galaxies, groups and regions, found by Peano-Hilbert hash tables."""

import functools
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from astropy.table import Table

from mocks.galaxy import Galaxy
from mocks.readers.base import Snapshot
from mocks.readers.formats.around import GROUP_REACH, galaxy_around
from mocks.readers.formats.eagle_catalogue import particle_table, subfind_table
from mocks.readers.hdf5.attributes import attribute
from mocks.readers.hdf5.chunks import count_problems
from mocks.readers.hdf5.fields import (
    GAS_FIELDS,
    STAR_FIELDS,
    column_factors,
    gas_from_parts,
    house_columns,
    read_part,
    stars_from_parts,
)
from mocks.readers.hdf5.layout import EAGLE_ID, galaxy_numbers, with_units
from mocks.readers.hdf5.snapshot import GAS, STARS, find, open_hdf5, read_array
from mocks.readers.hdf5.statements import header_of, other_output
from mocks.readers.hdf5.units import Units
from mocks.readers.particles.gathering import Part
from mocks.readers.particles.geometry import in_sphere
from mocks.readers.particles.hilbert import GADGET_CURVE, cells_in_sphere, hilbert_keys
from mocks.readers.particles.records import BY_CATALOGUE, PARTLY

__all__ = ["EagleSnapshot"]

logger = logging.getLogger(__name__)

NAMED_REDSHIFT = 0.01  # tolerance of the redshift in a folder's name, which has three digits
MOST_HASH_BITS = 20  # keys of three times as many bits fit into an int64
GROUPS = ("group_number", "subgroup_number")


@dataclass(frozen=True, eq=False, kw_only=True)
class EagleSnapshot(Snapshot):
    """One EAGLE output; `path` is the folder of its chunks.

    Parameters
    ----------
    path, format, simulation, snapshot, redshift, cosmology, notes
        See `Snapshot`.
    h : float
        Hubble constant of the units [100 km/s/Mpc].
    box_size : float
        [physical kpc].
    units : Units
        Of datasets without attributes.
    chunks : tuple of Path
    catalogue_chunks : tuple of Path
        Of the subfind catalogue; empty when there is none, and galaxies are then listed from the particles.
    reach : float
        Stars beyond this radius [physical kpc] are not read.
    gas : bool
        Whether gas is read.
    """

    h: float
    box_size: float
    units: Units
    chunks: tuple[Path, ...]
    catalogue_chunks: tuple[Path, ...]
    reach: float
    gas: bool = True

    @functools.cached_property
    def _table(self) -> Table:
        if self.catalogue_chunks:
            table = subfind_table(self.catalogue_chunks, self.scale_factor, self.h, self.units)
        else:
            table = particle_table(self._star_chunks(), self.box_size)
        if len(table) == 0:
            raise ValueError(f"{self.path}: no galaxy with stars.")
        return with_units(table)

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; see `Snapshot.sources`."""
        return self.chunks + self.catalogue_chunks

    def problems(self) -> list[str]:
        """Check chunks and hash tables; see `Snapshot.problems`."""
        issues = count_problems(self.chunks)
        try:
            issues += self._catalogue_problems()
            index = self._hash_index
            for chunk in range(len(self.chunks) if STARS in index else 0):
                with open_hdf5(self.chunks[chunk]) as file:
                    there = len(find(file["PartType4"], "position")) if STARS in _types(file) else 0
                    counted = (
                        self._cell_starts(chunk, STARS)[-1] if f"HashTable/PartType{STARS}" in file else 0
                    )
                if counted != there:
                    issues.append(
                        f"{self.chunks[chunk]}: hash table counts {counted} stars, {there} are there"
                    )
        except (OSError, ValueError, KeyError) as error:
            issues.append(str(error))
        return issues

    def _catalogue_problems(self) -> list[str]:
        """Compare the catalogue's header, and the redshift in the folder's name, with the snapshot's."""
        with open_hdf5(self.chunks[0]) as file:
            own = header_of(file)
        issues = []
        if self.catalogue_chunks:
            with open_hdf5(self.catalogue_chunks[0]) as file:
                where = str(self.catalogue_chunks[0])
                issues = other_output(where, header_of(file), str(self.chunks[0]), own)
        named = re.search(r"_z(\d{3})p(\d{3})", self.path.name)
        if named and abs(float(f"{named[1]}.{named[2]}") - self.redshift) > NAMED_REDSHIFT:
            issues.append(f"{self.path}: its name contradicts the redshift {self.redshift:g} in its header.")
        return issues

    def catalogue(self) -> Table:
        """Subgroups with stars; see `Snapshot.catalogue`."""
        self.require_unchanged()
        return self._table.copy()

    def _star_chunks(self) -> Iterator[dict]:
        """Galaxy number, position and mass of all stars, one chunk in memory at a time."""
        logger.info("%s: no subfind catalogue, galaxies are listed from the particles", self.path)
        for chunk in self.chunks:
            with open_hdf5(chunk) as file:
                if STARS not in _types(file):
                    continue
                factors = self._fields(file, STARS, ("position", "mass", *GROUPS))
                part = read_part(file[f"PartType{STARS}"], factors)
            yield house_columns([part], factors) | {"number": _numbers(part)}

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`. Only the hash-table cells within `reach` are read."""
        table = self._table
        entry = self._row_of(table, subhalo_id)
        centre = np.array([entry["x"], entry["y"], entry["z"]])
        where = f"{self.path}, galaxy {subhalo_id}"
        parts = self._region(STARS, STAR_FIELDS, (centre, self.reach), _is_galaxy(subhalo_id))
        if sum(map(len, parts[0])) == 0:
            raise ValueError(
                f"{where}: no stars within {self.reach:g} kpc of its centre; is the catalogue of this output?"
            )
        stars, notes = stars_from_parts(where, *parts, self.scale_factor, self.cosmology)
        gas = None
        if self.gas:
            sphere = (centre, self.reach)
            gas = gas_from_parts(where, *self._region(GAS, GAS_FIELDS, sphere, _is_galaxy(subhalo_id)))
        names = (
            "stellar_mass",
            "half_mass_radius",
            "star_formation_rate",
            "group_number",
            "is_central",
            "flag",
        )
        lost = int(entry["n_stars"]) - len(stars)
        if lost > 0:
            notes = (*notes, f"{lost} of its stars lie beyond {self.reach:g} kpc")
        return self.assembled(
            subhalo_id,
            stars=stars,
            gas=gas,
            centre=centre if self.catalogue_chunks else None,
            box_size=self.box_size,
            properties={name: entry[name].item() for name in names if name in table.colnames},
            notes=notes,
            chosen=PARTLY if lost > 0 else BY_CATALOGUE,
        )

    def _fields(self, file: h5py.File, kind: int, fields: tuple[str, ...]) -> dict:
        """Names and units of the fields of one particle type, looked up once."""
        if (kind, fields) not in self._factors:
            factors = column_factors(file[f"PartType{kind}"], fields, self.scale_factor, self.h, self.units)
            if not set(GROUPS) <= set(factors):
                raise ValueError(
                    f"{file.filename}: PartType{kind} lacks GroupNumber or SubGroupNumber, which say to "
                    "which galaxy a particle belongs; fetch it again with them."
                )
            self._factors[kind, fields] = factors
        return self._factors[kind, fields]

    @functools.cached_property
    def _factors(self) -> dict:
        """Names and conversions of fields by particle type and request, filled while reading."""
        return {}

    def region_problem(self) -> str:
        """See `Snapshot.region_problem`."""
        return ""

    def read_group(self, subhalo_id: int, centre: np.ndarray, *, gas: bool = True) -> Galaxy:
        """Read a galaxy's friends-of-friends group within 3 Mpc; see `Snapshot.read_group`."""
        return self._around((centre, GROUP_REACH), subhalo_id, _is_group(subhalo_id // EAGLE_ID), gas)

    def read_region(
        self, centre: np.ndarray, radius: float, subhalo_id: int = 0, *, gas: bool = True
    ) -> Galaxy:
        """Read all stars in a sphere; see `Snapshot.read_region`."""
        return self._around((centre, radius), subhalo_id, _is_any, gas)

    def _around(
        self,
        sphere: tuple[np.ndarray, float],
        subhalo_id: int,
        wanted: Callable[[Part], np.ndarray],
        with_gas: bool,
    ) -> Galaxy:
        """Galaxy record of wanted particles in a sphere."""
        sphere = (np.asarray(sphere[0], dtype=float), sphere[1])
        stars, gas = (
            functools.partial(self._region, kind, fields, sphere, wanted)
            for kind, fields in ((STARS, STAR_FIELDS), (GAS, GAS_FIELDS))
        )
        return galaxy_around(self, subhalo_id, sphere[0], stars, gas if self.gas and with_gas else None)

    def _region(
        self,
        kind: int,
        fields: tuple[str, ...],
        sphere: tuple[np.ndarray, float],
        wanted: Callable[[Part], np.ndarray],
    ) -> tuple[list[Part], dict]:
        """Read the wanted particles of one type in a sphere, and how their columns are called."""
        parts, factors, (centre, radius) = [], {}, sphere
        for index, ranges in self._ranges(kind, centre, radius).items():
            with open_hdf5(self.chunks[index]) as file:
                if kind not in _types(file):
                    continue
                factors = self._fields(file, kind, (*fields, *GROUPS))
                to_file = 1.0 / factors["position"][1]
                in_file = (centre * to_file, radius * to_file, self.box_size * to_file)
                for rows in ranges:
                    part = read_part(file[f"PartType{kind}"], factors, rows)
                    part = part.select(wanted(part))
                    position = part.values("position").astype(float, copy=False)
                    parts.append(part.select(in_sphere(position.T, *in_file)))
        return parts, factors

    def _ranges(self, kind: int, centre: np.ndarray, radius: float) -> dict[int, list[slice | None]]:
        """Rows to read in each chunk for the sphere about a centre; all rows where there is no hash table."""
        index = self._hash_index.get(kind)
        if index is None:
            return {chunk: [None] for chunk in range(len(self.chunks))}
        first, last, bits = index
        cells = cells_in_sphere(centre / self.box_size, radius / self.box_size, 2**bits)
        keys = np.sort(hilbert_keys(cells, bits, GADGET_CURVE))
        wanted = {}
        for chunk in np.flatnonzero((first <= keys[-1]) & (last >= keys[0])):
            mine = keys[(keys >= first[chunk]) & (keys <= last[chunk])] - first[chunk]
            if len(mine) == 0:
                continue
            starts = self._cell_starts(int(chunk), kind)
            if len(starts) != last[chunk] - first[chunk] + 2:
                raise ValueError(f"{self.chunks[chunk]}: hash table of PartType{kind} does not fit its keys.")
            wanted[int(chunk)] = _merged(starts[mine], starts[mine + 1])
        return wanted

    @functools.cached_property
    def _hash_index(self) -> dict[int, tuple[np.ndarray, np.ndarray, int]]:
        """First and last key of each chunk, and the bits of the grid, by particle type."""
        tables = {}
        with open_hdf5(self.chunks[0]) as file:
            if "HashTable" not in file:
                return tables
            bits = int(attribute(file["HashTable"], "HashBits", 0))
            if not 1 <= bits <= MOST_HASH_BITS:
                raise ValueError(
                    f"{self.chunks[0]}: HashBits is {bits}; allowed are 1 to {MOST_HASH_BITS}. "
                    "The file is damaged."
                )
            for kind in (GAS, STARS):
                group = file["HashTable"].get(f"PartType{kind}")
                if group is None:
                    continue
                first, last, count = (
                    read_array(group[name]).astype(np.int64)
                    for name in ("FirstKeyInFile", "LastKeyInFile", "NumKeysInFile")
                )
                if len(first) != len(self.chunks):
                    raise ValueError(
                        f"{self.chunks[0]}: hash table of {len(first)} files, not {len(self.chunks)}."
                    )
                tables[kind] = (first, np.where(count > 0, last, first - 1), bits)
        return tables

    def _cell_starts(self, chunk: int, kind: int) -> np.ndarray:
        """First row of each hash cell of a chunk, and the end; kept for the next galaxy."""
        if (chunk, kind) in self._starts:
            return self._starts[chunk, kind]
        with open_hdf5(self.chunks[chunk]) as file:
            count = read_array(file[f"HashTable/PartType{kind}/NumParticleInCell"]).astype(np.int64)
        self._starts[chunk, kind] = np.concatenate([[0], np.cumsum(count)])
        return self._starts[chunk, kind]

    @functools.cached_property
    def _starts(self) -> dict[tuple[int, int], np.ndarray]:
        return {}


def _numbers(part: Part) -> np.ndarray:
    """Galaxy number of each particle."""
    return galaxy_numbers(*(part.values(name).astype(np.int64) for name in GROUPS))


def _is_galaxy(number: int) -> Callable[[Part], np.ndarray]:
    """Tell particles of one galaxy."""
    return lambda part: _numbers(part) == number


def _is_group(number: int) -> Callable[[Part], np.ndarray]:
    """Tell particles of one friends-of-friends group; of those near it the number is negative."""
    return lambda part: part.values("group_number").astype(np.int64) == number


def _is_any(part: Part) -> np.ndarray:
    """Tell all particles."""
    return np.ones(len(part), dtype=bool)


def _types(file: h5py.File) -> set[int]:
    """Particle types that a chunk holds."""
    return {int(name[8:]) for name in file if re.fullmatch(r"PartType\d", name) and len(file[name])}


def _merged(starts: np.ndarray, ends: np.ndarray) -> list[slice]:
    """Row ranges with adjoining ones joined and empty ones left out."""
    ranges: list[slice] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if ranges and ranges[-1].stop == start:
            ranges[-1] = slice(ranges[-1].start, end)
        elif end > start:
            ranges.append(slice(start, end))
    return ranges
