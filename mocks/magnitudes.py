"""AB magnitudes and linear flux."""

import numpy as np

__all__ = ["AB_NANOMAGGY", "magnitude_of", "nanomaggies_of"]

AB_NANOMAGGY = 22.5
"""AB magnitude of one nanomaggy."""


def nanomaggies_of(magnitude):
    """Flux of AB magnitudes.

    Parameters
    ----------
    magnitude : float or ndarray
        [AB mag]; infinite is no light.

    Returns
    -------
    float or ndarray
        [nanomaggies].
    """
    return 10.0 ** (-0.4 * (magnitude - AB_NANOMAGGY))


def magnitude_of(flux):
    """AB magnitudes of fluxes.

    Parameters
    ----------
    flux : float or ndarray
        Positive [nanomaggies].

    Returns
    -------
    float or ndarray
        [AB mag].
    """
    return AB_NANOMAGGY - 2.5 * np.log10(flux)
