"""Tests of significance against scipy, their rates against simulation."""

import numpy as np
import pytest
from scipy import stats

from simcompare.statistics.means import Clustered
from simcompare.statistics.significance import adjust_p_values, detectable_difference, trend, welch


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
