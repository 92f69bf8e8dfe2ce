"""Image sets for other programs: FITS, one file a galaxy, and the layout of the Multimodal Universe."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from simcompare.images.image_set import ImageSet
from simcompare.images.stamps import MASK_BITS, SkyFrame
from simcompare.runs.files import atomic_hdf5, atomic_path
from simcompare.runs.names import file_names, printable

__all__ = ["export_fits", "export_mmu"]

# Bits of the mask, numbered in its header as the HSC pipeline does; `simcompare prepare` reads them.
_MASK_PLANES = (
    ("MP_NEIGH", MASK_BITS["neighbour"].bit_length() - 1, "replaced: another object was there"),
    ("MP_BAD", MASK_BITS["bad"].bit_length() - 1, "replaced: without a value, or masked"),
)


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
        `simcompare prepare` needs to read it again, and the scalars of the catalogue as HIERARCH cards. Its
        coordinates have the orientation of the image where that is known, and a COMMENT where it is not.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table, written = images.catalogue, []
    names = [f"{row['dataset']}-{row['galaxy_id']}-v{row['view']}" for row in table]
    files = file_names(names)
    for position, (row, name) in enumerate(zip(table, names, strict=True)):
        stack = images.read(position)
        header = fits.Header()
        header["BANDS"] = _band_list(images.bands)
        header["BUNIT"] = _card(images.unit)
        header["SURVEY"] = _card(images.survey)
        header["PREPHASH"] = images.preparation_hash
        _add_coordinates(header, row, images)
        for column in table.colnames:
            value = row[column]
            if isinstance(value, float | np.floating) and not np.isfinite(value):
                continue
            value = value.item() if isinstance(value, np.generic) else value
            _add_card(header, f"HIERARCH cat {_card(column)}", value)
        hdus = [
            fits.PrimaryHDU(stack.image[0], header),
            fits.ImageHDU(stack.variance[0], name="VARIANCE"),
            fits.ImageHDU(stack.mask[0], fits.Header(_MASK_PLANES), name="MASK"),
            fits.ImageHDU(stack.psf[0], name="PSF"),
        ]
        path = folder / f"{files[name]}.fits"
        with atomic_path(path) as temporary:
            fits.HDUList(hdus).writeto(temporary, overwrite=True)
        written.append(path)
    return written


def _card(text: str) -> str:
    """Text as a FITS header can hold it."""
    return printable(text).encode("ascii", "backslashreplace").decode()


def _add_card(header: fits.Header, key: str, value) -> None:
    """Add a card, its text cut where FITS cannot hold all of it."""
    text = _card(value) if isinstance(value, str) else value
    try:
        header[key] = text
    except ValueError:
        room = max(80 - len(key) - len(" = ''"), 0)
        if isinstance(text, str) and room > 3:
            header[key] = f"{text[: room - 3]}..."


def _band_list(bands: Sequence[str]) -> str:
    """Bands as a header states them: in one word, or between commas where names are longer."""
    return "".join(bands) if all(len(band) == 1 and band.isalpha() for band in bands) else ",".join(bands)


def _add_coordinates(header: fits.Header, row, images: ImageSet) -> None:
    """Tangential projection that puts the galaxy at its place, turned and mirrored as the image is.

    What is not known is said in a comment: without an orientation north is up and east to the left, without a
    place the galaxy is at 0, 0, and without a scale there are no coordinates at all.
    """
    scale = (_number(row, "pixel_scale") or images.pixel_scale) / 3600
    if not scale > 0:
        header["COMMENT"] = "The pixel scale of this image is not known: no coordinates."
        return
    frame = [_number(row, name) for name in ("place_x", "place_y", "north_angle", "sky_parity")]
    place = [_number(row, name) for name in ("ra", "dec")]
    if None in place:
        place = [0.0, 0.0]
        header["COMMENT"] = "The place of this image on the sky is not known: put at 0, 0."
    if None in frame:
        middle = [(side - 1) / 2 for side in images.image_shape[:0:-1]]
        centre = [_number(row, name) for name in ("centre_x", "centre_y")]
        frame = [*(middle if None in centre else centre), 0.0, -1.0]
        header["COMMENT"] = "The orientation of this image is not known: north up is assumed."
    matrix = scale * SkyFrame(*frame).matrix
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CUNIT1"] = header["CUNIT2"] = "deg"
    header["RADESYS"] = "ICRS"
    header["CRVAL1"], header["CRVAL2"] = place
    header["CRPIX1"], header["CRPIX2"] = frame[0] + 1, frame[1] + 1
    for i in range(2):
        for j in range(2):
            header[f"CD{i + 1}_{j + 1}"] = float(matrix[i, j])


def _number(row, name: str) -> float | None:
    """Finite number of a column; None where there is none."""
    if name not in row.colnames or np.ma.is_masked(row[name]) or not np.isfinite(row[name]):
        return None
    return float(row[name])


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
        scales = (
            np.asarray(table["pixel_scale"], float) if "pixel_scale" in table.colnames else images.pixel_scale
        )
        file["image_scale"] = np.broadcast_to(np.reshape(scales, (-1, 1)), (n, n_band)).astype("f4")
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
