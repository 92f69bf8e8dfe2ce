"""One of several simulations is preferred when it should be, and not when they are equal."""

import numpy as np
import pytest

from simcompare.data.shipped import reference_table
from simcompare.kinds import Kind
from simcompare.scores.files import joined_form, joined_scores
from simcompare.statistics.preference import (
    Preference,
    _exchanged,
    corrected,
    findings,
    preference_test,
    trial_rates,
)


def tried(n, rng, shift=0.0, real_mean=0.0, n_draws=300):
    """p-values of two simulations of n galaxies, the second shifted."""
    label = np.repeat([0, 1], n)
    names = np.arange(2 * n).astype(str)
    found = []
    for _ in range(n_draws):
        x = rng.normal(size=(2 * n, 3))
        x[label == 1, 0] += shift
        real = rng.normal(size=(60, 3)) + np.array([real_mean, 0, 0])
        found.append(preference_test(x, label, names, real, rng, n_permutations=99))
    return np.array([each[0] for each in found]), np.array([each[1] for each in found])


@pytest.mark.parametrize("n", [5, 20, 60])
@pytest.mark.parametrize("real_mean", [0.0, 3.0])
def test_equal_simulations_are_not_told_apart_wherever_the_real_galaxies_are(n, real_mean):
    _, p_values = tried(n, np.random.default_rng(n), real_mean=real_mean)
    assert 0.02 <= (p_values[:, 0] <= 0.05).mean() <= 0.08  # 300 draws


def test_the_nearer_simulation_is_preferred():
    excess, p_values = tried(40, np.random.default_rng(1), shift=1.5, real_mean=1.5, n_draws=40)
    assert (p_values[:, 1] <= 0.05).mean() > 0.9
    assert (excess[:, 1] > 0).all()
    np.testing.assert_allclose(excess.sum(axis=1), 0, atol=1e-9)


def test_copies_of_one_galaxy_exchange_labels_among_themselves():
    """Scatter between galaxies, which copies share, hides nothing: a small shift of all copies is found."""
    rng = np.random.default_rng(2)
    base = 3 * rng.normal(size=(40, 1))
    x = np.concatenate([base, base + 0.2])
    label, names = np.repeat([0, 1], 40), np.tile([f"g{k}" for k in range(40)], 2)
    real = base + 0.2 + 0.01 * rng.normal(size=base.shape)
    paired = preference_test(x, label, names, real, rng)[1]
    alone = preference_test(x, label, np.arange(80).astype(str), real, rng)[1]
    assert paired[0] < 0.01
    assert alone[0] > 0.2
    again = preference_test(x, label, names, real, np.random.default_rng(3))[1]
    assert again[0] < 0.01


@pytest.fixture(scope="module")
def real():
    path = reference_table("sdss-r")
    scores = joined_scores([path], joined_form([path]))
    scores = scores.with_reference(scores.of_kind(Kind.OBSERVED)[0])
    features = np.stack([scores.numbers(name) for name in ("concentration", "axis_ratio", "mag_r")], axis=1)
    sample = scores.held_out(scores.reference)
    names, twin = scores["galaxy_id"], scores.equals("kind", Kind.TWINS)
    where = {name: features[twin & (names == name)][0] for name in names[twin]}
    twins = np.array([where.get(name, np.full(3, np.nan)) for name in names[sample]])
    features, twins = (each - np.nanmean(features[sample], axis=0) for each in (features, twins))
    unit = np.nanstd(features[sample], axis=0)
    keep = np.isfinite(features[sample]).all(axis=1)
    return (features[sample] / unit)[keep], (twins / unit)[keep]


@pytest.mark.parametrize("sizes", [(5, 5), (30, 30), (12, 25, 40)])
def test_sets_of_real_galaxies_raise_few_alarms(real, sizes):
    false_alarms, power, n = trial_rates(*real, sizes, np.random.default_rng(0), n_draws=100)
    assert false_alarms <= 0.11  # 5 % expected in 100 draws
    assert 0 <= power <= 1
    assert n == max(sizes)


def test_a_large_defect_is_seen_and_none_is_not(real):
    features, _ = real
    moved = features + np.array([2.0, 0, 0])
    assert trial_rates(features, moved, (40, 40), np.random.default_rng(0))[1] > 0.9
    assert trial_rates(features, features, (40, 40), np.random.default_rng(0))[1] < 0.2
    assert np.isnan(trial_rates(features, None, (40, 40), np.random.default_rng(0))[1])
    assert np.isnan(trial_rates(features[:30], None, (40, 40), np.random.default_rng(0))[0])


