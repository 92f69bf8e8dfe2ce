"""FITS files opened so that what they claim is known before it is unpacked."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits

from mocks.claims import refuse_bomb

__all__ = ["damage_of", "open_fits", "refuse_text_coordinates"]

_COORDINATE = re.compile(r"(CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC)\d_\d")


@contextmanager
def open_fits(source: str | Path | BinaryIO) -> Iterator[fits.HDUList]:
    """Open a FITS file for reading, refused when its headers claim more than it can hold.

    Parameters
    ----------
    source : path-like or file
        Compressed or not.

    Yields
    ------
    HDUList
        Not mapped into memory.

    Raises
    ------
    OSError, ValueError
        In one line, for a damaged file, now or while it is read in the block; see also `refuse_bomb`.
    """
    is_path = isinstance(source, str | os.PathLike)
    # astropy leaves a file that it opened itself open when it turns out to be damaged.
    with (
        _as_damage(),
        open(source, "rb") if is_path else nullcontext(source) as raw,
        fits.open(raw, memmap=False) as hdus,
    ):
        held, claimed = _size(raw), 0
        for hdu in hdus:  # reads headers alone, one after the other
            claimed += max(hdu.size, _unpacked(hdu))
            refuse_bomb(claimed, held)
        yield hdus


@contextmanager
def _as_damage() -> Iterator[None]:
    """Turn what astropy raises for damaged files, of many kinds and lines, into one line of two kinds."""
    try:
        yield
    except (OSError, ValueError) as error:
        line = " ".join(str(error).split())
        if line == str(error) or getattr(error, "errno", None):
            raise
        raise (ValueError if isinstance(error, ValueError) else OSError)(line) from error
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


@contextmanager
def damage_of(path: str | Path) -> Iterator[None]:
    """Have whatever the cards of a damaged header make of the block end in one line that names the file.

    Raises
    ------
    OSError, ValueError
        Those of the block, and ValueError for any other.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        if Path(path).name in str(error):
            raise
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    except Exception as error:
        line = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise ValueError(f"{path}: damaged header ({line}).") from error


def _size(source: BinaryIO) -> int:
    """Bytes of a file or of a buffer."""
    return source.getbuffer().nbytes if isinstance(source, io.BytesIO) else os.fstat(source.fileno()).st_size


def _unpacked(hdu) -> int:
    """Bytes of an image, also of one whose pixels are compressed by tiles."""
    if not getattr(hdu, "shape", ()) or not hdu.is_image:  # a damaged part has no shape
        return 0
    return int(np.prod(hdu.shape, dtype=object)) * abs(int(hdu.header["BITPIX"])) // 8


def refuse_text_coordinates(header: fits.Header, where: str | Path) -> None:
    """Refuse numbers of the coordinates that are written as text: wcslib takes them for zero, or one.

    Raises
    ------
    ValueError
        Names the card.
    """
    for card in header.cards:
        if isinstance(card.value, str) and _COORDINATE.fullmatch(card.keyword):
            raise ValueError(
                f"{where}: card {card.keyword} is the text {card.value!r}; write it as a number."
            )
