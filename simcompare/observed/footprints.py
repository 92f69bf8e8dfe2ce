"""Which object of a footprint is the galaxy that it is named after."""

import numpy as np
from scipy.ndimage import gaussian_filter

__all__ = ["target_of"]


def target_of(image, psf, weight, peaks) -> tuple[tuple[float, float] | None, str]:
    """Place x, y of the brightest smoothed pixel of a footprint; None for an empty one."""
    if weight is None:
        return None, ""
    inside = weight > 0
    if not inside.all(axis=0).any():
        return None, ""
    smooth = gaussian_filter(np.nan_to_num(image).sum(axis=0), 1.5)
    y, x = np.unravel_index(np.argmax(np.where(inside.all(axis=0), smooth, -np.inf)), smooth.shape)
    return (float(x), float(y)), ""
