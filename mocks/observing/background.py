"""What is left in a blank image besides noise: sources too faint to be found, and left-over sky."""

from dataclasses import dataclass, replace

import numpy as np

from mocks.magnitudes import nanomaggies_of
from mocks.surveys import Survey

__all__ = ["FaintSources", "faint_field", "faint_sources", "residual_sky"]

REFERENCE_MAGNITUDE = 22.0
"""At which survey files count faint sources [AB mag]."""
ARCSEC_PER_ARCMIN = 60


@dataclass(frozen=True, eq=False)
class FaintSources:
    """Number counts of the sources below a survey's detection limit.

    Parameters
    ----------
    density : ndarray, shape (band,)
        Sources per square arcminute and magnitude at AB magnitude 22.
    brightest : ndarray, shape (band,)
        Where detection, and with it masking, begins [AB mag].
    slope : float
        Of the logarithm of the counts per magnitude.
    span : float
        How far below the detection limit sources are drawn [mag]; fainter ones are a smooth background.
    pixel_scale : float
        [arcsec].
    """

    density: np.ndarray
    brightest: np.ndarray
    slope: float
    span: float
    pixel_scale: float

    def select(self, index) -> "FaintSources":
        """Keep some of the bands, by their indices."""
        return replace(self, density=self.density[index], brightest=self.brightest[index])


def faint_sources(survey: Survey, bands) -> FaintSources | None:
    """Read the counts of a survey's file; None where it has none for one of the bands.

    Parameters
    ----------
    survey : Survey
    bands : sequence of str
    """
    selected = survey.select(bands)
    if survey.faint_slope is None or any(band.faint_density is None for band in selected):
        return None
    return FaintSources(
        density=np.array([band.faint_density for band in selected]),
        brightest=np.array([band.depth for band in selected]),
        slope=survey.faint_slope,
        span=survey.faint_span,
        pixel_scale=survey.pixel_scale,
    )


def faint_field(
    shape: tuple[int, int], faint: FaintSources, psf: tuple[np.ndarray, ...], rng: np.random.Generator
) -> np.ndarray:
    """Light of undetected sources, less its mean, which the sky subtraction takes away.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    faint : FaintSources
    psf : tuple of ndarray, shape (k, k)
        Of each band. Sources at these magnitudes are smaller than the PSF of the ground.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (band, y, x)
        [nanomaggies per pixel]. A source lies at the same place in all bands; its colours are those by
        which the counts of the bands are shifted against each other.
    """
    growth = faint.slope * np.log(10)
    # Magnitudes are drawn in the first band; a source of that magnitude has colour added in the others.
    colour = np.log10(faint.density[0] / faint.density) / faint.slope
    brightest = (faint.brightest - colour).max()
    faintest = brightest + faint.span
    edges = np.exp(growth * (np.array([brightest, faintest]) - REFERENCE_MAGNITUDE))
    margin = max(len(each) for each in psf) // 2
    n_y, n_x = shape[0] + 2 * margin, shape[1] + 2 * margin
    pixel_area = (faint.pixel_scale / ARCSEC_PER_ARCMIN) ** 2
    per_pixel = faint.density[0] * (edges[1] - edges[0]) / growth * pixel_area
    n = rng.poisson(per_pixel * n_y * n_x)
    place = rng.integers(0, (n_y, n_x), size=(n, 2))
    magnitude = REFERENCE_MAGNITUDE + np.log(rng.uniform(*edges, size=n)) / growth
    dimming = growth - 0.4 * np.log(10)
    ends = np.exp(dimming * (np.array([brightest, faintest]) - REFERENCE_MAGNITUDE))
    mean = faint.density[0] * pixel_area * (ends[1] - ends[0]) / dimming
    field = np.empty((len(psf), n_y + 2 * margin, n_x + 2 * margin))
    for i, kernel in enumerate(psf):
        zero = nanomaggies_of(REFERENCE_MAGNITUDE + colour[i])
        field[i] = -mean * zero
        reach = len(kernel) // 2
        light = nanomaggies_of(magnitude + colour[i])
        for (y, x), flux in zip(place + margin, light, strict=True):
            field[i, y - reach : y + reach + 1, x - reach : x + reach + 1] += flux * kernel
    return field[:, 2 * margin : 2 * margin + shape[0], 2 * margin : 2 * margin + shape[1]]


def residual_sky(shape: tuple[int, int], level: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Sky that the survey's subtraction left: an offset and a slope.

    Parameters
    ----------
    shape : tuple of int
        (y, x).
    level : ndarray, shape (band,)
        In the middle [nanomaggies per pixel].
    gradient : ndarray, shape (band, 2)
        Along y and x [nanomaggies per pixel, per pixel].

    Returns
    -------
    ndarray, shape (band, y, x)
    """
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    slope = gradient[:, 0, None, None] * y[:, None] + gradient[:, 1, None, None] * x
    return level[:, None, None] + slope
