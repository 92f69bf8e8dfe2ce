"""GalaxyMaker / AdaptaHOP catalogues of RAMSES runs: tree_bricks files and gal_stars folders."""

from pathlib import Path

import numpy as np
from astropy.table import Table

from mocks.readers.fortran import Records
from mocks.readers.hdf5 import KM, MSUN
from mocks.readers.ramses_files import Info

__all__ = ["find_galaxies", "galaxy_table", "read_members", "read_tree_bricks"]

FLOATS = ("<f4", "<f8")
MSUN_UNIT = 1e11  # of GalaxyMaker's masses
PLACES = ("", "galaxy", "TREE_STARS", "GalaxyMaker", "galaxymaker")


def find_galaxies(output: Path, number: int) -> Path | None:
    """GalaxyMaker's products beside an output folder.

    Parameters
    ----------
    output : Path
        ``output_NNNNN``.
    number : int
        Of the output.

    Returns
    -------
    Path or None
        A ``tree_bricks`` file, or else a ``GAL_NNNNN`` folder with ``gal_stars`` files.
    """
    for parent in (output, output.parent):
        for place in PLACES:
            for name in (f"tree_bricks{number:05d}", f"tree_bricks{number:03d}"):
                if (parent / place / name).is_file():
                    return parent / place / name
            folder = parent / place / f"GAL_{number:05d}"
            if folder.is_dir() and any(folder.glob("gal_stars_*")):
                return folder
    return None


def read_tree_bricks(path: Path) -> list[dict]:
    """Galaxies of a ``tree_bricks`` file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of dict
        ``number``, ``identity`` (ids of its stars), ``level``, ``host``, ``mass`` [Msun],
        ``position`` (3,) [physical Mpc about the box centre], ``radius`` [physical Mpc].

    Raises
    ------
    OSError
        When the file is damaged.
    """
    galaxies = []
    with Records(path) as records:
        records.skip(5)  # nbodies, massp, aexp, omega_t, age of the universe
        counts = records.array(2, ("<i4",))
        if (counts < 0).any():
            raise OSError(f"{path}: counts {counts} galaxies; is it a tree_bricks file?")
        for _ in range(int(counts.sum())):
            n_parts = int(records.array(1, ("<i4",))[0])
            identity = records.array(n_parts, ("<i4", "<i8")) if n_parts > 0 else records.read("<i4")
            number = int(records.array(1, ("<i4",))[0])
            records.skip()  # timestep
            level, host, *_ = records.array(5, ("<i4",))
            mass = float(records.array(1, FLOATS)[0])
            position = records.array(3, FLOATS).astype(float)
            records.skip(2)  # velocity, angular momentum
            radius = float(records.array(4, FLOATS)[0])
            records.skip(2)  # energies, spin
            after = records.read()
            # galaxies have (sigma, sigma_bulge, m_bulge) before the virial numbers, and three profile records
            if len(after) in (3 * 4, 3 * 8):
                records.skip(5)
            else:
                records.skip(1)
            galaxies.append(
                {
                    "number": number,
                    "identity": identity,
                    "level": int(level),
                    "host": int(host),
                    "mass": mass * MSUN_UNIT,
                    "position": position,
                    "radius": radius,
                }
            )
    return galaxies


def _number(path: Path) -> int:
    """Galaxy number in the name of a gal_stars file."""
    digits = path.name.rsplit("_", 1)[1]
    if not digits.isdigit():
        raise ValueError(f"{path}: the name does not end in a galaxy number (gal_stars_IIIIIII).")
    return int(digits)


