"""Ready-made idealised images in FITS files: SKIRT's, RealSim's, and any others that tell their units."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.cosmology import FLRW
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from mocks.checked_fits import open_fits
from mocks.file_names import galaxy_number
from mocks.ideal.arrays import ideal_image_from_array
from mocks.ideal.bands import band_in_name
from mocks.ideal.headers import (
    REDSHIFT_CARDS,
    ZEROPOINT_CARDS,
    agreed,
    bands_of,
    filter_names,
    overruled,
    unit_of,
    wavelengths_of,
    zeropoints_of,
)
from mocks.ideal.record import IdealImage
from mocks.ideal.scale import pixel_scale_of
from mocks.ideal.units import parse_unit

__all__ = ["band_groups", "is_ideal_image", "read_ideal_image"]

SAME_SCALE = 0.01
NOT_LIGHT = re.compile(r"(?i)err(or)?|var(iance)?|ivar|mask|dq|flags?|psf|wht|weight")
# Of a FITS header, those that are read
KEYS = {"PIXSCALE", "PIXELSCL", "CDELT1", "CDELT2", "CUNIT1", "CUNIT2", "CTYPE1", "CTYPE2", "BUNIT", "FILTER"}
KEYS |= {"BANDS", "WLEFF", "BSOFTEN", "BOFFSET", *REDSHIFT_CARDS, *ZEROPOINT_CARDS}
KEYS |= {f"{name}{i}_{j}" for name in ("CD", "PC") for i in (1, 2) for j in (1, 2)}
KEYS |= {f"{name}{i}" for name in ("FILTER", "BAND") for i in range(20)}


def is_ideal_image(path: str | Path) -> bool:
    """Whether a path is a FITS file, which `read_ideal_image` and not `open_snapshot` reads."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(6)
    return start == b"SIMPLE" or (start[:2] == b"\x1f\x8b" and ".fit" in path.name.lower())


@dataclass(frozen=True, eq=False)
class _Plane:
    """First image of a FITS file as (band, y, x), its header, and wavelengths [Angstrom] listed with it."""

    image: np.ndarray
    header: fits.Header
    wavelengths: tuple[float, ...] | None


def _is_image(hdu: object) -> bool:
    """Whether a part of a FITS file holds an image or a cube of light."""
    if not getattr(hdu, "is_image", False) or NOT_LIGHT.fullmatch(hdu.name or ""):
        return False
    return hdu.data is not None and hdu.data.ndim >= 2


def _listed(file: fits.HDUList) -> tuple[float, ...] | None:
    """Wavelengths [Angstrom] of the planes, as SKIRT lists them in a table; None without one."""
    for hdu in file:
        if isinstance(hdu, fits.BinTableHDU) and len(hdu.columns) == 1 and hdu.columns[0].unit:
            try:
                unit = u.Unit(hdu.columns[0].unit)
                if unit.is_equivalent(u.m):
                    values = np.ravel(hdu.data.field(0)).astype(float) * unit.to(u.Angstrom)
                    return tuple(values.tolist())
            except (ValueError, TypeError):
                return None
    return None


