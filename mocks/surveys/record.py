"""The records of a survey and of its bands."""

from dataclasses import dataclass, field

import numpy as np

from mocks.display import rows_table
from mocks.magnitudes import AB_NANOMAGGY

__all__ = ["FRAMES", "Band", "Survey"]

FRAMES = {
    "sdss-frame": "corrected frames of SDSS, frame-<band>-<run>-<camcol>-<field>.fits, with psField files",
    "hsc-coadd": "coadds of the HSC pipeline, <name>-<band>.fits, with <name>-<band>-psf.fits",
}
"""Kinds of files that whole images of a survey come in, from which its sky is cut."""


@dataclass(frozen=True)
class Band:
    """How one survey records light in one filter.

    Parameters
    ----------
    name : str
        As the survey calls it.
    filter : str
        Name of the transmission curve in ``speclite``, atmosphere and camera included.
    zeropoint : float
        AB magnitude of a source giving one count.
    gain : tuple of float
        Electrons per count, one entry per chip of the camera.
    dark_variance : tuple of float
        Variance from dark current and read-out, one entry per chip [count^2].
    sky_sigma : float
        Standard deviation of a blank pixel [nanomaggies].
    sky_sigma_scatter : float
        Standard deviation of its logarithm between images [mag].
    seeing : float
        Mean PSF FWHM, measured on pixels [arcsec].
    seeing_scatter : float
        Its standard deviation between images [arcsec].
    depth : float
        AB magnitude of a point source detected at 5 sigma.
    depth_scatter : float
        Its standard deviation over the survey [mag].
    faint_density : float, optional
        Sources at AB magnitude 22 [per square arcminute and magnitude].
    references : dict of str
        Where each number comes from.
    """

    name: str
    filter: str
    zeropoint: float
    gain: tuple[float, ...]
    dark_variance: tuple[float, ...]
    sky_sigma: float
    sky_sigma_scatter: float
    seeing: float
    seeing_scatter: float
    depth: float
    depth_scatter: float = 0.0
    faint_density: float | None = None
    references: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def counts_per_nanomaggy(self) -> float:
        """Counts from a source of AB magnitude 22.5."""
        return 10 ** (0.4 * (self.zeropoint - AB_NANOMAGGY))

    @property
    def electrons_per_nanomaggy(self) -> np.ndarray:
        """Electrons from a source of AB magnitude 22.5, shape (chip,)."""
        return np.array(self.gain) * self.counts_per_nanomaggy


@dataclass(frozen=True)
class Survey:
    """What is needed to observe as one survey does.

    Parameters
    ----------
    name, title : str
    pixel_scale : float
        [arcsec].
    bands : dict of Band
        In order of wavelength.
    psf_model : str
        Name in ``mocks.observing.psf.PSF_MODELS``.
    psf_parameters : dict of float
        Parameters of that model.
    psf_size : int
        Side of a PSF image [pixels], odd.
    integer_counts : bool
        Whether pixels hold whole camera counts (single exposures) or not (coadds).
    seeing_correlation, sky_correlation : float
        Correlation between any two bands of one image.
    noise_correlation : ndarray, shape (2 l + 1, 2 l + 1), optional
        Correlation of the sky noise between pixels by separation, for resampled coadds.
    row_correlation, row_scatter : float
        Correlation of neighbours along a row from a camera's read-out, and its scatter between images, for
        pixels that are not resampled.
    sigma_over_variance : float
        Standard deviation of blank pixels over what the survey's own variance plane says.
    residual_level, residual_gradient : float
        Scatter of the sky left over by the survey's subtraction [noise of a pixel] and of its slope [the same
        per pixel].
    residual_correlation : float
        Of the left-over sky between any two bands.
    faint_slope : float, optional
        Of the logarithm of the number of sources per magnitude; without it no undetected sources are drawn.
    faint_span : float
        How far below the depth sources are drawn [mag].
    references : dict of str
        Key used in the file to full reference.
    notes : dict of str
        What a number is not, by its place in the file.
    assumed : tuple of str
        What its numbers rest on without a source, sentence by sentence; commands say it.
    frames : str, optional
        Kind of its whole images, a key of ``FRAMES``; without it no sky is cut from files of this survey.
    source : str
        The file it was read from.
    text : str
        What stands in that file, of a survey that is not one of ours: it travels with images of this survey.
    """

    name: str
    title: str
    pixel_scale: float
    bands: dict[str, Band]
    psf_model: str
    psf_parameters: dict[str, float]
    psf_size: int
    integer_counts: bool
    seeing_correlation: float
    sky_correlation: float
    noise_correlation: np.ndarray | None = field(default=None, compare=False)
    row_correlation: float = 0.0
    row_scatter: float = 0.0
    sigma_over_variance: float = 1.0
    residual_level: float = 0.0
    residual_gradient: float = 0.0
    residual_correlation: float = 0.0
    faint_slope: float | None = None
    faint_span: float = 0.0
    references: dict[str, str] = field(default_factory=dict, compare=False)
    notes: dict[str, str] = field(default_factory=dict, compare=False)
    assumed: tuple[str, ...] = field(default=(), compare=False)
    frames: str | None = None
    source: str = field(default="", compare=False)
    text: str = field(default="", compare=False, repr=False)

    def select(self, bands) -> list[Band]:
        """Bands by name, in the order asked for; ValueError lists the known ones."""
        unknown = [name for name in bands if name not in self.bands]
        if unknown or not bands:
            raise ValueError(f"survey {self.name} has no band {unknown}; it has {', '.join(self.bands)}.")
        return [self.bands[name] for name in bands]

    def __repr__(self) -> str:
        return f"<Survey {self.name}: {','.join(self.bands)}, {self.pixel_scale:g} arcsec per pixel>"

    def _repr_html_(self) -> str:
        heads = (
            "band",
            "filter",
            "zeropoint [AB mag]",
            "seeing [arcsec]",
            "sky noise [nanomaggies]",
            "depth [AB mag]",
        )
        rows = [
            (band.name, band.filter, f"{band.zeropoint:.2f}", f"{band.seeing:.2f}", f"{band.sky_sigma:.3g}",
             f"{band.depth:.1f}")
            for band in self.bands.values()
        ]  # fmt: skip
        return rows_table(f"{self.title}: {self.pixel_scale:g} arcsec per pixel", heads, rows)
