"""Names, cosmologies and boxes from headers; what to fall back on where a header is silent."""

import re
from dataclasses import dataclass

import numpy as np
from astropy.cosmology import FLRW

from mocks.readers.particles.times import checked_cosmology

__all__ = ["RUNS", "Run", "cosmology_of", "given_header", "redshift_of", "run_name"]


@dataclass(frozen=True)
class Run:
    """A published simulation.

    Parameters
    ----------
    format : str
        Its family.
    h, omega_m : float
        Hubble constant [100 km/s/Mpc] and matter density.
    box : float
        Side [comoving Mpc/h].
    dark_matter_mass : float, optional
        Mass of a dark-matter particle as its header gives it [1e10 Msun/h].
    last : int, optional
        Number of its snapshot of today.
    """

    family: str
    h: float
    omega_m: float
    box: float
    dark_matter_mass: float | None = None
    last: int | None = None

    def contradictions(self, h: float, omega_m: float, box: float | None) -> list[str]:
        """Say in what an output that goes by the name of this run is another.

        Parameters
        ----------
        h, omega_m : float
            Of the output [100 km/s/Mpc].
        box : float or None
            Side [comoving Mpc/h], where known.

        Returns
        -------
        list of str
            Both values; empty when they are equal.
        """
        pairs = {"h": (h, self.h), "Omega_m": (omega_m, self.omega_m), "box side [Mpc/h]": (box, self.box)}
        return [
            f"{name} = {own:.6g} in the file, {published:g} as published"
            for name, (own, published) in pairs.items()
            if own is not None and not np.isclose(own, published, rtol=AS_PUBLISHED, atol=0.0)
        ]


def _levels(
    name: str, box: float, h: float, omega_m: float, finest: float, count: int, last: int
) -> dict[str, Run]:
    """List runs of one box at resolutions that differ by 8 in mass, finest first."""
    return {
        f"{name}-{i + 1}": Run("illustris", h, omega_m, box, finest * 8**i, last=last) for i in range(count)
    }


# Box, cosmology and particle mass from the release papers: Nelson et al. 2019 (ComAC 6, 2) tables 1 and 2,
# Nelson et al. 2015 (A&C 13, 12) table 1, McAlpine et al. 2016 (A&C 15, 72) table 2,
# Villaescusa-Navarro et al. 2023 (ApJS 265, 54), Dubois et al. 2014 (MNRAS 444, 1453), 2021 (A&A 651, A109),
# Schaye et al. 2023 (MNRAS 526, 4978; the cosmology that COLIBRE shares)
# How near a header's numbers come to those of the published run that they are of, relative.
AS_PUBLISHED = 2e-3  # headers round h and Omega_m to three or four digits
SAME_RUN, SAME_HUBBLE = 1e-3, 1e-4  # h, Omega_m and the box; h alone
SAME_PARTICLE = 0.02  # mass of dark matter particles: runs of one series differ by a factor of 8
MOST_MPC = 1000.0  # largest box in cMpc/h; a larger number is in ckpc/h
LEAST_REDSHIFT, MOST_REDSHIFT = -0.01, 200.0  # below 0 by rounding of a; no run starts before
RUNS = {
    **_levels("TNG50", 35.0, 0.6774, 0.3089, 3.07368e-5, 4, 99),
    **_levels("TNG100", 75.0, 0.6774, 0.3089, 5.05574e-4, 3, 99),
    **_levels("TNG300", 205.0, 0.6774, 0.3089, 3.98342e-3, 3, 99),
    **_levels("Illustris", 75.0, 0.704, 0.2726, 4.40897e-4, 3, 135),
    "CAMELS-TNG": Run("camels", 0.6711, 0.3, 25.0),
    "EAGLE-RefL0100N1504": Run("eagle", 0.6777, 0.307, 67.77, 6.5703e-4, 28),
    "EAGLE-RefL0050N0752": Run("eagle", 0.6777, 0.307, 33.885, 6.5703e-4, 28),
    "EAGLE-RefL0025N0376": Run("eagle", 0.6777, 0.307, 16.9425, 6.5703e-4, 28),
    "EAGLE-RecalL0025N0752": Run("eagle", 0.6777, 0.307, 16.9425, 8.2129e-5, 28),
    "Horizon-AGN": Run("horizon-agn", 0.704, 0.272, 100.0),
    "NewHorizon": Run("ramses", 0.704, 0.272, 100.0),
    "COLIBRE-L0050": Run("swift", 0.681, 0.306, 34.05),
}

# Names that the Illustris and TNG servers write into cutouts: box side and particles per side
_API_NAMES = re.compile(r"L(\d+)n(\d+)(TNG|FP)")
_API_FINEST = {(35, "TNG"): ("TNG50", 2160), (75, "TNG"): ("TNG100", 1820), (205, "TNG"): ("TNG300", 2500)}
_API_FINEST[(75, "FP")] = ("Illustris", 1820)


