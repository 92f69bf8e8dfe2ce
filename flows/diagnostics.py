"""How good a density is, from its latents: they must be independent unit normals, at every scale."""

import math

import numpy as np
import torch

from flows.densities.haar import unmosaic
from flows.model import FlowModel
from flows.pixels import MAD_OF_NORMAL, SOFTENING_OVER_NOISE

__all__ = ["calibration", "sample_sheet"]

Array = np.ndarray | torch.Tensor

KOLMOGOROV_95 = 1.358  # 95th percentile of Kolmogorov's distribution of sqrt(n) times the distance, large n
SHEET_PERCENTILES = (1, 99.8)  # of all pixels: black and white of a sheet (our choice, for display only)


def calibration(
    model: FlowModel, images: Array, context: Array | None = None
) -> list[dict[str, float | str]]:
    """Compare the latents of held-out images with unit normals, scale by scale.

    Parameters
    ----------
    model : FlowModel
    images, context
        As `FlowModel.log_prob`; images the model was not trained on.

    Returns
    -------
    list of dict
        Per scale: ``scale``, ``mean`` and ``variance`` of the latents (0 and 1 expected),
        ``distance``, the largest difference between the distribution of their probability integral
        transform and a uniform one, and ``noise``, what 95 of 100 perfect models stay below.
    """
    latents = model.latents(images, context)
    if model.density.is_local:
        coarsest, details = unmosaic(latents, model.config.coarsest)
        parts = [*details, coarsest]
    else:
        parts = [latents]
    rows = []
    for name, part in zip(model.scale_names, parts, strict=True):
        values = part.flatten()
        uniform = torch.special.ndtr(values).sort().values
        expected = torch.arange(1, len(uniform) + 1, dtype=uniform.dtype) / len(uniform)
        distance = torch.maximum(expected - uniform, uniform - expected + 1 / len(uniform)).max()
        rows.append(
            {
                "scale": name,
                "mean": values.mean().item(),
                "variance": values.var(correction=0).item(),
                "distance": distance.item(),
                "noise": KOLMOGOROV_95 / math.sqrt(len(values)),
            }
        )
    return rows


def sample_sheet(images: Array, columns: int = 8, softening: float | None = None) -> np.ndarray:
    """Lay images out in rows, stretched by asinh, for a look at samples beside real ones.

    Parameters
    ----------
    images : array, shape (n, band, y, x)
    columns : int
    softening : float, optional
        Flux at which the stretch turns logarithmic; default: five times the typical noise.

    Returns
    -------
    ndarray, shape (rows y, columns x)
        Mean over bands, from 0 to 1; row 0 at the bottom, the first image at the top left. Empty
        places are NaN.
    """
    images = np.asarray(images, dtype=float).mean(1)
    if softening is None:
        noise = np.median(np.abs(np.diff(images, axis=-1))) / (MAD_OF_NORMAL * math.sqrt(2))
        softening = SOFTENING_OVER_NOISE * noise or 1.0
    images = np.arcsinh(images / softening)
    low, high = np.percentile(images, SHEET_PERCENTILES)
    images = np.clip((images - low) / (high - low or 1.0), 0, 1)
    n, y, x = images.shape
    rows = math.ceil(n / columns)
    sheet = np.full((rows, columns, y, x), np.nan)
    sheet.reshape(-1, y, x)[:n] = images
    return sheet[::-1].transpose(0, 2, 1, 3).reshape(rows * y, columns * x)
