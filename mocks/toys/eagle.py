"""Toy galaxies in EAGLE's files: single extracts, and full snapshots with hash tables and catalogue."""

from pathlib import Path

import h5py
import numpy as np

from mocks.galaxy import Galaxy
from mocks.readers.hdf5.layout import UNBOUND
from mocks.readers.particles.hilbert import GADGET_CURVE, hilbert_keys
from mocks.toys.placing import birth_scale_factor, check_one_output, gadget_header, places

__all__ = ["write_eagle_extract", "write_eagle_snapshot"]

BOX = 16.9425  # cMpc/h, as the EAGLE boxes of 25 cMpc
ASIDE = 1e-3  # cMpc/h
STRAYS = 5  # stars near the first galaxy that belong to no subgroup
# CGS factor, exponents of a and h
UNITS = {
    "Coordinates": (3.085678e24, 1.0, -1.0),
    "SmoothingLength": (3.085678e24, 1.0, -1.0),
    "Mass": (1.989e43, 0.0, -1.0),
    "InitialMass": (1.989e43, 0.0, -1.0),
    "Velocity": (1e5, 0.5, 0.0),
    "MassType": (1.989e43, 0.0, -1.0),
    "HalfMassRad": (3.085678e24, 1.0, -1.0),
    "CentreOfPotential": (3.085678e24, 1.0, -1.0),
}


def _columns(galaxy: Galaxy, centre: np.ndarray, group: int) -> dict[str, np.ndarray]:
    """Star columns of one galaxy in code units."""
    stars, h, a = galaxy.stars, galaxy.cosmology.h, 1.0 / (1.0 + galaxy.redshift)
    columns = {
        "Coordinates": (centre + stars.position * h / a / 1e3) % BOX,
        "Mass": (stars.mass * h / 1e10).astype(np.float32),
        "InitialMass": (stars.initial_mass * h / 1e10).astype(np.float32),
        "StellarFormationTime": birth_scale_factor(galaxy).astype(np.float32),
        "Metallicity": stars.metallicity.astype(np.float32),
        "SmoothedMetallicity": stars.metallicity.astype(np.float32),
        "GroupNumber": np.full(len(stars), group, dtype=np.int32),
        "SubGroupNumber": np.zeros(len(stars), dtype=np.int32),
    }
    if stars.velocity is not None:
        columns["Velocity"] = (stars.velocity / np.sqrt(a)).astype(np.float32)
    if stars.smoothing_length is not None:
        columns["SmoothingLength"] = (stars.smoothing_length * h / a / 1e3).astype(np.float32)
    return columns


