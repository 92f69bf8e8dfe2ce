"""Opening outputs of RAMSES (Horizon-AGN, NewHorizon, ...), old and new layout."""

import importlib.util
import re
from pathlib import Path

import numpy as np
from astropy.cosmology import FLRW

from mocks.readers.base import Fingerprint
from mocks.readers.formats.ramses_output import RamsesSnapshot
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.readers.particles.times import checked_cosmology
from mocks.readers.ramses.files import Info, read_info, uses_proper_time
from mocks.readers.ramses.galaxymaker import find_galaxies

__all__ = ["RamsesSnapshot", "is_output_folder", "open_ramses"]

# Critical density over h^2 as RAMSES writes it, file amr/units.f90 [g/cm^3]; Mpc [cm]
CRITICAL, MPC, KM = 1.88e-29, 3.0856775814913673e24, 1e5
SAME_UNIT = 0.02  # relative; versions of the code have other constants


def _locate(path: Path) -> Path | None:
    """Output folder that a path is, or that it holds as the only one."""
    path = path.absolute()
    if re.fullmatch(r"output_\d{5}", path.name):
        return path
    outputs = [entry for entry in sorted(path.glob("output_?????")) if entry.name[7:].isdigit()]
    return outputs[0] if len(outputs) == 1 else None


def is_output_folder(seen: Fingerprint) -> bool:
    """Whether a path is an ``output_NNNNN`` folder, or holds one."""
    return seen.kind == "folder" and _locate(seen.path) is not None


def open_ramses(
    path: Path,
    *,
    simulation: str | None = None,
    snapshot: int | None = None,
    galaxies: str | Path | None = None,
    linking_length: float = 0.8,
    min_stars: int = 50,
    proper_time: bool | None = None,
    imf: str | None = None,
    remaining_fraction: float | None = None,
    gas_radius: float | None = None,
) -> RamsesSnapshot:
    """Open a RAMSES output.

    Parameters
    ----------
    path : Path
        Folder ``output_NNNNN``, or the run's folder.
    simulation : str, optional
        Name of the run; the name of the folder that holds the output when left out.
    snapshot : int, optional
        Number of the output; needed when the run's folder holds several.
    galaxies : str or Path, optional
        GalaxyMaker's ``tree_bricksNNN`` file or ``GAL_NNNNN`` folder. Looked for beside the output; without
        one, galaxies are friends-of-friends groups of stars.
    linking_length : float
        Of such groups [physical kpc].
    min_stars : int
        Smallest such group.
    proper_time : bool, optional
        Birth times are proper (``use_proper_time`` of newer codes) or conformal; by the output's
        ``namelist.txt``, or by the times themselves, when left out.
    imf : str, optional
        ``"chabrier"``, ``"kroupa"`` or ``"salpeter"``: how much mass populations lose, for the initial masses
        that part files do not hold. Salpeter for Horizon-AGN, else Chabrier.
    remaining_fraction : float, optional
        Current over initial mass of all stars instead, for runs that return a fixed fraction.
    gas_radius : float, optional
        Read the gas cells within this radius of each galaxy [physical kpc]; needs yt.

    Raises
    ------
    FileNotFoundError
        When the info file or a CPU file is missing.
    ValueError
        When the info file lacks what is needed or contradicts itself, or the run is not cosmological.
    """
    folder = _output(Path(path), snapshot)
    info = read_info(folder)
    _refuse_other_units(folder, info)
    name = simulation or folder.parent.name
    number = int(folder.name[7:])
    if galaxies is None:
        galaxies = find_galaxies(folder, number)
    elif not Path(galaxies).exists():
        raise FileNotFoundError(f"galaxies={galaxies} does not exist.")
    if remaining_fraction is not None and not 0.0 < remaining_fraction <= 1.0:
        raise ValueError(f"remaining_fraction is {remaining_fraction}; allowed is above 0 and at most 1.")
    imf = imf or ("salpeter" if name == "Horizon-AGN" else "chabrier")
    remaining_mass_fraction(np.ones(1), np.ones(1), imf)  # refuses an unknown name before any reading
    is_proper, notes = _birth_times(folder, proper_time)
    if gas_radius is not None and importlib.util.find_spec("yt") is None:
        raise ValueError(
            "gas cells of RAMSES (gas_radius=) need yt, which is missing: pip install 'simcompare[ramses]'."
        )
    return RamsesSnapshot(
        path=folder,
        format="ramses",
        simulation=name,
        snapshot=number,
        redshift=1.0 / info.scale_factor - 1.0,
        cosmology=_cosmology(folder, info),
        info=info,
        galaxies=None if galaxies is None else Path(galaxies),
        linking_length=linking_length,
        min_stars=min_stars,
        proper_time=is_proper,
        notes=notes,
        imf=imf,
        remaining_fraction=remaining_fraction,
        gas_radius=gas_radius,
    )


def _birth_times(folder: Path, stated: bool | None) -> tuple[bool | None, tuple[str, ...]]:
    """Tell whether birth times are proper as stated, or by ``namelist.txt``; and what is to be said of it."""
    in_namelist = uses_proper_time(folder)
    if in_namelist is not None and stated is not None and in_namelist != stated:
        words = ("conformal", "proper")
        return stated, (
            f"{words[stated]} birth times as stated, though namelist.txt says {words[in_namelist]}",
        )
    notes = ("birth times are proper ones by namelist.txt (use_proper_time)",) if in_namelist else ()
    return in_namelist if stated is None else stated, notes


def _refuse_other_units(folder: Path, info: Info) -> None:
    """Refuse units of density and time that are not those of the cosmology: RAMSES computes them from it."""
    h, a = info.hubble / 100.0, info.scale_factor
    expected = {
        "unit_d": (info.unit_density, CRITICAL * h**2 * info.omega_m / a**3),
        "unit_t": (info.unit_time, a**2 * MPC / (info.hubble * KM)),
    }
    for name, (stated, computed) in expected.items():
        if not np.isclose(stated, computed, rtol=SAME_UNIT, atol=0.0):
            raise ValueError(
                f"{folder}: info file: {name} is {stated:.6g}, but H0, omega_m and aexp make it "
                f"{computed:.6g} [cgs]; masses and velocities would be wrong by that. Correct the file, or "
                "fetch it again."
            )


def _output(path: Path, snapshot: int | None) -> Path:
    """Folder of one output: itself, or in its run's folder."""
    if snapshot is not None and "output_" not in path.name:
        folder = path / f"output_{snapshot:05d}"
    else:
        folder = _locate(path)
    if folder is None or not folder.is_dir():
        raise FileNotFoundError(
            f"{path} is not a folder output_NNNNN and does not contain exactly one; choose one with "
            "snapshot= (--reader snapshot=N)."
        )
    return folder


def _cosmology(folder: Path, info: Info) -> FLRW:
    """Cosmology that an info file tells."""
    try:
        return checked_cosmology(info.hubble / 100.0, info.omega_m, info.omega_lambda, info.omega_b)
    except ValueError as error:
        raise ValueError(f"{folder}: info file: {error}") from error
