"""Catalogues of places on the sky, as a table in any form that astropy reads."""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

__all__ = ["read_places", "read_table"]

_NAMES = {
    "ra": ("ra", "ra_deg", "raj2000", "alpha_j2000"),
    "dec": ("dec", "dec_deg", "dej2000", "delta_j2000"),
}


def read_table(path: Path) -> Table:
    """Table of any form that astropy reads, places in degrees; ``#`` begins comments in CSV, as SkyServer's.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file, it is no table, or its places are no angles.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a table.")
    form = {"comment": "#", "format": "ascii.csv"} if path.suffix.lower() == ".csv" else {}
    try:
        table = Table.read(path, **form)
    except Exception as error:  # astropy raises many kinds for files that are no tables
        raise ValueError(f"{path}: no table that can be read ({error}).") from error
    for name in table.colnames:
        if name.lower() in (*_NAMES["ra"], *_NAMES["dec"]) and table[name].unit is not None:
            try:
                factor = u.Unit(table[name].unit).to(u.deg)
            except (u.UnitsError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}: column {name} has the unit {table[name].unit}, no angle."
                ) from error
            table[name] = table[name] * factor
            table[name].unit = u.deg
    return table


def read_places(path: Path) -> Table:
    """Table of galaxies with their places.

    Parameters
    ----------
    path : Path
        ECSV, CSV, FITS or VOTable with columns ``ra`` and ``dec`` [deg], in any case of letters.

    Returns
    -------
    Table
        With columns ``ra`` and ``dec`` first; rows without a place are left out.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file, it is no table, or it has no places.
    """
    table = read_table(path)
    lower = {name.lower(): name for name in table.colnames}
    found = {
        axis: next((lower[name] for name in names if name in lower), None) for axis, names in _NAMES.items()
    }
    if None in found.values():
        raise ValueError(f"{path}: no columns ra and dec [deg]; it has {', '.join(table.colnames)}.")
    places = Table()
    for axis, name in found.items():
        places[axis] = np.ma.filled(np.ma.asarray(table[name], float), np.nan)
    for name in table.colnames:
        if name not in found.values() and table[name].ndim == 1:
            places[name] = table[name]
    good = np.isfinite(places["ra"]) & (np.abs(places["dec"]) <= 90)
    if not good.any():
        raise ValueError(f"{path}: none of its {len(places)} rows has a place on the sky.")
    return places[good]
