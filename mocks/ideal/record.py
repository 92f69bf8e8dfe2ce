"""The record of a noiseless, unblurred image on a grid finer than the survey's."""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["IdealImage"]


@dataclass(frozen=True, eq=False)
class IdealImage:
    """What an infinitely sharp, noiseless telescope would see.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
        Flux [nanomaggies per fine pixel]; sides are ``oversampling * (size + 2 * margin)``.
    pixel_scale : float
        Side of a *fine* pixel [arcsec].
    bands : tuple of str
        Names of the bands, as in the survey.
    oversampling : int
        Fine pixels per survey pixel and axis.
    margin : int
        Survey pixels on every side that ``observe`` cuts off after blurring; they hold the light
        that the PSF carries into the image from outside.
    flux_outside : ndarray, shape (band,), optional
        Flux of the galaxy beyond the fine grid [nanomaggies].
    source_pixel : float
        Side of the pixels of a ready-made image that were shared out over the fine ones [fine pixels]; 0 for
        light drawn on the fine pixels. ``observe`` takes their blur out, unless they are wider than the
        survey's.
    metadata : dict
        What was chosen to make it: redshift, view, stellar population, dust, ...

    Raises
    ------
    ValueError
        When bands, sides, oversampling and margin do not agree.
    """

    image: np.ndarray
    pixel_scale: float
    bands: tuple[str, ...]
    oversampling: int = 1
    margin: int = 0
    flux_outside: np.ndarray | None = None
    source_pixel: float = 0.0
    metadata: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.image.ndim != 3 or len(self.image) != len(self.bands):
            raise ValueError(f"ideal image has shape {self.image.shape}; not ({len(self.bands)}, y, x).")
        if not np.isfinite(self.image).all():
            raise ValueError("ideal image holds pixels that are not finite.")
        for side in self.image.shape[1:]:
            if side % self.oversampling or side // self.oversampling <= 2 * self.margin:
                raise ValueError(
                    f"ideal image of side {side} does not divide into survey pixels by oversampling "
                    f"{self.oversampling} with a margin of {self.margin} survey pixels."
                )

    @property
    def size(self) -> tuple[int, int]:
        """Shape (y, x) of the survey image after blurring, binning and cutting the margin."""
        n_y, n_x = (side // self.oversampling - 2 * self.margin for side in self.image.shape[1:])
        return n_y, n_x
