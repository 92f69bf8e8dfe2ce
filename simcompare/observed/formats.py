"""The registry of formats in which real galaxy images come."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
from astropy.table import Table

from mocks.checked_hdf5 import open_checked
from mocks.survey_files.sdss_frames import FRAME_NAME
from simcompare.images.stamps import RawStamp
from simcompare.observed.detect import read_sdss_frame
from simcompare.observed.dr7 import read_sdss_dr7_groups, read_sdss_loose_groups
from simcompare.observed.fits_files import (
    is_fits,
    is_fits_stack,
    is_tar,
    read_fits_cutout,
    read_fits_stack,
    read_hsc_tar,
)
from simcompare.observed.fits_files.band_files import is_psf_file, one_a_galaxy, side_kind
from simcompare.observed.hdf5_stacks import read_linear_stack, read_object_groups
from simcompare.observed.multimodal import is_parquet, read_multimodal, read_multimodal_parquet
from simcompare.observed.pictures import (
    PICTURE_BANDS,
    is_picture,
    is_picture_folder,
    read_picture_folder,
    read_picture_stack,
)
from simcompare.observed.stacks import read_sdss_host_groups, read_sdss_object_groups, read_sdss_stack
from simcompare.runs.documents import damage_named

__all__ = ["FORMATS", "Format", "files_of", "read_stamps", "recognise"]

log = logging.getLogger(__name__)

_ENDINGS = (
    ".fits", ".fit", ".fts", ".fits.gz", ".fits.bz2", ".fits.fz", ".fit.gz",
    ".h5", ".hdf5", ".parquet", ".tar", ".tar.gz", ".tgz",
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One way in which galaxies are stored.

    Parameters
    ----------
    description : str
        One line.
    recognises : callable
        Path -> whether the file is of this format, by its content.
    read : callable
        ``(path, bands, **options)`` -> iterator of `RawStamp`.
    options : tuple of str
        What the reader can be told besides: ``units`` of pixels that do not say theirs, ``places`` to cut.
    """

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Iterator[RawStamp]]
    options: tuple[str, ...] = ()


def _hdf5_with(*names: str, survey: str = "") -> Callable[[Path], bool]:
    """Recogniser of HDF5 files that hold all of the named members, and whose survey begins as given."""

    def recognises(path: Path) -> bool:
        if not path.is_file() or not h5py.is_hdf5(path):
            return False
        with open_checked(path) as file:
            return all(name in file for name in names) and str(file.attrs.get("survey", "")).startswith(
                survey
            )

    return recognises


def _is_linear_stack(path: Path) -> bool:
    """Whether an HDF5 file holds one stack of images with bands before rows."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with open_checked(path) as file:
        image = file.get("image")
        is_numbers = isinstance(image, h5py.Dataset) and image.dtype.kind in "fiu"
        return is_numbers and (image.dtype.kind == "f" or image.dtype.itemsize > 1)


def _is_picture_stack(path: Path) -> bool:
    """Whether an HDF5 file holds encoded pictures, or 8-bit images with the colours last."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with open_checked(path) as file:
        if "jpeg_bytes" in file and "offset" in file:
            return True
        image = file.get("image")
        return isinstance(image, h5py.Dataset) and image.dtype == "u1" and image.shape[-1:] == (3,)


