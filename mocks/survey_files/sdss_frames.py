"""SDSS corrected frames and psField files: pixels, calibration, sky, coordinates, point-spread function."""

import bz2
import gzip
import io
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.wcs import WCS
from scipy.ndimage import map_coordinates

from mocks.checked_fits import damage_of, open_fits

__all__ = ["Frame", "frame_siblings", "open_frame"]

FRAME_NAME = re.compile(r"frame-([ugriz])-(\d{6})-(\d)-(\d{4})(?i:\.fits(\.bz2|\.gz|\.fz)?)$")

MOST_BYTES = 2**30  # largest unpacked frame; real ones have 12 MB

_DAMAGE = (OSError, EOFError, ValueError, zlib.error)
"""What reading and unpacking a cut file raises."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One SDSS field in one band.

    Parameters
    ----------
    path : Path
    band : str
    run, camcol, field : int
        Name of the field.
    image : ndarray, shape (1489, 2048), float32
        Sky-subtracted flux [nanomaggies per pixel].
    calibration : ndarray, shape (2048,)
        Flux of one count in each column [nanomaggies].
    sky : ndarray, shape (1489, 2048), float32
        What was subtracted [counts].
    wcs : WCS
        ICRS.
    """

    path: Path
    band: str
    run: int
    camcol: int
    field: int
    image: np.ndarray
    calibration: np.ndarray
    sky: np.ndarray
    wcs: WCS


def open_frame(path: str | Path) -> Frame:
    """Read an SDSS corrected frame, compressed or not.

    Parameters
    ----------
    path : path-like
        ``frame-<band>-<run>-<camcol>-<field>.fits``, also ``.bz2``, ``.gz`` or ``.fz``.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not an SDSS frame, or damaged.

    References
    ----------
    SDSS data model, ``frame``: image, calibration vector, coarse sky with its interpolation indices.
    """
    with damage_of(path):
        return _frame_of(Path(path))


def _frame_of(path: Path) -> Frame:
    """Frame of a file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    try:
        with (
            warnings.catch_warnings(action="error", category=VerifyWarning),
            open_fits(io.BytesIO(_content(path))) as hdus,
        ):
            first = 1 if hdus[0].data is None else 0  # fpack moves the image behind an empty part
            header = hdus[first].header
            image = np.asarray(hdus[first].data, dtype=np.float32)
            calibration = np.asarray(hdus[first + 1].data, dtype=float)
            coarse, at_x, at_y = (np.asarray(hdus[first + 2].data[0][i], dtype=float) for i in range(3))
    except (*_DAMAGE, IndexError, TypeError, KeyError, VerifyWarning) as error:
        raise ValueError(f"{path}: not an SDSS frame, or damaged ({error}).") from error
    missing = [key for key in ("RUN", "CAMCOL", "FRAME", "FILTER", "BUNIT", "CRVAL1") if key not in header]
    if missing or image.ndim != 2 or header["BUNIT"] != "nanomaggy":
        raise ValueError(f"{path}: not an SDSS frame in nanomaggies (header lacks {missing or 'the unit'}).")
    grid_y, grid_x = np.meshgrid(at_y, at_x, indexing="ij")
    sky = map_coordinates(coarse.reshape(coarse.shape[-2:]), [grid_y, grid_x], order=1, mode="nearest")
    header = header.copy()
    header["RADESYS"] = header.pop("RADECSYS", "ICRS")
    return Frame(
        path=path,
        band=header["FILTER"].strip(),
        run=int(header["RUN"]),
        camcol=int(header["CAMCOL"]),
        # The header's FRAME counts along the band's own CCD; the file name has the field's number.
        field=int(match.group(4)) if (match := FRAME_NAME.search(path.name)) else int(header["FRAME"]),
        image=image,
        calibration=calibration,
        sky=sky.astype(np.float32),
        wcs=WCS(_plain_wcs_header(header)),
    )


def _content(path: Path) -> bytes:
    """Bytes of a file, unpacked once; reading a packed file by parts would unpack it again and again."""
    with {".bz2": bz2.open, ".gz": gzip.open}.get(path.suffix.lower(), open)(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path} unpacks to more than {MOST_BYTES / 1e9:.1g} GB; no frame is so large.")
    return content


def _plain_wcs_header(header: fits.Header) -> fits.Header:
    """Keep the cards of the tangential projection alone, without old spellings."""
    plain = fits.Header()
    for key in (
        "CTYPE1",
        "CTYPE2",
        "CRPIX1",
        "CRPIX2",
        "CRVAL1",
        "CRVAL2",
        "CD1_1",
        "CD1_2",
        "CD2_1",
        "CD2_2",
    ):
        plain[key] = header[key]
    plain["CUNIT1"] = plain["CUNIT2"] = "deg"
    plain["RADESYS"] = "ICRS"
    return plain


def frame_siblings(path: str | Path, bands: tuple[str, ...]) -> list[Path]:
    """Files of the same field in other bands, beside a frame.

    Raises
    ------
    FileNotFoundError
        When a band's frame is not in the same folder.
    ValueError
        When the file name is not that of a frame.
    """
    path = Path(path)
    match = FRAME_NAME.search(path.name)
    if match is None:
        raise ValueError(f"{path}: not named like a frame, frame-<band>-<run>-<camcol>-<field>.fits.bz2.")
    frames = []
    for band in bands:
        stem = "frame-{}-{}-{}-{}.fits".format(band, *match.groups()[1:4])
        candidates = [
            path.with_name(stem + ending) for ending in (match.group(5) or "", "", ".bz2", ".gz", ".fz")
        ]
        existing = [candidate for candidate in candidates if candidate.is_file()]
        if not existing:
            raise FileNotFoundError(
                f"{candidates[0]}: the {band} frame of this field is missing; fetch it first."
            )
        frames.append(existing[0])
    return frames
