"""FITS files opened so that what they claim is known before it is unpacked."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits

from mocks.claims import refuse_bomb

__all__ = ["open_fits"]


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
    OSError
        As `astropy.io.fits.open`, for a damaged file.
    ValueError
        See `refuse_bomb`.
    """
    with fits.open(source, memmap=False) as hdus:
        held, claimed = _size(source), 0
        for hdu in hdus:  # reads headers alone, one after the other
            claimed += max(hdu.size, _unpacked(hdu))
            refuse_bomb(claimed, held)
        yield hdus


def _size(source: str | Path | BinaryIO) -> int:
    """Bytes of a file or of a buffer."""
    if isinstance(source, str | os.PathLike):
        return os.stat(source).st_size
    return source.getbuffer().nbytes if isinstance(source, io.BytesIO) else os.fstat(source.fileno()).st_size


def _unpacked(hdu) -> int:
    """Bytes of an image, also of one whose pixels are compressed by tiles."""
    if not hdu.is_image or not hdu.shape:
        return 0
    return int(np.prod(hdu.shape, dtype=object)) * abs(int(hdu.header["BITPIX"])) // 8
