"""Whether a file that came is what was asked for, and whole, as far as it can tell itself."""

import hashlib
import os
import tarfile
import warnings
from pathlib import Path
from typing import BinaryIO

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

__all__ = ["problem_with"]

_SIGNATURES = {
    "fits": (b"SIMPLE  =", b"\x1f\x8b", b"BZh"),
    "bz2": (b"BZh",),
    "gz": (b"\x1f\x8b",),
    "jpeg": (b"\xff\xd8\xff",),
    "hdf5": (b"\x89HDF\r\n\x1a\n",),
    "png": (b"\x89PNG",),
    "tar": (b"",),  # looked into below
    "text": (b"",),
    "json": (b"{", b"["),
}
_FITS_BLOCK = 2880  # bytes
_TAR_END = 1024  # bytes


def problem_with(path: Path, content: str, size: int | None = None, sha256: str | None = None) -> str:
    """Say what is wrong with a file by its size, first bytes, structure and hash; empty when nothing is.

    Parameters
    ----------
    path : Path
    content, size, sha256
        See `simcompare.archives.Item`.
    """
    there = path.stat().st_size
    if there == 0 or there != (size or there):
        return f"{there} bytes instead of {size or 'some'}"
    with open(path, "rb") as file:
        first = file.read(16)
        if not first.startswith(_SIGNATURES[content]):
            return f"no {content} file, it begins with {first[:8]!r}"
        if first.startswith(b"SIMPLE") and there % _FITS_BLOCK:
            return f"cut short: {there} bytes, where FITS has a multiple of {_FITS_BLOCK}"
        if first.startswith(b"SIMPLE") and (end := _fits_end(path)) > there:
            return f"cut short: {there} bytes, where its FITS headers announce {end}"
        if content == "tar" and not _is_whole_tar(file):
            return "no tar file with anything in it; the places may not be covered"
        if content == "text" and first.lstrip()[:1] == b"<":
            return "a web page instead of a table"
        file.seek(0)
        if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            return "its SHA-256 is not the announced one"
    return ""


def _fits_end(path: Path) -> int:
    """Bytes that the headers of a FITS file announce; 0 where they cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning), fits.open(path) as hdus:
            places = [hdu.fileinfo() for hdu in hdus]
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return 0
    return max((place["datLoc"] + place["datSpan"] for place in places), default=0)


def _is_whole_tar(file: BinaryIO) -> bool:
    """Whether a tar holds a file and ends in zeros; a server that has nothing sends zeros alone."""
    try:
        file.seek(-_TAR_END, os.SEEK_END)
        ends = not any(file.read())
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as archive:
            return ends and archive.next() is not None
    except (tarfile.TarError, OSError):
        return False
