"""Image sets for other programs: FITS, one file a galaxy, and the layout of the Multimodal Universe."""

import os
from pathlib import Path

import numpy as np
from astropy.io import fits

from simcompare.images.image_set import ImageSet
from simcompare.runs.files import atomic_hdf5, atomic_path
from simcompare.runs.names import file_names, printable

__all__ = ["export_fits", "export_mmu"]


def export_fits(images: ImageSet, folder: str | os.PathLike) -> list[Path]:
    """Write each image as a FITS file with extensions IMAGE, VARIANCE, MASK and PSF, bands first.

    Parameters
    ----------
    images : ImageSet
    folder : path-like
        Made when missing. Files that are there already are replaced.

    Returns
    -------
    list of Path
        ``<dataset>-<galaxy_id>-v<view>.fits``, as `simcompare.runs.names.file_names` writes such names, in
        the order of the set. The header of IMAGE holds what
        `simcompare prepare` needs to read it again, and the scalars of the catalogue as HIERARCH cards.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table, written = images.catalogue, []
    names = [f"{row['dataset']}-{row['galaxy_id']}-v{row['view']}" for row in table]
    files = file_names(names)
    for position, (row, name) in enumerate(zip(table, names, strict=True)):
        stack = images.read(position)
        header = fits.Header()
        header["BANDS"] = "".join(images.bands)
        header["BUNIT"] = _card(images.unit)
        header["SURVEY"] = _card(images.survey)
        header["PREPHASH"] = images.preparation_hash
        _add_coordinates(header, row, images)
        for column in table.colnames:
            value = row[column]
            if isinstance(value, float | np.floating) and not np.isfinite(value):
                continue
            value = value.item() if isinstance(value, np.generic) else value
            header[f"HIERARCH cat {column}"] = _card(value) if isinstance(value, str) else value
        arrays = (("VARIANCE", stack.variance[0]), ("MASK", stack.mask[0]), ("PSF", stack.psf[0]))
        hdus = [
            fits.PrimaryHDU(stack.image[0], header),
            *(fits.ImageHDU(data, name=extension) for extension, data in arrays),
        ]
        path = folder / f"{files[name]}.fits"
        with atomic_path(path) as temporary:
            fits.HDUList(hdus).writeto(temporary, overwrite=True)
        written.append(path)
    return written


def _card(text: str) -> str:
    """Text as a FITS header can hold it."""
    return printable(text).encode("ascii", "backslashreplace").decode()


def _add_coordinates(header: fits.Header, row, images: ImageSet) -> None:
    """Tangential projection about the target; without a place on the sky it is put at 0, 0."""
    known = "ra" in row.colnames and np.isfinite(row["ra"])
    scale = images.pixel_scale / 3600
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CUNIT1"] = header["CUNIT2"] = "deg"
    header["CRVAL1"], header["CRVAL2"] = (float(row["ra"]), float(row["dec"])) if known else (0.0, 0.0)
    middle = (images.image_shape[2] + 1) / 2
    header["CRPIX1"] = float(row["centre_x"]) + 1 if "centre_x" in row.colnames else middle
    header["CRPIX2"] = float(row["centre_y"]) + 1 if "centre_y" in row.colnames else middle
    header["CDELT1"], header["CDELT2"] = -scale, scale


def export_mmu(images: ImageSet, path: str | os.PathLike, batch_size: int = 256) -> Path:
    """Write an image set as one HDF5 file in the layout of the Multimodal Universe's image sets.

    Parameters
    ----------
    images : ImageSet
    path : path-like
        File to make.
    batch_size : int
        Images held in memory at once.

    Returns
    -------
    Path
        Datasets ``object_id``, ``ra``, ``dec``, ``image_band``, ``image_array`` (n, band, y, x),
        ``image_ivar``, ``image_mask`` (True is good), ``image_psf_fwhm``, ``image_scale``.
    """
    path = Path(path)
    n, (n_band, n_y, n_x) = len(images), images.image_shape
    table = images.catalogue
    with atomic_hdf5(path) as file:
        file["object_id"] = np.char.encode(np.asarray(table["galaxy_id"]).astype(str), "utf-8")
        for name in ("ra", "dec"):
            file[name] = np.asarray(table[name], float) if name in table.colnames else np.full(n, np.nan)
        bands = [f"{images.survey}-{band}".encode() for band in images.bands]
        file["image_band"] = np.array([bands] * n)
        file["image_psf_fwhm"] = np.stack(
            [table[f"psf_fwhm_{band}"] for band in images.bands], axis=1
        ).astype("f4")
        file["image_scale"] = np.full((n, n_band), images.pixel_scale, dtype="f4")
        file.attrs["unit"] = images.unit
        shape, chunks = (n, n_band, n_y, n_x), (1, n_band, n_y, n_x)
        array = file.create_dataset("image_array", shape, "f4", chunks=chunks)
        inverse = file.create_dataset("image_ivar", shape, "f4", chunks=chunks)
        good = file.create_dataset("image_mask", shape, "?", chunks=chunks)
        start = 0
        for stack in images.batches(batch_size):
            rows = slice(start, start + len(stack))
            array[rows], good[rows] = stack.image, stack.mask == 0
            inverse[rows] = np.where(stack.variance > 0, 1 / np.maximum(stack.variance, 1e-30), 0)
            start = rows.stop
    return path
