"""One PSF-convolved Sersic profile per galaxy: fitted to an image, and rendered again without noise."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import gamma, gammainc, gammaincinv
from scipy.stats import ncx2

from mocks.ideal.record import IdealImage
from mocks.observing.blurring import convolve_psf
from mocks.observing.observe import bin_pixels
from simcompare.images.preparation.least_squares import fit_within, pixel_weights

__all__ = [
    "SERSIC_RANGE",
    "SersicFit",
    "SersicProfile",
    "ellipticities",
    "fit_sersic",
    "ideal_image",
    "index_of_light",
    "observed_model",
    "profile_of",
    "render_profile",
    "sersic_image",
]

SERSIC_RANGE = (0.3, 8.0)
# Survey pixels of margin around a rendered image, for light that the PSF carries in.
MARGIN = 8
FIT_OVERSAMPLING = 2
# Steps of the numerical derivatives: x, y [pixels], ellipticities, ln radius, ln index.
_STEPS = np.array([0.02, 0.02, 0.01, 0.01, 0.01, 0.01])
_MOST_EVALUATIONS = 40


@dataclass(frozen=True)
class SersicProfile:
    """A Sersic profile on a pixel grid.

    Parameters
    ----------
    x, y : float
        Centre [pixels]; the first pixel's centre is at 0.
    flux : float
        Total, to infinity [nanomaggies].
    radius : float
        Half-light semi-major axis [pixels].
    index : float
        Sersic index.
    axis_ratio : float
        Minor over major axis.
    position_angle : float
        Of the major axis, from +x towards +y [rad].

    References
    ----------
    Graham & Driver 2005, PASA 22, 118, eqs. 1 and 4.
    """

    x: float
    y: float
    flux: float
    radius: float
    index: float
    axis_ratio: float
    position_angle: float


@dataclass(frozen=True, eq=False)
class SersicFit:
    """Result of a fit.

    Parameters
    ----------
    profile : SersicProfile
        Best fit, on the pixels of the image that was fitted.
    reduced_chi2 : float
        Over the pixels used.
    flag : int
        0 for a fit inside all bounds; bits: 1 not converged, 2 index at its bound, 4 radius at its bound,
        8 flux not positive.
    model : ndarray, shape (y, x)
        PSF-convolved best fit [nanomaggies per pixel].
    bulge : SersicProfile, optional
        Second component of a galaxy that one profile does not fit; ``profile`` is then the disc.
    """

    profile: SersicProfile
    reduced_chi2: float
    flag: int
    model: np.ndarray
    bulge: SersicProfile | None = None

    @property
    def flux(self) -> float:
        """Total, of all components [nanomaggies]."""
        return self.profile.flux + (self.bulge.flux if self.bulge else 0.0)


def sersic_image(profile: SersicProfile, shape: tuple[int, int]) -> np.ndarray:
    """Profile integrated over pixels, without PSF.

    Pixels near the centre are divided more finely the closer they are, so that the cusp keeps its flux.

    Parameters
    ----------
    profile : SersicProfile
        On the pixels of the image to make.
    shape : (int, int)
        Sides y and x.

    Returns
    -------
    ndarray, shape (y, x)
        Flux per pixel, in the unit of the profile's flux.
    """
    b = gammaincinv(2 * profile.index, 0.5)
    cos, sin = np.cos(profile.position_angle), np.sin(profile.position_angle)

    def brightness(x, y):
        major = (x - profile.x) * cos + (y - profile.y) * sin
        minor = ((y - profile.y) * cos - (x - profile.x) * sin) / profile.axis_ratio
        squared = (major * major + minor * minor) / profile.radius**2
        return np.exp(-b * squared ** (0.5 / profile.index))

    image = brightness(np.arange(shape[1]), np.arange(shape[0])[:, None])
    column, row = int(np.rint(profile.x)), int(np.rint(profile.y))
    for reach, division in ((7, 5), (2, 25), (0, 201)):
        columns = _clipped(column - reach, column + reach + 1, shape[1])
        rows = _clipped(row - reach, row + reach + 1, shape[0])
        if not (len(columns) and len(rows)):
            continue
        offset = (np.arange(division) + 0.5) / division - 0.5
        fine_x = (columns[:, None] + offset).ravel()
        fine_y = (rows[:, None] + offset).ravel()[:, None]
        fine = brightness(fine_x, fine_y).reshape(len(rows), division, len(columns), division)
        image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = fine.mean(axis=(1, 3))
    area = 2 * np.pi * profile.index * profile.radius**2 * profile.axis_ratio
    total = area * b ** (-2 * profile.index) * gamma(2 * profile.index)
    return image * (profile.flux / total)


def _clipped(first: int, stop: int, side: int) -> np.ndarray:
    """Pixels of a range that lie inside the image."""
    return np.arange(max(first, 0), min(stop, side))


def render_profile(profile: SersicProfile, size: int, oversampling: int, margin: int = MARGIN) -> np.ndarray:
    """Profile on a grid finer than the survey's.

    Parameters
    ----------
    profile : SersicProfile
        On survey pixels of an image of side ``size``.
    size : int
        Survey pixels.
    oversampling : int
        Fine pixels per survey pixel and axis.
    margin : int
        Survey pixels to add on every side.

    Returns
    -------
    ndarray, shape (side, side)
        Flux per fine pixel; side = oversampling (size + 2 margin).
    """
    side = oversampling * (size + 2 * margin)

    def fine(position):
        return (position + margin + 0.5) * oversampling - 0.5

    moved = SersicProfile(
        fine(profile.x),
        fine(profile.y),
        profile.flux,
        profile.radius * oversampling,
        profile.index,
        profile.axis_ratio,
        profile.position_angle,
    )
    return sersic_image(moved, (side, side))


def observed_model(profile: SersicProfile, size: int, psf: np.ndarray) -> np.ndarray:
    """Image (size, size) of a profile on survey pixels, without noise, PSF included."""
    blurred = convolve_psf(render_profile(profile, size, FIT_OVERSAMPLING), psf, FIT_OVERSAMPLING)
    return bin_pixels(blurred, FIT_OVERSAMPLING)[MARGIN:-MARGIN, MARGIN:-MARGIN]


def profile_of(parameters: np.ndarray, flux: float = 1.0) -> SersicProfile:
    """Profile of the fit's parameters: x, y, two ellipticities, ln radius, ln index."""
    x, y, e1, e2, log_radius, log_index = parameters
    # A hard edge would leave the fit without a slope: the ellipticity saturates towards axis ratio 0.05.
    ellipticity = 0.905 * np.tanh(np.hypot(e1, e2))
    return SersicProfile(
        x=float(x),
        y=float(y),
        flux=float(flux),
        radius=float(np.exp(log_radius)),
        index=float(np.exp(log_index)),
        axis_ratio=float((1 - ellipticity) / (1 + ellipticity)),
        position_angle=float(0.5 * np.arctan2(e2, e1)),
    )


