"""Real sky: where a survey image is blank, patches to put galaxies into, and a bank of them on disk."""

from dataclasses import dataclass
from math import erf
from pathlib import Path

import h5py
import numpy as np
from scipy import ndimage

from mocks.checked_hdf5 import open_checked
from mocks.observing.conditions import ObservingConditions

__all__ = ["SkyBank", "clipped_sigma", "cut_sky", "find_sites", "segment"]

MOST_CLIPS = 30  # rounds of clipping, should values on the edge go on being dropped
EVERY = 3  # pixel of an image from which its sky is measured, which costs a ninth
CLIP = 3.0  # standard deviations beyond which values are dropped
SMOOTHING, LEAST_AREA = 3.4, 5  # of the image sources are found in: FWHM [pixels]; pixels of a source
FWHM_PER_SIGMA = 2.3548  # of a Gaussian, 2 sqrt(2 ln 2)
# Free pixels that are tried, far more than places: what is left after them lies between patches already cut.
TRIES_PER_PLACE, FEWEST_TRIES = 60, 20000
CLEAR = 5.0
"""Pixels about a patch's centre without a source: no galaxy on another, neighbours as in the sky."""


def clipped_sigma(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the sky under sources.

    Parameters
    ----------
    values : ndarray
        Left out are those that are not finite, and those farther than `CLIP` standard deviations.

    Returns
    -------
    mean, sigma : float
        Unlike the median absolute deviation this is exact on pixels of whole counts. The little that clipping
        takes from a Gaussian is given back.
    """
    values = np.asarray(values, float).ravel()
    values = values[np.isfinite(values)]
    for _ in range(MOST_CLIPS):
        mean, sigma = values.mean(), values.std()
        keep = np.abs(values - mean) <= CLIP * sigma
        if keep.all():
            break
        values = values[keep]
    # Variance of a unit Gaussian cut at +-clip.
    tail = CLIP * np.exp(-(CLIP**2) / 2) * np.sqrt(2 / np.pi)
    return float(mean), float(sigma / np.sqrt(1 - tail / erf(CLIP / np.sqrt(2))))


def segment(image: np.ndarray, threshold: float = 2.0, grow: int = 4) -> np.ndarray:
    """Pixels that belong to detected sources.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
        A source in any band counts.
    threshold : float
        Above the local sky, in standard deviations of the smoothed sky.
    grow : int
        Pixels added around each source.

    Returns
    -------
    ndarray of bool, shape (y, x)
        Pixels that are not finite are in it.
    """
    is_object = np.zeros(image.shape[-2:], bool)
    for plane in np.asarray(image, float):
        bad = ~np.isfinite(plane)
        mean, _ = clipped_sigma(plane[::EVERY, ::EVERY])
        smooth = ndimage.gaussian_filter(np.where(bad, mean, plane), SMOOTHING / FWHM_PER_SIGMA)
        mean, sigma = clipped_sigma(smooth[::EVERY, ::EVERY])
        label, _ = ndimage.label(smooth > mean + threshold * sigma, np.ones((3, 3)))
        area = np.bincount(label.ravel())
        area[0] = 0
        is_object |= (area >= LEAST_AREA)[label] | bad
    return ndimage.binary_dilation(is_object, iterations=grow) if grow else is_object


def find_sites(
    taken: np.ndarray,
    size: int,
    n: int,
    rng: np.random.Generator,
    clear: float | None = None,
    border: int = 0,
) -> np.ndarray:
    """Places where a galaxy can be put into a real image.

    Parameters
    ----------
    taken : ndarray of bool, shape (y, x)
        Sources and bad pixels; combine a segmentation of all bands with the survey's mask bits.
    size : int
        Side of the patch around the place [pixels]; it must lie within the image.
    n : int
        How many places; fewer come back when there are fewer that do not overlap.
    rng : numpy.random.Generator
    clear : float, optional
        Distance from the place that must be free of sources [pixels]; default the whole patch. Zero takes any
        place not on a source, so that neighbours are as common as in the sky.
    border : int
        Pixels along the edge that are not used.

    Returns
    -------
    ndarray of int, shape (m, 2)
        Lower corners (y, x) of patches that do not overlap.

    Raises
    ------
    ValueError
        When the image is smaller than the patch or no place is free.
    """
    n_y, n_x = taken.shape
    if min(n_y, n_x) < size + 2 * border:
        raise ValueError(f"an image of {n_y} x {n_x} pixels is too small for patches of {size}.")
    half = size // 2
    if clear is None:
        reach = ndimage.maximum_filter(taken, size, origin=0)
        free = ~reach
    else:
        free = ~taken if clear <= 0 else ndimage.distance_transform_edt(~taken) > clear
    free = free.copy()
    free[: half + border], free[n_y - (size - half) - border + 1 :] = False, False
    free[:, : half + border], free[:, n_x - (size - half) - border + 1 :] = False, False
    centres = np.argwhere(free)
    if not len(centres):
        raise ValueError(f"no place for a patch of {size} pixels is free of sources in {n_y} x {n_x} pixels.")
    centres = centres[rng.permutation(len(centres))[: max(TRIES_PER_PLACE * n, FEWEST_TRIES)]]
    used = np.zeros_like(taken)
    corners = []
    for y, x in centres:
        if len(corners) == n:
            break
        patch = np.s_[y - half : y - half + size, x - half : x - half + size]
        # Corners and middle suffice: patches are of one size.
        if not used[patch][:: size - 1, :: size - 1].any() and not used[y, x]:
            used[patch] = True
            corners.append((y - half, x - half))
    return np.array(corners)


def cut_sky(image: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    """Patches of an image, the same places in all bands.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
    corners : ndarray of int, shape (n, 2)
    size : int

    Returns
    -------
    ndarray, shape (n, band, size, size)
    """
    return np.stack([image[:, y : y + size, x : x + size] for y, x in corners])


@dataclass(frozen=True, eq=False)
class SkyBank:
    """Patches of real sky with what is needed to put a galaxy into them.

    Parameters
    ----------
    bands : tuple of str
    image : ndarray, shape (n, band, y, x)
        Sky-subtracted [nanomaggies per pixel], float32.
    sky_sigma : ndarray, shape (n, band)
        Noise of a blank pixel there [nanomaggies].
    sky_level : ndarray, shape (n, band)
        Clipped mean of the image about the place [nanomaggies per pixel].
    psf : ndarray, shape (n, band, k, k)
        Point-source images at the places, pixel included.
    psf_fwhm : ndarray, shape (n, band)
        [arcsec].
    electrons_per_nanomaggy, nanomaggies_per_count : ndarray, shape (n, band)
    origin : ndarray of str, shape (n,)
        File and place of each patch.
    """

    bands: tuple[str, ...]
    image: np.ndarray
    sky_sigma: np.ndarray
    sky_level: np.ndarray
    psf: np.ndarray
    psf_fwhm: np.ndarray
    electrons_per_nanomaggy: np.ndarray
    nanomaggies_per_count: np.ndarray
    origin: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "bands", tuple(self.bands))
        shape = (len(self.image), len(self.bands))
        for name in _COLUMNS:
            if np.shape(getattr(self, name))[:2] != shape:
                raise ValueError(
                    f"{name} of the sky bank has shape {np.shape(getattr(self, name))}, not {shape}."
                )
        if not np.isfinite(self.image).all():
            raise ValueError("patches of the sky bank hold pixels that are not finite.")

    def __len__(self) -> int:
        return len(self.image)

    def draw(self, bands, rng: np.random.Generator) -> tuple[np.ndarray, ObservingConditions]:
        """Take one patch, in all bands at once, and the conditions it was observed under.

        Parameters
        ----------
        bands : sequence of str
        rng : numpy.random.Generator

        Returns
        -------
        patch : ndarray, shape (band, y, x)
        conditions : ObservingConditions
        """
        missing = [band for band in bands if band not in self.bands]
        if missing:
            raise ValueError(f"the sky bank has the bands {', '.join(self.bands)}, not {', '.join(missing)}.")
        row, index = int(rng.integers(len(self))), [self.bands.index(band) for band in bands]
        conditions = ObservingConditions(
            bands=tuple(bands),
            psf=tuple(psf / psf.sum() for psf in np.asarray(self.psf[row, index], float)),
            psf_fwhm=self.psf_fwhm[row, index],
            sky_sigma=self.sky_sigma[row, index],
            sky_level=self.sky_level[row, index],
            electrons_per_nanomaggy=self.electrons_per_nanomaggy[row, index],
            nanomaggies_per_count=self.nanomaggies_per_count[row, index],
            origin=f"real sky, {self.origin[row]}",
        )
        return self.image[row, index], conditions

    def save(self, path: str | Path) -> None:
        """Write the bank as HDF5, so that mocks need no survey files later."""
        # Composed in memory: on a full disk HDF5 itself ends in hundreds of lines.
        with h5py.File("bank", "w", driver="core", backing_store=False) as file:
            file.attrs["bands"] = list(self.bands)
            file.attrs["unit"] = "nanomaggies per pixel"
            for name in _COLUMNS:
                file[name] = getattr(self, name)
            file["origin"] = np.array(self.origin, "S")
            file.flush()
            content = file.id.get_file_image()
        Path(path).write_bytes(content)

    @classmethod
    def load(cls, path: str | Path) -> "SkyBank":
        """Read a bank that ``save`` wrote; OSError or ValueError names the file when it is not one."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"sky bank {path} does not exist.")
        try:
            with open_checked(path) as file:
                columns = {name: file[name][:] for name in _COLUMNS}
                return cls(tuple(file.attrs["bands"]), origin=file["origin"][:].astype(str), **columns)
        except KeyError as error:
            raise ValueError(f"{path} is not a sky bank: {error}.") from error
        except OSError as error:
            raise OSError(f"{path} is not an HDF5 file: {error}.") from error


_COLUMNS = (
    "image",
    "sky_sigma",
    "sky_level",
    "psf",
    "psf_fwhm",
    "electrons_per_nanomaggy",
    "nanomaggies_per_count",
)
