"""Differences between samples of galaxies: known answers, honest intervals."""

import numpy as np
import pytest
from scipy import stats

from simcompare.comparison.headline import split_differences
from simcompare.statistics import resampling
from simcompare.statistics.means import (
    LEAST_VARIANCE,
    Clustered,
    _resampled_moments,
    bootstrap_means,
    difference_of_means,
    galaxy_means,
    mean_of,
)
from simcompare.statistics.resampling import blocks, resampled_means, resamples
from simcompare.statistics.two_sample import two_sample


def sample(values, galaxy=None):
    return Clustered.of(values, np.arange(len(values)) if galaxy is None else galaxy)


@pytest.fixture(scope="module")
def shifted():
    rng = np.random.default_rng(1)
    ours, real = sample(rng.normal(-1, 1, 4000)), sample(rng.normal(0, 1, 4000))
    return two_sample(ours, real, rng, n_bootstrap=200)


@pytest.mark.parametrize(
    ("name", "truth", "tolerance"),
    [
        ("delta_mean", -1.0, 0.07),
        ("delta_median", -1.0, 0.09),
        ("auc", stats.norm.cdf(1 / np.sqrt(2)), 0.02),
        ("ks", 2 * stats.norm.cdf(0.5) - 1, 0.04),
        ("wasserstein", 1.0, 0.07),
        ("overlap", 2 * stats.norm.cdf(-0.5), 0.05),
    ],
)
def test_shifted_gaussians_give_the_exact_differences(shifted, name, truth, tolerance):
    assert shifted[name].value == pytest.approx(truth, abs=tolerance)
    assert shifted[name].low < truth < shifted[name].high


def test_statistics_agree_with_scipy():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 61), rng.normal(0.4, 2, 83)
    ours = two_sample(sample(a), sample(b), rng, n_bootstrap=10)
    assert ours["ks"].value == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert ours["wasserstein"].value == pytest.approx(stats.wasserstein_distance(a, b))
    u = stats.mannwhitneyu(b, a).statistic / (a.size * b.size)
    assert ours["auc"].value == pytest.approx(u)
    grid = np.sort(np.concatenate([a, b]))
    gap = np.array([np.mean(a <= x) - np.mean(b <= x) for x in grid])
    weight = np.isin(grid, a) / (2 * a.size) + np.isin(grid, b) / (2 * b.size)
    assert ours["cramer_von_mises"].value == pytest.approx(np.sum(gap**2 * weight))


def test_ties_count_half():
    values = two_sample(sample([1.0, 1, 1]), sample([1.0, 1]), np.random.default_rng(0), n_bootstrap=10)
    assert values["auc"].value == pytest.approx(0.5)
    assert values["overlap"].value == pytest.approx(1.0)


def test_a_sample_against_itself_differs_by_zero():
    values = np.random.default_rng(3).normal(size=50)
    same = two_sample(sample(values), sample(values), np.random.default_rng(0), n_bootstrap=50)
    assert same["delta_mean"].value == 0
    assert same["ks"].value == 0
    assert same["wasserstein"].value == 0
    assert same["auc"].value == pytest.approx(0.5)
    assert same["overlap"].value == pytest.approx(1)
    assert same["delta_mean"].low < 0 < same["delta_mean"].high


def test_swapping_the_samples_flips_the_sign():
    rng = np.random.default_rng(4)
    a, b = sample(rng.normal(size=40)), sample(rng.normal(1, 2, 70))
    forth, back = (two_sample(*pair, np.random.default_rng(0), n_bootstrap=20) for pair in ((a, b), (b, a)))
    assert forth["delta_mean"].value == pytest.approx(-back["delta_mean"].value)
    assert forth["delta_median"].value == pytest.approx(-back["delta_median"].value)
    assert forth["auc"].value == pytest.approx(1 - back["auc"].value)
    for name in ("ks", "wasserstein", "overlap", "cramer_von_mises"):
        assert forth[name].value == pytest.approx(back[name].value)


def test_order_of_rows_changes_nothing():
    rng = np.random.default_rng(5)
    values, galaxy = rng.normal(size=60), np.repeat([f"g{i}" for i in range(20)], 3)
    real = sample(rng.normal(size=30))
    shuffled = rng.permutation(60)
    first, second = (
        two_sample(Clustered.of(values[i], galaxy[i]), real, np.random.default_rng(0), n_bootstrap=100)
        for i in (slice(None), shuffled)
    )
    for name in first:
        assert first[name].low == pytest.approx(second[name].low, abs=1e-12)
        assert first[name].high == pytest.approx(second[name].high, abs=1e-12)


