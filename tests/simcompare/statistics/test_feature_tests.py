"""Two-sample tests: uniform p-values for equal samples, power for unequal ones, known values."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist

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


def test_error_of_the_area_is_that_of_hanley_and_mcneil():
    """By hand for 0.8 and ten rows; for 0.5 that of Mann and Whitney's statistic."""
    assert twosample._area_error(0.8, 10) == pytest.approx(np.sqrt(1.04) / 10)
    assert twosample._area_error(0.5, 7) == pytest.approx(np.sqrt(15 / (12 * 49)))
    assert twosample._area_error(1.0, 7) == 0


def test_areas_count_pairs_and_half_of_the_ties():
    rng = np.random.default_rng(12)
    predicted, labels = rng.integers(0, 6, (20, 3)).astype(float), np.repeat([1.0, -1.0], [8, 12])[:, None]
    first, second = predicted[:8, None], predicted[None, 8:]
    expected = ((first > second) + 0.5 * (first == second)).mean(axis=(0, 1))
    found = twosample._areas(predicted, np.tile(labels, 3))
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("n", [2, 3, 4, 21, 22, 60])
@pytest.mark.parametrize("pairs", [7, 250_000])
def test_median_distance_is_that_of_all_pairs(n, pairs, monkeypatch):
    monkeypatch.setattr(twosample, "PAIRS", max(pairs, n))
    rows = np.random.default_rng(n).normal(size=(n, 3))
    assert twosample._median_distance(rows) == pytest.approx(np.median(pdist(rows)), rel=1e-12)
    equal = np.round(rows)  # many distances on one value
    assert twosample._median_distance(equal) == pytest.approx(np.median(pdist(equal)), rel=1e-9)


def test_distances_come_in_blocks_with_the_number_of_their_first(monkeypatch):
    monkeypatch.setattr(twosample, "PAIRS", 24)
    points, members = np.random.default_rng(0).normal(size=(2, 8, 2))
    found = list(twosample.distances(points, members))
    assert [(start, part.shape) for start, part in found] == [(0, (3, 8)), (3, (3, 8)), (6, (2, 8))]
    np.testing.assert_array_equal(np.concatenate([part for _, part in found]), cdist(points, members))


def test_quantiles_are_those_of_hazen_and_distances_those_of_scipy():
    rng = np.random.default_rng(13)
    first, second = rng.normal(0.4, 1.5, (23, 4)), rng.normal(size=(31, 4))
    levels = np.linspace(0, 1, 41)
    expected = np.quantile(first, levels, axis=0, method="hazen")
    np.testing.assert_allclose(twosample._quantiles(first, levels), expected)
    middles = (np.arange(200) + 0.5) / 200
    gap = [np.quantile(each, middles, axis=0, method="hazen") for each in (first, second)]
    np.testing.assert_allclose(twosample._quantile_gap(first, second), gap[0] - gap[1])
    exact = np.mean([stats.wasserstein_distance(a, b) for a, b in zip(first.T, second.T, strict=True)])
    rows, is_first = np.concatenate([first, second]), np.arange(54) < 23
    value, null = twosample._permuted_distances(rows, is_first, rng, 40)
    assert value == pytest.approx(exact)
    assert len(null) == 40
    assert 0 < np.median(null) < value


def test_fit_is_ridge_regression_without_the_fold():
    """By least squares of the rows with the root of the pull below them; on fewer and on more rows."""
    rng = np.random.default_rng(14)
    for n_features in (4, 40):
        features, labels = rng.normal(size=(30, n_features)), rng.choice([-1.0, 1.0], (30, 2))
        fold = np.arange(30) % 3
        found = twosample._cross_predicted(features, labels, fold)
        train = fold != 1
        pull = np.sqrt(1e-3 * np.sqrt(20)) * np.eye(n_features)
        target = np.concatenate([labels[train], np.zeros((n_features, 2))])
        fit = np.linalg.lstsq(np.concatenate([features[train], pull]), target, rcond=None)[0]
        np.testing.assert_allclose(found[~train], features[~train] @ fit, atol=1e-9)


def test_random_features_make_up_a_gaussian_kernel_of_the_median_distance():
    rows = np.random.default_rng(15).normal(size=(60, 3))
    found = twosample._random_features(rows, np.random.default_rng(0))
    assert found.shape == (60, 1 + 3 + 256)
    assert (found[:, 0] == 1).all()
    np.testing.assert_allclose(found[:, 1:4], 0.1 * rows)
    kernel = np.exp(-0.5 * (cdist(rows, rows) / np.median(pdist(rows))) ** 2)
    assert np.sqrt(np.mean((found[:, 4:] @ found[:, 4:].T - kernel) ** 2)) < 0.07  # 1 / sqrt(256)


