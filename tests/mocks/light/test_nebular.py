"""Gas around young stars against recombination theory worked out by hand, for gas almost without metals.

Osterbrock & Ferland 2006, Astrophysics of Gaseous Nebulae: total recombination and H-beta (case B), effective
recombination to 2s (table 4.11), line ratios (table 4.4); free-bound and free-free with Gaunt factors 1 and
1.1; the shape of the two photons by Nussbaumer & Schmutz 1984, A&A 138, 495.
"""

import numpy as np
import pytest

from mocks.filters import load_filter
from mocks.light.base import SOLAR_LUMINOSITY, band_weights
from mocks.light.bc03 import bc03_grid

PLANCK, BOLTZMANN, LIGHT = 6.62607e-27, 1.38065e-16, 2.99792458e18  # erg s, erg/K, Angstrom/s
RYDBERG, LYMAN_ALPHA = 13.5984 * 1.602177e-12, 1215.67  # erg, Angstrom
TWO_PHOTON = 8.2249  # decays of 2s per second
ALL = {1e4: 2.59e-13, 2e4: 1.43e-13}  # case B [cm^3/s], by temperature [K]
TO_2S = {1e4: 0.838e-13, 2e4: 0.506e-13}  # [cm^3/s]
H_BETA = {1e4: 1.235e-25, 2e4: 6.63e-26}  # [erg cm^3/s]
HELIUM = 1.1  # free electrons' partners for one proton: He+ at a tenth recombines like hydrogen
# Of H-beta at 20,000 K: Balmer, Paschen, and the helium of a tenth.
LINES = {
    6562.8: 2.75, 4861.3: 1.0, 4340.5: 0.475, 4101.7: 0.264, 3970.1: 0.163, 3889.1: 0.107, 3835.4: 0.075,
    3797.9: 0.054, 3770.6: 0.041, 3750.2: 0.032, 9546.0: 0.035, 9229.0: 0.025, 9014.9: 0.018, 8862.8: 0.013,
    5875.6: 0.13, 6678.2: 0.035, 7065.2: 0.03, 4471.5: 0.045,
}  # fmt: skip


def shape_of_two_photons(y):
    """Photons of the two-photon decay per unit of nu / nu_Lyman-alpha and second."""
    w = y * (1 - y)
    return 202.0 * (w * (1 - (4 * w) ** 0.8) + 0.88 * w**1.53 * (4 * w) ** 0.8)


def continuum(wavelength, temperature):
    """Light of gas per ionising photon [erg / Angstrom]."""
    frequency, n = LIGHT / wavelength, np.arange(1, 60)[:, None]
    heat, level = BOLTZMANN * temperature, RYDBERG / np.arange(1, 60)[:, None] ** 2
    reached = PLANCK * frequency > level
    free_bound = np.where(reached, 2 * RYDBERG / heat / n**3 * np.exp(level / heat), 0).sum(axis=0)
    free = 6.8e-38 / np.sqrt(temperature) * np.exp(-PLANCK * frequency / heat) * (1.1 + free_bound)
    y = np.clip(frequency * LYMAN_ALPHA / LIGHT, 0, 1)
    pairs = TO_2S[temperature] * PLANCK * y * shape_of_two_photons(y) / TWO_PHOTON
    return (HELIUM * free + pairs) * LIGHT / wavelength**2 / ALL[temperature]


@pytest.fixture(scope="module")
def grids():
    return bc03_grid(nebular=False), bc03_grid()


def steady(grids, metallicity, years):
    """Spectra of stars and gas of a constant rate [solar luminosities / Angstrom], and ionising photons."""
    alone, lit = grids
    age = 10**alone.log_age
    born = np.diff(np.concatenate([[0], age])) * (age < 1.001 * years)
    stars, both = (born @ grid.spectra[metallicity].astype(float) for grid in (alone, lit))
    wavelength = alone.wavelength
    width = bin_widths(wavelength)
    energy = (stars * wavelength * width)[wavelength < 912].sum() * SOLAR_LUMINOSITY
    return stars, both - stars, energy / (PLANCK * LIGHT)


def bin_widths(wavelength):
    return np.diff(np.concatenate([[92], (wavelength[1:] + wavelength[:-1]) / 2, [25000]]))


def by_band(spectrum, wavelength):
    weights = [band_weights(wavelength, load_filter(f"sdss2010-{band}"), 0.0) for band in "ugriz"]
    return np.array([spectrum @ each for each in weights])


def test_two_photons_add_up_to_their_rate():
    y = np.linspace(0, 1, 100_001)
    assert np.trapezoid(shape_of_two_photons(y), y) / 2 == pytest.approx(TWO_PHOTON, rel=0.005)


@pytest.mark.parametrize(("metallicity", "temperature", "within"), [(0, 2e4, 0.1), (3, 1e4, 0.15)])
def test_continuum_of_the_gas_is_that_of_recombination(grids, metallicity, temperature, within):
    """Between the lines; metals cool the gas, so that at metallicity 0.008 it has half the temperature."""
    wavelength = grids[0].wavelength
    _, gas, photons = steady(grids, metallicity, 1e7)
    between = [
        np.abs(wavelength - each).argmin() for each in (3500, 4200, 4750, 5300, 6200, 7000, 8000, 9000)
    ]
    expected = continuum(wavelength, temperature)[between] * photons / SOLAR_LUMINOSITY
    assert gas[between] / expected == pytest.approx(np.ones(8), abs=within)


@pytest.mark.parametrize("years", [1e7, 1e8])
def test_colours_of_a_starburst_change_as_worked_out_by_hand(grids, years):
    """Lines and continuum for metallicity 0.0001, where metals have few lines: [O III] in g is left out."""
    wavelength = grids[0].wavelength
    stars, gas, photons = steady(grids, 0, years)
    hand, width = continuum(wavelength, 2e4), bin_widths(wavelength)
    for line, ratio in LINES.items():
        k = np.abs(wavelength - line).argmin()
        hand[k] += ratio * H_BETA[2e4] / ALL[2e4] / width[k]
    hand *= photons / SOLAR_LUMINOSITY
    alone = by_band(stars, wavelength)
    ours, expected = (-2.5 * np.log10(1 + by_band(each, wavelength) / alone) for each in (gas, hand))
    assert ours == pytest.approx(expected, abs=0.08)
    assert -np.diff(ours) == pytest.approx(-np.diff(expected), abs=0.08)  # u-g, g-r, r-i, i-z
    assert np.abs(np.diff(ours)).max() > 0.4  # there is something to find


@pytest.mark.parametrize("metallicity", [3, 4])  # 0.008 and 0.02
def test_gas_gives_a_fifth_to_three_fifths_of_the_light_of_bands(grids, metallicity):
    """Byler et al. 2017, ApJ 840, 44, section 1: up to 20 to 60 % of broad-band fluxes."""
    stars, gas, _ = steady(grids, metallicity, 1e8)
    alone, lit = (by_band(each, grids[0].wavelength) for each in (stars, gas))
    share = lit / (alone + lit)
    assert 0.2 < np.median(share) < 0.6
    assert share.max() < 0.6
