"""GalaxyMaker / AdaptaHOP catalogues of RAMSES runs: tree_bricks files and gal_stars folders."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from mocks.readers.ramses.fortran import Records

__all__ = ["Brick", "find_galaxies", "galaxy_table", "read_galaxy", "read_identities", "read_tree_bricks"]

FLOATS = ("<f4", "<f8")
MSUN_UNIT = 1e11  # unit of GalaxyMaker's masses
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


@dataclass(frozen=True, eq=False)
class Brick:
    """One galaxy of a ``tree_bricks`` file.

    Parameters
    ----------
    number : int
    n_stars : int
    place : int
        Byte of the file at which the list of its stars' ids begins.
    level, host : int
        Level 1 is a central; the number of the galaxy it is in.
    mass : float
        [Msun].
    position : ndarray, shape (3,)
        [physical Mpc about the box centre].
    radius : float
        Of the farthest star [physical Mpc].
    """

    number: int
    n_stars: int
    place: int
    level: int
    host: int
    mass: float
    position: np.ndarray
    radius: float


def read_tree_bricks(path: Path) -> dict[int, Brick]:
    """Galaxies of a ``tree_bricks`` file by their numbers; the ids of their stars are passed over.

    Raises
    ------
    OSError
        When the file is damaged.
    """
    galaxies = {}
    with Records(path) as records:
        records.skip(5)  # nbodies, massp, aexp, omega_t, age of the universe
        counts = records.array(2, ("<i4",))
        if (counts < 0).any():
            raise OSError(f"{path}: counts {counts} galaxies; is it a tree_bricks file?")
        for _ in range(int(counts.sum())):
            n_stars = int(records.array(1, ("<i4",))[0])
            place = records.place
            records.skip()
            number = int(records.array(1, ("<i4",))[0])
            records.skip()  # timestep
            level, host, *_ = records.array(5, ("<i4",))
            mass = float(records.array(1, FLOATS)[0])
            position = records.array(3, FLOATS).astype(float)
            records.skip(2)  # velocity, angular momentum
            radius = float(records.array(4, FLOATS)[0])
            records.skip(2)  # energies, spin
            # galaxies have (sigma, sigma_bulge, m_bulge) before the virial numbers, and three profile records
            records.skip(5 if len(records.read()) in (3 * 4, 3 * 8) else 1)
            galaxies[number] = Brick(
                number, n_stars, place, int(level), int(host), mass * MSUN_UNIT, position, radius
            )
    return galaxies


def read_identities(path: Path, galaxy: Brick) -> np.ndarray:
    """Ids of the stars of one galaxy of a ``tree_bricks`` file.

    Returns
    -------
    ndarray of int64
        Without their signs.

    Raises
    ------
    OSError
        When the file is damaged.
    """
    with Records(path) as records:
        records.place = galaxy.place
        return np.abs(records.array(max(galaxy.n_stars, 1), ("<i4", "<i8")).astype(np.int64))


def _number(path: Path) -> int:
    """Galaxy number in the name of a gal_stars file."""
    digits = path.name.rsplit("_", 1)[1]
    if not digits.isdigit():
        raise ValueError(f"{path}: the name does not end in a galaxy number (gal_stars_IIIIIII).")
    return int(digits)


def read_gal_stars(path: Path) -> dict:
    """Stars of one ``gal_stars`` file in the file's units.

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
        See `mocks.readers.Snapshot.catalogue`; without units. ``radius`` [kpc] is that of the farthest star.

    Raises
    ------
    OSError, ValueError
        When the files are damaged.
    """
    rows = []
    if path.is_dir():
        for file in sorted(path.glob("gal_stars_*")):
            stars = read_gal_stars(file)
            row = {"subhalo_id": _number(file), "n_stars": len(stars["mass"]), "flag": True}
            row["stellar_mass"] = float(stars["mass"].sum())
            centre = np.average(stars["position"], axis=0, weights=stars["mass"])
            rows.append(row | _place(centre, box_size))
    else:
        for galaxy in read_tree_bricks(path).values():
            row = {"subhalo_id": galaxy.number, "n_stars": galaxy.n_stars, "flag": True}
            row |= {"stellar_mass": galaxy.mass, "is_central": galaxy.level == 1}
            rows.append(row | {"radius": 1e3 * galaxy.radius} | _place(galaxy.position, box_size))
    if not rows:
        raise ValueError(f"{path}: no galaxies.")
    return Table(rows=rows)


def _place(position: np.ndarray, box_size: float) -> dict:
    """Box-frame columns [physical kpc] from Mpc about the box centre."""
    return dict(zip("xyz", (1e3 * position.astype(float) + 0.5 * box_size) % box_size, strict=True))


def read_galaxy(folder: Path, number: int, box_size: float) -> dict:
    """Stars of one galaxy of a ``GAL_NNNNN`` folder.

    Parameters
    ----------
    folder : Path
    number : int
        Of the galaxy.
    box_size : float
        Side of the box [physical kpc].

    Returns
    -------
    dict of ndarray
        ``position`` [physical kpc, box frame], ``velocity`` [km/s], ``mass`` [Msun], ``birth`` (conformal),
        ``metallicity``.

    Raises
    ------
    ValueError
        When there is no such galaxy.
    """
    files = [folder / f"gal_stars_{number:07d}", *folder.glob(f"gal_stars_*{number}")]
    for file in files:
        if file.is_file() and _number(file) == number:
            stars = read_gal_stars(file)
            del stars["identity"]
            # members beyond the edge of the box are not always brought back into it
            return stars | {"position": (1e3 * stars["position"] + 0.5 * box_size) % box_size}
    raise ValueError(f"{folder}: no galaxy {number}.")
