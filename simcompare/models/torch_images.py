"""Image sets as torch datasets, turned and mirrored exactly."""

import numpy as np
import torch
from torch.utils.data import Dataset

from mocks import stream
from simcompare.images.image_set import ImageSet

__all__ = ["SYMMETRIES", "TorchImages", "apply_symmetry"]

# Quarter turns and mirroring: the eight symmetries of a square grid of pixels.
SYMMETRIES = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))


def apply_symmetry(images, number: int):
    """Turn and mirror images about the middle of the grid; pixels move, none is interpolated.

    Parameters
    ----------
    images : ndarray or tensor, shape (..., y, x)
        Square.
    number : int
        Position in `SYMMETRIES`; 0 leaves the images alone.

    Returns
    -------
    ndarray or tensor, shape (..., y, x)
    """
    turns, mirrored = SYMMETRIES[number]
    if isinstance(images, torch.Tensor):
        turned = torch.rot90(images, turns, dims=(-2, -1))
        return torch.flip(turned, dims=(-1,)) if mirrored else turned
    turned = np.rot90(images, turns, axes=(-2, -1))
    return np.ascontiguousarray(turned[..., ::-1] if mirrored else turned)


class TorchImages(Dataset):
    """Images and their nuisance parameters, read when asked for.

    An item is (image, context): float32 tensors of shape (band, y, x) and (2 band,). The context is
    ln sky_sigma of each band, then psf_fwhm of each band [arcsec].

    Parameters
    ----------
    images : ImageSet
    seed : int, optional
        Turn and mirror each image at random; the choice follows from seed, epoch and galaxy alone. Without a
        seed images stay as they are.
    """

    def __init__(self, images: ImageSet, seed: int | None = None) -> None:
        self.images = images
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        image = self.images.read(int(index)).image[0]
        row = self.images.catalogue[int(index)]
        if self.seed is not None:
            rng = stream(self.seed, self.epoch, str(row["galaxy_id"]), int(row["view"]), "symmetry")
            image = apply_symmetry(image, int(rng.integers(len(SYMMETRIES))))
        sky = [np.log(row[f"sky_sigma_{band}"]) for band in self.images.bands]
        seeing = [row[f"psf_fwhm_{band}"] for band in self.images.bands]
        return torch.from_numpy(image), torch.tensor([*sky, *seeing], dtype=torch.float32)

    def set_epoch(self, epoch: int) -> None:
        """Choose other symmetries; call it before each epoch."""
        self.epoch = epoch
