"""Ready-made idealised images: SKIRT and RealSim FITS files, cubes and arrays with a stated unit."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.cosmology import FLRW, FlatLambdaCDM
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from mocks.ideal.record import IdealImage
from mocks.magnitudes import nanomaggies_of

__all__ = ["IMAGE_UNITS", "ideal_image_from_array", "is_ideal_image", "read_ideal_image"]

JY = 1e9 / 3631.0  # nanomaggies
SR = (180.0 * 3600.0 / np.pi) ** 2  # arcsec^2
# nanomaggies per pixel, or per arcsec^2
FLUX_UNITS = {"nanomaggy": 1.0, "maggy": 1e9, "jy": JY, "mjy": 1e-3 * JY, "ujy": 1e-6 * JY, "njy": 1e-9 * JY}
SURFACE_UNITS = {
    "nanomaggy/arcsec2": 1.0,
    "maggy/arcsec2": 1e9,
    "jy/arcsec2": JY,
    "jy/sr": JY / SR,
    "MJy/sr": 1e6 * JY / SR,
}
MAGNITUDES, COUNTS = "AB mag/arcsec2", "counts/s"
IMAGE_UNITS = (*FLUX_UNITS, *SURFACE_UNITS, MAGNITUDES, COUNTS)
# AB magnitude of one count per second that gives the TNG site's SDSS images sane magnitudes; r - i comes out
# about 0.2 mag too blue, so colours across bands are not to be trusted until the true numbers are known
SKIRT_ZEROPOINTS = {"g": 24.22, "r": 23.91, "i": 23.60, "z": 21.91}
MOST_NEGATIVE = 1e-6  # over the largest pixel, what resampling leaves of a noiseless image
COSMOLOGY = FlatLambdaCDM(H0=70.0, Om0=0.3)  # where a file gives parsecs and a redshift only
BAND = re.compile(r"(?:^|[^a-zA-Z])([ugrizyUGRIZY])(?:$|[^a-zA-Z])")
# Of a FITS header, those that are read
KEYS = frozenset({"PIXSCALE", "CDELT1", "CD1_1", "CUNIT1", "CTYPE1", "USE_Z", "REDSHIFT", "BUNIT", "FILTER"})
KEYS |= {f"FILTER{i}" for i in range(20)}


def _canonical(unit: str) -> str:
    """Name of a unit as `IMAGE_UNITS` has it."""
    text = re.sub(r"\s+", " ", unit.strip()).replace("^2", "2").replace("**2", "2")
    text = re.sub(r"[ /](pix|pixel)(-1)?$", "", text).replace("arcsec-2", "/arcsec2").replace(" /", "/")
    if text in IMAGE_UNITS:
        return text
    lower = (
        text.lower()
        .replace("nanomaggies", "nanomaggy")
        .replace("nmgy", "nanomaggy")
        .replace("maggies", "maggy")
    )
    if re.fullmatch(r"(ab )?mag(/| )arcsec2", lower):
        return MAGNITUDES
    if text in ("MJy/sr", "MJy sr-1"):
        return "MJy/sr"
    if lower in ("counts/s", "count/s", "adu/s"):
        return COUNTS
    return lower


def _nanomaggies(
    image: np.ndarray, unit: str, pixel_scale: float, zeropoints: np.ndarray | None, where: str
) -> np.ndarray:
    """Cube in nanomaggies per pixel."""
    area, name = pixel_scale**2, _canonical(unit)
    if name == MAGNITUDES:
        if np.isnan(image).any() or (image == -np.inf).any():
            raise ValueError(f"{where}: NaN or -inf among the magnitudes; only inf (no light) is allowed.")
        return nanomaggies_of(image) * area  # inf becomes 0
    if not np.isfinite(image).all():
        raise ValueError(f"{where}: {np.count_nonzero(~np.isfinite(image))} pixels are not finite numbers.")
    if name in FLUX_UNITS:
        return image * FLUX_UNITS[name]
    if name in SURFACE_UNITS:
        return image * SURFACE_UNITS[name] * area
    if name == COUNTS:
        if zeropoints is None:
            raise ValueError(
                f"{where}: counts per second need zeropoints=: the AB magnitude of one, for each band."
            )
        return image * nanomaggies_of(zeropoints)[:, None, None]
    raise ValueError(
        f"{where}: unit {unit!r} is not known; known are {', '.join(IMAGE_UNITS)}. State it with unit=."
    )


def ideal_image_from_array(
    image: np.ndarray,
    bands: Sequence[str],
    *,
    unit: str,
    pixel_scale: float,
    zeropoints: Sequence[float] | None = None,
    redshift: float | None = None,
    source: str = "array",
    **metadata,
) -> IdealImage:
    """Make an ideal image from an array with a stated unit.

    Parameters
    ----------
    image : ndarray, shape (band, y, x) or (y, x)
        Noiseless and unblurred.
    bands : sequence of str
        As the survey names them.
    unit : str
        One of `IMAGE_UNITS`; per pixel where no area is in it.
    pixel_scale : float
        [arcsec].
    zeropoints : sequence of float, optional
        AB magnitude of one count per second in each band, for ``"counts/s"``.
    redshift : float, optional
        At which the image was made.
    source : str
        Where it comes from.
    **metadata
        Kept with the image.

    Returns
    -------
    IdealImage
        On its own pixels; `fit_to_survey` brings it to a survey's.

    Raises
    ------
    ValueError
        For an unknown unit, pixels that are not finite or negative, or shapes that do not agree.
    """
    image = (
        np.atleast_3d(np.asarray(image, dtype=float).T).T if np.ndim(image) == 2 else np.asarray(image, float)
    )
    bands = tuple(bands)
    if image.ndim != 3 or len(image) != len(bands):
        raise ValueError(
            f"{source}: image of shape {image.shape} for {len(bands)} bands {bands}; not (band, y, x)."
        )
    if not np.isfinite(pixel_scale) or pixel_scale <= 0:
        raise ValueError(f"{source}: pixel_scale is {pixel_scale}; it must be positive [arcsec].")
    points = None if zeropoints is None else np.asarray(zeropoints, dtype=float)
    if points is not None and points.shape != (len(bands),):
        raise ValueError(f"{source}: {points.size} zeropoints for {len(bands)} bands.")
    flux = _nanomaggies(image, unit, pixel_scale, points, source)
    if flux.min() < -MOST_NEGATIVE * flux.max() or flux.max() <= 0:
        raise ValueError(
            f"{source}: pixels reach from {flux.min():.3g} to {flux.max():.3g} nanomaggies; is it noiseless?"
        )
    record = {"source": source, "unit": unit, "redshift": redshift} | metadata
    return IdealImage(image=flux, pixel_scale=float(pixel_scale), bands=bands, metadata=record)


def is_ideal_image(path: str | Path) -> bool:
    """Whether a path is a FITS file, which `read_ideal_image` and not `open_snapshot` reads."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(6)
    return start == b"SIMPLE" or (start[:2] == b"\x1f\x8b" and ".fit" in path.name.lower())


