"""The structure statistics on galaxies whose true structure is known."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from simcompare.statistics.conditional import CLIP, ConditionalScore, compress, fit_conditional
from simcompare.statistics.contrast import cauchy_combination, combine_fractions
from simcompare.statistics.structure import LEAST_WEIGHT, Separation, StructureReference, fit_reference


def galaxies(n, rng, structure=1.0, bright=0.0):
    """Compressed ratios and conditions of galaxies of some structure; that of smooth ones is structure 0."""
    x = np.column_stack([rng.normal(1.4 + bright, 0.4, n), rng.normal(0.2, 0.15, n)])
    u = (x - [1.4, 0.2]) / [0.4, 0.15]
    visible = np.maximum(0.5 + 0.8 * u[:, 0], 0.1)
    spread = np.exp(0.2 * u[:, 0])
    above = np.maximum(u - 1, 0)
    mean = 0.3 + 0.5 * u[:, 0] + 0.2 * u[:, 1] + 0.9 * above[:, 0] + 0.5 * above[:, 0] * above[:, 1]
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


def test_the_fraction_is_one_number_however_it_is_asked_for():
    rng = np.random.default_rng(9)
    real = reference(rng, 120)
    score, x = galaxies(40, rng, structure=0.5)
    z = real.model.z(score, x)
    above, below = real.parts(z, x)
    found = real.fraction(z, x).value
    assert found == pytest.approx(real.test(z, x).fraction, rel=1e-12)
    assert found == pytest.approx(1 + above.sum() / below.sum(), rel=1e-12)
    assert 0.2 < found < 0.8


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


def by_hand(real, z, x, confidence):
    """Fraction, interval, z, errors and p-value once more, galaxy by galaxy, by the text of the methods."""
    model, line = real.model, real.separation

    def unit(condition):
        return [
            (min(max(c, low), high) - middle) / scale
            for c, low, high, middle, scale in zip(
                condition, model.low, model.high, model.centre, model.scale, strict=True
            )
        ]

    def slope(condition):
        a, b = unit(condition)
        spread = np.exp(model.log_spread[0] + a * model.log_spread[1] + b * model.log_spread[2])
        return np.array([1, a, b, max(a - 1, 0), max(b - 1, 0), max(a - 1, 0) * max(b - 1, 0)]) / spread

    def contrast(weight, weight_real):
        m = len(real.z)
        mean = sum(w * v for w, v in zip(weight, z, strict=True)) / sum(weight)
        mean_real = sum(w * v for w, v in zip(weight_real, real.z, strict=True)) / sum(weight_real)
        worth = sum(weight) ** 2 / sum(w * w for w in weight)
        worth_real = sum(weight_real) ** 2 / sum(w * w for w in weight_real)

        def variance(values, weights, about, number):
            share = np.array(weights) / sum(weights)
            return sum(share**2 * (np.array(values) - about) ** 2) * number**2 / (number - 1)

        others, freedom = variance(real.z, weight_real, mean_real, worth_real), worth_real - 1
        lean = sum(w * slope(c) for w, c in zip(weight, x, strict=True)) / sum(weight)
        lean -= sum(w * slope(c) for w, c in zip(weight_real, real.conditions, strict=True)) / sum(
            weight_real
        )
        moved = [
            -weight_real[k] / sum(weight_real) * (real.z[k] - mean_real) - model.influence[k] @ lean
            for k in range(m)
        ]
        first, second = others / worth, sum(each**2 for each in moved)
        freedom_real = 3 * second**2 / sum(each**4 for each in moved) - 1
        total = first + second
        welch = total**2 / (first**2 / freedom + second**2 / freedom_real)
        return mean - mean_real, total, welch, np.array(moved)

    def weight_of(conditions):
        return [max(0.15, line.coefficients @ [1, *unit(c)]) for c in conditions]

    weight = weight_of(x)
    difference, variance, freedom, moved = contrast(weight, weight_of(real.conditions))
    plain, plain_variance, plain_freedom, _ = contrast([1.0] * len(z), [1.0] * len(real.z))
    share = np.array(weight) / sum(weight)
    distance = share @ weight
    shifted = line.influence @ [1, *(share @ [unit(c) for c in x])]

    def excess(f):
        """Squared difference from f separations less its variance times t^2; 0 at a bound."""
        error2 = variance + np.sum(((f - 1) * shifted) ** 2) - 2 * (f - 1) * moved @ shifted
        return (difference - (f - 1) * distance) ** 2 - stats.t.ppf(
            0.5 + confidence / 2, freedom
        ) ** 2 * error2

    middle = 1 + difference / distance
    p_values = [
        2 * stats.t.sf(abs(d) / np.sqrt(v), f)
        for d, v, f in ((difference, variance, freedom), (plain, plain_variance, plain_freedom))
    ]
    cauchy = stats.cauchy.sf(np.mean([np.tan((0.5 - p) * np.pi) for p in p_values]))
    low, high = brentq(excess, middle - 50, middle), brentq(excess, middle, middle + 50)
    return middle, low, high, plain, difference, np.sqrt(variance), cauchy


@pytest.mark.parametrize("confidence", [0.68, 0.95])
@pytest.mark.parametrize("n", [2, 7])
def test_a_data_set_is_judged_as_the_method_says(n, confidence):
    """Numbers of no symmetry at all: spreads far from 1, unequal weights, influences of every size."""
    rng = np.random.default_rng(10)
    m = 12
    model = ConditionalScore(
        centre=np.array([1.3, 0.1]), scale=np.array([0.5, 0.2]), low=np.array([0.9, -0.1]),
        high=np.array([1.8, 0.3]),
        mean=np.array([0.2, 0.4, -0.3, 0.1, 0.5, -0.2]), log_spread=np.array([0.3, 0.2, -0.4]),
        influence=0.1 * rng.normal(size=(m, 6)),
    )  # fmt: skip
    x_real = rng.normal([1.4, 0.1], [0.4, 0.2], (m, 2))
    line = Separation(np.array([2.5, 0.9, 0.4]), 0.08 * rng.normal(size=(m, 3)))
    real = StructureReference(model, x_real, rng.normal(0.3, 2.0, m), np.full(m, np.nan), line, np.arange(m))
    z, x = rng.normal(-0.5, 1.5, n), rng.normal([1.6, 0.0], [0.4, 0.2], (n, 2))
    found = real.test(z, x, confidence)
    expected = by_hand(real, z, x, confidence)
    assert (found.fraction, found.low, found.high) == pytest.approx(expected[:3], rel=1e-8)
    assert (found.z, found.z_weighted, found.error) == pytest.approx(expected[3:6], rel=1e-10)
    assert found.p_value == pytest.approx(expected[6], rel=1e-10)


def test_reference_is_fitted_without_the_galaxies_it_scores():
    """Each z by a fit to the other folds; the separation by numpy's least squares; twins by the same fit."""
    rng = np.random.default_rng(11)
    real, x = galaxies(37, rng)
    twin = np.where(np.arange(37) < 25, real - 1.5 + 0.3 * rng.normal(size=37), np.nan)
    found = fit_reference(real, x, twin, x, np.random.default_rng(12))
    for rows in np.array_split(np.random.default_rng(12).permutation(37), 5):
        kept = np.setdiff1d(np.arange(37), rows)
        fit = fit_conditional(real[kept], x[kept])
        assert found.z[rows] == pytest.approx(fit.z(real[rows], x[rows]))
        np.testing.assert_allclose(found.z_twin[rows], fit.z(twin[rows], x[rows]), equal_nan=True)
    terms = np.column_stack([np.ones(25), found.model.standardised(x)[:25]])
    plane = np.linalg.lstsq(terms, (found.z - found.z_twin)[:25], rcond=None)[0]
    assert found.separation.coefficients == pytest.approx(plane)
    assert (found.separation.influence[25:] == 0).all()
    # By how much a galaxy moved the plane: the jackknife, leaving it out.
    for k in (0, 9, 24):
        kept = np.delete(np.arange(25), k)
        moved = plane - np.linalg.lstsq(terms[kept], (found.z - found.z_twin)[kept], rcond=None)[0]
        assert found.separation.influence[k] == pytest.approx(moved, rel=1e-6)


