"""Features: components of known variance, tests over spaces, neighbours that are not oneself."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.features import compare_features
from simcompare.scores.features import Components, RealGalaxies, morphology_features
from simcompare.scores.record import Scores


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
    table = compare_features(scores, {"space": values}, seed=0, n_permutations=99)
    claims = table[np.isfinite(table["p_value"])]
    assert claims["p_value"][claims["dataset"] == "other"].max() == pytest.approx(0.01)
    assert claims["p_value"][claims["dataset"] == "same"].min() > 0.01
    assert claims["p_value"][claims["dataset"] == "real (half)"].min() > 0.01
    assert set(table["test"]) >= {"classifier AUC", "MMD squared", "energy distance", "sliced Wasserstein"}
    assert "real inside simulated" in set(table["test"])
    with pytest.raises(ValueError, match="has 3 rows for 320 images"):
        compare_features(scores, {"short": values[:3]}, seed=0)


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
