"""Catalogue columns of Illustris, TNG and CAMELS subhaloes in house units."""

import logging

import numpy as np

from mocks.readers.hdf5.snapshot import GAS, STARS
from mocks.readers.hdf5.units import Units

__all__ = ["SUBHALO_FIELDS", "catalogue_problems", "check_columns", "subhalo_columns", "subhalo_properties"]

logger = logging.getLogger(__name__)

SUBHALO_FIELDS = (
    "SubhaloLenType",
    "SubhaloPos",
    "SubhaloMassType",
    "SubhaloHalfmassRadType",
    "SubhaloSFR",
    "SubhaloGrNr",
    "SubhaloFlag",
)


_COLUMNS = {  # kinds of numbers, axes
    "SubhaloLenType": ("iu", 2),
    "SubhaloPos": ("iuf", 2),
    "SubhaloMassType": ("iuf", 2),
    "SubhaloHalfmassRadType": ("iuf", 2),
    "SubhaloSFR": ("iuf", 1),
    "SubhaloGrNr": ("iu", 1),
    "SubhaloFlag": ("biu", 1),
    "GroupFirstSub": ("iu", 1),
    "GroupLenType": ("iu", 2),
}
_WIDTH = {"SubhaloPos": 3}  # length of the second axis; for all others one per particle type


def check_columns(raw: dict, where: str) -> None:
    """Refuse catalogue columns of the wrong kind or shape, and groups that are not there.

    Parameters
    ----------
    raw : dict of ndarray
        See `subhalo_columns`.
    where : str
        File or folder.

    Raises
    ------
    ValueError
        Naming the column.
    """
    for name, (kinds, n_axes) in _COLUMNS.items():
        values = raw.get(name)
        if values is None:
            continue
        least = _WIDTH.get(name, STARS + 1)
        if (
            values.dtype.kind not in kinds
            or values.ndim != n_axes
            or (n_axes == 2 and values.shape[1] < least)
        ):
            wanted = "whole numbers" if "f" not in kinds else "numbers"
            raise ValueError(
                f"{where}: {name} holds {values.dtype} of shape {values.shape}, where {wanted} in {n_axes} "
                "axes are needed; fetch the catalogue again."
            )
    rows = {name: len(raw[name]) for name in SUBHALO_FIELDS if raw.get(name) is not None}
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise ValueError(f"{where}: its columns differ in length ({counts}); fetch the catalogue again.")
    if "SubhaloGrNr" in raw and "GroupFirstSub" in raw:
        group, count = raw["SubhaloGrNr"], len(raw["GroupFirstSub"])
        if len(group) and not -1 <= int(group.min()) <= int(group.max()) < count:
            raise ValueError(
                f"{where}: SubhaloGrNr runs from {group.min()} to {group.max()}, of {count} groups; fetch "
                "the catalogue again."
            )


def subhalo_columns(
    raw: dict, a: float, h: float, units: Units, include_flagged: bool, where: str, first: int = 0
) -> dict[str, np.ndarray]:
    """Subhaloes that have stars, in house units.

    Parameters
    ----------
    raw : dict of ndarray
        Catalogue columns by the simulation's names (`SUBHALO_FIELDS`, those it has), in code units, and
        ``GroupFirstSub``.
    a, h : float
        Scale factor, Hubble constant [100 km/s/Mpc].
    units : Units
        Of the snapshot and its catalogue.
    include_flagged : bool
        Keep subhaloes with ``SubhaloFlag`` 0, which are not of cosmological origin.
    where : str
        File, for the log.
    first : int
        Number of the first row's subhalo.

    Returns
    -------
    dict of ndarray
        Columns of `mocks.readers.Snapshot.catalogue`.
    """
    kept = raw["SubhaloLenType"][:, STARS] > 0
    flag = raw["SubhaloFlag"].astype(bool) if "SubhaloFlag" in raw else np.ones(len(kept), dtype=bool)
    dropped = np.count_nonzero(kept & ~flag)
    if dropped and not include_flagged:
        logger.info("%s: %d subhaloes flagged as not cosmological left out", where, dropped)
        kept &= flag
    rows = np.flatnonzero(kept)
    table = {"subhalo_id": rows + first, "n_stars": raw["SubhaloLenType"][rows, STARS]}
    if "SubhaloMassType" in raw:
        for name, kind in (("stellar_mass", STARS), ("gas_mass", GAS)):
            table[name] = _house(raw["SubhaloMassType"][rows, kind], units.mass, a, h)
    if "SubhaloHalfmassRadType" in raw:
        table["half_mass_radius"] = _house(raw["SubhaloHalfmassRadType"][rows, STARS], units.length, a, h)
    if "SubhaloSFR" in raw:
        table["star_formation_rate"] = raw["SubhaloSFR"][rows].astype(float)
    if "SubhaloGrNr" in raw:
        table["group"] = raw["SubhaloGrNr"][rows]
        if "GroupFirstSub" in raw:
            table["is_central"] = raw["GroupFirstSub"][table["group"]] == table["subhalo_id"]
    table["flag"] = flag[rows]
    if "SubhaloPos" in raw:
        for axis, name in enumerate("xyz"):
            table[name] = _house(raw["SubhaloPos"][rows, axis], units.length, a, h)
    return table


def _house(values: np.ndarray, unit: tuple[float, float, float], a: float, h: float) -> np.ndarray:
    """House units of catalogue values in a unit of `Units`."""
    factor, a_exponent, h_exponent = unit
    scaled = values.astype(float) * factor * a**a_exponent
    return scaled / h if h_exponent == -1.0 else scaled * h**h_exponent


def subhalo_properties(raw: dict, subhalo_id: int, a: float, h: float, units: Units) -> dict:
    """Catalogue values of one subhalo in house units, flagged or not.

    Parameters
    ----------
    raw : dict of ndarray
        See `subhalo_columns`.
    subhalo_id : int
        With stars.
    a, h : float
        Scale factor, Hubble constant [100 km/s/Mpc].
    units : Units
        Of the snapshot and its catalogue.

    Returns
    -------
    dict
        By column name, without ``subhalo_id`` and position.
    """
    row = {name: raw[name][subhalo_id : subhalo_id + 1] for name in SUBHALO_FIELDS if name in raw}
    if "GroupFirstSub" in raw:
        row["GroupFirstSub"] = raw["GroupFirstSub"]
    columns = subhalo_columns(row, a, h, units, True, "", first=subhalo_id)
    return {name: values[0].item() for name, values in columns.items() if name not in ("subhalo_id", *"xyz")}


def catalogue_problems(where: str, header: dict, count: int) -> list[str]:
    """Compare the number of subhaloes of a whole catalogue with the one that its header promises.

    Parameters
    ----------
    where : str
        File or folder.
    header : dict
        Of one of its files.
    count : int
        Subhaloes that are there.

    Returns
    -------
    list of str
        What is wrong, empty when nothing is.
    """
    promised = header.get("Nsubgroups_Total", count)
    problems = [] if count else [f"{where}: the catalogue holds no subhalo."]
    if isinstance(promised, int | float) and int(promised) != count:
        problems.append(f"{where}: {count} subhaloes are there, Nsubgroups_Total says {promised}; cut short?")
    return problems
