"""Point-spread functions from the numbers that files state of them instead of an image."""

import numpy as np

from mocks.observing.psf import moffat_psf
from mocks.observing.psf_images import psf_from_image

__all__ = ["effective_width", "header_psf", "mixture_psf"]

_ROUNDS = 6  # iterations from effective width to width before the pixel
_WIDTH_TOLERANCE = 0.01  # relative
_N_GAUSSIANS = 3
MIXTURE_SIDE = 41


def effective_width(psf: np.ndarray) -> float:
    """Width of the Gaussian that averages over as many pixels of sky as a PSF does [pixels].

    SDSS's ``psf_width``: 0.663 times the root of the effective number of pixels, 1 / sum of squares.
    """
    psf = np.asarray(psf, float)
    return float(0.663 * np.sqrt(psf.sum() ** 2 / np.sum(psf**2)))


def header_psf(width: float, pixel_scale: float, side: int = MIXTURE_SIDE) -> np.ndarray:
    """PSF of a field of which the SDSS pipeline wrote down the effective width.

    A Moffat profile of exponent 3. In 29 images that show stars too it has their width to 2 % in the median
    (16-84: -2 to +5 %), and their light to 5 % from the middle to 6 pixels. The pipeline's own composite of
    two Gaussians and a power law (``psf_s1``, ``psf_s2``, ``psf_b``, ``psf_p0``, ``psf_beta``) is 16 % too
    wide in the same images (9-19 %), and is not used.

    Parameters
    ----------
    width : float
        ``psf_width`` [arcsec].
    pixel_scale : float
        [arcsec].
    side : int
        Of the image, odd.

    Returns
    -------
    ndarray, shape (side, side)
        Sum 1.

    Raises
    ------
    ValueError
        For a width that is not a positive number, as -9999 is, or one that no PSF in such an image has.
    """
    if not (np.isfinite(width) and width > 0):
        raise ValueError(f"psf_width is {width:g} arcsec; it must be positive.")
    wanted = width / pixel_scale
    fwhm = 0.8 * wanted
    for _ in range(_ROUNDS):
        psf = moffat_psf(fwhm, side)
        fwhm *= wanted / effective_width(psf)
    effective = effective_width(psf)
    if abs(effective / wanted - 1) > _WIDTH_TOLERANCE:
        raise ValueError(
            f"psf_width is {width:g} arcsec, {wanted:.3g} pixels; the nearest that a PSF of {side} by {side} "
            f"pixels has is {effective:.3g}."
        )
    return psf


def mixture_psf(parameters: np.ndarray, side: int = MIXTURE_SIDE) -> np.ndarray:
    """PSF of three Gaussians, as SDSS images from codes that model the sky come with.

    Parameters
    ----------
    parameters : ndarray, shape (18,)
        Three amplitudes; three pairs of means x, y; three triples of variances xx, yy, xy [pixels].
    side : int
        Of the image, odd.

    Returns
    -------
    ndarray, shape (side, side)
        Pixel included, sum 1.

    Raises
    ------
    ValueError
        For another number of parameters, or a Gaussian without a width.
    """
    parameters = np.asarray(parameters, float)
    if parameters.shape != (6 * _N_GAUSSIANS,) or not np.isfinite(parameters).all():
        raise ValueError(f"psf_mixture holds {parameters}; 18 finite numbers are needed for three Gaussians.")
    amplitudes, means, variances = np.split(parameters, [_N_GAUSSIANS, 3 * _N_GAUSSIANS])
    offset = np.arange(side) - side // 2
    image = np.zeros((side, side))
    for amplitude, (x, y), (xx, yy, xy) in zip(
        amplitudes, means.reshape(-1, 2), variances.reshape(-1, 3), strict=True
    ):
        determinant = xx * yy - xy**2
        if not (xx > 0 and determinant > 0):
            raise ValueError(f"psf_mixture has variances xx {xx}, yy {yy}, xy {xy}, which no Gaussian has.")
        dx, dy = offset - x, (offset - y)[:, None]
        exponent = (yy * dx**2 - 2 * xy * dx * dy + xx * dy**2) / (2 * determinant)
        image += amplitude / (2 * np.pi * np.sqrt(determinant)) * np.exp(-exponent)
    return psf_from_image(image)
