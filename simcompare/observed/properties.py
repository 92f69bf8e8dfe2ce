"""Masses, rates, redshifts, types and surroundings of real galaxies, from catalogues matched by place."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

from simcompare.images.positions import match_places
from simcompare.models.density import REDSHIFTS
from simcompare.observed.places import lower_names, read_places
from simcompare.runs.tables import numbers_of

__all__ = [
    "KNOWN",
    "NEAR",
    "Known",
    "Property",
    "PropertyTable",
    "check_matches",
    "read_properties",
    "with_properties",
    "without_fill_values",
]

log = logging.getLogger(__name__)

FILL = -90.0  # no property is lower: -99, -999 and -9999 mean that there is no value
_PER_H2 = 0.7**-2  # masses of the NASA-Sloan Atlas are in Msun / h^2
SEPARATION, NEAR = "catalogue_separation", "catalogue_near"


@dataclass(frozen=True)
class Known:
    """Column of a public catalogue.

    Parameters
    ----------
    name : str
        In small letters.
    unit : str
        When the table states none; ``dex(...)`` for a logarithm.
    factor : float
        To multiply with, of units that astropy does not know, or -1 for a complement to one.
    beside : str
        Column that must stand beside it, where the name alone could be anything's.
    unless : str
        Column that must not.
    """

    name: str
    unit: str = ""
    factor: float = 1.0
    beside: str = ""
    unless: str = ""


@dataclass(frozen=True)
class Property:
    """What a galaxy has, in the unit of the catalogues of simulated ones.

    Parameters
    ----------
    unit : str
    low, high : float
        What lies outside is not a value.
    columns : tuple of Known
        Where it is found; the first that a table has is taken.
    """

    unit: str
    low: float
    high: float
    columns: tuple[Known, ...]


def _share(*names: str) -> Property:
    """Share of votes, or of light."""
    return Property("", 0.0, 1.0, tuple(map(Known, names)))


_MASS, _RATE, _SPECIFIC = "dex(solMass)", "dex(solMass / yr)", "dex(1 / yr)"
# MPA-JHU: Brinchmann et al. 2004, MNRAS 351, 1151. NSA: Blanton et al. 2011, AJ 142, 31. Meert et al. 2015,
# MNRAS 446, 3943. Galaxy Zoo 1: Lintott et al. 2011, MNRAS 410, 166. Galaxy Zoo 2: Hart et al. 2016, MNRAS
# 461, 3663.
KNOWN: dict[str, Property] = {
    "redshift": Property("", *REDSHIFTS, (
        Known("redshift"), Known("z", unless="i"), Known("zdist"), Known("z_spec"), Known("zspec"),
        Known("z_noqso"),
    )),
    "stellar_mass": Property("solMass", 1e4, 1e14, (
        Known("stellar_mass", "solMass"), Known("log_stellar_mass", _MASS), Known("lgm_tot_p50", _MASS),
        Known("logmstar", _MASS), Known("logmass", _MASS), Known("log_mass", _MASS),
        Known("elpetro_mass", "solMass", _PER_H2), Known("sersic_mass", "solMass", _PER_H2),
        Known("mass", "solMass", _PER_H2, beside="nsaid"),
    )),
    "star_formation_rate": Property("solMass / yr", 0, 1e5, (
        Known("star_formation_rate", "solMass / yr"), Known("sfr", "solMass / yr"),
        Known("sfr_tot_p50", _RATE), Known("log_sfr", _RATE), Known("logsfr", _RATE),
    )),
    "specific_star_formation_rate": Property("1 / yr", 0, 1e-5, (
        Known("specific_star_formation_rate", "1 / yr"), Known("specsfr_tot_p50", _SPECIFIC),
        Known("log_ssfr", _SPECIFIC), Known("logssfr", _SPECIFIC),
    )),
    "halo_mass": Property("solMass", 1e8, 1e17, (
        Known("halo_mass", "solMass"), Known("log_halo_mass", _MASS),
    )),
    "is_central": Property("", 0, 1, (Known("is_central"),)),
    "surface_density": Property("1 / Mpc2", 0, 1e6, (
        Known("surface_density", "1 / Mpc2"), Known("sigma5", "1 / Mpc2"),
        Known("log_sigma5", "dex(1 / Mpc2)"),
    )),
    "hubble_type": Property("", -7, 12, (
        Known("hubble_type"), Known("ttype"), Known("t_type"), Known("t", beside="pgc"),
    )),
    "smooth_share": _share(
        "smooth_share", "t01_smooth_or_features_a01_smooth_debiased",
    ),
    "featured_share": _share(
        "featured_share", "t01_smooth_or_features_a02_features_or_disk_debiased",
    ),
    "edge_on_share": Property("", 0, 1, (
        Known("edge_on_share"), Known("t02_edgeon_a04_yes_debiased"),
        Known("t02_edgeon_a05_no_debiased", factor=-1),
    )),
    "bar_share": _share("bar_share", "t03_bar_a06_bar_debiased", "p_bar"),
    "spiral_share": _share("spiral_share", "t04_spiral_a08_spiral_debiased", "p_cs_debiased"),
    "odd_share": _share("odd_share", "t06_odd_a14_yes_debiased"),
    "elliptical_share": _share("elliptical_share", "p_el_debiased"),
    "bulge_share": _share("bulge_share", "bt"),
    "catalogue_sersic_index": Property("", 0.05, 20, (
        Known("catalogue_sersic_index"), Known("sersic_n"), Known("n_bulge", unless="n_disk"),
    )),
    "catalogue_half_light_radius": Property("arcsec", 0.01, 1e4, (
        Known("elpetro_th50_r", "arcsec"), Known("sersic_th50", "arcsec"), Known("petro_th50", "arcsec"),
        Known("r_tot", "arcsec"),
    )),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class PropertyTable:
    """Properties of the galaxies of one catalogue.

    Parameters
    ----------
    name : str
        Of the file.
    ra, dec : ndarray, shape (m,)
        ICRS [deg].
    columns : dict of str to ndarray, shape (m,)
        By the names of `KNOWN`, in its units; NaN where there is no value.
    taken_from : dict of str to str
        Name in the catalogue of each.
    """

    name: str
    ra: np.ndarray
    dec: np.ndarray
    columns: dict[str, np.ndarray]
    taken_from: dict[str, str]

    @property
    def digest(self) -> str:
        """Hash of all that a match can give."""
        content = hashlib.sha256()
        for name, values in {"ra": self.ra, "dec": self.dec, **self.columns}.items():
            content.update(name.encode() + np.ascontiguousarray(values, float).tobytes())
        return content.hexdigest()


def read_properties(path: Path) -> PropertyTable:
    """Read what is known by name in a catalogue: of NSA, MPA-JHU, Meert et al., Galaxy Zoo, or one's own.

    Parameters
    ----------
    path : Path
        Table as of `read_places`. Units that its columns state are converted; else those of `KNOWN` hold.

    Raises
    ------
    FileNotFoundError, ValueError
        When it is not a table, has no places, no known column, or a unit that does not suit.
    """
    path = Path(path)
    table = read_places(path)
    lower = lower_names(table)
    columns, taken_from = {}, {}
    for name, kind in KNOWN.items():
        for known in kind.columns:
            if known.name not in lower or known.unless in lower or known.beside not in ("", *lower):
                continue
            columns[name] = _values(table[lower[known.name]], known, kind, path)
            taken_from[name] = lower[known.name]
            break
    if not columns:
        names = sorted({known.name for kind in KNOWN.values() for known in kind.columns})
        raise ValueError(
            f"{path}: none of its columns {', '.join(table.colnames)} is a known property; known: "
            f"{', '.join(names)}."
        )
    log.info(
        "%s: %d rows; %s", path.name, len(table),
        ", ".join(f"{name} from {column}" for name, column in taken_from.items()),
    )  # fmt: skip
    return PropertyTable(
        path.name, np.asarray(table["ra"], float), np.asarray(table["dec"], float), columns, taken_from
    )


def _values(column, known: Known, kind: Property, where: Path) -> np.ndarray:
    """Values of a column in the unit of the property; NaN where there is none."""
    masked = np.ma.asarray(column)
    if masked.dtype.kind not in "fiub":
        example = next(iter(masked.compressed()), "")
        raise ValueError(f"{where}: column {column.name} holds texts, such as {str(example)!r}, not numbers.")
    values = numbers_of(masked)
    values = np.where(values > FILL, values, np.nan)
    unit = getattr(column, "unit", None) or known.unit
    if unit or kind.unit:
        try:
            # Overflow is a fill value that is out of range below.
            with np.errstate(over="ignore"):
                values = np.asarray(u.Unit(unit).to(u.Unit(kind.unit), values))
        except (u.UnitConversionError, u.UnitTypeError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{where}: column {column.name} has the unit {unit}; {kind.unit or 'a plain number'} or its "
                "logarithm, dex(...), is needed."
            ) from error
    values = 1 - values if known.factor == -1 else values * known.factor
    return np.where((values >= kind.low) & (values <= kind.high), values, np.nan)


def with_properties(catalogue: Table, tables: Sequence[PropertyTable], radius: float) -> Table:
    """Catalogue with the properties of the rows at the places of its galaxies.

    Parameters
    ----------
    catalogue : Table
        With ``ra`` and ``dec`` [deg].
    tables : sequence of PropertyTable
        Of several with a value the first decides.
    radius : float
        Within which a row is taken for the galaxy's [arcsec].

    Returns
    -------
    Table
        A copy. Further columns: each property, NaN where it is not known; what the catalogue had already is
        kept where no table knows better. ``catalogue_separation`` is the distance of the nearest row
        [arcsec], ``catalogue_near`` the most rows that a table has within the radius: above 1 the match is
        ambiguous, and the nearest row was taken.
    """
    result = catalogue.copy()
    n = len(catalogue)
    distance, near = np.full(n, np.nan), np.zeros(n, dtype=int)
    columns = {}
    for table in tables:
        index, apart, count = match_places(catalogue["ra"], catalogue["dec"], table.ra, table.dec, radius)
        distance, near = np.fmin(distance, apart), np.maximum(near, count)
        for name, values in table.columns.items():
            known = columns.setdefault(name, np.full(n, np.nan))
            columns[name] = np.where(np.isfinite(known) | (index < 0), known, values[index])
    for name, values in columns.items():
        if name in result.colnames:
            own = numbers_of(result[name])
            low, high = KNOWN[name].low, KNOWN[name].high
            values = np.where(
                np.isfinite(values), values, np.where((own >= low) & (own <= high), own, np.nan)
            )
        result[name] = values
    result[SEPARATION], result[NEAR] = distance, near
    return result


def without_fill_values(catalogue: Table) -> Table:
    """Catalogue in which a property out of its range, such as a redshift of -9999, is NaN.

    Returns
    -------
    Table
        The same one, where there is nothing to mend.
    """
    result = catalogue
    for name in KNOWN.keys() & set(catalogue.colnames):
        values = catalogue[name]
        if values.dtype.kind != "f":
            continue
        bad = np.isfinite(values) & ~((values >= KNOWN[name].low) & (values <= KNOWN[name].high))
        if bad.any():
            result = result.copy() if result is catalogue else result
            result[name][bad] = np.nan
            log.warning("%d values of %s are out of range and count as missing", np.sum(bad), name)
    return result


def check_matches(catalogue: Table, tables: Sequence[PropertyTable], radius: float) -> None:
    """Log how many galaxies have properties, and how many matches are ambiguous; refuse when none has any.

    Parameters
    ----------
    catalogue : Table
        As `with_properties` returns it.
    tables, radius
        As there.

    Raises
    ------
    ValueError
        When no galaxy has a row within the radius: the catalogue is of another sky, or its places are not
        ICRS degrees.
    """
    near = np.asarray(catalogue[NEAR])
    names, n = ", ".join(table.name for table in tables), len(catalogue)
    if not near.any():
        placed = np.isfinite(np.asarray(catalogue["ra"], float)).sum()
        raise ValueError(
            f"none of {n} galaxies ({placed} with a place) has a row of {names} within {radius:g} arcsec. "
            f"Their places range over ra {_range(tables, 'ra')}, dec {_range(tables, 'dec')}; needed are "
            "degrees, ICRS (J2000)."
        )
    log.info(
        "%d of %d galaxies have a match in %s, half of them within %.2g arcsec",
        np.count_nonzero(near), n, names, np.nanmedian(catalogue[SEPARATION]),
    )  # fmt: skip
    if (near > 1).any():
        log.warning(
            "%d galaxies have several rows of %s within %g arcsec; the nearest was taken (column %s)",
            np.count_nonzero(near > 1), names, radius, NEAR,
        )  # fmt: skip


def _range(tables: Sequence[PropertyTable], axis: str) -> str:
    """Least and greatest coordinate of some tables."""
    values = np.concatenate([getattr(table, axis) for table in tables])
    return f"{values.min():.4g} to {values.max():.4g}"
