"""SWIFT snapshots with their SOAP halo catalogue: galaxies read by the cells of the snapshot."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from astropy.table import Table

from mocks.galaxy import Galaxy
from mocks.readers.base import Snapshot
from mocks.readers.formats.around import GROUP_REACH, galaxy_around
from mocks.readers.formats.extract import ExtractSnapshot, open_extract
from mocks.readers.hdf5.attributes import attribute
from mocks.readers.hdf5.blocks import RowBlocks
from mocks.readers.hdf5.chunks import count_problems
from mocks.readers.hdf5.dialects import DIALECTS
from mocks.readers.hdf5.fields import (
    GAS_FIELDS,
    STAR_FIELDS,
    column_factors,
    gas_from_parts,
    read_part,
    stars_from_parts,
)
from mocks.readers.hdf5.layout import files_of, with_units
from mocks.readers.hdf5.membership import NO_HALO
from mocks.readers.hdf5.snapshot import find, open_hdf5, physical, read_array
from mocks.readers.hdf5.units import conversion
from mocks.readers.particles.gathering import Part
from mocks.readers.particles.geometry import in_sphere
from mocks.readers.particles.records import BY_CATALOGUE, PARTLY, require_shapes

__all__ = ["SwiftSnapshot", "open_swift"]

UNITS = DIALECTS["swift"].units
STARS, GAS = "PartType4", "PartType0"
PLACES = (
    ".",
    "SOAP",
    "SOAP-HBT",
    "../SOAP",
    "../SOAP-HBT",
)  # where the catalogue may be, relative to the snapshot
NEEDED = (
    "InputHalos/HaloCatalogueIndex",
    "InputHalos/HaloCentre",
    "BoundSubhalo/NumberOfStarParticles",
    "BoundSubhalo/StellarMass",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class SwiftSnapshot(Snapshot):
    """One snapshot of one or more files, with a SOAP catalogue.

    Parameters
    ----------
    path, format, simulation, snapshot, redshift, cosmology, notes
        See `Snapshot`.
    files : tuple of Path
    h : float
        Hubble constant [100 km/s/Mpc].
    box_size : float or None
        Side of the periodic box [physical kpc].
    soap : Path
        ``halo_properties_NNNN.hdf5``.
    membership : Path or None
        File with ``PartTypeN/GroupNr_bound`` of all particles, where the snapshot does not hold it.
    reach : float
        Particles beyond this radius about their galaxy's centre [physical kpc] are not read.
    gas : bool
        Whether gas is read.
    """

    files: tuple[Path, ...]
    h: float
    box_size: float | None
    soap: Path
    membership: Path | None
    reach: float
    gas: bool = True

    @functools.cached_property
    def _table(self) -> Table:
        """Halos of the catalogue that have stars."""
        house = functools.partial(physical, a=self.scale_factor, h=self.h, units=UNITS)
        with open_hdf5(self.soap) as file:
            missing = [name for name in NEEDED if name not in file]
            if missing:
                raise ValueError(f"{self.soap}: lacks {', '.join(missing)}; is it a SOAP catalogue?")
            index, centre, n_stars, mass = (file[name] for name in NEEDED)
            columns = {
                "subhalo_id": read_array(index).astype(np.int64),
                "n_stars": read_array(n_stars).astype(np.int64),
                "stellar_mass": house(mass, "mass"),
                "flag": np.ones(len(index), dtype=bool),
            }
            columns |= dict(zip("xyz", house(centre, "length").T, strict=True))
            if "BoundSubhalo/HalfMassRadiusStars" in file:
                columns["half_mass_radius"] = house(file["BoundSubhalo/HalfMassRadiusStars"], "length")
            if "BoundSubhalo/StarFormationRate" in file:
                columns["star_formation_rate"] = house(file["BoundSubhalo/StarFormationRate"], "rate")
            if "InputHalos/IsCentral" in file:
                columns["is_central"] = read_array(file["InputHalos/IsCentral"]).astype(bool)
        require_shapes(str(self.soap), columns)
        return with_units(Table(columns)[columns["n_stars"] > 0])

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that are read; see `Snapshot.sources`."""
        return (*self.files, self.soap, *filter(None, [self.membership]))

    def problems(self) -> list[str]:
        """Check files, cells and membership against each other; see `Snapshot.problems`."""
        issues = count_problems(self.files)
        with open_hdf5(self.files[0]) as file:
            counted = int(read_array(file[f"Cells/Counts/{STARS}"]).sum())
        held = 0
        for path in self.files:
            with open_hdf5(path) as file:
                held += len(find(file[STARS], "position")) if STARS in file else 0
        if counted != held:
            issues.append(f"{self.path}: its cells count {counted} stars, {held} are there; damaged?")
        if self.membership is not None:
            with open_hdf5(self.membership) as file:
                listed = len(find(file[STARS], "galaxy_number")) if STARS in file else 0
            if listed != held:
                issues.append(
                    f"{self.membership}: lists {listed} stars, {self.path} holds {held}; of this snapshot?"
                )
        return issues

    def catalogue(self) -> Table:
        """Halos with stars; see `Snapshot.catalogue`."""
        self.require_unchanged()
        return self._table.copy()

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`. Only the cells within `reach` of its centre are read."""
        table = self._table
        row = np.flatnonzero(table["subhalo_id"] == subhalo_id)
        if len(row) == 0:
            known = ", ".join(map(str, table["subhalo_id"][:10]))
            raise ValueError(f"{self.soap}: no galaxy {subhalo_id} with stars; it has {known} ...")
        entry = table[int(row[0])]
        centre, where = np.array([entry["x"], entry["y"], entry["z"]]), f"{self.path}, galaxy {subhalo_id}"
        sphere = (centre, self.reach)
        parts, factors = self._region(STARS, STAR_FIELDS, sphere, subhalo_id)
        stars, notes = stars_from_parts(where, parts, factors, self.scale_factor, self.cosmology)
        lost = int(entry["n_stars"]) - len(stars)
        if lost > 0:
            notes = (*notes, f"{lost} of its stars lie beyond {self.reach:g} kpc")
        gas = gas_from_parts(where, *self._region(GAS, GAS_FIELDS, sphere, subhalo_id)) if self.gas else None
        names = ("stellar_mass", "half_mass_radius", "star_formation_rate", "is_central", "flag")
        return self.assembled(
            subhalo_id,
            stars=stars,
            gas=gas,
            centre=centre,
            box_size=self.box_size,
            properties={name: entry[name].item() for name in names if name in table.colnames},
            notes=notes,
            chosen=PARTLY if lost > 0 else BY_CATALOGUE,
        )

    @functools.cached_property
    def _cells(self) -> dict[str, RowBlocks]:
        """Extent, file and rows of each cell, by particle type."""
        by_type = {}
        with open_hdf5(self.files[0]) as file:
            cells = file["Cells"]
            middle = read_array(cells["Centres"]).astype(float)
            # particles drift out of their cell between two sorts: half a cell is more than they can
            size = (
                np.ravel(attribute(cells["Meta-data"], "size", 0.0)) if "Meta-data" in cells else np.zeros(1)
            )
            for kind in (STARS, GAS):
                if kind not in cells["Counts"]:
                    continue
                count = read_array(cells[f"Counts/{kind}"]).astype(np.int64)
                rows = cells["OffsetsInFile" if "OffsetsInFile" in cells else "Offsets"]
                start = read_array(rows[kind]).astype(np.int64)
                number = read_array(cells[f"Files/{kind}"]) if "Files" in cells else np.zeros(len(count))
                if "MinPositions" in cells and kind in cells["MinPositions"]:
                    low, high = (
                        read_array(cells[f"{name}Positions/{kind}"]).astype(float) for name in ("Min", "Max")
                    )
                else:
                    low, high = middle - size, middle + size
                tables = {"Counts": count, "Offsets": start, "Files": number, "Positions": low}
                require_shapes(f"{self.files[0]}: Cells of {kind}", tables)
                if min(count.min(), start.min(), number.min()) < 0 or number.max() >= len(self.files):
                    raise ValueError(
                        f"{self.files[0]}: Cells of {kind} lie in files {number.min():g} to {number.max():g} "
                        f"of {len(self.files)}, or in negative rows; the file is damaged."
                    )
                by_type[kind] = RowBlocks(low, high, number.astype(int), start, count)
        return by_type

    def region_problem(self) -> str:
        """See `Snapshot.region_problem`."""
        return ""

    def group_problem(self) -> str:
        """See `Snapshot.group_problem`."""
        for path in self.files:
            with open_hdf5(path) as file:
                if STARS in file and find(file[STARS], "halo_number") is not None:
                    return ""
        return f"{self.path}: no group catalogue ({STARS}/FOFGroupIDs); give a radius."

    def read_group(self, subhalo_id: int, centre: np.ndarray, *, gas: bool = True) -> Galaxy:
        """Read a galaxy's friends-of-friends group within 3 Mpc; see `Snapshot.read_group`."""
        if problem := self.group_problem():
            raise ValueError(problem)
        parts, _ = self._region(STARS, ("position", "halo_number"), (centre, self.reach), subhalo_id)
        numbers, count = np.unique(
            np.concatenate([part.values("halo_number") for part in parts]), return_counts=True
        )
        group = int(numbers[np.argmax(count)])  # a subhalo may have lost stars to a group beside its own
        if not 0 < group < NO_HALO:
            raise ValueError(f"{self.path}: galaxy {subhalo_id} is in no friends-of-friends group.")
        return self._around((centre, GROUP_REACH), subhalo_id, gas, group)

    def read_region(
        self, centre: np.ndarray, radius: float, subhalo_id: int = 0, *, gas: bool = True
    ) -> Galaxy:
        """Read all stars in a sphere; see `Snapshot.read_region`."""
        return self._around((centre, radius), subhalo_id, gas)

    def _around(
        self, sphere: tuple[np.ndarray, float], subhalo_id: int, with_gas: bool, group: int | None = None
    ) -> Galaxy:
        """Galaxy record of all particles in a sphere, or of those of a group."""
        sphere = (np.asarray(sphere[0], dtype=float), sphere[1])

        def read(kind, fields):
            if group is None:
                return self._region(kind, fields, sphere)
            parts, factors = self._region(kind, (*fields, "halo_number"), sphere)
            if "halo_number" not in factors:  # gas whose groups are not told
                return [], factors
            return [part.select(part.values("halo_number") == group) for part in parts], factors

        stars, gas = functools.partial(read, STARS, STAR_FIELDS), functools.partial(read, GAS, GAS_FIELDS)
        return galaxy_around(self, subhalo_id, sphere[0], stars, gas if self.gas and with_gas else None)

    def _region(
        self,
        kind: str,
        fields: tuple[str, ...],
        sphere: tuple[np.ndarray, float],
        subhalo_id: int | None = None,
    ) -> tuple[list[Part], dict]:
        """Read particles of one type in a sphere, all or a galaxy's, and how their columns are called."""
        (centre, radius), parts, factors = sphere, [], {}
        with open_hdf5(self.files[0]) as file:
            position = find(file[kind], "position") if kind in file else None
            if position is None:
                return parts, factors
            length = conversion(position, "length", self.scale_factor, self.h, UNITS)
        side = np.inf if self.box_size is None else self.box_size / length
        in_file = (centre / length, radius / length, side)
        if kind not in self._cells:
            return parts, factors
        first_rows = self._first_rows(kind)
        for index, ranges in self._cells[kind].near(*in_file).items():
            with open_hdf5(self.files[index]) as file:
                group = file[kind]
                factors = column_factors(group, fields, self.scale_factor, self.h, UNITS)
                held = len(find(group, "position"))
                for rows in ranges:
                    if rows.stop > held:
                        raise ValueError(
                            f"{self.files[index]}: holds {held} rows of {kind}, its cells reach to "
                            f"{rows.stop}; the file is damaged."
                        )
                    part = read_part(group, factors, rows)
                    if subhalo_id is not None:
                        number = self._numbers(group, kind, rows, first_rows[index])
                        part = part.select(number == subhalo_id)
                    place = part.values("position").astype(float, copy=False)
                    parts.append(part.select(in_sphere(place.T, *in_file)))
        return parts, factors

    def _first_rows(self, kind: str) -> np.ndarray:
        """Rows of one particle type before each file."""
        cells = self._cells[kind]
        held = np.bincount(cells.file, weights=cells.count, minlength=len(self.files)).astype(np.int64)
        return np.concatenate([[0], np.cumsum(held)])

    def _numbers(self, group: h5py.Group, kind: str, rows: slice, first: int) -> np.ndarray:
        """Galaxy number of rows of one file, from it or from the membership file."""
        if self.membership is None:
            dataset = find(group, "galaxy_number")
            if dataset is None:
                raise ValueError(
                    f"{group.file.filename}: {kind} has no GroupNr_bound; name the file of memberships with "
                    "membership= (--reader membership=FILE)."
                )
            return read_array(dataset, rows)
        with open_hdf5(self.membership) as file:
            dataset = find(file[kind], "galaxy_number") if kind in file else None
            if dataset is None:
                raise ValueError(f"{self.membership}: no {kind}/GroupNr_bound; is it a membership file?")
            return read_array(dataset, slice(first + rows.start, first + rows.stop))


def _find_soap(snapshot: ExtractSnapshot) -> Path | None:
    """SOAP catalogue of the same number beside a snapshot."""
    folder = snapshot.files[0].parent
    for place in PLACES:
        path = folder / place / f"halo_properties_{snapshot.snapshot:04d}.hdf5"
        if path.is_file():
            return path
    return None


def open_swift(
    path: Path, *, soap: str | Path | None = None, reach: float = 100.0, **options
) -> SwiftSnapshot | ExtractSnapshot:
    """Open a SWIFT snapshot, by its cells and a SOAP catalogue where it has them.

    Parameters
    ----------
    path : Path
        HDF5 file, one of its chunks, or the folder of the chunks.
    soap : str or Path, optional
        ``halo_properties_NNNN.hdf5``; looked for beside the snapshot when left out. Without one all stars are
        read, as one galaxy or as several; see `mocks.readers.formats.extract.open_extract`.
    reach : float
        Particles beyond this radius about their galaxy's centre [physical kpc] are not read.
    **options
        Of `open_extract`: ``simulation``, ``snapshot``, ``membership``, ``gas``, ...

    Returns
    -------
    SwiftSnapshot or ExtractSnapshot

    Raises
    ------
    FileNotFoundError
        When `soap` or a chunk does not exist.
    ValueError
        When the snapshot lists no cells, or its header lacks what is needed.
    """
    numbered = re.search(r"_(\d{4})(?:\.\d+)?\.hdf5$", files_of(Path(path))[0].name)
    if numbered and options.get("snapshot") is None:
        options["snapshot"] = int(numbered[1])
    plain = open_extract(path, format="swift", **options)
    if soap is not None and not Path(soap).is_file():
        raise FileNotFoundError(f"soap={soap} does not exist.")
    soap = _find_soap(plain) if soap is None else Path(soap)
    if soap is None:
        return plain
    with open_hdf5(plain.files[0]) as file:
        if f"Cells/Counts/{STARS}" not in file:
            raise ValueError(f"{plain.files[0]}: lists no cells of stars; {soap} cannot be used with it.")
    same = (
        "path",
        "format",
        "simulation",
        "snapshot",
        "redshift",
        "cosmology",
        "notes",
        "files",
        "h",
        "box_size",
    )
    shared = {name: getattr(plain, name) for name in same}
    return SwiftSnapshot(**shared, soap=soap, membership=plain.membership, reach=reach, gas=plain.gas)
