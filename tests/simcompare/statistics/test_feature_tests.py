"""Two-sample tests: uniform p-values for equal samples, power for unequal ones, known values."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from simcompare.comparison.features import standardise
from simcompare.statistics import feature_tests as twosample
from simcompare.statistics.coverage import coverage_tests, nearest_test
from simcompare.statistics.feature_tests import (
    classifier_test,
    energy_test,
    kernel_test,
    sliced_test,
)
from simcompare.statistics.permutation import permuted_p_value

TESTS = [classifier_test, kernel_test, energy_test, sliced_test]


@pytest.mark.parametrize("test", TESTS)
def test_p_values_of_equal_samples_are_uniform(test):
    rng = np.random.default_rng(0)
    n_splits = 60 if test is classifier_test else 200
    p_values = [
        test(rng.normal(size=(30, 3)), rng.normal(size=(40, 3)), rng, n_permutations=99).p_value
        for _ in range(n_splits)
    ]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_the_interval_of_the_classifier_covers_the_mean_area(shift):
    rng = np.random.default_rng(1)
    mean = np.array([shift, 0, 0, 0])
    samples = ((rng.normal(mean, 1, (40, 4)), rng.normal(size=(40, 4))) for _ in range(200))
    found = [classifier_test(*pair, rng, n_permutations=60) for pair in samples]
    truth = np.mean([each.value for each in found]) if shift else 0.5
    assert 0.92 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.99


@pytest.mark.parametrize("test", TESTS)
def test_a_shift_is_found(test):
    rng = np.random.default_rng(1)
    result = test(rng.normal(0.6, 1, (150, 4)), rng.normal(size=(200, 4)), rng, n_permutations=99)
    assert result.p_value < 1e-4  # 99 permutations and the tail of their moments
    assert result.value > result.null_95


@pytest.mark.parametrize("test", TESTS)
def test_a_difference_of_shape_alone_is_found(test):
    rng = np.random.default_rng(2)
    ring = rng.normal(size=(400, 2))
    ring *= (1.5 + 0.1 * rng.normal(size=(400, 1))) / np.linalg.norm(ring, axis=1, keepdims=True)
    assert test(ring, rng.normal(size=(400, 2)) * 1.06, rng, n_permutations=99).p_value < 0.03


def test_classifier_reaches_the_best_possible_area():
    rng = np.random.default_rng(3)
    first, second = rng.normal(1, 1, (1500, 1)), rng.normal(0, 1, (1500, 1))
    result = classifier_test(first, second, rng, n_permutations=20)
    best = stats.norm.cdf(1 / np.sqrt(2))
    assert result.value == pytest.approx(best, abs=0.02)
    assert result.low < best < result.high + 0.005
    equal = classifier_test(rng.normal(size=(500, 3)), rng.normal(size=(500, 3)), rng, n_permutations=20)
    assert equal.low < 0.5 < equal.high


def test_energy_distance_agrees_with_scipy_in_one_dimension():
    rng = np.random.default_rng(4)
    a, b = rng.normal(1, 1, 1500), rng.normal(0, 2, 1500)
    exact = stats.energy_distance(a, b) ** 2
    assert energy_test(a[:, None], b[:, None], rng, n_permutations=9).value == pytest.approx(exact, rel=0.05)


def test_sliced_distance_of_a_shift_is_its_mean_projection():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(800, 1))
    shifted = sliced_test(rows + 0.7, rows, rng, n_permutations=5)
    assert shifted.value == pytest.approx(0.7, rel=1e-6)


def covered(ours, real, rng):
    return {each.name: each for each in coverage_tests(ours, real, rng)}


def test_coverage_goes_both_ways():
    rng = np.random.default_rng(6)
    real = rng.normal(size=(800, 2))
    narrow = covered(0.3 * rng.normal(size=(400, 2)), real, rng)
    assert narrow["simulated inside real"].value > 0.97
    assert narrow["real inside simulated"].value < 0.5
    assert narrow["real inside simulated"].p_value < 1e-10
    wide = covered(4 * rng.normal(size=(400, 2)), real, rng)
    assert wide["simulated inside real"].value < 0.5
    assert wide["simulated inside real"].p_value < 1e-10
    few = covered(real[:8], real[8:], rng)
    assert set(few) == {"simulated inside real"}


def test_coverage_of_equal_samples_raises_few_alarms():
    rng = np.random.default_rng(9)
    pairs = [covered(rng.normal(size=(80, 3)), rng.normal(size=(120, 3)), rng) for _ in range(300)]
    for name in ("simulated inside real", "real inside simulated"):
        assert 0.005 <= np.mean([pair[name].p_value < 0.05 for pair in pairs]) <= 0.09  # Fisher's is cautious


@pytest.mark.parametrize(
    "null", [stats.norm(), stats.gamma(2.0), stats.gamma(0.7)], ids=["normal", "gamma 2", "gamma 0.7"]
)
def test_a_small_p_value_is_that_of_the_tail(null):
    rng = np.random.default_rng(10)
    for exact in (1e-2, 1e-3, 1e-5):
        found = [permuted_p_value(null.isf(exact), null.rvs(499, random_state=rng)) for _ in range(100)]
        assert exact / 4 < np.exp(np.median(np.log(found))) < exact * 4
    assert permuted_p_value(null.isf(0.3), null.rvs(999, random_state=rng)) == pytest.approx(0.3, abs=0.05)


def test_fits_by_the_small_and_the_large_matrix_agree():
    rng = np.random.default_rng(11)
    features, labels = rng.normal(size=(60, 40)), rng.choice([-1.0, 1.0], (60, 3))
    fold = np.arange(60) % 5
    found = twosample._cross_predicted(features, labels, fold)  # 48 rows of 40 features
    wide = np.concatenate([features, np.zeros((60, 30))], axis=1)  # 48 of 70, of which 30 say nothing
    np.testing.assert_allclose(twosample._cross_predicted(wide, labels, fold), found, atol=1e-8)


def test_large_samples_are_cut_and_say_so(monkeypatch):
    monkeypatch.setattr(twosample, "LARGEST_SQUARE", 50)
    rng = np.random.default_rng(7)
    first, second = rng.normal(size=(90, 2)), rng.normal(size=(200, 2))
    for test in TESTS:
        assert "drawn at random" in test(first, second, rng, n_permutations=9).note


def test_features_have_the_units_of_a_third_sample_or_of_both():
    rng = np.random.default_rng(8)
    first, second, unit = rng.normal(5, 2, (50, 2)), rng.normal(5, 2, (400, 2)), rng.normal(5, 2, (4000, 2))
    unit[0, 0] = second[0, 0] = np.nan
    ours, real = (each[:] for each in standardise(first, second, unit))
    assert len(real) == 399
    np.testing.assert_allclose(ours, (first - 5) / 2, atol=0.2)
    both = np.concatenate([each[:] for each in standardise(first, second)])
    np.testing.assert_allclose(np.median(both, axis=0), 0, atol=1e-12)
    with pytest.raises(ValueError, match="same features"):
        standardise(first[:, :1], second)


def _mean_of_pairs(function, first, second, *, is_same):
    """Mean of a function of all pairs, of different rows where both samples are one."""
    values = [
        function(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if not (is_same and i == j)
    ]
    return np.mean(values)


@pytest.mark.parametrize("name", ["kernel", "energy"])
def test_distances_of_unequal_samples_are_unbiased_sums_over_pairs(name):
    """Gretton et al. 2012, equation 3, and its energy twin, by a loop over pairs; n and m are unlike."""
    rng = np.random.default_rng(4)
    first, second = rng.normal(0, 1, (9, 2)), rng.normal(0.7, 1.5, (14, 2))
    rows = np.concatenate([first, second])
    width = np.median([np.linalg.norm(rows[i] - rows[j]) for i in range(23) for j in range(i)])

    def similarity(a, b):
        distance = np.linalg.norm(a - b)
        return -distance if name == "energy" else np.exp(-0.5 * (distance / width) ** 2)

    expected = (
        _mean_of_pairs(similarity, first, first, is_same=True)
        + _mean_of_pairs(similarity, second, second, is_same=True)
        - 2 * _mean_of_pairs(similarity, first, second, is_same=False)
    )
    test = twosample.energy_test if name == "energy" else twosample.kernel_test
    assert test(first, second, np.random.default_rng(1), n_permutations=20).value == pytest.approx(expected)


def test_distances_of_equal_samples_to_others_are_equal_and_of_far_ones_are_not():
    alarms, found = [], []
    for k in range(300):
        rng = np.random.default_rng(k)
        known = cKDTree(rng.normal(size=(60, 3)))
        ours, real = rng.normal(size=(20, 3)), rng.normal(size=(50, 3))
        equal = nearest_test(ours, real, known)
        alarms.append(equal.p_value < 0.05)
        found.append(nearest_test(ours + np.array([3.0, 0, 0]), real, known))
    assert 0.02 <= np.mean(alarms) <= 0.08  # 300 draws
    assert np.mean([each.p_value < 0.05 for each in found]) > 0.98
    assert np.mean([each.value for each in found]) < 0.5
    assert equal.name == "near real galaxies"
    assert equal.low < equal.value <= equal.high
    same = nearest_test(np.zeros((4, 3)), np.zeros((6, 3)), cKDTree(np.zeros((5, 3))))
    assert (same.value, same.p_value) == (1.0, 1.0)