def test_mean_and_spread_given_conditions_are_ridge_regressions():
    """Against a stacked least-squares problem: the penalty as rows of their own."""
    rng = np.random.default_rng(13)
    score, x = galaxies(60, rng)
    fit = fit_conditional(score, x)
    low, high = np.quantile(x, 0.02, axis=0), np.quantile(x, 0.98, axis=0)
    scale = (np.quantile(x, 0.84, axis=0) - np.quantile(x, 0.16, axis=0)) / 2
    u = (np.clip(x, low, high) - np.median(x, axis=0)) / scale
    above = np.where(u > 1, u - 1, 0)
    terms = np.column_stack([np.ones(60), u, above, above.prod(axis=1)])

    def ridge(terms, values, penalty):
        rows = np.sqrt(penalty) * np.eye(terms.shape[1])[1:]
        stacked = np.vstack([terms, rows]), np.concatenate([values, np.zeros(len(rows))])
        return np.linalg.lstsq(*stacked, rcond=None)[0]

    mean = ridge(terms, score, 3.0)
    residual = score - terms @ mean
    size = np.abs(residual) + 0.2 * np.abs(residual).mean()
    spread = ridge(terms[:, :3], np.log(size), 3.0)
    assert fit.mean == pytest.approx(mean)
    assert fit.log_spread[1:] == pytest.approx(spread[1:])
    assert np.std(residual / np.exp(terms[:, :3] @ fit.log_spread)) == pytest.approx(1)
    assert fit.z(score, x) == pytest.approx(
        np.clip(residual / np.exp(terms[:, :3] @ fit.log_spread), -6, 6), abs=1e-9
    )


