"""Readers of coadd cut-outs (HSC, Legacy Survey, DES, KiDS), and of generic FITS and HDF5."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.utils import proj_plane_pixel_scales
from scipy.ndimage import gaussian_filter

from mocks.checked_hdf5 import open_checked
from mocks.observing.psf import effective_psf
from simcompare.images.stamps import RAW_MASK_BITS, RawStamp
from simcompare.observed.names import coordinate_name, word
from simcompare.observed.stated_psf import mixture_psf
from simcompare.observed.units import nanomaggies_per_unit

__all__ = [
    "BAND_IN_NAME",
    "band_places",
    "check_axes",
    "flux_plane",
    "gaussian_psf",
    "is_fits_cutout",
    "join_planes",
    "odd_psf",
    "psf_plane",
    "read_arrays",
    "read_fits_cutout",
    "read_linear_stack",
    "read_object_groups",
    "stated_unit",
]

# Of a cut-out that comes as a file per band.
BAND_IN_NAME = re.compile(r"([-_])([a-zA-Z])(\.fits?(?:\.gz|\.bz2)?)$")
# Planes of the HSC pipeline's mask that make a pixel unusable, and those that say it is saturated.
_BAD_PLANES = ("MP_BAD", "MP_NO_DATA", "MP_CR", "MP_UNMASKEDNAN")
_SATURATED_PLANE = "MP_SAT"


def band_places(path, wanted: tuple[str, ...], present: str) -> list[int]:
    """Places of the wanted bands; refuse what is not there."""
    missing = [band for band in wanted if band not in present]
    if missing:
        raise ValueError(f"{path}: bands {missing} are not in it; it has {', '.join(present)}.")
    return [present.index(band) for band in wanted]


def check_axes(path, shape: tuple[int, ...], bands: str) -> None:
    """Refuse a stack whose axes are not galaxy, band, y, x: bands that come last would be taken for rows."""
    if len(shape) != 4 or shape[1] != len(bands):
        raise ValueError(
            f"{path}: images have shape {shape} for the bands {', '.join(bands)}; (n, {len(bands)}, y, x) is "
            "needed, bands before rows."
        )


def gaussian_psf(fwhm, pixel_scale: float, n_bands: int) -> np.ndarray:
    """Gaussian PSFs of stated widths [arcsec]."""
    widths = np.broadcast_to(np.asarray(fwhm, float), n_bands)
    return np.stack([effective_psf("gaussian", width / pixel_scale, 31) for width in widths])


def odd_psf(psf: np.ndarray) -> np.ndarray:
    """PSFs with an odd square side and sum 1; an even or longer side loses its last row or is cut alike."""
    psf = np.nan_to_num(np.asarray(psf, dtype=float))
    side = min(psf.shape[-2:])
    side -= 1 - side % 2
    peak = np.unravel_index(psf.sum(axis=0).argmax(), psf.shape[-2:])
    first = [int(np.clip(p - side // 2, 0, n - side)) for p, n in zip(peak, psf.shape[-2:], strict=True)]
    psf = psf[:, first[0] : first[0] + side, first[1] : first[1] + side]
    return psf / psf.sum(axis=(1, 2), keepdims=True)


def read_linear_stack(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies of a generic HDF5 stack with stated units.

    Parameters
    ----------
    path : Path
        Dataset ``image`` (n, band, y, x); attributes ``bands``, ``pixel_scale_arcsec`` and ``units``; a PSF
        as dataset ``psf`` (n, band, k, k) or (band, k, k), three Gaussians each as ``psf_mixture``
        (n, band, 18), or its width as ``psf_fwhm_arcsec``; if known
        datasets ``mask``, ``ra_deg``, ``dec_deg``, ``galaxy_id``.
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
        chosen = band_places(path, bands, word(file.attrs["bands"]))
        check_axes(path, file["image"].shape, word(file.attrs["bands"]))
        factor = nanomaggies_per_unit(word(file.attrs.get("units", units)), where=str(path))
        scale = float(file.attrs["pixel_scale_arcsec"])
        psfs = _stack_psfs(path, file, chosen, scale)
        for i in range(len(file["image"])):
            ra, dec = (float(file[name][i]) if name in file else np.nan for name in ("ra_deg", "dec_deg"))
            named = word(file["galaxy_id"][i]) if "galaxy_id" in file else f"{path.stem}-{i}"
            yield RawStamp(
                image=factor * file["image"][i, chosen],
                psf=psfs(i),
                pixel_scale=scale,
                bands=bands,
                galaxy_id=coordinate_name("J", ra, dec)
                if np.isfinite(ra) and "galaxy_id" not in file
                else named,
                mask=file["mask"][i] if "mask" in file else None,
                ra=ra,
                dec=dec,
                metadata={"source": path.name, "source_index": str(i)},
            )


def _stack_psfs(path: Path, file, chosen: list[int], scale: float):
    """Give a function from the number of an image of a stack to its PSFs."""
    if "psf" in file and file["psf"].ndim == 3:
        shared = odd_psf(file["psf"][chosen])
    elif "psf" in file:
        return lambda i: odd_psf(file["psf"][i, chosen])
    elif "psf_mixture" in file:
        return lambda i: np.stack([mixture_psf(each) for each in file["psf_mixture"][i, chosen]])
    elif "psf_fwhm_arcsec" in file.attrs:
        shared = gaussian_psf(file.attrs["psf_fwhm_arcsec"], scale, len(chosen))
    else:
        raise ValueError(
            f"{path}: no PSF; add dataset 'psf' or 'psf_mixture', or attribute 'psf_fwhm_arcsec'."
        )
    return lambda i: shared


def read_object_groups(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies of ragged size in groups ``objects/<name>`` with image, inverse variance and PSF.

    Parameters
    ----------
    path : Path
        HDF5 file with attributes ``bands``, ``pixel_scale_arcsec`` and ``units``.
    bands : tuple of str
        Wanted, in this order.
    units : str
        Of the pixels when the file does not state them.

    Yields
    ------
    RawStamp
        Expected at the brightest pixel inside its footprint, which is where the weight is positive.
    """
    with open_checked(path) as file:
        chosen = band_places(path, bands, word(file.attrs["bands"]))
        factor = nanomaggies_per_unit(word(file.attrs.get("units", units)), where=str(path))
        for name, group in file["objects"].items():
            image = group["image"][chosen]
            has_psf = "psf" in group
            yield RawStamp(
                image=factor * image,
                psf=odd_psf(group["psf"][chosen]) if has_psf else np.ones((len(bands), 1, 1)),
                problem="" if has_psf else "no PSF; add dataset 'psf' to its group",
                pixel_scale=float(file.attrs["pixel_scale_arcsec"]),
                bands=bands,
                galaxy_id=f"{path.stem}-{name}",
                position=_brightest(image, group["weight"][chosen] > 0) if "weight" in group else None,
                metadata={"source": path.name, "source_index": name},
            )


