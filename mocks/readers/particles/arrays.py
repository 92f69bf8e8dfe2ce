"""Galaxies from plain arrays, for simulations that no reader knows."""

import numpy as np
from astropy import units as u
from astropy.cosmology import FLRW

from mocks.galaxy import Galaxy
from mocks.readers.particles.records import assemble, check_ages, make_stars, require_shapes

__all__ = ["galaxy_from_arrays"]

AGE_MARGIN = 0.1  # Gyr by which ages may exceed that of the universe, for another cosmology's rounding
_UNITS = {
    "position": u.kpc, "mass": u.Msun, "age": u.Gyr, "metallicity": u.dimensionless_unscaled,
    "initial_mass": u.Msun, "velocity": u.km / u.s, "smoothing_length": u.kpc,
}  # fmt: skip


def galaxy_from_arrays(
    *,
    position: u.Quantity | np.ndarray,
    mass: u.Quantity | np.ndarray,
    age: u.Quantity | np.ndarray,
    metallicity: np.ndarray,
    redshift: float,
    cosmology: FLRW,
    initial_mass: u.Quantity | np.ndarray | None = None,
    velocity: u.Quantity | np.ndarray | None = None,
    smoothing_length: u.Quantity | np.ndarray | None = None,
    centre: u.Quantity | np.ndarray | None = None,
    box_size: u.Quantity | float | None = None,
    simulation: str = "arrays",
    snapshot: int = 0,
    subhalo_id: int = 0,
    imf: str = "chabrier",
) -> Galaxy:
    """Make a galaxy record from arrays.

    Bare numbers are in house units: physical kpc, Msun, Gyr, km/s. Stars of which any value is masked are
    missing, and noted.

    Parameters
    ----------
    position : Quantity or ndarray, shape (n, 3)
        Of the stars, in any frame.
    mass : Quantity or ndarray, shape (n,)
        Current mass.
    age : Quantity or ndarray, shape (n,)
        Age at the snapshot.
    metallicity : ndarray, shape (n,)
        Mass fraction of metals.
    redshift : float
        Of the snapshot.
    cosmology : astropy.cosmology.FLRW
        The simulation's own.
    initial_mass, velocity, smoothing_length : Quantity or ndarray, optional
        A missing initial mass is computed from age and metallicity, see `mocks.readers.particles.mass_loss`.
    centre : Quantity or ndarray, shape (3,), optional
        In the frame of `position`; found by a shrinking sphere when left out.
    box_size : Quantity or float, optional
        Side of a periodic box over whose edge the galaxy may lie.
    simulation : str
    snapshot, subhalo_id : int
        Names of the galaxy.
    imf : str
        For missing initial masses.

    Raises
    ------
    ValueError
        For no stars, arrays of unequal length, NaN, negative masses, or ages out of range.
    astropy.units.UnitConversionError
        When a quantity is of the wrong kind.
    """
    where = f"arrays of {simulation} {subhalo_id}"
    redshift = float(_one(where, "redshift", redshift, u.dimensionless_unscaled))
    given = {
        "position": position, "mass": mass, "age": age, "metallicity": metallicity,
        "initial_mass": initial_mass, "velocity": velocity, "smoothing_length": smoothing_length,
    }  # fmt: skip
    columns, masked_notes = _columns(
        where, {name: values for name, values in given.items() if values is not None}
    )
    columns["age"] = _ages(where, columns["age"], redshift, cosmology)
    stars, notes = make_stars(where, columns, imf)
    return assemble(
        where,
        stars=stars,
        gas=None,
        centre=None if centre is None else _one(where, "centre", centre, u.kpc),
        box_size=None if box_size is None else float(_one(where, "box_size", box_size, u.kpc)),
        properties={},
        notes=masked_notes + notes,
        simulation=simulation,
        snapshot=snapshot,
        subhalo_id=subhalo_id,
        redshift=redshift,
        cosmology=cosmology,
    )


def _columns(where: str, given: dict) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Arrays in house units without the stars of which a value is masked; and what is to be said of these."""
    shape = np.shape(given["position"])
    if len(shape) != 2 or shape[1] != 3:
        raise ValueError(f"{where}: position has shape {shape}; it must be (n, 3).")
    missing = [_masked(values) for values in given.values()]
    columns = {name: _plain(where, name, values, _UNITS[name]) for name, values in given.items()}
    require_shapes(where, columns)
    missing = np.logical_or.reduce(missing)
    if not missing.any():
        return columns, ()
    note = f"{np.count_nonzero(missing)} of {len(missing)} stars with masked values left out"
    return {name: values[~missing] for name, values in columns.items()}, (note,)


def _plain(where: str, name: str, value: u.Quantity | np.ndarray, unit: u.UnitBase) -> np.ndarray:
    """Bare numbers in a unit, as a copy; columns of tables may have one as quantities do."""
    stated = getattr(value, "unit", None)
    try:
        if isinstance(value, u.Quantity):
            return np.array(value.to_value(unit), dtype=float)
        factor = 1.0 if stated is None else u.Unit(stated).to(unit)
        return np.array(value, dtype=float) * factor
    except u.UnitConversionError as error:
        raise u.UnitConversionError(f"{where}: {name}: {error}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {name} cannot be taken as numbers in {unit} ({error}).") from error


def _one(where: str, name: str, value: u.Quantity | np.ndarray, unit: u.UnitBase) -> np.ndarray:
    """Numbers of the whole galaxy, of which none may be missing."""
    plain = _plain(where, name, value, unit)
    if _masked(np.atleast_1d(value)).any() or not np.isfinite(plain).all():
        raise ValueError(f"{where}: {name} is {value}; finite numbers are needed.")
    return plain


def _masked(value: u.Quantity | np.ndarray) -> np.ndarray:
    """Rows of an array in which something is masked."""
    mask = np.broadcast_to(getattr(value, "mask", False), np.shape(value))
    return mask.any(axis=tuple(range(1, mask.ndim)))


def _ages(where: str, age: np.ndarray, redshift: float, cosmology: FLRW) -> np.ndarray:
    """Ages that stars of this universe can have."""
    oldest = float(cosmology.age(redshift).to_value(u.Gyr))
    if len(age) and np.nanmax(age) > oldest + AGE_MARGIN:
        raise ValueError(
            f"{where}: ages reach {np.nanmax(age):.3g} Gyr, the universe is {oldest:.3g} Gyr old at redshift "
            f"{redshift}; are they in Gyr, and ages rather than times of birth?"
        )
    return check_ages(where, age) if len(age) else age