FORMATS: dict[str, Format] = {
    "sdss-stack": Format(
        "HDF5 stack of SDSS stamps with calibration and PSF by field",
        _hdf5_with("image", "field_id", "field_nmgy_per_count", "psf"),
        read_sdss_stack,
    ),
    "sdss-dr7-objects": Format(
        "HDF5 groups objects/NNN of SDSS DR7 stamps with their field's header, without images of the PSF",
        _hdf5_with("objects", survey="SDSS DR7"),
        read_sdss_dr7_groups,
    ),
    "sdss-loose": Format(
        "HDF5 groups <letter>_band/<name> of SDSS images with nothing beside them",
        _hdf5_with("fit_inputs", "g_band"),
        read_sdss_loose_groups,
    ),
    "sdss-objects": Format(
        "HDF5 groups objects/NNN of SDSS stamps with mask and PSF",
        _hdf5_with("objects", survey="SDSS"),
        read_sdss_object_groups,
    ),
    "sdss-hosts": Format(
        "HDF5 groups spec_hosts/<plate-MJD-fibre> of SDSS stamps with PSF",
        _hdf5_with("spec_hosts"),
        read_sdss_host_groups,
    ),
    "sdss-frame": Format(
        "SDSS corrected frame (any band; the others and psField beside it), searched for galaxies",
        lambda path: FRAME_NAME.search(path.name) is not None,
        read_sdss_frame,
        ("places",),
    ),
    "object-groups": Format(
        "HDF5 groups objects/<name> of coadd cut-outs with PSF, units on the file",
        _hdf5_with("objects"),
        read_object_groups,
        ("units",),
    ),
    "multimodal": Format(
        "HDF5 in the layout of the Multimodal Universe, with attribute units",
        _hdf5_with("image_array", "image_band", "object_id"),
        read_multimodal,
        ("units",),
    ),
    "multimodal-parquet": Format(
        "Parquet in the layout of the Multimodal Universe; wants --units",
        is_parquet,
        read_multimodal_parquet,
        ("units",),
    ),
    "linear-stack": Format(
        "HDF5 stack image (n, band, y, x) with attributes bands, pixel_scale_arcsec, units",
        _is_linear_stack,
        read_linear_stack,
        ("units",),
    ),
    "picture-stack": Format(
        "HDF5 stack of 8-bit colour pictures",
        _is_picture_stack,
        read_picture_stack,
    ),
    "picture-folder": Format(
        "folder of JPEG or PNG colour pictures",
        is_picture_folder,
        read_picture_folder,
    ),
    "hsc-tar": Format(
        "tar of HSC's bulk service, the tar of its PSFs beside it",
        is_tar,
        read_hsc_tar,
        ("units",),
    ),
    "fits-stack": Format(
        "FITS stack (n, band, y, x) with keywords BANDS, PIXSCALE, BUNIT or MAGZERO",
        is_fits_stack,
        read_fits_stack,
        ("units",),
    ),
    "fits-cutout": Format(
        "FITS cut-out (HSC, Legacy Survey, DES, KiDS, generic): a cube, or a file per band",
        is_fits,
        read_fits_cutout,
        ("units",),
    ),
}


