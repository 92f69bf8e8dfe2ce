"""What the readers of single files share: galaxy numbers, boxes, files of a path, catalogue units."""

import re
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

from mocks.file_names import galaxy_number
from mocks.readers.hdf5.chunks import chunk_files
from mocks.readers.hdf5.snapshot import open_hdf5
from mocks.readers.hdf5.statements import header_of

__all__ = [
    "CHUNK",
    "EAGLE_ID",
    "UNBOUND",
    "box_side",
    "files_of",
    "galaxy_id",
    "galaxy_numbers",
    "with_units",
]

LEAST_BOX, MOST_BOX = 1.0, 1e8  # kpc
SAME_SIDE = 1e-6  # relative difference between the sides of a cubic box that is rounding
EAGLE_ID = 100_000  # subhalo_id = GroupNumber x this + SubGroupNumber; no cluster has so many subgroups
UNBOUND = 2**30  # EAGLE's SubGroupNumber of particles that belong to no subgroup
CHUNK = re.compile(r"(.+)\.(\d+)\.(hdf5|h5)", re.IGNORECASE)


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


def galaxy_id(path: Path, header: dict) -> tuple[int, tuple[str, ...]]:
    """Tell a file's galaxy: by the header's ``CutoutID``, or by the file's name, or 0; and notes."""
    named = galaxy_number(path.name)
    if isinstance(header.get("CutoutID"), int | float):
        stated = int(header["CutoutID"])
        if named is None or named == stated:
            return stated, ()
        return stated, (f"galaxy {stated} by CutoutID, though the name of the file says {named}",)
    return named or 0, () if named is None else (f"galaxy {named} by the name of the file",)


def box_side(
    where: str, header: dict, length: float, box: tuple[float, float, float] | None, a: float, h: float
) -> float | None:
    """Side of the periodic box [physical kpc], None when the header has none.

    Parameters
    ----------
    where : str
        File, for messages.
    header : dict
    length : float
        Unit of the coordinates [physical kpc].
    box : tuple (factor, a exponent, h exponent) or None
        Unit of ``BoxSize`` where it is not that of the coordinates.
    a, h : float
        Scale factor, Hubble constant [100 km/s/Mpc].

    Raises
    ------
    ValueError
        When it is no length that a box can have, or the box is not a cube.
    """
    if "BoxSize" not in header:
        return None
    sides = np.atleast_1d(header["BoxSize"])
    if sides.dtype.kind not in "iuf" or sides.size == 0:
        raise ValueError(f"{where}: BoxSize is {header['BoxSize']!r}, not a number; correct the header.")
    sides = sides.astype(float)
    unit = length if box is None else box[0] * a ** box[1] * h ** box[2]
    side = float(sides[0] * unit)
    if not LEAST_BOX < side < MOST_BOX:
        raise ValueError(
            f"{where}: BoxSize is {sides[0]:g}, a box of {side:.3g} kpc; allowed are {LEAST_BOX:g} to "
            f"{MOST_BOX:g}. Correct the header, or state the side in the unit of the coordinates "
            "(--reader box_size=...)."
        )
    if not np.allclose(sides, sides[0], rtol=SAME_SIDE):
        raise ValueError(f"{where}: BoxSize is {sides}; only cubic boxes can be unwrapped.")
    return side


def files_of(path: Path) -> tuple[Path, ...]:
    """Find the HDF5 files of a path: itself, or all chunks when it is one of several or their folder."""
    if path.is_dir():
        matches = {entry: CHUNK.fullmatch(entry.name) for entry in path.iterdir()}
        firsts = sorted(entry for entry, match in matches.items() if match and match[2] == "0")
        if len(firsts) != 1:
            raise FileNotFoundError(
                f"{path} holds {len(firsts)} files *.0.hdf5; name one file of the snapshot."
            )
        path = firsts[0]
    chunk = CHUNK.fullmatch(path.name)
    if chunk is None:
        return (path,)
    with open_hdf5(path) as file:
        if header_of(file).get("NumFilesPerSnapshot", 1) == 1:
            return (path,)
    return chunk_files(path.parent, (chunk[1],), "NumFilesPerSnapshot")
