"""Toy galaxies in a single file with EAGLE's fields and attributes."""

from pathlib import Path

import h5py
import numpy as np

from mocks.galaxy import Galaxy
from mocks.readers.extract import UNBOUND
from mocks.toys.placing import birth_scale_factor, check_one_output, places

__all__ = ["write_eagle_extract"]

BOX = 16.9425  # cMpc/h, as the EAGLE boxes of 25 cMpc
STRAYS = 5  # stars near the first galaxy that belong to no subgroup
# CGS factor, exponents of a and h
UNITS = {
    "Coordinates": (3.085678e24, 1.0, -1.0),
    "SmoothingLength": (3.085678e24, 1.0, -1.0),
    "Mass": (1.989e43, 0.0, -1.0),
    "InitialMass": (1.989e43, 0.0, -1.0),
    "Velocity": (1e5, 0.5, 0.0),
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
    centres = places(len(galaxies), BOX)
    parts = [_columns(galaxy, centres[i], i + 1) for i, galaxy in enumerate(galaxies)]
    strays = {name: values[:STRAYS].copy() for name, values in parts[0].items()}
    strays["SubGroupNumber"][:] = UNBOUND
    outside = {name: values[:STRAYS].copy() for name, values in parts[0].items()}
    outside["GroupNumber"][:] = -1
    columns = {name: np.concatenate([part[name] for part in (*parts, strays, outside)]) for name in parts[0]}
    count = np.array([0, 0, 0, 0, len(columns["Mass"]), 0], dtype=np.uint32)
    a, cosmology = 1.0 / (1.0 + first.redshift), first.cosmology
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_group("Header").attrs.update(
            {
                "BoxSize": BOX,
                "HubbleParam": cosmology.h,
                "Omega0": cosmology.Om0,
                "OmegaLambda": 1.0 - cosmology.Om0,
                "OmegaBaryon": cosmology.Ob0 or 0.0,
                "Redshift": first.redshift,
                "Time": a,
                "ExpansionFactor": a,
                "ExtractedFromSnapshot": first.snapshot,
                "NumFilesPerSnapshot": 1,
                "NumPart_ThisFile": count,
                "NumPart_Total": count,
                "NumPart_Total_HighWord": np.zeros(6, dtype=np.uint32),
                "MassTable": np.array([0.0, 6.57e-4, 0.0, 0.0, 0.0, 0.0]),
                "RunLabel": np.bytes_(first.simulation),
            }
        )
        group = file.create_group("PartType4")
        for name, values in columns.items():
            dataset = group.create_dataset(name, data=values)
            cgs, a_exponent, h_exponent = UNITS.get(name, (1.0, 0.0, 0.0))
            dataset.attrs["CGSConversionFactor"] = cgs
            dataset.attrs["aexp-scale-exponent"] = np.float32(a_exponent)
            dataset.attrs["h-scale-exponent"] = np.float32(h_exponent)
    return path
