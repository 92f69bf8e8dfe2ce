from dataclasses import replace

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from mocks import Galaxy, Gas, Stars, stream
from mocks.deposit.kernel import cubic_spline
from mocks.dust.columns import column_in_front
from mocks.dust.gas_column import ATOMS_PER_CM2, _gas_reach, neutral_hydrogen, scattering_factor
from mocks.dust.registry import dust_model
from mocks.dust.screens import cardelli_curve
from mocks.filters import load_filter

PIVOTS = np.array([load_filter(f"sdss2010-{band}").pivot for band in "ugriz"])
DEPTH, SIDE, SPACING = 4.0, 16.0, 0.25  # kpc


def slab(optical_depth, n_stars=2000):
    """Stars in the middle of a uniform slab of neutral gas with this tau at V over its whole depth."""
    axis = (np.arange(-SIDE / 2, SIDE / 2, SPACING) + SPACING / 2,) * 2
    depth = np.arange(-DEPTH / 2, DEPTH / 2, SPACING) + SPACING / 2
    position = np.stack(np.meshgrid(*axis, depth, indexing="ij"), axis=-1).reshape(-1, 3)
    column = optical_depth * 2.1e21 / ATOMS_PER_CM2  # Msun of hydrogen per kpc^2
    mass = np.full(len(position), column / 0.76 * SPACING**2 / len(depth))
    n = len(position)
    gas = Gas(
        position,
        mass,
        metallicity=np.full(n, 0.0127),
        neutral_fraction=np.ones(n),
        smoothing_length=np.full(n, 1.0),
    )
    rng = stream(1, "slab")
    place = rng.uniform(-4, 4, (n_stars, 3))
    place[:, 2] = rng.uniform(-DEPTH / 2, DEPTH / 2, n_stars)
    stars = Stars(place, np.ones(n_stars), np.ones(n_stars), np.full(n_stars, 5.0), np.full(n_stars, 0.02))
    return Galaxy("toy", 1, 1, 0.0, FlatLambdaCDM(70, 0.3), stars, gas)


def tau_at_v(**options):
    dust = dust_model("gas-column", scattering=False, **options)
    return lambda galaxy: dust.optical_depth(galaxy, np.eye(3), np.array([5494.5]))[0]


def test_star_in_a_uniform_slab_sees_the_gas_in_front_of_it():
    """Optical depth is that of the slab times the share of its depth in front."""
    galaxy = slab(2.0)
    share = (DEPTH / 2 - galaxy.stars.position[:, 2]) / DEPTH
    # Gas comes in layers, so a star sees whole layers: half of one is the error.
    assert np.abs(tau_at_v()(galaxy) - 2 * share).max() < 2 * (0.5 / 16 + 0.01)
    assert np.mean(tau_at_v()(galaxy) - 2 * share) == pytest.approx(0, abs=0.01)


def test_light_of_a_mixed_slab():
    """Stars spread evenly through a slab: the mean of e^-tau is (1 - e^-tau) / tau of the whole."""
    for tau in (0.3, 1.0, 3.0):
        dust = dust_model("gas-column:geometry=screen,scattering=0")
        share = dust.transmission(slab(tau), np.eye(3), np.array([5494.5])).mean()
        assert share == pytest.approx((1 - np.exp(-tau)) / tau, rel=0.03)


def test_published_attenuation_of_a_slab():
    """Model C in r behind columns of tau 0.3, 1, 3 at V, computed independently."""
    for tau, attenuation in ((0.3, 0.085), (1.0, 0.274), (3.0, 0.748)):
        galaxy = slab(tau, 40)
        position = galaxy.stars.position.copy()
        position[:, 2] = -DEPTH  # behind it all
        behind = replace(galaxy, stars=replace(galaxy.stars, position=position))
        share = dust_model("gas-column").transmission(behind, np.eye(3), PIVOTS)
        assert np.mean(-2.5 * np.log10(share[2])) == pytest.approx(attenuation, rel=0.03)


def test_view_from_the_other_side_sees_the_other_half():
    galaxy = slab(2.0)
    dust = dust_model("gas-column", scattering=False)
    back = np.diag([1.0, -1.0, -1.0])
    both = sum(dust.optical_depth(galaxy, view, np.array([5494.5]))[0] for view in (np.eye(3), back))
    assert both == pytest.approx(2, rel=0.07)


