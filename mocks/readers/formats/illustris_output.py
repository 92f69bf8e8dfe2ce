"""Chunked snapshots of Illustris and IllustrisTNG with group catalogues and offsets.

Catalogues are read through `illustris_python`. Particles are the rows that its ``snapshot.loadSubhalo``
gives, which a test compares bit by bit, but are read with h5py: `illustris_python` looks offsets, types and
shapes up anew for every galaxy and takes 4.5 times as long (5.4 instead of 1.2 ms for 5000 stars), more
than the three times the bare reads that a galaxy may cost.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import illustris_python
import numpy as np
from astropy.table import Table

from mocks.galaxy import Galaxy
from mocks.readers.base import Snapshot
from mocks.readers.formats.around import galaxy_around, parts_in_sphere
from mocks.readers.hdf5.blocks import RowBlocks, row_blocks
from mocks.readers.hdf5.chunks import count_problems
from mocks.readers.hdf5.fields import (
    GAS_FIELDS,
    STAR_FIELDS,
    column_factors,
    gas_from_parts,
    read_part,
    require_fields,
    stars_from_parts,
)
from mocks.readers.hdf5.layout import with_units
from mocks.readers.hdf5.snapshot import GAS, STARS, open_hdf5, read_array
from mocks.readers.hdf5.statements import header_of, other_output
from mocks.readers.hdf5.subhaloes import (
    SUBHALO_FIELDS,
    catalogue_problems,
    check_columns,
    subhalo_columns,
    subhalo_properties,
)
from mocks.readers.hdf5.units import Units
from mocks.readers.particles.gathering import Part

__all__ = ["IllustrisSnapshot"]


@dataclass(frozen=True, eq=False, kw_only=True)
class IllustrisSnapshot(Snapshot):
    """One chunked snapshot; `path` is the folder that holds ``snapdir_NNN`` and ``groups_NNN``.

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
    chunks, catalogue_chunks : tuple of Path
        All files of the snapshot and of its catalogue.
    offsets : Path or None
        TNG's offsets file; None for Illustris, which keeps offsets in its catalogue.
    include_flagged : bool
        Keep subhaloes with ``SubhaloFlag`` 0.
    gas : bool
        Whether gas is read.
    """

    h: float
    box_size: float
    units: Units
    chunks: tuple[Path, ...]
    catalogue_chunks: tuple[Path, ...]
    offsets: Path | None
    include_flagged: bool = False
    gas: bool = True

    @functools.cached_property
    def _subhaloes(self) -> dict[str, np.ndarray]:
        """Catalogue columns of all subhaloes, in code units."""
        held, groups_hold = self._catalogue_fields()
        wanted = [name for name in SUBHALO_FIELDS if name in held]
        load = functools.partial(_load, illustris_python.groupcat.loadObjects, str(self.path), self.snapshot)
        # nThreads=1: it would start processes of its own inside each worker
        raw = load("Subhalo", "subgroups", fields=wanted, nThreads=1)
        if "GroupFirstSub" in groups_hold:
            raw |= load("Group", "groups", fields=["GroupFirstSub"], nThreads=1)
        raw.pop("count", None)
        check_columns(raw, str(self.catalogue_chunks[0].parent))
        return raw

    def _catalogue_fields(self) -> tuple[set[str], set[str]]:
        """Names of the datasets of subhaloes and groups, from the first chunk that has some."""
        for chunk in self.catalogue_chunks:
            with open_hdf5(chunk) as file:
                if len(file.get("Subhalo", ())):
                    held = set(file["Subhalo"])
                    if "SubhaloLenType" not in held:
                        raise ValueError(f"{chunk}: Subhalo lacks SubhaloLenType; fetch the catalogue again.")
                    return held, set(file.get("Group", ()))
        raise ValueError(f"{self.catalogue_chunks[0].parent}: the group catalogue holds no subhalo.")

    @functools.cached_property
    def _offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """First particle of each subhalo (n, 6), and of each chunk (6, chunks)."""
        if self.offsets is not None:
            with open_hdf5(self.offsets) as file:
                if "Subhalo/SnapByType" not in file or "FileOffsets/SnapByType" not in file:
                    raise ValueError(
                        f"{self.offsets}: lacks Subhalo/SnapByType or FileOffsets/SnapByType; fetch it again."
                    )
                return read_array(file["Subhalo/SnapByType"]), read_array(file["FileOffsets/SnapByType"]).T
        starts = []
        with open_hdf5(self.catalogue_chunks[0]) as file:
            by_chunk = np.asarray(header_of(file)["FileOffsets_Snap"])
        for chunk in self.catalogue_chunks:
            with open_hdf5(chunk) as file:
                if "Offsets/Subhalo_SnapByType" in file:
                    starts.append(read_array(file["Offsets/Subhalo_SnapByType"]))
        return np.concatenate(starts), by_chunk

    @functools.cached_property
    def _columns(self) -> dict[int, dict]:
        """Field names and conversions of gas and stars, from the first chunk that has them."""
        factors = {}
        for kind, fields in ((GAS, GAS_FIELDS), (STARS, STAR_FIELDS)):
            for chunk in self.chunks:
                with open_hdf5(chunk) as file:
                    if len(file.get(f"PartType{kind}", ())):
                        factors[kind] = column_factors(
                            file[f"PartType{kind}"], fields, self.scale_factor, self.h, self.units
                        )
                        break
        return factors

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; see `Snapshot.sources`."""
        return (*self.chunks, *self.catalogue_chunks, *filter(None, [self.offsets]))

    def problems(self) -> list[str]:
        """Check chunks, catalogue and offsets against each other; see `Snapshot.problems`."""
        issues = count_problems(self.chunks)
        try:
            lengths, (starts, by_chunk) = self._subhaloes["SubhaloLenType"], self._offsets
            with open_hdf5(self.chunks[0]) as file:
                header = header_of(file)
            with open_hdf5(self.catalogue_chunks[0]) as file:
                other = header_of(file)
        except (OSError, ValueError) as error:
            return [*issues, str(error)]
        where = str(self.catalogue_chunks[0].parent)
        issues += other_output(where, other, str(self.chunks[0]), header)
        issues += catalogue_problems(where, other, len(lengths))
        if len(starts) != len(lengths):
            issues.append(
                f"{len(starts)} subhaloes in the offsets, {len(lengths)} in the catalogue: of two snapshots?"
            )
            return issues
        return issues + self._offset_problems(lengths, starts, by_chunk, header)

    def _offset_problems(
        self, lengths: np.ndarray, starts: np.ndarray, by_chunk: np.ndarray, header: dict
    ) -> list[str]:
        """Check that the stars of subhaloes follow each other, and lie within the snapshot."""
        issues, where = [], self.offsets or self.catalogue_chunks[0].parent
        high = np.ravel(header.get("NumPart_Total_HighWord", np.zeros(6))).astype(np.int64)
        total = int(np.ravel(header["NumPart_Total"])[STARS]) + (int(high[STARS]) << 32)
        with_stars = lengths[:, STARS] > 0
        first, count = (x[with_stars, STARS].astype(np.int64) for x in (starts, lengths))
        if len(first) and (first + count).max() > total:
            last = (first + count).max()
            issues.append(f"{where}: offsets reach star {last} of {total}: offsets of another snapshot?")
        overlap = np.flatnonzero(first[1:] < (first + count)[:-1])
        if len(overlap):
            k = int(overlap[0])
            issues.append(
                f"{where}: {len(overlap)} subhaloes begin within the one before, the first at star "
                f"{first[k + 1]}, before star {first[k] + count[k]}: zero or damaged offsets; fetch them."
            )
        if by_chunk.shape[1] != len(self.chunks) or (np.diff(by_chunk[STARS].astype(np.int64)) < 0).any():
            issues.append(f"{where}: offsets of {by_chunk.shape[1]} files, but {len(self.chunks)} are here.")
        return issues

    def catalogue(self) -> Table:
        """Subhaloes with stars; see `Snapshot.catalogue`."""
        self.require_unchanged()
        where = str(self.catalogue_chunks[0].parent)
        columns = subhalo_columns(
            self._subhaloes, self.scale_factor, self.h, self.units, self.include_flagged, where
        )
        return with_units(Table(columns))

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`."""
        raw = self._subhaloes
        count = len(raw["SubhaloLenType"])
        if not 0 <= subhalo_id < count:
            raise ValueError(
                f"{self.path}: snapshot {self.snapshot} has no subhalo {subhalo_id} (0 to {count - 1})."
            )
        where = f"{self.path}, snapshot {self.snapshot}, subhalo {subhalo_id}"
        if raw["SubhaloLenType"][subhalo_id, STARS] == 0:
            raise ValueError(f"{where}: this galaxy has no stars.")
        require_fields(where, self._columns.get(STARS, {}))
        # no name for the raw columns: their memory is free again before gas is read
        stars, notes = stars_from_parts(
            where,
            self._particles(STARS, *self._rows_of(STARS, subhalo_id)),
            self._columns[STARS],
            self.scale_factor,
            self.cosmology,
        )
        gas = None
        if self.gas and raw["SubhaloLenType"][subhalo_id, GAS] > 0 and GAS in self._columns:
            rows = self._rows_of(GAS, subhalo_id)
            gas = gas_from_parts(where, self._particles(GAS, *rows), self._columns[GAS])
        centre = None
        if "SubhaloPos" in raw:
            names = self.units.length
            centre = raw["SubhaloPos"][subhalo_id].astype(float) * names[0] * self.scale_factor / self.h
        return self.assembled(
            subhalo_id,
            stars=stars,
            gas=gas,
            centre=centre,
            box_size=self.box_size,
            properties=subhalo_properties(raw, subhalo_id, self.scale_factor, self.h, self.units),
            notes=notes,
        )

    def _rows_of(self, kind: int, subhalo_id: int) -> tuple[int, int]:
        """First particle of a subhalo, and their number."""
        return int(self._offsets[0][subhalo_id, kind]), int(
            self._subhaloes["SubhaloLenType"][subhalo_id, kind]
        )

    def _particles(self, kind: int, start: int, left: int) -> list[Part]:
        """Particles of one type from one on, in each chunk that holds some."""
        by_chunk = self._offsets[1]
        # h5py and not illustris_python.snapshot, which reads the same rows three times slower
        factors, parts = self._columns[kind], []
        chunk = int(np.searchsorted(by_chunk[kind], start, side="right")) - 1
        while left > 0 and 0 <= chunk < len(self.chunks):
            with open_hdf5(self.chunks[chunk]) as file:
                group = file.get(f"PartType{kind}")
                if group is not None:
                    first = max(start - int(by_chunk[kind][chunk]), 0)
                    rows = slice(first, first + left)
                    parts.append(read_part(group, factors, rows))
                    left -= len(parts[-1])
            chunk += 1
        if left != 0:
            raise ValueError(
                f"{self.path}: snapshot {self.snapshot} ends {left} particles of type {kind} before a "
                "subhalo or group does; offsets of another snapshot?"
            )
        return parts

    @functools.cached_property
    def _group_lengths(self) -> np.ndarray | None:
        """Particles of each friends-of-friends group by type; groups follow each other in the files."""
        if "SubhaloGrNr" not in self._subhaloes or not any(map(_has_groups, self.catalogue_chunks)):
            return None
        load = functools.partial(_load, illustris_python.groupcat.loadObjects, str(self.path), self.snapshot)
        lengths = load("Group", "groups", fields=["GroupLenType"], nThreads=1)["GroupLenType"]
        check_columns(self._subhaloes | {"GroupLenType": lengths}, str(self.catalogue_chunks[0].parent))
        return lengths.astype(np.int64)

    def region_problem(self) -> str:
        """See `Snapshot.region_problem`."""
        return ""

    def group_problem(self) -> str:
        """See `Snapshot.group_problem`."""
        if self._group_lengths is not None:
            return ""
        where = self.catalogue_chunks[0].parent
        return f"{where}: no group catalogue (Group/GroupLenType, Subhalo/SubhaloGrNr); give a radius."

    def read_group(self, subhalo_id: int, centre: np.ndarray, *, gas: bool = True) -> Galaxy:
        """Read a galaxy's friends-of-friends group; see `Snapshot.read_group`."""
        if problem := self.group_problem():
            raise ValueError(problem)
        group, lengths = int(self._subhaloes["SubhaloGrNr"][subhalo_id]), self._group_lengths

        def rows(kind):
            return self._particles(kind, int(lengths[:group, kind].sum()), int(lengths[group, kind]))

        return self._around(centre, subhalo_id, rows, gas)

    def read_region(
        self, centre: np.ndarray, radius: float, subhalo_id: int = 0, *, gas: bool = True
    ) -> Galaxy:
        """Read all stars in a sphere; see `Snapshot.read_region`."""

        def rows(kind):
            if kind not in self._blocks:
                self._blocks[kind] = row_blocks(self.chunks, f"PartType{kind}", self.units)
            sphere = (centre, radius, self.box_size)
            return parts_in_sphere(
                self.chunks, f"PartType{kind}", self._blocks[kind], self._columns[kind], sphere
            )

        return self._around(centre, subhalo_id, rows, gas)

    @functools.cached_property
    def _blocks(self) -> dict[int, RowBlocks]:
        """Extent of blocks of rows by particle type, filled while reading."""
        return {}

    def _around(
        self, centre: np.ndarray, subhalo_id: int, rows: Callable[[int], list[Part]], with_gas: bool
    ) -> Galaxy:
        """Galaxy record of some rows of each particle type."""

        def read(kind):
            return rows(kind), self._columns[kind]

        require_fields(str(self.path), self._columns.get(STARS, {}))
        has_gas = with_gas and self.gas and GAS in self._columns
        gas = functools.partial(read, GAS) if has_gas else None
        return galaxy_around(self, subhalo_id, centre, functools.partial(read, STARS), gas)


def _has_groups(chunk: Path) -> bool:
    """Whether a chunk of a catalogue lists groups and their particles."""
    with open_hdf5(chunk) as file:
        return "GroupLenType" in file.get("Group", ())


def _load(function, base: str, snapshot: int, *args, **kwargs) -> dict:
    """Call illustris_python, turning its bare Exceptions, IndexErrors and KeyErrors into one clear error."""
    try:
        result = function(base, snapshot, *args, **kwargs)
    except Exception as error:
        raise OSError(
            f"{base}, snapshot {snapshot}: reading failed ({type(error).__name__}: {error}); a chunk cut "
            "short, or offsets of another snapshot? Check the files' sizes and fetch them again."
        ) from error
    # it returns a bare array when one field was asked for
    return {kwargs["fields"][0]: result} if isinstance(result, np.ndarray) else result
