"""Orthonormal Haar wavelets: an image is a coarser image and three detail planes per band."""

import torch

__all__ = ["join", "mosaic", "split", "unmosaic"]


def split(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One level of the orthonormal Haar transform.

    Parameters
    ----------
    images : Tensor, shape (n, band, y, x)
        Images of even side.

    Returns
    -------
    coarse : Tensor, shape (n, band, y/2, x/2)
        Twice the mean of each block of 2x2 pixels.
    detail : Tensor, shape (n, 3 band, y/2, x/2)
        Left minus right, bottom minus top, and the diagonal difference, each a block of bands.
    """
    a, b = images[..., 0::2, 0::2], images[..., 0::2, 1::2]
    c, d = images[..., 1::2, 0::2], images[..., 1::2, 1::2]
    row_sum, row_difference, next_sum, next_difference = a + b, a - b, c + d, c - d
    detail = torch.cat(
        [row_difference + next_difference, row_sum - next_sum, row_difference - next_difference], 1
    )
    return (row_sum + next_sum) / 2, detail / 2


def join(coarse: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
    """Undo `split`; the transform is orthonormal, so both log-determinants are zero."""
    horizontal, vertical, diagonal = detail.chunk(3, dim=1)
    n, band, y, x = coarse.shape
    images = coarse.new_empty(n, band, 2 * y, 2 * x)
    images[..., 0::2, 0::2] = (coarse + horizontal + vertical + diagonal) / 2
    images[..., 0::2, 1::2] = (coarse - horizontal + vertical - diagonal) / 2
    images[..., 1::2, 0::2] = (coarse + horizontal - vertical - diagonal) / 2
    images[..., 1::2, 1::2] = (coarse - horizontal - vertical + diagonal) / 2
    return images


def mosaic(coarsest: torch.Tensor, details: list[torch.Tensor]) -> torch.Tensor:
    """Lay a pyramid out as one image: the coarsest in the corner, each scale's planes around it.

    Parameters
    ----------
    coarsest : Tensor, shape (n, band, y, x)
    details : list of Tensor, shapes (n, 3 band, ., .)
        Finest scale first.

    Returns
    -------
    Tensor, shape (n, band, y, x) of the full image
    """
    image = coarsest
    for detail in reversed(details):
        horizontal, vertical, diagonal = detail.chunk(3, dim=1)
        image = torch.cat([torch.cat([image, horizontal], -1), torch.cat([vertical, diagonal], -1)], -2)
    return image


def unmosaic(image: torch.Tensor, coarsest: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Undo `mosaic` down to a coarsest image of the given side."""
    details = []
    while image.shape[-1] > coarsest:
        half = image.shape[-1] // 2
        planes = [image[..., :half, half:], image[..., half:, :half], image[..., half:, half:]]
        details.append(torch.cat(planes, dim=1))
        image = image[..., :half, :half]
    return image, details
