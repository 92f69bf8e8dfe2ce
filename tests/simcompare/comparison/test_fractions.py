"""Tables in units of the structure fraction, on scores whose structure is known and on real galaxies."""

import numpy as np
import pytest
from scipy import stats

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
from simcompare.comparison.matching import match
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


def test_contrasts_by_hand():
    """Errors of the two sets' own galaxies, and that of the reference as far as it differs."""
    scores = scores_of(old=0.3, new=0.9, mid=0.6)
    structure = learned(scores)
    table = fraction_contrasts(scores, structure)
    for row in table:
        first, second = (structure.fraction(scores.sample(row[side])) for side in ("first", "second"))
        gap = first.influence - second.influence
        assert row["delta_fraction"] == pytest.approx(first.value - second.value)
        assert row["delta_fraction_error"] == pytest.approx(np.sqrt(first.own + second.own + gap @ gap))
        assert row["delta_fraction_high"] - row["delta_fraction"] == pytest.approx(
            row["delta_fraction"] - row["delta_fraction_low"]
        )
        assert (row["n_first"], row["n_second"]) == (80, 80)
    p_values = np.sort(table["p_value"])
    assert np.sort(table["p_holm"])[0] == pytest.approx(3 * p_values[0])
    alone = scores_of(pair=1.0, lone=1.0)
    alone = alone[~alone.equals("dataset", "lone") | (np.cumsum(alone.equals("dataset", "lone")) == 1)]
    row = fraction_contrasts(alone, learned(alone))[0]
    assert {row["n_first"], row["n_second"]} == {1, 80}
    assert np.isnan([row["delta_fraction"], row["p_value"], row["p_holm"]]).all()
    assert row["finding"] == Change.UNDECIDED


def test_a_bin_needs_five_galaxies_of_either_side_and_leaves_its_upper_limit_out():
    scores = scores_of(sim=0.5, n=40)
    place = np.full(len(scores), 99.0)
    real, sim = (np.flatnonzero(scores.equals("dataset", name)) for name in ("SDSS", "sim"))
    place[sim[:5]], place[sim[5:9]], place[sim[9:20]] = 1.0, 2.0, 3.0
    place[real[:5]], place[real[5:30]], place[real[30:34]] = 1.0, 2.0, 3.0
    scores = scores.with_columns(redshift=place)
    table = fractions_in_bins(scores, learned(scores), "redshift", (1.0, 2.0, 3.0, 4.0))
    rows = table[np.asarray(table["dataset"]) == "sim"]
    assert rows["n_galaxies"].tolist() == [5, 4, 11]
    assert rows["n_reference"].tolist() == [5, 25, 4]
    assert np.isfinite(rows["structure_fraction"]).tolist() == [True, False, False]
    assert np.isfinite(rows["share_extrapolated"]).tolist() == [True, False, False]
    assert rows["verdict"].tolist()[1:] == [Verdict.UNDECIDED] * 2
    assert rows["p_holm"][0] == rows["p_value"][0]  # the only claim
    test = learned(scores).test(scores[sim[:5]], among=scores["galaxy_id"][real[:5]])
    assert rows["structure_fraction"][0] == pytest.approx(test.fraction)
    assert rows["structure_z_weighted"][0] == pytest.approx(test.z_weighted)
    assert table.meta == {"column": "redshift", "reference": "SDSS", "score": scores.headline}


