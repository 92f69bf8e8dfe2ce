"""Intervals of both sides, held against closed forms."""

import numpy as np
import pytest
from scipy import stats

from simcompare.statistics.intervals import (
    FINAL,
    Estimate,
    expanded_tail,
    norm_interval,
    percentile_interval,
    student_factor,
    welch_freedom,
    wider,
)


def test_percentiles_of_an_uneven_sample_bound_both_sides():
    """Squares of 0 to 100: quantiles at 5 and 95 per cent are 25 and 9025."""
    squares = np.arange(101.0) ** 2
    found = percentile_interval(2500.0, squares, 0.05)
    error = np.sqrt(np.sum((squares - squares.mean()) ** 2) / 100)
    assert found == Estimate(2500.0, 25.0, 9025.0, pytest.approx(error))


@pytest.mark.parametrize(
    ("factor", "limits", "low", "high"),
    [
        (2.0, (-np.inf, np.inf), 0.1, 0.9),
        (2.0, (0.2, 0.8), 0.2, 0.8),
        (1.0, (0.0, 1.0), 0.3, 0.7),
        (10.0, (0.0, 1.0), 0.0, 1.0),
    ],
)
def test_a_stretched_interval_stays_within_both_limits(factor, limits, low, high):
    found = wider(Estimate(0.5, 0.3, 0.7, 0.1), factor, limits)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.value, found.error) == (0.5, 0.1)


def test_a_value_outside_its_resamples_keeps_an_interval_that_holds_it():
    assert wider(Estimate(0.2, 0.3, 0.7, 0.1), 2.0, (0, 1)).low == 0.2
    assert wider(Estimate(0.8, 0.3, 0.7, 0.1), 2.0, (0, 1)).high == 0.8


def test_a_norm_is_off_by_that_of_the_noise_at_most():
    noise = np.linspace(0.0, 1.0, 101)
    found = norm_interval(2.0, noise, 0.95, 0.95)
    assert (found.low, found.high) == pytest.approx((1.05, 2.95))
    assert found.error == pytest.approx(0.95 / 1.959964, rel=1e-6)
    assert norm_interval(0.5, noise, 0.95, 0.95).low == 0.0


def test_student_for_unequal_samples_is_that_of_scipy():
    """Welch's degrees of freedom, and an interval that is Student's where the bootstrap's is Gauss'."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 1, 7), rng.normal(0, 3, 23)
    result = stats.ttest_ind(first, second, equal_var=False)
    assert welch_freedom(first, second) == pytest.approx(result.df)
    interval = result.confidence_interval(0.95)
    bootstrap = 1.959964 * np.sqrt(first.var() / 7 + second.var() / 23)
    assert student_factor(first, second, 0.95) * bootstrap == pytest.approx(
        (interval.high - interval.low) / 2, rel=1e-6
    )
    assert student_factor(np.ones(5), np.ones(6), 0.95) == 1.0


def test_a_percentile_interval_is_widened_to_students():
    """Ten and ten galaxies of equal scatter: 18 degrees of freedom, t = 2.100922 of any table."""
    sample = np.arange(10.0)
    expected = stats.norm.cdf(-2.100922 * np.sqrt(19 / 18))
    assert expanded_tail(sample, sample + 3, 0.95) == pytest.approx(expected, rel=1e-5)
    assert expanded_tail(sample[:1], sample, 0.95) < 0.025
    assert welch_freedom(np.ones(5), np.ones(7)) == 4.0


def test_norms_become_distances_within_what_each_can_reach():
    """Squares of a root and of its error, at most a third; one minus a variation, its ends exchanged."""
    found = FINAL["cramer_von_mises"](Estimate(0.4, 0.2, 0.5, 0.1))
    assert found == Estimate(
        pytest.approx(0.16), pytest.approx(0.04), pytest.approx(0.25), pytest.approx(0.08)
    )
    assert FINAL["cramer_von_mises"](Estimate(0.1, 0.0, 0.9, 0.3)).high == 1 / 3
    assert FINAL["cramer_von_mises"](Estimate(0.1, 0.0, 0.9, 0.3)).error == pytest.approx(0.18)
    found = FINAL["overlap"](Estimate(0.3, 0.1, 0.6, 0.05))
    assert found == Estimate(pytest.approx(0.7), pytest.approx(0.4), pytest.approx(0.9), 0.05)
    assert FINAL["overlap"](Estimate(0.3, -0.2, 1.3, 0.05)) == Estimate(0.7, 0.0, 1.0, 0.05)
    assert FINAL["ks"](Estimate(0.8, 0.5, 1.2, 0.1)) == Estimate(0.8, 0.5, 1.0, 0.1)
