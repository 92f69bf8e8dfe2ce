"""Info and part files of RAMSES."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocks.readers.particles.gathering import Part
from mocks.readers.particles.geometry import in_sphere
from mocks.readers.ramses.fortran import Records

__all__ = ["Info", "check_part", "read_info", "read_stars", "uses_proper_time"]

STAR_FAMILY = 2
TYPES = {
    "b": "<i1",
    "h": "<i2",
    "i": "<i4",
    "q": "<i8",
    "f": "<f4",
    "d": "<f8",
}  # types in part_file_descriptor.txt
VECTORS = {
    "position": ("position_x", "position_y", "position_z"),
    "velocity": ("velocity_x", "velocity_y", "velocity_z"),
}
SCALARS = {
    "mass": "mass",
    "birth": "birth_time",
    "metallicity": "metallicity",
    "identity": "identity",
    "initial_mass": "initial_mass",
}
LEAST_H0, MOST_A = 10.0, 1.1  # km/s/Mpc, scale factor: a run without cosmology has 1 and 1, or more
MOST_FILES = 1_000_000  # largest number of files, whatever a damaged info file says
FEWEST_RECORDS = 10  # in the old format: positions, velocities, mass, id, level, birth time
HEADER_RECORDS = 8  # ncpu, ndim, npart, localseed, nstar_tot, mstar_tot, mstar_lost, nsink


@dataclass(frozen=True, eq=False, kw_only=True)
class Info:
    """What an info file tells.

    Parameters
    ----------
    folder : Path
    files : tuple of Path
        Part files in the order of their CPUs.
    box_length, time, scale_factor, hubble, omega_m, omega_lambda, omega_b : float
        In the file's own units (box 1; H0 in km/s/Mpc).
    unit_length, unit_density, unit_time : float
        [cm, g/cm^3, s].
    coarsest_level : int
        The grid is nowhere coarser than ``2**-coarsest_level`` of the box.
    bounds : ndarray, shape (n_cpu + 1,), or None
        Hilbert keys between the CPU domains; None for another ordering.
    layout : tuple of pairs, or None
        Name and numpy type of each record of the part files, from their descriptor; None for the old format.
    """

    folder: Path
    files: tuple[Path, ...]
    box_length: float
    time: float
    scale_factor: float
    hubble: float
    omega_m: float
    omega_lambda: float
    omega_b: float | None
    unit_length: float
    unit_density: float
    unit_time: float
    coarsest_level: int
    bounds: np.ndarray | None
    layout: tuple[tuple[str, str], ...] | None


def _numbers(path: Path) -> dict[str, float]:
    """``key = value`` lines of an info file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; it holds the units and the cosmology. Fetch it.")
    values = {}
    for line in path.read_text(errors="replace").splitlines():
        if match := re.fullmatch(r"\s*(\w+)\s*=\s*([-+.\dEeDd]+)\s*", line):
            try:
                values[match[1]] = float(match[2].replace("D", "E").replace("d", "e"))
            except ValueError as error:
                raise ValueError(f"{path}: {line.strip()!r} is not a number; fetch it again.") from error
    needed = ("ncpu", "boxlen", "time", "aexp", "H0", "omega_m", "omega_l", "unit_l", "unit_d", "unit_t")
    missing = [name for name in needed if not np.isfinite(values.get(name, np.nan))]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; the file is damaged. Fetch it again.")
    positive = [
        name for name in ("ncpu", "boxlen", "aexp", "unit_l", "unit_d", "unit_t") if values[name] <= 0
    ]
    if positive:
        raise ValueError(f"{path}: {', '.join(positive)} not positive; the file is damaged. Fetch it again.")
    return values


def _bounds(path: Path, n_cpu: int) -> np.ndarray | None:
    """Hilbert key ranges of an info file, None for another ordering."""
    lines = path.read_text(errors="replace").splitlines()
    start = [i for i, line in enumerate(lines) if "DOMAIN" in line]
    if not start or not any("ordering type=hilbert" in line.replace(" = ", "=") for line in lines):
        return None
    try:
        table = np.array(
            [[float(x) for x in line.split()[1:3]] for line in lines[start[0] + 1 : start[0] + 1 + n_cpu]]
        )
        bounds = np.append(table[:, 0], table[-1, 1])
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path}: the table of CPU domains is damaged; fetch it again.") from error
    if len(bounds) != n_cpu + 1 or (np.diff(bounds) < 0).any():
        raise ValueError(f"{path}: the table of CPU domains is damaged; fetch it again.")
    return bounds