def _read_one(path: Path) -> _Plane:
    """Read what one FITS file holds."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AstropyUserWarning)
            # astropy leaves a file that it opened itself open when it turns out to be cut short
            with path.open("rb") as raw, open_fits(raw) as file:
                hdu = next(filter(_is_image, file), None)
                plane = None if hdu is None else _Plane(np.array(hdu.data, float), hdu.header, _listed(file))
                for key in KEYS.intersection(() if plane is None else plane.header):
                    plane.header[key]  # cards are parsed when they are asked for
    except (OSError, ValueError, TypeError, EOFError, KeyError, fits.VerifyError) as error:
        raise OSError(
            f"{path} cannot be read as FITS ({error}); cut short or damaged? Fetch it again."
        ) from error
    # other warnings are of cards that are not quite standard, which do no harm
    if any("truncated" in str(warning.message) for warning in caught):
        raise OSError(f"{path} is cut short; fetch it again.")
    if plane is None:
        raise ValueError(f"{path}: no image (2 or 3 axes) in any of its extensions.")
    image = plane.image
    while image.ndim > 3 and image.shape[0] == 1:
        image = image[0]
    if image.ndim > 3:
        raise ValueError(f"{path}: the image has shape {image.shape}; (band, y, x) is needed.")
    return _Plane(image[None] if image.ndim == 2 else image, plane.header.copy(), plane.wavelengths)


def band_groups(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Put files together that hold one band each of one galaxy.

    Parameters
    ----------
    paths : iterable of Path
        FITS images; those of one band have names that differ in a word which is the band, such as
        ``photo_g_214.fits`` and ``photo_r_214.fits``.

    Returns
    -------
    list of tuple of Path
        In the order of their first files; a file with all bands, or alone, stays alone.
    """
    groups: dict[object, dict[str, Path]] = {}
    for path in paths:
        named = band_in_name(path)
        key = (path.parent, named[1]) if named is not None else path
        if named is None or named[0] in groups.get(key, {}) or not _is_single(path):
            groups[path] = {"": path}
        else:
            groups.setdefault(key, {})[named[0]] = path
    return [tuple(members.values()) for members in groups.values()]


def _is_single(path: Path) -> bool:
    """Whether the first image of a FITS file is one plane; damaged ones count as one."""
    try:
        with open_fits(path) as file:
            shapes = [hdu.shape for hdu in file if getattr(hdu, "is_image", False) and hdu.shape]
        return not shapes or int(np.prod(shapes[0][:-2])) == 1
    except (OSError, ValueError, TypeError, EOFError, KeyError, fits.VerifyError):
        return True


