"""Point-spread functions: models integrated over pixels, checks, and width."""

import logging
from functools import lru_cache

import numpy as np

__all__ = [
    "PSF_MODELS",
    "centred_psf",
    "check_psf",
    "double_gaussian_psf",
    "effective_psf",
    "fit_moffat",
    "gaussian_psf",
    "measure_fwhm",
    "moffat_psf",
    "psf_from_image",
    "von_karman_psf",
]


logger = logging.getLogger(__name__)

OFF_CENTRE = 0.45  # pixels from the centre of one, at which a PSF is moved
LEAST_SHIFT = 0.1  # pixels; less is not worth a spline
CENTRING_ROUNDS = 10
MOST_NEGATIVE = 0.3  # over the positive light; stacked stars of KiDS reach 0.2, Lanczos kernels 0.02
MOST_BORDER = 0.5  # brightness of the border over that of the peak
MOST_PEDESTAL = 0.3  # of the light that a constant as bright as the faintest pixel of the border would hold
LEAST_WITH_PEDESTAL = 11  # pixels a side; wings fill smaller images to the border
LEAST_PSF = 3  # pixels a side
LEAST_KEPT = 0.9  # of the light, in a cut about the centre
SUM_TOLERANCE = 1e-4  # by which the sum of a PSF may differ from one: files of float32 and cut wings
# Of a Moffat profile that is fitted: amplitude and background over the peak, FWHM [pixels] (at most the side
# of the image), beta, offset along x and y [pixels], and two components of the ellipticity.
MOFFAT_LOW = (0, -1, 0.5, 1.6, -3, -3, -0.6, -0.6)
MOFFAT_HIGH = (10, 1, np.inf, 8, 3, 3, 0.6, 0.6)
NARROWEST_PROFILE = 0.5  # of the measured width, below which pixels hide the profile's own
WIDTH_ROUNDS = 3  # of finding the width before the pixel: to half a per cent for widths above 1.7 pixels
NEAR_HALF = 0.4  # of the maximum: what lies above holds the contour at half of it, between pixels
LEAST_SIDE = 6  # of the piece of an image to measure a width in: that of a quintic spline


def check_psf(psf: np.ndarray, name: str = "psf") -> None:
    """Refuse an image that cannot serve as a point-spread function.

    Raises
    ------
    ValueError
        When the image is not square with an odd side, holds NaN, or does not sum to 1 within 1e-4.
    """
    psf = np.asarray(psf)
    if psf.ndim != 2 or psf.shape[0] != psf.shape[1] or psf.shape[0] % 2 == 0:
        raise ValueError(f"{name} has shape {psf.shape}; needed is a square with an odd side.")
    if not np.isfinite(psf).all():
        raise ValueError(f"{name} holds {np.count_nonzero(~np.isfinite(psf))} pixels that are not finite.")
    total = psf.sum(dtype=float)
    if abs(total - 1) > SUM_TOLERANCE:
        raise ValueError(f"{name} sums to {total:.6g}, not 1; see psf_from_image, which normalises an image.")


def psf_from_image(image: np.ndarray, name: str = "psf image") -> np.ndarray:
    """Image of a star or a PSF model as a PSF: odd side, centred, sum 1.

    Parameters
    ----------
    image : ndarray, shape (n_y, n_x)
        Background-free; any side.
    name : str
        What it is, for messages.

    Returns
    -------
    ndarray, shape (k, k)
        As `centred_psf` gives it; what was changed is in the log.

    Raises
    ------
    ValueError
        As `centred_psf`.
    """
    psf, note = centred_psf(image, name)
    if note:
        logger.info("%s", note)
    return psf


def centred_psf(image: np.ndarray, name: str = "psf image") -> tuple[np.ndarray, str]:
    """PSF with its light on the central pixel of an odd square, and sum 1; and what had to be changed.

    An odd square whose light lies within half a pixel of its centre is only divided by its sum. Any other is
    cut about the pixel that holds the centre of its light; what is left, if more than a tenth of a pixel,
    is taken out by a cubic spline.

    Parameters
    ----------
    image : ndarray, shape (n_y, n_x)
        Background-free.
    name : str
        What it is, for messages.

    Returns
    -------
    ndarray, shape (k, k)
        k odd.
    str
        What was changed beside the sum; empty when nothing.

    Raises
    ------
    ValueError
        For masked or infinite pixels, NaN, a sum that is not positive, negative light of more than three
        tenths of the positive, a border half as bright as the peak, a constant below all pixels that holds
        three tenths of the light, or light so near to an edge that a tenth would be cut off.
    """
    if np.ma.is_masked(image):
        raise ValueError(f"{name} has {np.ma.count_masked(image)} masked pixels; fill them.")
    image = np.asarray(image, float)
    if image.ndim != 2 or min(image.shape) < LEAST_PSF:
        raise ValueError(f"{name} has shape {image.shape}; needed is an image of {LEAST_PSF} pixels a side.")
    if not np.isfinite(image).all():
        raise ValueError(f"{name} holds {np.count_nonzero(~np.isfinite(image))} pixels that are not finite.")
    total = image.sum()
    if not total > 0:
        raise ValueError(f"{name} sums to {total:g}; a positive sum is needed to normalise it.")
    negative = -image[image < 0].sum() / image[image > 0].sum()
    if negative > MOST_NEGATIVE:
        raise ValueError(f"{name}: its negative pixels hold {100 * negative:.0f} % of what the others do.")
    _check_border(image, name)
    centre = _centre_of_light(image)
    off = centre - (np.array(image.shape) - 1) / 2
    is_odd_square = image.shape[0] == image.shape[1] and image.shape[0] % 2 == 1
    if is_odd_square and np.abs(off).max() < OFF_CENTRE:
        return image / total, ""
    psf = _cut_about(image, centre)
    kept = psf.sum() / total
    shape = " by ".join(map(str, image.shape[::-1]))
    place = f"{name} of {shape} pixels has its light at {centre[1]:.2f}, {centre[0]:.2f} (x, y from 0)"
    if min(psf.shape) < LEAST_PSF or kept < LEAST_KEPT:
        raise ValueError(f"{place}, so near to an edge that a square about it keeps {100 * kept:.0f} %.")
    return psf / psf.sum(), f"{place}: cut to {len(psf)} by {len(psf)} pixels about it"


