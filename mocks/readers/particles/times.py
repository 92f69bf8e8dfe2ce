"""Cosmologies and birth times: scale factors and conformal times to ages."""

import functools

import numpy as np
from astropy import units as u
from astropy.cosmology import FLRW, FlatLambdaCDM, LambdaCDM

from mocks.compiled import njit
from mocks.readers.particles.interpolation import on_even_grid

__all__ = [
    "age_from_conformal_time",
    "age_from_scale_factor",
    "checked_cosmology",
    "conformal_time",
    "cosmic_time",
    "make_cosmology",
    "scale_factor_at",
]

HUBBLE = 0.4, 0.95  # h of any simulation
MOST_CURVATURE = 0.02  # Omega_m + Omega_Lambda - 1
FLATNESS = 1e-4  # float32 headers miss Omega_m + Omega_Lambda = 1 by less
POINTS = 40_001  # points of the tables; linear interpolation is then good to 30 years
_ROOT_A = np.linspace(0.0, np.sqrt(1.5), POINTS)  # a future 1.5 covers rounding of a = 1
FIRST_ROOT_A = np.sqrt(1e-5)  # nothing is born before


def make_cosmology(
    h: float, omega_m: float, omega_lambda: float | None = None, omega_b: float | None = None
) -> FLRW:
    """Cosmology of a simulation from the numbers in its header.

    Simulations ignore radiation after their initial conditions, and so do we (``Tcmb0 = 0``).

    Parameters
    ----------
    h : float
        Hubble constant [100 km/s/Mpc].
    omega_m, omega_lambda, omega_b : float
        Density parameters of matter, dark energy and baryons; flat when `omega_lambda` is None.

    Returns
    -------
    astropy.cosmology.FLRW

    Raises
    ------
    ValueError
        When a number is not one that a universe can have.
    """
    for name, value, low, high in (("h", h, 0.1, 2.0), ("Omega_m", omega_m, 0.01, 1.5)):
        if not low < value < high:
            raise ValueError(
                f"cosmology has {name} = {value}; allowed is {low} to {high}. Is the header damaged?"
            )
    if omega_lambda is not None and not (_expansion(omega_m, omega_lambda) > 0.0).all():
        raise ValueError(
            f"cosmology of Omega_m = {omega_m}, Omega_Lambda = {omega_lambda} does not expand "
            "steadily from a big bang. Is the header damaged?"
        )
    baryons = {} if omega_b is None else {"Ob0": omega_b}
    if omega_lambda is None or abs(omega_m + omega_lambda - 1.0) < FLATNESS:
        return FlatLambdaCDM(H0=100.0 * h, Om0=omega_m, **baryons)
    return LambdaCDM(H0=100.0 * h, Om0=omega_m, Ode0=omega_lambda, **baryons)


def checked_cosmology(
    h: float, omega_m: float, omega_lambda: float | None = None, omega_b: float | None = None
) -> FLRW:
    """Cosmology of a simulation from its files; refuse one that no simulation of galaxies has.

    Parameters
    ----------
    h, omega_m, omega_lambda, omega_b : float
        See `make_cosmology`.

    Returns
    -------
    astropy.cosmology.FLRW

    Raises
    ------
    ValueError
        When a number is not one that a universe can have, or the universe is curved.
    """
    cosmology = make_cosmology(h, omega_m, omega_lambda, omega_b)
    if not HUBBLE[0] < h < HUBBLE[1]:
        raise ValueError(
            f"cosmology has h = {h}; allowed is {HUBBLE[0]} to {HUBBLE[1]}. Is the header damaged, or are "
            "its units without h? Then read its arrays with mocks.readers.galaxy_from_arrays."
        )
    curvature = 0.0 if omega_lambda is None else omega_m + omega_lambda - 1.0
    if abs(curvature) > MOST_CURVATURE:
        raise ValueError(
            f"cosmology of Omega_m = {omega_m} and Omega_Lambda = {omega_lambda} has curvature "
            f"{curvature:+.3g}; simulations of galaxies are flat, so one of the two is wrong. "
            "Correct the header, or state the matter density of a flat universe (--reader omega_m=...)."
        )
    return cosmology


def _expansion(omega_m: float, omega_lambda: float) -> np.ndarray:
    """``a^3 E(a)^2`` on the grid ``_ROOT_A``."""
    return omega_m + (1.0 - omega_m - omega_lambda) * _ROOT_A**2 + omega_lambda * _ROOT_A**6


@functools.lru_cache(maxsize=64)
def _gyr_per_inverse(hubble: float) -> float:
    """1 / H0 [Gyr] of H0 [km/s/Mpc]; kept, since the conversion of units costs as much as 10^4 stars."""
    return float((1.0 / (hubble * u.km / u.s / u.Mpc)).to_value(u.Gyr))


def _hubble_time(cosmology: FLRW) -> float:
    """1 / H0 [Gyr]."""
    return _gyr_per_inverse(float(cosmology.H0.value))


