"""HSC coadd patches and cut-outs on local disk: pixels, mask planes, and real sky from them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocks.checked_fits import damage_of, open_fits
from mocks.magnitudes import AB_NANOMAGGY
from mocks.observing.psf_images import measure_fwhm, psf_from_image
from mocks.observing.sky_bank import CLEAR, SkyBank, clipped_sigma, cut_sky, find_sites, segment
from mocks.surveys import Survey, load_survey

__all__ = ["UNUSABLE_PLANES", "Coadd", "hsc_sky_bank", "open_coadd", "open_psf"]

logger = logging.getLogger(__name__)

UNUSABLE_PLANES = (
    "BAD",
    "BRIGHT_OBJECT",
    "CLIPPED",
    "CR",
    "CROSSTALK",
    "DETECTED",
    "DETECTED_NEGATIVE",
    "EDGE",
    "INEXACT_PSF",
    "INTRP",
    "NO_DATA",
    "REJECTED",
    "SAT",
    "SENSOR_EDGE",
    "SUSPECT",
    "UNMASKEDNAN",
)
"""Planes of which none may be set where a galaxy is put (those of RealSim_HSC, Bottrell 2024)."""

COADD_ZEROPOINT = 27.0
"""AB magnitude of one count in coadds of the HSC pipeline, where no header says otherwise
(Aihara et al. 2022, PASJ 74, 247, Table 1)."""
THRESHOLD = 4.0
"""Of sources beside those of the pipeline's own plane; in resampled noise a lower one finds many more."""


@dataclass(frozen=True, eq=False)
class Coadd:
    """One band of an HSC coadd.

    Parameters
    ----------
    path : Path
    image : ndarray, shape (y, x)
        Sky-subtracted flux [nanomaggies per pixel].
    variance : ndarray, shape (y, x)
        As the pipeline says [nanomaggies^2].
    planes : dict of ndarray of bool, shape (y, x)
        Mask planes by name, without ``MP_``.
    """

    path: Path
    image: np.ndarray
    variance: np.ndarray
    planes: dict[str, np.ndarray]

    def taken(self, names=UNUSABLE_PLANES) -> np.ndarray:
        """Pixels with any of these planes, or without a finite value."""
        is_taken = ~np.isfinite(self.image)
        for name in names:
            if name in self.planes:
                is_taken |= self.planes[name]
        return is_taken


def open_coadd(path: str | Path) -> Coadd:
    """Read an HSC coadd or cut-out: extensions IMAGE, MASK (planes named by ``MP_`` cards) and VARIANCE.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    FileNotFoundError, ValueError
        For a missing file, or one without these extensions or with sides that differ.
    """
    with damage_of(path):
        return _coadd_of(Path(path))


def _coadd_of(path: Path) -> Coadd:
    """Coadd of a file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        with open_fits(path) as file:
            parts = {hdu.name: hdu for hdu in file}
            image, mask, variance = (np.asarray(parts[name].data) for name in ("IMAGE", "MASK", "VARIANCE"))
            header = parts["MASK"].header
            headers = (file[0].header, parts["IMAGE"].header)
            stated = {float(each["FLUXMAG0"]) for each in headers if "FLUXMAG0" in each}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not an HSC coadd with the extensions IMAGE, MASK and VARIANCE, or damaged ({error})."
        ) from error
    if not image.ndim == 2 or not image.shape == mask.shape == variance.shape:
        raise ValueError(
            f"{path}: image {image.shape}, mask {mask.shape} and variance {variance.shape} differ."
        )
    unit = 10 ** (0.4 * AB_NANOMAGGY) / _flux_of_zero(stated, path)
    bits = {key[3:]: int(value) for key, value in header.items() if key.startswith("MP_")}
    return Coadd(
        path=path,
        image=image.astype(np.float32) * np.float32(unit),
        variance=variance.astype(np.float32) * np.float32(unit**2),
        planes={name: (mask.astype(np.int64) >> bit & 1).astype(bool) for name, bit in bits.items()},
    )


def _flux_of_zero(stated: set[float], path: Path) -> float:
    """Flux of AB magnitude zero in a coadd's unit."""
    if len(stated) > 1 or not all(0 < value < np.inf for value in stated):
        listed = " and ".join(f"{value:g}" for value in sorted(stated))
        raise ValueError(f"{path}: FLUXMAG0 is {listed}; one positive number is needed.")
    if not stated:
        logger.warning(
            "%s: no FLUXMAG0; the zero point %g of HSC's pipeline is assumed.", path, COADD_ZEROPOINT
        )
        return 10 ** (0.4 * COADD_ZEROPOINT)
    return stated.pop()


