"""HDF5 files of star particles without a catalogue of their own: API cutouts, extracts, generic snapshots."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from astropy.cosmology import FLRW
from astropy.table import Table

from mocks.galaxy import Galaxy, Gas
from mocks.readers.base import Snapshot
from mocks.readers.hdf5.chunks import count_problems
from mocks.readers.hdf5.dialects import DIALECTS
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
from mocks.readers.hdf5.headers import cosmology_of, number_in_path, redshift_of, run_name
from mocks.readers.hdf5.layout import EAGLE_ID, box_side, files_of, galaxy_id, galaxy_numbers, with_units
from mocks.readers.hdf5.snapshot import Units, conversion, find, header_of, open_hdf5, read_array
from mocks.readers.particles.friends import LINKS_IN_BOX, friends_of_friends
from mocks.readers.particles.gathering import Part
from mocks.readers.particles.geometry import half_mass_radius, shrinking_sphere, unwrap

__all__ = ["ExtractSnapshot", "open_extract"]

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
                return None if dataset is None else read_array(dataset).astype(np.int64)
        parts = []
        for path in self.files:
            with open_hdf5(path) as file:
                if kind not in file or len(file[kind]) == 0:
                    continue
                names = ("galaxy_number", "group_number", "subgroup_number")
                galaxy, group, subgroup = (find(file[kind], name) for name in names)
                if galaxy is not None:
                    parts.append(read_array(galaxy).astype(np.int64))
                elif group is not None and subgroup is not None:
                    parts.append(galaxy_numbers(*(read_array(x).astype(np.int64) for x in (group, subgroup))))
                else:
                    return None
        return np.concatenate(parts) if parts else None

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; see `Snapshot.sources`."""
        return (*self.files, *filter(None, [self.membership]))

    @property
    def _is_eagle(self) -> bool:
        """Whether galaxy numbers are pairs of EAGLE's."""
        return self.format == "eagle-extract" and self._numbers is not None

    def problems(self) -> list[str]:
        """Check the chunks of a snapshot against their headers; see `Snapshot.problems`."""
        return count_problems(self.files) if len(self.files) > 1 else []

    def catalogue(self) -> Table:
        """One row per galaxy, computed from its particles; see `Snapshot.catalogue`."""
        parts, found = self._parts(STARS, ("position", "mass", "birth"))
        require_fields(str(self.path), found, ("position", "mass", "birth"))
        columns = house_columns(parts, found)
        numbers = np.full(len(columns["mass"]), self.subhalo_id) if self._numbers is None else self._numbers
        kept = np.flatnonzero((columns["birth"] > 0) & (numbers >= 0))
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
        if not rows:
            raise ValueError(f"{self.path}: no galaxy with stars.")
        return with_units(Table(rows=rows))

    def _properties(self, number: int) -> dict:
        """Read off what a galaxy's number tells."""
        if not self._is_eagle:
            return {}
        return {"group_number": number // EAGLE_ID, "is_central": number % EAGLE_ID == 0}

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`."""
        subhalo_id = int(subhalo_id)
        parts, found = self._parts(STARS, STAR_FIELDS, self._rows_of(subhalo_id))
        stars, notes = stars_from_parts(
            str(self.path), parts, found, self.scale_factor, self.cosmology, self.imf
        )
        gas, properties = self._read_gas(subhalo_id), self._properties(subhalo_id)
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
        )

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
                    if (kind, fields) not in self._found:
                        found = column_factors(file[kind], fields, self.scale_factor, self.h, self.units)
                        self._found[kind, fields] = found
                    parts.append(read_part(file[kind], self._found[kind, fields], mine))
        return parts, self._found.get((kind, fields), {})

    @functools.cached_property
    def _found(self) -> dict:
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


def open_extract(
    path: Path,
    *,
    format: str,
    simulation: str | None = None,
    snapshot: int | None = None,
    subhalo_id: int | None = None,
    centre: np.ndarray | None = None,
    gas: bool = True,
    linking_length: float | None = None,
    min_stars: int = 50,
    membership: str | Path | None = None,
    units: Units | None = None,
    header: dict | None = None,
) -> ExtractSnapshot:
    """Open a file of star particles, or all chunks of a snapshot.

    Parameters
    ----------
    path : Path
    format : str
        Key of `DIALECTS`.
    simulation : str, optional
        Name of the run, instead of the header's.
    snapshot, subhalo_id : int, optional
        Instead of the header's or the file name's.
    centre : array_like, shape (3,), optional
        Of the only galaxy, in the file's own length unit and frame (for a TNG cutout: its ``SubhaloPos``).
        Without it the centre is found by a shrinking sphere.
    gas : bool
        Whether gas is read.
    linking_length : float, optional
        The file holds more than one galaxy: they are friends-of-friends groups of stars with this linking
        length [physical kpc].
    min_stars : int
        Smallest such group.
    membership : str or Path, optional
        SWIFT membership file with ``PartType4/GroupNr_bound``.
    units : Units, optional
        Units and names of datasets without attributes, instead of the format's.
    header : dict, optional
        Values that the header lacks or has wrong: ``HubbleParam``, ``Omega0``, ``Redshift``, ``BoxSize``, ...

    Returns
    -------
    ExtractSnapshot

    Raises
    ------
    FileNotFoundError
        When a chunk is missing.
    ValueError
        When the file holds no stars or its header lacks what is needed.
    OSError
        When the file is damaged.
    """
    path, dialect = Path(path), DIALECTS[format]
    files = files_of(path)
    frame, notes = _frame(path, files, units or dialect.units, dialect, header or {})
    if snapshot is None:
        snapshot = _snapshot_number(path, frame.header)
    if snapshot is None:
        notes = (*notes, "snapshot number not stored: 0 taken")
    return ExtractSnapshot(
        path=path,
        format=format,
        simulation=simulation or run_name(frame.header, dialect.name),
        snapshot=int(snapshot or 0),
        redshift=frame.redshift,
        cosmology=frame.cosmology,
        notes=notes,
        files=files,
        h=frame.h,
        units=units or dialect.units,
        box_size=frame.box_size,
        centre=None if centre is None else np.asarray(centre, dtype=float) * frame.length,
        subhalo_id=galaxy_id(path, frame.header) if subhalo_id is None else int(subhalo_id),
        linking_length=linking_length,
        min_stars=min_stars,
        membership=None if membership is None else Path(membership),
        imf=dialect.imf,
        gas=gas,
    )


class _Frame(NamedTuple):
    """What the first file with stars tells of all: its header, cosmology, and lengths [physical kpc]."""

    header: dict
    cosmology: FLRW
    h: float
    redshift: float
    length: float
    box_size: float | None


def _frame(path, files, units, dialect, header) -> tuple[_Frame, tuple[str, ...]]:
    """Frame of positions and cosmology, with notes; ``header`` goes before what the files say."""
    for file_path in files:
        with open_hdf5(file_path) as file:
            found, group = header_of(file) | header, file.get(STARS)
            position = find(group, "position", units) if isinstance(group, h5py.Group) else None
            if position is None or position.ndim != 2 or len(position) == 0:
                continue
            cosmology, h, notes = cosmology_of(str(file_path), found)
            redshift = redshift_of(str(file_path), found)
            a = 1.0 / (1.0 + redshift)
            length = conversion(position, "length", a, h, units)
            box_size = box_side(found, length, dialect.box, a, h)
            break
    else:
        raise ValueError(f"{path}: no star particles (PartType4/Coordinates); a galaxy without stars?")
    notes = dialect.notes + notes
    if box_size is None:
        notes = (*notes, "box size not stored: galaxy not unwrapped")
    if found.get("CutoutType") == "halo":
        notes = (*notes, "cutout of a whole halo: all its galaxies are in it")
    return _Frame(found, cosmology, h, redshift, length, box_size), notes


def _snapshot_number(path: Path, header: dict) -> int | None:
    """Snapshot number that the header or the names of file and folder tell."""
    stored = (header.get("SnapshotNumber"), header.get("ExtractedFromSnapshot"), number_in_path(path))
    return next((int(number) for number in stored if isinstance(number, int | float)), None)
