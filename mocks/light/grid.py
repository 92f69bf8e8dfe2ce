"""Stellar populations from grids of spectra: an installed FSPS, or the user's own file."""

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np

from mocks.checked_hdf5 import open_checked
from mocks.filters import load_filter
from mocks.galaxy import Stars
from mocks.light.base import StellarPopulation, band_weights

__all__ = ["GridPopulation", "SpectralGrid", "fsps_grid", "read_grid", "write_grid"]

ZERO_AGE = 6.0
"""log10 of the age [yr] below which light hardly changes: a grid that starts there has none too young."""


@dataclass(frozen=True, eq=False)
class SpectralGrid:
    """Spectra of simple stellar populations.

    Parameters
    ----------
    metallicity : ndarray, shape (n_z,)
        Mass fraction of metals, increasing, positive.
    log_age : ndarray, shape (n_age,)
        log10 of the age [yr], increasing.
    wavelength : ndarray, shape (n_wave,)
        [Angstrom], increasing.
    spectra : ndarray, shape (n_z, n_age, n_wave)
        [solar luminosities / Angstrom] per solar mass *formed*.
    living_fraction : ndarray, shape (n_z, n_age), optional
        Mass still in stars, per mass formed; of BC03 without remnants.
    attributes : dict of str
        ``imf``, ``isochrones``, ``library``, ``source``, ``licence``.

    Raises
    ------
    ValueError
        For shapes that do not agree, axes that do not increase, or spectra that are negative or not finite.
    """

    metallicity: np.ndarray
    log_age: np.ndarray
    wavelength: np.ndarray
    spectra: np.ndarray
    living_fraction: np.ndarray | None = None
    attributes: dict = field(default_factory=dict)

    def __post_init__(self):
        shape = (len(self.metallicity), len(self.log_age), len(self.wavelength))
        if self.spectra.shape != shape:
            raise ValueError(f"spectra have shape {self.spectra.shape}; their axes have lengths {shape}.")
        for name in ("metallicity", "log_age", "wavelength"):
            if len(getattr(self, name)) < 2 or (np.diff(getattr(self, name)) <= 0).any():
                raise ValueError(f"{name} of the grid must hold at least two increasing numbers.")
        if self.metallicity[0] <= 0:
            raise ValueError("metallicity of the grid must be positive (mass fraction, not a logarithm).")
        if not np.isfinite(self.spectra).all() or (self.spectra < 0).any():
            raise ValueError("spectra of the grid hold negative or non-finite numbers.")


def fsps_grid() -> SpectralGrid:
    """Compute spectra with an installed FSPS (environment variable ``SPS_HOME`` and package ``fsps``).

    Returns
    -------
    SpectralGrid
        Kroupa IMF, the isochrones and library FSPS was compiled with, no dust, no nebular emission.

    Raises
    ------
    FileNotFoundError
        When FSPS or its data are not there.

    References
    ----------
    Conroy, Gunn & White 2009, ApJ 699, 486; Conroy & Gunn 2010, ApJ 712, 833.
    """
    if not os.environ.get("SPS_HOME") or find_spec("fsps") is None:
        raise FileNotFoundError(
            "FSPS needs the package fsps and the environment variable SPS_HOME pointing to its data."
        )
    try:
        import fsps
    except (ImportError, OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"FSPS cannot be used with SPS_HOME={os.environ['SPS_HOME']}: {error}. It must be a clone of "
            "FSPS with its isochrones and spectra."
        ) from error

    model = fsps.StellarPopulation(zcontinuous=0, imf_type=2, sfh=0, add_neb_emission=False)
    spectra, living = [], []
    for index in range(len(model.zlegend)):
        wavelength, spectrum = model.get_spectrum(zmet=index + 1, peraa=True)
        spectra.append(spectrum)
        living.append(model.stellar_mass)
    return SpectralGrid(
        metallicity=np.array(model.zlegend),
        log_age=np.array(model.log_age),
        wavelength=np.array(wavelength),
        spectra=np.array(spectra, np.float32),
        living_fraction=np.array(living),
        attributes={"imf": "Kroupa", "source": "FSPS", "library": str(model.libraries)},
    )


