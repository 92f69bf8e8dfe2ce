"""Numbers that no galaxy has, and unusual ones: the one list for all readers and for `doctor`."""

import numpy as np

from mocks.galaxy import Gas, Stars
from mocks.readers.particles.geometry import extent

__all__ = [
    "SANE",
    "refuse_absurd_gas",
    "refuse_absurd_stars",
    "refuse_later_births",
    "refuse_negative_metallicity",
    "refuse_other_catalogue",
    "refuse_repeated_stars",
    "row_keys",
    "unusual",
]
# Outside of these a reader refuses: no galaxy of any simulation is like that, so that units are wrong
MASS_OF_A_STAR = 1e-2, 1e11  # mean of the star particles [Msun]
RADIUS = 1e-2, 1e3  # half-mass radius [kpc]
LEAST_METALLICITY = -1e-4  # advection in Illustris leaves negative ones of 1e-16
MEAN_METALLICITY = 0.1  # five to eight times solar; above, it is in solar units
LEFT = 0.1, 1.1  # current over initial mass
LIGHT = 299_792.458  # km/s
FEWEST = 5  # stars whose radius says something
BEYOND = 1e-3  # share of the box; rounding may carry a coordinate over its edge
# Outside of these `doctor` warns
SANE = {
    "star particle mass [Msun]": (1e1, 1e9),
    "half-mass radius [kpc]": (0.05, 150.0),
    "current over initial mass": (0.3, 1.001),
    "median age [Gyr]": (0.03, 14.0),
    "median metallicity": (1e-5, 0.08),
}
SAME_MASS = 0.05  # relative difference between a catalogue's mass and that of the stars it lists
SAME_RADIUS = 2.0  # factor between a catalogue's half-mass radius and that of the stars
INNER_SHARE = 0.002  # share of the mass within half the half-mass radius; around a wrong centre there is none
REPEATED = 1e-3  # share of stars that may equal another one
# Odd numbers that mix the bits of six columns into one key; rows of one key are compared themselves.
MIXERS = np.array(
    [
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xFF51AFD7ED558CCD,
        0xC4CEB9FE1A85EC53,
    ],
    dtype=np.uint64,
)
LATE, MANY = 1e-3, 0.05  # relative lateness of a birth that is not rounding; share of stars born late
ENOUGH = 100  # stars of which that, and some extent along each axis, is asked


def refuse_absurd_stars(where: str, stars: Stars, box_size: float | None) -> None:
    """Refuse stars in the box frame with numbers that no galaxy has.

    Parameters
    ----------
    where : str
        File and galaxy, for messages.
    stars : Stars
        Positions still in the box frame [kpc].
    box_size : float or None
        Side of the periodic box [physical kpc].

    Raises
    ------
    ValueError
        With the number that was found and those that are allowed.
    """
    mean = stars.mass.sum() / len(stars)
    _refuse(where, "mean mass of its star particles", mean, MASS_OF_A_STAR, "Msun", "unit of mass")
    left = stars.mass.sum() / stars.initial_mass.sum()
    _refuse(where, "current over initial mass of its stars", left, LEFT, "", "unit of one of them")
    most = float(stars.metallicity.max())
    if most > 1.0 or stars.metallicity.mean() > MEAN_METALLICITY:
        raise ValueError(
            f"{where}: metallicities reach {most:.4g}, their mean is {stars.metallicity.mean():.4g}; a mass "
            f"fraction is at most 1 and in the mean below {MEAN_METALLICITY}. In solar units? State that "
            "(--reader solar_metallicity=0.0134, the mass fraction that 1 stands for)."
        )
    if stars.velocity is not None and (speed := float(np.abs(extent(stars.velocity)).max())) > LIGHT:
        raise ValueError(f"{where}: velocities reach {speed:.4g} km/s, beyond that of light; wrong unit?")
    if stars.smoothing_length is not None and (length := float(stars.smoothing_length.min())) < 0:
        raise ValueError(f"{where}: smoothing lengths down to {length:.4g} kpc; they cannot be negative.")
    _refuse_outside(where, stars.position, box_size)


