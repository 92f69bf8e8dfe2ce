"""PSFs as files give them, brought to an odd square around their light."""

import logging
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from mocks.observing.psf import effective_psf
from mocks.observing.psf_images import centred_psf
from mocks.survey_files.psfex import PsfexModel

__all__ = ["gaussian_psf", "joined_psfs", "odd_psf", "psf_of_model", "psf_plane"]

logger = logging.getLogger(__name__)

_STATED_SIDE = 31  # pixels; side of the image of a PSF of which the width is stated


def gaussian_psf(fwhm, pixel_scale: float, n_bands: int) -> np.ndarray:
    """Gaussian PSFs of stated widths [arcsec].

    Raises
    ------
    ValueError
        For a width that is not a positive number, or as many widths as there are no bands.
    """
    widths = np.asarray(fwhm, float)
    if widths.ndim and widths.shape != (n_bands,):
        raise ValueError(f"{widths.size} PSF widths are stated for {n_bands} bands.")
    if not (np.isfinite(widths).all() and (widths > 0).all()):
        raise ValueError(f"a PSF width is {np.min(widths)} arcsec; it must be positive.")
    widest = _STATED_SIDE / 2 * pixel_scale
    if widths.max() > widest:
        raise ValueError(
            f"a PSF width is {widths.max():g} arcsec; at most {widest:.3g} arcsec, half the side of the "
            "image that is made of it, can be used. In pixels, or another unit?"
        )
    widths = np.broadcast_to(widths, n_bands)
    return np.stack([effective_psf("gaussian", width / pixel_scale, _STATED_SIDE) for width in widths])


def odd_psf(psf: np.ndarray) -> np.ndarray:
    """PSFs with an odd square side, their light on its central pixel, and sum 1.

    Parameters
    ----------
    psf : ndarray, shape (band, y, x)

    Returns
    -------
    ndarray, shape (band, k, k)

    Raises
    ------
    ValueError
        For one that `mocks.observing.psf_images.centred_psf` cannot bring into this form.
    """
    centred = [centred_psf(image, "a PSF") for image in np.asanyarray(psf)]
    if any(note for _, note in centred):
        _say_centred(tuple(np.shape(psf)[-2:]))
    return joined_psfs([image[None] for image, _ in centred])


@lru_cache
def _say_centred(shape: tuple[int, int]) -> None:
    """Say once, for PSFs of one shape, that they are moved."""
    size = " by ".join(map(str, shape[::-1]))
    logger.warning("PSFs of %s pixels are not centred on a pixel: they are recentred.", size)


def psf_of_model(model: PsfexModel, header: Mapping, shape: tuple[int, int]) -> np.ndarray:
    """PSF (k, k) that a model of PSFEx has in the middle of an image.

    Parameters
    ----------
    model : PsfexModel
    header : mapping
        Of the image. A cut-out says by LTV1 and LTV2, as IRAF does, where it is in the one that PSFEx saw.
    shape : (int, int)
        Of the image, y and x.

    Raises
    ------
    ValueError
        When the PSF varies and the image, being smaller than the model's range, does not say where it is.
    """
    sides = np.array(shape[::-1])
    is_stated = "LTV1" in header and "LTV2" in header
    if model.degree > 0 and not is_stated and (sides < model.scale).any():
        across, up = model.scale
        raise ValueError(
            f"{model.path}: the PSF varies over {across:.0f} by {up:.0f} pixels, of which the image is "
            f"{sides[0]} by {sides[1]}; state as LTV1 and LTV2 in its header how many were cut off before "
            "it, as negative numbers."
        )
    offset = np.array([float(header.get(card, 0)) for card in ("LTV1", "LTV2")])
    return model.at(*((sides + 1) / 2 - offset))


def psf_plane(arrays: list, index: int | None) -> np.ndarray:
    """PSF (1, k, k) of one band, from one image, a cube, or an image for each band."""
    if index is not None and len(arrays) > 1:
        if index >= len(arrays):
            raise ValueError(f"it has {len(arrays)} PSFs, one for each band is needed.")
        return odd_psf(np.asarray(arrays[index])[None])
    psf = np.asarray(arrays[0])
    if psf.ndim == 3 and index is not None and 1 < len(psf) <= index:
        raise ValueError(f"it has {len(psf)} PSFs, one for each band is needed.")
    return odd_psf(psf[None] if psf.ndim == 2 else psf[[min(index or 0, len(psf) - 1)]])


def joined_psfs(psfs: list[np.ndarray]) -> np.ndarray:
    """PSFs (1, k, k) of several bands in one array, smaller ones framed by zeros."""
    side = max(psf.shape[-1] for psf in psfs)
    return np.concatenate([np.pad(psf, ((0, 0), *[((side - psf.shape[-1]) // 2,) * 2] * 2)) for psf in psfs])
