"""Readers of coadd cut-outs in FITS: HSC, Legacy Survey, DES, KiDS, Pan-STARRS, and generic ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from mocks.observing.psf_images import measure_fwhm
from mocks.survey_files.psfex import open_psfex
from simcompare.images.stamps import RawStamp, SkyFrame
from simcompare.observed.bands import band_places, bands_of_header, check_axes, check_filter
from simcompare.observed.fits_files.band_files import band_files, psf_file, psf_name, split_band
from simcompare.observed.fits_files.headers import linear_pixels, sky_frame, stated_unit
from simcompare.observed.fits_files.images import raw_mask, read_arrays
from simcompare.observed.names import coordinate_name, word
from simcompare.observed.psfs import gaussian_psf, joined_psfs, psf_of_model, psf_plane

__all__ = ["Plane", "flux_plane", "join_planes", "read_fits_cutout"]

_SCALES_AGREE = 1e-3
_WIDTHS_AGREE = 0.25  # relative; widths are measured in several ways
_PLACES_AGREE = 0.5  # pixels; bands further apart are other pixels of the sky


class Plane(NamedTuple):
    """One band of a cut-out."""

    image: np.ndarray  # (y, x) [nanomaggies]
    mask: np.ndarray  # (y, x), bits of RAW_MASK_BITS
    scale: float  # arcsec
    ra: float  # of the middle [deg]
    dec: float
    sky_frame: SkyFrame
    filter: str  # as the header names it
    psf: np.ndarray | None = None  # (1, k, k)


def read_fits_cutout(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """One galaxy from FITS: a cube of bands, or an image per band in files named alike but for the band.

    Understood are HSC cut-outs (image, mask planes, variance; also as its archive names them), Legacy Survey
    cubes in nanomaggies, Pan-STARRS' compressed pixels, and any image with coordinates whose header states
    BUNIT, MAGZERO, MAGZPT, ZP or FLUXMAG0. The PSF is an extension ``PSF``, or a file of the same name with
    ``-psf`` before the ending, or PSFEx's model in one that ends in ``.psf``, or the keyword PSF_FWHM
    [arcsec].

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
    arrays, header = read_arrays(path, path)
    names = bands_of_header(header, path) if "BANDS" in header or np.ndim(arrays[0][2]) == 3 else None
    if names is not None:
        check_axes(path, np.shape(arrays[0][2]), names, first="")
        chosen = band_places(path, bands, names)
        planes = [
            _with_psf(path, index, arrays, header, units)._replace(filter=names[index]) for index in chosen
        ]
    else:
        planes = []
        for band, file in zip(bands, band_files(path, bands), strict=True):
            plane = _with_psf(
                file, None, *(read_arrays(file, file) if file != path else (arrays, header)), units
            )
            check_filter(file, plane.filter, band)
            planes.append(plane)
    own = split_band(path.name, bands)
    yield join_planes(planes, bands, path, header, own.after if own else path.name)


def join_planes(
    planes: list[Plane], bands: tuple[str, ...], path: Path, header: fits.Header, index: str
) -> RawStamp:
    """Stamp of one galaxy from its planes, one per band; refuse planes that do not fit together."""
    shapes, scales = [plane.image.shape for plane in planes], [plane.scale for plane in planes]
    if len(set(shapes)) > 1 or np.ptp(scales) > _SCALES_AGREE * scales[0]:
        raise ValueError(
            f"{path}: the bands' images differ: shapes {shapes}, "
            f"pixel scales {[round(float(scale), 4) for scale in scales]} arcsec."
        )
    first = planes[0]
    _check_places(planes, path)
    return RawStamp(
        image=np.stack([plane.image for plane in planes]),
        psf=joined_psfs([plane.psf for plane in planes]),
        pixel_scale=float(first.scale),
        bands=bands,
        galaxy_id=coordinate_name(word(header.get("SURVEY", "J")), first.ra, first.dec),
        mask=np.stack([plane.mask for plane in planes]),
        ra=first.ra,
        dec=first.dec,
        sky_frame=first.sky_frame,
        filters=tuple(plane.filter for plane in planes),
        metadata={"source": path.name, "source_index": index},
    )


