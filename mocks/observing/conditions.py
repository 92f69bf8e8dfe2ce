"""One joint draw over bands of everything that changes from image to image: PSF, sky, camera."""

from dataclasses import dataclass

import numpy as np

from mocks.observing.background import FaintSources, faint_sources
from mocks.observing.psf import effective_psf
from mocks.observing.psf_images import check_psf
from mocks.surveys import Survey, load_survey

__all__ = ["ConditionsBank", "ObservingConditions", "draw_conditions", "rounding_variance"]

MOST_SEEING = 3.0
"""Standard deviations of the logarithm of the seeing at which draws are cut; our choice, one in 400 is."""
MOST_ROW_CORRELATION = 0.4
"""Between neighbours along a row; from 0.5 on a table that is zero beyond them is no correlation at all."""
_PER_BAND = ("psf_fwhm", "sky_sigma", "electrons_per_nanomaggy", "nanomaggies_per_count", "read_sigma")
_OPTIONAL = ("read_sigma", "sky_level")


@dataclass(frozen=True, eq=False)
class ObservingConditions:
    """State of sky and camera during one image, in all its bands.

    Parameters
    ----------
    bands : tuple of str
    psf : tuple of ndarray, shape (k, k)
        Image of a point source on survey pixels, pixel included; k odd, sum 1.
    psf_fwhm : ndarray, shape (band,)
        Width of those images [arcsec].
    sky_sigma : ndarray, shape (band,)
        Standard deviation of a blank pixel, everything included [nanomaggies].
    electrons_per_nanomaggy : ndarray, shape (band,)
        Sets the shot noise of the source.
    nanomaggies_per_count : ndarray, shape (band,)
        Quantum of the camera; zero where pixels are not whole counts.
    read_sigma : ndarray, shape (band,), optional
        The part of ``sky_sigma`` from dark current and read-out, Gaussian [nanomaggies]; default none.
    sky_level : ndarray, shape (band,), optional
        What the survey's sky subtraction left over, of either sign [nanomaggies per pixel]; default none.
    sky_gradient : ndarray, shape (band, 2), optional
        Its slope along y and x [nanomaggies per pixel, per pixel]; default none.
    faint : FaintSources, optional
        Counts of sources too faint to be found, which real sky holds; default none.
    noise_correlation : ndarray, shape (band, 2 l + 1, 2 l + 1), optional
        Correlation of the sky noise between pixels by separation, one table for all bands or one for each;
        default independent pixels.
    origin : str
        Survey file or bank row it was drawn from.

    Raises
    ------
    ValueError
        For a PSF that is not one, lengths that differ, or a ``sky_sigma`` below what the camera alone gives.
    """

    bands: tuple[str, ...]
    psf: tuple[np.ndarray, ...]
    psf_fwhm: np.ndarray
    sky_sigma: np.ndarray
    electrons_per_nanomaggy: np.ndarray
    nanomaggies_per_count: np.ndarray
    read_sigma: np.ndarray | None = None
    sky_level: np.ndarray | None = None
    sky_gradient: np.ndarray | None = None
    faint: FaintSources | None = None
    noise_correlation: np.ndarray | None = None
    origin: str = ""

    def __post_init__(self):
        object.__setattr__(self, "bands", tuple(self.bands))
        object.__setattr__(self, "psf", tuple(self.psf))
        for name in _OPTIONAL:
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.zeros(len(self.bands)))
        gradient = np.zeros((len(self.bands), 2)) if self.sky_gradient is None else self.sky_gradient
        if np.shape(gradient) != (len(self.bands), 2) or not np.isfinite(gradient).all():
            raise ValueError(f"sky_gradient is {gradient}; finite numbers of shape (band, 2) are needed.")
        object.__setattr__(self, "sky_gradient", np.asarray(gradient, float))
        if self.noise_correlation is not None:
            side = np.shape(self.noise_correlation)[-2:]
            tables = np.broadcast_to(self.noise_correlation, (len(self.bands), *side))
            object.__setattr__(self, "noise_correlation", tables)
        for name in (*_PER_BAND, "sky_level"):
            values = np.asarray(getattr(self, name), float)
            if values.shape != (len(self.bands),) or not np.isfinite(values).all():
                raise ValueError(f"{name} is {values}; {len(self.bands)} finite numbers are needed.")
            if name != "sky_level" and (values < 0).any():
                raise ValueError(f"{name} is {values}; none may be negative.")
            object.__setattr__(self, name, values)
        if len(self.psf) != len(self.bands):
            raise ValueError(f"{len(self.psf)} PSF images for {len(self.bands)} bands.")
        for band, psf in zip(self.bands, self.psf, strict=True):
            check_psf(psf, f"psf of band {band}")
        if (self.electrons_per_nanomaggy <= 0).any():
            raise ValueError(f"electrons_per_nanomaggy is {self.electrons_per_nanomaggy}; must be positive.")
        camera = np.sqrt(self.read_sigma**2 + rounding_variance(self.nanomaggies_per_count))
        if (camera > self.sky_sigma * (1 + 1e-9)).any():
            raise ValueError(
                f"sky_sigma {self.sky_sigma} is below read-out and quantisation noise, {camera}."
            )

    def select(self, bands) -> "ObservingConditions":
        """Conditions of some of the bands."""
        missing = [name for name in bands if name not in self.bands]
        if missing:
            raise ValueError(f"conditions have the bands {', '.join(self.bands)}, not {', '.join(missing)}.")
        index = [self.bands.index(name) for name in bands]
        return ObservingConditions(
            bands=tuple(bands),
            psf=tuple(self.psf[i] for i in index),
            psf_fwhm=self.psf_fwhm[index],
            sky_sigma=self.sky_sigma[index],
            electrons_per_nanomaggy=self.electrons_per_nanomaggy[index],
            nanomaggies_per_count=self.nanomaggies_per_count[index],
            read_sigma=self.read_sigma[index],
            sky_level=self.sky_level[index],
            sky_gradient=self.sky_gradient[index],
            faint=None if self.faint is None else self.faint.select(index),
            noise_correlation=None if self.noise_correlation is None else self.noise_correlation[index],
            origin=self.origin,
        )

    def psf_stack(self) -> np.ndarray:
        """PSF images, shape (band, k, k), smaller ones padded with zeros."""
        side = max(len(psf) for psf in self.psf)
        return np.stack([np.pad(psf, (side - len(psf)) // 2) for psf in self.psf])


@dataclass(frozen=True, eq=False)
class ConditionsBank:
    """Conditions of many real images; mocks take a whole row, so that bands stay together.

    Parameters
    ----------
    bands : tuple of str
    psf : ndarray, shape (n, band, k, k)
        Point-source images on survey pixels; k odd. Each is normalised when drawn.
    psf_fwhm : ndarray, shape (n, band)
        [arcsec].
    sky_sigma : ndarray, shape (n, band)
        [nanomaggies per pixel].
    nanomaggies_per_count : ndarray, shape (n, band), optional
        Calibration of each image; without it the survey's mean is taken.
    sky_level : ndarray, shape (n, band), optional
        Left-over sky of each image, of either sign [nanomaggies per pixel].
    noise_correlation : ndarray, shape (band, 2 l + 1, 2 l + 1), optional
        Mean correlation between blank pixels by separation; default that of the survey file.
    row_scatter : ndarray, shape (band,), optional
        Standard deviation between images of the correlation of neighbours along a row.
    name : str
        What the rows are, for the record.

    Raises
    ------
    ValueError
        For shapes that do not agree or numbers that are not finite and positive.
    """

    bands: tuple[str, ...]
    psf: np.ndarray
    psf_fwhm: np.ndarray
    sky_sigma: np.ndarray
    nanomaggies_per_count: np.ndarray | None = None
    sky_level: np.ndarray | None = None
    noise_correlation: np.ndarray | None = None
    row_scatter: np.ndarray | None = None
    name: str = "bank"

    def __post_init__(self):
        object.__setattr__(self, "bands", tuple(self.bands))
        shape = (len(self.psf), len(self.bands))
        if self.psf.ndim != 4 or self.psf.shape[:2] != shape or not shape[0]:
            raise ValueError(f"psf of {self.name} has shape {self.psf.shape}; not (n, {shape[1]}, k, k).")
        for name in ("psf_fwhm", "sky_sigma", "nanomaggies_per_count", "sky_level"):
            values = getattr(self, name)
            if values is None:
                continue
            if np.shape(values) != shape:
                raise ValueError(f"{name} of {self.name} has shape {np.shape(values)}; needed is {shape}.")
            if not np.isfinite(values).all() or (name != "sky_level" and (np.asarray(values) <= 0).any()):
                raise ValueError(f"{name} of {self.name} holds entries that are not finite and positive.")

    def __len__(self) -> int:
        return len(self.psf)


def rounding_variance(quantum):
    """Variance that rounding to whole steps adds: that of a uniform number, quantum^2 / 12."""
    return quantum**2 / 12


def _joint_normal(n: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Draw unit normals with the same correlation between any two."""
    common, own = rng.normal(), rng.normal(size=n)
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


def _from_survey(survey: Survey, bands, rng: np.random.Generator) -> tuple[list, np.ndarray, np.ndarray]:
    """PSF images, widths and sky noise drawn from the scatter in the survey file."""
    selected = survey.select(bands)
    mean = np.array([band.seeing for band in selected])
    scatter = np.array([band.seeing_scatter for band in selected])
    # Log-normal with the quoted mean and standard deviation: seeing is positive, with a tail to bad nights.
    width = np.sqrt(np.log1p((scatter / mean) ** 2))
    normal = np.clip(_joint_normal(len(selected), survey.seeing_correlation, rng), -MOST_SEEING, MOST_SEEING)
    psf_fwhm = mean * np.exp(width * normal - width**2 / 2)
    magnitudes = _joint_normal(len(selected), survey.sky_correlation, rng)
    sky_sigma = np.array([band.sky_sigma for band in selected]) * 10 ** (
        0.4 * np.array([band.sky_sigma_scatter for band in selected]) * magnitudes
    )
    psf = [
        effective_psf(survey.psf_model, fwhm / survey.pixel_scale, survey.psf_size, **survey.psf_parameters)
        for fwhm in psf_fwhm
    ]
    return psf, psf_fwhm, sky_sigma


def _residual(scatter: float, sky_sigma: np.ndarray, survey: Survey, rng: np.random.Generator) -> np.ndarray:
    """Left-over sky of each band; its scatter is in units of the noise."""
    return scatter * sky_sigma * _joint_normal(len(sky_sigma), survey.residual_correlation, rng)


def _correlation(
    survey: Survey, bands, bank: ConditionsBank | None, rng: np.random.Generator
) -> np.ndarray | None:
    """Correlation between pixels in each band; what the read-out gives to rows changes with the amplifier."""
    if bank is not None and bank.noise_correlation is not None:
        index = [bank.bands.index(name) for name in bands]
        tables = np.array(bank.noise_correlation[index], float)
        scatter = np.zeros(len(bands)) if bank.row_scatter is None else bank.row_scatter[index]
    elif survey.noise_correlation is not None:
        return survey.noise_correlation
    elif survey.row_scatter > 0:
        tables = np.tile([[0, 0, 0], [survey.row_correlation, 1, survey.row_correlation], [0, 0, 0]],
                         (len(bands), 1, 1))  # fmt: skip
        scatter = np.full(len(bands), survey.row_scatter)
    else:
        return None
    middle = tables.shape[1] // 2
    along = tables[:, middle, middle + 1] + scatter * rng.normal(size=len(bands))
    along = np.clip(along, -MOST_ROW_CORRELATION, MOST_ROW_CORRELATION)
    tables[:, middle, middle - 1] = tables[:, middle, middle + 1] = along
    return tables


def draw_conditions(
    survey: Survey | str,
    bands,
    rng: np.random.Generator,
    bank: ConditionsBank | None = None,
) -> ObservingConditions:
    """Draw what one image of a survey was taken under, jointly over bands.

    Parameters
    ----------
    survey : Survey or str
    bands : sequence of str
    rng : numpy.random.Generator
    bank : ConditionsBank, optional
        Conditions of real images: one row is taken whole. Otherwise the means and scatters of the survey
        file serve, with its correlation between bands.

    Raises
    ------
    ValueError
        For a band that the survey or the bank does not have.
    """
    survey, bands = load_survey(survey), tuple(bands)
    selected = survey.select(bands)
    chip = int(rng.integers(len(selected[0].gain)))
    counts = np.array([band.counts_per_nanomaggy for band in selected])
    if bank is None:
        psf, psf_fwhm, sky_sigma = _from_survey(survey, bands, rng)
        sky_level = _residual(survey.residual_level, sky_sigma, survey, rng)
        origin = f"{survey.name}, chip {chip + 1}"
    else:
        missing = [name for name in bands if name not in bank.bands]
        if missing:
            raise ValueError(f"{bank.name} has the bands {', '.join(bank.bands)}, not {', '.join(missing)}.")
        row, index = int(rng.integers(len(bank))), [bank.bands.index(name) for name in bands]
        psf = [image / image.sum() for image in np.asarray(bank.psf[row, index], float)]
        psf_fwhm, sky_sigma = np.asarray(bank.psf_fwhm)[row, index], np.asarray(bank.sky_sigma)[row, index]
        if bank.nanomaggies_per_count is not None:
            counts = 1 / np.asarray(bank.nanomaggies_per_count)[row, index]
        sky_level = None if bank.sky_level is None else np.asarray(bank.sky_level)[row, index]
        origin = f"{bank.name} row {row}, chip {chip + 1}"
    gradient = [_residual(survey.residual_gradient, sky_sigma, survey, rng) for _ in "yx"]
    quantum = 1 / counts if survey.integer_counts else np.zeros(len(bands))
    dark = np.sqrt([band.dark_variance[chip] for band in selected]) / counts
    return ObservingConditions(
        bands=bands,
        psf=tuple(psf),
        psf_fwhm=psf_fwhm,
        sky_sigma=sky_sigma,
        electrons_per_nanomaggy=counts * [band.gain[chip] for band in selected],
        nanomaggies_per_count=quantum,
        # A dark sky can be drawn below the chip's own dark noise; the total is what is to be met.
        read_sigma=np.minimum(dark, np.sqrt(np.maximum(sky_sigma**2 - rounding_variance(quantum), 0))),
        sky_level=sky_level,
        sky_gradient=np.stack(gradient, axis=1),
        faint=faint_sources(survey, bands),
        noise_correlation=_correlation(survey, bands, bank, rng),
        origin=origin,
    )