@pytest.mark.parametrize("n", [5, 10, 30])
def test_differences_and_trends_of_real_sets_are_chance(n):
    rng, difference, trend = np.random.default_rng(n), [], []
    while len(difference) < 400:
        real = reference(rng)
        fractions = [
            real.fraction(real.model.z(*each), each[1]) for each in (galaxies(n, rng) for _ in "abc")
        ]
        if None not in fractions:
            difference.append(combine_fractions(fractions[:2], (1, -1)))
            trend.append(combine_fractions(fractions, (-0.5, 0, 0.5))[1])
    assert 0.01 <= np.mean([p < 0.05 for _, p in difference]) <= 0.08  # 400 draws; a little shy at 5
    assert 0.02 <= np.mean(np.array(trend) < 0.05) <= 0.08
    assert 0.92 <= np.mean([each.low <= 0 <= each.high for each, _ in difference]) <= 0.99


def test_a_known_difference_is_found_and_measured():
    rng, found = np.random.default_rng(1), []
    for _ in range(100):
        real = reference(rng, 150)
        samples = (galaxies(60, rng), galaxies(60, rng, structure=0.4))
        found.append(combine_fractions([real.fraction(real.model.z(*s), s[1]) for s in samples], (1, -1)))
    assert np.mean([each.value for each, _ in found]) == pytest.approx(0.6, abs=0.1)
    assert np.mean([p < 0.05 for _, p in found]) > 0.7
    assert np.mean([each.low <= 0.6 <= each.high for each, _ in found]) >= 0.88


def test_the_error_of_the_reference_cancels_between_sets_alike():
    """Two sets of very many galaxies differ by nothing, though each lies off 1 by the reference's error."""
    rng = np.random.default_rng(2)
    real = reference(rng, 40)
    pair = [real.fraction(real.model.z(*each), each[1]) for each in (galaxies(20_000, rng) for _ in "ab")]
    alone, both = combine_fractions(pair[:1], (1,))[0], combine_fractions(pair, (1, -1))[0]
    assert both.error < 0.1 * alone.error
    assert abs(both.value) < 0.05


@pytest.mark.parametrize("n", [5, 30])
def test_pairs_of_real_galaxies_and_bins_pass(n):
    rng, paired, binned = np.random.default_rng(n), [], []
    for _ in range(300):
        real = reference(rng)
        score, x = galaxies(n, rng)
        z, partners = real.model.z(score, x), rng.permutation(80)[:n]
        bright = real.conditions[:, 0] > np.median(real.conditions[:, 0])
        paired.append(real.test_pairs(z, x, real.z[partners], real.conditions[partners]).p_value)
        binned.append(real.test(z, x, among=bright).p_value)
    assert np.mean(np.array(paired) < 0.05) <= 0.08
    assert np.mean(np.array(binned) < 0.05) <= 0.08


def test_pairs_find_what_is_missing():
    rng = np.random.default_rng(3)
    real = reference(rng, 150)
    score, x = galaxies(100, rng, structure=0.3)
    found = real.test_pairs(real.model.z(score, x), x, real.z[:100], real.conditions[:100])
    assert found.p_value < 0.01
    assert found.low < 0.3 < found.high < 1


def test_a_further_condition_takes_out_what_it_explains():
    """A score that falls with redshift, and a nearer set: clumpier until redshift is a condition."""
    rng = np.random.default_rng(4)
    real, x = galaxies(150, rng)
    score, u = galaxies(60, rng)
    far, near = rng.normal(0, 1, 150), rng.normal(-0.8, 0.5, 60)
    real, score, nothing = real - far, score - near, np.full(150, np.nan)
    blind = fit_reference(real, x, nothing, np.full((150, 2), np.nan), rng)
    assert blind.test(blind.model.z(score, u), u).p_value < 0.01
    x, u = np.column_stack([x, far]), np.column_stack([u, near])
    told = fit_reference(real, x, nothing, np.full((150, 3), np.nan), rng)
    assert told.test(told.model.z(score, u), u).p_value > 0.05
    assert told.model.mean[3] == pytest.approx(-1, abs=0.3)  # in units of the 16-84 % range
