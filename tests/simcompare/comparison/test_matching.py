"""Matched samples: alike in what they were matched in, each galaxy once, the known difference found."""

import numpy as np
import pytest
from astropy.table import Table, vstack

from simcompare.comparison import matching
from simcompare.comparison.matching import compare_in_bins, match, matched_difference
from simcompare.scores.record import Scores


def galaxies(dataset, kind, n, rng, mass=10.0, shift=0.0, views=1):
    log_mass, mag = rng.normal(mass, 0.4, n), rng.normal(17, 0.5, n)
    galaxy = np.repeat(np.arange(n), views)
    score = 20 * log_mass - 10 * mag + shift
    return Table(
        {
            "galaxy_id": [f"{dataset}{k}" for k in galaxy],
            "dataset": [dataset] * len(galaxy),
            "kind": [kind] * len(galaxy),
            "split": ["test"] * len(galaxy),
            "stellar_mass": 10 ** log_mass[galaxy],
            "mag_r": mag[galaxy],
            "log_likelihood_ratio": score[galaxy] + rng.normal(0, 3, len(galaxy)),
        }
    )


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    real = galaxies("real", "observed", 300, rng)
    return vstack([real, galaxies("massive", "simulated", 150, rng, 10.4, shift=-15.0, views=3)])


@pytest.mark.parametrize("limit", [matching.LARGEST_OPTIMAL, 0])
def test_matching_removes_the_difference_of_the_columns(scores, limit, monkeypatch):
    monkeypatch.setattr(matching, "LARGEST_OPTIMAL", limit)
    pairs = match(Scores.of(scores), "massive", ["stellar_mass", "mag_r"])
    assert 60 < len(pairs) <= 150
    for rows in (pairs.first, pairs.second):
        names = scores["galaxy_id"][rows]
        assert len(set(names)) == len(names)
    assert abs(pairs.balance["difference_before"][0]) > 0.7
    assert np.all(np.abs(pairs.balance["difference_after"]) < 0.1)
    assert np.all(pairs.balance["ks_after"] <= pairs.balance["ks_before"])
    gap = np.log10(scores["stellar_mass"][pairs.first]) - np.log10(scores["stellar_mass"][pairs.second])
    assert np.abs(gap).max() <= 0.25 * 0.45


def test_matched_difference_is_the_true_one(scores):
    pairs = match(Scores.of(scores), "massive", ["stellar_mass", "mag_r"])
    delta = matched_difference(Scores.of(scores), pairs, np.random.default_rng(1))
    assert delta.low < -15 < delta.high
    assert delta.error < 0.6


def test_optimal_matching_pairs_no_fewer_than_greedy(scores, monkeypatch):
    optimal = match(Scores.of(scores), "massive", ["stellar_mass"])
    monkeypatch.setattr(matching, "LARGEST_OPTIMAL", 0)
    assert len(match(Scores.of(scores), "massive", ["stellar_mass"])) <= len(optimal)


def test_what_cannot_be_matched_is_refused(scores):
    with pytest.raises(ValueError, match="no column sersic_index"):
        match(Scores.of(scores), "massive", ["sersic_index"])
    far = scores.copy()
    far["mag_r"][far["dataset"] == "massive"] += 20
    with pytest.raises(ValueError, match="widen the caliper"):
        match(Scores.of(far), "massive", ["mag_r"])
    empty = scores.copy()
    empty["mag_r"][empty["dataset"] == "massive"] = np.nan
    with pytest.raises(ValueError, match="'massive' has no galaxy with finite mag_r"):
        match(Scores.of(empty), "massive", ["mag_r"])


def test_bins_find_the_difference_where_it_is(scores):
    bent = scores.copy()
    bright = (bent["mag_r"] < 17) & (bent["dataset"] == "massive")
    bent["log_likelihood_ratio"] += np.where(bright, -30.0, 0.0)
    table = compare_in_bins(Scores.of(bent), "mag_r", [15, 17, 19, 30], 0, n_bootstrap=200)
    bright_bin, faint_bin, empty_bin = table
    assert bright_bin["delta_mean"] - faint_bin["delta_mean"] == pytest.approx(-30, abs=4)
    assert np.isnan(empty_bin["delta_mean"])
    assert empty_bin["n_galaxies"] == 0