def ellipticities(axis_ratio: float, position_angle: float) -> tuple[float, float]:
    """Two components whose modulus saturates as `profile_of` expects."""
    modulus = np.arctanh(min((1 - axis_ratio) / (1 + axis_ratio) / 0.905, 0.99))
    return modulus * np.cos(2 * position_angle), modulus * np.sin(2 * position_angle)


def fit_sersic(
    image: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    psf: np.ndarray,
    start: SersicProfile,
    prior: tuple[float, float] | None = None,
) -> SersicFit:
    """Fit one galaxy by weighted least squares; the flux follows from the shape exactly.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux above the sky [nanomaggies per pixel]; square.
    variance : ndarray, shape (y, x)
        [nanomaggies^2].
    mask : ndarray, shape (y, x)
        Pixels that are not zero are left out.
    psf : ndarray, shape (k, k)
        Effective PSF on the same pixels; k odd, sum 1.
    start : SersicProfile
        First guess; its flux is not used.
    prior : (float, float), optional
        Mean and standard deviation of ln index in the population. It decides where the image does not: the
        index of a galaxy of low signal-to-noise runs to the end of its range without.

    Returns
    -------
    SersicFit
        Its chi^2 is that of the pixels alone.
    """
    size = len(image)
    psf = np.asarray(psf, dtype=float) / np.sum(psf, dtype=float)
    weight = pixel_weights(variance, mask)
    data = (weight * image).ravel()

    def weighted_model(parameters):
        return (weight * observed_model(profile_of(parameters), size, psf)).ravel()

    def misfit(parameters):
        model = weighted_model(parameters)
        return data - model * (model @ data) / (model @ model)

    def residual(parameters):
        if prior is None:
            return misfit(parameters)
        return np.append(misfit(parameters), (parameters[5] - prior[0]) / prior[1])

    e1, e2 = ellipticities(start.axis_ratio, start.position_angle)
    first = np.array([start.x, start.y, e1, e2, np.log(start.radius), np.log(start.index)])
    lower = np.array([start.x - 4, start.y - 4, -3, -3, np.log(0.2), np.log(SERSIC_RANGE[0])])
    upper = np.array([start.x + 4, start.y + 4, 3, 3, np.log(2 * size), np.log(SERSIC_RANGE[1])])
    result = fit_within(residual, first, lower, upper, _STEPS, _MOST_EVALUATIONS)
    model = weighted_model(result.x)
    flux = float((model @ data) / (model @ model))
    profile = profile_of(result.x, flux)
    at_bound = np.isclose(result.x, lower, atol=2e-3) | np.isclose(result.x, upper, atol=2e-3)
    flag = int(result.status <= 0) | 2 * int(at_bound[5]) | 4 * int(at_bound[4]) | 8 * int(flux <= 0)
    used = np.count_nonzero(weight)
    return SersicFit(
        profile=profile,
        reduced_chi2=float(np.sum(misfit(result.x) ** 2) / max(used - 7, 1)),
        flag=flag,
        model=observed_model(profile, size, psf),
    )


