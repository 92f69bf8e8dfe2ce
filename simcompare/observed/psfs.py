"""PSFs as files give them, brought to an odd square about their peak."""

import numpy as np

from mocks.observing.psf import effective_psf

__all__ = ["gaussian_psf", "joined_psfs", "odd_psf", "psf_plane"]


def gaussian_psf(fwhm, pixel_scale: float, n_bands: int) -> np.ndarray:
    """Gaussian PSFs of stated widths [arcsec].

    Raises
    ------
    ValueError
        For a width that is no positive number, or as many widths as there are no bands.
    """
    widths = np.asarray(fwhm, float)
    if widths.ndim and widths.shape != (n_bands,):
        raise ValueError(f"{widths.size} PSF widths are stated for {n_bands} bands.")
    if not (np.isfinite(widths).all() and (widths > 0).all()):
        raise ValueError(f"a PSF width is {np.min(widths)} arcsec; it must be positive.")
    widths = np.broadcast_to(widths, n_bands)
    return np.stack([effective_psf("gaussian", width / pixel_scale, 31) for width in widths])


def odd_psf(psf: np.ndarray) -> np.ndarray:
    """PSFs with an odd square side and sum 1; an even or longer side loses its last row or is cut alike.

    Parameters
    ----------
    psf : ndarray, shape (band, y, x)

    Returns
    -------
    ndarray, shape (band, k, k)

    Raises
    ------
    ValueError
        For one without light.
    """
    psf = np.nan_to_num(np.asarray(psf, dtype=float), posinf=0.0, neginf=0.0)
    side = min(psf.shape[-2:])
    side -= 1 - side % 2
    peak = np.unravel_index(psf.sum(axis=0).argmax(), psf.shape[-2:])
    first = [int(np.clip(p - side // 2, 0, n - side)) for p, n in zip(peak, psf.shape[-2:], strict=True)]
    psf = psf[:, first[0] : first[0] + side, first[1] : first[1] + side]
    total = psf.sum(axis=(1, 2), keepdims=True)
    if not (total > 0).all():
        raise ValueError(f"a PSF sums to {total.min():g}; it must hold light.")
    return psf / total


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
