"""Two-sided typicality: uniform for real galaxies, small for the too unlikely and the too likely."""

import numpy as np
import pytest
from astropy.table import Table, vstack
from scipy import stats

from simcompare.scores.record import Scores
from simcompare.scores.typicality import add_typicality, batch_typicality


def galaxies(dataset, kind, n, rng, shift=0.0, spread=10.0):
    mag = rng.normal(17, 0.5, n)
    return Table(
        {
            "galaxy_id": [f"{dataset}{k}" for k in range(n)],
            "dataset": [dataset] * n,
            "kind": [kind] * n,
            "split": ["test"] * n,
            "mag_r": mag,
            "log_likelihood_ratio": 100 - 40 * (mag - 17) + shift + spread * rng.normal(size=n),
        }
    )


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    sets = [
        galaxies("real", "observed", 2000, rng),
        galaxies("same", "simulated", 200, rng),
        galaxies("low", "simulated", 200, rng, -40),
        galaxies("high", "simulated", 200, rng, 40),
        galaxies("narrow", "simulated", 200, rng, spread=1.0),
    ]
    sets[1]["log_likelihood_ratio"][0] = np.nan
    return add_typicality(Scores.of(vstack(sets)), rng).table


def rows(table, name):
    return table[table["dataset"] == name]


def test_p_values_of_real_and_of_equal_galaxies_are_uniform(table):
    for name in ("real", "same"):
        p_values = rows(table, name)["typicality_p"]
        assert stats.kstest(p_values[np.isfinite(p_values)], "uniform").pvalue > 0.01


def test_too_unlikely_and_too_likely_are_both_untypical(table):
    for name, is_high in (("low", False), ("high", True)):
        part = rows(table, name)
        assert np.median(part["typicality_p"]) < 0.02
        assert np.mean(np.asarray(part["too_likely"]) == is_high) > 0.95


def test_nuisance_is_taken_into_account(table):
    part = rows(table, "real")
    assert abs(stats.spearmanr(part["score_residual"], part["mag_r"]).statistic) < 0.15
    assert abs(stats.spearmanr(part["log_likelihood_ratio"], part["mag_r"]).statistic) > 0.8


def test_rank_one_is_the_least_typical(table):
    part = rows(table, "low")
    first = part[part["anomaly_rank"] == 1][0]
    assert first["typicality_p"] == part["typicality_p"].min()
    assert sorted(part["anomaly_rank"]) == list(range(1, 201))


def test_what_is_not_finite_stays_unknown(table):
    assert np.isnan(rows(table, "same")["typicality_p"][0])


def test_batches(table):
    batch = {row["dataset"]: row for row in batch_typicality(Scores.of(table), 1)}
    assert batch["same"]["p_value"] > 0.01
    assert batch["low"]["p_value"] < 0.002
    assert batch["high"]["mean_residual"] > 1
    assert batch["narrow"]["p_value"] > 0.01
    assert batch["narrow"]["share_below_5"] < 0.01


def seen(n, rng, low=1.0, high=1.6, **named):
    """Galaxies whose score falls as the seeing worsens, to 1.6 arcsec, and no further."""
    width = rng.uniform(low, high, n)
    table = galaxies(named.get("dataset", "real"), named.get("kind", "observed"), n, rng)
    table["psf_fwhm_r"] = width
    table["log_likelihood_ratio"] -= 60 * np.minimum(width - 1, 0.6)
    return table


def test_the_fit_is_not_extrapolated_in_seeing():
    rng = np.random.default_rng(4)
    ours = seen(60, rng, 1.7, 2.6, dataset="same", kind="simulated")
    marked = add_typicality(Scores.of(vstack([seen(300, rng), ours])), rng)
    batch = batch_typicality(marked, 0)
    row = batch[list(batch["dataset"]).index("same")]
    assert abs(row["mean_residual"]) < 0.5  # a fit that goes on to 1.9 arcsec gives 1.5 and more
    assert row["share_extrapolated"] == 1
    assert np.isnan(row["p_value"])
    assert row["note"] == "outside the reference's range"


def test_batches_show_their_false_alarms():
    rng = np.random.default_rng(5)
    low = seen(30, rng, dataset="low", kind="simulated")
    low["log_likelihood_ratio"] -= 40
    batch = batch_typicality(add_typicality(Scores.of(vstack([seen(200, rng), low])), rng), 0)
    row = batch[list(batch["dataset"]).index("low")]
    assert row["false_alarms"] <= 0.125
    assert row["p_value"] < 0.002


