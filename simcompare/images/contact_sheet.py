"""Many images on one sheet, all with the same stretch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Stretch", "common_stretch", "contact_sheet"]

GAP = 1  # pixels between the images


@dataclass(frozen=True)
class Stretch:
    """One map from flux to brightness, the same for every picture of a figure.

    Parameters
    ----------
    softening : tuple of float
        Flux per band at which the scale goes from linear to logarithmic [nanomaggies per pixel].
    low, high : float
        Values of the softened scale that are shown as sky and as brightest.
    """

    softening: tuple[float, ...]
    low: float
    high: float

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Turn an image (band, y, x) into grey (y, x), or colour (y, x, 3) from three bands or more."""
        soft = np.asarray(image, float) / np.asarray(self.softening)[:, None, None]
        scaled = (np.arcsinh(soft) - self.low) / (self.high - self.low)
        scaled = np.nan_to_num(np.clip(scaled, 0, 1))
        if len(scaled) < 3:
            return scaled.mean(axis=0)
        reddest_first = scaled[[-1, len(scaled) // 2, 0]] if len(scaled) > 3 else scaled[::-1]
        return np.moveaxis(reddest_first, 0, -1)


def common_stretch(images: Sequence[np.ndarray], sky_sigma: Sequence[float]) -> Stretch:
    """Choose the stretch for a set of images.

    Parameters
    ----------
    images : sequence of ndarray, shape (band, y, x)
    sky_sigma : sequence of float, shape (band,)
        Typical noise of the sky [nanomaggies per pixel].

    Returns
    -------
    Stretch
        Linear up to twice the noise; from one sigma below the sky to the 99.8th percentile of all pixels.
    """
    softening = np.maximum(2 * np.asarray(sky_sigma, float), 1e-12)
    values = np.concatenate([(np.asarray(i) / softening[:, None, None]).ravel() for i in images])
    values = np.arcsinh(values[np.isfinite(values)])
    high = max(float(np.quantile(values, 0.998)), 0.5)
    return Stretch(tuple(softening.tolist()), float(np.arcsinh(-0.75)), high)


def contact_sheet(images: np.ndarray, stretch: Stretch, n_columns: int) -> np.ndarray:
    """Put images side by side, row by row from the top.

    Parameters
    ----------
    images : ndarray, shape (n, band, y, x)
        Flux [nanomaggies per pixel].
    stretch : Stretch
    n_columns : int

    Returns
    -------
    ndarray, shape (y, x) or (y, x, 3)
        Brightness from 0 to 1, white between the images; row 0 at the bottom.
    """
    n, _, n_y, n_x = images.shape
    pictures = [stretch(image) for image in images]
    n_rows = -(-n // n_columns)
    shape = (n_rows * (n_y + GAP) - GAP, n_columns * (n_x + GAP) - GAP)
    sheet = np.ones(shape + pictures[0].shape[2:])
    for k, picture in enumerate(pictures):
        row, column = divmod(k, n_columns)
        y, x = (n_rows - 1 - row) * (n_y + GAP), column * (n_x + GAP)
        sheet[y : y + n_y, x : x + n_x] = picture
    return sheet
