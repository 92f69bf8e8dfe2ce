"""Weighted least squares of image models, within bounds."""

from collections.abc import Callable

import numpy as np
from scipy import optimize
from scipy.ndimage import gaussian_filter

__all__ = ["fit_within", "pixel_weights"]

_SMOOTHING = 1.5  # width of the smoothing of the variance [pixels]


def pixel_weights(variance: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Inverse errors of pixels, 0 where masked.

    A pixel's own light must not decide its weight, or fits come out too faint: the variance is smoothed.

    Parameters
    ----------
    variance : ndarray, shape (y, x)
        [nanomaggies^2].
    mask : ndarray, shape (y, x)
        Pixels that are not zero are left out.

    Returns
    -------
    ndarray, shape (y, x)
    """
    return np.where(
        mask == 0, 1 / np.sqrt(gaussian_filter(np.asarray(variance, dtype=float), _SMOOTHING)), 0.0
    )


def fit_within(
    residual: Callable[[np.ndarray], np.ndarray],
    first: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    steps: np.ndarray,
    most_evaluations: int,
) -> optimize.OptimizeResult:
    """Minimise the sum of squares of residuals.

    Parameters
    ----------
    residual : callable
        From parameters, shape (k,), to residuals, shape (n,).
    first, lower, upper : ndarray, shape (k,)
        First guess and bounds.
    steps : ndarray, shape (k,)
        Of the numerical derivatives; ten of them are the scale of a parameter.
    most_evaluations : int

    Returns
    -------
    scipy.optimize.OptimizeResult
    """

    def jacobian(parameters):
        here = residual(parameters)
        columns = []
        for i, step in enumerate(steps):
            # Away from the nearer bound, so that every trial lies inside.
            sign = -1 if parameters[i] + step > upper[i] else 1
            moved = parameters.copy()
            moved[i] += sign * step
            columns.append(sign * (residual(moved) - here) / step)
        return np.stack(columns, axis=1)

    return optimize.least_squares(
        residual, np.clip(first, lower + 1e-3, upper - 1e-3), jac=jacobian, bounds=(lower, upper),
        x_scale=10 * steps, xtol=1e-4, ftol=1e-5, gtol=None, max_nfev=most_evaluations,
    )  # fmt: skip
