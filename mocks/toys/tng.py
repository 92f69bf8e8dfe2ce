"""Toy snapshots in the files of IllustrisTNG: chunks, group catalogue, offsets."""

from pathlib import Path

import h5py
import numpy as np

from mocks.galaxy import Galaxy
from mocks.readers.particles.records import PHOTOMETRY_BANDS
from mocks.toys.placing import birth_scale_factor, check_one_output, gadget_header, places

__all__ = ["write_tng_snapshot"]

BOX = 35_000.0  # ckpc/h, as TNG50
STARS, GAS, DARK = 4, 0, 1
WIND = 3  # wind-phase particles of each galaxy
FUZZ = 2  # stars of each group that belong to no subhalo
CLUMP = 30  # stars of the subhalo that the catalogue flags
EMPTY = 1  # this chunk of snapshot and catalogue holds nothing
UNIT = {"UnitLength_in_cm": 3.085678e21, "UnitMass_in_g": 1.989e43, "UnitVelocity_in_cm_per_s": 1e5}
# a, h, length, mass, velocity exponents and CGS factor, as the real files declare them
SCALINGS = {
    "Coordinates": (1.0, -1.0, 1.0, 0.0, 0.0, 3.085678e21),
    "StellarHsml": (1.0, -1.0, 1.0, 0.0, 0.0, 3.085678e21),
    "Masses": (0.0, -1.0, 0.0, 1.0, 0.0, 1.989e43),
    "GFM_InitialMass": (0.0, -1.0, 0.0, 1.0, 0.0, 1.989e43),
    "Velocities": (0.5, 0.0, 0.0, 0.0, 1.0, 1e5),
    "Density": (-3.0, 2.0, -3.0, 1.0, 0.0, 6.769911e-22),
    "InternalEnergy": (0.0, 0.0, 0.0, 0.0, 2.0, 1e10),
    "StarFormationRate": (0.0, 0.0, -1.0, 1.0, 1.0, 6.302761e25),
}
SCALING_NAMES = ("a_scaling", "h_scaling", "length_scaling", "mass_scaling", "velocity_scaling", "to_cgs")


def _stars(galaxy: Galaxy, centre: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One galaxy's star columns in code units, wind-phase particles among them."""
    stars, h = galaxy.stars, galaxy.cosmology.h
    a, n = 1.0 / (1.0 + galaxy.redshift), len(galaxy.stars)
    wind = slice(0, WIND)  # copies of the first stars
    order = rng.permutation(n + WIND)

    def with_wind(values: np.ndarray, of_wind: float | None = None) -> np.ndarray:
        tail = values[wind] if of_wind is None else np.full_like(values[wind], of_wind)
        return np.concatenate([values, tail])[order]

    metallicity = stars.metallicity.copy()
    metallicity[0] = -1e-10  # advection leaves such in the real files
    columns = {
        "Coordinates": (centre + with_wind(stars.position) * h / a) % BOX,
        "Masses": with_wind(stars.mass) * h / 1e10,
        "GFM_InitialMass": with_wind(stars.initial_mass, 0.0) * h / 1e10,
        "GFM_StellarFormationTime": with_wind(birth_scale_factor(galaxy), -0.1),
        "GFM_Metallicity": with_wind(metallicity),
    }
    if stars.velocity is not None:
        columns["Velocities"] = with_wind(stars.velocity) / np.sqrt(a)
    if stars.smoothing_length is not None:
        columns["StellarHsml"] = with_wind(stars.smoothing_length) * h / a
    if stars.photometry is not None:
        table = np.stack([stars.photometry[band] for band in PHOTOMETRY_BANDS], axis=1)
        columns["GFM_StellarPhotometrics"] = with_wind(table)
    return columns


def _gas(galaxy: Galaxy, centre: np.ndarray) -> dict[str, np.ndarray]:
    """One galaxy's gas columns in code units."""
    if galaxy.gas is None:
        return {}
    gas, h, a = galaxy.gas, galaxy.cosmology.h, 1.0 / (1.0 + galaxy.redshift)
    electrons = 1.0 - gas.neutral_fraction
    weight = 4.0 / (1.0 + 3.0 * 0.76 + 4.0 * 0.76 * electrons) * 1.67262192e-24
    return {
        "Coordinates": (centre + gas.position * h / a) % BOX,
        "Masses": gas.mass * h / 1e10,
        "Density": gas.density * a**3 / h**2 / 1e10,
        "InternalEnergy": 1.5 * 1.380649e-16 * gas.temperature / weight / 1e10,
        "ElectronAbundance": electrons,
        "StarFormationRate": gas.star_formation_rate,
        "GFM_Metallicity": gas.metallicity,
        "NeutralHydrogenAbundance": gas.neutral_fraction,
        "Velocities": gas.velocity / np.sqrt(a),
    }


def _rows(columns: dict[str, np.ndarray], rows) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in columns.items()}