def write_eagle_extract(path: str | Path, galaxies: list[Galaxy]) -> Path:
    """Write toy galaxies as one file of EAGLE star particles.

    Galaxy i becomes the central (``SubGroupNumber`` 0) of group i + 1. A few stars more belong to no
    subgroup, or lie inside the halo without being of its group, as in real files; the first galaxy lies
    across the corner of the box.

    Parameters
    ----------
    path : str or Path
        HDF5 file to write.
    galaxies : list of Galaxy
        Of one output.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        When there is no galaxy, or they are of different outputs.
    """
    first, path = check_one_output(galaxies), Path(path)
    columns = _all_columns(galaxies)
    count = np.array([0, 0, 0, 0, len(columns["Mass"]), 0], dtype=np.uint32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_group("Header").attrs.update(_header(first, count, count, 1))
        _write_stars(file, columns)
    return path


def _all_columns(galaxies: list[Galaxy]) -> dict[str, np.ndarray]:
    """Star columns of all galaxies, and of some stars that are in none."""
    centres = places(len(galaxies), BOX)
    parts = [_columns(galaxy, centres[i], i + 1) for i, galaxy in enumerate(galaxies)]
    strays = {name: values[:STRAYS].copy() for name, values in parts[0].items()}
    strays["SubGroupNumber"][:] = UNBOUND
    outside = {name: values[:STRAYS].copy() for name, values in parts[0].items()}
    outside["GroupNumber"][:] = -1
    for step, part in enumerate((strays, outside), 1):  # no star is there twice
        part["Coordinates"] = (part["Coordinates"] + step * ASIDE) % BOX
    return {name: np.concatenate([part[name] for part in (*parts, strays, outside)]) for name in parts[0]}


def _header(first: Galaxy, here: np.ndarray, total: np.ndarray, n_files: int) -> dict:
    """Header attributes of a snapshot file with so many particles here and in total."""
    shared = gadget_header(first, BOX)
    return {
        **shared,
        "ExpansionFactor": shared["Time"],
        "ExtractedFromSnapshot": first.snapshot,
        "NumFilesPerSnapshot": n_files,
        "NumPart_ThisFile": here,
        "NumPart_Total": total,
        "NumPart_Total_HighWord": np.zeros(6, dtype=np.uint32),
        "MassTable": np.array([0.0, 6.57e-4, 0.0, 0.0, 0.0, 0.0]),
        "RunLabel": np.bytes_(first.simulation),
    }


def _write(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """One dataset with EAGLE's unit attributes."""
    dataset = group.create_dataset(name, data=values)
    cgs, a_exponent, h_exponent = UNITS.get(name, (1.0, 0.0, 0.0))
    dataset.attrs["CGSConversionFactor"] = cgs
    dataset.attrs["aexp-scale-exponent"] = np.float32(a_exponent)
    dataset.attrs["h-scale-exponent"] = np.float32(h_exponent)


def _write_stars(file: h5py.File, columns: dict[str, np.ndarray]) -> None:
    group = file.create_group("PartType4")
    for name, values in columns.items():
        _write(group, name, values)


def write_eagle_snapshot(
    folder: str | Path,
    galaxies: list[Galaxy],
    *,
    n_files: int = 4,
    hash_bits: int = 4,
    catalogue: bool = True,
) -> Path:
    """Write toy galaxies as a full EAGLE snapshot: sorted chunks, hash tables, subfind catalogue.

    The same stars as in `write_eagle_extract`. The second chunk is empty.

    Parameters
    ----------
    folder : str or Path
        Becomes the run's folder, with ``snapshot_...`` and ``groups_...`` in it.
    galaxies : list of Galaxy
        Of one output.
    n_files : int
        Number of chunks, at least 2.
    hash_bits : int
        The hash table counts the particles of ``2**hash_bits`` cells along each side of the box.
    catalogue : bool
        Whether the subfind catalogue is written.

    Returns
    -------
    Path
        The folder of the chunks.

    Raises
    ------
    ValueError
        When there is no galaxy, or they are of different outputs.
    """
    first, columns = check_one_output(galaxies), _all_columns(galaxies)
    side, n_keys = 2**hash_bits, 8**hash_bits
    cell = np.minimum((columns["Coordinates"] / BOX * side).astype(np.int64), side - 1)
    keys = hilbert_keys(cell, hash_bits, GADGET_CURVE)
    order = np.argsort(keys, kind="stable")
    keys, columns = keys[order], {name: values[order] for name, values in columns.items()}
    # chunks end between cells, the second one holds none
    edges = np.unique(np.quantile(keys, np.linspace(0, 1, n_files)[1:-1]).astype(np.int64) + 1)
    edges = np.concatenate([[0], edges, np.full(n_files - 1 - len(edges), n_keys)])
    edges = np.insert(edges, 1, edges[1])
    label = f"{first.snapshot:03d}_z{int(first.redshift):03d}p{round(first.redshift % 1 * 1000):03d}"
    path = Path(folder) / f"snapshot_{label}"
    path.mkdir(parents=True, exist_ok=True)
    total = np.array([0, 0, 0, 0, len(keys), 0], dtype=np.uint32)
    n_cells = np.diff(edges)
    for i in range(n_files):
        rows = slice(*np.searchsorted(keys, edges[i : i + 2]))
        here = np.array([0, 0, 0, 0, rows.stop - rows.start, 0], dtype=np.uint32)
        with h5py.File(path / f"snap_{label}.{i}.hdf5", "w") as file:
            file.create_group("Header").attrs.update(_header(first, here, total, n_files))
            if rows.stop > rows.start:
                _write_stars(file, {name: values[rows] for name, values in columns.items()})
            table = file.create_group("HashTable")
            table.attrs["HashBits"] = np.int32(hash_bits)
            stars = table.create_group("PartType4")
            stars["FirstKeyInFile"] = np.where(n_cells > 0, edges[:-1], 0).astype(np.int32)
            stars["LastKeyInFile"] = np.where(n_cells > 0, edges[1:] - 1, 0).astype(np.int32)
            stars["NumKeysInFile"] = n_cells.astype(np.int32)
            counts = np.bincount(keys[rows] - edges[i], minlength=n_cells[i])
            stars["NumParticleInCell"] = counts.astype(np.int32)
    if catalogue:
        _write_subfind(Path(folder) / f"groups_{label}", label, galaxies)
    return path


def _write_subfind(folder: Path, label: str, galaxies: list[Galaxy]) -> None:
    """Subfind catalogue in two files, the second without objects."""
    folder.mkdir(exist_ok=True)
    n, first = len(galaxies), galaxies[0]
    h, a = first.cosmology.h, 1.0 / (1.0 + first.redshift)
    for i in range(2):
        with h5py.File(folder / f"eagle_subfind_tab_{label}.{i}.hdf5", "w") as file:
            header = {
                "NTask": np.int32(2),
                "Nsubgroups": np.int32(n if i == 0 else 0),
                "TotNsubgroups": np.int32(n),
            }
            file.create_group("Header").attrs.update(header | {"HubbleParam": h, "ExpansionFactor": a})
            group = file.create_group("Subhalo")
            if i == 1:
                continue
            by_type = np.zeros((3, n, 6))
            for row, galaxy in enumerate(galaxies):
                radius = galaxy.properties["half_mass_radius"] * h / a / 1e3
                by_type[:, row, 4] = len(galaxy.stars), galaxy.stars.mass.sum() * h / 1e10, radius
            group["SubLengthType"] = by_type[0].astype(np.int32)
            _write(group, "MassType", by_type[1].astype(np.float32))
            _write(group, "HalfMassRad", by_type[2].astype(np.float32))
            _write(group, "CentreOfPotential", places(n, BOX))
            group["GroupNumber"] = np.arange(1, n + 1, dtype=np.int32)
            group["SubGroupNumber"] = np.zeros(n, dtype=np.int32)
            group["StarFormationRate"] = np.array(
                [galaxy.properties["star_formation_rate"] for galaxy in galaxies]
            )