def test_findings_follow_the_trials():
    excess, p_holm = np.array([0.2, -0.2]), np.array([0.01, 0.01])
    assert findings(excess, p_holm, 0.05, 0.8) == [Preference.PREFERRED, Preference.REJECTED]
    assert findings(excess, p_holm, 0.5, 0.8) == [Preference.INVALID] * 2
    assert findings(excess, np.array([0.3, np.nan]), 0.05, 0.8) == [Preference.NOTHING] * 2
    assert findings(excess, np.array([0.3, 0.3]), 0.05, 0.2) == [Preference.BLIND] * 2


def test_the_share_at_real_galaxies_is_that_of_a_fit_of_labels():
    """Ridge of one on all but the constant, by least squares of rows with the pull below them."""
    rng = np.random.default_rng(5)
    x, real = rng.normal(size=(30, 2)), rng.normal(size=(12, 2))
    label, names = np.repeat([0, 1, 2], [5, 10, 15]), np.arange(30).astype(str)
    excess, p_value = preference_test(x, label, names, real, np.random.default_rng(1), n_permutations=99)
    terms, there = (np.column_stack([np.ones(len(each)), each, each**2 - 1]) for each in (x, real))
    pull = np.eye(5)[1:]
    for k in range(3):
        target = np.concatenate([(label == k).astype(float), np.zeros(4)])
        fit = np.linalg.lstsq(np.concatenate([terms, pull]), target, rcond=None)[0]
        assert excess[k] == pytest.approx((there @ fit).mean() - np.mean(label == k), abs=1e-9)
    lever = terms @ np.linalg.solve(terms.T @ terms + pull.T @ pull, there.mean(axis=0))
    drawn = _exchanged(label, names, np.random.default_rng(1), 99)
    null = np.array([[lever[each == k].sum() - np.mean(each == k) for k in range(3)] for each in drawn])
    as_far = (np.abs(null) >= np.abs(excess) - 1e-12).sum(axis=0)
    np.testing.assert_allclose(p_value, (1 + as_far) / 100)


def test_labels_are_exchanged_among_copies_or_among_the_rest():
    label = np.array([0, 1, 0, 1, 2, 2, 0])
    galaxy = np.array(["a", "a", "b", "b", "c", "d", "e"])
    drawn = _exchanged(label, galaxy, np.random.default_rng(0), 300)
    for pair in ((0, 1), (2, 3)):
        assert (np.sort(drawn[:, pair], axis=1) == [0, 1]).all()
        assert 0.4 < np.mean(drawn[:, pair[0]] == 0) < 0.6
    assert (np.sort(drawn[:, 4:], axis=1) == [0, 2, 2]).all()
    assert 0.25 < np.mean(drawn[:, 4] == 0) < 0.42


def test_two_simulations_are_one_test_and_three_are_three():
    assert corrected(np.array([0.02, 0.02])).tolist() == [0.02, 0.02]
    assert corrected(np.array([0.01, 0.5, 0.04])) == pytest.approx([0.03, 0.5, 0.08])


@pytest.mark.parametrize(
    ("m", "sizes", "drawn"),
    [
        (40, (10, 10), 10),  # half of forty
        (38, (10, 10), 9),  # half of 38 are nine each, and leave twenty
        (30, (5, 5), 5),
        (29, (5, 5), 0),  # 19 real ones would be left
        (200, (4, 60), 0),
        (100, (30, 60), 33),
    ],
)
def test_sets_of_a_trial_leave_half_of_the_real_galaxies_and_twenty(m, sizes, drawn):
    real = np.random.default_rng(6).normal(size=(m, 2))
    false_alarms, power, n = trial_rates(real, None, sizes, np.random.default_rng(0), n_draws=4)
    assert n == drawn
    assert np.isfinite(false_alarms) == (drawn > 0)
    assert np.isnan(power)


@pytest.mark.parametrize(("known", "is_told"), [(0.97, True), (0.6, False)])
def test_power_needs_twins_of_nine_in_ten_in_half_of_the_trials(known, is_told):
    rng = np.random.default_rng(7)
    real = rng.normal(size=(200, 2))
    twins = np.where(rng.uniform(size=(200, 1)) < known, real + 3, np.nan)
    assert np.isfinite(trial_rates(real, twins, (20, 20), rng, n_draws=12)[1]) == is_told
