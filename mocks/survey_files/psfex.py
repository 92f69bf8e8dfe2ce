"""PSF models of PSFEx: images of the PSF whose pixels are polynomials of the place on the detector."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from mocks.checked_fits import damage_of, open_fits
from mocks.observing.psf_images import psf_from_image

__all__ = ["PsfexModel", "open_psfex"]

_OUTSIDE = 0.05  # share of the stars' range by which a position may lie outside


@dataclass(frozen=True, eq=False)
class PsfexModel:
    """PSF of an image on which PSFEx was run.

    Parameters
    ----------
    path : Path
        For messages.
    components : ndarray, shape (n, v, u)
        Images that belong to the terms 1, x, x^2, ..., y, x y, ... of the polynomial.
    step : float
        Of their pixels [pixels of the image].
    degree : int
        Of the polynomial.
    zero, scale : ndarray, shape (2,)
        Middle and length of the range of the stars, x and y [pixels of the image, its first being 1].
    """

    path: Path
    components: np.ndarray
    step: float
    degree: int
    zero: np.ndarray
    scale: np.ndarray

    def at(self, x: float, y: float) -> np.ndarray:
        """PSF at a place of the image.

        Parameters
        ----------
        x, y : float
            In pixels of the image that PSFEx saw, the first being 1, as FITS counts.

        Returns
        -------
        ndarray, shape (k, k)
            Pixel included; k odd, sum 1.

        Raises
        ------
        ValueError
            For a place where no stars were, or a model that is no PSF there.
        """
        from scipy.ndimage import map_coordinates  # a tenth of a second to load

        along, up = (np.array([x, y]) - self.zero) / self.scale
        if self.degree > 0 and not max(abs(along), abs(up)) <= 0.5 + _OUTSIDE:
            low, high = self.zero - self.scale / 2, self.zero + self.scale / 2
            raise ValueError(
                f"{self.path}: PSF wanted at x, y = {x:.1f}, {y:.1f}; the stars of this model are at "
                f"x {low[0]:.0f} to {high[0]:.0f}, y {low[1]:.0f} to {high[1]:.0f}."
            )
        powers = range(self.degree + 1)
        terms = [along**i * up**j for j in powers for i in powers if i + j <= self.degree]
        model = np.tensordot(terms, self.components, 1)
        middle = np.array(model.shape) // 2  # where PSFEx puts the star, also with even sides
        reach = int(round(self.step * min(np.array(model.shape) - 1 - middle), 6))
        rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1] / self.step
        sampled = map_coordinates(
            model, (rows + middle[0], columns + middle[1]), order=5, mode="grid-constant"
        )
        return psf_from_image(sampled, f"{self.path}: PSF at {x:.1f}, {y:.1f}")


def open_psfex(path: str | Path) -> PsfexModel | None:
    """Read a file of PSFEx (``.psf``); None for FITS that hold no such model.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    FileNotFoundError, ValueError
        For a missing file, or a model of something else than the place, or whose cards do not fit its images.
    """
    with damage_of(path):
        return _psfex_of(Path(path))


def _psfex_of(path: Path) -> PsfexModel | None:
    """PSF model of a file, None where it holds none."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        with open_fits(path) as file:
            tables = [
                hdu for hdu in file if isinstance(hdu, fits.BinTableHDU) and "PSF_MASK" in hdu.columns.names
            ]
            models = [(hdu.header, np.asarray(hdu.data["PSF_MASK"][0], float)) for hdu in tables]
    except (OSError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{path}: not a FITS file, or damaged ({error}).") from error
    if not models:
        return None
    if len(models) > 1:
        raise ValueError(f"{path}: {len(models)} PSF models, one per detector; keep the one of the image.")
    header, images = models[0]
    try:
        step = float(header["PSF_SAMP"])
        degree, zero, scale = _polynomial(header, path)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: cards of the PSF model are missing or not numbers ({error}).") from error
    images = images[None] if images.ndim == 2 else images
    n_terms = (degree + 1) * (degree + 2) // 2
    if images.ndim != 3 or len(images) != n_terms:
        raise ValueError(
            f"{path}: PSF_MASK has shape {images.shape}; degree {degree} needs {n_terms} images."
        )
    numbers = {"PSF_SAMP": step, "POLSCAL": scale, "POLZERO": zero, "PSF_MASK": images}
    for name, value in numbers.items():
        positive = name in ("PSF_SAMP", "POLSCAL")
        if not np.isfinite(value).all() or (positive and not np.all(np.greater(value, 0))):
            kind = "finite and positive" if positive else "finite"
            raise ValueError(f"{path}: {name} holds {np.min(value)} to {np.max(value)}; it must be {kind}.")
    return PsfexModel(path, images, step, degree, zero, scale)


def _polynomial(header: fits.Header, path: Path) -> tuple[int, np.ndarray, np.ndarray]:
    """Degree of the polynomial in x and y, and the middle and the length of their ranges."""
    degree = int(header["POLDEG1"]) if header.get("POLNAXIS", 0) else 0
    if degree == 0:
        return 0, np.zeros(2), np.ones(2)
    axes = range(1, int(header["POLNAXIS"]) + 1)
    names = [str(header[f"POLNAME{axis}"]).strip().upper() for axis in axes]
    is_place = [name[:1] + name[-5:] for name in names] == ["XIMAGE", "YIMAGE"]
    if not is_place or int(header.get("POLNGRP", 1)) != 1:
        raise ValueError(
            f"{path}: the PSF model depends on {', '.join(names)}; only X_IMAGE and Y_IMAGE are read."
        )
    zero, scale = (
        np.array([float(header[f"{card}{axis}"]) for axis in axes]) for card in ("POLZERO", "POLSCAL")
    )
    return degree, zero, scale