def read_grid(path: str | Path) -> SpectralGrid:
    """Read a user's grid of spectra.

    Parameters
    ----------
    path : str or Path
        HDF5 with datasets ``metallicity`` (mass fraction), ``log10age`` (yr), ``wavelength`` (Angstrom),
        ``spectra`` [n_z, n_age, n_wave] in solar luminosities per Angstrom per solar mass formed, and
        optionally ``living_fraction`` [n_z, n_age]; attributes ``imf``, ``source``, ...

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        For a missing file, one that is not HDF5, or one without the datasets above.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"grid of spectra {path} does not exist.")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_checked(path))
        except OSError as error:
            raise OSError(f"{path} is not an HDF5 file: {error}.") from error
        missing = [name for name in ("metallicity", "log10age", "wavelength", "spectra") if name not in file]
        if missing:
            raise ValueError(
                f"{path} has no dataset {', '.join(missing)}; a grid of spectra holds metallicity, log10age, "
                "wavelength and spectra[n_metallicity, n_age, n_wavelength]."
            )
        try:
            return SpectralGrid(
                metallicity=file["metallicity"][:],
                log_age=file["log10age"][:],
                wavelength=file["wavelength"][:],
                spectra=file["spectra"][:],
                living_fraction=file["living_fraction"][:] if "living_fraction" in file else None,
                attributes={**{key: str(value) for key, value in file.attrs.items()}, "file": str(path)},
            )
        except (ValueError, TypeError) as error:  # a type or a group where a dataset should be
            raise ValueError(f"{path}: {error}") from error


def write_grid(path: str | Path, grid: SpectralGrid) -> None:
    """Write a grid in the form that ``read_grid`` takes.

    Parameters
    ----------
    path : str or Path
    grid : SpectralGrid
    """
    with h5py.File(path, "w") as file:
        file["metallicity"], file["log10age"] = grid.metallicity, grid.log_age
        file["wavelength"], file["spectra"] = grid.wavelength, grid.spectra
        if grid.living_fraction is not None:
            file["living_fraction"] = grid.living_fraction
        file.attrs.update(grid.attributes)


class GridPopulation(StellarPopulation):
    """Light interpolated in a table of filter fluxes on a grid's own ages and metallicities.

    Parameters
    ----------
    grid : SpectralGrid
    name : str
        For the record.
    light : float
        Factor on all light, for another initial mass function than the grid's.
    assumed : tuple of str, optional
        What is assumed without a source; default: the grid's IMF.
    metallicity_floor : float
        Mass fraction that stars of fewer metals are taken to have.
    """

    def __init__(
        self,
        grid: SpectralGrid,
        name: str,
        light: float = 1.0,
        assumed: tuple[str, ...] | None = None,
        metallicity_floor: float = 0.0,
    ):
        self.grid, self.name, self.light = grid, name, light
        self.metallicity_floor = metallicity_floor
        imf = grid.attributes.get("imf", "unknown")
        self.assumed = (f"stars of every simulation have the IMF of the grid ({imf})",)
        if assumed is not None:
            self.assumed = assumed
        self._table = lru_cache(maxsize=32)(self._tabulate)

    def _tabulate(self, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """Maggies at 10 pc of one solar mass formed, shape (band, n_z, n_age)."""
        weights = [band_weights(self.grid.wavelength, load_filter(name), redshift) for name in filters]
        return np.einsum("zaw,bw->bza", self.grid.spectra, np.array(weights), optimize=True)

    def _position(self, stars: Stars) -> tuple[np.ndarray, np.ndarray]:
        """Log metallicity and log age [yr] of particles."""
        with np.errstate(divide="ignore"):
            log_z = np.log10(np.maximum(stars.metallicity, self.metallicity_floor))
            return log_z, np.log10(np.maximum(stars.age, 0)) + 9

    def beyond(self, stars: Stars) -> dict[str, np.ndarray]:
        """Particles outside the grid's ages and metallicities, shape (n,), by side; none is too young."""
        log_z, log_age = self._position(stars)
        axis, ages = np.log10(self.grid.metallicity), self.grid.log_age
        youngest = ages[0] if ages[0] > ZERO_AGE else -np.inf
        return {
            f"metallicity below {10 ** axis[0]:g}": log_z < axis[0],
            f"metallicity above {10 ** axis[-1]:g}": log_z > axis[-1],
            f"age below {10 ** (ages[0] - 9):g} Gyr": log_age < youngest,
            f"age above {10 ** (ages[-1] - 9):g} Gyr": log_age > ages[-1],
        }

    def absolute_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """Flux of each particle at 10 pc, shape (band, n) [maggies].

        Interpolated linearly in the logarithms of metallicity, age and flux; positions outside the grid are
        taken at its edge (see ``clamped``).
        """
        return self._interpolated(stars, filters, redshift)

    def continued_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """As `absolute_flux`, but the slopes at the grid's edges are kept for a factor of ten beyond."""
        return self._interpolated(stars, filters, redshift, reach=1.0)

    def _interpolated(self, stars: Stars, filters, redshift: float, reach: float = 0.0) -> np.ndarray:
        """Flux of each particle; `reach` is how far positions may lie beyond the grid [dex]."""
        table = np.log(np.maximum(self._table(tuple(filters), float(redshift)), 1e-300))
        lower, share = [], []
        for position, axis in zip(
            self._position(stars), (np.log10(self.grid.metallicity), self.grid.log_age), strict=True
        ):
            position = np.clip(position, axis[0] - reach, axis[-1] + reach)
            index = np.clip(np.searchsorted(axis, position, side="right") - 1, 0, len(axis) - 2)
            lower.append(index)
            share.append((position - axis[index]) / (axis[index + 1] - axis[index]))
        (z, a), (s, t) = lower, share
        low = table[:, z, a] * (1 - t) + table[:, z, a + 1] * t
        high = table[:, z + 1, a] * (1 - t) + table[:, z + 1, a + 1] * t
        return np.exp(low * (1 - s) + high * s) * (self.light * stars.initial_mass)
