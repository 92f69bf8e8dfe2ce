"""Model comparison: the right simulation wins, probabilities are calibrated, a bad fit is said so."""

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.special import softmax

from simcompare.comparison.model_probabilities import (
    ModelComparison,
    _averaged,
    _calibration,
    _first_views,
    _fit,
    _folds,
    _inside,
    _temperature,
    _twins,
    _warning,
    compare_models,
    posterior_table,
)
from simcompare.scores.record import Scores
from simcompare.statistics.preference import design


def world(real_mean, n=300, seed=0):
    rng = np.random.default_rng(seed)
    means = {"real": real_mean, "one": 0.0, "two": 1.5, "three": -1.5}
    rows, features = [], []
    for name, mean in means.items():
        rows += [
            {
                "galaxy_id": f"{name}{k}",
                "dataset": name,
                "kind": "observed" if name == "real" else "simulated",
                "split": "test",
            }
            for k in range(n)
        ]
        features.append(rng.normal(size=(n, 3)) + np.array([mean, 0, 0]))
    return Table(rows=rows), np.concatenate(features)


def test_the_right_simulation_wins():
    scores, features = world(1.5)
    result = compare_models(Scores.of(scores), features, 1)
    assert result.probabilities["dataset"][0] == "two"
    assert result.probabilities["probability_low"][0] > result.probabilities["probability_high"][1]
    assert result.share_inside > 0.9
    assert result.warning == ""


def test_probabilities_are_those_of_bayes():
    scores, features = world(0.0, n=1500)
    result = compare_models(Scores.of(scores), features, 2)
    x = features[scores["dataset"] == "real", 0]
    density = np.stack([stats.norm.pdf(x, mean) for mean in (0.0, -1.5, 1.5)])  # one, three, two
    order = np.argsort(np.asarray(scores["galaxy_id"])[scores["dataset"] == "real"].astype(str))
    exact = (density / density.sum(axis=0))[0][order]
    np.testing.assert_allclose(result.galaxies["one"], exact, atol=0.12)
    assert result.calibration_error < 0.03
    assert np.all(np.diff(result.calibration["observed"]) > -0.05)


def test_no_fit_is_said_so():
    scores, features = world(9.0)
    result = compare_models(Scores.of(scores), features, 3)
    assert result.share_inside < 0.05
    assert "no simulation fits" in result.warning


def test_prior_and_numbers_of_galaxies():
    scores, features = world(0.0)
    kept = (scores["dataset"] != "two") | (np.arange(len(scores)) % 5 == 0)
    result = compare_models(Scores.of(scores[kept]), features[kept], 4)
    rows = {row["dataset"]: row["probability"] for row in result.probabilities}
    assert rows["two"] == pytest.approx(rows["three"], abs=0.12)
    tilted = compare_models(Scores.of(scores), features, 4, prior={"two": 20.0})
    assert tilted.probabilities["dataset"][0] == "two"


def test_too_little_is_refused():
    scores, features = world(0.0, n=10)
    with pytest.raises(ValueError, match="too few galaxies in one, three, two"):
        compare_models(Scores.of(scores), features, 0)


def test_preference_and_its_trials_stand_in_the_table():
    scores, features = world(1.5, n=80)
    table = compare_models(Scores.of(scores), features, 1).probabilities
    rows = {row["dataset"]: row for row in table}
    assert rows["two"]["finding"] == "preferred"
    assert rows["two"]["p_holm"] < 0.01
    assert rows["three"]["finding"] == "not preferred"
    assert table["false_alarms"][0] <= 0.15
    assert table["n_drawn"][0] == 13  # three sets from half of 80 real galaxies
    assert np.isnan(table["power"]).all()  # no twins


def test_copies_of_a_galaxy_are_in_one_fold():
    names = np.array([f"g{k}" for k in range(50)])
    fold = _folds(np.concatenate([names, names[::-1]]), 3)
    np.testing.assert_array_equal(fold[:50], fold[50:][::-1])
    assert list(np.bincount(fold)) == [20] * 5


def test_the_regression_is_where_its_penalised_likelihood_is_flat():
    rng = np.random.default_rng(5)
    x, label, weight = rng.normal(size=(60, 2)), rng.integers(0, 3, 60), rng.uniform(0.5, 2, 60)
    coefficient = _fit(x, label, weight)
    assert coefficient.shape == (5, 3)
    terms = np.column_stack([np.ones(60), x, x**2 - 1])
    pull = terms.T @ (weight[:, None] * (np.eye(3)[label] - softmax(terms @ coefficient, axis=1)))
    np.testing.assert_allclose(pull[1:], coefficient[1:], atol=2e-3)  # ridge of one
    np.testing.assert_allclose(pull[0], 0, atol=2e-3)  # the constant is free


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_the_temperature_undoes_a_factor_on_the_logits(factor):
    rng = np.random.default_rng(6)
    logits = rng.normal(0, 1.5, (40_000, 3))
    label = (softmax(logits, axis=1).cumsum(axis=1) < rng.uniform(size=(40_000, 1))).sum(axis=1)
    assert _temperature(factor * logits, label, np.ones(40_000)) == pytest.approx(factor, rel=0.04)
    # Weights count as copies.
    few = slice(0, 400)
    weight = np.where(np.arange(400) < 100, 3.0, 1.0)
    copies = np.repeat(np.arange(400), weight.astype(int))
    by_weight = _temperature(logits[few], label[few], weight)
    assert by_weight == pytest.approx(_temperature(logits[copies], label[copies], np.ones(600)), rel=1e-3)


