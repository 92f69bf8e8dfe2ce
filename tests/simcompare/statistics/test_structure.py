"""The structure statistics on galaxies whose true structure is known."""

import numpy as np
import pytest
from scipy import stats

from simcompare.statistics.structure import (
    CLIP,
    LEAST_WEIGHT,
    cauchy_combination,
    compress,
    fit_conditional,
    fit_reference,
)


def galaxies(n, rng, structure=1.0, bright=0.0):
    """Compressed ratios and conditions of galaxies of some structure; that of smooth ones is structure 0."""
    x = np.column_stack([rng.normal(1.4 + bright, 0.4, n), rng.normal(0.2, 0.15, n)])
    u = (x - [1.4, 0.2]) / [0.4, 0.15]
    visible = np.maximum(0.5 + 0.8 * u[:, 0], 0.1)
    spread = np.exp(0.2 * u[:, 0])
    mean = 0.3 + 0.5 * u[:, 0] + 0.2 * u[:, 1] + 0.3 * (u[:, 0] ** 2 - 1)
    return mean + spread * ((structure - 1) * visible + rng.normal(size=n)), x


def reference(rng, n=80):
    real, x = galaxies(n, rng)
    u = (x[:, 0] - 1.4) / 0.4
    smooth = real - np.exp(0.2 * u) * (np.maximum(0.5 + 0.8 * u, 0.1) + 0.3 * rng.normal(size=n))
    return fit_reference(real, x, smooth, x, rng)


def judged(n, n_draws, seed, **how):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_draws):
        real = reference(rng)
        score, x = galaxies(n, rng, **how)
        found.append(real.test(real.model.z(score, x), x))
    return found


def test_compression_is_linear_below_three_nats_and_logarithmic_above():
    assert compress(0) == 0
    assert compress(0.3) == pytest.approx(0.1, rel=0.01)
    assert compress(3e4) - compress(3e3) == pytest.approx(np.log(10), rel=1e-4)
    assert compress(-5.0) == -compress(5.0)


def test_z_is_standard_normal_at_any_brightness():
    rng = np.random.default_rng(1)
    fit = fit_conditional(*galaxies(4000, rng))
    score, x = galaxies(20_000, rng)
    z = fit.z(score, x)
    for low, high in ((0, 0.2), (0.2, 0.8), (0.8, 1)):
        edges = np.quantile(x[:, 0], [low, high])
        part = z[(x[:, 0] > edges[0]) & (x[:, 0] < edges[1])]
        assert part.mean() == pytest.approx(0, abs=0.12)
        assert part.std() == pytest.approx(1, abs=0.12)
    assert np.abs(z).max() <= CLIP
    assert fit.is_outside(x).mean() == pytest.approx(0.08, abs=0.02)  # 2 % at each end of two conditions


@pytest.mark.parametrize("n", [5, 10, 30, 200])
def test_real_galaxies_pass_and_their_interval_holds_one(n):
    found = judged(n, 400, seed=n)
    p_values = np.array([each.p_value for each in found])
    assert 0.02 <= (p_values < 0.05).mean() <= 0.08  # 400 draws
    assert (p_values < 0.01).mean() <= 0.03
    assert 0.92 <= np.mean([each.low <= 1 <= each.high for each in found]) <= 0.98


@pytest.mark.parametrize("bright", [-0.3, 0.3])
def test_real_galaxies_pass_where_they_are_brighter_or_fainter_than_the_reference(bright):
    p_values = np.array([each.p_value for each in judged(30, 300, seed=7, bright=bright)])
    assert (p_values < 0.05).mean() <= 0.10


@pytest.mark.parametrize("structure", [0.0, 0.5, 1.5])
def test_planted_structure_is_recovered(structure):
    found = judged(60, 200, seed=3, structure=structure)
    fractions = np.array([each.fraction for each in found])
    assert np.median(fractions) == pytest.approx(structure, abs=0.08)
    assert np.mean([each.low <= structure <= each.high for each in found]) >= 0.9
    if structure != 1:
        assert np.mean([each.p_value < 0.05 for each in found]) > 0.5
        assert np.sign(np.median([each.z_weighted for each in found])) == np.sign(structure - 1)