def read_ideal_image(
    path: str | Path | Sequence[str | Path],
    *,
    bands: str | Sequence[str] | None = None,
    unit: str | None = None,
    pixel_scale: float | None = None,
    zeropoints: float | Sequence[float] | None = None,
    wavelengths: float | Sequence[float] | None = None,
    redshift: float | None = None,
    cosmology: FLRW | None = None,
    filters: dict[str, str] | None = None,
    simulation: str | None = None,
) -> IdealImage:
    """Read a ready-made idealised image.

    Understood are SKIRT's ``broadband_*.fits`` as the Illustris and TNG sites give them (counts/s, with the
    zero points in `mocks.ideal.headers`), SKIRT's own cubes in any of its units, RealSim's inputs (AB
    mag/arcsec^2, ``inf`` where no light is, one file per band), and any FITS cube or set of images whose unit
    and pixel size the header or the caller tells.

    Parameters
    ----------
    path : str, Path or sequence of them
        One file with all bands, or one per band.
    bands : str or sequence of str, optional
        In the order of the planes or files; read from ``FILTER0``, ``FILTER1`` or ``FILTER`` when left out,
        for single images from their names.
    unit : str, optional
        Such as `mocks.ideal.units.IMAGE_UNITS`; from ``BUNIT`` when left out.
    pixel_scale : float, optional
        [arcsec]; from ``PIXSCALE`` or the matrix of coordinates when left out.
    zeropoints : float or sequence of float, optional
        AB magnitude of one count per second in each band.
    wavelengths : float or sequence of float, optional
        Pivot wavelength of each band [Angstrom], for units such as ``"W/m2/micron/sr"``; from the file's
        table of wavelengths, or the curves of its filters, when left out.
    redshift : float, optional
        At which the image was made; from ``USE_Z`` or ``REDSHIFT`` when left out.
    cosmology : astropy.cosmology.FLRW, optional
        For pixel sizes in parsecs.
    filters : dict of str, optional
        Curve in ``speclite`` of each band that the file's filters do not tell.
    simulation : str, optional
        Name of the run; the name of the file's folder when left out.

    Returns
    -------
    IdealImage
        In nanomaggies per pixel, on its own pixels; metadata hold ``redshift``, ``simulation``,
        ``subhalo_id``, ``filters`` and ``notes``.

    Raises
    ------
    FileNotFoundError
    OSError
        When a file is damaged.
    ValueError
        When unit, pixel size or bands are not told, statements disagree, or pixels are not plausible.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(item) for item in path]
    planes = _read_planes(paths)
    headers, where = [plane.header for plane in planes], str(paths[0])
    image = np.concatenate([plane.image for plane in planes])
    stated, asked = redshift, unit
    redshift, pixel_scale, notes = _place(headers, redshift, pixel_scale, cosmology, where)
    unit, names = unit_of(unit, headers, where), filter_names(headers, len(image))
    notes += overruled(headers, names, {"redshift": stated, "unit": asked, "bands": bands}, where)
    bands, band_notes = bands_of(bands, names, paths, where)
    notes += band_notes
    kind, per_band = parse_unit(unit, where).kind, {"zeropoints": zeropoints, "wavelengths": wavelengths}
    per_band = {name: None if x is None else np.atleast_1d(x).tolist() for name, x in per_band.items()}
    if kind == "counts" and zeropoints is None:
        per_band["zeropoints"], band_notes = zeropoints_of(headers, names, bands, where)
        notes += band_notes
    if kind == "spectral" and wavelengths is None:
        listed = planes[0].wavelengths if len(planes) == 1 else None
        per_band["wavelengths"], band_notes = wavelengths_of(listed, names, bands, filters or {}, where)
        notes += band_notes
    return ideal_image_from_array(
        image,
        bands,
        unit=unit,
        pixel_scale=pixel_scale,
        **per_band,
        redshift=redshift,
        source=where,
        simulation=simulation or paths[0].absolute().parent.name,
        subhalo_id=galaxy_number(paths[0].name) or 0,
        filters=tuple(names),
        notes=tuple(notes),
    )


def _read_planes(paths: Sequence[Path]) -> list[_Plane]:
    """Read the files of one galaxy, which are of one shape."""
    if not paths:
        raise ValueError("no image file given.")
    planes = [_read_one(path) for path in paths]
    shapes = {plane.image.shape[1:] for plane in planes}
    if len(shapes) > 1:
        raise ValueError(
            f"{paths[0].parent}: images of different shapes {sorted(shapes)} cannot be bands of one galaxy."
        )
    return planes


def _place(
    headers: list[fits.Header],
    redshift: float | None,
    pixel_scale: float | None,
    cosmology: FLRW | None,
    where: str,
) -> tuple[float | None, float, list[str]]:
    """Redshift and pixel scale, as stated or as the headers tell; and notes."""
    if redshift is None:
        redshift = agreed(headers, REDSHIFT_CARDS, where)
    if redshift is not None and not 0 <= redshift < 200:
        raise ValueError(f"{where}: redshift is {redshift:g}, not between 0 and 200; state redshift=.")
    if pixel_scale is not None:
        return redshift, pixel_scale, _other_scale(headers, redshift, pixel_scale, cosmology, where)
    pixel_scale, how = pixel_scale_of(headers, redshift, cosmology, where)
    return redshift, pixel_scale, [f"pixel size from {how}"]


def _other_scale(
    headers: list[fits.Header],
    redshift: float | None,
    stated: float,
    cosmology: FLRW | None,
    where: str,
) -> list[str]:
    """Say that the headers tell another pixel scale than is stated."""
    try:
        scale, how = pixel_scale_of(headers, redshift, cosmology, where)
    except ValueError:  # which is why it is stated
        return []
    if abs(scale / stated - 1) <= SAME_SCALE:
        return []
    return [f"pixels of {stated:g} arcsec as given, not {scale:.5g} arcsec by {how}"]