def read_gal_stars(path: Path) -> dict:
    """Stars of one ``gal_stars`` file in the file's units.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of ndarray
        ``position`` [physical Mpc about the box centre], ``velocity`` [km/s], ``mass`` [Msun], ``identity``,
        ``birth`` (conformal), ``metallicity``.

    Raises
    ------
    OSError
        When the file is damaged.
    """
    with Records(path) as records:
        records.skip(6)
        count = int(records.array(1, ("<i4",))[0])
        if count <= 0:
            raise OSError(f"{path}: counts {count} stars; is it a gal_stars file?")
        position = np.stack([records.array(count, FLOATS) for _ in range(3)], axis=1)
        velocity = np.stack([records.array(count, FLOATS) for _ in range(3)], axis=1)
        mass = records.array(count, FLOATS) * MSUN_UNIT
        identity = records.array(count, ("<i4", "<i8"))
        birth = records.array(count, FLOATS)
        metallicity = records.array(count, FLOATS)
    names = ("position", "velocity", "mass", "identity", "birth", "metallicity")
    return dict(zip(names, (position, velocity, mass, identity, birth, metallicity), strict=True))


def galaxy_table(path: Path, box_size: float) -> Table:
    """Catalogue of galaxies.

    Parameters
    ----------
    path : Path
        ``tree_bricks`` file or ``GAL_NNNNN`` folder.
    box_size : float
        Side of the box [physical kpc].

    Returns
    -------
    astropy.table.Table
        See `mocks.readers.Snapshot.catalogue`; without units.

    Raises
    ------
    OSError, ValueError
        When the files are damaged.
    """
    rows = []
    if path.is_dir():
        for file in sorted(path.glob("gal_stars_*")):
            stars = read_gal_stars(file)
            centre = np.average(stars["position"], axis=0, weights=stars["mass"])
            row = {
                "subhalo_id": _number(file),
                "n_stars": len(stars["mass"]),
                "stellar_mass": stars["mass"].sum(),
            }
            rows.append(row | {"flag": True} | _place(centre, box_size))
    else:
        for galaxy in read_tree_bricks(path):
            row = {
                "subhalo_id": galaxy["number"],
                "n_stars": len(galaxy["identity"]),
                "stellar_mass": galaxy["mass"],
            }
            row |= {"is_central": galaxy["level"] == 1, "flag": True, "radius": 1e3 * galaxy["radius"]}
            rows.append(row | _place(galaxy["position"], box_size))
    if not rows:
        raise ValueError(f"{path}: no galaxies.")
    return Table(rows=rows)


def _place(position: np.ndarray, box_size: float) -> dict:
    """Box-frame columns [physical kpc] from Mpc about the box centre."""
    return dict(zip("xyz", (1e3 * position.astype(float) + 0.5 * box_size) % box_size, strict=True))


def read_members(path: Path, number: int, box_size: float, info: Info) -> dict:
    """Which stars make a galaxy.

    Parameters
    ----------
    path : Path
        ``tree_bricks`` file or ``GAL_NNNNN`` folder.
    number : int
        Of the galaxy.
    box_size : float
        Side of the box [physical kpc].
    info : Info
        Of the output, for its code units.

    Returns
    -------
    dict
        From a ``tree_bricks`` file ``identity`` and ``radius`` [kpc]; from ``gal_stars`` the stars' columns
        themselves in code units.

    Raises
    ------
    ValueError
        When there is no such galaxy.
    """
    if not path.is_dir():
        for galaxy in read_tree_bricks(path):
            if galaxy["number"] == number:
                return {
                    "identity": np.abs(galaxy["identity"].astype(np.int64)),
                    "radius": 1e3 * galaxy["radius"],
                }
        raise ValueError(f"{path}: no galaxy {number}.")
    for file in path.glob("gal_stars_*"):
        if _number(file) == number:
            stars = read_gal_stars(file)
            break
    else:
        raise ValueError(f"{path}: no galaxy {number}.")
    return {
        "position": (1e3 * stars["position"] / box_size + 0.5) * info.box_length,
        "velocity": stars["velocity"] * KM / info.unit_length * info.unit_time,
        "mass": stars["mass"] * MSUN / (info.unit_density * info.unit_length**3),
        "birth": stars["birth"],
        "metallicity": stars["metallicity"],
    }
