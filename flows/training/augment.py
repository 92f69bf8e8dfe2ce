"""Exact changes of galaxy images: flips, right-angle turns and whole-pixel shifts, no resampling."""

import torch

from flows.symmetry import N_SYMMETRIES, symmetries

__all__ = ["augment", "crop"]


def crop(images: torch.Tensor, margin: int) -> torch.Tensor:
    """Centre of larger stamps: `margin` pixels are cut from each side."""
    return images[..., margin : images.shape[-2] - margin, margin : images.shape[-1] - margin]


def augment(images: torch.Tensor, margin: int, generator: torch.Generator) -> torch.Tensor:
    """Each image flipped, turned and shifted at random.

    A shift cuts another window out of a larger stamp. Nothing is rolled or padded: both would leave
    seams, or noise that repeats, which a density learns.

    Parameters
    ----------
    images : Tensor, shape (n, band, y + 2 margin, x + 2 margin)
        Square stamps.
    margin : int
        Largest shift in pixels.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor, shape (n, band, y, x)
    """
    if margin:
        size = images.shape[-1] - 2 * margin
        start = torch.randint(0, 2 * margin + 1, (len(images), 2), generator=generator).tolist()
        images = torch.stack(
            [image[:, y : y + size, x : x + size] for image, (y, x) in zip(images, start, strict=True)]
        )
    choice = torch.randint(0, N_SYMMETRIES, (len(images),), generator=generator).to(images.device)
    outputs = torch.empty_like(images)
    for index, turned in enumerate(symmetries(images)):
        outputs[choice == index] = turned[choice == index]
    return outputs