def test_brightness_alone_does_not_move_the_fraction():
    """A set of bright smooth galaxies is as smooth as a set of faint ones."""
    for bright in (-0.2, 0.3):
        found = judged(60, 100, seed=5, structure=0.4, bright=bright)
        assert np.median([each.fraction for each in found]) == pytest.approx(0.4, abs=0.15)


def test_bounds_are_where_the_difference_just_cannot_be_told():
    rng = np.random.default_rng(2)
    real = reference(rng, 200)
    score, x = galaxies(50, rng, structure=0.6)
    z = real.model.z(score, x)
    found = real.test(z, x)
    # All errors once more, by resampling galaxies of the data set and of the reference.
    fractions = []
    for _ in range(300):
        own = rng.integers(50, size=50)
        fractions.append(real.test(z[own], x[own]).fraction)
    assert np.std(fractions) < (found.high - found.low) / 3.92  # which also holds the reference's errors
    assert found.low < 0.6 < found.high
    assert found.low < found.fraction < found.high


def test_without_structure_to_see_nothing_bounds_the_fraction():
    rng = np.random.default_rng(4)
    real, x = galaxies(60, rng)
    blind = fit_reference(real, x, real + rng.normal(size=60), x, rng)  # twins like their parents
    found = blind.test(blind.model.z(*galaxies(10, rng)[::1]), x[:10])
    assert found.low == -np.inf
    assert found.high == np.inf


def test_without_twins_there_is_a_p_value_and_no_fraction():
    rng = np.random.default_rng(5)
    real, x = galaxies(60, rng)
    nothing = np.full(60, np.nan)
    alone = fit_reference(real, x, nothing, np.full((60, 2), np.nan), rng)
    found = alone.test(alone.model.z(real[:30], x[:30]), x[:30])
    assert alone.separation is None
    assert np.isnan([found.fraction, found.low, found.high]).all()
    assert 0 <= found.p_value <= 1


def test_one_galaxy_has_a_fraction_and_no_interval():
    rng = np.random.default_rng(6)
    real = reference(rng)
    score, x = galaxies(1, rng)
    found = real.test(real.model.z(score, x), x)
    assert np.isfinite(found.fraction)
    assert np.isnan([found.low, found.high, found.error, found.p_value]).all()


def test_too_few_real_galaxies_are_told():
    rng = np.random.default_rng(7)
    real, x = galaxies(19, rng)
    with pytest.raises(ValueError, match=r"19 galaxies .* needs 20"):
        fit_reference(real, x, real, x, rng)


def test_galaxies_all_of_one_brightness_are_scored():
    rng = np.random.default_rng(8)
    real, x = rng.normal(size=40), np.tile([1.5, 0.2], (40, 1))
    alike = fit_reference(real, x, real - 1, x, rng)
    assert np.isfinite(alike.z).all()
    assert alike.test(alike.model.z(real[:20] - 1, x[:20]), x[:20]).fraction == pytest.approx(0, abs=0.35)


def test_weights_grow_with_what_can_be_seen_and_never_vanish():
    rng = np.random.default_rng(9)
    real = reference(rng, 300)
    weight = real.weight(np.column_stack([np.linspace(0.2, 2.6, 9), np.full(9, 0.2)]))
    assert (np.diff(weight) >= 0).all()
    assert weight.min() == LEAST_WEIGHT
    assert weight.max() > 1


def test_combined_p_value():
    assert cauchy_combination([0.03, 0.03]) == pytest.approx(0.03)
    assert cauchy_combination([1e-30, 0.9]) == pytest.approx(2e-30, rel=1e-6)
    uniform = np.random.default_rng(0).random((20_000, 2))
    combined = np.array([cauchy_combination(each) for each in uniform])
    assert stats.kstest(combined, "uniform").pvalue > 0.001
