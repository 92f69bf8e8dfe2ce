"""Toy galaxies as a RAMSES output with GalaxyMaker's catalogue."""

import itertools
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mocks.galaxy import Galaxy
from mocks.readers.hdf5.units import KM, KPC, MSUN
from mocks.readers.particles.hilbert import hilbert_keys
from mocks.readers.particles.times import conformal_time
from mocks.toys.placing import birth_scale_factor, check_one_output, places

__all__ = ["write_ramses_output"]

BOX = 20_000.0  # comoving kpc
LEVELS = (7, 14)  # levelmin, levelmax
DARK = 200  # dark-matter particles, for their ids and zero birth times
DESCRIPTOR = [
    *((f"{name}_{axis}", "d") for name in ("position", "velocity") for axis in "xyz"),
    *(("mass", "d"), ("identity", "i"), ("levelp", "i"), ("family", "b"), ("tag", "b")),
    *(("birth_time", "d"), ("metallicity", "d")),
]
CRITICAL = 1.878e-29  # g/cm^3 for h = 1


def _record(file: BinaryIO, values: np.ndarray) -> None:
    """One Fortran unformatted record."""
    raw = np.ascontiguousarray(values).tobytes()
    marker = np.int32(len(raw)).tobytes()
    file.write(marker + raw + marker)


def _info(first: Galaxy, units: dict[str, float], bounds: np.ndarray) -> str:
    """Text of the info file."""
    cosmology, a = first.cosmology, 1.0 / (1.0 + first.redshift)
    numbers = {
        "ncpu": len(bounds) - 1,
        "ndim": 3,
        "levelmin": LEVELS[0],
        "levelmax": LEVELS[1],
        "ngridmax": 100000,
    }
    lines = [f"{name:<12}= {value:10d}" for name, value in (numbers | {"nstep_coarse": 100}).items()] + [""]
    values = {
        "boxlen": 1.0,
        "time": float(conformal_time(a, cosmology)),
        "aexp": a,
        "H0": cosmology.H0.value,
        "omega_m": cosmology.Om0,
        "omega_l": 1.0 - cosmology.Om0,
        "omega_k": 0.0,
        "omega_b": cosmology.Ob0 or 0.0,
    } | units
    lines += [f"{name:<12}= {value:22.15E}" for name, value in values.items()] + ["", "ordering type=hilbert"]
    lines += ["   DOMAIN   ind_min                 ind_max"]
    lines += [
        f"{i + 1:8d} {low:23.15E} {high:23.15E}" for i, (low, high) in enumerate(itertools.pairwise(bounds))
    ]
    return "\n".join(lines) + "\n"


def _particles(galaxies: list[Galaxy], units: dict[str, float], box: float, rng: np.random.Generator) -> dict:
    """Stars and dark matter in code units; ``galaxy`` is -1 for dark matter."""
    a, cosmology = 1.0 / (1.0 + galaxies[0].redshift), galaxies[0].cosmology
    parts = []
    for number, (galaxy, centre) in enumerate(zip(galaxies, places(len(galaxies), 1.0), strict=True)):
        stars = galaxy.stars
        velocity = np.zeros_like(stars.position) if stars.velocity is None else stars.velocity
        parts.append(
            {
                "position": (centre + stars.position / box) % 1.0,
                "velocity": velocity * KM * units["unit_t"] / units["unit_l"],
                "mass": stars.mass * MSUN / (units["unit_d"] * units["unit_l"] ** 3),
                "birth": np.minimum(
                    conformal_time(birth_scale_factor(galaxy), cosmology), float(conformal_time(a, cosmology))
                ),
                "metallicity": stars.metallicity,
                "galaxy": np.full(len(stars), number),
            }
        )
    n_stars = sum(len(part["mass"]) for part in parts)
    dark = {
        "position": rng.uniform(size=(DARK, 3)),
        "velocity": np.zeros((DARK, 3)),
        "mass": np.full(DARK, 1e-6),
    }
    parts.append(dark | {"birth": np.zeros(DARK), "metallicity": np.zeros(DARK), "galaxy": np.full(DARK, -1)})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # stars and dark matter number themselves each from 1
    columns["identity"] = np.concatenate([np.arange(n_stars), np.arange(DARK)]).astype(np.int32) + 1
    return columns


def _write_part(path: Path, columns: dict[str, np.ndarray], n_cpu: int, n_stars: int, families: bool) -> None:
    """One part file of an output, in the format before particle families or after."""
    n = len(columns["mass"])
    with path.open("wb") as file:
        for value in (n_cpu, 3, n):
            _record(file, np.int32([value]))
        _record(file, np.zeros(4, dtype=np.int32))  # localseed
        _record(file, np.int32([n_stars]))
        _record(file, np.zeros(1))  # mstar_tot
        _record(file, np.zeros(1))  # mstar_lost
        _record(file, np.zeros(1, dtype=np.int32))  # nsink
        for name in ("position", "velocity"):
            for axis in range(3):
                _record(file, columns[name][:, axis])
        _record(file, columns["mass"])
        _record(file, columns["identity"])
        _record(file, np.full(n, LEVELS[1], dtype=np.int32))
        if families:
            _record(file, np.where(columns["birth"] != 0, 2, 1).astype(np.int8))
            _record(file, np.zeros(n, dtype=np.int8))  # tag
        _record(file, columns["birth"])
        _record(file, columns["metallicity"])


