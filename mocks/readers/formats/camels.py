"""Single-file snapshots of the Illustris kind with a subhalo catalogue in a second file (CAMELS)."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from astropy.table import Table

from mocks.file_names import snapshot_number
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
    house_columns,
    read_part,
    stars_from_parts,
)
from mocks.readers.hdf5.headers import RUNS, cosmology_of, redshift_of, run_name
from mocks.readers.hdf5.layout import box_side, with_units
from mocks.readers.hdf5.snapshot import GAS, STARS, find, open_hdf5, read_array
from mocks.readers.hdf5.statements import header_of, other_output, settled_header
from mocks.readers.hdf5.subhaloes import (
    SUBHALO_FIELDS,
    catalogue_problems,
    check_columns,
    subhalo_columns,
    subhalo_properties,
)
from mocks.readers.hdf5.units import Units, conversion, header_units
from mocks.readers.particles.gathering import Part
from mocks.readers.particles.limits import refuse_later_births

__all__ = ["PairSnapshot", "open_pair", "pair_in"]

MOST_FILES = 40  # files of a folder that are examined
CATALOGUE = re.compile(r"(?i)sub-?(halo|find|group)|fof|group|halo|catalog|tab[_-]")


def _role(path: Path) -> str:
    """Tell what an HDF5 file is in a pair: ``"particles"``, ``"catalogue"``, ``"damaged"`` or ``"other"``."""
    is_catalogue = CATALOGUE.search(path.stem) is not None
    try:
        with open_hdf5(path) as file:
            if isinstance(file.get("Subhalo"), h5py.Group) and "SubhaloLenType" in file["Subhalo"]:
                return "catalogue"
            group = file.get("PartType4")
            single = header_of(file).get("NumFilesPerSnapshot", 1) == 1
            has_birth = isinstance(group, h5py.Group) and find(group, "birth") is not None
            if has_birth and single and "CutoutID" not in header_of(file):
                return "particles"
            has_particles = any(name.startswith("PartType") for name in file)
            return "damaged" if is_catalogue and not has_particles else "other"
    except (OSError, ValueError):
        return "damaged" if is_catalogue else "other"


def _beside(path: Path) -> list[Path]:
    """HDF5 files of a folder, or those beside a file that are of its snapshot as far as their names tell."""
    folder = path if path.is_dir() else path.absolute().parent
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".hdf5", ".h5"))
    if path.is_file() and len(files) > MOST_FILES:
        number = re.findall(r"\d+", path.stem)[-1:]
        files = [file for file in files if re.findall(r"\d+", file.stem)[-1:] == number]
    return files if len(files) <= MOST_FILES else []


def pair_in(path: Path) -> tuple[Path, Path] | None:
    """Snapshot and catalogue file of a pair.

    Parameters
    ----------
    path : Path
        The snapshot file, or the folder of both.

    Returns
    -------
    tuple (snapshot, catalogue) or None
        None when there is not exactly one of each.

    Raises
    ------
    OSError
        When the file that is named as the catalogue cannot be read as one: the stars of a whole box would be
        taken for one galaxy's.
    """
    files = _beside(path)
    if len(files) < 2:
        return None
    roles = {file: _role(file) for file in files}
    catalogues = [file for file, role in roles.items() if role == "catalogue"]
    if path.is_file():
        snapshots = [path] if roles.get(path.absolute()) == "particles" else []
    else:
        snapshots = [file for file, role in roles.items() if role == "particles"]
    if len(snapshots) != 1:
        return None
    number = snapshot_number(Path(snapshots[0].name))
    if len(catalogues) > 1:
        catalogues = [file for file in catalogues if number is not None and f"{number:03d}" in file.stem]
    if len(catalogues) == 1:
        return snapshots[0], catalogues[0]
    damaged = [file for file, role in roles.items() if role == "damaged"]
    if not catalogues and damaged:
        raise OSError(
            f"{damaged[0]} lies beside {snapshots[0].name} as its catalogue, but holds no "
            "Subhalo/SubhaloLenType that can be read: damaged or empty? Fetch it again, or move it away if "
            "it is not the catalogue."
        )
    return None


@dataclass(frozen=True, eq=False, kw_only=True)
class PairSnapshot(Snapshot):
    """Snapshot file and catalogue file.

    Parameters
    ----------
    path, format, simulation, snapshot, redshift, cosmology, notes
        See `Snapshot`; `path` is the snapshot file.
    catalogue_path : Path
    h : float
        Hubble constant of the units [100 km/s/Mpc].
    length : float
        Unit of the coordinates [physical kpc].
    box_size : float or None
        [physical kpc].
    units : Units
        Of datasets without attributes.
    include_flagged : bool
        Keep subhaloes that the catalogue flags as not cosmological.
    gas : bool
        Whether gas is read.
    """

    catalogue_path: Path
    h: float
    length: float
    box_size: float | None
    units: Units
    include_flagged: bool = False
    gas: bool = True

    @functools.cached_property
    def _subhaloes(self) -> dict[str, np.ndarray]:
        """Catalogue columns as they are, with the first row of each subhalo's stars and gas."""
        with open_hdf5(self.catalogue_path) as file:
            subhalo, group = file["Subhalo"], file.get("Group")
            raw = {name: read_array(subhalo[name]) for name in SUBHALO_FIELDS if name in subhalo}
            has_groups = group is not None and "GroupLenType" in group and "SubhaloGrNr" in raw
            where = str(self.catalogue_path)
            check_columns(raw, where)
            if has_groups:
                raw["GroupFirstSub"] = read_array(group["GroupFirstSub"])
                lengths = read_array(group["GroupLenType"])
                check_columns(raw | {"GroupLenType": lengths}, where)
                lengths = lengths.astype(np.int64)
                raw["group_length"] = lengths
                raw["offset"] = offsets_in_groups(raw["SubhaloLenType"], raw["SubhaloGrNr"], lengths)
        is_without = not has_groups
        if is_without:
            lengths = raw["SubhaloLenType"].astype(np.int64)
            raw["offset"] = np.cumsum(lengths, axis=0) - lengths
        self._check_length(raw, is_gapless=is_without)
        return raw

    def _check_length(self, raw: dict, *, is_gapless: bool) -> None:
        """Refuse a catalogue that reaches past the particles, or does not tell whose are which."""
        last = (raw["offset"] + raw["SubhaloLenType"]).max(axis=0)
        with open_hdf5(self.path) as file:
            held = len(find(file["PartType4"], "position"))
        if is_gapless and last[4] < held:
            raise ValueError(
                f"{self.catalogue_path} counts {last[4]} stars, {self.path} holds {held}, and no "
                "Group/GroupLenType tells where those of no subhalo lie. Fetch the whole catalogue."
            )
        if last[4] > held:
            raise ValueError(
                f"{self.catalogue_path} counts {last[4]} stars, {self.path} holds {held}: they do not belong "
                "together, or the snapshot is incomplete."
            )

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; see `Snapshot.sources`."""
        return self.path, self.catalogue_path

    def problems(self) -> list[str]:
        """Check particles and catalogue against their headers and each other; see `Snapshot.problems`."""
        issues = count_problems((self.path,))
        try:
            with open_hdf5(self.path) as file:
                own = header_of(file)
            with open_hdf5(self.catalogue_path) as file:
                header, count = header_of(file), len(file["Subhalo/SubhaloLenType"])
            issues += other_output(str(self.catalogue_path), header, str(self.path), own)
            issues += catalogue_problems(str(self.catalogue_path), header, count)
            _ = self._subhaloes
            with open_hdf5(self.path) as file:
                birth = find(file["PartType4"], "birth")
                if birth is not None:
                    refuse_later_births(str(self.path), read_array(birth), self.scale_factor)
        except (OSError, ValueError) as error:
            issues.append(str(error))
        return issues

    def catalogue(self) -> Table:
        """Subhaloes with stars; see `Snapshot.catalogue`."""
        self.require_unchanged()
        raw, where = self._subhaloes, str(self.catalogue_path)
        columns = subhalo_columns(raw, self.scale_factor, self.h, self.units, self.include_flagged, where)
        table = Table(columns)
        if "stellar_mass" not in table.colnames:
            with open_hdf5(self.path) as file:
                columns = house_columns(*self._rows(file, STARS, ("mass", "birth"), slice(None)))
            summed = np.concatenate([[0.0], np.cumsum(np.where(columns["birth"] > 0, columns["mass"], 0.0))])
            start = raw["offset"][table["subhalo_id"], 4]
            table["stellar_mass"] = summed[start + table["n_stars"]] - summed[start]
        return with_units(table)

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`."""
        raw = self._subhaloes
        if not 0 <= subhalo_id < len(raw["SubhaloLenType"]):
            raise ValueError(
                f"{self.catalogue_path}: no subhalo {subhalo_id}; allowed are 0 to "
                f"{len(raw['SubhaloLenType']) - 1}."
            )
        with open_hdf5(self.path) as file:
            parts = self._rows(file, STARS, STAR_FIELDS, self._rows_of(subhalo_id, STARS))
            where = f"{self.path}, subhalo {subhalo_id}"
            stars, notes = stars_from_parts(where, *parts, self.scale_factor, self.cosmology)
            gas = None
            if self.gas and "PartType0" in file:
                gas = gas_from_parts(
                    where, *self._rows(file, GAS, GAS_FIELDS, self._rows_of(subhalo_id, GAS))
                )
        return self.assembled(
            subhalo_id,
            stars=stars,
            gas=gas,
            centre=raw["SubhaloPos"][subhalo_id].astype(float) * self.length if "SubhaloPos" in raw else None,
            box_size=self.box_size,
            properties=subhalo_properties(raw, subhalo_id, self.scale_factor, self.h, self.units),
            notes=notes,
        )

    def region_problem(self) -> str:
        """See `Snapshot.region_problem`."""
        return ""

    def group_problem(self) -> str:
        """See `Snapshot.group_problem`."""
        if "group_length" in self._subhaloes:
            return ""
        return (
            f"{self.catalogue_path}: no group catalogue (Group/GroupLenType, Subhalo/SubhaloGrNr); give a "
            "radius."
        )

    def read_group(self, subhalo_id: int, centre: np.ndarray, *, gas: bool = True) -> Galaxy:
        """Read a galaxy's friends-of-friends group; see `Snapshot.read_group`."""
        if problem := self.group_problem():
            raise ValueError(problem)
        lengths, group = self._subhaloes["group_length"], int(self._subhaloes["SubhaloGrNr"][subhalo_id])
        start = lengths[:group].sum(axis=0)

        def read(kind, fields):
            with open_hdf5(self.path) as file:
                rows = slice(int(start[kind]), int(start[kind] + lengths[group, kind]))
                return self._rows(file, kind, fields, rows)

        return self._around(centre, subhalo_id, read, gas)

    def read_region(
        self, centre: np.ndarray, radius: float, subhalo_id: int = 0, *, gas: bool = True
    ) -> Galaxy:
        """Read all stars in a sphere; see `Snapshot.read_region`."""

        def read(kind, fields):
            with open_hdf5(self.path) as file:
                factors = column_factors(
                    file[f"PartType{kind}"], fields, self.scale_factor, self.h, self.units
                )
            if kind not in self._blocks:
                self._blocks[kind] = row_blocks((self.path,), f"PartType{kind}", self.units)
            sphere = (centre, radius, self.box_size)
            return parts_in_sphere(
                (self.path,), f"PartType{kind}", self._blocks[kind], factors, sphere
            ), factors

        return self._around(centre, subhalo_id, read, gas)

    @functools.cached_property
    def _blocks(self) -> dict[int, RowBlocks]:
        """Extent of blocks of rows by particle type, filled while reading."""
        return {}

    def _around(self, centre: np.ndarray, subhalo_id: int, read: Callable, with_gas: bool) -> Galaxy:
        """Galaxy record of some rows of each particle type."""
        with open_hdf5(self.path) as file:
            has_gas = with_gas and self.gas and len(file.get(f"PartType{GAS}", ()))
        stars, gas = functools.partial(read, STARS, STAR_FIELDS), functools.partial(read, GAS, GAS_FIELDS)
        return galaxy_around(self, subhalo_id, centre, stars, gas if has_gas else None)

    def _rows_of(self, subhalo_id: int, kind: int) -> slice:
        """Rows of one subhalo's particles of one type."""
        start = int(self._subhaloes["offset"][subhalo_id, kind])
        return slice(start, start + int(self._subhaloes["SubhaloLenType"][subhalo_id, kind]))

    def _rows(
        self, file: h5py.File, kind: int, fields: tuple[str, ...], rows: slice
    ) -> tuple[list[Part], dict]:
        """Columns of particles of one type, and how they are called and counted."""
        group = file[f"PartType{kind}"]
        factors = column_factors(group, fields, self.scale_factor, self.h, self.units)
        return [read_part(group, factors, rows)], factors


