"""Catalogues of EAGLE galaxies: from the subfind files, or counted from the particles."""

import functools
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
from astropy.table import Table

from mocks.readers.hdf5.layout import EAGLE_ID, galaxy_numbers
from mocks.readers.hdf5.snapshot import STARS, open_hdf5, physical, read_array
from mocks.readers.hdf5.units import Units
from mocks.readers.particles.geometry import unwrap

__all__ = ["particle_table", "subfind_table"]


def subfind_table(chunks: tuple[Path, ...], a: float, h: float, units: Units) -> Table:
    """Read the subgroups that have stars from all files of a subfind catalogue.

    Parameters
    ----------
    chunks : tuple of Path
    a, h : float
        Scale factor, Hubble constant [100 km/s/Mpc].
    units : Units
        For datasets without attributes.

    Returns
    -------
    astropy.table.Table
        See `mocks.readers.Snapshot.catalogue`; empty without such a subgroup.

    Raises
    ------
    ValueError
        When a needed dataset is missing.
    """
    parts = []
    for chunk in chunks:
        with open_hdf5(chunk) as file:
            if len(file.get("Subhalo", ())):
                parts.append(_subfind_columns(file["Subhalo"], a, h, units))
    if not parts:
        return Table()
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    kept = (columns["n_stars"] > 0) & (columns["subhalo_id"] >= 0)
    return Table({name: values[kept] for name, values in columns.items()})


def _subfind_columns(group: h5py.Group, a: float, h: float, units: Units) -> dict[str, np.ndarray]:
    """House columns of one subfind file."""
    needed = ("GroupNumber", "SubGroupNumber", "SubLengthType", "MassType", "CentreOfPotential")
    missing = [name for name in needed if name not in group]
    if missing:
        raise ValueError(f"{group.file.filename}: Subhalo lacks {', '.join(missing)}; fetch the file again.")
    house = functools.partial(physical, a=a, h=h, units=units)
    numbers = [read_array(group[name]).astype(np.int64) for name in needed[:2]]
    centre = house(group["CentreOfPotential"], "length")
    columns = {
        "subhalo_id": galaxy_numbers(*numbers),
        "n_stars": read_array(group["SubLengthType"])[:, STARS].astype(np.int64),
        "stellar_mass": house(group["MassType"], "mass")[:, STARS],
        "group_number": numbers[0],
        "is_central": numbers[1] == 0,
        "flag": np.ones(len(centre), dtype=bool),
        "x": centre[:, 0],
        "y": centre[:, 1],
        "z": centre[:, 2],
    }
    if "HalfMassRad" in group:
        columns["half_mass_radius"] = house(group["HalfMassRad"], "length")[:, STARS]
    if "StarFormationRate" in group:
        columns["star_formation_rate"] = read_array(group["StarFormationRate"]).astype(float)  # Msun/yr
    return columns


def particle_table(chunks: Iterable[dict], box_size: float) -> Table:
    """Count galaxies, their masses and centres of mass from their stars.

    Parameters
    ----------
    chunks : iterable of dict of ndarray
        ``number`` (of the galaxy, -1 for none), ``position`` and ``mass`` of some stars in house units.
    box_size : float
        Side of the periodic box [physical kpc].

    Returns
    -------
    astropy.table.Table
        See `mocks.readers.Snapshot.catalogue`; empty without a galaxy.
    """
    galaxies: dict[int, list] = {}
    for columns in chunks:
        order = np.argsort(columns["number"], kind="stable")
        numbers, starts = np.unique(columns["number"][order], return_index=True)
        for number, mine in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            if number < 0:
                continue
            position, mass = columns["position"][mine], columns["mass"][mine]
            count, total, start, moment = galaxies.get(number, (0, 0.0, position[0], np.zeros(3)))
            moment = moment + mass @ unwrap(position, start, box_size)
            galaxies[number] = [count + len(mass), total + mass.sum(), start, moment]
    rows = []
    for number, (count, mass, start, moment) in sorted(galaxies.items()):
        centre = (start + moment / mass) % box_size
        row = {"subhalo_id": number, "n_stars": count, "stellar_mass": mass, "flag": True}
        row |= {"group_number": number // EAGLE_ID, "is_central": number % EAGLE_ID == 0}
        rows.append(row | dict(zip("xyz", centre, strict=True)))
    return Table(rows=rows) if rows else Table()
