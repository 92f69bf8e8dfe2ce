"""Toy galaxies as SWIFT snapshots with cells and a SOAP catalogue."""

from pathlib import Path

import h5py
import numpy as np

from mocks.galaxy import Galaxy
from mocks.toys.placing import birth_scale_factor, check_one_output, places

__all__ = ["write_swift_snapshot"]

BOX = 25.0  # comoving Mpc
MPC, MSUN, KM = 3.0856775814913673e24, 1.988409870698051e33, 1e5  # cgs
YEAR = 3.15576e7  # s
# CGS factor, exponent of a, whether stored as physical
UNITS = {
    "Coordinates": (MPC, 1.0, 0),
    "Velocities": (KM, 0.0, 0),
    "Masses": (1e10 * MSUN, 0.0, 1),
    "InitialMasses": (1e10 * MSUN, 0.0, 1),
    "InputHalos/HaloCentre": (MPC, 1.0, 0),
    "BoundSubhalo/StellarMass": (1e10 * MSUN, 0.0, 1),
    "BoundSubhalo/HalfMassRadiusStars": (MPC, 1.0, 0),
    "BoundSubhalo/StarFormationRate": (MSUN / YEAR, 0.0, 1),
}


def _write(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """One dataset with SWIFT's attributes, which are arrays of length 1."""
    dataset = group.create_dataset(name, data=values)
    cgs, exponent, is_physical = UNITS.get(name, (1.0, 0.0, 1))
    dataset.attrs["Conversion factor to CGS (not including cosmological corrections)"] = [cgs]
    dataset.attrs["a-scale exponent"] = np.float32([exponent])
    dataset.attrs["h-scale exponent"] = np.float32([0.0])
    dataset.attrs["Value stored as physical"] = np.uint8([is_physical])


def _columns(galaxies: list[Galaxy], centres: np.ndarray) -> dict[str, np.ndarray]:
    """Star columns of all galaxies in the file's units."""
    a, parts = 1.0 / (1.0 + galaxies[0].redshift), []
    for number, (galaxy, centre) in enumerate(zip(galaxies, centres, strict=True)):
        stars = galaxy.stars
        parts.append(
            {
                "Coordinates": (centre + stars.position / a / 1e3) % BOX,
                "Masses": (stars.mass / 1e10).astype(np.float32),
                "InitialMasses": (stars.initial_mass / 1e10).astype(np.float32),
                "Velocities": stars.velocity.astype(np.float32),
                "BirthScaleFactors": birth_scale_factor(galaxy).astype(np.float32),
                "MetalMassFractions": stars.metallicity.astype(np.float32),
                "GroupNr_bound": np.full(len(stars), 10 * number, dtype=np.int32),
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write_swift_snapshot(
    folder: str | Path,
    galaxies: list[Galaxy],
    *,
    n_cells: int = 8,
    n_files: int = 1,
    membership: bool = False,
) -> Path:
    """Write toy galaxies as a SWIFT snapshot: stars sorted by cells, SOAP catalogue, memberships.

    Galaxy i becomes halo 10 i of the catalogue, whose last halo has no stars; the first galaxy lies across
    the corner of the box.

    Parameters
    ----------
    folder : str or Path
        Becomes the run's folder, with the snapshot and ``SOAP`` in it.
    galaxies : list of Galaxy
        Of one output.
    n_cells : int
        Cells along each side of the box.
    n_files : int
        Files of the snapshot.
    membership : bool
        Keep the numbers of the stars' halos in ``membership_NNNN.hdf5`` instead of in the snapshot.

    Returns
    -------
    Path
        First file of the snapshot.

    Raises
    ------
    ValueError
        When there is no galaxy, or they are of different outputs.
    """
    first, folder = check_one_output(galaxies), Path(folder)
    centres = places(len(galaxies), BOX)
    columns = _columns(galaxies, centres)
    cell = np.minimum((columns["Coordinates"] / BOX * n_cells).astype(np.int64), n_cells - 1)
    cell = (cell[:, 0] * n_cells + cell[:, 1]) * n_cells + cell[:, 2]
    order = np.argsort(cell, kind="stable")
    columns, count = {name: x[order] for name, x in columns.items()}, np.bincount(cell, minlength=n_cells**3)
    (folder / "SOAP").mkdir(parents=True, exist_ok=True)
    if membership:
        with h5py.File(folder / f"membership_{first.snapshot:04d}.hdf5", "w") as file:
            _write(file.create_group("PartType4"), "GroupNr_bound", columns.pop("GroupNr_bound"))
    in_file = np.arange(n_cells**3) * n_files // n_cells**3  # file of each cell
    starts = np.concatenate([[0], np.cumsum(count)])[:-1]
    edges = np.append(starts[np.searchsorted(in_file, np.arange(n_files))], len(cell))
    for i in range(n_files):
        name = f"toy_{first.snapshot:04d}" + (f".{i}" if n_files > 1 else "") + ".hdf5"
        with h5py.File(folder / name, "w") as file:
            _write_header(file, first, n_files, edges[i + 1] - edges[i], len(cell))
            cells = file.create_group("Cells")
            middle = np.stack(np.unravel_index(np.arange(n_cells**3), (n_cells,) * 3), axis=1) + 0.5
            cells["Centres"] = middle * BOX / n_cells
            cells["Counts/PartType4"], cells["Files/PartType4"] = count, in_file.astype(np.int32)
            cells["OffsetsInFile/PartType4"] = starts - edges[in_file]
            cells.create_group("Meta-data").attrs["size"] = np.full(3, BOX / n_cells)
            stars = file.create_group("PartType4")
            for column, values in columns.items():
                _write(stars, column, values[edges[i] : edges[i + 1]])
    _write_soap(folder / "SOAP" / f"halo_properties_{first.snapshot:04d}.hdf5", galaxies, centres)
    return folder / (f"toy_{first.snapshot:04d}.0.hdf5" if n_files > 1 else f"toy_{first.snapshot:04d}.hdf5")


def _write_header(file: h5py.File, first: Galaxy, n_files: int, here: int, total: int) -> None:
    a, cosmology = 1.0 / (1.0 + first.redshift), first.cosmology
    file.create_group("Header").attrs.update(
        {
            "Code": np.bytes_("SWIFT"),
            "RunName": np.bytes_(first.simulation),
            "BoxSize": np.full(3, BOX),
            "Redshift": [first.redshift],
            "Scale-factor": [a],
            "NumFilesPerSnapshot": np.int32([n_files]),
            "NumPart_ThisFile": np.int64([0, 0, 0, 0, here, 0]),
            "NumPart_Total": np.uint32([0, 0, 0, 0, total, 0]),
            "NumPart_Total_HighWord": np.zeros(6, dtype=np.uint32),
        }
    )
    values = {"h": cosmology.h, "Omega_m": cosmology.Om0, "Omega_lambda": 1.0 - cosmology.Om0}
    file.create_group("Cosmology").attrs.update({name: [value] for name, value in values.items()})


def _write_soap(path: Path, galaxies: list[Galaxy], centres: np.ndarray) -> None:
    """Catalogue of all galaxies and of one halo without stars."""
    a, n = 1.0 / (1.0 + galaxies[0].redshift), len(galaxies)
    mass = np.array([galaxy.stars.mass.sum() / 1e10 for galaxy in galaxies])
    radius = np.array([galaxy.properties["half_mass_radius"] / a / 1e3 for galaxy in galaxies])
    rate = np.array([galaxy.properties["star_formation_rate"] for galaxy in galaxies])
    with h5py.File(path, "w") as file:
        _write(file, "InputHalos/HaloCatalogueIndex", 10 * np.arange(n + 1))
        _write(file, "InputHalos/HaloCentre", np.concatenate([centres, [[1.0, 1.0, 1.0]]]))
        _write(file, "InputHalos/IsCentral", np.ones(n + 1, dtype=np.int32))
        counts = [len(galaxy.stars) for galaxy in galaxies]
        _write(file, "BoundSubhalo/NumberOfStarParticles", np.array([*counts, 0]))
        _write(file, "BoundSubhalo/StellarMass", np.append(mass, 0.0))
        _write(file, "BoundSubhalo/HalfMassRadiusStars", np.append(radius, 0.0))
        _write(file, "BoundSubhalo/StarFormationRate", np.append(rate, 0.0))
