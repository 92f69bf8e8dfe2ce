"""The SDSS point-spread function at any position of a field, from its ``psField`` file."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from mocks.checked_fits import open_fits
from mocks.observing.psf_images import psf_from_image

__all__ = ["read_psfield"]

BANDS = "ugriz"
_COORDINATE_SCALE = 1e-3
"""Rows and columns enter the polynomials in thousands of pixels."""


def read_psfield(path: str | Path, band: str, row: float, column: float) -> np.ndarray:
    """Reconstruct the SDSS PSF at a position from the Karhunen-Loeve components of its field.

    Parameters
    ----------
    path : str or Path
        ``psField-RRRRRR-C-FFFF.fit``, plain or compressed.
    band : str
        One of u, g, r, i, z.
    row, column : float
        Position in the frame [pixels], row along y.

    Returns
    -------
    ndarray, shape (51, 51)
        Pixel included, sum 1.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        For a missing file, one that is not a psField, or an unknown band.

    References
    ----------
    SDSS "Images: the point-spread function": psf = sum over k of a_k(row, column) times eigenimage k, with
    a_k = sum over i, j of (row / 1000)^i (column / 1000)^j C_k,ij.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"psField file {path} does not exist.")
    if band not in BANDS:
        raise ValueError(f"psField files hold the bands u, g, r, i, z, not {band!r}.")
    try:
        with open_fits(path) as file:
            table = file[BANDS.index(band) + 1].data
            image = _reconstruct(table, row, column)
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise OSError(f"{path} is not an SDSS psField file: {error}.") from error
    return psf_from_image(image)


def _reconstruct(table: fits.FITS_rec, row: float, column: float) -> np.ndarray:
    """Sum of the eigenimages with their coefficients at one position."""
    n_row, n_column = int(table["nrow_b"][0]), int(table["ncol_b"][0])
    power_row = (_COORDINATE_SCALE * row) ** np.arange(n_row)
    power_column = (_COORDINATE_SCALE * column) ** np.arange(n_column)
    coefficient = np.asarray(table["C"], float).reshape(len(table), 5, 5)[:, :n_row, :n_column]
    amplitude = np.einsum("kij,i,j->k", coefficient, power_row, power_column)
    side = int(table["RNROW"][0])
    eigenimages = np.stack([np.asarray(row, float).reshape(side, -1) for row in table["RROWS"]])
    return np.einsum("k,kyx->yx", amplitude, eigenimages)
