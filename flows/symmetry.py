"""The eight symmetries of a square grid of pixels: quarter turns and mirror images, no resampling."""

from typing import TypeVar

import numpy as np
import torch

__all__ = ["N_SYMMETRIES", "apply_symmetry", "symmetries", "undo_symmetry"]

N_SYMMETRIES = 8

Images = TypeVar("Images", np.ndarray, torch.Tensor)


def apply_symmetry(images: Images, number: int) -> Images:
    """Turn and mirror square images.

    Parameters
    ----------
    images : ndarray or Tensor, shape (..., y, x)
    number : int
        0 to 3: so many quarter turns, 0 leaving the images alone; 4 to 7: the same, then mirrored in x.

    Returns
    -------
    ndarray or Tensor, shape (..., y, x)
        The same pixels in other places; of an array a contiguous copy.
    """
    mirrored, turns = divmod(number, 4)
    if isinstance(images, torch.Tensor):
        turned = torch.rot90(images, turns, (-2, -1))
        return turned.flip(-1) if mirrored else turned
    turned = np.rot90(images, turns, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if mirrored else turned)


def undo_symmetry(images: Images, number: int) -> Images:
    """Turn images back that `apply_symmetry` has turned; arguments and result are as there."""
    # A mirror image of any turn is its own inverse.
    return apply_symmetry(images, number if number >= 4 else -number % 4)


def symmetries(images: Images) -> list[Images]:
    """List the eight turns and mirror images of square images (..., y, x), the images themselves first."""
    return [apply_symmetry(images, number) for number in range(N_SYMMETRIES)]
