"""Controls that need no training: the density of bare sky, and frames without their galaxy."""

from functools import cached_property

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.images.image_set import ImageSet, Stack
from simcompare.images.parts import BLANK_SKY
from simcompare.kinds import Kind

__all__ = ["BlankSky", "blank_sky_of"]

_ROWS_AT_ONCE = 4096


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
        """Kind of the data set: a control."""
        return Kind.CONTROL

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