def _brightest(image: np.ndarray, inside: np.ndarray) -> tuple[float, float] | None:
    """Place x, y of the brightest smoothed pixel of a footprint; None for an empty one."""
    if not inside.all(axis=0).any():
        return None
    smooth = gaussian_filter(np.nan_to_num(image).sum(axis=0), 1.5)
    y, x = np.unravel_index(np.argmax(np.where(inside.all(axis=0), smooth, -np.inf)), smooth.shape)
    return float(x), float(y)


def is_fits_cutout(path: Path) -> bool:
    """Whether a file is FITS by its first bytes, compressed or not."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        first = file.read(9)
    return first.startswith((b"SIMPLE  =", b"\x1f\x8b", b"BZh")) and ".fit" in path.name


def read_fits_cutout(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """One galaxy from FITS: a cube of bands, or an image per band in files named alike but for the band.

    Understood are HSC cut-outs (image, mask planes, variance), Legacy Survey cubes in nanomaggies, and any
    image with coordinates whose header states BUNIT, MAGZERO, MAGZPT, ZP or FLUXMAG0. The PSF is an extension
    ``PSF``, or a file of the same name with ``-psf`` before the ending, or the keyword PSF_FWHM [arcsec].

    Parameters
    ----------
    path : Path
        The cube, or the image of any of the bands.
    bands : tuple of str
        Wanted, in this order.
    units : str
        Of the pixels when the file does not state them.

    Yields
    ------
    RawStamp

    Raises
    ------
    FileNotFoundError
        When the image or the PSF of a band is missing.
    ValueError
        When units, coordinates or bands are not stated or do not agree, or the file is damaged.
    """
    header = read_arrays(path, path)[1]
    if "BANDS" in header:
        chosen = band_places(path, bands, str(header["BANDS"]).strip())
        planes = [_plane(path, index, units) for index in chosen]
    else:
        planes = [_plane(file, None, units) for file in _band_files(path, bands)]
    yield join_planes(planes, bands, path, header, BAND_IN_NAME.sub(r"\3", path.name))


def join_planes(
    planes: list, bands: tuple[str, ...], path: Path, header: fits.Header, index: str
) -> RawStamp:
    """Stamp of one galaxy from its planes, one a band; refuse planes that do not fit together."""
    images, masks, psfs, scales, places = zip(*planes, strict=True)
    if len({image.shape for image in images}) > 1 or np.ptp(scales) > 1e-3 * scales[0]:
        raise ValueError(
            f"{path}: the bands' images differ: shapes {[image.shape for image in images]}, "
            f"pixel scales {[round(float(scale), 4) for scale in scales]} arcsec."
        )
    ra, dec = places[0]
    side = max(psf.shape[-1] for psf in psfs)
    return RawStamp(
        image=np.stack(images),
        psf=np.concatenate(
            [np.pad(psf, ((0, 0), *[((side - psf.shape[-1]) // 2,) * 2] * 2)) for psf in psfs]
        ),
        pixel_scale=float(scales[0]),
        bands=bands,
        galaxy_id=coordinate_name(str(header.get("SURVEY", "J")).strip(), ra, dec),
        mask=np.stack(masks),
        ra=ra,
        dec=dec,
        metadata={"source": path.name, "source_index": index},
    )


def read_arrays(source, where) -> tuple[list, fits.Header]:
    """All arrays by extension name, and the header of the first that holds an image.

    Parameters
    ----------
    source : path-like or file
    where : path-like
        For messages.
    """
    try:
        with (
            warnings.catch_warnings(action="error", category=VerifyWarning),
            fits.open(source, memmap=False) as hdus,
        ):
            found = [
                (hdu.name.upper(), hdu.header, hdu.data)
                for hdu in hdus
                if hdu.data is not None and hdu.is_image
            ]
            common = hdus[0].header
    except (OSError, EOFError, TypeError, VerifyWarning) as error:
        raise ValueError(f"{where}: no FITS image, or damaged ({error}).") from error
    if not found:
        raise ValueError(f"{where}: no image in this FITS file.")
    header = found[0][1].copy()
    header.extend((card for card in common.cards if card.keyword not in header), strip=True)
    return found, header


def _plane(path: Path, index: int | None, units: str):
    """Image [nanomaggies], mask, PSF, scale and place of one band of a file."""
    found, header = read_arrays(path, path)
    image, mask, scale, place = flux_plane(found, header, index, units, path)
    return image, mask, _psf(path, index, found, header, scale), scale, place


def flux_plane(found: list, header: fits.Header, index: int | None, units: str, where):
    """Image [nanomaggies], mask, scale and place of one band.

    Parameters
    ----------
    found, header
        As of `read_arrays`.
    index : int or None
        Plane of a cube; None for an image of two axes.
    units : str
        Of the pixels when the header does not state them.
    where : path-like
        For messages.
    """
    image = np.asarray(found[0][2], dtype=float)
    if image.ndim != (2 if index is None else 3):
        raise ValueError(f"{where}: image has {image.ndim} axes; give 2, or 3 with the keyword BANDS.")
    image = image if index is None else image[index]
    with warnings.catch_warnings(action="ignore", category=FITSFixedWarning):
        wcs = WCS(header).celestial
    if not wcs.has_celestial:
        raise ValueError(f"{where}: no celestial coordinates in its header; the pixel scale cannot be known.")
    scale = float(np.mean(proj_plane_pixel_scales(wcs))) * 3600
    middle = [(side - 1) / 2 for side in image.shape[::-1]]
    ra, dec = (float(value) for value in wcs.pixel_to_world_values(*middle))
    mask = np.zeros(image.shape, dtype=np.uint8)
    for name, plane_header, data in found[1:]:
        planes = np.asarray(data)
        # Not all of HSC's releases name their extensions, but all number the mask's planes in the header.
        numbered = planes.dtype.kind in "iu" and any(card in plane_header for card in _BAD_PLANES)
        if name == "MASK" or numbered:
            mask |= _planes_to_mask(plane_header, planes if planes.ndim == 2 else planes[index])
    return image * stated_unit(header, units, where), mask, scale, (ra, dec)


def stated_unit(header: fits.Header, units: str, where) -> float:
    """Factor to nanomaggies by a header, or by ``units`` where it does not say."""
    stated = str(header.get("BUNIT", units))
    if not stated and "legacysurvey" in str(header.get("SURVEY", "")).lower():
        stated = "nanomaggy"
    return nanomaggies_per_unit(stated, _zeropoint(header), str(where))


def _zeropoint(header: fits.Header) -> float | None:
    """AB magnitude of a pixel value of one, if a header says it."""
    for key in ("MAGZERO", "MAGZPT", "ZP", "ZEROPNT"):
        if key in header:
            return float(header[key])
    return 2.5 * np.log10(float(header["FLUXMAG0"])) if "FLUXMAG0" in header else None


def _planes_to_mask(header: fits.Header, planes: np.ndarray) -> np.ndarray:
    """Bits of the HSC pipeline's planes, whose numbers stand in the header, as `RAW_MASK_BITS`."""
    mask = np.zeros(planes.shape, dtype=np.uint8)
    for name in _BAD_PLANES:
        if name in header:
            mask |= np.where(planes & (1 << int(header[name])), RAW_MASK_BITS["bad"], 0).astype(np.uint8)
    if _SATURATED_PLANE in header:
        saturated = planes & (1 << int(header[_SATURATED_PLANE]))
        mask |= np.where(saturated, RAW_MASK_BITS["saturated"], 0).astype(np.uint8)
    return mask


