"""Measurements on prepared images: flux, sizes, shape and concentration by elliptical growth curves."""

from dataclasses import dataclass

import numpy as np

from mocks.observing.psf_images import measure_fwhm
from simcompare.images.preparation.sersic import index_of_light
from simcompare.images.stamps import FLAGS, RawStamp

__all__ = [
    "Shape",
    "Sky",
    "combined_light",
    "elliptical_radius",
    "growth_curve",
    "light_radius",
    "magnitude",
    "measure_cut",
    "measure_shape",
    "petrosian_radius",
]

NARROWEST = 0.25  # half-light radius over the FWHM of the PSF; a star has half
# Adjacent SDSS pixels of single exposures correlate by 0.00 +- 0.04, those of mosaics by 0.05 to 0.4.
RESAMPLED_CORRELATION = 0.1


@dataclass(frozen=True)
class Shape:
    """Size and shape of a galaxy in one image.

    Parameters
    ----------
    axis_ratio, position_angle : float
        Minor over major axis; angle of the major axis from +x towards +y [rad].
    petrosian_radius, half_light_radius : float
        Semi-major axes [pixels].
    concentration : float
        5 log10 of the radii holding 80 and 20 per cent of the light.
    aperture : float
        Semi-major axis of the aperture of the flux, twice the Petrosian radius at most [pixels].
    truncated : bool
        Whether the image ends before the aperture does.
    """

    axis_ratio: float
    position_angle: float
    petrosian_radius: float
    half_light_radius: float
    concentration: float
    aperture: float
    truncated: bool


def magnitude(flux: float) -> float:
    """AB magnitude of a flux [nanomaggies]; NaN for a flux that is not positive."""
    return float(22.5 - 2.5 * np.log10(flux)) if flux > 0 else np.nan


def elliptical_radius(
    shape: tuple[int, int],
    centre: tuple[float, float],
    axis_ratio: float,
    position_angle: float,
    oversampling: int = 1,
) -> np.ndarray:
    """Semi-major axis of the ellipse through each (sub)pixel [pixels]."""
    n_y, n_x = shape
    x = (np.arange(n_x * oversampling) + 0.5) / oversampling - 0.5 - centre[0]
    y = ((np.arange(n_y * oversampling) + 0.5) / oversampling - 0.5 - centre[1])[:, None]
    cos, sin = np.cos(position_angle), np.sin(position_angle)
    return np.hypot(x * cos + y * sin, (y * cos - x * sin) / axis_ratio)


