import numpy as np
import pytest
from scipy import stats

from simcompare.statistics.permutation import permuted_difference


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
