"""Which pixels belong to the target, to other objects, to the sky; and what to put in place of the others."""

import warnings
from dataclasses import dataclass

import numpy as np
from photutils.segmentation import SegmentationImage, deblend_sources, detect_sources
from photutils.utils.exceptions import NoDetectionsWarning
from scipy.ndimage import binary_dilation, convolve1d, gaussian_filter, maximum

from simcompare.images.preparation.deblending import foreign_pieces, turned

__all__ = [
    "Objects",
    "correlated_noise",
    "fill_pixels",
    "find_objects",
    "locate_target",
    "pixel_noise",
    "sky_level",
    "sky_statistics",
]

# Width of the smoothing before detection and before filling [pixels]; about an SDSS seeing disc.
DETECTION_SIGMA = 1.2
FILL_SIGMA = 2.0
# From where on a brighter peak is not the target's own [pixels], and by how much it must be brighter: of some
# 1000 real SDSS galaxies none is so divided, of 247 places on flanks of HSC's objects 227 are.
FLANK_DISTANCE, FLANK_HEIGHT = 4.0, 0.4
# Of the local mean that noise is measured about [pixels].
LOCAL_SIGMA = 4.0


@dataclass(frozen=True, eq=False)
class Objects:
    """Division of an image into target, neighbours and sky.

    Parameters
    ----------
    target : ndarray of bool, shape (y, x)
        Pixels of the galaxy.
    neighbours : ndarray of bool, shape (y, x)
        Pixels of other objects with a margin; empty of target pixels.
    blended : bool
        Whether a neighbour's light runs into the target's.
    is_flank : bool
        Whether the target is the flank of something brighter elsewhere: nothing of its own is at its place.
    """

    target: np.ndarray
    neighbours: np.ndarray
    blended: bool
    is_flank: bool = False

    @property
    def sky(self) -> np.ndarray:
        """Pixels far from any object."""
        return ~binary_dilation(self.target | self.neighbours, iterations=4)


def pixel_noise(image: np.ndarray, good: np.ndarray) -> float:
    """Noise per pixel from differences of adjacent pixels, which smooth light leaves alone.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux.
    good : ndarray of bool, shape (y, x)
        Pixels to use.

    Returns
    -------
    float
        Standard deviation, exact for uncorrelated Gaussian noise, in the unit of the image.
    """
    both = good[:, 1:] & good[:, :-1]
    difference = (image[:, 1:] - image[:, :-1])[both]
    return float(1.4826 * np.median(np.abs(difference)) / np.sqrt(2)) if difference.size else 0.0


def sky_level(image: np.ndarray, good: np.ndarray, noise: float) -> float:
    """Level of the sky in an image that a galaxy may fill to more than half.

    The median within three times the noise, started from the lower quartile, so that a galaxy does not
    draw it up.
    """
    values = image[good]
    level = np.percentile(values, 25)
    for _ in range(20):
        previous = level
        kept = values[np.abs(values - level) < 3 * noise]
        if kept.size == 0:
            break
        level = np.median(kept)
        if abs(level - previous) < 1e-3 * noise:
            break
    return float(level)


def sky_statistics(image: np.ndarray, sky: np.ndarray) -> tuple[float, float, float]:
    """Level, noise and correlation of the sky pixels.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux.
    sky : ndarray of bool, shape (y, x)
        Pixels free of objects.

    Returns
    -------
    level, sigma : float
        Median, and standard deviation about the local mean, in the unit of the image.
    correlation : float
        Of adjacent pixels; 0 for a camera's own pixels, 0.2 and more after resampling. NaN for fewer than
        50 pairs of pixels.
    """
    level = float(np.median(image[sky]))
    # The faint outskirts of galaxies vary slowly; only what remains about a local mean is noise.
    weight = gaussian_filter(sky.astype(float), LOCAL_SIGMA, mode="constant")
    local = gaussian_filter(np.where(sky, image - level, 0.0), LOCAL_SIGMA, mode="constant")
    residual = image - level - local / np.maximum(weight, 1e-6)
    sigma = 1.4826 * np.median(np.abs(residual[sky]))
    clipped = np.clip(residual, -3 * sigma, 3 * sigma)
    products = np.concatenate(
        [
            (clipped[:, 1:] * clipped[:, :-1])[sky[:, 1:] & sky[:, :-1]],
            (clipped[1:] * clipped[:-1])[sky[1:] & sky[:-1]],
        ]
    )
    scale = np.mean(clipped[sky] ** 2)
    correlation = float(products.mean() / scale) if products.size >= 50 and scale > 0 else np.nan
    # The local mean has taken up this share of the variance of uncorrelated noise.
    taken = 3 / (4 * np.pi * LOCAL_SIGMA**2)
    return level, float(sigma / np.sqrt(1 - taken)), correlation