def _check_border(image: np.ndarray, name: str) -> None:
    """Refuse a PSF that does not fall towards its border, or to a pedestal only."""
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    if border.mean() > MOST_BORDER * image.max():
        ratio = border.mean() / image.max()
        raise ValueError(f"{name}: its border is {ratio:.2f} times as bright as its peak: no point source.")
    pedestal = border.min() * image.size / image.sum()
    if min(image.shape) >= LEAST_WITH_PEDESTAL and pedestal > MOST_PEDESTAL:
        raise ValueError(
            f"{name}: all of its border is brighter than {border.min():.4g}, which over all pixels is "
            f"{100 * pedestal:.0f} % of its light: subtract this pedestal (the soft bias of an SDSS image is "
            "1000)."
        )


def _centre_of_light(image: np.ndarray) -> np.ndarray:
    """Place (y, x) of a point source, by its centroid under a Gaussian window that follows it."""
    start = np.array(np.unravel_index(np.argmax(image), image.shape), float)
    area = np.count_nonzero(image > 0.5 * image.max())
    sigma, centre = max(1.0, np.sqrt(area / np.pi)), start
    rows, columns = np.indices(image.shape)
    for _ in range(CENTRING_ROUNDS):
        window = np.exp(-0.5 * ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / sigma**2)
        weight = image * window
        if not weight.sum() > 0:
            return start
        step = np.array([(weight * rows).sum(), (weight * columns).sum()]) / weight.sum() - centre
        centre = centre + 2 * step  # the window pulls the centroid half of the way back
    return np.clip(centre, 0, np.array(image.shape) - 1)


def _cut_about(image: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Largest odd square about a place, which comes to lie on its central pixel."""
    pixel = np.rint(centre).astype(int)
    rest = centre - pixel
    if np.abs(rest).max() >= LEAST_SHIFT:
        from scipy.ndimage import shift  # a tenth of a second to load

        image = shift(image, -rest, order=3, mode="constant")
    reach = int(min(pixel.min(), (np.array(image.shape) - 1 - pixel).min()))
    return image[pixel[0] - reach : pixel[0] + reach + 1, pixel[1] - reach : pixel[1] + reach + 1]


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
    found = least_squares(residual, start, bounds=(MOFFAT_LOW, high)).x
    return psf_from_image(profile(found[2:], size))


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


def measure_fwhm(psf: np.ndarray, oversampling: int = 15) -> float:
    """Full width at half maximum of a point-source image, pixel included [pixels].

    The diameter of the circle whose area equals the area above half of the maximum, on a quintic
    spline through the pixels; good to 1 % for widths above 1.6 pixels.

    Parameters
    ----------
    psf : ndarray, shape (k, k)
        Image of a point source without background.
    oversampling : int
        Spline evaluations per pixel and axis.

    Returns
    -------
    float
    """
    from scipy.interpolate import RectBivariateSpline

    psf = np.asarray(psf, float)
    peak_y, peak_x = np.unravel_index(np.argmax(psf), psf.shape)
    # The region above half maximum is found first, so that only it is refined, by a spline through what
    # surrounds it.
    grids, ranges = [], []
    for peak, above, side in zip(
        (peak_y, peak_x), np.nonzero(psf > NEAR_HALF * psf.max()), psf.shape, strict=True
    ):
        reach = int(np.abs(above - peak).max())
        low, high = max(peak - reach - 4, 0), min(peak + reach + 4, side - 1)
        inner = max(peak - reach - 1, 0), min(peak + reach + 1, side - 1)
        ranges.append(slice(low, high + 1))
        grids.append(np.linspace(*inner, (inner[1] - inner[0]) * oversampling + 1) - low)
    part = psf[tuple(ranges)]
    if min(part.shape) < LEAST_SIDE:
        raise ValueError(
            f"psf of shape {psf.shape} is too small to measure a width; {LEAST_SIDE} pixels are needed."
        )
    spline = RectBivariateSpline(*map(np.arange, part.shape), part, kx=5, ky=5)
    fine = spline(*grids)
    half = fine.max() / 2
    # Soft edge: each sample counts by how far it stands above half maximum over one step, so that the
    # area varies smoothly with the width instead of by whole samples.
    slope = np.hypot(*np.gradient(fine)) + 1e-12 * half
    area = np.clip((fine - half) / slope + 0.5, 0, 1).sum() / oversampling**2
    return float(2 * np.sqrt(area / np.pi))
