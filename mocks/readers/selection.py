"""Which galaxies of a catalogue to use, and how much of each."""

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from astropy.table import Column, Table

from mocks.expressions import evaluate
from mocks.galaxy import Galaxy
from mocks.readers.particles.geometry import half_mass_radius

__all__ = ["aperture_radius", "cut_aperture", "evaluate", "parse_aperture", "select"]


def _plain(column: Column) -> np.ndarray:
    """Values of a column, NaN where they are masked: a missing number is above and below nothing."""
    if not np.ma.is_masked(column):
        return np.asarray(column)
    if column.dtype.kind not in "biuf":
        return np.asarray(column.filled(""))
    return np.asarray(column.astype(float).filled(np.nan))


def select(
    catalogue: Table,
    *,
    min_stellar_mass: float | None = None,
    subhalo_ids: Iterable[int] | None = None,
    where: str | None = None,
    every: int | None = None,
) -> Table:
    """Choose rows of a catalogue; the conditions are applied in the order of the parameters.

    Parameters
    ----------
    catalogue : astropy.table.Table
        Of `mocks.readers.Snapshot.catalogue`.
    min_stellar_mass : float, optional
        [Msun].
    subhalo_ids : iterable of int, optional
        These galaxies alone.
    where : str, optional
        Expression, see `mocks.expressions.evaluate`.
    every : int, optional
        Every n-th of the rows that are left, in the order of their ``subhalo_id``.

    Returns
    -------
    astropy.table.Table
        A new table; possibly empty.

    Raises
    ------
    ValueError
        For galaxies that the catalogue lacks, a wrong expression, or `every` below 1.
    """
    kept = np.ones(len(catalogue), dtype=bool)
    if min_stellar_mass is not None:
        kept &= _plain(catalogue["stellar_mass"]) >= min_stellar_mass
    if subhalo_ids is not None:
        wanted = sorted({int(number) for number in subhalo_ids})
        missing = sorted(set(wanted) - set(np.asarray(catalogue["subhalo_id"]).tolist()))
        if missing:
            raise ValueError(
                f"{len(missing)} galaxies are not in the catalogue: {', '.join(map(str, missing[:10]))}; no "
                "such number, no stars, or flagged as not cosmological."
            )
        kept &= np.isin(catalogue["subhalo_id"], wanted)
    if where is not None:
        chosen = evaluate(where, catalogue)
        if chosen.dtype.kind not in "biu":
            raise ValueError(f"condition {where!r} is not true or false for each galaxy.")
        kept &= chosen.astype(bool)
    rows = catalogue[kept]
    if every is not None:
        if every < 1:
            raise ValueError(f"every is {every}; it must be at least 1.")
        rows.sort("subhalo_id")
        rows = rows[::every]
    return rows


def aperture_radius(aperture: str | float, galaxy: Galaxy, image_size: float | None = None) -> float:
    """Radius of an aperture.

    Parameters
    ----------
    aperture : str or float
        ``"30 kpc"`` or a bare number of kpc, ``"2 rhalf"`` (half-mass radii), ``"2 rlight"`` (half-light
        radii of a galaxy centred on its light), or ``"image"`` (half the image's side).
    galaxy : Galaxy
        For its radii.
    image_size : float, optional
        Side of the image [physical kpc].

    Returns
    -------
    float
        [physical kpc].

    Raises
    ------
    ValueError
        When the aperture cannot be read or is not positive.
    """
    number, unit = parse_aperture(aperture)
    if unit == "image":
        if image_size is None:
            raise ValueError("aperture 'image' is not understood without an image's size; write '30 kpc'.")
        return number * image_size
    if unit == "rlight" and "light_radius" not in galaxy.properties:
        raise ValueError(
            f"aperture {aperture!r}: the half-light radius is known of galaxies centred on their light "
            "(--centre light)."
        )
    name = {"rhalf": "half_mass_radius", "rlight": "light_radius"}.get(unit)
    return number * (float(galaxy.properties[name]) if name else 1.0)


def parse_aperture(aperture: str | float) -> tuple[float, str]:
    """Read number and unit of an aperture: ``kpc``, ``rhalf``, ``rlight``, or ``image``, shares of its side.

    Raises
    ------
    ValueError
        When it cannot be read or is not positive.

    Examples
    --------
    >>> parse_aperture("2 rhalf"), parse_aperture(30), parse_aperture("image")
    ((2.0, 'rhalf'), (30.0, 'kpc'), (0.5, 'image'))
    """
    text = str(aperture).strip()
    if text == "image":
        return 0.5, "image"
    match = re.fullmatch(r"(\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*(kpc|rhalf|rlight)?", text)
    if match is None or float(match[1]) <= 0:
        raise ValueError(
            f"aperture {aperture!r} is not understood; write '30 kpc', '2 rhalf', '2 rlight' or 'image' (of "
            "known size)."
        )
    return float(match[1]), match[2] or "kpc"


def cut_aperture(galaxy: Galaxy, aperture: str | float, image_size: float | None = None) -> Galaxy:
    """Cut a galaxy to a sphere about its centre; what that leaves out is noted.

    Mass, half-mass radius, number of stars and, where the gas tells it, star formation rate become those
    within the sphere; the whole galaxy's mass and radius are kept as ``whole_stellar_mass`` and
    ``whole_half_mass_radius``.

    Parameters
    ----------
    galaxy : Galaxy
    aperture, image_size
        See `aperture_radius`.

    Raises
    ------
    ValueError
        When the aperture cannot be read, or holds no star.
    """
    radius = aperture_radius(aperture, galaxy, image_size)
    inner = galaxy.within(radius)
    if len(inner.stars) == 0:
        raise ValueError(
            f"{galaxy.galaxy_id}: no star within {radius:g} kpc of its centre ({galaxy.source})."
        )
    mass = float(inner.stars.mass.sum())
    share = mass / galaxy.stars.mass.sum()
    note = f"cut to {radius:.4g} kpc: {100 * share:.1f} % of the stellar mass"
    whole = {name: galaxy.properties.get(name) for name in ("stellar_mass", "half_mass_radius")}
    properties = galaxy.properties | {f"whole_{name}": x for name, x in whole.items() if x is not None}
    properties |= {"stellar_mass": mass, "n_stars": len(inner.stars)}
    properties["half_mass_radius"] = half_mass_radius(inner.stars.position, inner.stars.mass)
    if inner.gas is not None and inner.gas.star_formation_rate is not None:
        properties["star_formation_rate"] = float(inner.gas.star_formation_rate.sum())
    elif "star_formation_rate" in properties:
        note += "; the star formation rate is that of the whole galaxy"
    return replace(inner, properties=properties, notes=(*galaxy.notes, note))
