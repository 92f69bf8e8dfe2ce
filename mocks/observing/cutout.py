"""The record of one observed galaxy: its planes, its picture, and the way to astropy."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mocks.display import facts_table, grey_picture, lupton_rgb
from mocks.observing.conditions import ObservingConditions
from mocks.observing.wcs import tangent_wcs

if TYPE_CHECKING:
    from astropy.nddata import NDData

__all__ = ["MASK_BITS", "Cutout"]

MASK_BITS = {"no data": 1, "saturated": 2, "other object": 4}
"""Meaning of the bits of a mask plane; zero is a good pixel."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """One galaxy as the survey would deliver it.

    Parameters
    ----------
    image : ndarray, shape (band, y, x)
        Sky-subtracted flux [nanomaggies per pixel], float32.
    variance : ndarray, shape (band, y, x)
        Variance of each pixel, shot noise of the source included [nanomaggies^2], float32.
    mask : ndarray, shape (band, y, x)
        Bits of ``MASK_BITS``, uint8.
    psf : ndarray, shape (band, k, k)
        Image of a point source, pixel included, sum 1.
    pixel_scale : float
        [arcsec].
    bands : tuple of str
    conditions : ObservingConditions
    stages : dict of ndarray
        On request ``sampled``, ``ideal`` and ``blurred``: noiseless flux on survey pixels, as the brightness
        at their centres, summed over them, and after the PSF.
    metadata : dict
        All that was drawn or chosen.
    """

    image: np.ndarray
    variance: np.ndarray
    mask: np.ndarray
    psf: np.ndarray
    pixel_scale: float
    bands: tuple[str, ...]
    conditions: ObservingConditions
    stages: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Galaxy and survey, as far as the metadata name them."""
        metadata = self.metadata
        names = [metadata["survey"]] if "survey" in metadata else []
        if {"simulation", "snapshot", "subhalo_id"} <= set(metadata):
            names.insert(0, f"{metadata['simulation']}-{metadata['snapshot']:03d}-{metadata['subhalo_id']}")
        return " ".join(names) or "unnamed"

    def __repr__(self) -> str:
        n_y, n_x = self.image.shape[1:]
        return (
            f"<Cutout {self.name}: {','.join(self.bands)}, {n_y} x {n_x} pixels of {self.pixel_scale:g} "
            "arcsec, nanomaggies per pixel>"
        )

    def _repr_html_(self) -> str:
        n_y, n_x = self.image.shape[1:]
        state, facts = self.conditions, {"pixels": f"{n_y} x {n_x} of {self.pixel_scale:g} arcsec"}
        magnitudes = self.metadata.get("magnitude", {})
        for i, band in enumerate(self.bands):
            facts[f"band {band}"] = (
                f"seeing {state.psf_fwhm[i]:.2f} arcsec, sky noise {state.sky_sigma[i]:.3g} nanomaggies"
                + (f", galaxy {magnitudes[band]:.2f} AB mag" if band in magnitudes else "")
            )
        shown = ("redshift", "population", "dust", "conditions")
        facts |= {name: self.metadata[name] for name in shown if name in self.metadata}
        return facts_table(self.name, facts, self.picture())

    def picture(self, bands: str | None = None) -> np.ndarray:
        """8-bit picture of fixed stretch: colours of three bands, or grey of one.

        Parameters
        ----------
        bands : str, optional
            One band, or those of red, green and blue; default the first three, the last of them red, if there
            are three, else the first.

        Returns
        -------
        ndarray of uint8, shape (y, x, 3) or (y, x)
            Row 0 at the bottom.

        Raises
        ------
        ValueError
            For a band that the cutout does not have, or neither one nor three bands.
        """
        bands = tuple(bands or (self.bands[2::-1] if len(self.bands) > 2 else self.bands[:1]))
        missing = [band for band in bands if band not in self.bands]
        if missing or len(bands) not in (1, 3):
            raise ValueError(f"bands are {', '.join(bands)}; give one or three of {', '.join(self.bands)}.")
        index = [self.bands.index(band) for band in bands]
        if len(bands) == 3:
            return lupton_rgb(self.image[index])
        return grey_picture(self.image[index[0]], float(self.conditions.sky_sigma[index[0]]))

    def plot(self, bands: str | None = None, ax=None):
        """Draw the galaxy, its middle at the origin [arcsec].

        Parameters
        ----------
        bands : str, optional
            As for ``picture``.
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        half_y, half_x = (side * self.pixel_scale / 2 for side in self.image.shape[1:])
        extent = (-half_x, half_x, -half_y, half_y)
        ax.imshow(self.picture(bands), origin="lower", extent=extent, cmap="gray", vmin=0, vmax=255)
        ax.set(xlabel="x [arcsec]", ylabel="y [arcsec]", title=self.name)
        return ax

    def to_nddata(self, band: str | None = None, ra: float = 0.0, dec: float = 0.0) -> "NDData":
        """Hand the cutout to astropy: flux, uncertainty, mask, PSF and world coordinates in one.

        Parameters
        ----------
        band : str, optional
            Of that band alone, (y, x), as photutils takes it; default all, (band, y, x).
        ra, dec : float
            Where the middle is put [deg].

        Returns
        -------
        astropy.nddata.NDData
            ``data`` in nanomaggies, ``uncertainty`` the variance, ``mask`` True where any bit is set,
            ``psf``, ``wcs`` of as many axes, ``meta`` with the bands and all that was drawn.

        Raises
        ------
        ValueError
            For a band that the cutout does not have.
        """
        from astropy.nddata import NDData, VarianceUncertainty

        if band is not None and band not in self.bands:
            raise ValueError(f"the cutout has the bands {', '.join(self.bands)}, not {band}.")
        part = slice(None) if band is None else self.bands.index(band)
        image = self.image[part]
        return NDData(
            image,
            uncertainty=VarianceUncertainty(self.variance[part]),
            mask=self.mask[part] > 0,
            wcs=tangent_wcs(image.shape, self.pixel_scale, ra, dec),
            meta={**self.metadata, "bands": self.bands if band is None else (band,)},
            unit="nmgy",
            psf=self.psf[part],
        )
