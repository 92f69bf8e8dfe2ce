"""Readers of generic HDF5: one stack of images, and groups of one object, with stated units."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
from astropy.table import Column

from mocks.checked_hdf5 import open_checked
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp
from simcompare.observed.bands import band_names, band_places, check_axes
from simcompare.observed.footprints import peak_columns, target_of
from simcompare.observed.names import galaxy_name, names_of, word
from simcompare.observed.places import degrees_of
from simcompare.observed.psfs import gaussian_psf, odd_psf
from simcompare.observed.rows import check_filters, each_row
from simcompare.observed.stated_psf import mixture_psf
from simcompare.observed.units import nanomaggies_per_unit

__all__ = ["degrees", "read_linear_stack", "read_object_groups"]

_GROUPS_LOOKED_AT = 100  # enough to tell the order of coordinates
_DEGREES = {"deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": np.rad2deg(1.0), "radian": np.rad2deg(1.0)}
_DEGREES |= {"hourangle": 15.0, "hour": 15.0, "hours": 15.0}


def degrees(file: h5py.File, name: str, n: int) -> np.ndarray:
    """Column ``ra_deg`` (or ``ra``) [deg], by the unit that its attribute states; NaN without the column.

    Raises
    ------
    ValueError
        For another number of rows, a unit that is not an angle, or a text that is no coordinate.
    """
    axis = name.removesuffix("_deg")
    name = name if name in file else axis
    if name not in file:
        return np.full(n, np.nan)
    if file[name].dtype.kind in "OS" and file[name].shape == (n,):
        texts = Column([word(value) for value in file[name][:]], name=name)
        return degrees_of(texts, axis, file.filename)
    values = np.asarray(file[name][:], dtype=float)
    unit = word(file[name].attrs.get("unit", file[name].attrs.get("units", "deg"))) or "deg"
    if values.shape != (n,) or unit.lower() not in _DEGREES:
        raise ValueError(f"{name} has shape {values.shape} and unit {unit}; {n} angles are needed.")
    return values * _DEGREES[unit.lower()]


def read_linear_stack(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies of a generic HDF5 stack with stated units.

    Parameters
    ----------
    path : Path
        Dataset ``image`` (n, band, y, x); attributes ``bands``, ``pixel_scale_arcsec`` and ``units``; a PSF
        as dataset ``psf`` (n, band, k, k) or (band, k, k), three Gaussians each as ``psf_mixture``
        (n, band, 18), or its width as ``psf_fwhm_arcsec``; if known datasets ``mask`` ((n, y, x) or
        (n, band, y, x), bits of `RAW_MASK_BITS`), ``ra_deg``, ``dec_deg``, ``galaxy_id``.
    bands : tuple of str
        Wanted, in this order.
    units : str
        Of the pixels when the file does not state them.

    Yields
    ------
    RawStamp

    Raises
    ------
    ValueError
        When units, bands, scale or PSF are not stated.
    """
    with open_checked(path) as file:
        for attribute in ("bands", "pixel_scale_arcsec", "units"):
            if attribute not in file.attrs and not (attribute == "units" and units):
                raise ValueError(f"{path}: attribute {attribute!r} is missing; state it on the file.")
        names = band_names(file.attrs["bands"], path)
        check_filters(file, path)
        check_axes(path, file["image"].shape, names)
        chosen = band_places(path, bands, names)
        scale = _pixel_scale(path, file)
        factor = nanomaggies_per_unit(word(file.attrs.get("units", units)), None, str(path), scale)
        psf_of = _psfs(path, file, chosen, scale)
        n = len(file["image"])
        _check_rows(path, file, n)
        ra, dec = (degrees(file, name, n) for name in ("ra_deg", "dec_deg"))
        if "galaxy_id" in file:
            ids = names_of(file["galaxy_id"][:], ra, dec, path.stem)
        else:
            ids = [galaxy_name("J", ra[i], dec[i], f"{path.stem}-{i}") for i in range(n)]

        def make(i: int) -> RawStamp:
            return RawStamp(
                image=factor * file["image"][i][chosen],
                psf=psf_of(i),
                pixel_scale=scale,
                bands=bands,
                galaxy_id=ids[i],
                mask=_mask(file["mask"], i, chosen) if "mask" in file else None,
                ra=float(ra[i]),
                dec=float(dec[i]),
                filters=tuple(names[place] for place in chosen),
                metadata={"source": path.name, "source_index": str(i)},
            )

        yield from each_row(range(n), make, bands, path.name, ids.__getitem__)


def _check_rows(path: Path, file: h5py.File, n: int) -> None:
    """Refuse datasets of another number of galaxies than there are images."""
    for name in ("galaxy_id", "mask", "psf", "psf_mixture"):
        is_shared = name == "psf" and name in file and file[name].ndim == 3
        if name in file and not is_shared and (file[name].ndim == 0 or len(file[name]) != n):
            rows = len(file[name]) if file[name].ndim else "no"
            raise ValueError(f"{path}: dataset {name!r} has {rows} rows for {n} images.")
    if "galaxy_id" in file and file["galaxy_id"].ndim > 1:
        raise ValueError(f"{path}: galaxy_id has shape {file['galaxy_id'].shape}; one name each is needed.")