def recognise(path: Path) -> str:
    """Name of a file's format, from the file itself.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When no format fits, or the file is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file.")
    for name, entry in FORMATS.items():
        try:
            with damage_named(path):
                if entry.recognises(path):
                    return name
        except OSError as error:
            raise ValueError(f"{path}: damaged or truncated ({error}).") from error
    raise ValueError(f"{path}: its format is unknown{_what_it_is(path)}; known: {', '.join(FORMATS)}.")


def _what_it_is(path: Path) -> str:
    """Say what can be said of a file that no format fits."""
    if path.is_dir():
        return " (a folder without pictures)"
    if path.stat().st_size == 0:
        return " (it is empty)"
    if is_picture(path):
        return " (one picture; give the folder that it is in)"
    if not h5py.is_hdf5(path):
        with path.open("rb") as file:
            start = file.read(200).lstrip().lower()
        is_page = start.startswith((b"<!doctype html", b"<html", b"<?xml"))
        return " (a page of text, as archives answer with on an error; fetch it again)" if is_page else ""
    with open_checked(path) as file:
        names = ", ".join(sorted(file)[:8]) or "nothing"
        image = file.get("image")
        of_images = f", image of {image.dtype} {image.shape}" if isinstance(image, h5py.Dataset) else ""
        return f" (HDF5 with {names}{of_images})"


def files_of(paths: Sequence[Path], bands: tuple[str, ...]) -> list[Path]:
    """Files to read, those of folders among them; folders of pictures are read as they are.

    What a folder holds besides, by its ending no image, is counted in the log.

    Parameters
    ----------
    paths : sequence of path-like
        Files, and folders that hold them at any depth.
    bands : tuple of str
        Wanted. Of frames and cut-outs that come as a file per band, that of the first band that is there
        stands for all; PSF files stand for nothing by themselves.

    Returns
    -------
    list of Path
        In the order given, sorted within a folder.

    Raises
    ------
    FileNotFoundError
        When a path does not exist, or a folder holds no file of a known ending.
    """
    files = []
    for path in map(Path, paths):
        is_pictures = is_picture_folder(path) and tuple(bands) == PICTURE_BANDS
        if not path.is_dir() or is_pictures:
            files.append(path)
            if is_pictures:
                _say_not_entered(path)
                _say_left_out(
                    path, [file for file in path.iterdir() if file.is_file() and not is_picture(file)]
                )
            continue
        members = [
            file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")
        ]
        images = [file for file in members if file.name.lower().endswith(_ENDINGS)]
        models = {file.with_suffix("").with_suffix(".psf") for file in images}  # of PSFEx, read with them
        models |= {file.with_suffix(".psf") for file in images}
        _say_left_out(path, [file for file in members if file not in models and file not in images])
        in_path = _one_a_galaxy(_of_galaxies(path, images), bands)
        if not in_path and is_picture_folder(path):
            files.append(path)  # its reader says which bands pictures have
            continue
        if not in_path:
            raise FileNotFoundError(f"{path}: no {', '.join(_ENDINGS)} file with galaxies in it.")
        files.extend(in_path)
    return files


def _of_galaxies(path: Path, images: list[Path]) -> list[Path]:
    """Of the images of a folder those that are not PSFs, nor weights, errors or masks beside other images."""
    images = [file for file in images if not is_psf_file(file)]
    kinds = Counter(kind for file in images if (kind := side_kind(file)))
    if not kinds or kinds.total() == len(images):
        return images
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    log.warning("%s: weight, error and mask images left out by their names: %s", path, counts)
    return [file for file in images if not side_kind(file)]


def _say_not_entered(path: Path) -> None:
    """Count in the log the folders with pictures in a folder of pictures; they are not read."""
    inner = [each for each in path.iterdir() if not each.name.startswith(".") and is_picture_folder(each)]
    if inner:
        first = sorted(each.name for each in inner)[0]
        log.warning("%s: pictures in folders inside are not read: %d, the first %s", path, len(inner), first)


def _say_left_out(path: Path, files: list[Path]) -> None:
    """Count in the log, by ending, the files of a folder that are not read."""
    kinds = Counter("".join(file.suffixes[-1:]) or "no ending" for file in files)
    if kinds:
        commonest = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:8]
        endings = ", ".join(f"{number} {kind}" for kind, number in commonest)
        log.warning("%s: files skipped by their suffix: %s", path, endings)


def _one_a_galaxy(files: list[Path], bands: tuple[str, ...]) -> list[Path]:
    """Of the files of a folder those to be read for themselves, sorted."""
    frames, others = {}, []
    for file in files:
        match = FRAME_NAME.search(file.name)
        if match is None:
            others.append(file)
            continue
        rank = bands.index(match[1]) if match[1] in bands else len(bands)
        frames.setdefault((file.parent, *match.groups()[1:4]), []).append((rank, file))
    return sorted([*one_a_galaxy(others, bands), *(min(each)[1] for each in frames.values())])


def read_stamps(
    path: Path,
    bands: tuple[str, ...],
    format: str | None = None,
    *,
    units: str = "",
    places: Table | None = None,
) -> Iterator[RawStamp]:
    """Galaxies of a file, one at a time.

    Parameters
    ----------
    path : path-like
        Of any format in `FORMATS`.
    bands : tuple of str
        Wanted, in this order.
    format : str, optional
        Name of the format; recognised when not given.
    units : str
        Of pixels in a file that does not state them.
    places : Table, optional
        Columns ``ra`` and ``dec`` [deg]: galaxies to cut from a frame, instead of those detected in it.

    Raises
    ------
    FileNotFoundError, ValueError
        See `recognise`; also when the file lacks a band, or a catalogue is given for what is not a frame.
    """
    name = format or recognise(path)
    if name not in FORMATS:
        raise ValueError(f"format {name!r} is unknown; choose from {', '.join(FORMATS)}.")
    entry = FORMATS[name]
    if places is not None and "places" not in entry.options:
        raise ValueError(f"{path}: a catalogue is for cutting frames; this is {entry.description}.")
    options = {"units": units, "places": places}
    return _named(path, entry.read(Path(path), tuple(bands), **{key: options[key] for key in entry.options}))


def _named(path: Path, stamps: Iterator[RawStamp]) -> Iterator[RawStamp]:
    """Pass stamps on; an error while they are read names the file."""
    with damage_named(path):
        yield from stamps
