"""Features of blank sky against scipy, the classifier against what it must meet, verdicts at bounds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from mocks.observing.sky_check import FEATURES, _held_out_scores, _logistic, blank_sky_check, sky_features


def test_features_are_moments_lags_and_slopes():
    patches = np.random.default_rng(0).gamma(2.0, 0.3, size=(3, 7, 9))
    found = dict(zip(FEATURES, sky_features(patches).T, strict=True))
    flat = patches.reshape(3, -1)
    sigma = flat.std(axis=1)
    unit = (patches - flat.mean(axis=1)[:, None, None]) / sigma[:, None, None]
    np.testing.assert_allclose(found["mean"], flat.mean(axis=1) / (sigma / np.sqrt(63)))
    np.testing.assert_allclose(found["log sigma"], np.log(sigma))
    np.testing.assert_allclose(found["skewness"], stats.skew(flat, axis=1))
    np.testing.assert_allclose(found["kurtosis"], stats.kurtosis(flat, axis=1, fisher=False))
    lags = {"lag x": (0, 1), "lag y": (1, 0), "lag xy": (1, 1), "lag 2x": (0, 2), "lag 2y": (2, 0)}
    for name, (dy, dx) in lags.items():
        pairs = [unit[:, y, x] * unit[:, y + dy, x + dx] for y in range(7 - dy) for x in range(9 - dx)]
        np.testing.assert_allclose(found[name], np.mean(pairs, axis=0))
    # A slope over its error: of unit noise its variance is one.
    for name, along, n in (("gradient x", unit.mean(axis=1), 7), ("gradient y", unit.mean(axis=2), 9)):
        x = np.arange(along.shape[1])
        slope = np.array([stats.linregress(x, each).slope for each in along])
        np.testing.assert_allclose(found[name], slope * np.sqrt(n * x.size * x.var()))
    smooth = np.stack([ndimage.gaussian_filter(each, 1.4, mode="nearest") for each in unit])
    for stem, values in (("", unit), (" smoothed", smooth)):
        np.testing.assert_allclose(found[f"largest{stem}"], values.max(axis=(1, 2)))
        np.testing.assert_allclose(found[f"smallest{stem}"], -values.min(axis=(1, 2)))
    np.testing.assert_allclose(found["smoothed sigma"], smooth.std(axis=(1, 2)))


@pytest.mark.parametrize("ridge", [1.0, 5.0])
def test_the_classifier_is_where_its_penalised_likelihood_is_flat(ridge):
    rng = np.random.default_rng(1)
    features, label = rng.normal(size=(60, 3)), (rng.uniform(size=60) < 0.4).astype(float)
    weight = _logistic(features, label, ridge)
    probability = 1 / (1 + np.exp(-(weight[0] + features @ weight[1:])))
    np.testing.assert_allclose(features.T @ (label - probability), ridge * weight[1:], atol=1e-6)
    assert probability.sum() == pytest.approx(label.sum())  # the constant is free


def test_scores_come_from_folds_that_do_not_hold_the_patch():
    """One by one: the fold's fit on clipped features and their squares."""
    rng = np.random.default_rng(2)
    features, label = rng.normal(3, 2, size=(40, 2)), np.repeat([0.0, 1.0], 20)
    features[0] = 1e4
    found = _held_out_scores(features, label, np.random.default_rng(5))
    fold = np.random.default_rng(5).permutation(40) % 5
    for k in range(5):
        train = fold != k
        unit = (features - features[train].mean(axis=0)) / features[train].std(axis=0)
        unit = np.clip(unit, -5, 5)
        design = np.concatenate([unit, unit**2], axis=1)
        weight = _logistic(design[train], label[train])
        np.testing.assert_allclose(found[~train], weight[0] + design[~train] @ weight[1:], rtol=1e-6)


def test_numbers_of_a_check():
    rng = np.random.default_rng(3)
    real, mock = rng.normal(size=(60, 8, 8)), 1.3 * rng.normal(size=(50, 8, 8))
    check = blank_sky_check(real, mock, np.random.default_rng(0))
    assert (check.n_real, check.n_mock) == (60, 50)
    assert check.auc > 0.9
    assert check.auc_error == pytest.approx(np.sqrt(111 / (12 * 3000)))
    ratio = np.median(mock.std(axis=(1, 2))) / np.median(real.std(axis=(1, 2)))
    assert check.sigma_ratio == pytest.approx(ratio, rel=1e-3)
    assert min(check.feature_ks_p, key=check.feature_ks_p.get) == "log sigma"
    features = sky_features(mock)
    assert check.lag_mock == pytest.approx(features[:, 4:7].mean(axis=0))
    assert check.lag_real == pytest.approx(sky_features(real)[:, 4:7].mean(axis=0))
    label, scores = np.repeat([0.0, 1.0], [60, 50]), sky_features(np.concatenate([real, mock]))
    scores = _held_out_scores(scores, label, np.random.default_rng(0))
    pairs = scores[60:, None] - scores[None, :60]
    assert check.auc == pytest.approx(np.mean(pairs > 0) + 0.5 * np.mean(pairs == 0))
    same = stats.ks_2samp(scores[:60], scores[60:])
    assert (check.ks_statistic, check.ks_p) == (same.statistic, same.pvalue)
    for n_real, n_mock in ((49, 60), (60, 49)):
        with pytest.raises(ValueError, match="needed are 50"):
            blank_sky_check(real[:n_real].repeat(2, 0)[:n_real], mock.repeat(2, 0)[:n_mock], rng)


@pytest.mark.parametrize(
    ("auc", "error", "p", "passed", "unclear"),
    [
        (0.519, 0.01, 0.5, True, False),
        (0.481, 0.01, 0.5, True, False),
        (0.521, 0.011, 0.5, False, True),
        (0.479, 0.011, 0.5, False, True),
        (0.523, 0.011, 0.5, False, False),
        (0.51, 0.01, 0.009, False, False),
        (0.51, 0.01, 0.011, True, False),
        (0.53, 0.02, 0.009, False, False),
    ],
)
def test_verdicts_at_their_bounds(auc, error, p, passed, unclear):
    rng = np.random.default_rng(4)
    check = blank_sky_check(*rng.normal(size=(2, 50, 6, 6)), rng)
    check = replace(check, auc=auc, auc_error=error, ks_p=p)
    assert (check.passed, check.is_unclear) == (passed, unclear)
    words = "indistinguishable" if passed else "not shown" if unclear else "DISTINGUISHABLE"
    assert f"mock sky is {words}" in check.summary