def refuse_later_births(where: str, birth: np.ndarray, scale_factor: float) -> None:
    """Refuse an output of which many stars are born after it; a few are a matter of their own galaxy.

    Parameters
    ----------
    where : str
        File, for the message.
    birth : ndarray
        Scale factors of birth, of stars of all galaxies.
    scale_factor : float
        Of the output.

    Raises
    ------
    ValueError
        With both scale factors.
    """
    late = np.count_nonzero(birth > (1.0 + LATE) * scale_factor)
    if late > MANY * np.count_nonzero(birth > 0):
        raise ValueError(
            f"{where}: {late} of {len(birth)} stars are born after the time of the output: births reach the "
            f"scale factor {np.nanmax(birth):.4g}, that of the header is {scale_factor:.4g}. Correct its "
            "Time and Redshift; or are birth times of another kind?"
        )


def refuse_negative_metallicity(where: str, least: float) -> None:
    """Refuse metallicities that are negative by more than rounding.

    Parameters
    ----------
    where : str
        File and galaxy, for the message.
    least : float
        The lowest.

    Raises
    ------
    ValueError
    """
    if least < LEAST_METALLICITY:
        raise ValueError(
            f"{where}: metallicities reach down to {least:.4g}; a mass fraction is not negative. Logarithms, "
            "or another field?"
        )


def _refuse(
    where: str, quantity: str, value: float, allowed: tuple[float, float], unit: str, suspect: str
) -> None:
    """Refuse one number outside its range."""
    low, high = allowed
    if not low <= value <= high:
        raise ValueError(
            f"{where}: the {quantity} is {value:.4g} {unit}".rstrip()
            + f"; allowed are {low:g} to {high:g}. Is the {suspect} wrong? Mend the units in the header, or "
            "state them (--simulation gadget --reader length=... --reader mass=...)."
        )


def _refuse_outside(where: str, position: np.ndarray, box_size: float | None) -> None:
    """Refuse coordinates that do not lie in the box, or in the same box about its centre."""
    low, high = extent(position)
    if len(position) > 1 and (low == high).all():
        raise ValueError(f"{where}: all {len(position)} stars lie in one place, {low.tolist()} kpc.")
    if len(position) >= ENOUGH and (low == high).any():
        axis = int(np.argmax(low == high))
        raise ValueError(
            f"{where}: {'xyz'[axis]} is {low[axis]:g} kpc for all {len(position)} stars; never written?"
        )
    if box_size is None:
        return
    edge = (1.0 + BEYOND) * box_size
    if high.max() > edge or low.min() < -0.5 * edge or (high - low).max() > edge:
        raise ValueError(
            f"{where}: coordinates reach from {low.min():.6g} to {high.max():.6g} kpc, the box has a side of "
            f"{box_size:.6g} kpc: their units contradict each other. Correct the header, or state the side "
            "(--reader box_size=...) or the unit of coordinates (--simulation gadget --reader length=...)."
        )


def refuse_repeated_stars(where: str, stars: Stars) -> None:
    """Refuse a galaxy of which stars are there twice: pieces that were joined with one of them repeated.

    Ids are not asked, for in some codes the stars that one gas particle forms share its own. Place, mass,
    age and metallicity together are a star's alone.

    Parameters
    ----------
    where : str
        File and galaxy, for messages.
    stars : Stars

    Raises
    ------
    ValueError
        When more than a thousandth of the stars, and more than one, equal another in all of these.
    """
    columns = np.column_stack([stars.position, stars.mass, stars.age, stars.metallicity])
    keys = row_keys(columns)
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    repeated = np.count_nonzero((columns[order[same]] == columns[order[same + 1]]).all(axis=1))
    if repeated > max(1, REPEATED * len(stars)):
        raise ValueError(
            f"{where}: {repeated} of {len(stars)} stars equal another in place, mass, age and metallicity; "
            "are they there twice, from joined pieces? Join each piece once."
        )


