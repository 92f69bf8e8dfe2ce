"""Single HDF5 files that hold one galaxy or a few: API cutouts and the extracts that papers share."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from astropy import units as u
from astropy.table import Table

from mocks.galaxy import Galaxy
from mocks.readers.base import Snapshot
from mocks.readers.fields import (
    GAS_FIELDS,
    STAR_FIELDS,
    gas_from_columns,
    read_columns,
    require_fields,
    stars_from_columns,
)
from mocks.readers.geometry import half_mass_radius, shrinking_sphere, unwrap
from mocks.readers.hdf5 import Units, conversion, find, header_of, open_hdf5, read_array
from mocks.readers.headers import cosmology_of, number_in_path, redshift_of, run_name
from mocks.readers.particles import assemble

__all__ = ["DIALECTS", "EAGLE_ID", "ExtractSnapshot", "galaxy_numbers", "open_extract", "with_units"]

EAGLE_ID = 100_000  # subhalo_id = GroupNumber x this + SubGroupNumber; no cluster has so many subgroups
UNBOUND = 2**30  # EAGLE's SubGroupNumber of particles that belong to no subgroup


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one simulation's extracts are written where they do not tell themselves.

    Parameters
    ----------
    name : str
        Of the run, when the header does not tell.
    units : Units
        Of datasets without unit attributes.
    box : tuple (factor, a exponent, h exponent), optional
        From the header's ``BoxSize`` to kpc; the unit of the coordinates when left out.
    imf : str
        The simulation's initial mass function.
    notes : tuple of str
        What a user of such a file should know.
    """

    name: str
    units: Units
    box: tuple[float, float, float] | None = None
    imf: str = "chabrier"
    notes: tuple[str, ...] = ()