def locate_target(image: np.ndarray, start: tuple[float, float], radius: float) -> tuple[float, float]:
    """Centre of the target: its brightest smoothed pixel near the given place, refined to the centroid there.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux without bad pixels.
    start : (float, float)
        Expected place, x and y [pixels].
    radius : float
        Greatest distance of the peak from ``start`` [pixels].

    Returns
    -------
    (float, float)
        x and y [pixels]; the first pixel's centre is at 0.

    Notes
    -----
    The centroid has Gaussian weights about itself, as the windowed positions of SExtractor.
    """
    smooth = gaussian_filter(image, DETECTION_SIGMA, mode="nearest")
    y, x = np.indices(image.shape)
    near = np.hypot(x - start[0], y - start[1]) <= radius
    peak_y, peak_x = np.unravel_index(np.argmax(np.where(near, smooth, -np.inf)), image.shape)
    centre_x, centre_y = float(peak_x), float(peak_y)
    for _ in range(8):
        distance2 = (x - centre_x) ** 2 + (y - centre_y) ** 2
        weight = np.exp(-distance2 / (2 * (1.5 * DETECTION_SIGMA) ** 2)) * (distance2 < 36)
        light = weight * np.clip(smooth, 0, None)
        total = light.sum()
        if total <= 0:
            break
        # A Gaussian window halves the distance to the centroid of an object as wide as itself: step twice.
        centre_x += 2 * float(((x - centre_x) * light).sum() / total)
        centre_y += 2 * float(((y - centre_y) * light).sum() / total)
        if np.hypot(centre_x - peak_x, centre_y - peak_y) > 2:
            return float(peak_x), float(peak_y)
    return centre_x, centre_y


