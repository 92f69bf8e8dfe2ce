"""Reader of the tars of cut-outs that HSC's bulk service gives; nothing of them is unpacked to disk."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits

from simcompare.images.positions import SAME_OBJECT, separation
from simcompare.images.stamps import RawStamp
from simcompare.observed.cutouts import flux_plane, join_planes, psf_plane, read_arrays

__all__ = ["is_tar", "read_hsc_tar"]

# Files are numbered by the line of the list that asked for them, and name their filter.
_MEMBER = re.compile(r"(?:^|/)(\d+)-[^/]*HSC-([A-Z])[^/]*\.fits$")


def is_tar(path: Path) -> bool:
    """Whether a file is a tar, compressed or not, by its content."""
    return path.is_file() and path.name.endswith((".tar", ".tar.gz")) and tarfile.is_tarfile(path)


def _members(archive: tarfile.TarFile, path: Path) -> dict[int, tuple[str, tarfile.TarInfo]]:
    """Band and member by number; only regular files count, wherever their names point to."""
    found = {}
    for member in archive.getmembers():
        match = _MEMBER.search(member.name)
        if match and member.isfile():
            found[int(match[1])] = (match[2].lower(), member)
    if not found:
        raise ValueError(f"{path}: no <number>-...HSC-<band>...fits in it; give a tar of HSC's bulk service.")
    return found


def _arrays(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> tuple[list, fits.Header]:
    """Arrays and header of a member, read in memory."""
    return read_arrays(io.BytesIO(archive.extractfile(member).read()), f"{path}: {member.name}")


def read_hsc_tar(path: Path, bands: tuple[str, ...], units: str = "") -> Iterator[RawStamp]:
    """Galaxies of a tar of HSC cut-outs, with the PSFs of the tar beside it.

    Parameters
    ----------
    path : Path
        As ``simcompare fetch hsc-cutout-bulk`` writes it; ``<name>-psf.tar`` beside it holds the PSFs that
        the same list asked for.
    bands : tuple of str
        Wanted, in this order; the bands of a galaxy stand together.
    units : str
        Of the pixels when the files do not state them.

    Yields
    ------
    RawStamp
        One with a ``problem`` for a galaxy of which a band or a PSF is missing.

    Raises
    ------
    FileNotFoundError
        Without the tar of the PSFs.
    ValueError
        When the tar is damaged or not of this kind.
    """
    psf_path = path.with_name(path.name.replace(".tar", "-psf.tar", 1))
    if not psf_path.is_file():
        raise FileNotFoundError(f"{psf_path}: no such file; fetch hsc-psf-bulk with the same targets.")
    try:
        with tarfile.open(path) as images, tarfile.open(psf_path) as psfs:
            psf_members = _members(psfs, psf_path)
            for group in _galaxies(images, _members(images, path), path):
                yield _stamp(group, bands, units, psfs, psf_members, path, psf_path)
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{path}: damaged or truncated tar ({error}).") from error


def _galaxies(archive, members: dict, path: Path) -> Iterator[dict]:
    """Members of one galaxy after another: band -> (number, arrays, header)."""
    group, place = {}, None
    for number in sorted(members):
        band, member = members[number]
        found, header = _arrays(archive, member, path)
        here = _plane(found, header, "", path)[3]
        if group and (band in group or separation(*here, *place) * 3600 > SAME_OBJECT):
            yield group
            group = {}
        group[band], place = (number, found, header), here
    yield group


def _plane(found, header, units, where):
    """Plane of a cut-out; the place alone needs no unit."""
    return flux_plane(found, header, None, units or "zero point 27", where)


def _stamp(group, bands, units, psfs, psf_members, path, psf_path) -> RawStamp:
    """Stamp of one galaxy, or of what is missing of it."""
    planes, problem = [], ""
    for band in bands:
        if band not in group:
            problem = f"no cut-out in band {band}"
        elif group[band][0] not in psf_members:
            problem = f"no PSF in band {band}"
        if problem:
            break
        number, found, header = group[band]
        image, mask, scale, place = flux_plane(found, header, None, units, path)
        arrays = [data for _, _, data in _arrays(psfs, psf_members[number][1], psf_path)[0]]
        planes.append((image, mask, psf_plane(arrays, None), scale, place))
    first = min(number for number, _, _ in group.values())
    if not problem:
        return join_planes(planes, bands, path, next(iter(group.values()))[2], str(first))
    return RawStamp(
        image=np.zeros((len(bands), 1, 1)), psf=np.ones((len(bands), 1, 1)), pixel_scale=0.0, bands=bands,
        galaxy_id=f"{path.stem}-{first}", problem=problem,
        metadata={"source": path.name, "source_index": str(first)},
    )  # fmt: skip
