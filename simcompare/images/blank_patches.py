"""Blank patches of images: sky without a source."""

import numpy as np

from simcompare.images.image_set import ImageSet

__all__ = ["MOST_IMAGES", "PATCH", "blank_patches"]


PATCH = 16  # side of a patch of blank sky [pixels]


MOST_IMAGES = 1500


def blank_patches(images: ImageSet, band: str, rng: np.random.Generator) -> np.ndarray:
    """Corners of prepared images where neither the galaxy nor a neighbour reaches.

    Parameters
    ----------
    images : ImageSet
    band : str
    rng : numpy.random.Generator
        Chooses images where there are more than 1500.

    Returns
    -------
    ndarray, shape (n, 16, 16)
        [unit of the images]. The nearest pixel is farther than four half-light radii from the middle.
    """
    side, index = images.image_shape[-1], images.bands.index(band)
    if side < 2 * PATCH:
        return np.empty((0, PATCH, PATCH))
    radius = images.columns("half_light_radius")["half_light_radius"] / images.pixel_scale
    far = np.flatnonzero(4 * radius < np.hypot(side / 2 - PATCH, side / 2 - PATCH))
    if len(far) > MOST_IMAGES:
        far = np.sort(rng.choice(far, MOST_IMAGES, replace=False))
    near, end = slice(0, PATCH), slice(side - PATCH, side)
    patches = [np.empty((0, PATCH, PATCH))]
    for stack in images.subset(far).batches(256):
        masked = stack.mask if stack.mask.ndim == 3 else stack.mask.any(axis=1)
        for y, x in ((near, near), (near, end), (end, near), (end, end)):
            clean = ~(masked[:, y, x] > 0).any(axis=(1, 2))
            patches.append(stack.image[clean, index, y, x].astype(float))
    return np.concatenate(patches)
