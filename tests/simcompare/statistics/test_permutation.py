import numpy as np
import pytest
from scipy import stats

from simcompare.statistics.permutation import permuted_difference, permuted_p_value


def heavy(n, rng):
    """Skewed values, of which one in ten holds most of the sum."""
    return np.exp(1.5 * rng.normal(size=n))


@pytest.mark.parametrize("n", [5, 10, 30])
def test_interval_and_p_value_hold_for_few_skewed_galaxies(n):
    rng = np.random.default_rng(n)
    covers, alarms = [], []
    for _ in range(250):
        difference, p = permuted_difference(heavy(n, rng), heavy(80, rng), rng)
        covers.append(difference.low <= 0 <= difference.high)
        alarms.append(p < 0.05)
    assert 0.92 <= np.mean(covers) <= 0.98
    assert 0.02 <= np.mean(alarms) <= 0.08


def test_interval_is_that_of_student_for_normal_values():
    rng = np.random.default_rng(0)
    ours, real = rng.normal(1, 1, 60), rng.normal(0, 1, 80)
    difference, p = permuted_difference(ours, real, rng)
    exact = stats.ttest_ind(ours, real)
    bounds = exact.confidence_interval()
    assert difference.value == pytest.approx(ours.mean() - real.mean())
    assert difference.low == pytest.approx(bounds.low, abs=0.04)
    assert difference.high == pytest.approx(bounds.high, abs=0.04)
    assert p == pytest.approx(1 / 5000)  # the least of 4999 permutations


def test_a_shift_moves_the_interval_and_nothing_else():
    rng = np.random.default_rng(1)
    ours, real = heavy(20, rng), heavy(50, rng)
    first, _ = permuted_difference(ours, real, np.random.default_rng(2))
    second, _ = permuted_difference(ours + 10, real, np.random.default_rng(2))
    assert second.low - first.low == pytest.approx(10, abs=1e-6)
    assert second.high - first.high == pytest.approx(10, abs=1e-6)


def test_large_samples_are_welch_s_and_single_galaxies_have_no_interval():
    rng = np.random.default_rng(3)
    ours, real = rng.normal(size=1500), rng.normal(size=1500)
    difference, p = permuted_difference(ours, real, rng)
    assert p == pytest.approx(stats.ttest_ind(ours, real, equal_var=False).pvalue)
    assert difference.low < difference.value < difference.high
    single, p = permuted_difference(ours[:1], real, rng)
    assert np.isnan([single.low, single.high, p]).all()


def test_error_and_bounds_of_few_galaxies_are_those_of_all_their_deals():
    """Every one of the 56 ways to deal three of eight values; bounds where the exact p-value crosses."""
    from itertools import combinations

    ours, real = np.array([1.0, 2.5, 7.0]), np.array([0.2, 0.9, 1.4, 3.0, 3.1])
    found, p = permuted_difference(ours, real, np.random.default_rng(0), confidence=0.8)
    assert found.error == pytest.approx(np.sqrt(np.var(ours, ddof=1) / 3 + np.var(real, ddof=1) / 5))

    def exact(shift):
        pooled, observed = np.concatenate([ours - shift, real]), ours.mean() - shift - real.mean()
        dealt = [pooled[list(c)].mean() - np.delete(pooled, c).mean() for c in combinations(range(8), 3)]
        return np.mean(np.abs(dealt) >= abs(observed) - 1e-12)

    assert p == pytest.approx(exact(0.0), abs=0.03)
    for bound, inward in ((found.low, 0.15), (found.high, -0.15)):
        assert exact(bound + inward) > 0.2 - 0.03
        assert exact(bound - inward) < 0.2 + 0.03


def test_p_value_is_the_share_that_reaches_it_itself_counted_until_nine_do():
    permuted = np.random.default_rng(1).normal(size=199)
    ordered = np.sort(permuted)
    for reached in (199, 57, 10):
        assert permuted_p_value(ordered[-reached], permuted) == (1 + reached) / 200
    # Nine: the tail of the three moments, at most the share of ten.
    skewness = max(stats.skew(permuted, bias=False), 0)
    tail = stats.pearson3.sf((ordered[-9] - permuted.mean()) / permuted.std(ddof=1), skewness)
    assert permuted_p_value(ordered[-9], permuted) == pytest.approx(min(tail, 11 / 200), rel=1e-12)
    assert permuted_p_value(1e3, permuted) == 1e-7


def test_p_value_of_few_or_equal_permutations_is_their_share():
    assert permuted_p_value(2.0, np.arange(19.0) / 19) == 1 / 20
    assert permuted_p_value(2.0, np.zeros(400)) == 1 / 401
    assert permuted_p_value(0.0, np.zeros(400)) == 1
    assert permuted_p_value(0.5, np.ones(1)) == 1
    assert permuted_p_value(1.5, np.ones(1)) == 0.5
