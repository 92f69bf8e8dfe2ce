"""Likelihood of bare sky, the cap on ratios of images of nothing."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from flows.densities.haar import split
from simcompare.images.image_set import LINEAR_UNIT, ImageSet
from simcompare.models.density import SKY, Density

__all__ = ["SkyDensity", "with_sky"]


class SkyDensity:
    """Density of images that hold nothing but independent Gaussian noise about the local sky level.

    A background model without parameters: level and noise of every image are those of its catalogue row.

    Parameters
    ----------
    bands : sequence of str
    n_scales : int
        Scales of the budget, as of the flow it stands beside. Orthonormal wavelets leave white noise
        white, so the budget is exact.
    """

    def __init__(self, bands: Sequence[str], n_scales: int = 1) -> None:
        self.bands, self.n_scales = tuple(bands), n_scales
        self.metadata: dict = {}

    @property
    def context_names(self) -> tuple[str, ...]:
        """Catalogue columns: the level of every band, then its noise."""
        return tuple(f"{name}_{band}" for name in ("sky_level", "sky_sigma") for band in self.bands)

    def budget(self, images: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Natural log density by scale, finest first [nats], shape (n, n_scales)."""
        unit, log_sigma = self._standardised(images, context)
        terms, rest = [], torch.from_numpy(unit)
        for _ in range(self.n_scales - 1):
            rest, detail = split(rest)
            terms.append(_normal(detail.numpy(), np.tile(log_sigma, (1, 3, 1, 1))))
        terms.append(_normal(rest.numpy(), log_sigma))
        return np.stack([term.sum(axis=(1, 2, 3)) for term in terms], axis=1)

    def log_prob(self, images: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Natural log density of each image [nats], shape (n,)."""
        return self.map(images, context).sum(axis=(1, 2))

    def map(self, images: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Natural log density of each pixel, bands summed [nats], shape (n, y, x)."""
        return _normal(*self._standardised(images, context)).sum(axis=1)

    def _standardised(self, images: np.ndarray, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels in units of the noise about the level, and the logarithm of the noise, (n, band, 1, 1)."""
        level, sigma = np.split(np.asarray(context, float)[:, :, None, None], 2, axis=1)
        return (np.asarray(images, float) - level) / sigma, np.log(sigma)


def _normal(unit: np.ndarray, log_sigma: np.ndarray) -> np.ndarray:
    """Log density of each number."""
    return -0.5 * unit**2 - log_sigma - 0.5 * np.log(2 * np.pi)


def with_sky(backgrounds: Mapping[str, Density], images: ImageSet, model: Density) -> dict[str, Density]:
    """Backgrounds, and bare sky among them where there are any and pixels are fluxes.

    Parameters
    ----------
    backgrounds : mapping of str to Density
    images : ImageSet
        Images to be scored.
    model : Density
        Flow of real galaxies, which says how many scales there are.
    """
    densities = dict(backgrounds)
    if densities and images.unit == LINEAR_UNIT:
        densities[SKY] = SkyDensity(images.bands, len(getattr(model, "scale_names", ())) or 1)
    return densities