def _write_tree_bricks(
    path: Path, galaxies: list[Galaxy], columns: dict[str, np.ndarray], box: float
) -> None:
    """GalaxyMaker's catalogue of the galaxies, numbered from 1."""
    with path.open("wb") as file:
        _record(file, np.int32([len(columns["mass"])]))
        for value in (1e-5, 1.0 / (1.0 + galaxies[0].redshift), galaxies[0].cosmology.Om0, 13.8):
            _record(file, np.float32([value]))
        _record(file, np.int32([len(galaxies), 0]))
        for number, (galaxy, centre) in enumerate(zip(galaxies, places(len(galaxies), 1.0), strict=True)):
            identity = columns["identity"][columns["galaxy"] == number]
            radius = np.linalg.norm(galaxy.stars.position, axis=1).max() / 1e3
            _record(file, np.int32([len(identity)]))
            _record(file, identity)
            _record(file, np.int32([number + 1]))
            _record(file, np.int32([galaxy.snapshot]))
            _record(file, np.int32([1, number + 1, number + 1, 0, 0]))  # level, host, hostsub, nbsub, nextsub
            _record(file, np.float64([galaxy.stars.mass.sum() / 1e11]))
            _record(file, (centre - 0.5) * box / 1e3)  # physical Mpc about the box centre
            _record(file, np.zeros(3))  # velocity
            _record(file, np.zeros(3))  # angular momentum
            _record(file, np.float64([radius, radius, radius, radius]))
            _record(file, np.zeros(3))  # energies
            _record(file, np.zeros(1))  # spin
            _record(file, np.zeros(3))  # sigma, sigma_bulge, m_bulge
            _record(file, np.zeros(4))  # virial radius, mass, temperature, velocity
            _record(file, np.zeros(2))  # rho0, rc
            _record(file, np.int32([1]))
            _record(file, np.zeros(1))  # profile radii
            _record(file, np.zeros(1))  # profile densities


def write_ramses_output(
    folder: str | Path,
    galaxies: list[Galaxy],
    *,
    n_cpu: int = 3,
    catalogue: bool = True,
    families: bool = False,
    seed: int = 0,
) -> Path:
    """Write toy galaxies as a RAMSES output of the time of Horizon-AGN, with GalaxyMaker's ``tree_bricks``.

    Galaxy i becomes galaxy i + 1. Birth times are conformal, CPU domains are pieces of the Hilbert curve,
    star and dark-matter ids repeat each other, initial masses are not stored, the first galaxy lies across
    the corner of the box.

    Parameters
    ----------
    folder : str or Path
        Becomes the run's folder; its name is the run's name to the reader.
    galaxies : list of Galaxy
        Of one output.
    n_cpu : int
        Number of part files.
    catalogue : bool
        Whether GalaxyMaker's catalogue is written.
    families : bool
        Write the format of 2017 and later, with particle families and a file descriptor.
    seed : int
        Of the dark matter.

    Returns
    -------
    Path
        The output's folder, ``folder/output_NNNNN``.

    Raises
    ------
    ValueError
        When there is no galaxy, or they are of different outputs.
    """
    first = check_one_output(galaxies)
    a, h = 1.0 / (1.0 + first.redshift), first.cosmology.h
    output = Path(folder) / f"output_{first.snapshot:05d}"
    output.mkdir(parents=True, exist_ok=True)
    box = BOX * a  # physical kpc
    units = {
        "unit_l": box * KPC,
        "unit_d": CRITICAL * h**2 * first.cosmology.Om0 / a**3,
        "unit_t": a**2 * 3.0856775814913673e24 / (h * 1e7),
    }
    columns = _particles(galaxies, units, box, np.random.default_rng(seed))
    depth = LEVELS[1] + 1
    keys = hilbert_keys((columns["position"] * 2**depth).astype(np.int64), depth)
    ends = np.quantile(keys, np.linspace(0.0, 1.0, n_cpu + 1)[1:-1])
    bounds = np.concatenate([[0.0], np.floor(ends), [8.0**depth]])
    (output / f"info_{first.snapshot:05d}.txt").write_text(_info(first, units, bounds))
    n_stars = int(np.count_nonzero(columns["birth"]))
    for cpu in range(n_cpu):
        mine = (keys >= bounds[cpu]) & (keys < bounds[cpu + 1])
        path = output / f"part_{first.snapshot:05d}.out{cpu + 1:05d}"
        _write_part(path, {name: values[mine] for name, values in columns.items()}, n_cpu, n_stars, families)
    if families:
        lines = [f"{i + 1}, {name}, {kind}" for i, (name, kind) in enumerate(DESCRIPTOR)]
        text = "\n".join(["# version:  1", "# ivar, variable_name, variable_type", *lines])
        (output / "part_file_descriptor.txt").write_text(text + "\n")
    if catalogue:
        (Path(folder) / "galaxy").mkdir(exist_ok=True)
        _write_tree_bricks(
            Path(folder) / "galaxy" / f"tree_bricks{first.snapshot:05d}", galaxies, columns, box
        )
    return output
