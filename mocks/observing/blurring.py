"""Application of a point-spread function to an image on finer pixels."""

import numpy as np

from mocks.observing.psf_images import check_psf

__all__ = ["convolve_psf"]

WIDEST_SOURCE = 1.0 + 1e-6
"""Survey pixels: a source image's pixels up to this hold all frequencies that the survey's hold."""


def _waves(index: np.ndarray, n: int, oversampling: int, side: int) -> np.ndarray:
    """Fourier factors of survey pixels along an axis of n fine ones, over that of the pixel itself.

    Shape (frequency, side), for frequencies by their indices; nothing from one half per survey pixel on, for
    that does not survive a survey pixel grid.
    """
    # Fine pixels are integrals over themselves; summing them to survey pixels makes up the full pixel.
    frequency = index * (oversampling / n)
    weight = np.where(np.abs(frequency) < 0.5, 1 / np.sinc(np.clip(frequency, -0.5, 0.5)), 0)
    turn = np.exp(np.arange(n) * (-2j * np.pi / n))
    offset = np.arange(side) - side // 2
    return turn[np.outer(index * oversampling, offset) % n] * weight[:, None]


def _sharpening(index: np.ndarray, n: int, side: float) -> np.ndarray:
    """Fourier factor along an axis of n pixels that takes out two pixels of a side."""
    return np.sinc(index * (side / n)) ** -2.0


def _transfer(
    psf: np.ndarray, oversampling: int, shape: tuple[int, int], source_pixel: float = 0.0
) -> np.ndarray:
    """Fourier factor that stands for the PSF without the pixel, nor those of a source image.

    On the fine grid's rfft2 frequencies, those along x only below one half per survey pixel.
    """
    n_y, n_x = shape
    rows = (np.arange(n_y) + n_y // 2) % n_y - n_y // 2
    columns = np.arange((n_x - 1) // (2 * oversampling) + 1)
    axes = ((rows, n_y), (columns, n_x))
    wave_y, wave_x = (_waves(index, n, oversampling, len(psf)) for index, n in axes)
    if 0 < source_pixel <= WIDEST_SOURCE * oversampling:
        for wave, (index, n) in zip((wave_y, wave_x), axes, strict=True):
            kept = np.abs(index) * oversampling < n / 2
            wave[kept] *= _sharpening(index[kept], n, source_pixel)[:, None]
    return wave_y @ (psf @ wave_x.T)


def convolve_psf(
    image: np.ndarray, psf: np.ndarray, oversampling: int = 1, source_pixel: float = 0.0
) -> np.ndarray:
    """Blur an image on a grid finer than the survey's with the PSF seen on survey pixels.

    The PSF includes the survey pixel, and binning the result to survey pixels applies that pixel again;
    so it is divided out here, in Fourier space below the survey's Nyquist frequency, where the division
    is harmless. A point source, blurred and binned, comes out as exactly the given PSF.

    Parameters
    ----------
    image : ndarray, shape (..., n_y, n_x)
        Flux per fine pixel.
    psf : ndarray, shape (k, k)
        Effective PSF on survey pixels; k odd, sum 1.
    oversampling : int
        Fine pixels per survey pixel and axis.
    source_pixel : float
        Side [fine pixels] of the pixels of another image that were shared out by area. Their light has been
        averaged over them twice, when they were filled and when they were shared out; both are taken out in
        the same way, where they are no wider than the survey's. Wider ones stay as they are.

    Returns
    -------
    ndarray, shape (..., n_y, n_x)
        Blurred flux per fine pixel; light blurred past the edge is lost.

    Raises
    ------
    ValueError
        For a PSF with an even side, NaN, or a sum other than 1.

    Notes
    -----
    Frequencies that the survey grid cannot hold are dropped. For a PSF narrower than about two survey
    pixels this leaves ringing at the per cent level.
    """
    from scipy.fft import fft, ifft, irfft, next_fast_len, rfft

    check_psf(psf)
    n_y, n_x = image.shape[-2:]
    reach = len(psf) // 2 * oversampling
    shape = (next_fast_len(n_y + reach, real=True), next_fast_len(n_x + reach, real=True))
    transfer = _transfer(np.asarray(psf, float), oversampling, shape, source_pixel)
    # One axis at a time: rows of nothing but padding, and frequencies that are dropped, need no transform.
    spectrum = rfft(image, shape[1])[..., : transfer.shape[1]]
    spectrum = fft(spectrum, shape[0], axis=-2)
    spectrum *= transfer
    spectrum = ifft(spectrum, axis=-2, overwrite_x=True)[..., :n_y, :]
    return irfft(spectrum, shape[1])[..., :n_x]
