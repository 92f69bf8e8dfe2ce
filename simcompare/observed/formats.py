"""The registry of formats in which real galaxy images come."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
from astropy.table import Table

from mocks.checked_hdf5 import open_checked
from mocks.survey_files.sdss_frames import FRAME_NAME
from simcompare.images.stamps import RawStamp
from simcompare.observed.cutouts import (
    BAND_IN_NAME,
    is_fits_cutout,
    read_fits_cutout,
    read_linear_stack,
    read_object_groups,
)
from simcompare.observed.detect import read_sdss_frame
from simcompare.observed.dr7 import read_sdss_dr7_groups, read_sdss_loose_groups
from simcompare.observed.fits_stacks import is_fits_stack, read_fits_stack
from simcompare.observed.multimodal import is_parquet, read_multimodal, read_multimodal_parquet
from simcompare.observed.pictures import is_picture_folder, read_picture_folder, read_picture_stack
from simcompare.observed.stacks import read_sdss_host_groups, read_sdss_object_groups, read_sdss_stack
from simcompare.observed.tars import is_tar, read_hsc_tar

__all__ = ["FORMATS", "Format", "files_of", "read_stamps", "recognise"]

_ENDINGS = (".fits", ".fit", ".fits.gz", ".fits.bz2", ".h5", ".hdf5", ".parquet", ".tar", ".tar.gz")


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
        (path, bands, **options) -> iterator of `RawStamp`.
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
        return "image" in file and isinstance(file["image"], h5py.Dataset) and file["image"].dtype.kind == "f"


def _is_picture_stack(path: Path) -> bool:
    """Whether an HDF5 file holds encoded pictures, or 8-bit images with the colours last."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with open_checked(path) as file:
        if "jpeg_bytes" in file and "offset" in file:
            return True
        image = file.get("image")
        return isinstance(image, h5py.Dataset) and image.dtype == "u1" and image.shape[-1] == 3


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
        is_fits_cutout,
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
            if entry.recognises(path):
                return name
        except OSError as error:
            raise ValueError(f"{path}: damaged or truncated ({error}).") from error
    raise ValueError(f"{path}: its format is not known; known are {', '.join(FORMATS)}.")


def files_of(paths: Sequence[Path], bands: tuple[str, ...]) -> list[Path]:
    """Files to read, those of folders among them; folders of pictures are read as they are.

    Parameters
    ----------
    paths : sequence of path-like
        Files, and folders that hold them at any depth.
    bands : tuple of str
        Wanted. Of frames and cut-outs that come as a file per band, that of the first band stands for all;
        PSF files stand for nothing by themselves.

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
        if not path.is_dir() or is_picture_folder(path):
            files.append(path)
            continue
        found = [file for file in sorted(path.rglob("*")) if _stands_for_galaxies(file, bands[0])]
        if not found:
            raise FileNotFoundError(f"{path}: no {', '.join(_ENDINGS)} file with galaxies in it.")
        files.extend(found)
    return files


def _stands_for_galaxies(file: Path, band: str) -> bool:
    """Whether a file of a folder is to be read for itself."""
    name = file.name.lower()
    if not file.is_file() or not name.endswith(_ENDINGS) or name.startswith("psfield"):
        return False
    if "-psf." in name:
        return False
    frame, cutout = FRAME_NAME.search(file.name), BAND_IN_NAME.search(file.name)
    if frame:
        return f"frame-{band}-" in file.name
    return cutout is None or cutout[2] == band


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

    Returns
    -------
    iterator of RawStamp

    Raises
    ------
    FileNotFoundError, ValueError
        See `recognise`; also when the file lacks a band, or a catalogue is given for what is no frame.
    """
    name = format or recognise(path)
    if name not in FORMATS:
        raise ValueError(f"format {name!r} is not known; known are {', '.join(FORMATS)}.")
    entry = FORMATS[name]
    if places is not None and "places" not in entry.options:
        raise ValueError(f"{path}: a catalogue says where to cut a frame; this is {entry.description}.")
    options = {"units": units, "places": places}
    return entry.read(Path(path), tuple(bands), **{key: options[key] for key in entry.options})
