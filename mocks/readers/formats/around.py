"""What the HDF5 formats share to read particles of whichever galaxies, by place or by group."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mocks.galaxy import Galaxy
from mocks.readers.base import Snapshot
from mocks.readers.hdf5.blocks import RowBlocks
from mocks.readers.hdf5.fields import gas_from_parts, read_part, require_fields, stars_from_parts
from mocks.readers.hdf5.snapshot import open_hdf5
from mocks.readers.particles.gathering import Part
from mocks.readers.particles.geometry import in_sphere
from mocks.readers.particles.records import BY_PLACE

__all__ = ["GROUP_REACH", "galaxy_around", "parts_in_sphere"]

GROUP_REACH = 3000.0
"""Members of a group farther than this [physical kpc] are not read where files are ordered by place."""

Read = Callable[[], tuple[list[Part], dict]]
"""Reads particles of one type, and how their columns are called and counted."""


def parts_in_sphere(
    files: tuple[Path, ...],
    kind: str,
    blocks: RowBlocks,
    factors: dict,
    sphere: tuple[np.ndarray, float, float | None],
) -> list[Part]:
    """Particles of one type in a sphere.

    Parameters
    ----------
    files : tuple of Path
    kind : str
        ``"PartType0"`` or ``"PartType4"``.
    blocks : RowBlocks
        Of these files.
    factors : dict
        Of `column_factors`.
    sphere : tuple
        Centre and radius of the sphere, and side of the box or None [physical kpc].

    Returns
    -------
    list of Part
        Those of NaN position among them.
    """
    to_file, parts = 1.0 / factors["position"][1], []
    centre, radius = np.asarray(sphere[0]) * to_file, sphere[1] * to_file
    side = np.inf if sphere[2] is None else sphere[2] * to_file
    for number, ranges in blocks.near(centre, radius, side).items():
        with open_hdf5(files[number]) as file:
            for rows in ranges:
                part = read_part(file[kind], factors, rows)
                place = part.values("position").astype(float, copy=False)
                parts.append(part.select(in_sphere(place.T, centre, radius, side)))
    return parts


def galaxy_around(
    snapshot: Snapshot,
    subhalo_id: int,
    centre: np.ndarray,
    read_stars: Read,
    read_gas: Read | None,
    imf: str = "chabrier",
) -> Galaxy:
    """Galaxy record of particles of whichever galaxies.

    Parameters
    ----------
    snapshot : Snapshot
    subhalo_id : int
        Number to give to the result.
    centre : array_like, shape (3,)
        [physical kpc, box frame].
    read_stars, read_gas : callable
        None for no gas.
    imf : str
        For missing initial masses.

    Raises
    ------
    ValueError
        When there are no stars, or as `stars_from_parts`.
    """
    centre = np.asarray(centre, dtype=float)
    where = f"{snapshot.path}, about {np.round(centre, 1).tolist()} kpc"
    parts, factors = read_stars()
    require_fields(where, factors)
    if not sum(map(len, parts)):
        raise ValueError(f"{where}: no star is there.")
    stars, notes = stars_from_parts(where, parts, factors, snapshot.scale_factor, snapshot.cosmology, imf)
    gas = None if read_gas is None else gas_from_parts(where, *read_gas())
    return snapshot.assembled(
        subhalo_id,
        stars=stars,
        gas=gas,
        centre=centre,
        box_size=snapshot.box_size,
        properties={},
        notes=notes,
        chosen=BY_PLACE,
    )
