"""Differences at fixed nuisance: confounding is taken out, real differences stay."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table, vstack
from scipy import stats

from simcompare.comparison.adjusted import adjusted_differences
from simcompare.scores.nuisance import NuisanceModel, Terms, is_curved, ridge, usable_nuisances
from simcompare.scores.record import Scores


def galaxies(dataset, kind, n, rng, magnitude=17.0, shift=0.0):
    mag = rng.normal(magnitude, 0.5, n)
    size = rng.normal(3, 0.5, n)
    return Table(
        {
            "galaxy_id": [f"{dataset}{k}" for k in range(n)],
            "dataset": [dataset] * n,
            "kind": [kind] * n,
            "split": ["test"] * n,
            "mag_r": mag,
            "half_light_radius": size,
            "log_likelihood_ratio": 100 - 30 * (mag - 17) + 5 * size**2 + shift + rng.normal(0, 10, n),
        }
    )


def test_confounding_by_magnitude_is_removed():
    rng = np.random.default_rng(0)
    real = galaxies("real", "observed", 400, rng)
    same, lower = (galaxies(n, "simulated", 150, rng, 17.4, s) for n, s in (("same", 0), ("lower", -20)))
    table = adjusted_differences(Scores.of(vstack([real, same, lower])), 0, n_bootstrap=200)
    rows = {row["dataset"]: row for row in table}
    assert rows["same"]["delta_plain"] < -6
    assert rows["same"]["delta_adjusted_low"] < 0 < rows["same"]["delta_adjusted_high"]
    assert rows["lower"]["delta_adjusted_low"] < -20 < rows["lower"]["delta_adjusted_high"]
    assert rows["lower"]["p_holm"] < 1e-6


def test_interval_of_the_adjusted_difference_covers_zero_at_its_rate():
    rng = np.random.default_rng(1)
    hits, n_populations = 0, 120
    for seed in range(n_populations):
        both = vstack([galaxies("real", "observed", 120, rng), galaxies("same", "simulated", 60, rng, 17.3)])
        row = adjusted_differences(Scores.of(both), seed, n_bootstrap=100)[0]
        hits += row["delta_adjusted_low"] <= 0 <= row["delta_adjusted_high"]
    assert hits / n_populations > 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_populations)


def test_spread_is_learned_too():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4000, 1))
    y = 3 * x[:, 0] + np.exp(0.5 * x[:, 0]) * rng.normal(size=4000)
    model = NuisanceModel.fit(x, y)
    residual = model.residual(x, y)
    faint, bright = residual[x[:, 0] < -0.5].std(), residual[x[:, 0] > 0.5].std()
    assert faint == pytest.approx(bright, rel=0.2)


def test_extrapolation_is_counted_and_too_few_galaxies_are_refused():
    rng = np.random.default_rng(3)
    both = vstack([galaxies("real", "observed", 60, rng), galaxies("far", "simulated", 30, rng, 21.0)])
    assert adjusted_differences(Scores.of(both), 0, n_bootstrap=20)["share_extrapolated"][0] > 0.9
    few = vstack([galaxies("real", "observed", 8, rng), galaxies("far", "simulated", 30, rng)])
    with pytest.raises(ValueError, match="too few to adjust for 2 nuisances"):
        adjusted_differences(Scores.of(few), 0)
    with pytest.raises(ValueError, match="no column stellar_mass"):
        adjusted_differences(Scores.of(both), 0, columns=["stellar_mass"])


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_p_values_do_not_depend_on_the_unit_of_the_score(unit):
    rng = np.random.default_rng(4)
    both = vstack([galaxies("real", "observed", 100, rng), galaxies("same", "simulated", 40, rng, 17.2, -8)])
    both["log_likelihood_ratio"] *= unit
    row = adjusted_differences(Scores.of(both), 0, n_bootstrap=100)[0]
    expected = 2 * stats.norm.sf(abs(row["delta_adjusted"]) / row["delta_adjusted_error"])
    assert row["p_value"] == pytest.approx(expected, rel=1e-9)
    assert 0 < row["p_value"] < 1


def test_pulls_are_what_leaving_a_galaxy_out_changes():
    rng = np.random.default_rng(5)
    nuisance, others = rng.normal(size=(40, 2)), rng.normal(size=(7, 2))
    score = nuisance @ [2.0, -1.0] + rng.normal(size=40)
    model, weight = NuisanceModel.fit(nuisance, score), np.full(7, 1 / 7)
    pulls = model.pulls(nuisance, score, others, weight)
    whole = model.residual(others, np.zeros(7)).mean()
    for k in (0, 17, 39):
        rest = np.arange(40) != k
        mean = ridge(Terms(nuisance[rest], model.basis), score[rest], np.ones(39))
        without = replace(model, mean=mean).residual(others, np.zeros(7)).mean()
        assert pulls[k] == pytest.approx(whole - without, rel=1e-6)


def test_a_parabola_in_each_nuisance_is_learned_and_a_line_in_the_seeing():
    """Against numpy's polynomials, which many galaxies bring the small penalty near to."""
    rng = np.random.default_rng(5)
    assert is_curved(["mag_r", "psf_fwhm_r", "half_light_radius"]).tolist() == [True, False, True]
    x = rng.uniform(-1, 1, (5000, 2))
    y = 3 + 2 * x[:, 0] + 4 * x[:, 0] ** 2 - x[:, 1] + 4 * x[:, 1] ** 2 + 0.1 * rng.normal(size=5000)
    model = NuisanceModel.fit(x, y, curved=is_curved(["mag_r", "psf_fwhm_r"]))
    inside = np.linspace(-0.9, 0.9, 7)
    zero = np.zeros(7)
    first = model.predict(np.stack([inside, zero], axis=1))
    assert first - first[3] == pytest.approx(2 * inside + 4 * inside**2, abs=0.1)
    second = model.predict(np.stack([zero, inside], axis=1))
    line = np.polynomial.Polynomial.fit(x[:, 1], y, 1).convert().coef[1]
    assert np.diff(second) == pytest.approx(np.full(6, line * 0.3), abs=0.05)


def test_usable_nuisances_vary_among_real_galaxies_and_are_known_of_all():
    """In one piece or in two; what varies among simulations alone, or is unknown of one set, is left out."""
    columns = {
        "dataset": ["real"] * 3 + ["sim"] * 3,
        "kind": ["observed"] * 3 + ["simulated"] * 3,
        "galaxy_id": list("abcdef"),
        "split": ["test"] * 6,
        "mag_r": [17.0, 18.0, np.nan, 16.0, np.nan, 17.0],
        "sky_sigma_r": [0.02, 0.02, 0.02, 0.01, 0.02, 0.03],
        "psf_fwhm_r": [1.1, 1.2, 1.3, np.nan, np.nan, np.nan],
        "half_light_radius": [np.nan, np.nan, 3.0, 1.0, 2.0, 3.0],
        "log_likelihood_ratio": np.arange(6.0),
    }
    scores = Scores.of(Table(columns)).with_reference("real")
    assert usable_nuisances([scores]) == ["mag_r"]
    assert usable_nuisances([scores[:1], scores[1:4], scores[4:]]) == ["mag_r"]
    assert usable_nuisances([scores[:3]]) == ["mag_r", "psf_fwhm_r"]


def test_a_score_that_never_changes_leaves_no_residual():
    nuisance = np.random.default_rng(9).normal(size=(40, 2))
    model = NuisanceModel.fit(nuisance, np.full(40, 7.0))
    assert model.predict(nuisance) == pytest.approx(np.full(40, 7.0))
    assert np.isfinite(model.residual(nuisance, np.full(40, 7.0))).all()