def test_a_slope_is_that_of_a_straight_line_through_the_fractions():
    scores = scores_of(a=0.1, b=0.5, c=0.6, d=1.4)
    structure, order = learned(scores), ("a", "b", "c", "d")
    row = fraction_trend(scores, structure, order)[0]
    fractions = [structure.fraction(scores.sample(name)) for name in order]
    assert row["slope"] == pytest.approx(np.polyfit(np.arange(4), [each.value for each in fractions], 1)[0])
    weights = np.array([-3, -1, 1, 3]) / 10  # of each in the slope of four points
    shared = sum(weight * each.influence for weight, each in zip(weights, fractions, strict=True))
    own = sum(weight**2 * each.own for weight, each in zip(weights, fractions, strict=True))
    assert row["slope_error"] == pytest.approx(np.sqrt(own + shared @ shared))
    assert row["order"] == "a, b, c, d"
    assert row["fractions"] == ", ".join(f"{each.value:.2f}" for each in fractions)
    with pytest.raises(ValueError, match="needs two data sets or more"):
        fraction_trend(scores, structure, ("a",))
    flat = scores_of(a=0.5, b=0.5)
    assert fraction_trend(flat, learned(flat), ("a", "b"))["finding"][0] == "no trend found"


def test_matched_fractions_count_pairs_and_say_why_there_are_none():
    scores = scores_of(smooth=0.3, far=0.3, n=60)
    far = scores.equals("dataset", "far")
    scores = scores.with_columns(mag_r=np.where(far, 25.0, scores.numbers("mag_r")))
    structure = learned(scores)
    table = {row["dataset"]: row for row in matched_fractions(scores, structure, ("mag_r",))}
    pairs = match(scores, "smooth", ("mag_r",))
    row = table["smooth"]
    assert (row["n_pairs"], row["n_galaxies"], row["note"]) == (len(pairs), 60, "")
    test = structure.test_pairs(scores, pairs.first, pairs.second)
    assert (row["fraction_matched"], row["p_value"]) == pytest.approx((test.fraction, test.p_value))
    assert row["imbalance_after"] == pytest.approx(np.abs(pairs.balance["difference_after"]).max())
    assert row["imbalance_before"] == pytest.approx(np.abs(pairs.balance["difference_before"]).max())
    assert row["imbalance_after"] < row["imbalance_before"]
    assert "no galaxy of 'far' is within" in table["far"]["note"]
    assert (table["far"]["n_pairs"], table["far"]["n_galaxies"]) == (0, 0)
    assert np.isnan(table["far"]["fraction_matched"])


def test_adjusting_needs_ten_real_galaxies_for_each_condition():
    """Two conditions of the headline and one more: thirty."""
    scores = scores_of(sim=0.5, n=40, n_real=30)
    row = {each["dataset"]: each for each in adjusted_fractions(scores, learned(scores), ["mag_r"], 0)}["sim"]
    assert row["n_galaxies"] == 40
    assert 0 <= row["share_extrapolated"] < 0.5
    assert row["p_holm"] == row["p_value"]  # one simulation; twins are no claim
    few = scores_of(sim=0.5, n=40, n_real=29)
    with pytest.raises(ValueError, match="29 held-out real galaxies are too few to adjust for 1 more"):
        adjusted_fractions(few, learned(few), ["mag_r"], 0)


def test_the_jackknife_leaves_each_part_out():
    """Variance (n - 1) / n times the sum of squares, and the reference's; Student's t for n - 1."""
    scores = scores_of(sim=0.6, n=90)
    structure = learned(scores)
    sample = scores.sample("sim")
    lost = scores.with_columns(sub_box=np.where(scores["sub_box"] > 4, -1, scores["sub_box"]))
    row = fraction_jackknife(lost, structure)[0]
    placed = sample[sample["sub_box"] <= 4]
    values = [structure.fraction(placed[placed["sub_box"] != k]).value for k in range(5)]
    whole = structure.fraction(placed)
    error = np.sqrt(4 / 5 * np.sum((values - np.mean(values)) ** 2) + whole.influence @ whole.influence)
    assert row["n_parts"] == 5
    assert row["fraction_jackknife"] == pytest.approx(whole.value)
    assert row["fraction_jackknife_error"] == pytest.approx(error)
    assert row["fraction_jackknife_high"] - whole.value == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert whole.value - row["fraction_jackknife_low"] == pytest.approx(stats.t.ppf(0.975, 4) * error)
    three = scores.with_columns(sub_box=scores["sub_box"] % 3)
    assert fraction_jackknife(three, structure)["n_parts"][0] == 3
