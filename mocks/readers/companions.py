"""Stars about a galaxy that are not its own: of its friends-of-friends group, or within a radius."""

from dataclasses import replace

import numpy as np
from astropy import units as u

from mocks.galaxy import Galaxy, Gas, Stars
from mocks.readers.base import Snapshot
from mocks.readers.particles.limits import row_keys

__all__ = ["GROUP", "companion_radius", "companions_problem", "with_companions"]

GROUP = "group"
INSIDE = 1 - 1e-9  # share of a radius that is inside whatever the rounding


def companion_radius(companions: str) -> float | None:
    """Read how far companions are taken from.

    Parameters
    ----------
    companions : str
        ``"group"``, or a radius such as ``"50 kpc"`` or ``"0.1 Mpc"``; a bare number is in kpc.

    Returns
    -------
    float or None
        [physical kpc]; None for the group.

    Raises
    ------
    ValueError
        When it is neither.
    """
    text = str(companions).strip()
    if text == GROUP:
        return None
    try:
        quantity = u.Quantity(text)
        radius = float((quantity * u.kpc if quantity.unit.is_equivalent("") else quantity).to_value(u.kpc))
    except (TypeError, ValueError, u.UnitConversionError):
        radius = np.nan
    if not 0 < radius < np.inf:
        raise ValueError(
            f"companions {companions!r} is neither 'group' nor a radius above 0; write '50 kpc', '0.1 Mpc' "
            "or a number of kpc."
        )
    return radius


def companions_problem(snapshot: Snapshot, companions: str) -> str:
    """Say why companions cannot be read from a snapshot; empty where they can.

    Parameters
    ----------
    snapshot : Snapshot
    companions : str
        See `companion_radius`.
    """
    return snapshot.group_problem() if companion_radius(companions) is None else snapshot.region_problem()


def with_companions(snapshot: Snapshot, galaxy: Galaxy, companions: str, *, gas: bool = True) -> Galaxy:
    """Galaxy with the stars and gas about it that are not its own.

    Its own are told by place, mass, age and metallicity. The galaxy keeps its centre, properties and views.

    Parameters
    ----------
    snapshot : Snapshot
    galaxy : Galaxy
        As `Snapshot.read` gave it, before any aperture.
    companions : str
        See `companion_radius`.
    gas : bool
        Whether their gas is read, which dust from gas columns alone needs.

    Returns
    -------
    Galaxy
        Without any, but with a note, where no other star is there.

    Raises
    ------
    ValueError
        When the snapshot does not hold them, or none of the galaxy's own stars among them.
    """
    if problem := companions_problem(snapshot, companions):
        raise ValueError(problem)
    radius = companion_radius(companions)
    if radius is None:
        around, words = snapshot.read_group(galaxy.subhalo_id, galaxy.centre, gas=gas), "of its group"
    else:
        around = snapshot.read_region(galaxy.centre, radius, galaxy.subhalo_id, gas=gas)
        words = f"within {radius:g} kpc"
    own, there = _star_keys(galaxy.stars), _star_keys(around.stars)
    near = own
    if radius is not None:
        near = own[np.linalg.norm(galaxy.stars.position, axis=1) < radius * INSIDE]
    if not np.isin(near, there).any():
        raise ValueError(
            f"{galaxy.source}, galaxy {galaxy.subhalo_id}: none of its own stars is among those {words}; "
            "does the catalogue belong to this snapshot?"
        )
    stars = around.stars.select(~np.isin(there, own))
    if not len(stars):
        return replace(galaxy, notes=(*galaxy.notes, f"companions: no other star {words}"))
    note = f"companions: {len(stars)} stars {words}, {stars.mass.sum():.3g} Msun, beside its own"
    others = replace(around, stars=stars, gas=_other_gas(galaxy.gas, around.gas), notes=())
    return replace(galaxy, companions=others, notes=(*galaxy.notes, note))


def _star_keys(stars: Stars) -> np.ndarray:
    """One number for each star, equal for equal stars."""
    return row_keys(stars.position, stars.mass, stars.age, stars.metallicity)


def _other_gas(own: Gas | None, around: Gas | None) -> Gas | None:
    """Gas of a region that is not the galaxy's."""
    if own is None or around is None:
        return around
    is_own = np.isin(row_keys(around.position, around.mass), row_keys(own.position, own.mass))
    return None if is_own.all() else around.select(~is_own)
