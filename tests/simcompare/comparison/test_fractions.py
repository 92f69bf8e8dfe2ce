"""Tables in units of the structure fraction, on scores whose structure is known and on real galaxies."""

import numpy as np
import pytest

from simcompare.comparison.fractions import (
    Change,
    adjusted_fractions,
    finding_of,
    fraction_contrasts,
    fraction_jackknife,
    fraction_trend,
    fractions_in_bins,
    matched_fractions,
)
from simcompare.comparison.structure import Verdict
from simcompare.scores.record import Scores
from simcompare.scores.structure import condition_columns, conditions_of, learn_structure
from simcompare.statistics.intervals import Estimate

EDGES = (16.0, 17.0, 18.0)


def rows_of(n, rng, dataset, kind, structure=1.0):
    """Galaxies whose score grows with brightness and falls with the structure they lack."""
    mag = rng.uniform(16, 18, n)
    x = 1.5 + 0.4 * (17 - mag)
    lacks = (structure - 1) * np.maximum(0.8 + x - 1.5, 0.1)
    score = 3 * np.sinh(0.5 * x + lacks + rng.normal(0, 0.5, n))
    return {
        "dataset": [dataset] * n, "kind": [kind] * n, "split": ["test"] * n,
        "galaxy_id": [f"{dataset}-{i:04d}" for i in range(n)], "aperture_ratio": score,
        "surroundings_ratio": rng.normal(size=n), "log_likelihood_ratio": score, "mag_r": mag,
        "snr": 10**x, "half_light_radius": 2 + 0.1 * (np.arange(n) % 7), "psf_fwhm_r": np.full(n, 1.2),
        "sub_box": np.arange(n) % 8,
    }  # fmt: skip


def scores_of(n=80, n_real=150, seed=1, **structures):
    rng = np.random.default_rng(seed)
    real = rows_of(n_real, rng, "SDSS", "observed")
    lower = np.maximum(0.8 + np.log10(real["snr"]) - 1.5, 0.1)
    twins = real | {"dataset": ["twins"] * n_real, "kind": ["twins"] * n_real}
    twins["aperture_ratio"] = 3 * np.sinh(np.arcsinh(real["aperture_ratio"] / 3) - lower)
    parts = [real, twins, *(rows_of(n, rng, name, "simulated", value) for name, value in structures.items())]
    return Scores.of({name: np.concatenate([part[name] for part in parts]) for name in real})


def learned(scores, **how):
    return learn_structure(scores, np.random.default_rng(0), **how)


def test_contrasts_measure_the_difference_of_fractions():
    scores = scores_of(old=0.3, new=0.9, same=0.9)
    structure = learned(scores)
    table = fraction_contrasts(scores, structure)
    rows = {(row["first"], row["second"]): row for row in table}
    assert list(rows) == [("new", "old"), ("new", "same"), ("old", "same")]
    apart, alike = rows["new", "old"], rows["new", "same"]
    assert apart["delta_fraction"] == pytest.approx(0.6, abs=0.25)
    assert apart["p_holm"] < 0.01
    assert apart["finding"] == Change.MORE
    assert rows["old", "same"]["finding"] == Change.LESS
    assert alike["finding"] in (Change.NONE, Change.UNDECIDED)
    # The headline's own fractions, no others, are held against each other.
    own = [structure.test(scores.sample(name)).fraction for name in ("new", "old")]
    assert apart["delta_fraction"] == pytest.approx(own[0] - own[1])
    with pytest.raises(ValueError, match="two simulations"):
        fraction_contrasts(scores_of(one=1.0), structure)


def test_findings_follow_one_rule():
    assert finding_of(Estimate(0.6, 0.2, 1.0, 0.2), 0.01) == Change.MORE
    assert finding_of(Estimate(-0.6, -1.0, -0.2, 0.2), 0.01) == Change.LESS
    assert finding_of(Estimate(0.1, -0.3, 0.5, 0.2), 0.5) == Change.NONE
    assert finding_of(Estimate(0.1, -0.9, 1.1, 0.5), 0.8) == Change.UNDECIDED
    assert finding_of(Estimate(0.1, -np.inf, np.inf, 1.0), 0.01) == Change.UNDECIDED
    assert finding_of(Estimate(*4 * [np.nan]), np.nan) == Change.UNDECIDED


