"""Images of a point source: checked, centred, and measured in width."""

import logging

import numpy as np

__all__ = ["centred_psf", "check_psf", "measure_fwhm", "psf_from_image"]

logger = logging.getLogger(__name__)

OFF_CENTRE = 0.45  # pixels from the centre of one, at which a PSF is moved
LEAST_SHIFT = 0.1  # pixels; less is not worth a spline
CENTRING_ROUNDS = 10
MOST_NEGATIVE = 0.3  # share of the positive light; stacked stars of KiDS reach 0.2, Lanczos kernels 0.02
MOST_BORDER = 0.5  # brightness of the border over that of the peak
MOST_PEDESTAL = 0.3  # share of the light in a constant as bright as the faintest border pixel
LEAST_WITH_PEDESTAL = 11  # pixels a side; wings fill smaller images to the border
LEAST_PSF = 3  # pixels a side
LEAST_KEPT = 0.9  # share of the light in a cut around the centre
SUM_TOLERANCE = 1e-4  # tolerance of the sum of a PSF: float32 files and cut wings
NEAR_HALF = 0.4  # share of the maximum; pixels above it enclose the half-maximum contour
LEAST_SIDE = 6  # least side to measure a width in: that of a quintic spline


def check_psf(psf: np.ndarray, name: str = "psf") -> None:
    """Refuse an image that cannot serve as a point-spread function.

    Raises
    ------
    ValueError
        When the image is not square with an odd side, holds NaN, or does not sum to 1 within 1e-4.
    """
    psf = np.asarray(psf)
    if psf.ndim != 2 or psf.shape[0] != psf.shape[1] or psf.shape[0] % 2 == 0:
        raise ValueError(f"{name} has shape {psf.shape}; a square with an odd side is needed.")
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
    cut around the pixel that holds the centre of its light; what is left, if more than a tenth of a pixel,
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
        tenths of the positive, a border half as bright as the peak, or several such peaks, or none at the
        centre, a constant below all pixels that holds three tenths of the light, or light so near to an edge
        that a tenth would be cut off.
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
        raise ValueError(
            f"{name}: its negative pixels add up to {100 * negative:.0f} % of the positive ones."
        )
    _check_border(image, name)
    centre = _centre_of_light(image)
    off = centre - (np.array(image.shape) - 1) / 2
    is_odd_square = image.shape[0] == image.shape[1] and image.shape[0] % 2 == 1
    if is_odd_square and np.abs(off).max() < OFF_CENTRE:
        _check_peak(image, name)
        return image / total, ""
    psf = _cut_about(image, centre)
    kept = psf.sum() / total
    shape = " by ".join(map(str, image.shape[::-1]))
    place = f"{name} of {shape} pixels has its light at {centre[1]:.2f}, {centre[0]:.2f} (x, y from 0)"
    if min(psf.shape) < LEAST_PSF or kept < LEAST_KEPT:
        raise ValueError(f"{place}, so near an edge that a square about it holds {100 * kept:.0f} %.")
    _check_peak(psf, name)
    return psf / psf.sum(), f"{place}: cut to {len(psf)} by {len(psf)} pixels about it"


def _check_peak(image: np.ndarray, name: str) -> None:
    """Refuse a centred PSF that is not one piece about its centre where it is brighter than half its peak."""
    from scipy.ndimage import label

    pieces, count = label(image > 0.5 * image.max(), np.ones((3, 3)))
    middle = len(image) // 2
    if count > 1:
        raise ValueError(f"{name}: {count} peaks are half as bright as the brightest: several stars?")
    if not pieces[middle - 1 : middle + 2, middle - 1 : middle + 2].any():
        raise ValueError(f"{name}: its centre is less than half as bright as its peak: a ring?")


def _check_border(image: np.ndarray, name: str) -> None:
    """Refuse a PSF that does not fall towards its border, or to a pedestal only."""
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    if border.mean() > MOST_BORDER * image.max():
        ratio = border.mean() / image.max()
        raise ValueError(
            f"{name}: its border is {ratio:.2f} times as bright as its peak: not a point source."
        )
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
    """Largest odd square around a place, which comes to lie on its central pixel."""
    pixel = np.rint(centre).astype(int)
    rest = centre - pixel
    if np.abs(rest).max() >= LEAST_SHIFT:
        from scipy.ndimage import shift  # a tenth of a second to load

        image = shift(image, -rest, order=3, mode="constant")
    reach = int(min(pixel.min(), (np.array(image.shape) - 1 - pixel).min()))
    return image[pixel[0] - reach : pixel[0] + reach + 1, pixel[1] - reach : pixel[1] + reach + 1]


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