def run_name(header: dict, default: str) -> str:
    """Name of the run that wrote a header.

    Parameters
    ----------
    header : dict
        Attributes of the ``Header`` group.
    default : str
        Used when neither a name nor box, cosmology and particle mass tell.
    """
    stated = str(header.get("SimulationName", "")).strip(" \"'")
    match = _API_NAMES.fullmatch(stated)
    if match:
        box, side, physics = int(match[1]), int(match[2]), match[3]
        name, finest = _API_FINEST.get((box, physics), (stated, side))
        return f"{name}-{1 + round(np.log2(finest / side))}" if name != stated else stated
    if stated:
        return stated
    h, omega_m, box = (header.get(name) for name in ("HubbleParam", "Omega0", "BoxSize"))
    masses = np.atleast_1d(header.get("MassTable", 0.0))
    dark_matter = masses[1] if len(masses) > 1 else 0.0
    if isinstance(h, float) and isinstance(omega_m, float) and isinstance(box, float):
        box = box / 1000.0 if box > MOST_MPC else box
        for name, run in RUNS.items():
            same = np.allclose([run.h, run.omega_m, run.box], [h, omega_m, box], rtol=SAME_RUN)
            if (
                same
                and run.dark_matter_mass
                and np.isclose(dark_matter, run.dark_matter_mass, rtol=SAME_PARTICLE)
            ):
                return name
    label = str(header.get("RunLabel", "")).strip(" \"'")
    return label or default


def cosmology_of(where: str, header: dict) -> tuple[FLRW, float, tuple[str, ...]]:
    """Cosmology in a header.

    Parameters
    ----------
    where : str
        File, for the message.
    header : dict

    Returns
    -------
    FLRW
    float
        h, the Hubble constant [100 km/s/Mpc].
    tuple of str
        Notes.

    Raises
    ------
    ValueError
        When the header lacks ``HubbleParam`` or ``Omega0``.
    """
    notes = ()
    if "HubbleParam" in header and "Omega0" not in header:
        same = {
            name: run
            for name, run in RUNS.items()
            if np.isclose(run.h, header["HubbleParam"], rtol=SAME_HUBBLE)
        }
        if len({run.omega_m for run in same.values()}) == 1:
            name, run = next(iter(same.items()))
            header = header | {"Omega0": run.omega_m}
            notes = (f"Omega0 not stored: {run.omega_m:g} of {name} taken",)
    missing = [name for name in ("HubbleParam", "Omega0") if not isinstance(header.get(name), float | int)]
    if missing:
        raise ValueError(
            f"{where}: no {' and '.join(missing)} in the Header; add it, or fetch the file again."
        )
    h, omega_m, omega_lambda = (
        float(header["HubbleParam"]),
        float(header["Omega0"]),
        header.get("OmegaLambda"),
    )
    if omega_lambda is None:
        notes = (*notes, "OmegaLambda not stored: flat universe taken")
    try:
        return checked_cosmology(h, omega_m, omega_lambda, header.get("OmegaBaryon")), h, notes
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error


def redshift_of(where: str, header: dict) -> float:
    """Redshift in a header, from ``Redshift``, or else ``Time`` or ``ExpansionFactor``; never below 0.

    Raises
    ------
    ValueError
        When there is none, or one that no output can have.
    """
    names = ("Redshift", "Time", "ExpansionFactor", "Scale-factor")
    stated = {name: header[name] for name in names if header.get(name) is not None}
    known = [
        float(value) if name == "Redshift" else 1.0 / value - 1.0
        for name, value in stated.items()
        if isinstance(value, float | int) and (name == "Redshift" or value > 0)
    ]
    if not known or not LEAST_REDSHIFT < known[0] < MOST_REDSHIFT:
        known = {name: v if isinstance(v, float | int) else repr(v) for name, v in stated.items()}
        shown = ", ".join(f"{name} = {value}" for name, value in known.items()) or "none of them"
        raise ValueError(
            f"{where}: the Header gives no redshift between 0 and {MOST_REDSHIFT:g}, nor its scale factor "
            f"({shown}); one of {', '.join(names)} is needed."
        )
    return max(known[0], 0.0)


def given_header(
    a: float | None, h: float | None, omega_m: float | None, box_size: float | None
) -> dict[str, float]:
    """Collect the entries of a header that a user states instead.

    Parameters
    ----------
    a, h, omega_m, box_size : float, optional
        Scale factor, Hubble constant [100 km/s/Mpc], matter density of a flat universe, side of the box in
        the header's unit.

    Returns
    -------
    dict of float
        By Gadget's names.

    Raises
    ------
    ValueError
        For a scale factor that is none.
    """
    given = {"HubbleParam": h, "Omega0": omega_m, "BoxSize": box_size}
    if omega_m is not None:
        given["OmegaLambda"] = 1.0 - omega_m
    if a is not None:
        if not 0.0 < a <= 1.0:
            raise ValueError(f"a is {a}; a scale factor is above 0 and at most 1.")
        given |= {"Time": float(a), "Redshift": 1.0 / a - 1.0}
    return {name: float(np.float64(value)) for name, value in given.items() if value is not None}