def find_objects(
    image: np.ndarray,
    good: np.ndarray,
    noise: float,
    centre: tuple[float, float],
    threshold: float = 1.5,
    area: int = 8,
    peak: float = 4.5,
) -> Objects | None:
    """Find the target and its neighbours by isophotes, deblended.

    A piece that deblending splits from the target counts as a neighbour only when its peak lies outside the
    body of the target (twice its half-light ellipse) and stands out against the far side of the galaxy, so
    that spiral arms and clumps stay with their galaxy.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux above the sky.
    good : ndarray of bool, shape (y, x)
        Pixels to use.
    noise : float
        Of a pixel, in the unit of the image.
    centre : (float, float)
        Of the target, x and y [pixels].
    threshold : float
        Of detection, in units of the noise after smoothing.
    area : int
        Fewest pixels of an object.
    peak : float
        Least height of a neighbour's peak, in units of the noise after smoothing; noise alone passes 4.5 in
        one of a thousand images.

    Returns
    -------
    Objects or None
        None when no object lies at the centre.
    """
    # Beyond the edge is sky: repeating the edge pixels would make false peaks of their noise.
    smooth = gaussian_filter(np.where(good, image, 0), DETECTION_SIGMA, mode="constant")
    smooth_noise = noise / (2 * np.sqrt(np.pi) * DETECTION_SIGMA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        segments = detect_sources(smooth, threshold * smooth_noise, area, mask=~good)
    if segments is None:
        return None
    column, row = round(centre[0]), round(centre[1])
    whole = _label_at(segments.data, row, column)
    if whole == 0:
        return None
    target = segments.data == whole
    island = SegmentationImage(target.astype(np.int32))
    pieces = deblend_sources(smooth, island, area, contrast=0.001, progress_bar=False).data
    own = _label_at(pieces, row, column)
    heights = maximum(smooth, segments.data, np.arange(segments.data.max() + 1))
    apart = (segments.data > 0) & ~target & (heights[segments.data] > peak * smooth_noise)
    foreign = foreign_pieces(smooth, pieces, own, centre, peak * smooth_noise, good, apart, DETECTION_SIGMA)
    target &= ~foreign
    others = (segments.data > 0) & ~target & (heights[segments.data] > peak * smooth_noise)
    neighbours = binary_dilation(others, iterations=2) & ~target
    return Objects(
        target=target,
        neighbours=neighbours,
        blended=bool(foreign.any()),
        is_flank=_is_flank(np.where(pieces == own, smooth, -np.inf), centre),
    )


def _is_flank(light: np.ndarray, centre: tuple[float, float]) -> bool:
    """Whether the light at a place is little beside a peak farther away in the same piece."""
    row, column = np.unravel_index(np.argmax(light), light.shape)
    distance = np.hypot(column - centre[0], row - centre[1])
    here = light[round(centre[1]), round(centre[0])]
    return bool(distance > FLANK_DISTANCE and here < FLANK_HEIGHT * light[row, column])


def _label_at(labels: np.ndarray, row: int, column: int) -> int:
    """Label of a pixel, or the commonest within two pixels of it."""
    near = labels[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    here = labels[row, column]
    return int(here) if here or not near.any() else int(np.bincount(near[near > 0]).argmax())


def _smooth_around(image: np.ndarray, holes: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed image from the pixels outside holes, and the share of the kernel that they make."""
    weight = gaussian_filter((~holes).astype(float), sigma, mode="constant")
    smooth = gaussian_filter(np.where(holes, 0.0, image), sigma, mode="constant")
    return smooth / np.maximum(weight, 1e-3), weight


def _mean_profile(image: np.ndarray, good: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Image in which every pixel has the median of the good pixels at its distance from the centre."""
    y, x = np.indices(image.shape)
    ring = np.rint(np.hypot(x - centre[0], y - centre[1])).astype(int)
    rings = np.arange(ring.max() + 1)
    known = [r for r in rings if np.count_nonzero(good & (ring == r)) >= 3]
    if not known:
        return np.zeros(image.shape)
    profile = np.interp(rings, known, [np.median(image[good & (ring == r)]) for r in known])
    return profile[ring]


def fill_pixels(
    image: np.ndarray,
    holes: np.ndarray,
    centre: tuple[float, float],
    sky_sigma: float,
    electrons: float | None,
    rng: np.random.Generator,
    correlation: float = 0.0,
) -> np.ndarray:
    """Put in place of unusable pixels what the galaxy has on its far side, with fresh noise.

    Where the far side is unusable too, the galaxy's median at the same distance serves.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Flux above the sky; anything in the holes.
    holes : ndarray of bool, shape (y, x)
        Pixels to replace.
    centre : (float, float)
        Of the galaxy, x and y [pixels]; the image is turned by 180 degrees about it.
    sky_sigma : float
        Noise of the sky per pixel, in the unit of the image.
    electrons : float or None
        Electrons per unit of flux, for the shot noise of the light put in; None adds the sky's noise only.
    rng : numpy.random.Generator
    correlation : float
        Of the sky's noise in adjacent pixels, which the fresh noise shares; 0 for a camera's own pixels.

    Returns
    -------
    ndarray, shape (y, x)
        Image with the holes filled; other pixels unchanged.
    """
    near, near_weight = _smooth_around(image, holes, FILL_SIGMA)
    has_far_side = turned(near_weight, centre) > 0.5
    light = np.where(has_far_side, turned(near, centre), 0.0)
    if (holes & ~has_far_side).any():
        light = np.where(has_far_side, light, _mean_profile(image, ~holes, centre))
    # Light below the noise of the smoothed sky is no light.
    light = np.where(light > sky_sigma / (2 * np.sqrt(np.pi) * FILL_SIGMA), light, 0.0)
    variance = sky_sigma**2 + (light / electrons if electrons else 0.0)
    noise = correlated_noise(image.shape, correlation, rng) * np.sqrt(variance)
    return np.where(holes, light + noise, image)


def correlated_noise(shape: tuple[int, int], correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Draw Gaussian noise of unit variance whose adjacent pixels correlate.

    Parameters
    ----------
    shape : (int, int)
        y and x.
    correlation : float
        Of pixels that share a side, from 0 to 0.7; pixels that share a corner have its square.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (y, x)

    Notes
    -----
    White noise is smoothed along rows and columns with weights (a, 1, a), whose neighbours correlate by
    2 a / (1 + 2 a^2).
    """
    noise = rng.standard_normal(shape)
    if correlation <= 0:
        return noise
    rho = min(correlation, 0.7)
    weight = (1 - np.sqrt(1 - 2 * rho**2)) / (2 * rho)
    kernel = np.array([weight, 1.0, weight]) / np.sqrt(1 + 2 * weight**2)
    return convolve1d(convolve1d(noise, kernel, axis=0, mode="wrap"), kernel, axis=1, mode="wrap")