def open_psf(path: str | Path) -> np.ndarray:
    """Read a PSF image of the HSC PSF picker: odd side, sum 1.

    Parameters
    ----------
    path : str or Path
        FITS; the first extension with an image counts. A side that is even by one empty row or column is
        made odd by leaving that out.

    Returns
    -------
    ndarray, shape (k, k)

    Raises
    ------
    FileNotFoundError, ValueError
        For a missing file, one without image, or an image that is no PSF.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        with open_fits(path) as file:
            image = next(np.asarray(hdu.data, float) for hdu in file if hdu.data is not None and hdu.is_image)
    except (OSError, ValueError, StopIteration) as error:
        raise ValueError(f"{path}: not a FITS file with a PSF image ({error}).") from error
    try:
        return psf_from_image(image)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def hsc_sky_bank(
    paths: Mapping[str, str | Path],
    psf: Mapping[str, np.ndarray],
    size: int,
    n: int,
    rng: np.random.Generator,
    clear: float | None = CLEAR,
    survey: str | Survey = "hsc-wide",
) -> SkyBank:
    """Cut patches of sky out of one HSC patch, at the same pixels in all bands.

    Parameters
    ----------
    paths : mapping of str to path
        Coadd of each band; all of one patch, and so on one pixel grid.
    psf : mapping of str to ndarray
        PSF image of each band.
    size : int
        Side of the patches [pixels].
    n : int
        How many at most; patches do not overlap.
    rng : numpy.random.Generator
    clear : float or None
        Radius about the centre free of sources and of the pipeline's mask planes [pixels]; None: the whole
        patch.
    survey : str or Survey
        Whose gains the coadds have.

    Raises
    ------
    ValueError
        When the bands differ in shape, a PSF is missing, or no place is free.
    """
    coadds = {band: open_coadd(path) for band, path in paths.items()}
    bands = tuple(coadds)
    missing = [band for band in bands if band not in psf]
    if missing:
        raise ValueError(f"no PSF image of band {', '.join(missing)}; the PSF picker of the survey has them.")
    if len({coadd.image.shape for coadd in coadds.values()}) > 1:
        shapes = {band: coadd.image.shape for band, coadd in coadds.items()}
        raise ValueError(f"the coadds are not of one patch: {shapes}.")
    images = np.stack([np.where(each.taken(("NO_DATA",)), np.nan, each.image) for each in coadds.values()])
    taken = segment(images, threshold=THRESHOLD) | np.any(
        [coadd.taken() for coadd in coadds.values()], axis=0
    )
    corners = find_sites(taken, size, n, rng, clear=clear)
    patches = cut_sky(images, corners, size)
    finite = np.isfinite(patches).all(axis=(1, 2, 3))
    if not finite.any():
        raise ValueError(f"every patch of {size} pixels of {coadds[bands[0]].path} lacks data somewhere.")
    corners, patches = corners[finite], patches[finite]
    level, sigma = np.array([clipped_sigma(image[~taken]) for image in images]).T
    kernels = np.stack([psf_from_image(psf[band]) for band in bands])
    width = np.array([measure_fwhm(kernel) for kernel in kernels])
    data = load_survey(survey)
    gain = np.array([band.electrons_per_nanomaggy[0] for band in data.select(bands)])

    def everywhere(values):
        return np.repeat(np.asarray(values)[None], len(corners), axis=0)

    name = coadds[bands[0]].path.name
    return SkyBank(
        bands=bands,
        image=patches,
        sky_sigma=everywhere(sigma),
        sky_level=everywhere(level),
        psf=everywhere(kernels),
        psf_fwhm=everywhere(width * data.pixel_scale),
        electrons_per_nanomaggy=everywhere(gain),
        nanomaggies_per_count=everywhere(np.zeros(len(bands))),
        origin=np.array([f"{name} row {y} column {x}" for y, x in corners]),
    )
