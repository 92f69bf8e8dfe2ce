"""Reader of FITS files with many galaxies: one image array of four axes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from simcompare.images.stamps import RawStamp
from simcompare.observed.cutouts import (
    band_places,
    check_axes,
    gaussian_psf,
    odd_psf,
    read_arrays,
    stated_unit,
)
from simcompare.observed.names import coordinate_name

__all__ = ["is_fits_stack", "read_fits_stack"]


def is_fits_stack(path: Path) -> bool:
    """Whether a file is uncompressed FITS whose first image has four axes."""
    if not path.is_file() or path.suffix.lower() not in (".fits", ".fit"):
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
        extension PSF (band, k, k) or (n, band, k, k), or the keyword PSF_FWHM [arcsec]; if there is a
        table, its columns ra and dec [deg].
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
    found, header = read_arrays(path, path)
    for card in ("BANDS", "PIXSCALE"):
        if card not in header:
            raise ValueError(f"{path}: keyword {card} is missing; state it in the header.")
    images, scale = found[0][2], float(header["PIXSCALE"])
    chosen = band_places(path, bands, str(header["BANDS"]).strip())
    check_axes(path, images.shape, str(header["BANDS"]).strip())
    factor = stated_unit(header, units, path)
    psfs = next((np.asarray(data) for name, _, data in found[1:] if name == "PSF"), None)
    if psfs is None and "PSF_FWHM" not in header:
        raise ValueError(f"{path}: no PSF; add an extension PSF, or the keyword PSF_FWHM [arcsec].")
    shared = gaussian_psf(header["PSF_FWHM"], scale, len(bands)) if psfs is None else None
    places = _places(path, len(images))
    for i, image in enumerate(images):
        ra, dec = places[i]
        psf = shared
        if psf is None:
            psf = odd_psf(psfs[i][chosen] if psfs.ndim == 4 else psfs[chosen])
        yield RawStamp(
            image=factor * np.asarray(image[chosen], dtype=float),
            psf=psf,
            pixel_scale=scale,
            bands=bands,
            galaxy_id=coordinate_name("J", ra, dec) if np.isfinite(ra) else f"{path.stem}-{i}",
            ra=ra,
            dec=dec,
            metadata={"source": path.name, "source_index": str(i)},
        )


def _places(path: Path, n: int) -> list[tuple[float, float]]:
    """Places of the galaxies by the first table of the file; NaN without one."""
    with fits.open(path, memmap=False) as hdus:
        tables = [Table.read(hdu) for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
    for table in tables:
        lower = {name.lower(): name for name in table.colnames}
        if "ra" in lower and "dec" in lower and len(table) == n:
            return [(float(row[lower["ra"]]), float(row[lower["dec"]])) for row in table]
    return [(np.nan, np.nan)] * n
