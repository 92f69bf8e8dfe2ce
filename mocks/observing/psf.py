"""Models of point-spread functions, integrated over pixels."""

from functools import lru_cache

import numpy as np

from mocks.observing.psf_images import check_psf, measure_fwhm, psf_from_image

__all__ = [
    "PSF_MODELS",
    "double_gaussian_psf",
    "effective_psf",
    "fit_moffat",
    "gaussian_psf",
    "moffat_psf",
    "von_karman_psf",
]

# Of a Moffat profile that is fitted: amplitude and background over the peak, FWHM [pixels] (at most the side
# of the image), beta, offset along x and y [pixels], and two components of the ellipticity.
MOFFAT_LOW = (0, -1, 0.5, 1.6, -3, -3, -0.6, -0.6)
MOFFAT_HIGH = (10, 1, np.inf, 8, 3, 3, 0.6, 0.6)
NARROWEST_PROFILE = 0.5  # share of the measured width; narrower profiles are hidden by the pixels
WIDTH_ROUNDS = 3  # iterations to the width before the pixel: 0.5 % for widths above 1.7 pixels


def fit_moffat(image: np.ndarray, size: int) -> np.ndarray:
    """Elliptical Moffat profile that fits the image of a PSF best, without its noise and background.

    Parameters
    ----------
    image : ndarray, shape (k, k)
        Of a point source, over any constant; k odd.
    size : int
        Side of the result, odd; it may be larger.

    Returns
    -------
    ndarray, shape (size, size)
        Sum 1, centred where the image is, the constant left out.

    Notes
    -----
    A constant of half a percent of the peak, of the wrong sign, holds a quarter of the light of an image of
    25 pixels: PSFs measured on stars are seldom background-free, and sums and transfer functions suffer.
    """
    from scipy.optimize import least_squares  # a quarter of a second to load

    image = np.asarray(image, float)
    check_psf(np.divide(image, image.sum()))
    peak = image.max()

    def profile(shape, side):
        fwhm, beta, x, y, plus, cross = shape
        dy, dx = np.indices((side, side)) - side // 2 - np.reshape((y, x), (2, 1, 1))
        radius = (1 + plus) * dx**2 + (1 - plus) * dy**2 + 2 * cross * dx * dy
        return (1 + radius * 4 * (2 ** (1 / beta) - 1) / fwhm**2) ** -beta

    def residual(p):
        return (p[0] * profile(p[2:], len(image)) + p[1] - image / peak).ravel()

    start = [1.0, 0.0, np.clip(measure_fwhm(image / image.sum()), 1, len(image) / 2), 3.0, 0, 0, 0, 0]
    high = [len(image) if limit == np.inf else limit for limit in MOFFAT_HIGH]
    parameters = least_squares(residual, start, bounds=(MOFFAT_LOW, high)).x
    return psf_from_image(profile(parameters[2:], size))


