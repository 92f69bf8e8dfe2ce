"""Readers of the layout of the Multimodal Universe's image sets: HDF5, and Parquet of the same rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mocks.checked_hdf5 import open_checked
from mocks.observing.psf import effective_psf
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp
from simcompare.observed.names import word
from simcompare.observed.units import nanomaggies_per_unit

__all__ = ["is_parquet", "read_multimodal", "read_multimodal_parquet"]

_ROWS_AT_ONCE = 32


def read_multimodal(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies with Gaussian PSFs of the stated widths.

    Parameters
    ----------
    path : Path
        Datasets ``object_id``, ``image_array`` (n, band, y, x), ``image_band`` (n, band), ``image_psf_fwhm``
        [arcsec], ``image_scale`` [arcsec], if known ``image_mask`` (True is good), ``ra``, ``dec``; attribute
        ``units``, which the layout itself does not have.
    bands : tuple of str
        Wanted, in this order: whole band names of the file, or their last part (``hsc-r`` is ``r``).
    units : str
        Of the pixels when the file does not state them.

    Yields
    ------
    RawStamp

    Raises
    ------
    ValueError
        When units, bands or PSF widths are not stated.
    """
    with open_checked(path) as file:
        unit = word(file.attrs.get("units", file.attrs.get("unit", units)))
        if "image_psf_fwhm" not in file:
            raise ValueError(f"{path}: no dataset 'image_psf_fwhm'; the PSF of its images is not known.")
        for i in range(len(file["image_array"])):
            planes = {
                "band": [word(name) for name in file["image_band"][i]],
                "flux": file["image_array"][i],
                "psf_fwhm": file["image_psf_fwhm"][i],
                "scale": file["image_scale"][i],
                "mask": file["image_mask"][i] if "image_mask" in file else None,
            }
            row = {name: file[name][i] for name in ("object_id", "ra", "dec") if name in file}
            yield _stamp(path, i, planes, row, bands, unit)


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"PAR1"


def read_multimodal_parquet(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies of a Parquet file, as the Multimodal Universe's previews are given out.

    Parameters
    ----------
    path : Path
        Columns ``object_id`` and ``image``, a list of structures, or a structure of lists, with ``band``,
        ``flux`` (y, x), ``psf_fwhm``, ``scale`` and if known ``mask``; if known ``ra``, ``dec``.
    bands, units
        As of `read_multimodal`.

    Yields
    ------
    RawStamp

    Raises
    ------
    ValueError
        As of `read_multimodal`; also when columns are missing, or the file is damaged.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
        missing = {"object_id", "image"} - set(file.schema_arrow.names)
        if missing:
            raise ValueError(f"{path}: columns {sorted(missing)} are missing; no image set of this layout.")
        names = [name for name in ("object_id", "image", "ra", "dec") if name in file.schema_arrow.names]
        i = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names):
            for row in batch.to_pylist():
                yield _stamp(path, i, _by_name(path, row["image"]), row, bands, units)
                i += 1
    except ArrowException as error:
        raise ValueError(f"{path}: damaged or no Parquet ({error}).") from error


def _by_name(path: Path, image) -> dict:
    """Planes of one image by name, from a list of structures or a structure of lists."""
    planes = image if isinstance(image, dict) else {name: [each[name] for each in image] for name in image[0]}
    absent = [name for name in ("band", "flux", "psf_fwhm", "scale") if planes.get(name) is None]
    if absent:
        raise ValueError(f"{path}: its images do not state {', '.join(absent)}.")
    return planes


def _stamp(path: Path, i: int, planes: dict, row: dict, bands: tuple[str, ...], unit: str) -> RawStamp:
    """Stamp of one row."""
    present = list(planes["band"])
    if len(planes["flux"]) != len(present):
        raise ValueError(f"{path}: row {i} has {len(planes['flux'])} images for {len(present)} bands.")
    short = [name.rsplit("-", 1)[-1].rsplit("_", 1)[-1].lower() for name in present]
    missing = [band for band in bands if band not in present and band.lower() not in short]
    if missing:
        raise ValueError(f"{path}: bands {missing} are not in it; it has {', '.join(present)}.")
    chosen = [present.index(band) if band in present else short.index(band.lower()) for band in bands]
    scale = float(planes["scale"][chosen[0]])
    widths = [float(planes["psf_fwhm"][place]) / scale for place in chosen]
    mask = None
    if planes.get("mask") is not None:
        good = np.array([planes["mask"][place] for place in chosen], dtype=bool)
        mask = np.where(good, 0, RAW_MASK_BITS["bad"]).astype(np.uint8)
    factor = nanomaggies_per_unit(unit, where=str(path))
    return RawStamp(
        image=factor * np.array([planes["flux"][place] for place in chosen], dtype=float),
        psf=np.stack([effective_psf("gaussian", width, 31) for width in widths]),
        pixel_scale=scale,
        bands=bands,
        galaxy_id=word(row["object_id"]),
        mask=mask,
        ra=float(row["ra"]) if row.get("ra") is not None else np.nan,
        dec=float(row["dec"]) if row.get("dec") is not None else np.nan,
        metadata={"source": path.name, "source_index": str(i)},
    )