def _pixel_scale(path: Path, file: h5py.File) -> float:
    """Stated pixel scale [arcsec]."""
    stated = file.attrs["pixel_scale_arcsec"]
    try:
        scale = float(stated)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: pixel_scale_arcsec is {stated!r}; one number is needed.") from error
    if not 0 < scale < np.inf:
        raise ValueError(f"{path}: pixel_scale_arcsec is {scale}; it must be positive.")
    return scale


def _psfs(path: Path, file: h5py.File, chosen: list[int], scale: float):
    """PSFs of the galaxies, by their number."""
    if "psf" not in file and "psf_mixture" in file:
        return lambda i: np.stack([mixture_psf(each) for each in file["psf_mixture"][i][chosen]])
    if "psf" not in file:
        if "psf_fwhm_arcsec" not in file.attrs:
            raise ValueError(
                f"{path}: no PSF; add dataset 'psf' or 'psf_mixture', or attribute 'psf_fwhm_arcsec'."
            )
        widths = np.asarray(file.attrs["psf_fwhm_arcsec"], float)
        n_bands = file["image"].shape[1]
        shared = gaussian_psf(widths[chosen] if widths.shape == (n_bands,) else widths, scale, len(chosen))
        return lambda i: shared
    if file["psf"].ndim == 3:
        shared = odd_psf(file["psf"][:][chosen])
        return lambda i: shared
    return lambda i: odd_psf(file["psf"][i][chosen])


def _mask(masks: h5py.Dataset, i: int, chosen: list[int]) -> np.ndarray:
    """Mask of one galaxy: whole numbers, also where they are stored as others."""
    mask = np.asarray(masks[i])
    mask = mask[chosen] if mask.ndim == 3 else mask
    values = np.nan_to_num(mask, nan=RAW_MASK_BITS["bad"])
    whole = np.rint(values).astype(np.int64)
    if (whole != values).any():
        raise ValueError(f"its mask holds fractions, such as {values[whole != values][0]:g}")
    if (whole < 0).any() or (whole > sum(RAW_MASK_BITS.values())).any():
        raise ValueError(
            f"its mask reaches from {whole.min()} to {whole.max()}; known bits are {RAW_MASK_BITS}"
        )
    return whole.astype(np.uint8)


def read_object_groups(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies of ragged size in groups ``objects/<name>`` with image, inverse variance, peaks and PSF.

    Parameters
    ----------
    path : Path
        HDF5 file with attributes ``bands``, ``pixel_scale_arcsec`` and ``units``; of each group ``image``
        (band, y, x) and ``psf`` (band, k, k), if known ``weight`` (band, y, x), positive inside the
        footprint, and ``peaks_yx`` (m, 2), the pixels where objects were found in it.
    bands : tuple of str
        Wanted, in this order.
    units : str
        Of the pixels when the file does not state them.

    Yields
    ------
    RawStamp
        Expected at the brightest peak of its footprint; unusable where that is masked, or a star.
    """
    with open_checked(path) as file:
        for attribute in ("bands", "pixel_scale_arcsec", "units"):
            if attribute not in file.attrs and not (attribute == "units" and units):
                raise ValueError(f"{path}: attribute {attribute!r} is missing; state it on the file.")
        names = band_names(file.attrs["bands"], path)
        chosen = band_places(path, bands, names)
        scale = _pixel_scale(path, file)
        factor = nanomaggies_per_unit(word(file.attrs.get("units", units)), None, str(path), scale)
        with_peaks = (group for group in file["objects"].values() if "peaks_yx" in group and "image" in group)
        order = list(peak_columns(islice(with_peaks, _GROUPS_LOOKED_AT), path))

        def make(name: str) -> RawStamp:
            group = file["objects"][name]
            if "psf" not in group:
                raise ValueError("no PSF; add dataset 'psf' to its group")
            check_filters(group, path)
            check_axes(f"{path}: {name}", group["image"].shape, names, first="")
            image, psf = group["image"][:][chosen], odd_psf(group["psf"][:][chosen])
            weight = group["weight"][:][chosen] if "weight" in group else None
            peaks = group["peaks_yx"][:][:, order] if "peaks_yx" in group else None
            position, problem = target_of(image, psf, weight, peaks)
            return RawStamp(
                image=factor * image,
                psf=psf,
                pixel_scale=scale,
                bands=bands,
                galaxy_id=f"{path.stem}-{name}",
                position=position,
                problem=problem,
                filters=tuple(names[place] for place in chosen),
                metadata={"source": path.name, "source_index": name},
            )

        yield from each_row(file["objects"], make, bands, path.name, f"{path.stem}-{{}}".format)
