"""Model comparison: the right simulation wins, probabilities are calibrated, a bad fit is said so."""

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats

from simcompare.comparison.model_probabilities import _folds, compare_models
from simcompare.scores.record import Scores


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
