"""Readers of 8-bit colour pictures: folders of JPEG or PNG, and HDF5 stacks of them."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mocks.checked_hdf5 import open_checked
from simcompare.images.stamps import RawStamp
from simcompare.observed.hdf5_stacks import degrees
from simcompare.observed.names import galaxy_name, place_in_name
from simcompare.observed.rows import check_filters, each_row

__all__ = ["PICTURE_BANDS", "is_picture", "is_picture_folder", "read_picture_folder", "read_picture_stack"]

PICTURE_BANDS = ("R", "G", "B")
MOST_PIXELS = 4096 * 4096  # largest picture; checked before decoding
_ENDINGS = (".jpg", ".jpeg", ".png")


def _check_bands(path: Path, bands: tuple[str, ...]) -> None:
    """Pictures have three channels in one order."""
    if tuple(bands) != PICTURE_BANDS:
        known = ", ".join(PICTURE_BANDS)
        raise ValueError(
            f"{path}: 8-bit pictures have the bands {known}, in this order, not {', '.join(bands)}."
        )


def _planes(picture: np.ndarray) -> np.ndarray:
    """Picture (y, x, 3) with its first row on top, as image (3, y, x) with row 0 at the bottom."""
    return np.moveaxis(picture[::-1], -1, 0).astype(np.float32)


def _decode(source) -> tuple[np.ndarray, str]:
    """Image of a JPEG or PNG as it is to be looked at, or the reason why there is none."""
    problem = "corrupted picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(source, formats=("JPEG", "PNG"))  # others' decoders may call other programs
        with picture:
            if picture.width * picture.height > MOST_PIXELS:
                problem = (
                    f"picture of {picture.width} x {picture.height} pixels; at most {MOST_PIXELS} are read"
                )
            elif _bits(picture) > 8:
                problem = f"picture of {_bits(picture)} bits a colour; save it with 8"
            elif picture.mode in ("1", "L", "LA"):
                problem = "grey picture; its red, green and blue would be one band three times"
            else:
                return _planes(np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))), ""
    except Image.DecompressionBombError:
        problem = f"picture of more than the {MOST_PIXELS} pixels that are read"
    except (OSError, ValueError, SyntaxError, OverflowError, EOFError, struct.error, zlib.error):
        pass
    return np.zeros((3, 1, 1), dtype=np.float32), problem


def _bits(picture: Image.Image) -> int:
    """Bits of one colour of one pixel as stored; Pillow gives 8 of those of a PNG of 16."""
    if picture.mode.startswith("I;16"):
        return 16
    if picture.mode in ("I", "F"):
        return 32
    raw_mode = picture.tile[0][3] if picture.tile else ""
    return 16 if "16" in str(raw_mode if isinstance(raw_mode, str) else raw_mode[:1]) else 8


def _stamp(
    path: Path, index: str, name: str, image, problem="", scale=0.0, ra=np.nan, dec=np.nan
) -> RawStamp:
    """Stamp of a picture; it has no PSF that could be stated."""
    psf = np.zeros((3, 3, 3))
    psf[:, 1, 1] = 1.0
    return RawStamp(
        image=image, psf=psf, pixel_scale=scale, bands=PICTURE_BANDS, galaxy_id=name, ra=ra, dec=dec,
        quantum=np.ones(3), domain="8-bit", problem=problem,
        metadata={"source": path.name, "source_index": index},
    )  # fmt: skip


def is_picture(path: Path) -> bool:
    """Whether a file is a JPEG or PNG by its ending; hidden files are none."""
    return path.suffix.lower() in _ENDINGS and not path.name.startswith(".")


def is_picture_folder(path: Path) -> bool:
    """Whether a folder holds JPEG or PNG files."""
    return path.is_dir() and any(is_picture(file) for file in path.iterdir())


def read_picture_folder(path: Path, bands: tuple[str, ...]) -> Iterator[RawStamp]:
    """Pictures of a folder in the order of their names; the name of a file is that of its galaxy.

    A name such as ``J004200.00-010000.0`` tells its place too, so that it is known again in other sets.

    Parameters
    ----------
    path : Path
        Folder with JPEG or PNG files.
    bands : tuple of str
        Must be `PICTURE_BANDS`.

    Yields
    ------
    RawStamp
        Of domain ``"8-bit"``; one with a ``problem`` for a picture that cannot be decoded.
    """
    _check_bands(path, bands)
    for file in sorted(file for file in path.iterdir() if is_picture(file)):
        image, problem = _decode(file)
        ra, dec = place_in_name(file.stem)
        yield _stamp(path, file.name, file.stem, image, problem, ra=ra, dec=dec)


def read_picture_stack(path: Path, bands: tuple[str, ...]) -> Iterator[RawStamp]:
    """Pictures of an HDF5 file: ``image`` (n, y, x, 3) uint8, or whole files in ``jpeg_bytes`` at ``offset``.

    Parameters
    ----------
    path : Path
        With ``ra_deg`` and ``dec_deg`` where known; a numeric attribute ``pixel_scale_arcsec`` where all
        pictures have one scale.
    bands : tuple of str
        Must be `PICTURE_BANDS`.

    Yields
    ------
    RawStamp
        As of `read_picture_folder`; its pixel scale is 0 where it varies.
    """
    _check_bands(path, bands)
    with open_checked(path) as file:
        stated = file.attrs.get("pixel_scale_arcsec", 0.0)
        scale = 0.0 if isinstance(stated, str | bytes) else float(stated)
        encoded = "jpeg_bytes" in file
        check_filters(file, path)
        offset = file["offset"][:] if encoded else None
        n = len(offset) - 1 if encoded else len(file["image"])
        ra, dec = (degrees(file, name, n) for name in ("ra_deg", "dec_deg"))

        names = [galaxy_name("SDSS", ra[i], dec[i], f"{path.stem}-{i}") for i in range(n)]

        def make(i: int) -> RawStamp:
            if encoded:
                image, problem = _decode(io.BytesIO(file["jpeg_bytes"][offset[i] : offset[i + 1]].tobytes()))
            else:
                image, problem = _planes(file["image"][i]), ""
            return _stamp(path, str(i), names[i], image, problem, scale, float(ra[i]), float(dec[i]))

        yield from each_row(range(n), make, bands, path.name, names.__getitem__)