def _band(name: str) -> str | None:
    """Band letter in a filter's or a file's name, such as ``sloan/sdss_g`` or ``g_SDSS.res``."""
    found = BAND.search(re.sub(r"(?i)sdss|sloan|hsc", " ", name.replace("_", " ")))
    return found[1].lower() if found else None


def _scale(header: fits.Header, redshift: float | None, cosmology: FLRW) -> tuple[float | None, str]:
    """Pixel scale [arcsec] that a header tells, and how."""
    if isinstance(header.get("PIXSCALE"), float | int):
        return float(header["PIXSCALE"]), "PIXSCALE"
    step = header.get("CDELT1", header.get("CD1_1"))
    unit = str(header.get("CUNIT1", header.get("CTYPE1", ""))).strip().lower()
    if not isinstance(step, float | int):
        return None, ""
    if unit in ("pc", "kpc", "mpc"):
        if redshift is None or redshift <= 0:
            return None, ""
        size = abs(step) * {"pc": 1e-3, "kpc": 1.0, "mpc": 1e3}[unit]
        per_arcsec = cosmology.kpc_proper_per_arcmin(redshift).to_value(u.kpc / u.arcsec)
        return float(size / per_arcsec), f"CDELT1 in {unit} at redshift {redshift:g}"
    if unit == "arcsec":
        return abs(float(step)), "CDELT1"
    return abs(float(step)) * 3600.0, "CDELT1 in degrees"


def _is_image(hdu: object) -> bool:
    """Whether a part of a FITS file holds an image or a cube."""
    return getattr(hdu, "is_image", False) and hdu.data is not None and hdu.data.ndim in (2, 3)