def offsets_in_groups(length: np.ndarray, group: np.ndarray, group_length: np.ndarray) -> np.ndarray:
    """First particle of each subhalo: groups follow each other, each with its subhaloes first, then its fuzz.

    Parameters
    ----------
    length : ndarray of int, shape (n, 6)
        ``SubhaloLenType``.
    group : ndarray of int, shape (n,)
        ``SubhaloGrNr``, rising.
    group_length : ndarray of int, shape (m, 6)
        ``GroupLenType``.

    Returns
    -------
    ndarray of int64, shape (n, 6)
    """
    length = length.astype(np.int64)
    before = np.cumsum(length, axis=0) - length
    group_start = np.cumsum(group_length, axis=0) - group_length
    first = np.searchsorted(group, group)  # first subhalo of the same group
    return group_start[group] + before - before[first]


def open_pair(
    path: Path,
    *,
    simulation: str | None = None,
    snapshot: int | None = None,
    catalogue: str | Path | None = None,
    include_flagged: bool = False,
    gas: bool = True,
) -> PairSnapshot:
    """Open a snapshot file with its catalogue file.

    Parameters
    ----------
    path : Path
        The snapshot file, or the folder that holds one of each.
    simulation : str, optional
        Name of the run.
    snapshot : int, optional
        Its number, when neither header nor names tell.
    catalogue : str or Path, optional
        The catalogue file; looked for beside the snapshot when left out.
    include_flagged : bool
        Keep subhaloes that the catalogue flags as not cosmological.
    gas : bool
        Whether gas is read.

    Raises
    ------
    FileNotFoundError
        When no pair can be found.
    ValueError
        When the header lacks what is needed.
    """
    path = Path(path)
    pair = (path, Path(catalogue)) if catalogue is not None and path.is_file() else pair_in(path)
    if pair is None:
        raise FileNotFoundError(
            f"{path}: not one snapshot (PartType4) and one catalogue (Subhalo) side by side; name the "
            "snapshot file and pass catalogue=."
        )
    with open_hdf5(pair[0]) as file:
        header, where = settled_header(file), str(pair[0])
        cosmology, h, notes = cosmology_of(where, header)
        redshift = redshift_of(where, header)
        a = 1.0 / (1.0 + redshift)
        position = find(file["PartType4"], "position") if "PartType4" in file else None
        if position is None:
            raise ValueError(f"{pair[0]}: no star particles (PartType4/Coordinates).")
        units, unit_notes = header_units(where, header, Units())
        length = conversion(position, "length", a, h, units)
    camels, notes = RUNS["CAMELS-TNG"], notes + unit_notes
    box_size = box_side(where, header, length, None, a, h)
    if box_size is None and np.isclose(h, camels.h):
        box_size = 1e3 * camels.box * a / h
        notes = (*notes, f"box size not stored: {camels.box:g} Mpc/h of CAMELS taken")
    number = snapshot if snapshot is not None else header.get("SnapshotNumber", snapshot_number(pair[0]))
    return PairSnapshot(
        path=pair[0],
        format="camels",
        simulation=simulation
        or run_name(header, "CAMELS-TNG" if np.isclose(h, camels.h) else pair[0].parent.name),
        snapshot=0 if number is None else int(number),
        redshift=redshift,
        cosmology=cosmology,
        notes=notes,
        catalogue_path=pair[1],
        h=h,
        length=length,
        box_size=box_size,
        units=units,
        include_flagged=include_flagged,
        gas=gas,
    )
