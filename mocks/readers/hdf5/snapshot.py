"""Reading HDF5 snapshots by what their own attributes say."""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from mocks.checked_hdf5 import open_locking, refuse_foreign
from mocks.readers.hdf5.units import Units, conversion

__all__ = ["ALIASES", "DARK_MATTER", "GAS", "STARS", "find", "open_hdf5", "physical", "read_array"]

# What h5py raises, besides OSError and ValueError, for damaged structures inside a file
HDF5_ERRORS = (KeyError, RuntimeError, TypeError, AttributeError, OverflowError, MemoryError)
GAS, DARK_MATTER, STARS = 0, 1, 4  # types of particles in Gadget's format
SMALL = 2**26  # bytes that can be read without harm, whatever the file
MOST_COMPRESSION = 1000  # no real dataset unpacks to more times its file
MOST_PIECES = 4096  # pieces of a dataset that are counted, in a millisecond

# The authors' names of one field, preferred first. SmoothedMetallicity: EAGLE's cooling and enrichment use
# the kernel average, and so do its published images.
ALIASES = {
    "position": ("Coordinates",),
    "mass": ("Masses", "Mass"),
    "initial_mass": ("GFM_InitialMass", "InitialMass", "InitialMasses"),
    "birth": ("GFM_StellarFormationTime", "StellarFormationTime", "BirthScaleFactors"),
    "metallicity": (
        "GFM_Metallicity",
        "SmoothedMetallicity",
        "SmoothedMetalMassFractions",
        "MetalMassFractions",
        "Metallicity",
    ),
    "velocity": ("Velocities", "Velocity"),
    "smoothing_length": ("StellarHsml", "SmoothingLength", "SmoothingLengths"),
    "photometry": ("GFM_StellarPhotometrics",),
    "density": ("Density", "Densities"),
    "star_formation_rate": ("StarFormationRate", "StarFormationRates"),
    "temperature": ("Temperature", "Temperatures"),
    "internal_energy": ("InternalEnergy", "InternalEnergies"),
    "electron_abundance": ("ElectronAbundance",),
    "neutral_fraction": ("NeutralHydrogenAbundance",),
    "cell_size": ("dx",),
    "galaxy_number": ("GroupNr_bound", "HaloCatalogueIndex", "SubhaloID", "GalaxyID", "SubhaloNr"),
    "halo_number": ("HaloID", "FOFGroupIDs", "FOFGroupID", "GroupID", "GroupNr", "GroupNr_all"),
    "group_number": ("GroupNumber",),
    "subgroup_number": ("SubGroupNumber",),
}


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, with one clear error when that fails.

    Yields
    ------
    h5py.File

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    OSError
        When it is not an HDF5 file, is locked, or damaged, even if only the body of the ``with`` shows it.
    ValueError
        When it points at files elsewhere, see `mocks.checked_hdf5.refuse_foreign`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist (or is not a file).")
    try:
        refuse_foreign(path, siblings=True)
        file = open_locking(path, "best-effort")
    except OSError as error:
        raise OSError(f"{path} cannot be opened as HDF5 ({error}); {_remedy(error)}") from error
    with file:
        try:
            yield file
        except (OSError, ValueError) as error:
            if Path(path).name in str(error):
                raise
            raise type(error)(f"{path}: {error}") from error
        except HDF5_ERRORS as error:
            raise OSError(f"{path} is damaged ({type(error).__name__}: {error}); fetch it again.") from error


def _remedy(error: OSError) -> str:
    """Say what helps against an error on opening."""
    if isinstance(error, PermissionError):
        return "ask its owner for the right to read it."
    if re.search("unable to lock|file lock", str(error)):
        return (
            "another program has it open for writing: wait until that is done. On a file system without "
            "locks set HDF5_USE_FILE_LOCKING=FALSE."
        )
    return "cut short or damaged? Fetch it again."


def find(group: h5py.Group, field: str, units: Units | None = None) -> h5py.Dataset | None:
    """Dataset of a group that holds a field, under any of its names in `units` or `ALIASES`, or None."""
    own = () if units is None else tuple(name for of, name in units.names if of == field)
    for name in (*own, *ALIASES[field]):
        # asking first is three times faster than a failed look-up
        if name in group and isinstance(dataset := group[name], h5py.Dataset):
            _require_sources(dataset)
            return dataset
    return None


def _require_sources(dataset: h5py.Dataset) -> None:
    """Refuse a virtual dataset whose pieces are not beside it: HDF5 would fill the holes with zeros."""
    if not dataset.is_virtual:
        return
    folder = Path(dataset.file.filename).parent
    pieces = {source.file_name for source in dataset.virtual_sources() if source.file_name != "."}
    missing = sorted(piece for piece in pieces if not (folder / piece).is_file())
    if missing:
        raise FileNotFoundError(
            f"{dataset.file.filename} is a virtual file; its pieces {', '.join(missing[:5])} are missing. "
            "Fetch them."
        )