def test_views_of_one_galaxy_are_not_independent():
    rng = np.random.default_rng(6)
    galaxies = rng.normal(size=40)
    values, galaxy = np.repeat(galaxies, 10) + rng.normal(0, 0.05, 400), np.repeat(np.arange(40), 10)
    real = sample(rng.normal(size=400))
    nested = difference_of_means(Clustered.of(values, galaxy), real, rng)
    naive = difference_of_means(sample(values), real, rng)
    assert nested.error > 2 * naive.error
    assert nested.error == pytest.approx(np.hypot(1 / np.sqrt(40), 1 / np.sqrt(400)), rel=0.3)


def test_every_galaxy_weighs_the_same():
    assert galaxy_means([0, 0, 0, 4.0], ["a", "a", "a", "b"]).tolist() == [0, 4]
    ours = two_sample(
        Clustered.of([0, 0, 0, 4.0], ["a", "a", "a", "b"]),
        sample([0.0, 0]),
        np.random.default_rng(0),
        n_bootstrap=5,
    )
    assert ours["delta_mean"].value == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("n", "draw"), [(3, "normal"), (8, "normal"), (8, "exponential"), (60, "exponential")]
)
def test_mean_of_few_galaxies_is_covered_without_waste(n, draw):
    """Between 92 and 98 % (three galaxies: 90), and for many galaxies no wider than Student's interval."""
    rng, hits, width, n_populations = np.random.default_rng(n), 0, [], 400
    for _ in range(n_populations):
        ours, real = (getattr(rng, draw)(size=size) for size in (n, 100))
        found = difference_of_means(sample(ours), sample(real), rng, n_bootstrap=300)
        hits += found.low <= 0 <= found.high
        student = stats.ttest_ind(ours, real, equal_var=False).confidence_interval(0.95)
        width.append((found.high - found.low) / (student.high - student.low))
    spread = 2 * np.sqrt(0.95 * 0.05 / n_populations)
    assert (0.90 if n == 3 else 0.92) - spread < hits / n_populations < 0.98 + spread
    assert np.median(width) < (1.1 if n == 60 else 2.5)


@pytest.mark.parametrize("n", [10, 100])
def test_intervals_cover_at_their_rate(n):
    rng = np.random.default_rng(n)
    truth = {"delta_mean": -0.5, "auc": stats.norm.cdf(0.5 / np.sqrt(2)), "wasserstein": 0.5}
    hits = dict.fromkeys(truth, 0)
    n_populations = 200
    for _ in range(n_populations):
        result = two_sample(
            sample(rng.normal(-0.5, 1, n)), sample(rng.normal(0, 1, 2 * n)), rng, n_bootstrap=400
        )
        for name, value in truth.items():
            hits[name] += result[name].low <= value <= result[name].high
    spread = 3 * np.sqrt(0.95 * 0.05 / n_populations)
    assert hits["delta_mean"] / n_populations == pytest.approx(0.95, abs=spread)
    assert hits["auc"] / n_populations == pytest.approx(0.95, abs=spread)
    assert hits["wasserstein"] / n_populations > 0.95 - spread  # conservative by construction


def test_one_galaxy_has_no_interval_and_does_not_crash():
    lone = Clustered.of([1.0, 2.0], ["a", "a"])
    result = two_sample(lone, sample([0.0, 1, 2]), np.random.default_rng(0))
    assert result["delta_mean"].value == pytest.approx(0.5)
    assert all(np.isnan(estimate.low) for estimate in result.values())


def test_what_is_not_finite_is_left_out():
    with_gaps = Clustered.of([np.nan, 1.0, np.inf, 3.0], list("abcd"))
    assert with_gaps.values.tolist() == [1, 3]
    assert with_gaps.n_galaxies == 2
    with pytest.raises(ValueError, match="none of the 2 values is finite"):
        Clustered.of([np.nan, np.nan], list("ab"))
    with pytest.raises(ValueError, match="one galaxy name for each value"):
        Clustered.of([1.0, 2.0], ["a"])


def test_very_many_galaxies_are_grouped_without_changing_the_answer():
    rng = np.random.default_rng(7)
    n = 12000
    a, b = sample(rng.normal(-0.2, 1, n)), sample(rng.normal(0, 1, n))
    result = two_sample(a, b, rng, n_bootstrap=400)
    standard = np.sqrt(2 / n)
    assert result["delta_mean"].error == pytest.approx(standard, rel=0.1)
    assert result["delta_median"].error == pytest.approx(standard * np.sqrt(np.pi / 2), rel=0.2)
    assert difference_of_means(a, b, rng, n_bootstrap=400).error == pytest.approx(standard, rel=0.1)
    assert result["auc"].low < stats.norm.cdf(0.2 / np.sqrt(2)) < result["auc"].high


def test_ks_statistic_is_scipys_and_serves_single_galaxies():
    from scipy.stats import ks_2samp

    from simcompare.statistics.two_sample import ks_statistic

    rng = np.random.default_rng(5)
    first, second = rng.normal(size=40), rng.normal(0.4, 1, size=25)
    assert ks_statistic(first, second) == pytest.approx(ks_2samp(first, second).statistic)
    assert ks_statistic(first[:1], second[:1]) == 1
    assert ks_statistic(first, first) == 0