@pytest.mark.parametrize("test", TESTS)
def test_results_say_what_was_used(test):
    rng = np.random.default_rng(16)
    found = test(rng.normal(size=(30, 2)), rng.normal(size=(40, 2)), rng, n_permutations=50)
    n = 30 if test is classifier_test else 40
    assert (found.n_first, found.n_second) == (30, n)
    assert found.note == ("30 rows of each sample, drawn at random" if test is classifier_test else "")
    assert test(*np.zeros((2, 30, 2)), rng, n_permutations=9).note == ""
    assert np.isfinite(found.null_95)
    if test is classifier_test:
        error = found.high - found.value
        assert found.value - found.low == pytest.approx(error)
        assert error >= 1.96 * twosample._area_error(found.value, 30)
        assert 0.5 < found.null_95 < 0.75
        apart = test(rng.normal(size=(30, 1)), rng.normal(9, 1, (30, 1)), rng, n_permutations=20)
        assert apart.high == apart.value == 1


def wilson(k, n):
    """Wilson's interval of a share, by its formula."""
    z, share = stats.norm.ppf(0.975), k / n
    middle, reach = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)


def test_coverage_is_a_count_in_balls_to_the_fifth_neighbour():
    """By a loop, with the halves that the stream draws; Fisher's p-value by hand."""
    rng = np.random.default_rng(17)
    ours, real = rng.normal(0.8, 1, (40, 2)), rng.normal(size=(51, 2))
    found = coverage_tests(ours, real, np.random.default_rng(3))
    stream = np.random.default_rng(3)
    for result, points, own in zip(found, (ours, real), (real, ours), strict=True):
        order = stream.permutation(len(own))
        half = own[order[: len(own) // 2]]
        reach = np.sort(cdist(half, half), axis=1)[:, 5]
        inside = [(cdist(each, half) <= reach).any(axis=1) for each in (points, own[order[len(own) // 2 :]])]
        k = int(inside[0].sum())
        assert result.value == k / len(points)
        assert (result.low, result.high) == pytest.approx(wilson(k, len(points)))
        table = [[k, len(points) - k], [int(inside[1].sum()), int((~inside[1]).sum())]]
        n, n_in = len(points) + len(inside[1]), k + int(inside[1].sum())
        tail = stats.hypergeom(n, n_in, len(points)).pmf(np.arange(len(points) + 1))
        assert result.p_value == pytest.approx(tail[tail <= tail[table[0][0]] * (1 + 1e-9)].sum(), rel=1e-6)
        assert (result.n_first, result.n_second) == (40, 51)
        assert result.note.endswith(f": {inside[1].mean():.2f}")


def test_shares_near_real_galaxies_are_counted(monkeypatch):
    """Real ones are 1, 2, ..., 20 away: their quantile is 19.05; of four rows three are no farther."""
    known, ours = cKDTree(np.zeros((3, 1))), np.array([[0.5], [3.5], [-19.0], [19.1]])
    real = np.arange(1.0, 21)[:, None]
    monkeypatch.setattr("simcompare.statistics.coverage.AT_ONCE", 3)
    found = nearest_test(ours, real, known)
    assert found.value == 0.75
    assert (found.low, found.high) == pytest.approx(wilson(3, 4))
    assert found.p_value == pytest.approx(stats.mannwhitneyu([0.5, 3.5, 19, 19.1], real[:, 0]).pvalue)
    assert (found.n_first, found.n_second, found.note) == (4, 20, "real: 0.95")


def test_the_interval_of_the_area_is_as_wide_as_exchanged_labels_scatter():
    """Rows, labels and folds drawn once more from the same stream."""
    first, second = np.random.default_rng(20).normal(size=(2, 12, 2))
    found = classifier_test(first, second + 1.0, np.random.default_rng(21), n_permutations=6)
    rng, label = np.random.default_rng(21), np.repeat([1.0, -1.0], 12)
    labels = np.column_stack([label, *(rng.permutation(label) for _ in range(6))])
    features = twosample._random_features(np.concatenate([first, second + 1.0]), rng)
    area = twosample._areas(twosample._cross_predicted(features, labels, rng.permutation(24) % 5), labels)
    scatter = np.std(area[1:]) / twosample._area_error(0.5, 12)
    reach = 1.96 * twosample._area_error(area[0], 12) * max(1.0, scatter)
    assert scatter > 1  # else nothing is tested
    assert found.value == area[0]
    assert found.low == pytest.approx(max(area[0] - reach, 0))
    assert found.high == pytest.approx(min(area[0] + reach, 1))
    assert found.null_95 == pytest.approx(np.quantile(area[1:], 0.95))
