"""Tests of significance against scipy, their rates against simulation."""

import numpy as np
import pytest
from scipy import stats

from simcompare.statistics.known_equal import draws_of, fails_its_null, known_equal_number, share_below
from simcompare.statistics.means import Clustered
from simcompare.statistics.significance import (
    adjust_claims,
    adjust_p_values,
    detectable_difference,
    trend,
    welch,
)


def sample(values):
    return Clustered.of(values, np.arange(len(values)))


def test_welch_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(0)
    p_values = [welch(sample(rng.normal(size=20)), sample(rng.normal(0, 2, 30))) for _ in range(300)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_welch_of_constants_and_of_one_galaxy():
    assert welch(sample([1.0, 1]), sample([1.0, 1])) == 1
    assert welch(sample([1.0, 1]), sample([2.0, 2])) == 0
    assert np.isnan(welch(sample([1.0]), sample([2.0, 2])))


def test_one_sample_without_spread_is_tested_against_the_other_s():
    values = np.random.default_rng(2).normal(size=20)
    found = welch(sample([-6.0, -6, -6]), sample(values))
    assert found == pytest.approx(stats.ttest_1samp(values, -6.0).pvalue, rel=1e-6)


def test_detectable_difference_is_found_at_the_stated_power():
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(size=40), rng.normal(size=60)) for _ in range(400)]
    least = detectable_difference(sample(rng.normal(size=40000)[:40]), sample(rng.normal(size=60)))
    exact = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * np.sqrt(1 / 40 + 1 / 60)
    assert least == pytest.approx(exact, rel=0.25)
    found = np.mean([welch(sample(a - exact), sample(b)) < 0.05 for a, b in pairs])
    assert found == pytest.approx(0.8, abs=0.06)


