"""The registry of formats in which real galaxy images come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py

from simcompare.observed.detect import read_sdss_frame
from simcompare.observed.frames import FRAME_NAME
from simcompare.observed.stacks import read_sdss_host_groups, read_sdss_object_groups, read_sdss_stack
from simcompare.stamps import RawStamp

__all__ = ["FORMATS", "Format", "read_stamps", "recognise"]


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
        (path, bands) -> iterator of `RawStamp`.
    """

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, tuple[str, ...]], Iterator[RawStamp]]


def _hdf5_with(*names: str) -> Callable[[Path], bool]:
    """Recogniser of HDF5 files that hold all of the named members."""

    def recognises(path: Path) -> bool:
        if not path.is_file() or not h5py.is_hdf5(path):
            return False
        with h5py.File(path, "r", locking="best-effort") as file:
            return all(name in file for name in names)

    return recognises


FORMATS: dict[str, Format] = {
    "sdss-stack": Format(
        "HDF5 stack of SDSS stamps with calibration and PSF by field",
        _hdf5_with("image", "field_id", "field_nmgy_per_count", "psf"),
        read_sdss_stack,
    ),
    "sdss-objects": Format(
        "HDF5 groups objects/NNN of SDSS stamps with mask and PSF",
        _hdf5_with("objects"),
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
    known = "; ".join(f"{name}: {entry.description}" for name, entry in FORMATS.items())
    raise ValueError(f"{path}: its format is not known. Known are {known}.")


def read_stamps(path: Path, bands: tuple[str, ...], format: str | None = None) -> Iterator[RawStamp]:
    """Galaxies of a file, one at a time.

    Parameters
    ----------
    path : path-like
        Of any format in `FORMATS`.
    bands : tuple of str
        Wanted, in this order.
    format : str, optional
        Name of the format; recognised when not given.

    Returns
    -------
    iterator of RawStamp

    Raises
    ------
    FileNotFoundError, ValueError
        See `recognise`; also when the file lacks a band.
    """
    name = format or recognise(path)
    if name not in FORMATS:
        raise ValueError(f"format {name!r} is not known; known are {', '.join(FORMATS)}.")
    return FORMATS[name].read(Path(path), tuple(bands))
