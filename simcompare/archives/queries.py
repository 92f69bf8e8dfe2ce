"""What archives are asked for in words of their own: SQL, lists to send, searches."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = ["hsc_bulk_list", "most_rows", "sdss_galaxy_query", "tng_subhalo_query"]

_H = MappingProxyType({"Illustris": 0.704, "TNG": 0.6774})


def sdss_galaxy_query(
    redshift: tuple[float, float] = (0.03, 0.055),
    log_stellar_mass: float = 9.5,
    limit: int = 100_000,
    region: tuple[float, float, float, float] | None = None,
) -> str:
    """Write the SQL for a spectroscopic sample, with the fields that its galaxies lie in.

    Parameters
    ----------
    redshift : (float, float)
        Range.
    log_stellar_mass : float
        Least log10 of the stellar mass [Msun].
    limit : int
        Most rows.
    region : (float, float, float, float), optional
        Least and greatest ra, least and greatest dec [deg]; a least ra above the greatest is across 0.
    """
    low, high = (float(value) for value in redshift)
    query = (
        f"SELECT TOP {int(limit)} p.objid, p.ra, p.dec, p.run, p.rerun, p.camcol, p.field, p.petroMag_r, "
        "p.petroR50_r, p.petroR90_r, s.z, m.logMass "
        "FROM PhotoObj AS p JOIN SpecObj AS s ON s.bestobjid = p.objid "
        "JOIN stellarMassPCAWiscBC03 AS m ON m.specObjID = s.specObjID "
        f"WHERE s.class = 'GALAXY' AND s.zWarning = 0 AND s.z BETWEEN {low} AND {high} "
        f"AND m.logMass > {float(log_stellar_mass)}"
    )
    if region is None:
        return query
    west, east, south, north = (float(value) for value in region)
    across = "AND" if west <= east else "OR"
    return f"{query} AND (p.ra > {west} {across} p.ra < {east}) AND p.dec BETWEEN {south} AND {north}"


def most_rows(sql: str) -> int | None:
    """Most rows that an SQL query may return, of its ``SELECT TOP n``; None without one."""
    top = re.match(r"\s*SELECT\s+TOP\s+(\d+)\s", sql, re.IGNORECASE)
    return int(top[1]) if top else None


def tng_subhalo_query(simulation: str, log_stellar_mass: float, limit: int) -> dict[str, object]:
    """Search of the TNG site for the galaxies of a snapshot above a stellar mass.

    Parameters
    ----------
    simulation : str
        Such as ``TNG100-1`` or ``Illustris-1``.
    log_stellar_mass : float
        Least log10 of the mass of all bound stars [Msun]; that inside any aperture is less.
    limit : int
        Most galaxies.

    Returns
    -------
    dict
        Keys and values of the query; only TNG flags objects that are no galaxies.

    Raises
    ------
    ValueError
        When the Hubble constant of the simulation is not known.
    """
    suite = next((name for name in _H if simulation.startswith(name)), None)
    if suite is None:
        raise ValueError(f"simulation {simulation!r} is not known; give one of {', '.join(_H)}, as TNG100-1.")
    least = 10 ** (float(log_stellar_mass) - 10) * _H[suite]  # in 1e10 Msun / h
    flag = {"subhaloflag": 1} if suite == "TNG" else {}
    return {"mass_stars__gt": f"{least:.6g}", **flag, "limit": int(limit), "order_by": "id"}


def hsc_bulk_list(
    targets: Iterable[Mapping], rerun: str = "pdr3_wide", half_width: str = "15arcsec", psf: bool = False
) -> str:
    """List of cut-outs, or of PSFs, to send to an HSC bulk service; its answer is one tar.

    Parameters
    ----------
    targets : iterable of mapping
        ra, dec [deg] and band of each.
    rerun : str
        Of the release.
    half_width : str
        Half side of the cut-outs, with unit.
    psf : bool
        Ask for the PSFs of the same places instead.

    Returns
    -------
    str
        Line n + 1 is the n-th target; files in the tar are numbered by the line.
    """
    rest = "centered type" if psf else "sw sh image mask variance type"
    values = "true coadd" if psf else f"{half_width} {half_width} true true true coadd"
    lines = [f"#? rerun filter ra dec {rest}"]
    for target in targets:
        band = f"HSC-{str(target['band']).upper()}"
        lines.append(f"{rerun} {band} {float(target['ra']):.6f} {float(target['dec']):.6f} {values}")
    return "\n".join(lines) + "\n"