@pytest.mark.parametrize("reach", [0.3, 0.6, 1.5, 6.0])
def test_column_of_scattered_gas_is_its_kernels(reach):
    """Against the direct sum of kernels over all gas in front, on a fine grid of cells."""
    rng = stream(2, str(reach))
    stars, gas = rng.normal(0, 2, (200, 3)), rng.normal(0, 2, (3000, 3))
    h = reach * rng.uniform(0.7, 1.4, 3000)
    mass = rng.uniform(1, 2, 3000)
    q = np.linalg.norm(stars[:, None, :2] - gas[:, :2], axis=2) / h
    kernels = np.where(q < 1, cubic_spline(q), 0) / h**2 * (gas[:, 2] > stars[:, None, 2])
    exact = kernels @ mass
    found = column_in_front(stars, gas, h, mass[:, None], cell=0.05)[:, 0]
    seen = exact > 0.1 * np.median(exact[exact > 0])
    assert np.median(np.abs(found[seen] / exact[seen] - 1)) < 0.05
    assert found.sum() == pytest.approx(exact.sum(), rel=0.05)


def test_no_gas_and_ionised_gas_are_the_identity():
    galaxy = slab(1.0, 20)
    dust = dust_model("gas-column")
    for gas in (None, galaxy.gas.select(np.zeros(len(galaxy.gas), bool)),
                replace(galaxy.gas, neutral_fraction=np.zeros(len(galaxy.gas)))):  # fmt: skip
        assert (dust.transmission(replace(galaxy, gas=gas), np.eye(3), PIVOTS) == 1).all()


def test_young_stars_sit_in_birth_clouds():
    galaxy = slab(1.0, 20)
    young = replace(galaxy, gas=None, stars=replace(galaxy.stars, age=np.full(20, 0.005)))
    share = dust_model("gas-column").transmission(young, np.eye(3), np.array([5500.0]))
    assert share == pytest.approx(np.exp(-1.0))


def test_curves():
    """Milky Way extinction and scattering in ugriz, computed independently."""
    effective = np.array([3551, 4686, 6165, 7481, 8931])
    assert cardelli_curve(effective) == pytest.approx([1.579, 1.222, 0.880, 0.675, 0.485], abs=0.012)
    assert scattering_factor(PIVOTS) == pytest.approx([0.434, 0.520, 0.599, 0.647, 0.684], abs=0.01)
    assert cardelli_curve(5494.5) == pytest.approx(1, abs=0.003)
    assert cardelli_curve(2175.0) == pytest.approx(3.1, abs=0.15)  # the bump


def test_what_gas_is_neutral():
    n = 3
    gas = Gas(
        np.zeros((n, 3)),
        np.ones(n),
        temperature=np.array([1e3, 1e5, 1e5]),
        star_formation_rate=np.array([0, 0, 1.0]),
    )
    assert neutral_hydrogen(gas).tolist() == [0.76, 0, 0.76]
    assert neutral_hydrogen(replace(gas, neutral_fraction=np.full(n, 0.5))) == pytest.approx(0.38)
    with pytest.raises(ValueError, match="choose the dust 'screen'"):
        neutral_hydrogen(Gas(np.zeros((n, 3)), np.ones(n)))
    galaxy = slab(1.0, 5)
    pure = replace(galaxy, gas=replace(galaxy.gas, metallicity=None))
    with pytest.raises(ValueError, match="needs the metallicity"):
        dust_model("gas-column").transmission(pure, np.eye(3), PIVOTS)
    with pytest.raises(ValueError, match="choose from mixed, screen"):
        dust_model("gas-column", geometry="clumpy")


def test_depth_falls_as_the_square_root_of_one_plus_redshift():
    galaxy = slab(1.0, 50)
    near, far = (tau_at_v(redshift=z)(galaxy) for z in (0.0, 3.0))
    assert far == pytest.approx(near / 2)
    assert tau_at_v()(replace(galaxy, redshift=3.0)) == pytest.approx(far)


def test_gas_reaches_two_and_a_half_radii_of_its_round_cell():
    """Of 4 pi / 3 r^3 rho; else its own length, else that to its neighbours."""
    gas = slab(1.0, 5).gas
    radius = np.linspace(0.2, 3.0, len(gas))
    density = gas.mass / (4 / 3 * np.pi * radius**3)
    assert _gas_reach(replace(gas, density=density)) == pytest.approx(2.5 * radius)
    assert (_gas_reach(gas) == 1.0).all()
    few = replace(gas.select(np.arange(40)), smoothing_length=None)
    away = np.linalg.norm(few.position[:, None] - few.position, axis=2)
    assert _gas_reach(few) == pytest.approx(np.sort(away, axis=1)[:, 32], rel=1e-5)