def test_batch_p_values_are_uniform_for_equal_sets():
    rng = np.random.default_rng(2)
    p_values = []
    for seed in range(150):
        both = vstack([galaxies("real", "observed", 100, rng), galaxies("same", "simulated", 40, rng)])
        marked = add_typicality(Scores.of(both), rng)
        p_values.append(batch_typicality(marked, seed, n_draws=200, n_null=0)["p_value"][1])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def scattered(dataset, kind, mag, rng):
    """Galaxies whose score scatters a hundred times more at magnitude 14 than at 18."""
    table = galaxies(dataset, kind, len(mag), rng)
    table["mag_r"] = mag
    spread = 10 ** (0.5 * (18 - mag))
    table["log_likelihood_ratio"] = -40 * (mag - 17) + spread * rng.normal(size=len(mag))
    return table


def test_the_error_of_the_fit_is_that_of_the_conditions_of_the_set():
    """Bright galaxies rule the fit; faint ones, whose scatter is small, feel its error.

    With the error of a mean alone 39 of these 100 equal sets would be told from real galaxies.
    """
    rng, p_values = np.random.default_rng(8), []
    for seed in range(100):
        real = scattered("real", "observed", rng.uniform(14, 18, 80), rng)
        same = scattered("same", "simulated", rng.uniform(17, 18, 40), rng)
        marked = add_typicality(Scores.of(vstack([real, same])), rng)
        batch = batch_typicality(marked, seed, n_draws=200, n_null=0)
        p_values.append(batch["p_value"][list(batch["dataset"]).index("same")])
    assert np.mean(np.array(p_values) < 0.05) <= 0.1


def test_too_few_real_galaxies_are_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="at least 20 held-out real images"):
        add_typicality(Scores.of(galaxies("real", "observed", 12, rng)), rng)


def test_only_usable_held_out_galaxies_are_the_reference():
    """Training galaxies and rows without a score or a nuisance change no other row."""
    rng = np.random.default_rng(6)
    real, ours = galaxies("real", "observed", 60, rng), galaxies("same", "simulated", 30, rng)
    trained, *spoilt = (galaxies("real", "observed", n, rng, shift=3000.0) for n in (40, 3, 3))
    trained["split"] = ["train"] * len(trained)
    spoilt[0]["log_likelihood_ratio"], spoilt[1]["mag_r"] = np.nan, np.nan
    for number, table in enumerate((trained, *spoilt)):
        table["galaxy_id"] = [f"more{number}-{k}" for k in range(len(table))]
    plain = add_typicality(Scores.of(vstack([real, ours])), np.random.default_rng(0))
    mixed = add_typicality(Scores.of(vstack([trained, *spoilt, real, ours])), np.random.default_rng(0))
    for name in ("score_residual", "typicality_p", "too_likely"):
        np.testing.assert_array_equal(mixed[name][46:], plain[name])
    # The training galaxies themselves are held against the others.
    assert (mixed["typicality_p"][:40] == 2 / 61).all()
    assert np.isnan(mixed["typicality_p"][40:46]).all()


def test_p_value_and_rank_are_counts_among_the_real(table):
    """Two-sided shares of real residuals, each image itself counted, by loops; ties by the residual."""
    real = np.sort(rows(table, "real")["score_residual"])
    for name in ("same", "narrow"):
        part = rows(table, name)
        for row in part[:40]:
            value = row["score_residual"]
            below, above = (1 + np.sum(real <= value)) / 2001, (1 + np.sum(real >= value)) / 2001
            if np.isfinite(value):
                assert row["typicality_p"] == pytest.approx(min(1, 2 * min(below, above)))
                assert row["too_likely"] == (above < below)
        ordered = part[np.argsort(part["anomaly_rank"])]
        p_values = np.nan_to_num(ordered["typicality_p"], nan=2.0)  # unknown ones last
        assert (np.diff(p_values) >= 0).all()
        ties = np.diff(p_values) == 0
        sizes = np.abs(np.nan_to_num(ordered["score_residual"]))
        assert (np.diff(sizes)[ties] <= 0).all()