def growth_curve(
    image: np.ndarray,
    centre: tuple[float, float],
    axis_ratio: float = 1.0,
    position_angle: float = 0.0,
    oversampling: int = 5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flux and area within ellipses.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux per pixel.
    centre : (float, float)
        x and y [pixels].
    axis_ratio, position_angle : float
        Of the ellipses; angle from +x towards +y [rad].
    oversampling : int
        Parts into which each side of a pixel is cut.

    Returns
    -------
    radius : ndarray, shape (m,)
        Semi-major axes, in steps of a quarter pixel from 0 [pixels].
    flux, area : ndarray, shape (m,)
        Within them, in the unit of the image and [pixels]; area lost over the image's edge is not counted.
    """
    radius = elliptical_radius(image.shape, centre, axis_ratio, position_angle, oversampling)
    step = 0.25
    ring = (radius / step).astype(int).ravel()
    fine = np.repeat(np.repeat(image, oversampling, axis=0), oversampling, axis=1) / oversampling**2
    flux = np.concatenate([[0], np.cumsum(np.bincount(ring, fine.ravel()))])
    area = np.concatenate([[0], np.cumsum(np.bincount(ring))]) / oversampling**2
    return step * np.arange(len(flux)), flux, area


def petrosian_radius(radius: np.ndarray, flux: np.ndarray, area: np.ndarray, ratio: float = 0.2) -> float:
    """Radius where the local surface brightness falls to a fifth of the mean within.

    Local is the annulus from 0.8 to 1.25 radii, so that the definition holds up against noise.

    Parameters
    ----------
    radius, flux, area : ndarray, shape (m,)
        As `growth_curve` returns them.
    ratio : float
        Surface brightness over mean surface brightness within.

    Returns
    -------
    float
        [pixels]; NaN where the ratio is not reached.

    References
    ----------
    Blanton et al. 2001, AJ 121, 2358, eq. 1.
    """
    tried = np.arange(1.0, radius[-1] / 1.25, 0.1)
    within, inner, outer = (np.interp(tried * factor, radius, flux) for factor in (1, 0.8, 1.25))
    area_within, area_inner, area_outer = (
        np.interp(tried * factor, radius, area) for factor in (1, 0.8, 1.25)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        local = (outer - inner) / (area_outer - area_inner) / (within / area_within)
    below = np.flatnonzero(local < ratio)
    if len(below) == 0:
        return np.nan
    i = below[0]
    if i == 0:
        return float(tried[0])
    return float(np.interp(ratio, [local[i], local[i - 1]], [tried[i], tried[i - 1]]))


def light_radius(radius: np.ndarray, flux: np.ndarray, fraction: float, total: float) -> float:
    """Radius that holds a fraction of the total flux, at the first crossing."""
    above = np.flatnonzero(flux >= fraction * total)
    if len(above) == 0:
        return np.nan
    i = above[0]
    return float(np.interp(fraction * total, [flux[i - 1], flux[i]], [radius[i - 1], radius[i]]))


def measure_shape(image: np.ndarray, target: np.ndarray, centre: tuple[float, float]) -> Shape:
    """Size and shape of the galaxy at the centre.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux above the sky, neighbours removed.
    target : ndarray of bool, shape (y, x)
        The galaxy's pixels, for its axis ratio and angle.
    centre : (float, float)
        x and y [pixels].
    """
    axis_ratio, position_angle = _second_moments(image, target, centre)
    radius, flux, area = growth_curve(image, centre, axis_ratio, position_angle)
    petrosian = petrosian_radius(radius, flux, area)
    edge = _largest_ellipse(image.shape, centre, axis_ratio, position_angle)
    wanted = 2 * petrosian if np.isfinite(petrosian) else np.inf
    aperture = min(wanted, max(edge, 2.0))
    total = np.interp(aperture, radius, flux)
    r20, r50, r80 = (light_radius(radius, flux, fraction, total) for fraction in (0.2, 0.5, 0.8))
    positive = total > 0 and r20 > 0
    return Shape(
        axis_ratio=axis_ratio,
        position_angle=position_angle,
        petrosian_radius=petrosian,
        half_light_radius=r50 if total > 0 else np.nan,
        concentration=float(5 * np.log10(r80 / r20)) if positive else np.nan,
        aperture=float(aperture),
        truncated=bool(wanted > edge),
    )


def _second_moments(image, target, centre) -> tuple[float, float]:
    """Axis ratio and angle by flux-weighted second moments of the target's pixels."""
    y, x = np.nonzero(target)
    light = np.clip(image[y, x], 0, None)
    if light.sum() <= 0:
        return 1.0, 0.0
    dx, dy = x - centre[0], y - centre[1]
    # Pixels are squares: each carries a variance of 1/12 of its own.
    xx = np.average(dx * dx, weights=light) + 1 / 12
    yy = np.average(dy * dy, weights=light) + 1 / 12
    xy = np.average(dx * dy, weights=light)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    root = np.hypot((xx - yy) / 2, xy)
    mean = (xx + yy) / 2
    return float(np.clip(np.sqrt(max(mean - root, 0.0) / (mean + root)), 0.1, 1.0)), float(angle)


def _largest_ellipse(shape, centre, axis_ratio, position_angle) -> float:
    """Semi-major axis of the largest ellipse inside the image [pixels]."""
    reach_x = min(centre[0] + 0.5, shape[1] - 0.5 - centre[0])
    reach_y = min(centre[1] + 0.5, shape[0] - 0.5 - centre[1])
    cos2, sin2 = np.cos(position_angle) ** 2, np.sin(position_angle) ** 2
    half_width = np.sqrt(cos2 + axis_ratio**2 * sin2)
    half_height = np.sqrt(sin2 + axis_ratio**2 * cos2)
    return float(min(reach_x / half_width, reach_y / half_height))


def aperture_flux(image, centre, shape: Shape) -> tuple[float, float]:
    """Flux and area within the aperture of a shape."""
    radius, flux, area = growth_curve(image, centre, shape.axis_ratio, shape.position_angle)
    return float(np.interp(shape.aperture, radius, flux)), float(np.interp(shape.aperture, radius, area))


@dataclass(frozen=True, eq=False)
class Sky:
    """Sky of one image.

    Parameters
    ----------
    level, sigma : ndarray, shape (band,)
        Median and noise per pixel [nanomaggies].
    correlation : ndarray, shape (band,)
        Of the noise of adjacent pixels; NaN where it cannot be measured.
    """

    level: np.ndarray
    sigma: np.ndarray
    correlation: np.ndarray

    @property
    def mean_correlation(self) -> float:
        """Of adjacent pixels, over the bands; NaN where it cannot be measured."""
        known = self.correlation[np.isfinite(self.correlation)]
        return float(known.mean()) if len(known) else np.nan

    @property
    def combined_sigma(self) -> float:
        """Noise per pixel of `combined_light`."""
        return float(np.sum(self.sigma**-2) ** -0.5)


def combined_light(image: np.ndarray, sky: Sky) -> np.ndarray:
    """All bands above the sky in one image, with the weights that suit a flat spectrum best."""
    weights = sky.sigma**-2 / np.sum(sky.sigma**-2)
    return np.tensordot(weights, image - sky.level[:, None, None], axes=1)


def measure_cut(
    stamp: RawStamp,
    is_subtracted: bool,
    image: np.ndarray,
    target: np.ndarray | None,
    centre: tuple[float, float],
    corner: tuple[float, float],
    sky: Sky,
) -> dict:
    """Measure a cut image and raise the flags that follow.

    Parameters
    ----------
    stamp : RawStamp
        That it was cut from; gives names, PSF and metadata.
    is_subtracted : bool
        Whether the sky's level has been taken off the image.
    image : ndarray, shape (band, y, x)
        Flux, neighbours removed [nanomaggies per pixel].
    target : ndarray of bool, shape (y, x), or None
        Pixels of the galaxy; None when none was detected.
    centre, corner : (float, float)
        x and y of the galaxy in the cut, and of the cut's first pixel in the stamp [pixels].
    sky : Sky

    Returns
    -------
    dict
        Row of the catalogue: names, place, measurements, ``flags``, and the stamp's metadata.
    """
    scale = stamp.pixel_scale
    level = np.zeros(len(sky.level)) if is_subtracted else sky.level
    above = image.astype(float) - level[:, None, None]
    weights = sky.sigma**-2 / np.sum(sky.sigma**-2)
    light = np.tensordot(weights, above, axes=1)
    shape = measure_shape(light, np.ones_like(light, bool) if target is None else target, centre)
    fluxes, areas = np.array([aperture_flux(band, centre, shape) for band in above]).T
    fwhm = np.array([measure_fwhm(psf) for psf in stamp.psf]) * scale
    round_to = np.sqrt(shape.axis_ratio)
    combined_noise = np.sqrt(np.sum((weights * sky.sigma) ** 2) * areas[0])
    row = {
        "galaxy_id": stamp.galaxy_id,
        "ra": float(stamp.ra),
        "dec": float(stamp.dec),
        "half_light_radius": shape.half_light_radius * scale,
        "petrosian_radius": shape.petrosian_radius * scale,
        "axis_ratio": shape.axis_ratio,
        "position_angle": shape.position_angle,
        "concentration": shape.concentration,
        "sersic_index": index_of_light(
            shape.half_light_radius * round_to,
            shape.concentration,
            shape.aperture * round_to,
            float(weights @ fwhm) / scale,
        ),
        "snr": float(weights @ fluxes / combined_noise),
        "centre_x": centre[0],
        "centre_y": centre[1],
        "cut_x": corner[0],
        "cut_y": corner[1],
        "noise_correlation": sky.mean_correlation,
    }
    for band, flux, level_b, sigma, width in zip(
        stamp.bands, fluxes, sky.level, sky.sigma, fwhm, strict=True
    ):
        row |= {f"mag_{band}": magnitude(flux), f"sky_level_{band}": level_b, f"sky_sigma_{band}": sigma}
        row[f"psf_fwhm_{band}"] = width
    row["flags"] = _flags(row, stamp, target, shape, sky, weights @ fwhm, image.shape[-1] // 2)
    return row | {key: value for key, value in stamp.metadata.items() if key not in row}


def _flags(
    row: dict,
    stamp: RawStamp,
    target: np.ndarray | None,
    shape: Shape,
    sky: Sky,
    fwhm: float,
    middle: int,
) -> int:
    """Sum of the flags that a cut's measurements raise."""
    truths = {
        "off_centre": max(abs(row["centre_x"] - middle), abs(row["centre_y"] - middle)) > 1,
        "small": not row["half_light_radius"] >= fwhm,
        "faint": not row["snr"] >= 10,
        "background": bool((np.abs(sky.level) > 0.5 * sky.sigma).any()),
        "resampled": stamp.resampled or row["noise_correlation"] > RESAMPLED_CORRELATION,
        # A cosmic ray is narrower than a star; of noise alone the aperture holds less than nothing at times.
        "undetected": target is None or not row["snr"] > 0 or row["half_light_radius"] < NARROWEST * fwhm,
        "truncated": shape.truncated,
        "edge": target is not None and _touches_edge(target),
    }
    return sum(FLAGS[name] for name, is_true in truths.items() if is_true)


def _touches_edge(target: np.ndarray) -> bool:
    """Whether an isophote reaches the border of the image."""
    return bool(target[0].any() or target[-1].any() or target[:, 0].any() or target[:, -1].any())
