"""Dust between the stars and us, without radiative transfer."""

import abc

import numpy as np

from mocks.galaxy import Galaxy

__all__ = ["CalzettiScreen", "Dust", "NoDust", "TwoComponentScreen", "calzetti_curve", "cardelli_curve"]

REFERENCE = 5500.0  # Angstrom at which the optical depths of Charlot & Fall 2000 are given


class Dust(abc.ABC):
    """A treatment of dust: what share of each star's light gets through.

    Attributes
    ----------
    name : str
        For the record.
    assumed : tuple of str
        What is assumed without a source, in words.
    """

    name: str
    assumed: tuple[str, ...] = ()

    @abc.abstractmethod
    def transmission(self, galaxy: Galaxy, view: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Share of the light of each star that leaves the galaxy towards the observer.

        Parameters
        ----------
        galaxy : Galaxy
        view : ndarray, shape (3, 3)
            Rotation to the observer's frame; the observer is at large positive third coordinate.
        wavelength : ndarray, shape (band,)
            At rest [Angstrom].

        Returns
        -------
        ndarray, shape (band, n)
            Between 0 and 1.
        """


class NoDust(Dust):
    """All light gets through."""

    name = "none"

    def transmission(self, galaxy: Galaxy, view: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Return ones, shape (band, n)."""
        return np.ones((len(wavelength), len(galaxy.stars)))


class TwoComponentScreen(Dust):
    """Screens in front of every star, thicker for stars still in their birth clouds.

    Parameters
    ----------
    tau_young, tau_old : float
        Optical depth at 5500 Angstrom of stars younger and older than ``birth_cloud_age``.
    slope : float
        Optical depth goes as wavelength to this power.
    birth_cloud_age : float
        [Gyr].

    References
    ----------
    Charlot & Fall 2000, ApJ 539, 718, equation 6, with the values of Nelson et al. 2018, MNRAS 475, 624
    (their model B) and Rodriguez-Gomez et al. 2019, MNRAS 483, 4140.
    """

    name = "screen"

    def __init__(
        self,
        tau_young: float = 1.0,
        tau_old: float = 0.3,
        slope: float = -0.7,
        birth_cloud_age: float = 0.01,
    ):
        if min(tau_young, tau_old) < 0:
            raise ValueError(f"optical depths are {tau_young} and {tau_old}; neither may be negative.")
        self.tau_young, self.tau_old = tau_young, tau_old
        self.slope, self.birth_cloud_age = slope, birth_cloud_age
        self.assumed = (
            f"optical depth at {REFERENCE:g} Angstrom is {tau_young:g} for stars of up to "
            f"{1e3 * birth_cloud_age:g} Myr and {tau_old:g} for others, in every galaxy; slope {slope:g}",
        )

    def transmission(self, galaxy: Galaxy, view: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Share of the light of each star that gets through, shape (band, n)."""
        tau = np.where(galaxy.stars.age <= self.birth_cloud_age, self.tau_young, self.tau_old)
        law = (np.asarray(wavelength) / REFERENCE) ** self.slope
        return np.exp(-law[:, None] * tau)


def calzetti_curve(wavelength: np.ndarray) -> np.ndarray:
    """Attenuation over that at V of starburst galaxies.

    Parameters
    ----------
    wavelength : ndarray
        At rest, 1200 to 22000 Angstrom.

    Returns
    -------
    ndarray
        A_lambda / A_V.

    References
    ----------
    Calzetti et al. 2000, ApJ 533, 682, equations 4 and 5 (R_V = 4.05).
    """
    micron = np.asarray(wavelength, float) / 1e4
    if (micron < 0.12).any() or (micron > 2.2).any():
        raise ValueError(f"the Calzetti law holds from 1200 to 22000 Angstrom, not at {wavelength}.")
    x = 1 / micron
    blue = 2.659 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3)
    red = 2.659 * (-1.857 + 1.040 * x)
    return (np.where(micron < 0.63, blue, red) + 4.05) / 4.05


def cardelli_curve(wavelength: np.ndarray, r_v: float = 3.1) -> np.ndarray:
    """Extinction over that at V of the Milky Way.

    Parameters
    ----------
    wavelength : ndarray
        At rest, 1250 to 33000 Angstrom.
    r_v : float
        Ratio of total to selective extinction.

    Returns
    -------
    ndarray
        A_lambda / A_V.

    References
    ----------
    Cardelli, Clayton & Mathis 1989, ApJ 345, 245, equations 2 to 4.
    """
    x = 1e4 / np.asarray(wavelength, float)
    if (x < 0.3).any() or (x > 8).any():
        raise ValueError(f"the Milky Way law holds from 1250 to 33000 Angstrom, not at {wavelength}.")
    y = x - 1.82
    optical_a = [1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999]
    optical_b = [0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002]
    far = np.maximum(x - 5.9, 0)
    ultraviolet_a = 1.752 - 0.316 * x - 0.104 / ((x - 4.67) ** 2 + 0.341)
    ultraviolet_b = -3.090 + 1.825 * x + 1.206 / ((x - 4.62) ** 2 + 0.263)
    ultraviolet_a = ultraviolet_a - 0.04473 * far**2 - 0.009779 * far**3
    ultraviolet_b = ultraviolet_b + 0.2130 * far**2 + 0.1207 * far**3
    regions = [x < 1.1, x < 3.3]
    a = np.select(regions, [0.574 * x**1.61, np.polynomial.polynomial.polyval(y, optical_a)], ultraviolet_a)
    b = np.select(regions, [-0.527 * x**1.61, np.polynomial.polynomial.polyval(y, optical_b)], ultraviolet_b)
    return a + b / r_v


class CalzettiScreen(Dust):
    """One uniform screen with the attenuation law of starburst galaxies.

    Parameters
    ----------
    a_v : float
        Attenuation at V [mag].

    References
    ----------
    Calzetti et al. 2000, ApJ 533, 682.
    """

    name = "calzetti"

    def __init__(self, a_v: float = 0.3):
        if a_v < 0:
            raise ValueError(f"attenuation a_v is {a_v}; it may not be negative.")
        self.a_v = a_v
        self.assumed = (f"attenuation at V is {a_v:g} mag, for every star of every galaxy",)

    def transmission(self, galaxy: Galaxy, view: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
        """Share of the light of each star that gets through, shape (band, n)."""
        share = 10 ** (-0.4 * self.a_v * calzetti_curve(wavelength))
        return np.repeat(share[:, None], len(galaxy.stars), axis=1)
