"""Parts of a FITS file: the image of a galaxy, its mask, its PSF, each told from the others."""

import re
import warnings
import zlib
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.utils.exceptions import AstropyUserWarning

from mocks.checked_fits import open_fits
from simcompare.images.stamps import RAW_MASK_BITS
from simcompare.observed.bands import band_letter
from simcompare.observed.names import word

__all__ = ["is_fits", "raw_mask", "read_arrays", "stack_masks"]

LARGEST_SIDE = 16_384  # pixels; coadds have 4,200, tiles of DES 10,000
_SCIENCE = ("SCI", "SCIENCE", "IMAGE", "DATA", "FLUX")
_NOT_SCIENCE = re.compile(
    r"(ERR|VAR|WHT|WEIGHT|WGT|WT\b|IVAR|INV|UNC|MASK|MSK|DQ|FLAG|BAD|SIGMA|RMS|NOISE|STD|PSF|EXP|BKG|BACKGROUND"
    r"|SKY|SEG|CHI|NIMAGE|NEXP|COV|MODEL|RESID)"
)
_MASKS = re.compile(r"(MASK|MSK|DQ|FLAGS?|BADPIX)")
# Planes of the HSC pipeline's mask that make a pixel unusable, and those that say it is saturated. The last
# bad one is of images that simcompare has exported: what it has put in place of another object.
_BAD_PLANES = ("MP_BAD", "MP_NO_DATA", "MP_CR", "MP_UNMASKEDNAN")
_SATURATED_PLANE, _NEIGHBOUR_PLANE = "MP_SAT", "MP_NEIGH"
_DAMAGE = (OSError, EOFError, TypeError, ValueError, KeyError, IndexError, zlib.error, VerifyWarning)


def is_fits(path: Path) -> bool:
    """Whether a file is FITS by its first bytes, compressed or not."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        first = file.read(9)
    return first.startswith(b"SIMPLE  =") or (
        first.startswith((b"\x1f\x8b", b"BZh"))
        and re.search(r"\.(fit|fts)", path.name, re.IGNORECASE) is not None
    )


def read_arrays(source, where, *, science: bool = True) -> tuple[list, fits.Header]:
    """Image of the galaxy and all other arrays, by extension name, and the image's header.

    Parameters
    ----------
    source : path-like or file
    where : path-like
        For messages.
    science : bool
        Whether an image of a galaxy is wanted; otherwise the arrays stay in their order.

    Returns
    -------
    list of (str, fits.Header, ndarray)
        The image first: the extension named so, or the first that is not named after something else.
    fits.Header
        Of the image, with what the first header says besides.

    Raises
    ------
    ValueError
        For a damaged file, or one without an image, or with several that may be meant.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", VerifyWarning)
            warnings.filterwarnings("error", ".*truncated.*", AstropyUserWarning)
            with open_fits(source) as hdus:
                arrays = [
                    (hdu.name.upper(), hdu.header, hdu.data)
                    for hdu in hdus
                    if hdu.is_image and _is_small(hdu) and hdu.data is not None
                ]
                common = hdus[0].header
    except (*_DAMAGE, AstropyUserWarning) as error:
        raise ValueError(f"{where}: no FITS image, or damaged ({' '.join(str(error).split())}).") from error
    if not arrays:
        raise ValueError(f"{where}: no image in this FITS file.")
    arrays = _science_first(arrays, where) if science else arrays
    header = arrays[0][1].copy()
    header.extend((card for card in common.cards if card.keyword not in header), strip=True)
    return arrays, header


def _is_small(hdu) -> bool:
    """Refuse an image that fills the memory before its galaxy is cut out of it; true for all others."""
    shape = getattr(hdu, "shape", ())
    if shape[-2:] and max(shape[-2:]) > LARGEST_SIDE:
        raise ValueError(
            f"an image of {' x '.join(map(str, shape))} pixels, more than {LARGEST_SIDE} on a side; cut the "
            "galaxy out of it"
        )
    return True