def test_resamples_drawn_in_blocks_are_those_drawn_at_once(monkeypatch):
    values = np.random.default_rng(0).normal(size=(41, 2))

    def drawn(block):
        monkeypatch.setattr(resampling, "BLOCK", block)
        return [
            resampled_means(values, 37, 50, np.random.default_rng(1)),
            np.array(list(resamples(41, 50, np.random.default_rng(2)))),
            *split_differences(values[:, 0], np.random.default_rng(3), 50),
        ]

    whole = drawn(10**6)
    np.testing.assert_array_equal(whole[1].sum(axis=1), 41)
    for one, other in zip(whole, drawn(200), strict=True):
        np.testing.assert_array_equal(one, other)


def test_moments_of_resamples_are_those_of_the_drawn_galaxies():
    """Mean and squared standard error of each resample, written out galaxy by galaxy."""
    means = np.random.default_rng(0).lognormal(size=23) + 100
    mean, variance = _resampled_moments(means, np.random.default_rng(1), 40)
    for k, counts in enumerate(resamples(23, 40, np.random.default_rng(1))):
        drawn = np.repeat(means, counts)
        assert mean[k] == pytest.approx(drawn.mean())
        assert variance[k] == pytest.approx(drawn.var(ddof=1) / 23)


def test_mean_of_paired_differences_is_student_s_or_wider():
    rng = np.random.default_rng(2)
    for n in (2, 3, 40):
        values = rng.normal(3, 1, n)
        found = mean_of(sample(values), rng, n_bootstrap=200)
        student = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert found.value == pytest.approx(values.mean())
        assert found.error == pytest.approx(stats.sem(values))
        assert found.low <= student.low + 1e-9
        assert found.high >= student.high - 1e-9

    none = mean_of(sample(np.full(6, 2.0)), rng, n_bootstrap=200)
    assert (none.value, none.low, none.high, none.error) == (2, 2, 2, 0)
    assert np.isnan(mean_of(sample([2.0]), rng).low)


def test_interval_of_a_skewed_difference_is_the_studentised_bootstrap_s():
    """Beyond Student's on the side of the tail; against Efron & Tibshirani's recipe, written out."""
    rng = np.random.default_rng(3)
    ours, real = rng.lognormal(0, 1.5, 15), rng.normal(size=60)
    found = difference_of_means(sample(ours), sample(real), np.random.default_rng(4), n_bootstrap=999)
    again, units = np.random.default_rng(4), []
    draws = [list(resamples(n, 999, again)) for n in (15, 60)]
    error = np.sqrt(ours.var(ddof=1) / 15 + real.var(ddof=1) / 60)
    for counts, others in zip(*draws, strict=True):
        first, second = np.repeat(ours, counts), np.repeat(real, others)
        spread = np.sqrt(max(first.var(ddof=1) / 15 + second.var(ddof=1) / 60, LEAST_VARIANCE * error**2))
        units.append((first.mean() - second.mean() - found.value) / spread)
    student = stats.ttest_ind(ours, real, equal_var=False).confidence_interval(0.95)
    low, high = np.quantile(units, [0.025, 0.975])
    assert found.error == pytest.approx(error)
    assert found.low == pytest.approx(min(student.low, found.value - high * error))
    assert found.high == pytest.approx(max(student.high, found.value - low * error))
    assert found.high > student.high + 0.1 * error


def test_bootstrap_of_means_keeps_mean_and_error_in_groups_too(monkeypatch):
    from simcompare.statistics import means

    values = np.random.default_rng(5).normal(2, 3, 300)
    for most in (4000, 100):
        monkeypatch.setattr(means, "MOST_UNITS", most)
        found = bootstrap_means(sample(values), np.random.default_rng(6), 3000)
        assert found.mean() == pytest.approx(values.mean(), abs=0.02)
        assert found.std() == pytest.approx(values.std() / np.sqrt(300), rel=0.15 if most == 100 else 0.05)


def test_blocks_hold_all_rows_and_no_more_numbers_than_told():
    for n, row, most in ((10, 3, 7), (10, 100, 7), (10, 0, 7), (0, 3, 7), (7, 2, 6)):
        found = list(blocks(n, row, most))
        assert sum(found) == n
        assert all(each >= 1 and (each * row <= most or each == 1) for each in found)
    assert list(blocks(10, 3, 7)) == [2, 2, 2, 2, 2]
    assert list(blocks(10, 0, 7)) == [7, 3]


def test_resampled_means_are_unbiased_with_the_error_of_their_size():
    values = np.random.default_rng(7).normal(5, 2, (50, 2))
    for size in (5, 80):
        found = resampled_means(values, size, 6000, np.random.default_rng(8))
        assert found.shape == (6000, 2)
        assert found.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.05)
        assert found.std(axis=0) == pytest.approx(values.std(axis=0) / np.sqrt(size), rel=0.05)