def _over_pixels(profile, size: int, order: int = 5) -> np.ndarray:
    """Integrate a radial profile over pixels (Gauss-Legendre per pixel), normalised to sum 1."""
    if size % 2 == 0 or size < 1:
        raise ValueError(f"psf side {size} is not odd and positive.")
    node, weight = np.polynomial.legendre.leggauss(order)
    side = size // 2 + 1  # one quarter, which the others mirror
    axis = (np.arange(side)[:, None] + node / 2).ravel()
    values = profile(axis[:, None] ** 2 + axis**2).reshape(side, order, side, order)
    quarter = np.einsum("iajb,a,b->ij", values, weight, weight)
    mirror = np.abs(np.arange(size) - size // 2)
    psf = quarter[np.ix_(mirror, mirror)]
    return psf / psf.sum()


def gaussian_psf(fwhm: float, size: int) -> np.ndarray:
    """Gaussian PSF integrated over pixels.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum before the pixel [pixels].
    size : int
        Side of the image, odd.

    Returns
    -------
    ndarray, shape (size, size)
        Sum 1.
    """
    steepness = 4 * np.log(2) / fwhm**2
    return _over_pixels(lambda r2: np.exp(-steepness * r2), size)


def double_gaussian_psf(
    fwhm: float,
    size: int,
    wing_fraction: float = 4 / 13,
    wing_ratio: float = 2.0,
    power_fraction: float = 0.0,
    power_slope: float = 3.0,
) -> np.ndarray:
    """Two concentric Gaussians, the atmospheric PSF of the SDSS site, on request with a power-law wing.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum of the sum, before the pixel [pixels].
    size : int
        Side of the image, odd.
    wing_fraction : float
        Share of the light in the wider Gaussian.
    wing_ratio : float
        Width of the wider over that of the narrower.
    power_fraction : float
        Value of the power-law term in the centre over that of the two Gaussians; 0 leaves it out.
    power_slope : float
        Its surface brightness falls as (1 + r^2 / (slope s^2))^(-slope / 2), s being the width of the wider
        Gaussian; above 2, so that the light is finite.

    Returns
    -------
    ndarray, shape (size, size)
        Sum 1.

    References
    ----------
    Weights 9/13 and 4/13 and width ratio 2: Law et al. 2015, AJ 150, 19 (MaNGA observing strategy). Form with
    the power law: Lupton et al. 2001, ASP Conf. 238, 269 (the SDSS pipeline's composite PSF profile).
    """
    from scipy.optimize import brentq

    if power_fraction < 0 or power_slope <= 2:
        raise ValueError(
            f"power-law wing has fraction {power_fraction} and slope {power_slope}; needed are >= 0 and > 2."
        )
    core, wing = 1 - wing_fraction, wing_fraction / wing_ratio**2
    power = power_fraction * (core + wing)

    def profile(x):  # x: squared radius times 4 ln 2 over the squared core FWHM, r^2 / (2 s^2) of the core
        gaussians = core * np.exp(-x) + wing * np.exp(-x / wing_ratio**2)
        return gaussians + power * (1 + 2 * x / (power_slope * wing_ratio**2)) ** (-power_slope / 2)

    half = brentq(lambda x: profile(x) - (core + wing + power) / 2, 0, 50 * wing_ratio**2)
    return _over_pixels(lambda r2: profile(r2 * 4 * half / fwhm**2), size)


def moffat_psf(fwhm: float, size: int, beta: float = 3.0) -> np.ndarray:
    """Moffat PSF integrated over pixels.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum before the pixel [pixels].
    size : int
        Side of the image, odd; light beyond it is folded back by the normalisation.
    beta : float
        Exponent of the wings.

    Returns
    -------
    ndarray, shape (size, size)
        Sum 1.

    References
    ----------
    Moffat 1969, A&A 3, 455.
    """
    steepness = 4 * (2 ** (1 / beta) - 1) / fwhm**2
    return _over_pixels(lambda r2: (1 + steepness * r2) ** -beta, size)


@lru_cache(maxsize=4)
def _von_karman_profile(outer_scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Radius over FWHM, and the PSF there relative to its centre."""
    from scipy.special import gamma, j0, kv

    # Separations in coherence lengths r0, up to a transfer of e^-68; the structure function of small ones is
    # 6.88 rho^(5/3): Fried 1966, JOSA 56, 1372.
    rho = np.linspace(1e-6, 6, 6000)
    if np.isinf(outer_scale):
        structure = 6.8839 * rho ** (5 / 3)
    else:
        x = 2 * np.pi * rho / outer_scale
        structure = (
            0.17253 * outer_scale ** (5 / 3) * (1 - 2 ** (1 / 6) / gamma(5 / 6) * x ** (5 / 6) * kv(5 / 6, x))
        )
    transfer = np.exp(-structure / 2)
    transfer -= transfer[-1]  # an outer scale leaves a faint unblurred core, spread by the telescope
    core = np.linspace(0, 3, 601)  # in units of wavelength / r0, three times the FWHM; then the wings
    angle = np.concatenate([core, np.geomspace(3.01, 60, 600)])
    profile = np.trapezoid(transfer * rho * j0(2 * np.pi * angle[:, None] * rho), rho, axis=1)
    profile = np.maximum(profile / profile[0], 0)
    half = np.interp(-0.5, -profile[: len(core)], core)
    return angle / (2 * half), profile


def von_karman_psf(fwhm: float, size: int, outer_scale: float = 200.0) -> np.ndarray:
    """Long-exposure PSF of atmospheric turbulence with an outer scale.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum before the pixel [pixels].
    size : int
        Side of the image, odd.
    outer_scale : float
        Of the turbulence, in coherence lengths r0 (25 m over 12 cm is 200); infinite gives Kolmogorov's PSF.

    Returns
    -------
    ndarray, shape (size, size)
        Sum 1.

    References
    ----------
    Structure function of von Karman turbulence: Tokovinin 2002, PASP 114, 1156. SDSS PSFs follow it:
    Xin et al. 2018, AJ 156, 222.
    """
    radius, profile = _von_karman_profile(outer_scale)
    return _over_pixels(lambda r2: np.interp(np.sqrt(r2) / fwhm, radius, profile), size)


PSF_MODELS = {
    "gaussian": gaussian_psf,
    "double-gaussian": double_gaussian_psf,
    "moffat": moffat_psf,
    "von-karman": von_karman_psf,
}


def effective_psf(model: str, fwhm: float, size: int, **parameters: float) -> np.ndarray:
    """Image of a point source whose *measured* width, pixel included, is ``fwhm``.

    Survey tables quote widths measured on pixels, so the width of the profile before the pixel is
    what has to be found.

    Parameters
    ----------
    model : str
        Name in ``PSF_MODELS``.
    fwhm : float
        Full width at half maximum as ``measure_fwhm`` gives it [pixels].
    size : int
        Side of the image, odd.
    **parameters : float
        Of the model, for example ``beta``.

    Returns
    -------
    ndarray, shape (size, size)
        Sum 1.
    """
    if model not in PSF_MODELS:
        raise ValueError(f"psf model {model!r} is unknown; choose from {', '.join(PSF_MODELS)}.")
    if not fwhm > 0:
        raise ValueError(f"psf width is {fwhm} pixels; it must be positive.")
    # Squares of widths add; a pixel has the variance 1/12.
    intrinsic = np.sqrt(max(fwhm**2 - 8 * np.log(2) / 12, NARROWEST_PROFILE**2 * fwhm**2))
    for _ in range(WIDTH_ROUNDS):
        psf = PSF_MODELS[model](intrinsic, size, **parameters)
        intrinsic *= fwhm / measure_fwhm(psf)
    return PSF_MODELS[model](intrinsic, size, **parameters)
