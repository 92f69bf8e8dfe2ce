"""What images and context must be before they reach a flow; one clear message otherwise."""

import numpy as np
import torch

from flows.config import FlowConfig

__all__ = ["check_context", "check_images"]


def _indices(is_bad: torch.Tensor) -> str:
    """Count and first few indices of the images concerned."""
    indices = torch.nonzero(is_bad).flatten().tolist()
    shown = ", ".join(map(str, indices[:5])) + (", ..." if len(indices) > 5 else "")
    return f"{len(indices)} of {len(is_bad)} images (index {shown})"


def check_images(
    images: np.ndarray | torch.Tensor,
    config: FlowConfig,
    limits: tuple[float, float] = (-np.inf, np.inf),
    margin: int = 0,
) -> torch.Tensor:
    """Images as a float tensor of shape (n, band, y, x).

    Parameters
    ----------
    images : array, shape (n, band, y, x)
        Pixel values.
    config : FlowConfig
        What the model expects.
    limits : tuple of float
        Smallest allowed value and the value they must stay below.
    margin : int
        Pixels by which each side may exceed the size, all around (larger stamps for shifts).

    Returns
    -------
    Tensor of float32 (float64 stays)

    Raises
    ------
    ValueError
        Wrong shape or band count, NaN or infinite values, constant images, values out of limits.
    """
    if isinstance(images, np.ndarray) and not images.dtype.isnative:
        images = images.astype(images.dtype.newbyteorder("="))
    images = torch.as_tensor(images)
    if images.dtype not in (torch.float32, torch.float64):
        images = images.to(torch.float32)
    side = config.size + 2 * margin
    if (
        images.ndim != 4
        or images.shape[1] != config.n_bands
        or images.shape[2:] != (side, side)
        or not len(images)
    ):
        raise ValueError(
            f"images have shape {tuple(images.shape)}; this flow takes "
            f"(n, {config.n_bands}, {side}, {side}) with n of at least 1: (image, band, y, x)."
        )
    flat = images.flatten(1)
    is_bad = ~torch.isfinite(flat).all(1)
    if is_bad.any():
        raise ValueError(f"NaN or infinite pixels in {_indices(is_bad)}; fix or leave out these images.")
    is_constant = (images.flatten(2).amax(2) == images.flatten(2).amin(2)).any(1)
    if is_constant.any():
        raise ValueError(
            f"all pixels of a band are equal in {_indices(is_constant)}; leave out these empty images."
        )
    is_out = (flat.amin(1) < limits[0]) | (flat.amax(1) >= limits[1])
    if is_out.any():
        raise ValueError(
            f"pixel values from {flat.min():g} to {flat.max():g} are outside the range "
            f"[{limits[0]:g}, {limits[1]:g}) of {config.pixels!r} pixels in {_indices(is_out)}."
        )
    return images


def check_context(
    context: np.ndarray | torch.Tensor | None, n_images: int | None, config: FlowConfig
) -> torch.Tensor | None:
    """Context as a float32 tensor of shape (n, c), or None for a flow without context.

    Raises
    ------
    ValueError
        Missing, unexpected, of wrong shape, or not finite.
    """
    names = ", ".join(config.context)
    if context is None:
        if config.context:
            raise ValueError(f"this flow needs context: one row per image with the columns {names}.")
        return None
    if not config.context:
        raise ValueError(
            "context was given, but this flow was built without; leave it out or name it in FlowConfig."
        )
    context = torch.as_tensor(np.asarray(context), dtype=torch.float32)
    n_expected = len(context) if n_images is None and context.ndim else n_images
    if context.shape != (n_expected, len(config.context)):
        raise ValueError(
            f"context has shape {tuple(context.shape)}; expected "
            f"({n_expected}, {len(config.context)}): {names}."
        )
    is_bad = ~torch.isfinite(context).all(1)
    if is_bad.any():
        raise ValueError(f"context ({names}) is NaN or infinite for {_indices(is_bad)}.")
    return context
