"""Reading HDF5 snapshots by what their own attributes say."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from mocks.readers.hdf5.attributes import attribute, attributes

__all__ = [
    "ALIASES",
    "DARK_MATTER",
    "GAS",
    "STARS",
    "Units",
    "find",
    "header_of",
    "open_hdf5",
    "physical",
    "read_array",
]

KPC, MSUN, KM = 3.0856775814913673e21, 1.988409870698051e33, 1e5  # cgs; IAU 2015 constants as in astropy
YEAR = 3.15576e7  # s, Julian
# Names of the CGS factor, of the exponents of a and h, and of the flag that no a is left
CONVENTIONS = (
    ("CGSConversionFactor", "aexp-scale-exponent", "h-scale-exponent", None),
    ("to_cgs", "a_scaling", "h_scaling", None),
    (
        "Conversion factor to CGS (not including cosmological corrections)",
        "a-scale exponent",
        "h-scale exponent",
        "Value stored as physical",
    ),
)
# What h5py raises, besides OSError and ValueError, for damaged structures inside a file
HDF5_ERRORS = (KeyError, RuntimeError, TypeError, AttributeError, OverflowError, MemoryError)
ROUND_UNIT = 0.02  # relative distance from a power of ten at which that is meant
GAS, DARK_MATTER, STARS = 0, 1, 4  # types of particles in Gadget's format
SMALL = 2**26  # bytes that can be read without harm, whatever the file
MOST_COMPRESSION = 1000  # no real dataset unpacks to more times its file
CGS = {"length": KPC, "mass": MSUN, "velocity": KM, "density": MSUN / KPC**3, "rate": MSUN / YEAR}

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
    "galaxy_number": ("GroupNr_bound", "HaloCatalogueIndex"),
    "group_number": ("GroupNumber",),
    "subgroup_number": ("SubGroupNumber",),
}


@dataclass(frozen=True)
class Units:
    """What datasets do not tell themselves: house unit = value x factor x a^i x h^j, and other names.

    Parameters
    ----------
    length, mass, velocity, density, rate : tuple (factor, a exponent, h exponent)
        House units: kpc, Msun, km/s, Msun/kpc^3 (from mass and length when None), Msun/yr.
    names : tuple of (field, dataset name)
        Datasets that go by other names than those in `ALIASES`.
    """

    length: tuple[float, float, float] = (1.0, 1.0, -1.0)
    mass: tuple[float, float, float] = (1e10, 0.0, -1.0)
    velocity: tuple[float, float, float] = (1.0, 0.5, 0.0)
    density: tuple[float, float, float] | None = None
    rate: tuple[float, float, float] = (1.0, 0.0, 0.0)
    names: tuple[tuple[str, str], ...] = ()

    def of(self, kind: str) -> tuple[float, float, float]:
        """Factor and exponents of one kind of quantity."""
        if kind == "density" and self.density is None:
            return tuple(
                mass / length**3 if index == 0 else mass - 3.0 * length
                for index, (mass, length) in enumerate(zip(self.mass, self.length, strict=True))
            )
        return getattr(self, kind)


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, with one clear error when that fails.

    Parameters
    ----------
    path : Path

    Yields
    ------
    h5py.File

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    OSError
        When it is no HDF5 file, or a damaged one, even if that shows only in the body of the ``with``.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist (or is no file).")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise OSError(
            f"{path} cannot be opened as HDF5 ({error}); cut short or damaged? Fetch it again."
        ) from error
    with file:
        try:
            yield file
        except (OSError, ValueError) as error:
            if Path(path).name in str(error):
                raise
            raise type(error)(f"{path}: {error}") from error
        except HDF5_ERRORS as error:
            raise OSError(f"{path} is damaged ({type(error).__name__}: {error}); fetch it again.") from error


def header_of(file: h5py.File) -> dict:
    """Attributes of the ``Header`` group, with SWIFT's and Gizmo's cosmologies under Gadget's names."""
    header = attributes(file["Header"]) if "Header" in file else {}
    if "Cosmology" in file:
        cosmology = attributes(file["Cosmology"])
        gadget = {
            "h": "HubbleParam",
            "Omega_m": "Omega0",
            "Omega_lambda": "OmegaLambda",
            "Omega_b": "OmegaBaryon",
        }
        header |= {gadget[name]: value for name, value in cosmology.items() if name in gadget}
    return header


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

    Returns
    -------
    ndarray

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
        if size > held * (1 if dataset.compression is None else MOST_COMPRESSION):
            raise OSError(f"{_where(dataset)} claims {size} bytes, its file has {held}; damaged? Fetch it.")
    try:
        if isinstance(rows, np.ndarray):
            # HDF5 is slow at scattered rows: read from the first to the last, then choose
            chosen = np.flatnonzero(rows)
            span = slice(chosen[0], chosen[-1] + 1) if len(chosen) else slice(0, 0)
            values, chosen = dataset[span], rows[span]
            return values if chosen.all() else values[chosen]
        return dataset[()] if rows is None else dataset[rows]
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise OSError(
            f"{_where(dataset)} cannot be read ({error}); cut short or damaged? Fetch it again."
        ) from error


def _declared(dataset: h5py.Dataset) -> tuple[float, float, float] | None:
    """CGS factor and exponents of a and h that a dataset declares, in any of three conventions."""
    for cgs, a_exponent, h_exponent, physical_flag in CONVENTIONS:
        if cgs in dataset.attrs:
            exponents = [attribute(dataset, name, 0.0) for name in (a_exponent, h_exponent)]
            if physical_flag is not None and attribute(dataset, physical_flag, 0):
                exponents[0] = 0.0
            return attribute(dataset, cgs), *exponents
    return None


def unit_factor(cgs: float, kind: str) -> float:
    """House units in a CGS factor, taken as a round number when it is one within 2 %.

    Codes keep their own solar mass and parsec (1.989e33 g, some 2e33 g): 1e10 of *their* solar masses is
    meant, and catalogues made from the same file are in them too.
    """
    ratio = cgs / CGS[kind]
    round_number = 10.0 ** np.round(np.log10(ratio))
    return round_number if abs(ratio / round_number - 1.0) < ROUND_UNIT else ratio


def physical(dataset: h5py.Dataset, kind: str, a: float, h: float, units: Units, rows=None) -> np.ndarray:
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
    rows : slice or ndarray of bool, optional

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
    return np.multiply(read_array(dataset, rows), conversion(dataset, kind, a, h, units), dtype=float)


def conversion(dataset: h5py.Dataset, kind: str, a: float, h: float, units: Units) -> float:
    """Factor from a dataset's numbers to house units; see `physical`."""
    declared = _declared(dataset)
    if declared is None:
        factor, a_exponent, h_exponent = units.of(kind)
    else:
        cgs, a_exponent, h_exponent = declared
        if not isinstance(cgs, float | int) or not np.isfinite(cgs) or cgs <= 0:
            raise ValueError(
                f"{dataset.file.filename}: {dataset.name} declares the CGS factor {cgs!r}; a {kind} needs a "
                "positive number. Mend the attribute or delete it to use the format's usual units."
            )
        factor = unit_factor(cgs, kind)
    return float(factor * a**a_exponent * h**h_exponent)