def _psf(path: Path, index: int | None, found: list, header: fits.Header, scale: float) -> np.ndarray:
    """PSF (1, k, k) from the file, its neighbour, or a stated width."""
    own = [data for name, _, data in found[1:] if name == "PSF"]
    if own:
        return psf_plane(own, index)
    neighbour = path.with_name(re.sub(r"(\.fits?(\.gz|\.bz2)?)$", r"-psf\1", path.name))
    if neighbour.is_file():
        return psf_plane([data for _, _, data in read_arrays(neighbour, neighbour)[0]], index)
    if "PSF_FWHM" in header:
        return gaussian_psf(float(header["PSF_FWHM"]), scale, 1)
    raise FileNotFoundError(
        f"{neighbour}: no PSF; put it there, in an extension PSF, or state PSF_FWHM [arcsec]."
    )


def psf_plane(arrays: list, index: int | None) -> np.ndarray:
    """PSF (1, k, k) of one band, from one image, a cube, or an image for each band."""
    if index is not None and len(arrays) > 1:
        return odd_psf(np.asarray(arrays[index])[None])
    psf = np.asarray(arrays[0])
    return odd_psf(psf[None] if psf.ndim == 2 else psf[[index or 0]])


def _band_files(path: Path, bands: tuple[str, ...]) -> list[Path]:
    """Files named like one but for the band's letter."""
    match = BAND_IN_NAME.search(path.name)
    if match is None:
        if len(bands) == 1:
            return [path]
        raise ValueError(
            f"{path}: one image for {len(bands)} bands; name files <name>-<band>.fits or make a cube."
        )
    files = [path.with_name(BAND_IN_NAME.sub(rf"\g<1>{band}\g<3>", path.name)) for band in bands]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise FileNotFoundError(f"{missing[0]}: the image of this band is missing beside {path.name}.")
    return files
