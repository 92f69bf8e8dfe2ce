"""Readers of the layout of the Multimodal Universe's image sets: HDF5, and Parquet of the same rows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mocks.checked_hdf5 import open_checked
from mocks.claims import refuse_bomb
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp
from simcompare.observed.bands import band_places
from simcompare.observed.hdf5_stacks import degrees
from simcompare.observed.names import names_of, word
from simcompare.observed.psfs import gaussian_psf
from simcompare.observed.rows import check_filters, each_row
from simcompare.observed.units import nanomaggies_per_unit
from simcompare.runs.tables import refuse_large_parquet

__all__ = ["is_parquet", "read_multimodal", "read_multimodal_parquet"]

_ROWS_AT_ONCE = 32
_LEAST_ROW = 1000  # bytes of one galaxy in memory


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
        missing = [
            name for name in ("object_id", "image_band", "image_psf_fwhm", "image_scale") if name not in file
        ]
        if missing:
            raise ValueError(f"{path}: no dataset {missing[0]!r}, which this layout requires.")
        check_filters(file, path)
        n = len(file["image_array"])
        if n:
            band_places(path, bands, [word(name) for name in file["image_band"][0]])
        nanomaggies_per_unit(unit, None, str(path), 1.0)  # once for all
        ra, dec = (degrees(file, name, n) for name in ("ra", "dec"))
        ids = names_of(file["object_id"][:], ra, dec, path.stem)

        def make(i: int) -> RawStamp:
            planes = {
                "band": [word(name) for name in file["image_band"][i]],
                "flux": file["image_array"][i],
                "psf_fwhm": file["image_psf_fwhm"][i],
                "scale": file["image_scale"][i],
                "mask": file["image_mask"][i] if "image_mask" in file else None,
            }
            return _stamp(path, i, planes, (ids[i], ra[i], dec[i]), bands, unit)

        yield from each_row(range(n), make, bands, path.name, ids.__getitem__)


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

    nanomaggies_per_unit(units, None, str(path), 1.0)  # once for all
    try:
        file = ParquetFile(path)
        refuse_large_parquet(file, path.stat().st_size)
        refuse_bomb(_LEAST_ROW * file.metadata.num_rows, path.stat().st_size)
        missing = {"object_id", "image"} - set(file.schema_arrow.names)
        if missing:
            raise ValueError(
                f"{path}: columns {sorted(missing)} are missing; not an image set of this layout."
            )
        known = [name for name in ("object_id", "ra", "dec") if name in file.schema_arrow.names]
        columns = file.read(columns=known).to_pydict()
        n = len(columns["object_id"])
        ra, dec = (np.array(columns.get(axis, [np.nan] * n), dtype=float) for axis in ("ra", "dec"))
        ids = names_of(["" if each is None else each for each in columns["object_id"]], ra, dec, path.stem)
        images = (
            row for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["image"]) for row in batch.to_pylist()
        )

        def make(i: int) -> RawStamp:
            return _stamp(
                path, i, _by_name(path, next(images)["image"]), (ids[i], ra[i], dec[i]), bands, units
            )

        yield from each_row(range(n), make, bands, path.name, ids.__getitem__)
    except ArrowException as error:
        raise ValueError(f"{path}: damaged or not Parquet ({error}).") from error


def _by_name(path: Path, image) -> dict:
    """Planes of one image by name, from a list of structures or a structure of lists."""
    planes = image if isinstance(image, dict) else {name: [each[name] for each in image] for name in image[0]}
    absent = [name for name in ("band", "flux", "psf_fwhm", "scale") if planes.get(name) is None]
    if absent:
        raise ValueError(f"{path}: its images do not state {', '.join(absent)}.")
    return planes


def _stamp(path: Path, i: int, planes: dict, known: tuple, bands: tuple[str, ...], unit: str) -> RawStamp:
    """Stamp of one row, by its planes and its name, right ascension and declination."""
    present = [word(name) for name in planes["band"]]
    if len(planes["flux"]) != len(present) or len(set(present)) < len(present):
        raise ValueError(
            f"{path}: row {i} has {len(planes['flux'])} images for the bands {', '.join(present)}."
        )
    chosen = band_places(path, bands, present)
    scales = np.array([planes["scale"][place] for place in chosen], dtype=float)
    if not ((scales > 0) & (np.abs(scales - scales[0]) <= 1e-3 * scales[0])).all():
        raise ValueError(
            f"{path}: row {i} has bands of the pixel scales {scales.round(4).tolist()} arcsec; one is needed."
        )
    scale = float(scales[0])
    mask = None
    if planes.get("mask") is not None:
        good = np.array([planes["mask"][place] for place in chosen], dtype=bool)
        mask = np.where(good, 0, RAW_MASK_BITS["bad"]).astype(np.uint8)
    factor = nanomaggies_per_unit(unit, None, str(path), scale)
    name, ra, dec = known
    return RawStamp(
        image=factor * np.array([planes["flux"][place] for place in chosen], dtype=float),
        psf=gaussian_psf([planes["psf_fwhm"][place] for place in chosen], scale, len(bands)),
        pixel_scale=scale,
        bands=bands,
        galaxy_id=name,
        mask=mask,
        ra=float(ra),
        dec=float(dec),
        filters=tuple(present[place] for place in chosen),
        metadata={"source": path.name, "source_index": str(i)},
    )