def test_bins_hold_like_against_like():
    scores = scores_of(smooth=0.2, like=1.0, n=120)
    table = fractions_in_bins(scores, learned(scores), "mag_r", EDGES)
    rows = {(row["dataset"], row["low"]): row for row in table}
    assert sum(row["n_galaxies"] for row in table if row["dataset"] == "smooth") == 120
    bright = rows["smooth", 16.0]
    assert bright["structure_fraction_low"] < 0.2 < bright["structure_fraction_high"]
    assert bright["verdict"] == Verdict.SMOOTHER
    assert rows["like", 16.0]["verdict"] in (Verdict.CONSISTENT, Verdict.UNDECIDED)
    few = scores[(np.arange(len(scores)) % 40 == 0) | ~scores.equals("dataset", "smooth")]
    table = fractions_in_bins(few, learned(scores), "mag_r", EDGES)
    assert {row["verdict"] for row in table if row["dataset"] == "smooth"} == {Verdict.UNDECIDED}
    assert np.isnan(table["structure_fraction"][np.asarray(table["dataset"]) == "smooth"]).all()


def test_generations_rise_towards_real_galaxies():
    scores = scores_of(first=0.1, second=0.5, third=0.9)
    row = fraction_trend(scores, learned(scores), ("first", "second", "third"))[0]
    assert row["slope"] == pytest.approx(0.4, abs=0.15)
    assert row["slope_low"] < 0.4 < row["slope_high"]
    assert row["finding"] == "structure rises, towards that of real galaxies"
    back = fraction_trend(scores, learned(scores), ("third", "second", "first"))[0]
    assert back["finding"] == "structure falls, away from that of real galaxies"
    assert back["p_value"] == pytest.approx(row["p_value"])
    with pytest.raises(ValueError, match="unknown: fourth"):
        fraction_trend(scores, learned(scores), ("first", "fourth"))


def test_matched_and_adjusted_fractions_are_those_that_were_made():
    scores = scores_of(smooth=0.3, n=100)
    structure = learned(scores)
    matched = {row["dataset"]: row for row in matched_fractions(scores, structure, ("mag_r",))}["smooth"]
    assert matched["n_pairs"] > 50
    assert matched["fraction_matched_low"] < 0.3 < matched["fraction_matched_high"] < 1
    assert matched["p_value"] < 0.01
    adjusted = adjusted_fractions(scores, structure, ["mag_r"], 0)
    row = {row["dataset"]: row for row in adjusted}["smooth"]
    assert row["fraction_adjusted_low"] < 0.3 < row["fraction_adjusted_high"] < 1
    with pytest.raises(ValueError, match="no nuisance beside"):
        adjusted_fractions(scores, structure, [], 0)


def test_a_set_all_in_one_corner_has_a_larger_error_from_its_volume():
    """Structure that differs from part to part of the box widens the jackknife's interval."""
    scores = scores_of(even=0.6, n=160)
    structure = learned(scores)
    even = fraction_jackknife(scores, structure)[0]
    assert even["n_parts"] == 8
    assert even["fraction_jackknife"] == pytest.approx(structure.test(scores.sample("even")).fraction)
    lumpy = scores.numbers("aperture_ratio").copy()
    lumpy[scores.equals("dataset", "even") & (scores["sub_box"] < 2)] += 30
    uneven = fraction_jackknife(scores.with_columns(aperture_ratio=lumpy), structure)[0]
    assert uneven["fraction_jackknife_error"] > 1.5 * even["fraction_jackknife_error"]
    with pytest.raises(ValueError, match="at least 3"):
        fraction_jackknife(scores.with_columns(sub_box=np.zeros(len(scores), int)), structure)


def test_conditions_by_name():
    scores = scores_of(any=1.0)
    scores = scores.with_columns(mag_g=scores.numbers("mag_r") + 0.7)
    assert condition_columns(["snr", "redshift", "mag_g-mag_r"]) == ["redshift", "mag_g", "mag_r"]
    found = conditions_of(scores, ("mag_g-mag_r", "half_light_radius"))
    np.testing.assert_allclose(found[:, 2], 0.7)
    np.testing.assert_allclose(found[:, 3], np.log10(scores.numbers("half_light_radius")))
    with pytest.raises(ValueError, match="'redshift' needs the column redshift"):
        conditions_of(scores, ("redshift",))
    with pytest.raises(ValueError, match="more than two columns"):
        conditions_of(scores, ("mag_g-mag_r-snr",))


def test_a_reference_without_the_condition_is_refused():
    scores = scores_of(any=1.0)
    unknown = np.where(scores.equals("dataset", "SDSS"), np.nan, 0.05)
    unknown[:3] = 0.1
    with pytest.raises(ValueError, match="'redshift' is known of 3 of the 150 held-out images of SDSS"):
        learned(scores.with_columns(redshift=unknown), further=("redshift",))