def _where(dataset: h5py.Dataset) -> str:
    """File and name of a dataset, for messages."""
    return f"{dataset.file.filename}: {dataset.name}"


def read_array(dataset: h5py.Dataset, rows: slice | np.ndarray | None = None) -> np.ndarray:
    """Rows of a dataset.

    Parameters
    ----------
    dataset : h5py.Dataset
    rows : slice or ndarray of bool, optional
        All when left out.

    Raises
    ------
    OSError
        When the bytes are damaged or missing.
    """
    dtype = dataset.dtype
    if dtype.kind not in "biuf":  # texts and lists of variable length can hang HDF5 when damaged
        raise OSError(f"{_where(dataset)} holds {dtype}, not numbers; damaged? Fetch it again.")
    size = math.prod(dataset.shape or ()) * dtype.itemsize  # five times as fast as its nbytes
    if size > SMALL and not dataset.is_virtual:
        held = Path(dataset.file.filename).stat().st_size
        is_packed = dataset.id.get_create_plist().get_nfilters() > 0
        if size > held * (MOST_COMPRESSION if is_packed else 1):
            raise OSError(f"{_where(dataset)} claims {size} bytes, its file has {held}; damaged? Fetch it.")
    _require_written(dataset)
    try:
        return _rows_of(dataset, rows)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        lacking = _missing_filter(dataset)
        if lacking is None:
            raise OSError(
                f"{_where(dataset)} cannot be read ({error}); cut short or damaged? Fetch it again."
            ) from error
    try:
        import hdf5plugin  # noqa: F401  registers the filters of others

        return _rows_of(dataset, rows)
    except (ImportError, OSError, RuntimeError) as error:
        raise OSError(
            f"{_where(dataset)} is compressed by the filter {lacking}, which this installation lacks: pip "
            "install hdf5plugin, or unpack the file with h5repack."
        ) from error


def _rows_of(dataset: h5py.Dataset, rows: slice | np.ndarray | None) -> np.ndarray:
    """Rows of a dataset; scattered ones are chosen in memory, at which HDF5 is slow."""
    if not isinstance(rows, np.ndarray):
        return dataset[()] if rows is None else dataset[rows]
    chosen = np.flatnonzero(rows)
    span = slice(chosen[0], chosen[-1] + 1) if len(chosen) else slice(0, 0)
    values, chosen = dataset[span], rows[span]
    return values if chosen.all() else values[chosen]


def _missing_filter(dataset: h5py.Dataset) -> str | None:
    """Name of a compression that a dataset needs and this HDF5 does not have, or None."""
    try:
        plan = dataset.id.get_create_plist()
        filters = [plan.get_filter(i) for i in range(plan.get_nfilters())]
    except (RuntimeError, ValueError, OSError):
        return None
    lacking = [f for f in filters if not h5py.h5z.filter_avail(f[0])]
    return f"{lacking[0][3].decode(errors='replace') or 'number'} {lacking[0][0]}" if lacking else None


def _require_written(dataset: h5py.Dataset) -> None:
    """Refuse a dataset of which values were never written: HDF5 would give its fill value for them."""
    if dataset.is_virtual or not dataset.size:
        return
    if dataset.chunks is None:
        is_whole = dataset.id.get_storage_size() > 0
    else:
        pieces = math.prod(-(-n // k) for n, k in zip(dataset.shape, dataset.chunks, strict=True))
        is_whole = pieces > MOST_PIECES or dataset.id.get_num_chunks() >= pieces
    if not is_whole:
        raise ValueError(
            f"{_where(dataset)}: values were never written, and would be read as {dataset.fillvalue}; was "
            "its writer stopped? Fetch the file again."
        )


def physical(dataset: h5py.Dataset, kind: str, a: float, h: float, units: Units) -> np.ndarray:
    """Read a dataset in house units: what its attributes declare, or else `units`.

    Parameters
    ----------
    dataset : h5py.Dataset
    kind : str
        ``"length"``, ``"mass"``, ``"velocity"``, ``"density"`` or ``"rate"``.
    a, h : float
        Scale factor and Hubble constant [100 km/s/Mpc].
    units : Units
        For datasets without attributes.

    Returns
    -------
    ndarray
        float64; kpc, Msun, km/s or Msun/kpc^3, no a and no h left.

    Raises
    ------
    ValueError
        When the declared unit is not a positive number.
    OSError
        When the bytes cannot be read.
    """
    return np.multiply(read_array(dataset), conversion(dataset, kind, a, h, units), dtype=float)