MPC_OVER_H = (1e3, 1.0, -1.0)
DIALECTS = {
    "illustris-extract": Dialect(name="Illustris or TNG", units=Units()),
    "eagle-extract": Dialect(name="EAGLE", units=Units(length=MPC_OVER_H)),
    "horizon-agn-extract": Dialect(
        name="Horizon-AGN",
        units=Units(length=(1.0, 0.0, 0.0), mass=(1.0, 0.0, 0.0), velocity=(1.0, 0.0, 0.0)),
        box=MPC_OVER_H,
        imf="salpeter",
        notes=("initial masses are the converter's guess: next multiple of the smallest star particle",),
    ),
    "swift-extract": Dialect(
        name="SWIFT", units=Units(length=(1e3, 1.0, 0.0), mass=(1e10, 0.0, 0.0), velocity=(1.0, 0.0, 0.0))
    ),
    "magneticum-extract": Dialect(name="Magneticum", units=Units()),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class ExtractSnapshot(Snapshot):
    """One HDF5 file with particles of one galaxy, or of several told apart by group numbers.

    Parameters
    ----------
    path, format, simulation, snapshot, redshift, cosmology, notes
        See `Snapshot`.
    h : float
        Hubble constant of the file's units [100 km/s/Mpc].
    units : Units
        Of datasets without unit attributes.
    box_size : float or None
        Side of the periodic box [physical kpc].
    centre : ndarray, shape (3,), or None
        Of the only galaxy [physical kpc, box frame].
    subhalo_id : int
        Of the only galaxy, where the file has no group numbers.
    imf : str
        For missing initial masses.
    gas : bool
        Whether gas is read.
    """

    h: float
    units: Units
    box_size: float | None
    centre: np.ndarray | None = None
    subhalo_id: int = 0
    imf: str = "chabrier"
    gas: bool = True

    @functools.cached_property
    def _groups(self) -> np.ndarray | None:
        """Galaxy number of each star row, -1 for none; None when the file holds one galaxy."""
        with open_hdf5(self.path) as file:
            group, subgroup = (find(file["PartType4"], name) for name in ("group_number", "subgroup_number"))
            if group is None or subgroup is None:
                return None
            group, subgroup = read_array(group).astype(np.int64), read_array(subgroup).astype(np.int64)
        return galaxy_numbers(group, subgroup)

    def catalogue(self) -> Table:
        """One row per galaxy, computed from its particles; see `Snapshot.catalogue`."""
        with open_hdf5(self.path) as file:
            columns = self._star_columns(file, None, ("position", "mass", "birth"))
        is_star = columns["birth"] > 0
        groups = np.full(len(is_star), self.subhalo_id) if self._groups is None else self._groups
        rows = []
        for number in np.unique(groups[is_star & (groups >= 0)]):
            mine = is_star & (groups == number)
            position, mass = columns["position"][mine], columns["mass"][mine]
            centre = (
                self.centre if self.centre is not None else shrinking_sphere(position, mass, self.box_size)
            )
            radius = half_mass_radius(unwrap(position, centre, self.box_size), mass)
            row = {"subhalo_id": int(number), "n_stars": int(mine.sum()), "stellar_mass": float(mass.sum())}
            row |= {"half_mass_radius": radius, "flag": True} | dict(
                zip("xyz", map(float, centre), strict=True)
            )
            if self._groups is not None:
                row |= {"group_number": int(number // EAGLE_ID), "is_central": bool(number % EAGLE_ID == 0)}
            rows.append(row)
        if not rows:
            raise ValueError(f"{self.path}: no galaxy with stars.")
        return with_units(Table(rows=rows))

    def read(self, subhalo_id: int) -> Galaxy:
        """Read one galaxy; see `Snapshot.read`."""
        rows = self._rows_of(subhalo_id)
        with open_hdf5(self.path) as file:
            columns = self._star_columns(file, rows, STAR_FIELDS)
            stars, notes = stars_from_columns(
                str(self.path), columns, self.scale_factor, self.cosmology, self.imf
            )
            gas = self._read_gas(file, subhalo_id)
        properties = {}
        if self._groups is not None:
            properties = {"group_number": subhalo_id // EAGLE_ID, "is_central": subhalo_id % EAGLE_ID == 0}
        if gas is not None and gas.star_formation_rate is not None:
            properties["star_formation_rate"] = float(gas.star_formation_rate.sum())
        return assemble(
            self.path,
            stars=stars,
            gas=gas,
            centre=self.centre,
            box_size=self.box_size,
            properties=properties,
            notes=self.notes + notes,
            simulation=self.simulation,
            snapshot=self.snapshot,
            subhalo_id=int(subhalo_id),
            redshift=self.redshift,
            cosmology=self.cosmology,
        )

    def _rows_of(self, subhalo_id: int) -> np.ndarray | None:
        """Star rows of a galaxy, None for all."""
        if self._groups is None:
            if subhalo_id != self.subhalo_id:
                raise ValueError(f"{self.path}: holds the one galaxy {self.subhalo_id}, not {subhalo_id}.")
            return None
        rows = self._groups == subhalo_id
        if subhalo_id < 0 or not rows.any():
            known = np.unique(self._groups[self._groups >= 0])
            raise ValueError(
                f"{self.path}: no galaxy {subhalo_id}; it holds {', '.join(map(str, known[:10]))} ..."
            )
        return rows

    def _star_columns(self, file, rows: np.ndarray | None, fields: tuple[str, ...]) -> dict:
        """Star columns in house units."""
        group = file["PartType4"]
        columns = read_columns(group, fields, self.scale_factor, self.h, self.units, rows)
        require_fields(str(self.path), columns, tuple(name for name in fields[:4] if name in STAR_FIELDS[:4]))
        return columns

    def _read_gas(self, file, subhalo_id: int):
        """Gas of a galaxy, or None."""
        if not self.gas or "PartType0" not in file:
            return None
        group, rows = file["PartType0"], None
        numbers = [find(group, name) for name in ("group_number", "subgroup_number")]
        if self._groups is not None and None not in numbers:
            rows = (
                galaxy_numbers(*(read_array(dataset).astype(np.int64) for dataset in numbers)) == subhalo_id
            )
        columns = read_columns(group, GAS_FIELDS, self.scale_factor, self.h, self.units, rows)
        return gas_from_columns(str(self.path), columns)


def galaxy_numbers(group: np.ndarray, subgroup: np.ndarray) -> np.ndarray:
    """EAGLE's two numbers as one, -1 for particles of no galaxy.

    Parameters
    ----------
    group : ndarray of int
        ``GroupNumber``; negative inside a halo's radius but not of its group.
    subgroup : ndarray of int
        ``SubGroupNumber``; 2^30 for unbound.

    Returns
    -------
    ndarray of int
    """
    is_member = (group >= 0) & (subgroup >= 0) & (subgroup < UNBOUND)
    return np.where(is_member, group * EAGLE_ID + subgroup, -1)


def with_units(table: Table) -> Table:
    """Catalogue with the units of its house columns set."""
    house = {"stellar_mass": u.Msun, "half_mass_radius": u.kpc, "star_formation_rate": u.Msun / u.yr}
    for name, unit in (house | dict.fromkeys("xyz", u.kpc)).items():
        if name in table.colnames:
            table[name].unit = unit
    return table


def galaxy_id(path: Path, header: dict) -> int:
    """Tell a file's galaxy: the header's ``CutoutID``, or the last number in the file's name, or 0."""
    if isinstance(header.get("CutoutID"), int | float):
        return int(header["CutoutID"])
    digits = re.findall(r"\d+", re.sub(r"snap(?:shot)?_?\d+", "", path.stem))
    return int(digits[-1]) if digits else 0


def box_side(
    header: dict, length: float, box: tuple[float, float, float] | None, a: float, h: float
) -> float | None:
    """Side of the periodic box [physical kpc], None when the header does not tell.

    Parameters
    ----------
    header : dict
    length : float
        Unit of the coordinates [physical kpc].
    box : tuple (factor, a exponent, h exponent) or None
        Unit of ``BoxSize`` where it is not that of the coordinates.
    a, h : float
        Scale factor, Hubble constant [100 km/s/Mpc].
    """
    sides = np.atleast_1d(header.get("BoxSize", 0.0)).astype(float)
    if not np.all(sides == sides[0]):
        raise ValueError(f"BoxSize is {sides}; only cubic boxes can be unwrapped.")
    unit = length if box is None else box[0] * a ** box[1] * h ** box[2]
    return float(sides[0] * unit) if sides[0] > 0 else None


def open_extract(
    path: Path,
    *,
    format: str,
    simulation: str | None = None,
    snapshot: int | None = None,
    subhalo_id: int | None = None,
    centre: np.ndarray | None = None,
    gas: bool = True,
) -> ExtractSnapshot:
    """Open a single-file extract.

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

    Returns
    -------
    ExtractSnapshot

    Raises
    ------
    ValueError
        When the file holds no stars or its header lacks what is needed.
    OSError
        When the file is damaged.
    """
    path, dialect = Path(path), DIALECTS[format]
    with open_hdf5(path) as file:
        header, group = header_of(file), file.get("PartType4")
        position = find(group, "position") if isinstance(group, h5py.Group) else None
        if position is None or len(position) == 0:
            raise ValueError(
                f"{path}: no star particles (PartType4/Coordinates): a galaxy without stars, or none."
            )
        cosmology, h, notes = cosmology_of(str(path), header)
        redshift = redshift_of(str(path), header)
        a = 1.0 / (1.0 + redshift)
        length = conversion(position, "length", a, h, dialect.units)
        box_size = box_side(header, length, dialect.box, a, h)
    notes = dialect.notes + notes
    if box_size is None:
        notes = (*notes, "box size not stored: galaxy not unwrapped")
    if header.get("CutoutType") == "halo":
        notes = (*notes, "cutout of a whole halo: all its galaxies are in it")
    numbers = (
        snapshot,
        header.get("SnapshotNumber"),
        header.get("ExtractedFromSnapshot"),
        number_in_path(path),
    )
    known = [int(number) for number in numbers if number is not None]
    if not known:
        notes = (*notes, "snapshot number not stored: 0 taken")
    return ExtractSnapshot(
        path=path,
        format=format,
        simulation=simulation or run_name(header, dialect.name),
        snapshot=known[0] if known else 0,
        redshift=redshift,
        cosmology=cosmology,
        notes=notes,
        h=h,
        units=dialect.units,
        box_size=box_size,
        centre=None if centre is None else np.asarray(centre, dtype=float) * length,
        subhalo_id=galaxy_id(path, header) if subhalo_id is None else int(subhalo_id),
        imf=dialect.imf,
        gas=gas,
    )