def _moved(columns: dict[str, np.ndarray], rows, aside: float) -> dict[str, np.ndarray]:
    """Copy some stars to a place aside, lest one be there twice."""
    copies = _rows(columns, rows)
    return copies | {"Coordinates": (copies["Coordinates"] + aside) % BOX}


def _join(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    parts = [part for part in parts if part]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _dark(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Dark matter without meaning, there because real files have it; its mass stands in the header."""
    return {"Coordinates": rng.uniform(0.0, BOX, (n, 3)), "Velocities": np.zeros((n, 3))}


def _lay_out(
    galaxies: list[Galaxy], centres: np.ndarray, rng: np.random.Generator
) -> tuple[dict, dict, dict]:
    """Particles of each type in file order, and their catalogue.

    Each galaxy is a group of its own; the last group has a flagged clump and a dark subhalo besides.
    """
    particles: dict[int, list] = {STARS: [], GAS: [], DARK: []}
    subhalo = {"length": [], "group": [], "flag": [], "galaxy": []}
    group = {"length": [], "first": [], "count": []}
    for number, (galaxy, centre) in enumerate(zip(galaxies, centres, strict=True)):
        stars, gas = _stars(galaxy, centre, rng), _gas(galaxy, centre)
        members = [(stars, gas, _dark(20, rng), True, number)]
        if number == len(galaxies) - 1:
            members += [
                (_moved(stars, slice(0, CLUMP), 2.0), {}, {}, False, None),
                ({}, {}, _dark(10, rng), True, None),
            ]
        group["first"].append(len(subhalo["group"]))
        group["count"].append(len(members))
        members.append((_moved(stars, slice(0, FUZZ), 1.0), {}, _dark(5, rng), None, None))
        lengths = []
        for *columns, flag, of in members:
            length = np.zeros(6, dtype=np.int32)
            for kind, part in zip((STARS, GAS, DARK), columns, strict=True):
                particles[kind].append(part)
                length[kind] = len(next(iter(part.values()))) if part else 0
            lengths.append(length)
            if flag is not None:
                subhalo["length"].append(length)
                subhalo["group"].append(number)
                subhalo["flag"].append(flag)
                subhalo["galaxy"].append(of)
        group["length"].append(np.sum(lengths, axis=0))
    return {kind: _join(parts) for kind, parts in particles.items()}, subhalo, group


def _catalogue(galaxies: list[Galaxy], centres: np.ndarray, subhalo: dict, group: dict) -> tuple[dict, dict]:
    """Datasets of the Subhalo and Group tables."""
    n, a = len(subhalo["group"]), 1.0 / (1.0 + galaxies[0].redshift)
    h = galaxies[0].cosmology.h
    tables = {
        "SubhaloLenType": np.array(subhalo["length"], dtype=np.int32),
        "SubhaloLen": np.sum(subhalo["length"], axis=1).astype(np.int32),
        "SubhaloGrNr": np.array(subhalo["group"], dtype=np.int32),
        "SubhaloFlag": np.array(subhalo["flag"]),
        "SubhaloPos": centres[subhalo["group"]].astype(np.float32),
        "SubhaloVel": np.zeros((n, 3), dtype=np.float32),
        "SubhaloMassType": np.zeros((n, 6), dtype=np.float32),
        "SubhaloHalfmassRadType": np.zeros((n, 6), dtype=np.float32),
        "SubhaloSFR": np.zeros(n, dtype=np.float32),
        "SubhaloStellarPhotometrics": np.full((n, 8), 1e37, dtype=np.float32),
    }
    for row, number in enumerate(subhalo["galaxy"]):
        if number is None:
            continue
        galaxy = galaxies[number]
        tables["SubhaloMassType"][row, STARS] = galaxy.stars.mass.sum() * h / 1e10
        tables["SubhaloMassType"][row, GAS] = 0.0 if galaxy.gas is None else galaxy.gas.mass.sum() * h / 1e10
        tables["SubhaloHalfmassRadType"][row, STARS] = galaxy.properties["half_mass_radius"] * h / a
        tables["SubhaloSFR"][row] = galaxy.properties.get("star_formation_rate", 0.0)
        if galaxy.stars.photometry is not None:
            flux = [10 ** (-0.4 * galaxy.stars.photometry[band]) for band in PHOTOMETRY_BANDS]
            tables["SubhaloStellarPhotometrics"][row] = -2.5 * np.log10(np.sum(flux, axis=1))
    groups = {
        "GroupLenType": np.array(group["length"], dtype=np.int32),
        "GroupFirstSub": np.array(group["first"], dtype=np.int32),
        "GroupNsubs": np.array(group["count"], dtype=np.int32),
        "GroupPos": centres.astype(np.float32),
    }
    return tables, groups


def _bounds(count: int, n_files: int, rng: np.random.Generator) -> np.ndarray:
    """First object of each chunk and the end; uneven, the second chunk empty."""
    full = n_files - 1 if n_files > 1 else 1
    cuts = np.sort(rng.integers(0, count + 1, full - 1))
    bounds = np.concatenate([[0], cuts, [count]])
    return np.insert(bounds, EMPTY, bounds[EMPTY]) if n_files > 1 else bounds


def _write_datasets(group: h5py.Group, columns: dict[str, np.ndarray]) -> None:
    """Particle datasets with the attributes of the real files."""
    for name, values in columns.items():
        dtype = np.float64 if name == "Coordinates" else np.float32
        dataset = group.create_dataset(name, data=values.astype(dtype))
        scalings = SCALINGS.get(name, (0.0,) * 6)
        for attribute, value in zip(SCALING_NAMES, scalings, strict=True):
            dataset.attrs[attribute] = value


def write_tng_snapshot(
    folder: str | Path, galaxies: list[Galaxy], *, n_files: int = 3, seed: int = 0, layout: str = "tng"
) -> Path:
    """Write toy galaxies as a TNG simulation: snapshot chunks, group catalogue chunks and offsets file.

    Galaxy i becomes subhalo i. As in real files, wind-phase particles lie among the stars, one metallicity of
    each galaxy is slightly negative, the first galaxy lies across the corner of the box, groups have stars
    outside all subhaloes, one chunk of each kind is empty, one subhalo is flagged as not cosmological and one
    has no stars.

    Parameters
    ----------
    folder : str or Path
        Becomes the simulation's folder, with ``output`` and ``postprocessing`` in it.
    galaxies : list of Galaxy
        Of one output.
    n_files : int
        Chunks of the snapshot, and of the catalogue.
    seed : int
        Of the order of particles and the cuts between chunks.
    layout : str
        ``"tng"``, with a file of offsets, or ``"illustris"``, with offsets in the catalogue.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ValueError
        When there is no galaxy, or they are of different outputs.
    """
    first, folder, rng = check_one_output(galaxies), Path(folder), np.random.default_rng(seed)
    if layout not in ("tng", "illustris"):
        raise ValueError(f"unknown layout {layout!r}; known: tng, illustris.")
    centres = places(len(galaxies), BOX)
    particles, subhalo, group = _lay_out(galaxies, centres, rng)
    subhaloes, groups = _catalogue(galaxies, centres, subhalo, group)
    total = np.array([len(particles.get(kind, {}).get("Coordinates", ())) for kind in range(6)])
    bounds = np.stack([_bounds(n, n_files, rng) for n in total], axis=1)  # (n_files + 1, 6)
    tables = {"Subhalo": subhaloes, "Group": groups}
    cuts = {
        "Subhalo": _bounds(len(subhalo["group"]), n_files, rng),
        "Group": _bounds(len(galaxies), n_files, rng),
    }
    starts = _first_particles(subhaloes, groups)
    label = f"{first.snapshot:03d}"
    output = folder / "output"
    _write_chunks(output / f"snapdir_{label}" / f"snap_{label}", first, particles, total, bounds)
    if layout == "tng":
        _write_catalogue(output / f"groups_{label}" / f"fof_subhalo_tab_{label}", first, tables, cuts)
        _write_offsets(folder / "postprocessing" / "offsets" / f"offsets_{label}.hdf5", bounds, cuts, starts)
    else:
        _write_catalogue(output / f"groups_{label}" / f"groups_{label}", first, tables, cuts, starts, bounds)
    return folder


def _write_chunks(stem: Path, first: Galaxy, particles: dict, total: np.ndarray, bounds: np.ndarray) -> None:
    """Snapshot files ``stem.i.hdf5``; a chunk without particles of a type lacks its group."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    n_files = len(bounds) - 1
    for i in range(n_files):
        with h5py.File(f"{stem}.{i}.hdf5", "w") as file:
            header = {
                "SimulationName": first.simulation,
                "NumFilesPerSnapshot": np.int32(n_files),
                "NumPart_ThisFile": (bounds[i + 1] - bounds[i]).astype(np.int32),
                "NumPart_Total": total.astype(np.uint32),
                "NumPart_Total_HighWord": np.zeros(6, dtype=np.uint32),
                "MassTable": np.array([0.0, 1e-3, 0.0, 0.0, 0.0, 0.0]),
            }
            file.create_group("Header").attrs.update(gadget_header(first, BOX) | UNIT | header)
            for kind, columns in particles.items():
                rows = slice(bounds[i, kind], bounds[i + 1, kind])
                if rows.stop > rows.start:
                    _write_datasets(file.create_group(f"PartType{kind}"), _rows(columns, rows))


def _write_catalogue(
    stem: Path,
    first: Galaxy,
    tables: dict,
    cuts: dict,
    starts: dict | None = None,
    bounds: np.ndarray | None = None,
) -> None:
    """Catalogue files ``stem.i.hdf5``; with the offsets in them, as Illustris has it, when they are given."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    n_files = len(cuts["Group"]) - 1
    for i in range(n_files):
        with h5py.File(f"{stem}.{i}.hdf5", "w") as file:
            header = gadget_header(first, BOX) | {"NumFiles": np.int32(n_files)}
            if bounds is not None:
                header["FileOffsets_Snap"] = bounds[:-1].T
            for name, columns in tables.items():
                rows = slice(cuts[name][i], cuts[name][i + 1])
                key = "Nsubgroups" if name == "Subhalo" else "Ngroups"
                header[f"{key}_ThisFile"] = np.int32(rows.stop - rows.start)
                header[f"{key}_Total"] = np.int32(cuts[name][-1])
                if bounds is not None:
                    header[f"FileOffsets_{name}"] = cuts[name][:-1]
                table = file.create_group(name)
                if rows.stop > rows.start:
                    for field, values in columns.items():
                        table[field] = values[rows]
                    if starts is not None:
                        file[f"Offsets/{name}_SnapByType"] = starts[name][rows]
            file.create_group("Header").attrs.update(header)


def _write_offsets(path: Path, bounds: np.ndarray, cuts: dict, starts: dict) -> None:
    """TNG's file of offsets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["FileOffsets/SnapByType"] = bounds[:-1]
        for name, rows in starts.items():
            file[f"FileOffsets/{name}"] = cuts[name][:-1]
            file[f"{name}/SnapByType"] = rows


def _first_particles(subhaloes: dict, groups: dict) -> dict[str, np.ndarray]:
    """First particle of each type of each group, and of each subhalo within its group."""
    of_group = np.cumsum(groups["GroupLenType"], axis=0, dtype=np.int64) - groups["GroupLenType"]
    before = np.cumsum(subhaloes["SubhaloLenType"], axis=0, dtype=np.int64) - subhaloes["SubhaloLenType"]
    first = groups["GroupFirstSub"][subhaloes["SubhaloGrNr"]]
    return {"Group": of_group, "Subhalo": of_group[subhaloes["SubhaloGrNr"]] + before - before[first]}
