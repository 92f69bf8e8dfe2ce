"""Controls that need no training: the density of bare sky, and frames without their galaxy."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from astropy.table import Table

from flows.densities.haar import split
from mocks.streams import stream
from simcompare.images.image_set import LINEAR_UNIT, ImageSet, Stack
from simcompare.images.parts import BLANK_SKY, CONTROL_KIND
from simcompare.models.density import SKY, Density

__all__ = ["BlankSky", "SkyDensity", "blank_sky_of", "with_sky"]

_ROWS_AT_ONCE = 4096


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

    Returns
    -------
    dict of str to Density
    """
    found = dict(backgrounds)
    if found and images.unit == LINEAR_UNIT:
        found[SKY] = SkyDensity(images.bands, len(getattr(model, "scale_names", ())) or 1)
    return found


class BlankSky(ImageSet):
    """The frames of real galaxies with the galaxies gone: level and noise of each image, nothing else.

    The catalogue keeps magnitude, size and seeing of the galaxy that is missing, so that the control is
    compared at equal nuisance. The noise is independent between pixels; for coadds, prepared real sky is
    the better control.

    Parameters
    ----------
    images : ImageSet
        Real galaxies.
    seed : int
        Of the noise; each image has a stream of its own.
    """

    def __init__(self, images: ImageSet, seed: int) -> None:
        super().__init__(images._parts, images._index)
        self.seed = seed

    @cached_property
    def catalogue(self) -> Table:
        """As of the real images, under another name; read at first use."""
        table = ImageSet(self._parts, self._index).catalogue
        table["dataset"] = np.full(len(table), BLANK_SKY)
        return table

    @property
    def name(self) -> str:
        """Name of the data set."""
        return BLANK_SKY

    @property
    def kind(self) -> str:
        """Neither real nor a claim."""
        return CONTROL_KIND

    def subset(self, index) -> "BlankSky":
        """Blank sky of some of the images."""
        return BlankSky(super().subset(index), self.seed)

    def slab(self, start: int, stop: int) -> "BlankSky":
        """Blank sky of neighbouring images, small to send."""
        return BlankSky(super().slab(start, stop), self.seed)

    def read(self, index=slice(None)) -> Stack:
        """Sky of the images asked for; variance, mask and PSF are those of the real ones."""
        stack = super().read(index)
        rows = self.catalogue[np.atleast_1d(np.arange(len(self))[index])]
        image = np.array([self._sky(row, stack.image.shape[1:]) for row in rows], dtype=np.float32)
        return Stack(image, stack.variance, stack.mask, stack.psf, stack.quantum)

    def _sky(self, row: Table.Row, shape: tuple[int, ...]) -> np.ndarray:
        """Noise of one frame."""
        rng = stream(self.seed, str(row["galaxy_id"]), int(row["view"]), BLANK_SKY)
        level, sigma = (
            np.array([float(row[f"{name}_{band}"]) for band in self.bands])[:, None, None]
            for name in ("sky_level", "sky_sigma")
        )
        return level + sigma * rng.standard_normal(shape)


def blank_sky_of(images: ImageSet, seed: int) -> BlankSky:
    """Frames of the held-out images of a set without their galaxies, in one order for all time."""
    # Some rows at a time: the catalogue of a survey is larger than what is needed of it.
    parts = range(0, len(images), _ROWS_AT_ONCE)
    split = [
        np.asarray(images.slab(each, each + _ROWS_AT_ONCE).catalogue["split"]) == "test" for each in parts
    ]
    return BlankSky(images.subset(np.flatnonzero(np.concatenate(split))), seed)