def row_keys(*columns: np.ndarray) -> np.ndarray:
    """Mix the bits of columns into one number for each row; unequal rows hardly ever share one.

    Parameters
    ----------
    *columns : ndarray, shape (n,) or (n, k)
        At most six in all.

    Returns
    -------
    ndarray of uint64, shape (n,)
    """
    bits = np.ascontiguousarray(np.column_stack(columns), dtype=float).view(np.uint64)
    return (bits * MIXERS[: bits.shape[1]]).sum(axis=1, dtype=np.uint64)


def refuse_absurd_gas(where: str, gas: Gas) -> None:
    """Refuse gas with numbers that none has.

    Parameters
    ----------
    where : str
        File and galaxy, for messages.
    gas : Gas

    Raises
    ------
    ValueError
    """
    for name in ("mass", "density", "temperature", "smoothing_length"):
        values = getattr(gas, name)
        if values is not None and values.min() < 0:
            least = float(values.min())
            raise ValueError(f"{where}: {name} of the gas is as low as {least:.4g}; it cannot be negative.")
    if gas.metallicity is not None and gas.metallicity.max() > 1.0:
        most = float(gas.metallicity.max())
        raise ValueError(f"{where}: metallicities of the gas reach {most:.4g}; mass fractions are below 1.")


def refuse_other_catalogue(
    where: str, measured: dict[str, float], stated: dict, inner: float, is_whole: bool
) -> None:
    """Refuse a galaxy whose catalogue entry is not that of its stars.

    Parameters
    ----------
    where : str
        File and galaxy, for messages.
    measured : dict of float
        ``stellar_mass`` [Msun], ``half_mass_radius`` [kpc] and ``n_stars`` of the stars.
    stated : dict
        The same of the catalogue, as far as it has them.
    inner : float
        Share of the mass within half the half-mass radius about the catalogue's centre.
    is_whole : bool
        Whether all stars were read; else masses and radii are at most the catalogue's.

    Raises
    ------
    ValueError
        With both values.
    """
    if measured["n_stars"] >= FEWEST:
        _refuse(where, "half-mass radius", measured["half_mass_radius"], RADIUS, "kpc", "unit of length")
    if measured["n_stars"] >= ENOUGH and inner < INNER_SHARE:
        raise ValueError(
            f"{where}: hardly any star lies near its centre, and half of the mass beyond "
            f"{measured['half_mass_radius']:.4g} kpc: a centre of another snapshot, or in another unit?"
        )
    mass, radius = stated.get("stellar_mass"), stated.get("half_mass_radius")
    if mass and not 1 - (SAME_MASS if is_whole else 1) <= measured["stellar_mass"] / mass <= 1 + SAME_MASS:
        raise ValueError(
            f"{where}: its stars have {measured['stellar_mass']:.5g} Msun, the catalogue says {mass:.5g}: of "
            "another snapshot, or damaged offsets?"
        )
    if radius and measured["n_stars"] >= ENOUGH:
        ratio = measured["half_mass_radius"] / radius
        if ratio > SAME_RADIUS or (is_whole and ratio < 1 / SAME_RADIUS):
            raise ValueError(
                f"{where}: half of its stellar mass is within {measured['half_mass_radius']:.4g} kpc, by the "
                f"catalogue within {radius:.4g} kpc: of another snapshot, or in another unit?"
            )


def unusual(values: dict[str, float]) -> list[str]:
    """Say which numbers are unusual, though not impossible.

    Parameters
    ----------
    values : dict of float
        By the names of `SANE`.
    """
    return [
        f"{name} is {value:.3g}, usual is {SANE[name][0]:g} to {SANE[name][1]:g}"
        for name, value in values.items()
        if not SANE[name][0] <= value <= SANE[name][1]
    ]
