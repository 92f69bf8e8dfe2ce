"""From raw particle arrays to the records of a galaxy, with every check in one place."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from astropy.cosmology import FLRW

from mocks.galaxy import Galaxy, Gas, Stars
from mocks.readers.particles.clumps import LINKS_OF_SUBHALO, require_one_galaxy
from mocks.readers.particles.geometry import half_mass_radius, mass_within, shrinking_sphere, unwrap
from mocks.readers.particles.limits import (
    refuse_absurd_gas,
    refuse_absurd_stars,
    refuse_negative_metallicity,
    refuse_other_catalogue,
)
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.readers.particles.times import age_from_scale_factor

__all__ = [
    "BY_CATALOGUE",
    "BY_PLACE",
    "PARTLY",
    "STATED",
    "UNTOLD",
    "ages",
    "assemble",
    "check_ages",
    "gas_temperature",
    "make_stars",
    "require_finite",
    "require_shapes",
]

BY_CATALOGUE, PARTLY, UNTOLD, BY_PLACE = "by catalogue", "partly", "untold", "by place"
STATED = "stated"
AGE_SLACK = 2e-3  # Gyr; stars born in the last step of a float32 clock come out this much too young
HYDROGEN_FRACTION = 0.76  # primordial mass fraction, as in the TNG data specification
PROTON_MASS, BOLTZMANN = 1.67262192e-24, 1.380649e-16  # CODATA 2018 [g], [erg / K]
CM2_PER_KM2 = 1e10
PHOTOMETRY_BANDS = ("U", "B", "V", "K", "g", "r", "i", "z")  # columns of GFM_StellarPhotometrics


def require_finite(where: str, **columns: np.ndarray | None) -> None:
    """Refuse NaN and infinite numbers, naming the column.

    Parameters
    ----------
    where : str
        File, for the message.
    **columns : ndarray or None
        By name.

    Raises
    ------
    ValueError
    """
    with np.errstate(all="ignore"):  # one NaN or infinity spoils the sum, which is quicker than to look
        suspects = [name for name, x in columns.items() if x is not None and not np.isfinite(np.sum(x))]
    for name in suspects:
        values = columns[name]
        bad = np.count_nonzero(~np.isfinite(values))
        if bad:
            raise ValueError(
                f"{where}: {bad} of {np.size(values)} values of {name} are NaN or infinite; the file is "
                "damaged, or was written wrongly. Fetch it again or leave this galaxy out."
            )


def require_shapes(where: str, columns: dict) -> None:
    """Refuse columns of unequal length, and vectors that are not (n, 3).

    Parameters
    ----------
    where : str
        File, for the message.
    columns : dict of ndarray or None
        By name.

    Raises
    ------
    ValueError
    """
    columns = {name: values for name, values in columns.items() if values is not None}
    lengths = {name: len(values) if np.ndim(values) else 0 for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{where}: columns of unequal length {lengths}; the file is damaged.")
    for name in ("position", "velocity"):
        if name in columns and np.shape(columns[name])[1:] != (3,):
            raise ValueError(
                f"{where}: {name} has shape {np.shape(columns[name])}, not (n, 3); the file is damaged."
            )


def ages(where: str, birth: np.ndarray, scale_factor: float, cosmology: FLRW) -> np.ndarray:
    """Ages from scale factors of birth, checked.

    Parameters
    ----------
    where : str
        File, for the message.
    birth : ndarray
        Scale factor at birth.
    scale_factor : float
        Of the output.
    cosmology : astropy.cosmology.FLRW

    Returns
    -------
    ndarray
        [Gyr], never negative.

    Raises
    ------
    ValueError
        When stars are born after the output.
    """
    return check_ages(where, age_from_scale_factor(birth, scale_factor, cosmology))


def check_ages(where: str, age: np.ndarray) -> np.ndarray:
    """Ages with rounding below zero removed; a ValueError when there is more than rounding."""
    if len(age) and not age.min() > -AGE_SLACK:
        wrong = np.count_nonzero(~(age > -AGE_SLACK))
        raise ValueError(
            f"{where}: {wrong} of {len(age)} stars are not yet born or older than the universe (age "
            f"{np.nanmin(age):.3g} Gyr at the least); birth times of another kind than assumed (scale "
            "factor, conformal time, proper time)?"
        )
    return np.maximum(age, 0.0)


def make_stars(
    where: str, columns: dict[str, np.ndarray | None], imf: str = "chabrier"
) -> tuple[Stars, tuple[str, ...]]:
    """Star record from arrays in house units, with what had to be corrected.

    Rows without mass are dropped, negative metallicities become 0, and a missing initial mass is the current
    mass over what a stellar population of that age and metallicity still holds (`remaining_mass_fraction`).

    Parameters
    ----------
    where : str
        File, for messages.
    columns : dict of ndarray
        ``position``, ``mass``, ``age``, ``metallicity`` and, unless missing or None, ``initial_mass``,
        ``velocity``, ``smoothing_length`` as in `Stars`; positions may still be in the box frame.
        ``photometry`` is an array (n, 8) of U B V K g r i z.
    imf : str
        Initial mass function of the stars, for missing initial masses.

    Returns
    -------
    Stars
    tuple of str
        Notes.

    Raises
    ------
    ValueError
        For no stars, arrays of unequal length, NaN, or negative masses.
    """
    columns = dict.fromkeys(field.name for field in fields(Stars)) | columns
    require_shapes(where, columns)
    if len(columns["mass"]) == 0:
        raise ValueError(f"{where}: this galaxy has no stars.")
    require_finite(where, **columns)
    columns, notes = _with_mass(where, columns)
    if (lowest := float(columns["metallicity"].min())) < 0:
        refuse_negative_metallicity(where, lowest)
        below = np.count_nonzero(columns["metallicity"] < 0)
        notes.append(f"{below} negative metallicities set to 0")
        columns["metallicity"] = np.maximum(columns["metallicity"], 0.0)
    if columns["initial_mass"] is None:
        notes.append(f"initial mass not stored: assumed, current over what is left in BC03 models ({imf})")
        left = remaining_mass_fraction(columns["age"], columns["metallicity"], imf)
        columns["initial_mass"] = columns["mass"] / left
    if columns["photometry"] is not None:
        columns["photometry"] = dict(
            zip(PHOTOMETRY_BANDS, columns["photometry"].T.astype(float), strict=True)
        )
    return Stars(**columns), tuple(notes)


def _with_mass(where: str, columns: dict) -> tuple[dict, list[str]]:
    """Rows whose masses are not zero, and a note of those left out; negative masses are refused."""
    masses = [columns[name] for name in ("mass", "initial_mass") if columns[name] is not None]
    least = min(each.min() for each in masses)
    if least < 0:
        raise ValueError(
            f"{where}: negative stellar masses; the file is damaged or its units are not as assumed."
        )
    if least > 0:
        return columns, []
    massive = np.all([each > 0 for each in masses], axis=0)
    if not massive.any():
        raise ValueError(f"{where}: this galaxy has no stars with mass.")
    note = f"{np.count_nonzero(~massive)} star particles without mass left out"
    return {name: None if each is None else each[massive] for name, each in columns.items()}, [note]


def gas_temperature(internal_energy: np.ndarray, electron_abundance: np.ndarray) -> np.ndarray:
    """Gas temperature from its specific energy.

    Parameters
    ----------
    internal_energy : ndarray
        Thermal energy per mass [(km/s)^2].
    electron_abundance : ndarray
        Electrons per hydrogen atom.

    Returns
    -------
    ndarray
        [K].

    References
    ----------
    TNG data specification, question "how are temperatures computed"; gamma = 5/3, hydrogen mass
    fraction 0.76.
    """
    weight = 4.0 / (1.0 + 3.0 * HYDROGEN_FRACTION + 4.0 * HYDROGEN_FRACTION * electron_abundance)
    return (2.0 / 3.0) * internal_energy * CM2_PER_KM2 * weight * PROTON_MASS / BOLTZMANN


def assemble(
    where: str | Path,
    *,
    stars: Stars,
    gas: Gas | None,
    centre: np.ndarray | None,
    box_size: float | None,
    properties: dict,
    notes: tuple[str, ...],
    chosen: str = BY_CATALOGUE,
    **identity,
) -> Galaxy:
    """Galaxy record from particles still in the box frame: examine, centre, unwrap, subtract the bulk motion.

    Parameters
    ----------
    where : str or Path
        File it was read from.
    stars : Stars
    gas : Gas or None
        Positions of both in the box frame [physical kpc]. Both are used up: their positions and velocities
        are written over, so they must hold copies of what a caller keeps.
    centre : ndarray, shape (3,), or None
        In that frame; found by a shrinking sphere when None.
    box_size : float or None
        Side of the periodic box [physical kpc].
    properties : dict
        Catalogue values; stellar mass and half-mass radius are computed when missing. Where the box is known
        the place in it is added: ``box_x``, ``box_y``, ``box_z`` and ``box_size`` [physical kpc].
    notes : tuple of str
    chosen : str
        Why these are the stars: `BY_CATALOGUE`; `PARTLY`, by it, but not all of them; `UNTOLD`, they are all
        there are, and held to be one galaxy's; `STATED`, so, and the file says that they are one subhalo's;
        `BY_PLACE`, of whichever galaxies lie in a region.
    **identity
        ``simulation``, ``snapshot``, ``subhalo_id``, ``redshift``, ``cosmology`` of `Galaxy`.

    Raises
    ------
    ValueError
        For numbers that no galaxy has, or that contradict the box or the catalogue; see
        `mocks.readers.particles.limits`.
    """
    named = f"{where}, galaxy {identity['subhalo_id']}"
    refuse_absurd_stars(named, stars, box_size)
    if gas is not None:
        refuse_absurd_gas(named, gas)
    if centre is None:
        centre = shrinking_sphere(stars.position, stars.mass, box_size)
        notes = (*notes, "centre found by a shrinking sphere on the stars")
    bulk = None if stars.velocity is None else stars.mass @ stars.velocity / stars.mass.sum()

    def moved(particles):
        position, velocity = unwrap(particles.position, centre, box_size, overwrite=True), particles.velocity
        if bulk is not None and velocity is not None:
            velocity = unwrap(velocity, bulk, None, overwrite=True)
        return replace(particles, position=position, velocity=velocity)

    stars = moved(stars)
    computed = {"stellar_mass": float(stars.mass.sum()), "n_stars": len(stars)}
    computed["half_mass_radius"] = half_mass_radius(stars.position, stars.mass)
    if chosen in (UNTOLD, STATED):
        links = (LINKS_OF_SUBHALO,) if chosen == STATED else ()
        require_one_galaxy(named, stars.position, stars.mass, *links)
    if chosen != BY_PLACE:
        inner = mass_within(stars.position, stars.mass, 0.5 * computed["half_mass_radius"])
        share = inner / computed["stellar_mass"]
        refuse_other_catalogue(named, computed, properties, share, is_whole=chosen != PARTLY)
    if box_size is not None:
        place = np.asarray(centre, dtype=float) % box_size
        computed |= dict(zip(("box_x", "box_y", "box_z"), place.tolist(), strict=True))
        computed["box_size"] = float(box_size)
    return Galaxy(
        stars=stars,
        gas=None if gas is None else moved(gas),
        properties=computed | properties,
        source=str(where),
        centre=np.asarray(centre, dtype=float),
        notes=notes,
        **identity,
    )