def _read_one(path: Path) -> tuple[np.ndarray, fits.Header]:
    """First image of a FITS file as (band, y, x), and its header."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", AstropyUserWarning)
            # astropy leaves a file that it opened itself open when it turns out to be cut short
            with path.open("rb") as raw, fits.open(raw, memmap=False) as file:
                images = ((np.array(hdu.data, dtype=float), hdu.header) for hdu in file if _is_image(hdu))
                found = next(images, None)
                for key in KEYS.intersection(() if found is None else found[1]):
                    found[1][key]  # cards are parsed when they are asked for
    except (OSError, ValueError, TypeError, EOFError, KeyError, fits.VerifyError) as error:
        raise OSError(
            f"{path} cannot be read as FITS ({error}); cut short or damaged? Fetch it again."
        ) from error
    # other warnings are of cards that are not quite standard, which do no harm
    if any("truncated" in str(warning.message) for warning in said):
        raise OSError(f"{path} is cut short; fetch it again.")
    if found is not None:
        return (found[0][None] if found[0].ndim == 2 else found[0]), found[1].copy()
    raise ValueError(f"{path}: no image (2 or 3 axes) in any of its extensions.")


def _told_scale(
    headers: Sequence[fits.Header], redshift: float | None, cosmology: FLRW, where: str
) -> tuple[float, str]:
    """Pixel scale [arcsec] on which all headers agree, and how they tell it."""
    scales = {_scale(header, redshift, cosmology) for header in headers}
    if len(scales) > 1 or None in {scale for scale, _ in scales}:
        raise ValueError(
            f"{where}: pixel size not told, or differing between bands; state it with pixel_scale=."
        )
    return scales.pop()


def _filters(headers: Sequence[fits.Header], n_planes: int) -> list[str]:
    """Filter names of the planes of a cube, or of one image each."""
    if len(headers) == 1:
        return [str(headers[0].get(f"FILTER{i}", headers[0].get("FILTER", ""))) for i in range(n_planes)]
    return [str(header.get("FILTER", header.get("FILTER0", ""))) for header in headers]


def read_ideal_image(
    path: str | Path | Sequence[str | Path],
    *,
    bands: Sequence[str] | None = None,
    unit: str | None = None,
    pixel_scale: float | None = None,
    zeropoints: Sequence[float] | None = None,
    redshift: float | None = None,
    cosmology: FLRW = COSMOLOGY,
    simulation: str | None = None,
) -> IdealImage:
    """Read a ready-made idealised image.

    Understood are SKIRT's ``broadband_*.fits`` as the Illustris and TNG sites give them (counts/s, with the
    zero points of `SKIRT_ZEROPOINTS`), RealSim's inputs (AB mag/arcsec^2, ``inf`` where no light is, one file
    per band), and any FITS cube or set of images whose unit and pixel size the header or the caller tells.

    Parameters
    ----------
    path : str, Path or sequence of them
        One file with all bands, or one per band.
    bands : sequence of str, optional
        In the order of the planes or files; read from ``FILTER0``, ``FILTER1`` or ``FILTER`` when left out.
    unit : str, optional
        One of `IMAGE_UNITS`; from ``BUNIT`` when left out.
    pixel_scale : float, optional
        [arcsec]; from ``PIXSCALE`` or ``CDELT1`` when left out.
    zeropoints : sequence of float, optional
        AB magnitude of one count per second in each band.
    redshift : float, optional
        At which the image was made; from ``USE_Z`` or ``REDSHIFT`` when left out.
    cosmology : astropy.cosmology.FLRW
        For pixel sizes in parsecs.
    simulation : str, optional
        Name of the run; the name of the file's folder when left out.

    Returns
    -------
    IdealImage
        In nanomaggies per pixel, on its own pixels; metadata hold ``redshift``, ``simulation``,
        ``subhalo_id`` and ``notes``.

    Raises
    ------
    FileNotFoundError
    OSError
        When a file is damaged.
    ValueError
        When unit, pixel size or bands are not told, or pixels are not sane.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(item) for item in path]
    if not paths:
        raise ValueError("no image file given.")
    images, headers = zip(*(_read_one(item) for item in paths), strict=True)
    shapes = {image.shape[1:] for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f"{paths[0].parent}: images of different shapes {sorted(shapes)} cannot be bands of one galaxy."
        )
    header, where, notes = headers[0], str(paths[0]), []
    image = np.concatenate(images)
    if redshift is None:
        stated = header.get("USE_Z", header.get("REDSHIFT"))
        redshift = float(stated) if isinstance(stated, float | int) else None
    if pixel_scale is None:
        pixel_scale, how = _told_scale(headers, redshift, cosmology, where)
        notes.append(f"pixel size from {how}")
    unit = str(header.get("BUNIT", "")) if unit is None else unit
    if not unit.strip():
        raise ValueError(
            f"{where}: no BUNIT in the header; state it with unit=, one of {', '.join(IMAGE_UNITS)}."
        )
    names = _filters(headers, len(image))
    if bands is None:
        bands = [_band(name) for name in names]
        if None in bands or len(set(bands)) != len(bands):
            raise ValueError(
                f"{where}: bands not told by FILTER keywords ({', '.join(names)}); state them with bands=."
            )
    if zeropoints is None and _canonical(unit) == COUNTS and any("sdss" in name.lower() for name in names):
        unknown = sorted(set(bands) - set(SKIRT_ZEROPOINTS))
        if not unknown:
            zeropoints = [SKIRT_ZEROPOINTS[band] for band in bands]
            notes.append("zero points not stored: SDSS counts/s taken, colours uncertain by 0.2 mag")
    digits = re.findall(r"\d+", paths[0].name.split(".")[0])
    return ideal_image_from_array(
        image,
        bands,
        unit=unit,
        pixel_scale=pixel_scale,
        zeropoints=zeropoints,
        redshift=redshift,
        source=where,
        simulation=simulation or paths[0].absolute().parent.name,
        subhalo_id=int(digits[-1]) if digits else 0,
        notes=tuple(notes),
    )
