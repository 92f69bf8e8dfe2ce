"""Reader of FITS files with many galaxies: one image array of four axes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from mocks.checked_fits import open_fits
from simcompare.images.stamps import RawStamp
from simcompare.observed.bands import band_places, bands_of_header, check_axes
from simcompare.observed.fits_files.headers import linear_pixels, stated_unit
from simcompare.observed.fits_files.images import read_arrays, stack_masks
from simcompare.observed.names import galaxy_name, names_of
from simcompare.observed.places import degrees_of, lower_names
from simcompare.observed.psfs import gaussian_psf, odd_psf
from simcompare.observed.rows import each_row

__all__ = ["is_fits_stack", "read_fits_stack"]


def is_fits_stack(path: Path) -> bool:
    """Whether a file is uncompressed FITS whose first image has four axes."""
    if not path.is_file() or path.suffix.lower() not in (".fits", ".fit", ".fts"):
        return False
    with open(path, "rb") as file:
        block = file.read(2880)
    return block.startswith(b"SIMPLE  =") and b"NAXIS   =                    4" in block


def read_fits_stack(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies of a generic FITS stack with stated units.

    Parameters
    ----------
    path : Path
        Image (n, band, y, x) in the first HDU with BANDS, PIXSCALE [arcsec], and BUNIT or MAGZERO; an
        extension PSF (band, k, k) or (n, band, k, k), or the keyword PSF_FWHM [arcsec]; if known an
        extension MASK (n, band, y, x) or (n, y, x) of 0 and 1, or of planes as HSC numbers them; if there is
        a table, its columns ra and dec (degrees when they state no unit) and galaxy_id.
    bands : tuple of str
        Wanted, in this order.
    units : str
        Of the pixels when the header does not state them.

    Yields
    ------
    RawStamp

    Raises
    ------
    ValueError
        When units, bands, scale or PSF are not stated, or the file is damaged.
    """
    arrays, header = read_arrays(path, path)
    for card in ("BANDS", "PIXSCALE"):
        if card not in header:
            raise ValueError(f"{path}: keyword {card} is missing; state it in the header.")
    images, names = arrays[0][2], bands_of_header(header, path)
    scale = _number(path, header, "PIXSCALE")
    check_axes(path, images.shape, names)
    chosen = band_places(path, bands, names)
    factor = stated_unit(header, units, path, scale)
    psfs = next((np.asarray(data) for name, _, data in arrays[1:] if name == "PSF"), None)
    if psfs is None and "PSF_FWHM" not in header:
        raise ValueError(f"{path}: no PSF; add an extension PSF, or the keyword PSF_FWHM [arcsec].")
    shared = None
    if psfs is None:
        shared = gaussian_psf(_number(path, header, "PSF_FWHM"), scale, len(bands))
    elif psfs.ndim != 4:
        shared = odd_psf(psfs[chosen])
    ra, dec, ids = _places(path, len(images))
    masks = stack_masks(arrays, images.shape, path)

    def make(i: int) -> RawStamp:
        return RawStamp(
            image=factor * linear_pixels(np.asarray(images[i][chosen], dtype=float), header, path),
            psf=odd_psf(psfs[i][chosen]) if shared is None else shared,
            pixel_scale=scale,
            bands=bands,
            galaxy_id=ids[i],
            mask=None if masks is None else masks[i][chosen],
            ra=float(ra[i]),
            dec=float(dec[i]),
            filters=tuple(names[place] for place in chosen),
            metadata={"source": path.name, "source_index": str(i)},
        )

    yield from each_row(range(len(images)), make, bands, path.name, ids.__getitem__)


def _number(path: Path, header: fits.Header, card: str) -> float:
    """Positive number of a card."""
    try:
        value = float(header[card])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: card {card} is {header[card]!r}, not a number.") from error
    if not 0 < value < np.inf:
        raise ValueError(f"{path}: card {card} is {value}; it must be positive.")
    return value


def _places(path: Path, n: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Places [deg] and names of the galaxies by the first table of the file that has as many rows."""
    with open_fits(path) as hdus:
        tables = [Table.read(hdu) for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)]
    for table in tables:
        names = lower_names(table)
        if "ra" in names and "dec" in names and len(table) == n:
            ra, dec = (degrees_of(table[names[axis]], axis, path) for axis in ("ra", "dec"))
            if "galaxy_id" in names:
                return ra, dec, names_of(table[names["galaxy_id"]], ra, dec, path.stem)
            return ra, dec, [galaxy_name("J", ra[i], dec[i], f"{path.stem}-{i}") for i in range(n)]
    return np.full(n, np.nan), np.full(n, np.nan), [f"{path.stem}-{i}" for i in range(n)]
