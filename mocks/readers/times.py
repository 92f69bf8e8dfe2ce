"""Cosmologies and birth times: scale factors and conformal times to ages."""

import functools

import numpy as np
from astropy import units as u
from astropy.cosmology import FLRW, FlatLambdaCDM, LambdaCDM

from mocks.readers.interpolation import on_even_grid

__all__ = [
    "age_from_conformal_time",
    "age_from_scale_factor",
    "conformal_time",
    "cosmic_time",
    "make_cosmology",
    "scale_factor_at",
]

FLATNESS = 1e-4  # float32 headers miss Omega_m + Omega_Lambda = 1 by less
_LOG_A = np.linspace(np.log(1e-5), np.log(1.5), 40_001)  # a future 1.5 covers rounding of a = 1


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
    baryons = {} if omega_b is None else {"Ob0": omega_b}
    if omega_lambda is None or abs(omega_m + omega_lambda - 1.0) < FLATNESS:
        return FlatLambdaCDM(H0=100.0 * h, Om0=omega_m, **baryons)
    return LambdaCDM(H0=100.0 * h, Om0=omega_m, Ode0=omega_lambda, **baryons)


@functools.lru_cache(maxsize=64)
def _gyr_per_inverse(hubble: float) -> float:
    """1 / H0 [Gyr] of H0 [km/s/Mpc]; kept, since the conversion of units costs as much as 10^4 stars."""
    return float((1.0 / (hubble * u.km / u.s / u.Mpc)).to_value(u.Gyr))


def _hubble_time(cosmology: FLRW) -> float:
    """1 / H0 [Gyr]."""
    return _gyr_per_inverse(float(cosmology.H0.value))


@functools.lru_cache(maxsize=64)
def _tables(omega_m: float, omega_lambda: float) -> tuple[np.ndarray, np.ndarray]:
    """Cosmic time and conformal time in units of 1/H0 on the grid ``_LOG_A``; tau = 0 at a = 1."""
    a = np.exp(_LOG_A)
    expansion = np.sqrt(omega_m / a**3 + (1.0 - omega_m - omega_lambda) / a**2 + omega_lambda)  # E(a)

    def integrate(rate: np.ndarray) -> np.ndarray:
        # Simpson's rule on pairs of cells would halve the grid; the trapezium is exact enough at 4e4 points
        steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(_LOG_A)
        return np.concatenate([[0.0], np.cumsum(steps)])

    time = integrate(1.0 / expansion) + 2.0 / 3.0 * a[0] ** 1.5 / np.sqrt(
        omega_m
    )  # matter era before the grid
    tau = integrate(1.0 / (a**2 * expansion))  # d tau = da / (a^3 E)
    return time, tau - np.interp(0.0, _LOG_A, tau)


@functools.lru_cache(maxsize=64)
def _birth_table(omega_m: float, omega_lambda: float) -> tuple[float, float, float, float, float, np.ndarray]:
    """Cosmic time over an even grid of log(offset - tau), which is nearly linear in log a.

    Returns the first and last tau, the offset, first point and step of the grid, and the times.
    """
    time, tau = _tables(omega_m, omega_lambda)
    offset = 2.0 / np.sqrt(omega_m)
    grid = np.linspace(np.log(offset - tau[0]), np.log(offset - tau[-1]), len(tau))
    times = np.interp(np.log(offset - tau[0]) - grid, np.log(offset - tau[0]) - np.log(offset - tau), time)
    return tau[0], tau[-1], offset, grid[0], grid[1] - grid[0], times


def _tables_of(cosmology: FLRW) -> tuple[np.ndarray, np.ndarray]:
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
    time, _ = _tables_of(cosmology)
    return on_even_grid(np.log(scale_factor), _LOG_A[0], _LOG_A[1] - _LOG_A[0], time) * _hubble_time(
        cosmology
    )


def scale_factor_at(time: np.ndarray | float, cosmology: FLRW) -> np.ndarray:
    """Scale factor at a cosmic time, the inverse of `cosmic_time`.

    Parameters
    ----------
    time : array_like
        Time since the big bang [Gyr], positive.
    cosmology : astropy.cosmology.FLRW

    Returns
    -------
    ndarray
    """
    table, _ = _tables_of(cosmology)
    return np.exp(np.interp(np.asarray(time) / _hubble_time(cosmology), table, _LOG_A))


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
    _, tau = _tables_of(cosmology)
    return np.interp(np.log(scale_factor), _LOG_A, tau)


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
        Age at the output [Gyr]; negative for births after it, NaN before the first moment of the table.
    """
    birth = np.asarray(birth, dtype=float)
    first, last, offset, start, step, time = _birth_table(float(cosmology.Om0), float(cosmology.Ode0))
    is_known = (birth >= first) & (birth <= last)
    born = on_even_grid(np.log(offset - np.where(is_known, birth, first)), start, step, time)
    return cosmic_time(now, cosmology) - np.where(is_known, born, np.nan) * _hubble_time(cosmology)
