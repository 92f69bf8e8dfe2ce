"""Reader of HDF5 files in the layout of the Multimodal Universe's image sets."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from mocks.psf import effective_psf
from simcompare.observed.names import word
from simcompare.observed.units import nanomaggies_per_unit
from simcompare.stamps import RAW_MASK_BITS, RawStamp

__all__ = ["read_multimodal"]


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
    with h5py.File(path, "r", locking="best-effort") as file:
        unit = word(file.attrs.get("units", file.attrs.get("unit", units)))
        factor = nanomaggies_per_unit(unit, where=str(path))
        if "image_psf_fwhm" not in file:
            raise ValueError(f"{path}: no dataset 'image_psf_fwhm'; the PSF of its images is not known.")
        present = [word(name) for name in file["image_band"][0]]
        short = [name.rsplit("-", 1)[-1].rsplit("_", 1)[-1].lower() for name in present]
        missing = [band for band in bands if band not in present and band.lower() not in short]
        if missing:
            raise ValueError(f"{path}: bands {missing} are not in it; it has {', '.join(present)}.")
        chosen = [present.index(band) if band in present else short.index(band.lower()) for band in bands]
        for i in range(len(file["image_array"])):
            scale = float(file["image_scale"][i][chosen[0]])
            widths = file["image_psf_fwhm"][i][chosen]
            mask = None
            if "image_mask" in file:
                mask = np.where(file["image_mask"][i][chosen], 0, RAW_MASK_BITS["bad"]).astype(np.uint8)
            yield RawStamp(
                image=factor * file["image_array"][i][chosen],
                psf=np.stack([effective_psf("gaussian", float(width) / scale, 31) for width in widths]),
                pixel_scale=scale,
                bands=bands,
                galaxy_id=word(file["object_id"][i]),
                mask=mask,
                ra=float(file["ra"][i]) if "ra" in file else np.nan,
                dec=float(file["dec"][i]) if "dec" in file else np.nan,
                metadata={"source": path.name, "source_index": str(i)},
            )