def _science_first(arrays: list, where) -> list:
    """Arrays of a file with that of the galaxy in front."""
    named = [i for i, (name, _, _) in enumerate(arrays) if name in _SCIENCE]
    if len(named) > 1:
        names = ", ".join(arrays[i][0] for i in named)
        raise ValueError(f"{where}: {len(named)} images may be the galaxy's ({names}); give one of them.")
    likely = named or [i for i, (name, _, _) in enumerate(arrays) if not _NOT_SCIENCE.match(name)]
    if not likely:
        names = ", ".join(name for name, _, _ in arrays)
        raise ValueError(f"{where}: no image of a galaxy in it; its extensions are {names}.")
    letters = [band_letter(arrays[i][0]) or band_letter(word(arrays[i][1].get("FILTER", ""))) for i in likely]
    if not named and len(set(letters) - {None}) > 1:
        names = ", ".join(f"{arrays[i][0] or i}: {letter}" for i, letter in zip(likely, letters, strict=True))
        raise ValueError(
            f"{where}: its extensions are images in several bands ({names}); give each band its own file, or "
            "one cube with the keyword BANDS."
        )
    return [arrays[likely[0]], *arrays[: likely[0]], *arrays[likely[0] + 1 :]]


def stack_masks(arrays: list, shape: tuple[int, ...], where) -> np.ndarray | None:
    """Bits of `RAW_MASK_BITS` of all images of a stack, by its masks; None without one.

    Parameters
    ----------
    arrays : list
        As of `read_arrays`; the first holds the images (n, band, y, x).
    shape : (int, int, int, int)
        Of the images.
    where : path-like
        For messages.

    Returns
    -------
    ndarray of uint8, shape (n, band, y, x), or None

    Raises
    ------
    ValueError
        When a mask has another shape than the images, but for the bands, or as `raw_mask`.
    """
    mask = None
    for name, header, data in arrays[1:]:
        numbered = any(card.startswith("MP_") for card in header)
        if not numbered and not _MASKS.fullmatch(name):
            continue
        planes = np.asarray(data)
        if planes.shape == (shape[0], *shape[2:]):
            planes = planes[:, None]
        if planes.shape not in (shape, (shape[0], 1, *shape[2:])):
            raise ValueError(f"{where}: its mask has shape {planes.shape}, its images {shape}.")
        bits = np.broadcast_to(_bits(planes, header, numbered, where), shape)
        mask = bits if mask is None else mask | bits
    return mask


def raw_mask(arrays: list, shape: tuple[int, int], index: int | None, where) -> np.ndarray:
    """Bits of `RAW_MASK_BITS` by the masks of a file.

    Parameters
    ----------
    arrays : list
        As of `read_arrays`.
    shape : (int, int)
        Of the image, y and x.
    index : int or None
        Plane of a cube.
    where : path-like
        For messages.

    Returns
    -------
    ndarray of uint8, shape (y, x)

    Raises
    ------
    ValueError
        When a mask does not fit the image, or holds bits whose meaning is not stated.
    """
    mask = np.zeros(shape, dtype=np.uint8)
    for name, header, data in arrays[1:]:
        planes = np.asarray(data)
        # Not all of HSC's releases name their extensions, but all number the mask's planes in the header.
        numbered = any(card.startswith("MP_") for card in header)
        if not numbered and not _MASKS.fullmatch(name):
            continue
        if planes.ndim == 3 and index is not None and index < len(planes):
            planes = planes[index]
        if planes.shape != shape:
            raise ValueError(f"{where}: its mask has shape {planes.shape}, its image {shape}.")
        mask |= _bits(planes, header, numbered, where)
    return mask


def _bits(planes: np.ndarray, header: fits.Header, numbered: bool, where) -> np.ndarray:
    """Bits of one mask: planes whose numbers stand in its header, or 0 for good and 1 for bad."""
    bad = ~np.isfinite(planes)
    values = np.where(bad, 0, planes)
    whole = np.rint(values).astype(np.int64)
    if (whole != values).any():
        raise ValueError(f"{where}: its mask holds fractions, such as {values[whole != values][0]:g}.")
    mask = np.where(bad, RAW_MASK_BITS["bad"], 0).astype(np.uint8)
    if not numbered:
        if not np.isin(whole, (0, 1)).all():
            other = whole[~np.isin(whole, (0, 1))][0]
            raise ValueError(
                f"{where}: its mask holds {other}; number the planes by MP_ cards as HSC does, or write 0 "
                "for good and 1 for bad pixels."
            )
        return mask | (RAW_MASK_BITS["bad"] * whole).astype(np.uint8)
    meanings = dict.fromkeys(_BAD_PLANES, "bad") | {
        _SATURATED_PLANE: "saturated",
        _NEIGHBOUR_PLANE: "neighbour",
    }
    for card, meaning in meanings.items():
        if card in header:
            mask |= np.where(whole & (1 << int(header[card])), RAW_MASK_BITS[meaning], 0).astype(np.uint8)
    return mask
