"""Reader of the tars of cut-outs that HSC's bulk service gives; nothing of them is unpacked to disk."""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from astropy.io import fits

from mocks.claims import refuse_bomb
from simcompare.images.positions import SAME_OBJECT, separation
from simcompare.images.stamps import RawStamp, unusable_stamp
from simcompare.observed.bands import check_filter
from simcompare.observed.fits_files.cutouts import flux_plane, join_planes
from simcompare.observed.fits_files.images import read_arrays
from simcompare.observed.psfs import psf_plane
from simcompare.runs.names import printable

__all__ = ["is_tar", "read_hsc_tar"]

# Files are numbered by the line of the list that asked for them, and name their filter.
MOST_BYTES = 2**28  # largest cut-out; real ones have 2 MB
_MEMBER = re.compile(r"(?:^|/)(\d{1,15})-[^/]*HSC-([A-Z])2?[-_.][^/]*fits$", re.IGNORECASE)


def is_tar(path: Path) -> bool:
    """Whether a file is a tar, compressed or not, by its content."""
    is_named = path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))
    return path.is_file() and is_named and tarfile.is_tarfile(path)


def _members(archive: tarfile.TarFile, path: Path) -> dict[int, tuple[str, tarfile.TarInfo]]:
    """Band and member by number; only regular files count, wherever their names point to."""
    members, claimed, held = {}, 0, path.stat().st_size
    for member in archive:  # reads one header after the other; what lies between is unpacked by the next step
        claimed += member.size
        try:
            refuse_bomb(claimed, held)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        match = _MEMBER.search(member.name)
        if not match or not member.isfile():
            continue
        if int(match[1]) in members:
            raise ValueError(
                f"{path}: two files have the number {match[1]}; give a tar of HSC's bulk service."
            )
        members[int(match[1])] = (match[2].lower(), member)
    if not members:
        raise ValueError(f"{path}: no <number>-...HSC-<band>...fits in it; give a tar of HSC's bulk service.")
    return members


def _arrays(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, *, science: bool = True
) -> tuple[list, fits.Header]:
    """Arrays and header of a member, read in memory."""
    if member.size > MOST_BYTES:
        raise ValueError(
            f"{path}: {printable(member.name)} claims {member.size / 1e9:.3g} GB; no cut-out is so large."
        )
    content = io.BytesIO(archive.extractfile(member).read())
    return read_arrays(content, f"{path}: {member.name}", science=science)


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
    """Members of one galaxy after another: band -> (number, arrays, header), or what is wrong with one."""
    group, place = {}, None
    for number in sorted(members):
        band, member = members[number]
        try:
            arrays, header = _arrays(archive, member, path)
            here = flux_plane(arrays, header, None, "zero point 27", path)[3:5]
        except ValueError as error:
            arrays, header, here = str(error), None, place
        is_other = band in group or (place and here and separation(*here, *place) * 3600 > SAME_OBJECT)
        if group and is_other:
            yield group
            group, place = {}, None
        group[band] = (number, arrays, header)
        place = here or place
    yield group


def _stamp(group, bands, units, psfs, psf_members, path, psf_path) -> RawStamp:
    """Stamp of one galaxy, or of what is missing of it."""
    first = str(min(number for number, _, _ in group.values()))
    try:
        planes = [_plane(group, band, units, psfs, psf_members, path, psf_path) for band in bands]
        return join_planes(planes, bands, path, group[bands[0]][2], first)
    except ValueError as error:
        problem = str(error).removeprefix(f"{path}: ").removeprefix(f"{psf_path}: ")
        return unusable_stamp(bands, f"{path.stem}-{first}", problem, path.name, first)


def _plane(group, band, units, psfs, psf_members, path, psf_path):
    """Plane of one band of a galaxy, with its PSF."""
    if band.lower() not in group:
        raise ValueError(f"no cut-out in band {band}")
    number, arrays, header = group[band.lower()]
    if header is None:
        raise ValueError(arrays)  # the error of reading them
    if number not in psf_members:
        raise ValueError(f"no PSF in band {band}")
    plane = flux_plane(arrays, header, None, units, path)
    check_filter(path, plane.filter, band)
    psf_arrays = [data for _, _, data in _arrays(psfs, psf_members[number][1], psf_path, science=False)[0]]
    return plane._replace(psf=psf_plane(psf_arrays, None))