@cache
def _blurred_growth() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Light within circles of Sersic profiles blurred by a Gaussian of sigma 1.

    Returns
    -------
    index, radius : ndarray, shapes (n,) and (k,)
        Of the profiles, and of the circles [sigma].
    light : ndarray, shape (n, m, k)
        Share of the total, for m sizes from 0.1 to 100 sigma.
    """
    index = np.geomspace(*SERSIC_RANGE, 25)
    half_light, radius = np.geomspace(0.1, 100, 31), np.geomspace(0.01, 400, 240)
    shells = np.concatenate([[0.0], radius])
    # A ring at radius s, blurred, has P(chi'^2_2(s^2) < r^2) of its light within r.
    rings = np.sqrt(0.5 * (shells[1:] ** 2 + shells[:-1] ** 2))
    within = ncx2.cdf(radius[:, None] ** 2, 2, rings**2)
    b = gammaincinv(2 * index, 0.5)[:, None, None]
    x = (shells / half_light[:, None]) ** (1 / index[:, None, None])
    sharp = gammainc(2 * index[:, None, None], b * x)
    return index, radius, np.diff(sharp, axis=-1) @ within.T


def index_of_light(half_light_radius: float, concentration: float, aperture: float, fwhm: float) -> float:
    """Sersic index of a galaxy by how its light grows with radius, corrected for seeing; no fit.

    The profile is the one that, blurred by a Gaussian, has this half-light radius and concentration within
    this aperture. Cheap (a millisecond), and the same for real and simulated images. The wings of real PSFs
    and flattening, which seeing rounds off, make it low: by a tenth at 2, up to a quarter at 4. `fit_sersic`
    has neither fault, and takes a hundred times as long.

    Parameters
    ----------
    half_light_radius, aperture : float
        Circularised radii, as measured under seeing [pixels].
    concentration : float
        5 log10 of the radii holding 80 and 20 per cent of the light in the aperture.
    fwhm : float
        Of the PSF [pixels].

    Returns
    -------
    float
        Within `SERSIC_RANGE`, whose ends also stand for what lies beyond; NaN for a galaxy that is not
        resolved (half-light radius below 0.7 FWHM, a point source has 0.5) or was not measured.
    """
    if not half_light_radius >= 0.7 * fwhm or not np.isfinite(concentration + aperture):
        return np.nan
    index, radius, light = _blurred_growth()
    sigma = fwhm / np.sqrt(8 * np.log(2))
    k = np.clip(np.searchsorted(radius, aperture / sigma), 1, len(radius) - 1)
    share = np.clip((aperture / sigma - radius[k - 1]) / (radius[k] - radius[k - 1]), 0, 1)
    total = light[..., k - 1] + share * (light[..., k] - light[..., k - 1])
    log_r20, log_r50, log_r80 = (_log_radius_of(light, fraction * total) for fraction in (0.2, 0.5, 0.8))
    wanted = np.log10(half_light_radius / sigma)
    curve = [
        np.interp(wanted, log_r50[i], 5 * (log_r80[i] - log_r20[i])) for i in range(len(index))
    ]  # concentration of every index at this size
    return float(np.interp(concentration, np.maximum.accumulate(curve), index))


def _log_radius_of(light: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Log10 of the radius where growth curves reach some light [sigma]."""
    log_radius = np.log10(_blurred_growth()[1])
    k = np.clip(np.argmax(light >= wanted[..., None], axis=-1), 1, None)[..., None]
    low, high = (np.take_along_axis(light, at, axis=-1)[..., 0] for at in (k - 1, k))
    at = k[..., 0]
    share = (wanted - low) / np.maximum(high - low, 1e-300)
    return log_radius[at - 1] + share * (log_radius[at] - log_radius[at - 1])


def ideal_image(
    profiles: list[SersicProfile],
    bands: tuple[str, ...],
    pixel_scale: float,
    size: int,
    oversampling: int = 3,
) -> IdealImage:
    """Noiseless, unblurred image of one profile per band, ready for `mocks.observe`.

    Parameters
    ----------
    profiles : list of SersicProfile
        One per band, on the survey pixels of an image of side ``size``.
    bands : tuple of str
        Their names.
    pixel_scale : float
        Of the survey [arcsec].
    size : int
        Survey pixels.
    oversampling : int
        Fine pixels per survey pixel and axis.
    """
    image = np.stack([render_profile(profile, size, oversampling) for profile in profiles])
    total = np.array([profile.flux for profile in profiles])
    return IdealImage(
        image=image,
        pixel_scale=pixel_scale / oversampling,
        bands=bands,
        oversampling=oversampling,
        margin=MARGIN,
        flux_outside=total - image.sum(axis=(1, 2)),
    )
