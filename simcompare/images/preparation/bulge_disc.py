"""A bulge and a disc, for galaxies that no single Sersic profile fits."""

import numpy as np
from scipy.optimize import nnls

from simcompare.images.preparation.least_squares import fit_within, pixel_weights
from simcompare.images.preparation.sersic import (
    SERSIC_RANGE,
    SersicFit,
    SersicProfile,
    ellipticities,
    observed_model,
    profile_of,
)

__all__ = ["fit_bulge_disc"]

# Steps of the numerical derivatives: x, y [pixels]; of the disc two ellipticities and ln radius; of the bulge
# these and ln index.
_STEPS = np.array([0.02, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])
_MOST_EVALUATIONS = 60
_LARGEST_DISC = 2  # half-light radius over the image's side
_SMALL_BULGE = 0.2  # half-light radius of the first guess, over that of the galaxy


def _components(parameters: np.ndarray) -> tuple[SersicProfile, SersicProfile]:
    """Disc and bulge, each of flux one."""
    x, y, disc, bulge = parameters[0], parameters[1], parameters[2:5], parameters[5:9]
    return profile_of(np.array([x, y, *disc, 0.0])), profile_of(np.array([x, y, *bulge]))


def fit_bulge_disc(
    image: np.ndarray, variance: np.ndarray, mask: np.ndarray, psf: np.ndarray, start: SersicProfile
) -> SersicFit:
    """Fit an exponential disc and a Sersic bulge about one centre by weighted least squares.

    Parameters
    ----------
    image, variance, mask, psf, start
        As of `simcompare.images.preparation.sersic.fit_sersic`; the start is that of a single profile.

    Returns
    -------
    SersicFit
        With the disc as ``profile`` and the bulge beside it; neither has negative flux.
    """
    size = len(image)
    psf = np.asarray(psf, dtype=float) / np.sum(psf, dtype=float)
    weight = pixel_weights(variance, mask)
    data = (weight * image).ravel()

    def models(parameters):
        return np.stack(
            [(weight * observed_model(each, size, psf)).ravel() for each in _components(parameters)], axis=1
        )

    def residual(parameters):
        design = models(parameters)
        return data - design @ nnls(design, data)[0]

    e1, e2 = ellipticities(start.axis_ratio, start.position_angle)
    first = np.array([start.x, start.y, e1, e2, np.log(start.radius), 0, 0, 0, np.log(2.0)])
    first[7] = np.log(_SMALL_BULGE * start.radius)
    shortest, longest = np.log(0.2), np.log(_LARGEST_DISC * size)
    indices = np.log(SERSIC_RANGE)
    lower = np.array([start.x - 4, start.y - 4, -3, -3, shortest, -3, -3, shortest, indices[0]])
    upper = np.array([start.x + 4, start.y + 4, 3, 3, longest, 3, 3, np.log(size), indices[1]])
    most = (
        _MOST_EVALUATIONS if nnls(models(first), data)[0].any() else 1
    )  # without light nothing can be fitted
    result = fit_within(residual, first, lower, upper, _STEPS, most)
    fluxes = nnls(models(result.x), data)[0]
    disc, bulge = (
        profile_of(np.array(parameters), flux)
        for parameters, flux in zip(
            ([*result.x[:5], 0.0], [*result.x[:2], *result.x[5:]]), fluxes, strict=True
        )
    )
    # No failures are a bulge below the PSF, one as flat as a bar or a lens, and a disc level over the image.
    at_bound = np.isclose(result.x, upper, atol=2e-3)
    flag = int(result.status <= 0) | 2 * int(at_bound[8]) | 4 * int(at_bound[7])
    return SersicFit(
        profile=disc,
        reduced_chi2=float(2 * result.cost / max(np.count_nonzero(weight) - 11, 1)),
        flag=flag | 8 * int(fluxes.sum() <= 0),
        model=observed_model(disc, size, psf) + observed_model(bulge, size, psf),
        bulge=bulge,
    )
