"""Matched samples: alike in what they were matched in, each galaxy once, the known difference found."""

import numpy as np
import pytest
from astropy.table import Table, vstack
from scipy import stats

from simcompare.comparison import matching
from simcompare.comparison.matching import _greedy, _optimal, compare_in_bins, match, matched_difference
from simcompare.comparison.volume import sub_boxes, with_sub_boxes
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


def test_bins_count_galaxies_not_images(scores):
    """Counts, and the difference of the means over galaxies, by a loop; a bin with too few has none."""
    edges = [15.0, 16.4, 17.2, 19.0]
    table = compare_in_bins(Scores.of(scores), "mag_r", edges, 0, n_bootstrap=50)
    assert table.meta == {"column": "mag_r", "reference": "real", "score": "log_likelihood_ratio"}
    for row, low, high in zip(table, edges[:-1], edges[1:], strict=True):
        means = []
        for name, column in (("massive", "n_galaxies"), ("real", "n_reference")):
            inside = (scores["dataset"] == name) & (scores["mag_r"] >= low) & (scores["mag_r"] < high)
            part = scores[inside]
            ids = np.unique(part["galaxy_id"])
            assert row[column] == len(ids)
            means.append(
                np.mean([part["log_likelihood_ratio"][part["galaxy_id"] == each].mean() for each in ids])
            )
        assert row["delta_mean"] == pytest.approx(means[0] - means[1])
        assert row["delta_mean_low"] < row["delta_mean"] < row["delta_mean_high"]
    few = compare_in_bins(Scores.of(scores), "mag_r", edges, 0, n_bootstrap=50, least=151)
    assert np.isnan(few["delta_mean"]).all()
    assert list(few["n_galaxies"]) == list(table["n_galaxies"])


@pytest.mark.parametrize("limit", [matching.LARGEST_OPTIMAL, 0])
def test_pairs_of_a_small_example_are_those_of_a_search_of_all(limit, monkeypatch):
    """Three galaxies and four: the most pairs within the caliper, of least total distance."""
    from itertools import permutations

    monkeypatch.setattr(matching, "LARGEST_OPTIMAL", limit)
    ours, real = [17.0, 17.5, 18.6], [16.9, 17.4, 17.6, 18.5]
    columns = {
        "galaxy_id": [f"a{k}" for k in range(3)] + [f"b{k}" for k in range(4)],
        "dataset": ["sim"] * 3 + ["real"] * 4,
        "kind": ["simulated"] * 3 + ["observed"] * 4,
        "split": ["test"] * 7,
        "mag_r": ours + real,
        "log_likelihood_ratio": np.arange(7.0),
    }
    found = match(Scores.of(Table(columns)), "sim", ["mag_r"], caliper=0.25)
    best = min(
        permutations(range(4), 3),
        key=lambda order: sum(abs(ours[i] - real[j]) for i, j in enumerate(order)),
    )
    assert sorted(zip(found.first, found.second - 3, strict=True)) == list(enumerate(best))
    assert (found.n_first, found.n_second) == (3, 4)
    row = found.balance[0]
    spread = np.std(real)
    assert row["difference_before"] == pytest.approx((np.mean(ours) - np.mean(real)) / spread)
    paired = np.array(real)[list(best)]
    assert row["difference_after"] == pytest.approx((np.mean(ours) - paired.mean()) / spread)
    assert row["ks_before"] == pytest.approx(stats.ks_2samp(ours, real).statistic)
    assert row["ks_after"] == pytest.approx(stats.ks_2samp(ours, paired).statistic)


@pytest.mark.parametrize("most", [500_000, 200, 64, 32])
def test_the_nearest_free_pair_is_taken_whatever_is_held_at_once(most, monkeypatch):
    """Against a sort of all pairs by their largest difference; a lattice gives many equal distances."""
    monkeypatch.setattr(matching, "MOST_CANDIDATES", most)
    rng = np.random.default_rng(5)
    for step in (1e-9, 0.1):
        ours, real = (np.round(rng.uniform(0, 1, (n, 2)) / step) * step for n in (17, 23))
        found = _greedy(ours, real, 0.3)
        distance = np.abs(ours[:, None] - real).max(axis=2)
        free, lengths = [set(range(17)), set(range(23))], []
        for i, j in sorted(np.ndindex(17, 23), key=lambda pair: distance[pair]):
            if distance[i, j] <= 0.3 and i in free[0] and j in free[1]:
                free[0].remove(i)
                free[1].remove(j)
                lengths.append(distance[i, j])
        taken = distance[found[:, 0], found[:, 1]]
        assert len(set(found[:, 0])) == len(set(found[:, 1])) == len(found)
        assert (np.diff(taken) >= -1e-12).all()
        if step < 0.01:  # no two distances are equal: the pairs are one set
            np.testing.assert_allclose(taken, lengths)


def test_pairs_within_the_caliper_are_counted_in_every_column():
    """The second column holds the third galaxy back; a pair at the caliper itself is one."""
    ours = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    real = np.array([[0.25, 0.0], [1.0, 0.2], [2.0, 0.3]])
    for pairs in (_optimal(ours, real, 0.25), _greedy(ours, real, np.nextafter(0.25, 1))):
        assert sorted(pairs.tolist()) == [[0, 0], [1, 1]]


def test_nothing_is_known_of_pairs_without_finite_scores(scores):
    pairs = match(Scores.of(scores), "massive", ["mag_r"])
    blind = Scores.of(scores).with_columns(log_likelihood_ratio=np.full(len(scores), np.nan))
    assert np.isnan(matched_difference(blind, pairs, np.random.default_rng(0)).value)


def test_parts_of_a_box_are_counted_along_x_then_y_then_z():
    """Of boxes of two sizes; a place outside is wrapped, one that is not known has no part."""
    places = np.array(
        [[1, 1, 1], [9, 1, 1], [1, 9, 1], [1, 1, 9], [9, 9, 9], [-1, 1, 1], [10, 1, 1], [11, 1, 6]]
    )
    expected = [0, 1, 2, 4, 7, 1, 0, 4]
    assert sub_boxes(places, 10.0).tolist() == expected
    assert sub_boxes(np.array([[-1e-20, 0, 0]]), 10.0).tolist() == [1]  # which rounding wraps to 10
    assert sub_boxes(np.array([[1.0, 4, 7]]), 9.0, 3).tolist() == [0 + 3 * 1 + 9 * 2]
    columns = {f"box_{axis}": np.tile(places[:, k], 2).astype(float) for k, axis in enumerate("xyz")}
    columns = {name: np.where(np.arange(16) < 8, values, 3 * values) for name, values in columns.items()}
    columns["box_x"][15] = np.nan
    columns |= {"box_size": np.repeat([10.0, 30.0], 8), "galaxy_id": list("abcdefghijklmnop")}
    scores = Scores.of(columns | {"dataset": ["sim"] * 16, "log_likelihood_ratio": np.zeros(16)})
    found = with_sub_boxes(scores)
    assert found["sub_box"].tolist() == [*expected, *expected[:7], -1]
    assert with_sub_boxes(found) is found
    unknown = scores.with_columns(box_size=np.zeros(16))
    assert (with_sub_boxes(unknown)["sub_box"] == -1).all()
    with pytest.raises(ValueError, match="lack box_y: no simulation says"):
        with_sub_boxes(scores.without("box_y"))
