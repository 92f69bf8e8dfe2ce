"""The preparation of 8-bit pictures, and of PSFs, which both domains share."""

import numpy as np

from simcompare.images.preparation.segmentation import pixel_noise
from simcompare.images.stamps import PreparedStamp, RawStamp, RejectedStampError

__all__ = ["prepare_picture", "resize_psf"]

LARGEST = 255.9999  # below 256 also in single precision


def prepare_picture(stamp: RawStamp, preparation, rng: np.random.Generator) -> PreparedStamp:
    """Cut the middle of an 8-bit picture and dither it over one count; nothing else keeps its meaning.

    Parameters
    ----------
    stamp : RawStamp
        Of domain ``"8-bit"``.
    preparation : simcompare.images.preparation.prepare.Preparation
        Settings; size and dither count.
    rng : numpy.random.Generator
        The image's own stream.

    Returns
    -------
    PreparedStamp
        Magnitudes and PSF widths are NaN.

    Raises
    ------
    RejectedStampError
        When the picture is smaller than the cut, or of one value throughout.
    """
    n_y, n_x = stamp.image.shape[1:]
    size = preparation.size
    if min(n_y, n_x) < size:
        raise RejectedStampError(f"image of {n_x} x {n_y} pixels is smaller than the cut, {size}")
    rows, columns = (slice((side - size) // 2, (side - size) // 2 + size) for side in (n_y, n_x))
    counts = np.asarray(stamp.image, dtype=float)[:, rows, columns]
    if not np.isfinite(counts).all() or (np.ptp(counts, axis=(1, 2)) == 0).all():
        raise RejectedStampError("all pixels of the picture are equal")
    # A count stands for the unit interval above it, so that what was 255 stays below 256.
    image = np.minimum(counts + rng.uniform(size=counts.shape), LARGEST) if preparation.dither else counts
    row = {"galaxy_id": stamp.galaxy_id, "ra": float(stamp.ra), "dec": float(stamp.dec), "flags": 0}
    for band, plane in zip(stamp.bands, image, strict=True):
        noise = pixel_noise(plane, np.ones(plane.shape, dtype=bool))
        row |= {f"mag_{band}": np.nan, f"sky_sigma_{band}": noise, f"psf_fwhm_{band}": np.nan}
    return PreparedStamp(
        image=image.astype(np.float32),
        variance=np.full(image.shape, 1 / 12, dtype=np.float32),
        mask=np.zeros(image.shape, dtype=np.uint8),
        psf=resize_psf(stamp.psf, preparation.psf_size),
        quantum=np.ones(len(image), dtype=np.float32),
        row=row | stamp.metadata,
    )


def resize_psf(psf: np.ndarray, size: int) -> np.ndarray:
    """Cut or pad PSFs to one side, sum 1.

    Parameters
    ----------
    psf : ndarray, shape (band, k, k)
        k odd.
    size : int
        Odd [pixels].

    Returns
    -------
    ndarray, shape (band, size, size), float32
    """
    margin = (psf.shape[-1] - size) // 2
    if margin >= 0:
        inner = slice(margin, margin + size)
        resized = np.array(psf[:, inner, inner], dtype=float)
    else:
        resized = np.pad(np.asarray(psf, dtype=float), ((0, 0), (-margin, -margin), (-margin, -margin)))
    return (resized / resized.sum(axis=(1, 2), keepdims=True)).astype(np.float32)