def _layout(path: Path) -> tuple[tuple[str, str], ...] | None:
    """List the records that a part_file_descriptor names, None without one."""
    if not path.is_file():
        return None
    layout = []
    for line in path.read_text(errors="replace").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            parts = [part.strip() for part in line.split(",")]
            if len(parts) != 3 or parts[2] not in TYPES:
                raise ValueError(
                    f"{path}: line {line!r} is not 'number, name, type' with type of {', '.join(TYPES)}."
                )
            layout.append((parts[1], TYPES[parts[2]]))
    return tuple(layout)


def read_info(folder: Path) -> Info:
    """Read the info file and the descriptor of an output, and check that all part files are there.

    Parameters
    ----------
    folder : Path
        ``output_NNNNN``.

    Raises
    ------
    FileNotFoundError
        When the info file or a part file is missing.
    ValueError
        When the info file is damaged or the run is not cosmological.
    """
    number = folder.name[7:]
    path = folder / f"info_{number}.txt"
    values = _numbers(path)
    if values["H0"] < LEAST_H0 or not 0.0 < values["aexp"] <= MOST_A:
        raise ValueError(
            f"{path}: H0 = {values['H0']:g} and aexp = {values['aexp']:g} are of a run without "
            "cosmology; ages need one."
        )
    n_cpu = int(values["ncpu"])
    files = tuple(folder / f"part_{number}.out{cpu:05d}" for cpu in range(1, min(n_cpu, MOST_FILES) + 1))
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: {len(missing)} of {n_cpu} part files are missing: {', '.join(missing[:5])}"
            f"{' ...' if len(missing) > 5 else ''}. Stars would be lost silently; fetch them."
        )
    more = folder / f"part_{number}.out{n_cpu + 1:05d}"
    if more.is_file():
        raise ValueError(
            f"{folder}: {more.name} is there, but {path.name} has ncpu = {n_cpu}; of two outputs? Correct "
            "the number, or keep the files of one output in the folder."
        )
    if _is_not_cosmological(folder):
        raise ValueError(
            f"{folder}: namelist.txt has cosmo=.false., {path.name} H0 = {values['H0']:g} and aexp = "
            f"{values['aexp']:g}; ages need a cosmology. Remove the namelist if it is of another run."
        )
    return Info(
        folder=folder,
        files=files,
        box_length=values["boxlen"],
        time=values["time"],
        scale_factor=values["aexp"],
        hubble=values["H0"],
        omega_m=values["omega_m"],
        omega_lambda=values["omega_l"],
        omega_b=values.get("omega_b"),
        unit_length=values["unit_l"],
        unit_density=values["unit_d"],
        unit_time=values["unit_t"],
        coarsest_level=int(values.get("levelmin", 1)),
        bounds=_bounds(path, n_cpu),
        layout=_layout(folder / "part_file_descriptor.txt"),
    )


def _old_records(records: Records, count: int, wanted: set[str]) -> dict[str, np.ndarray]:
    """Read a part file without descriptor: records by place and, where builds differ, by length."""
    fields = {}
    floats = (*VECTORS["position"], *VECTORS["velocity"], "mass")
    for name in floats:
        if name in wanted:
            fields[name] = records.array(count, ("<f8", "<f4"))
        else:
            records.skip()
    if "identity" in wanted:
        fields["identity"] = records.array(count, ("<i4", "<i8"))
    else:
        records.skip()
    records.skip()  # level
    raw = records.read()
    if (
        len(raw) == count
    ):  # family and tag, one byte each, came in autumn 2017; the descriptor was left out here
        fields["family"] = raw.view("<i1")
        records.skip()
        raw = records.read()
    if len(raw) != 8 * count:
        raise OSError(
            f"{records.path}: {len(raw)} bytes where birth times of {count} particles belong; no stars kept?"
        )
    fields["birth_time"] = raw.view("<f8")
    if "metallicity" in wanted and not records.at_end:
        fields["metallicity"] = records.array(count, ("<f8", "<f4"))
    return fields


