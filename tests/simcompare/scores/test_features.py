"""Features: components of known variance, tests over spaces, neighbours that are not oneself."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison import features
from simcompare.comparison.features import compare_features
from simcompare.scores.features import Components, RealGalaxies, morphology_features
from simcompare.scores.record import Scores
from simcompare.statistics.feature_tests import TestResult


def table_of(**counts):
    rows = []
    for name, n in counts.items():
        kind = "observed" if name == "real" else "simulated"
        rows += [
            {"galaxy_id": f"{name}{k}", "dataset": name, "kind": kind, "split": "test", "view": 0}
            for k in range(n)
        ]
    return Scores.of(Table(rows=rows))


def test_components_have_the_variance_they_say():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 5)) * [5, 3, 1, 0.1, 0.1] @ np.linalg.qr(rng.normal(size=(5, 5)))[0]
    found = Components.fit(rows, 3)
    np.testing.assert_allclose(found.spread, [5, 3, 1], rtol=0.05)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(found(rows).std(axis=0), 1, rtol=1e-3)


def test_only_the_dataset_that_differs_is_found():
    rng = np.random.default_rng(1)
    scores = table_of(real=160, same=80, other=80)
    values = rng.normal(size=(320, 3)) + np.where(scores["dataset"] == "other", 0.9, 0.0)[:, None]
    table = compare_features(scores, {"space": values}, seed=0, n_permutations=199, n_draws=20)
    is_other, is_same = (table["dataset"] == name for name in ("other", "same"))
    two_sample = np.isin(table["test"], ["classifier AUC", "MMD squared", "energy distance"])
    assert table["p_holm"][is_other & two_sample].max() < 0.001
    assert set(table["finding"][is_other & two_sample]) == {"differs"}
    assert set(table["finding"][is_same]) <= {"no difference found", "cannot see"}
    assert table["p_value"][table["dataset"] == "real (half)"].min() > 0.001
    assert set(table["test"]) == {
        "classifier AUC", "MMD squared", "energy distance", "sliced Wasserstein",
        "simulated inside real", "real inside simulated",
    }  # fmt: skip
    assert set(table["defect"]) == {"first feature + 0.5 spread"}
    with pytest.raises(ValueError, match="has 3 rows for 320 images"):
        compare_features(scores, {"short": values[:3]}, seed=0)


def test_the_null_compares_two_halves_of_the_real_galaxies():
    scores = table_of(real=60, sim=20)
    table = compare_features(scores, {"space": np.random.default_rng(0).normal(size=(80, 1))}, 0, n_draws=0)
    halves = table[table["dataset"] == "real (half)"]
    assert set(zip(halves["n_galaxies"], halves["n_reference"], strict=True)) == {(30, 30)}


def test_a_test_without_power_cannot_see_and_one_with_power_finds_nothing():
    rng = np.random.default_rng(2)
    scores = table_of(real=200, few=5, many=90)
    scores = scores.with_columns(kind=np.where(scores["dataset"] == "real", "observed", "simulated"))
    values = rng.normal(size=(295, 1))
    table = compare_features(scores, {"space": values}, seed=0, n_permutations=99, n_draws=10)
    energy = {row["dataset"]: row for row in table[table["test"] == "energy distance"]}
    assert energy["few"]["finding"] == "cannot see"
    assert energy["few"]["power"] < 0.5 < energy["many"]["power"]
    assert energy["many"]["finding"] == "no difference found"
    assert energy["many"]["false_alarms"] <= 0.3


def with_twins(n_train, n_test, n_dim, rng, *, shared=0.0):
    """Real galaxies, and as twins copies of them that share a part of their features."""
    n = n_train + n_test
    names = [f"g{k}" for k in range(n)]
    table = Table(
        {
            "galaxy_id": names * 2,
            "dataset": ["real"] * n + ["twins"] * n,
            "kind": ["observed"] * n + ["twins"] * n,
            "split": (["train"] * n_train + ["test"] * n_test) * 2,
            "view": np.zeros(2 * n, int),
        }
    )
    common = rng.normal(size=(n, n_dim))
    own = rng.normal(size=(2 * n, n_dim))
    return Scores.of(table), shared * np.tile(common, (2, 1)) + np.sqrt(1 - shared**2) * own


def test_copies_of_one_galaxy_raise_no_alarm():
    rng = np.random.default_rng(3)
    p_values = {}
    for seed in range(60):
        scores, values = with_twins(30, 60, 2, rng, shared=0.95)
        table = compare_features(scores, {"space": values}, seed=seed, n_permutations=59, n_draws=0)
        for row in table[table["dataset"] == "twins"]:
            assert row["n_galaxies"] + row["n_reference"] == 60
            p_values.setdefault(row["test"], []).append(row["p_value"])
    for found in p_values.values():
        assert np.mean(np.array(found) < 0.05) <= 0.15  # 3 sigma of 60 draws at 5 %


def test_nearness_to_learned_galaxies_has_its_false_alarms_and_power():
    rng = np.random.default_rng(4)
    scores, values = with_twins(60, 90, 3, rng)
    values[150:] *= 3  # twins farther out
    table = compare_features(scores, {"space": values}, seed=0, n_permutations=59, n_draws=40)
    row = table[(table["test"] == "near real galaxies") & (table["dataset"] == "twins")][0]
    assert row["false_alarms"] <= 0.15  # of 40 draws
    assert row["power"] > 0.9
    assert row["finding"] == "differs"
    assert row["defect"] == "Sersic twins"
    assert row["value"] < 0.6
    few, values = with_twins(10, 60, 3, rng)
    assert "near real galaxies" not in compare_features(few, {"space": values}, seed=0, n_draws=0)["test"]


def test_a_test_that_fails_on_equal_sets_is_no_finding(monkeypatch):
    def always(first, second, rng, *, n_permutations):
        return TestResult("always", 1.0, np.nan, np.nan, 1e-9, 0.5, len(first), len(second))

    monkeypatch.setattr(features, "_TESTS", (always,))
    scores = table_of(real=60, sim=30)
    table = compare_features(scores, {"space": np.random.default_rng(0).normal(size=(90, 2))}, seed=0)
    row = table[(table["test"] == "always") & (table["dataset"] == "sim")][0]
    assert row["finding"] == "fails on equal sets"
    assert row["false_alarms"] == 1
    assert np.isnan(row["p_value"])
    assert np.isnan(row["p_holm"])


def test_nearest_real_galaxy_is_found_and_is_never_itself():
    scores = table_of(real=4, sim=2)
    features = np.array([[0.0], [1.0], [5.0], [9.0], [4.9], [np.nan]])
    real = RealGalaxies.of(scores["galaxy_id"][:4], features[:4], n_neighbours=2)
    table = real.nearest(scores, features)
    assert list(table["real_twin_1"]) == ["real1", "real0", "real3", "real2", "real2", ""]
    assert table["real_distance_1"][4] == pytest.approx(0.1)
    assert np.isnan(table["real_distance_1"][5])
    for rows in (slice(0, 1), slice(3, 6)):
        alone = real.nearest(scores[rows], features[rows])
        assert all(list(map(str, alone[name])) == list(map(str, table[name][rows])) for name in table)
    with pytest.raises(ValueError, match="4 real images have finite features; more than 5 are needed"):
        RealGalaxies.of(scores["galaxy_id"][:4], features[:4], n_neighbours=5)


def test_morphology_uses_what_the_catalogue_has():
    scores = table_of(real=3)
    with pytest.raises(ValueError, match="none of the shape measurements"):
        morphology_features(scores)
    scores = scores.with_columns(half_light_radius=[1.0, 10.0, 100.0], gini=[np.nan, np.nan, 0.5])
    shapes = morphology_features(scores)
    assert shapes.names == ["half_light_radius"]
    np.testing.assert_allclose(shapes[:][:, 0], [0, 1, 2])