def _check_places(planes: list[Plane], path: Path) -> None:
    """Refuse bands that show other places of the sky, or lie on it in another way."""
    first = planes[0]
    for plane in planes[1:]:
        apart = 3600 * np.hypot((plane.ra - first.ra + 180) % 360 - 180, plane.dec - first.dec)
        turned = (plane.sky_frame.north_angle - first.sky_frame.north_angle + 180) % 360 - 180
        mirrored = plane.sky_frame.parity != first.sky_frame.parity
        # Across the image, a turn moves pixels by its angle times their distance from the middle.
        if mirrored or abs(np.deg2rad(turned)) * max(plane.image.shape) / 2 > _PLACES_AGREE:
            raise ValueError(f"{path}: the bands' images are rotated by {turned:.2f} deg against each other.")
        if apart * max(np.cos(np.deg2rad(first.dec)), 0.01) > max(_PLACES_AGREE * first.scale, 1e-6):
            raise ValueError(f"{path}: the bands' images are offset by {apart:.2f} arcsec; align them first.")


def _with_psf(path: Path, index: int | None, arrays: list, header: fits.Header, units: str) -> Plane:
    """Plane of one band of a file, with its PSF."""
    plane = flux_plane(arrays, header, index, units, path)
    return plane._replace(psf=_psf(path, index, arrays, header, plane.scale))


def flux_plane(arrays: list, header: fits.Header, index: int | None, units: str, where) -> Plane:
    """Plane of one band, still without its PSF.

    Parameters
    ----------
    arrays, header
        As of `simcompare.observed.fits_files.images.read_arrays`.
    index : int or None
        Plane of a cube; None for an image of two axes.
    units : str
        Of the pixels when the header does not state them.
    where : path-like
        For messages.
    """
    image = np.asarray(arrays[0][2], dtype=float)
    if index is None and image.ndim > 2 and image.size == np.prod(image.shape[-2:]):
        image = image.reshape(image.shape[-2:])
    if image.ndim != (2 if index is None else 3):
        raise ValueError(f"{where}: image has {image.ndim} axes; give 2, or 3 with the keyword BANDS.")
    image = image if index is None else image[index]
    scale, ra, dec, frame = sky_frame(header, image.shape, where)
    flux = linear_pixels(image, header, where) * stated_unit(header, units, where, scale)
    mask = raw_mask(arrays, image.shape, index, where)
    return Plane(flux, mask, scale, ra, dec, frame, word(header.get("FILTER", header.get("BAND", ""))))


def _psf(path: Path, index: int | None, arrays: list, header: fits.Header, scale: float) -> np.ndarray:
    """PSF (1, k, k) from the file, its neighbour, or a stated width."""
    own = [(stated, data) for name, stated, data in arrays[1:] if name == "PSF"]
    beside = psf_file(path) if not own else None
    try:
        if own:
            return _checked(psf_plane([data for _, data in own], index), own[0][0], header, scale)
        if beside is not None and (model := open_psfex(beside)) is not None:
            return psf_of_model(model, header, np.shape(arrays[0][2])[-2:])[None]
        if beside is not None:
            parts = _all_arrays(beside)
            return _checked(psf_plane([data for _, _, data in parts], index), parts[0][1], header, scale)
        if "PSF_FWHM" in header:
            return gaussian_psf(float(header["PSF_FWHM"]), scale, 1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{beside or path}: {str(error).removeprefix(f'{beside}: ')}") from error
    expected = psf_name(path)
    there = "" if expected == path else "put it there, "
    raise FileNotFoundError(
        f"{expected}: no PSF; {there}give it in an extension PSF, or state PSF_FWHM [arcsec]."
    )


def _checked(psf: np.ndarray, stated: fits.Header, header: fits.Header, scale: float) -> np.ndarray:
    """PSF (1, k, k) whose header, and that of its image, do not contradict it."""
    for card in ("PIXSCALE", "PIXELSCL"):
        own = float(stated.get(card, scale))
        if abs(own - scale) > _SCALES_AGREE * scale:
            raise ValueError(
                f"its PSF has pixels of {own:g} arcsec ({card}), the image of {scale:.4g}; resample the PSF."
            )
    if float(stated.get("OVERSAMP", 1)) != 1:
        raise ValueError(
            f"its PSF is oversampled by {stated['OVERSAMP']}; resample it to the image's pixels."
        )
    if "PSF_FWHM" in header:
        width, said = measure_fwhm(psf[0]) * scale, float(header["PSF_FWHM"])
        if not abs(width - said) <= _WIDTHS_AGREE * width:
            raise ValueError(f"its PSF is {width:.3g} arcsec wide (FWHM), PSF_FWHM says {said:g}.")
    return psf


def _all_arrays(path: Path) -> list:
    """Arrays of a file in their order, whatever their names."""
    return read_arrays(path, path, science=False)[0]