@functools.lru_cache(maxsize=64)
def _tables(omega_m: float, omega_lambda: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosmic time, `_clock` of conformal time, and cosmic time over an even grid of that clock.

    The first two on the grid ``_ROOT_A``, times in units of 1/H0. With s the root of a, dt = 2 s^2 ds / R and
    d tau = 2 s^-2 ds / R, where R^2 = a^3 E^2; tau is split in its part of the matter era, known exactly, and
    the small rest.
    """
    root = np.sqrt(_expansion(omega_m, omega_lambda))

    def integrate(rate: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(_ROOT_A))])

    time = integrate(2.0 * _ROOT_A**2 / root)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = 2.0 / _ROOT_A**2 * (1.0 / root - 1.0 / root[0])
        rest[0] = rest[1]
        tau = integrate(rest) - 2.0 / (root[0] * _ROOT_A)
        clock = _clock(tau - np.interp(1.0, _ROOT_A, tau), 2.0 / root[0], -np.inf, np.inf)
    return time, clock, np.interp(np.linspace(0.0, clock[-1], POINTS), clock, time)


@njit
def _clock(tau, offset, first, last):
    """Turn conformal time into a number that grows nearly as the root of a; NaN outside of first to last."""
    clock = np.empty(len(tau))
    for i in range(len(tau)):
        clock[i] = 1.0 / (offset - tau[i]) if first <= tau[i] <= last else np.nan
    return clock


def _tables_of(cosmology: FLRW) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return _tables(float(cosmology.Om0), float(cosmology.Ode0))


def cosmic_time(scale_factor: np.ndarray | float, cosmology: FLRW) -> np.ndarray:
    """Age of the universe at a scale factor.

    Parameters
    ----------
    scale_factor : array_like
        Expansion factor, 1 today.
    cosmology : astropy.cosmology.FLRW
        Matter, curvature and a cosmological constant.

    Returns
    -------
    ndarray
        Time since the big bang [Gyr].
    """
    time = _tables_of(cosmology)[0]
    return on_even_grid(np.sqrt(scale_factor), 0.0, _ROOT_A[1], time) * _hubble_time(cosmology)


def scale_factor_at(time: np.ndarray | float, cosmology: FLRW) -> np.ndarray:
    """Scale factor at a cosmic time, the inverse of `cosmic_time`.

    Parameters
    ----------
    time : array_like
        Time since the big bang [Gyr], positive.
    cosmology : astropy.cosmology.FLRW
    """
    table = _tables_of(cosmology)[0]
    return np.interp(np.asarray(time) / _hubble_time(cosmology), table, _ROOT_A) ** 2


def conformal_time(scale_factor: np.ndarray | float, cosmology: FLRW) -> np.ndarray:
    """Super-conformal time tau as RAMSES counts it: ``d tau = H0 dt / a^2``, 0 today, negative before.

    Parameters
    ----------
    scale_factor : array_like
        Expansion factor, 1 today.
    cosmology : astropy.cosmology.FLRW

    Returns
    -------
    ndarray
        Dimensionless.

    References
    ----------
    Martel & Shapiro 1998, MNRAS 297, 467 (super-comoving variables).
    """
    clock = np.interp(np.sqrt(scale_factor), _ROOT_A, _tables_of(cosmology)[1])
    return 2.0 / np.sqrt(float(cosmology.Om0)) - 1.0 / clock


def age_from_scale_factor(birth: np.ndarray, now: float, cosmology: FLRW) -> np.ndarray:
    """Age of stars from the scale factor of their birth.

    Parameters
    ----------
    birth : ndarray
        Scale factor at birth, positive.
    now : float
        Scale factor of the output.
    cosmology : astropy.cosmology.FLRW

    Returns
    -------
    ndarray
        Age at the output [Gyr]; negative for births after it.
    """
    return cosmic_time(now, cosmology) - cosmic_time(np.asarray(birth, dtype=float), cosmology)


def age_from_conformal_time(birth: np.ndarray, now: float, cosmology: FLRW) -> np.ndarray:
    """Age of stars from the conformal time of their birth.

    Parameters
    ----------
    birth : ndarray
        Conformal time at birth (see `conformal_time`).
    now : float
        Scale factor of the output.
    cosmology : astropy.cosmology.FLRW

    Returns
    -------
    ndarray
        Age at the output [Gyr]; negative for births after it, NaN for those before a = 1e-5 or after a = 1.5.
    """
    _, clock, time = _tables_of(cosmology)
    offset = 2.0 / np.sqrt(float(cosmology.Om0))
    first = offset - 1.0 / np.interp(FIRST_ROOT_A, _ROOT_A, clock)
    passed = _clock(np.ascontiguousarray(birth, dtype=float), offset, first, offset - 1.0 / clock[-1])
    born = on_even_grid(passed, 0.0, clock[-1] / (POINTS - 1), time)
    return cosmic_time(now, cosmology) - born * _hubble_time(cosmology)