def test_calibration_by_hand():
    """Three galaxies and two classes; the last bin takes a probability of one."""
    probability = np.array([[0.25, 0.75], [0.2, 0.8], [0.0, 1.0]])
    table, error = _calibration(probability, np.array([0, 1, 1]), np.array([1.0, 3.0, 2.0]))
    rows = {round(row["low"], 1): row for row in table}
    assert sorted(rows) == [0.0, 0.2, 0.7, 0.8, 0.9]
    both = rows[0.2]
    assert (both["n"], round(both["high"], 9)) == (2, 0.3)
    assert both["predicted"] == pytest.approx((0.25 + 3 * 0.2) / 4)
    assert both["observed"] == pytest.approx(1 / 4)
    assert (rows[0.9]["predicted"], rows[0.9]["observed"]) == (1, 1)
    assert (rows[0.7]["predicted"], rows[0.7]["observed"]) == (0.75, 0)
    assert error == pytest.approx((0 + 2 * abs(0.2125 - 0.25) + 0.75 + 0.2 + 0) / 6)


def test_real_galaxies_inside_are_as_near_as_held_out_simulated_ones():
    rng = np.random.default_rng(7)
    x, real, fold = rng.normal(size=(60, 2)), rng.normal(0, 2, (50, 2)), np.arange(60) % 3
    own = [np.sort(cdist(x[[i]], x[fold != fold[i]])[0])[4] for i in range(60)]
    expected = np.sort(cdist(real, x), axis=1)[:, 4] <= np.quantile(own, 0.95)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(_inside(x, real, fold), expected)


def test_twins_are_those_of_each_real_galaxy():
    names = ["a", "b", "c", "c", "a", "z"]
    scores = Scores.of(
        {
            "galaxy_id": names, "dataset": ["real"] * 3 + ["twins"] * 3, "split": ["test"] * 6,
            "kind": ["observed"] * 3 + ["twins"] * 3, "log_prob": np.zeros(6),
        },
        "real",
    )  # fmt: skip
    features = np.arange(12.0).reshape(6, 2)
    found = _twins(scores, features, np.array([2, 0, 1]))
    np.testing.assert_array_equal(found, [features[3], features[4], [np.nan, np.nan]])
    assert _twins(scores[:3], features[:3], np.array([0, 1])) is None


def test_means_have_intervals_of_resampled_galaxies_and_the_best_is_first():
    probability = np.random.default_rng(8).dirichlet([1, 3], 200)
    table = _averaged(["low", "high"], probability, np.random.default_rng(0), 4000)
    assert table["dataset"].tolist() == ["high", "low"]
    mean, error = probability[:, 1].mean(), probability[:, 1].std() / np.sqrt(200)
    assert table["probability"][0] == pytest.approx(mean)
    assert table["probability_low"][0] == pytest.approx(mean - 1.96 * error, abs=0.1 * error)
    assert table["probability_high"][0] == pytest.approx(mean + 1.96 * error, abs=0.1 * error)
    nothing = _averaged(["a", "b"], np.zeros((0, 2)), np.random.default_rng(0), 10)
    assert np.isnan(nothing["probability_low"]).all()


def test_doubts_at_their_bounds_and_how_to_read_the_table():
    assert _warning(0.5, 0.1) == ""
    assert _warning(0.49, 0.1).startswith("only 49% of the real galaxies")
    assert _warning(0.5, 0.11) == "the classifier is badly calibrated (mean error 0.11)"
    assert "; " in _warning(0.4, 0.2)
    table = Table({"dataset": ["a"]})
    found = posterior_table(ModelComparison(table, table, table, 0.0234, 0.876, "odd"), 300)
    assert found.meta["note"].startswith("88% of the real galaxies lie among the simulations")
    assert "calibration error 0.023." in found.meta["note"]
    assert found.meta["note"].endswith("Warning: odd. At most 300 images of a data set, drawn at random.")
    assert (found.meta["share_inside"], found.meta["warning"]) == (0.876, "odd")
    plain = posterior_table(ModelComparison(table, table, table, 0.02, 0.9, ""))
    assert "Warning" not in plain.meta["note"]
    assert "At most" not in plain.meta["note"]


def test_terms_are_clipped_at_five():
    np.testing.assert_array_equal(design(np.array([[-7.0, 2.0]])), [[1, -5, 2, 24, 3]])


def test_a_galaxy_with_one_unknown_feature_is_left_out():
    scores, features = world(0.0, n=4)
    features[1, 2] = np.nan
    names = Scores.of(scores)["galaxy_id"][_first_views(Scores.of(scores), "real", features)]
    assert sorted(names.tolist()) == ["real0", "real2", "real3"]
