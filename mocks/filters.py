"""Transmission curves of bands."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Filter", "load_filter"]


@dataclass(frozen=True, eq=False)
class Filter:
    """Transmission curve of one band, atmosphere and camera included.

    Parameters
    ----------
    name : str
        As in ``speclite``, ``<group>-<band>``.
    wavelength : ndarray, shape (n,)
        [Angstrom].
    response : ndarray, shape (n,)
        Chance that a photon above the atmosphere is counted; any scale.
    """

    name: str
    wavelength: np.ndarray
    response: np.ndarray

    @property
    def pivot(self) -> float:
        """Pivot wavelength [Angstrom]: that at which f_lambda and f_nu convert exactly."""
        photons = np.trapezoid(self.response * self.wavelength, self.wavelength)
        return float(np.sqrt(photons / np.trapezoid(self.response / self.wavelength, self.wavelength)))


@lru_cache(maxsize=128)
def load_filter(name: str) -> Filter:
    """Read a transmission curve from ``speclite``.

    Parameters
    ----------
    name : str
        For example ``"sdss2010-r"``.

    Raises
    ------
    ValueError
        For a name that ``speclite`` does not have.
    """
    import speclite.filters

    try:
        curve = speclite.filters.load_filter(name)
    except (ValueError, OSError, RuntimeError) as error:
        groups = ", ".join(speclite.filters.filter_group_names)
        raise ValueError(f"filter {name!r} is not in speclite ({error}); its groups are {groups}.") from error
    return Filter(name, np.array(curve.wavelength, float), np.array(curve.response, float))