def check_part(path: Path, info: Info) -> int:
    """Go through the records of a part file without reading their numbers.

    Parameters
    ----------
    path : Path
        ``part_NNNNN.outCCCCC``.
    info : Info
        Of the output.

    Returns
    -------
    int
        Number of stars of the whole output, as the code has counted them.

    Raises
    ------
    OSError
        When the file is cut short or its record markers are wrong.
    """
    with Records(path) as records:
        records.skip(2)
        count = records.read("<i4")
        records.skip()
        promised = records.read()
        records.skip(HEADER_RECORDS - 5)
        if len(count) != 1 or count[0] < 0 or len(promised) not in (4, 8):
            raise OSError(f"{path}: no particle counts in its header; is it a part file of RAMSES?")
        needed = FEWEST_RECORDS if info.layout is None else len(info.layout)
        while count[0] and not records.at_end:
            records.skip()
            needed -= 1
        if count[0] and needed > 0:
            raise OSError(f"{path}: ends {needed} records before it should; cut short? Fetch it again.")
    return int(promised.view("<i4" if len(promised) == 4 else "<i8")[0])


def uses_proper_time(folder: Path) -> bool | None:
    """Whether birth times are proper, by the namelist that RAMSES leaves in its output.

    Parameters
    ----------
    folder : Path
        ``output_NNNNN``.

    Returns
    -------
    bool or None
        None without a namelist.
    """
    if not (folder / "namelist.txt").is_file():
        return None
    return _flag(folder, "use_proper_time") is True


def _is_not_cosmological(folder: Path) -> bool:
    """Whether the output's namelist, where it has one, says that the run has no cosmology."""
    return (folder / "namelist.txt").is_file() and _flag(folder, "cosmo") is False


def _flag(folder: Path, name: str) -> bool | None:
    """Value of a logical variable in an output's namelist, None where it is not set."""
    text = (folder / "namelist.txt").read_text(errors="replace")
    lines = [line.split("!")[0] for line in text.splitlines()]
    flags = re.findall(rf"(?i)\b{name}\s*=\s*\.?([tf])", "\n".join(lines))
    return flags[-1].lower() == "t" if flags else None


@functools.cache
def _stored(fields: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Tell the records that make each house field."""
    if {"mass", "birth", "velocity"} <= set(fields):
        fields = (*fields, "initial_mass")
    return {field: VECTORS.get(field, (SCALARS.get(field, field),)) for field in fields}


def read_stars(
    path: Path, info: Info, fields: tuple[str, ...], sphere: tuple[np.ndarray, float] | None = None
) -> Part:
    """Find the stars in one part file.

    Parameters
    ----------
    path : Path
        ``part_NNNNN.outCCCCC``.
    info : Info
        Of the output.
    fields : tuple of str
        Of ``position``, ``velocity`` (n, 3), ``mass``, ``birth``, ``metallicity``, ``identity``; fields that
        the run does not store are left out, ``initial_mass`` is added where it does.
    sphere : tuple of (centre (3,), radius), optional
        Only stars in it, or of NaN position [code units, periodic box]; needs ``position`` among the fields.

    Raises
    ------
    OSError
        When the file is cut short or its record markers are wrong.
    ValueError
        When the run has no birth times.
    """
    stored = _stored(fields)
    wanted = {"birth_time", "family"}.union(*stored.values())
    with Records(path) as records:
        records.skip(2)
        header = records.read("<i4")
        if len(header) != 1 or header[0] < 0:
            raise OSError(f"{path}: no number of particles in the third record; is it a part file of RAMSES?")
        count = int(header[0])
        records.skip(HEADER_RECORDS - 3)
        if count == 0:
            return Part({}, np.zeros(0, dtype=np.intp))
        if info.layout is None:
            columns = _old_records(records, count, wanted)
        else:
            columns = {}
            for name, kind in info.layout:
                if name in wanted:
                    columns[name] = records.array(count, (kind,))
                else:
                    records.skip()
    if "birth_time" not in columns:
        raise ValueError(f"{path}: particles have no birth times; a run without star formation has no light.")
    # in the old format stars alone have a birth time; those not yet exploded carry negative ids
    chosen = columns["family"] == STAR_FAMILY if "family" in columns else columns["birth_time"] != 0
    if sphere is not None:
        chosen &= in_sphere([columns[name] for name in VECTORS["position"]], *sphere, info.box_length)
    house = {
        field: tuple([columns[name] for name in names])
        for field, names in stored.items()
        if columns.keys() >= set(names)
    }
    return Part(house, np.flatnonzero(chosen))
