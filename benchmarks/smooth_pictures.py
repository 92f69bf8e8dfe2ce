"""Smooth twins of 8-bit pictures of galaxies: the background class where pixels are no fluxes.

A twin has its parent's colours along ellipses about its middle, and noise from its parent's own corners, as
correlated as it is and as strong as the stretch leaves it at each brightness. Arms, clumps, bars and
neighbours are gone. No Sersic profile is fitted, for the stretch for display is not undone.
"""

import io
import itertools
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from mocks import stream

COARSE = 1 / 24  # of the side; what is finer than this beside the galaxy is noise
LEVELS = np.array([0.0, 8, 16, 32, 64, 128])  # counts; above, nuclei make most of the steps between pixels


def noise_by_level(pictures: np.ndarray) -> np.ndarray:
    """Noise of the finest scale at each of `LEVELS`' steps, relative to that of the darkest one.

    Parameters
    ----------
    pictures : ndarray, shape (n, y, x, colour)
        Some hundred pictures of one stretch; structure of galaxies is wider than the step between pixels.
    """
    step = np.abs(pictures[:, 1:-1, 2:] - 2 * pictures[:, 1:-1, 1:-1] + pictures[:, 1:-1, :-2])
    level = np.digitize(gaussian_filter(pictures, (0, 1, 1, 0))[:, 1:-1, 1:-1], LEVELS) - 1
    spread = np.array([step[level == k].mean() for k in range(len(LEVELS) - 1)])
    return spread / spread[0]


def smooth(picture: np.ndarray, relative_noise: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Twin of one picture.

    Parameters
    ----------
    picture : ndarray, shape (y, x, colour)
        Counts; the galaxy in the middle.
    relative_noise : ndarray
        From `noise_by_level`.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of uint8, shape (y, x, colour)
    """
    if np.ptp(picture) == 0:
        return picture
    picture = np.asarray(picture, dtype=float)
    radius = elliptical_radius(picture.mean(axis=2))
    edges = np.unique(np.quantile(radius, np.linspace(0, 1, 40) ** 1.5))
    ring = np.clip(np.digitize(radius, edges) - 1, 0, len(edges) - 2)
    middles = [radius[ring == k].mean() for k in range(len(edges) - 1)]
    model = np.empty_like(picture)
    for colour in range(picture.shape[2]):
        values = [np.median(picture[..., colour][ring == k]) for k in range(len(edges) - 1)]
        model[..., colour] = np.interp(radius, middles, values)
    model = gaussian_filter(model, (1, 1, 0))
    strength = np.interp(model, (LEVELS[1:] + LEVELS[:-1]) / 2, relative_noise)
    noisy = model + strength * tiled_noise(picture, rng)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def elliptical_radius(light: np.ndarray) -> np.ndarray:
    """Radius in pixels along the ellipses of a galaxy in the middle of `light` (y, x), by its moments."""
    y, x = (grid - (side - 1) / 2 for grid, side in zip(np.indices(light.shape), light.shape, strict=True))
    weight = np.clip(light - np.percentile(light, 20), 0, None) * np.exp(
        -(x**2 + y**2) / (light.shape[0] / 4) ** 2
    )
    y0, x0 = (np.average(each, weights=weight) for each in (y, x))
    y, x = y - y0, x - x0
    for _ in range(4):  # moments under a window of the galaxy's own shape
        second = np.array([[np.average(a * b, weights=weight) for b in (x, y)] for a in (x, y)])
        inverse = np.linalg.inv(second + 1e-3 * np.eye(2)) * np.sqrt(np.linalg.det(second))
        squared = inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2
        weight = np.clip(light - np.percentile(light, 20), 0, None) * np.exp(
            -squared / (light.shape[0] / 4) ** 2
        )
    return np.sqrt(squared)


def tiled_noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of a picture's two emptiest corners, turned and put side by side at random."""
    side, wide = picture.shape[0] // 4, COARSE * picture.shape[0]
    corners = [picture[rows, columns] for rows in (slice(side), slice(-side, None))
               for columns in (slice(side), slice(-side, None))]  # fmt: skip
    fine = [corner - gaussian_filter(corner, (wide, wide, 0)) for corner in corners]
    emptiest = sorted(fine, key=np.max)[:2]
    noise = np.empty_like(picture)
    for y in range(0, picture.shape[0], side):
        for x in range(0, picture.shape[1], side):
            tile = np.rot90(emptiest[rng.integers(2)], rng.integers(4))
            tile = tile if rng.integers(2) else tile[::-1]
            noise[y : y + side, x : x + side] = tile[: picture.shape[0] - y, : picture.shape[1] - x]
    return noise


def write_smooth_pictures(source: Path, target: Path, seed: int) -> None:
    """Twins of all pictures of an HDF5 file of JPEG files, encoded as those are, in such a file again."""
    with h5py.File(source) as file:
        offset, content = file["offset"][:], file["jpeg_bytes"][:]
        kept = {name: file[name][:] for name in ("ra_deg", "dec_deg")}
        scale = file.attrs["pixel_scale_arcsec"]
    pictures = np.stack([decoded(content[a:b].tobytes()) for a, b in itertools.pairwise(offset)])
    noise = noise_by_level(pictures[:: max(1, len(pictures) // 100)].astype(float))
    twins = [
        as_jpeg(smooth(picture, noise, stream(seed, str(index), "smooth")))
        for index, picture in enumerate(pictures)
    ]
    with h5py.File(target, "w") as file:
        file["jpeg_bytes"] = np.frombuffer(b"".join(twins), np.uint8)
        file["offset"] = np.cumsum([0, *map(len, twins)])
        for name, values in kept.items():
            file[name] = values
        file.attrs["pixel_scale_arcsec"] = scale


def decoded(content: bytes) -> np.ndarray:
    """Picture (y, x, colour) of an encoded file."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def as_jpeg(picture: np.ndarray) -> bytes:
    """Encode a picture (y, x, colour) as SkyServer does: the usual tables of quality 75, half the colours."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=75, subsampling="4:2:0")
    return file.getvalue()