def test_holm_and_benjamini_hochberg():
    p_values = [0.01, np.nan, 0.04, 0.03]
    holm = adjust_p_values(p_values)
    assert np.isnan(holm[1])
    assert holm[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_p_values(p_values, "bh")[[0, 2, 3]] == pytest.approx([0.03, 0.04, 0.04])
    with pytest.raises(ValueError, match="choose 'holm' or 'bh'"):
        adjust_p_values(p_values, "bonferoni")


def test_trend_over_generations():
    rng = np.random.default_rng(2)
    rising = [sample(rng.normal(10 * k, 5, 80)) for k in range(3)]
    found = trend(rising, rng, n_bootstrap=300)
    assert found["p_value"] < 1e-6
    assert found["slope"].low < 10 < found["slope"].high
    assert trend(rising[::-1], rng, n_bootstrap=50)["p_value"] > 0.99
    p_values = [
        trend([sample(rng.normal(size=12)) for _ in range(3)], rng, n_bootstrap=10)["p_value"]
        for _ in range(200)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    with pytest.raises(ValueError, match="at least two"):
        trend(rising[:1], rng)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_welch_is_scipy_s_in_any_unit_and_knows_rounding_from_spread(unit):
    """Spread of a part in 10^13 is rounding, of one in 10^10 is not."""
    first, second = unit * np.array([1.0, 2.5, 3.5]), unit * np.array([2.0, 5.0])
    expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert welch(sample(first), sample(second)) == pytest.approx(expected)
    rounded, other = unit * np.array([1.0, 1 + 1e-13]), unit * np.array([1.0, 1 - 1e-13])
    assert welch(sample(rounded), sample(other)) == 1
    assert welch(sample(rounded), sample(other + unit)) == 0
    spread = unit * np.array([1.0, 1 + 1e-10, 1 + 2e-10])
    assert 0.05 < welch(sample(spread), sample(spread + 1e-10 * unit)) < 1


def test_least_difference_by_the_formula_of_the_t_distribution():
    """Of two galaxies in each sample too; none of one."""
    first, second = np.array([1.0, 4.0]), np.array([0.0, 1.0, 5.0])
    a, b = first.var(ddof=1) / 2, second.var(ddof=1) / 3
    freedom = (a + b) ** 2 / (a**2 / 1 + b**2 / 2)
    expected = (stats.t.ppf(0.995, freedom) + stats.t.ppf(0.9, freedom)) * np.sqrt(a + b)
    found = detectable_difference(sample(first), sample(second), significance=0.01, power=0.9)
    assert found == pytest.approx(expected)
    assert np.isnan(detectable_difference(sample(first[:1]), sample(second)))


def test_corrected_p_values_stay_in_order_and_below_one():
    """Holm by its definition: the largest of what came before and n, n - 1, ... times each; at most 1."""
    p_values = np.array([0.3, 0.001, 0.5, 0.02, 0.9])
    expected, largest = np.empty(5), 0.0
    for rank, k in enumerate(np.argsort(p_values)):
        largest = min(1.0, max(largest, (5 - rank) * p_values[k]))
        expected[k] = largest
    assert adjust_p_values(p_values) == pytest.approx(expected)
    assert adjust_p_values(p_values).max() == 1
    assert np.isnan(adjust_p_values([np.nan, np.nan])).all()


def test_slope_of_a_trend_is_that_of_the_means():
    means = [[0.0, 2.0], [4.0, 6.0], [5.0, 5.0, 8.0], [9.0, 1.0]]
    found = trend([sample(each) for each in means], np.random.default_rng(0), n_bootstrap=50)
    slope, _ = np.polyfit(np.arange(4), [np.mean(each) for each in means], 1)
    assert found["slope"].value == pytest.approx(slope)
    order = np.repeat(np.arange(4), [len(each) for each in means])
    tau = stats.kendalltau(order, np.concatenate(means), alternative="greater")
    assert (found["tau"], found["p_value"]) == pytest.approx((tau.statistic, tau.pvalue))
    lone = trend([sample([0.0]), sample([3.0, 5.0])], np.random.default_rng(0))
    assert lone["slope"].value == pytest.approx(4)
    assert np.isnan(lone["slope"].low)


@pytest.mark.parametrize(
    ("n", "reference", "expected"),
    [
        (10, 80, 10),
        (10, 30, 10),
        (11, 30, 0),
        (50, 80, 40),
        (500, 1000, 150),
        (1, 80, 0),
        (2, 80, 2),
        (0, 80, 0),
    ],
)
def test_sets_known_to_be_equal_leave_twenty_galaxies_and_share_none(n, reference, expected):
    assert known_equal_number(n, reference) == expected
    for drawn, others in draws_of(expected, reference, np.random.default_rng(0), 3):
        assert len(drawn) == expected
        assert len(others) == min(reference, 300) - expected
        assert not set(drawn) & set(others)
        assert max(*drawn, *others) < reference


def test_a_test_fails_its_null_where_chance_would_do_so_once_in_a_hundred():
    """Among 200 draws by the binomial distribution: 19 false alarms are too many, 17 are not."""
    many = [k for k in range(201) if stats.binom.sf(k - 1, 200, 0.05) < 0.01]
    assert not fails_its_null((many[0] - 1) / 200, 200)
    assert fails_its_null(many[0] / 200, 200)
    assert not fails_its_null(np.nan, 200)
    assert share_below(lambda drawn, others: drawn / 10, iter([(0, 0), (0.4, 0), (0.5, 0), (1, 0)])) == 0.5
    assert np.isnan(share_below(lambda *_: 0, iter([])))


def test_samples_without_spread_differ_wherever_their_means_do():
    assert welch(sample([1.0, 1.0, 1.0]), sample([1.5, 1.5])) == 0.0
    assert welch(sample([1.5, 1.5, 1.5]), sample([1.5, 1.5])) == 1.0


def test_an_adjusted_p_value_is_never_above_one():
    assert adjust_p_values([0.9, 0.8, 0.2]) == pytest.approx([1.0, 1.0, 0.6])


def test_the_share_of_false_alarms_counts_p_values_below_five_per_cent():
    p_values = iter([0.01, 0.05, 0.3, 0.9])
    assert share_below(lambda *_: next(p_values), draws_of(10, 80, np.random.default_rng(0), 4)) == 0.25


def test_only_claims_count_for_the_correction():
    """Two claims of 0.02 and 0.03 become 0.04 and 0.04 (Holm); the control between them stays."""
    found = adjust_claims([0.02, 0.001, 0.03, np.nan], np.array([True, False, True, True]))
    assert found == pytest.approx([0.04, 0.001, 0.04, np.nan], nan_ok=True)
