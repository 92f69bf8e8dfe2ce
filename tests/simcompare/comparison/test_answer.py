"""The sentence follows the one rule, and never says two things of a row."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.answer import answer, null_lines, number
from simcompare.comparison.structure import Verdict


def row(name, verdict, fraction=1.0, half=0.2, kind="simulated", n=50, **others):
    return {
        "dataset": name, "kind": kind, "verdict": str(verdict), "n_structure": n, "n_galaxies": n,
        "structure_fraction": fraction, "structure_fraction_low": fraction - half,
        "structure_fraction_high": fraction + half, "structure_z": -0.5, "structure_p": 0.2,
        "structure_p_holm": 0.4, "structure_false_alarms": 0.05, "share_extrapolated": 0.1,
        "delta_mean": -5.0, "delta_mean_low": -9.0, "delta_mean_high": -1.0, "p_value": 0.02, "auc": 0.6,
    } | others  # fmt: skip


def table(*rows, note=""):
    meta = {
        "reference": "SDSS", "score": "log_likelihood_ratio", "confidence": 0.95,
        "structure": {"note": note, "n_reference": 295, "n_twins": 290}, "null": {"n_splits": 0},
    }  # fmt: skip
    return Table(rows=list(rows), meta=meta)


TWINS = row("twins of SDSS", Verdict.SMOOTHER, 0.0, kind="twins", structure_p=1e-9)


def test_one_simulation_like_real_galaxies():
    sentence = answer(table(row("TNG50", Verdict.CONSISTENT, 0.95), TWINS))
    assert sentence == (
        "TNG50 has 0.95 (95% interval 0.75 to 1.15) of the structure of real SDSS galaxies (50 against 295 "
        "galaxies): no difference found (p = 0.4); differences above 0.29 would be detectable (80% power)."
    )


def test_the_others_that_differ_are_named_with_their_side():
    rows = [
        row("TNG50", Verdict.CONSISTENT),
        row("TNG100", Verdict.SMOOTHER, 0.4, structure_p_holm=0.001),
        row("Illustris", Verdict.CLUMPIER, 1.8, structure_p_holm=0.01),
        row("one", Verdict.SINGLE, n=1),
    ]
    sentence = answer(table(*rows, TWINS))
    assert sentence.startswith("Of 3 simulations, TNG50 is closest to real galaxies, with 1.00 (")
    assert "Holm-corrected over 3 simulations" in sentence
    assert "TNG100 is smoother than real (0.40, 0.20 to 0.60)" in sentence
    assert "Illustris is clumpier than real (1.80, 1.60 to 2.00)" in sentence
    assert "one is" not in sentence  # a single galaxy is not ranked


@pytest.mark.parametrize(
    ("verdict", "fraction", "phrase"),
    [
        (Verdict.SMOOTHER, 0.4, "it is smoother than real galaxies (p"),
        (Verdict.SMOOTHER, -0.8, "below 0: smoother than Sersic models"),
        (Verdict.CLUMPIER, 1.9, "clumpier or noisier than real galaxies, which is a defect too"),
        (Verdict.UNDECIDED, 0.6, "too few galaxies to tell"),
        (Verdict.SINGLE, 1.0, "one galaxy gives no error, so there is no result"),
        (Verdict.EXTRAPOLATED, 1.0, "No simulation can be ranked: 10% of the galaxies of run"),
    ],
)
def test_each_verdict_has_its_words(verdict, fraction, phrase):
    sentence = answer(table(row("run", verdict, fraction, structure_p_holm=0.01), TWINS))
    assert phrase in sentence
    assert ("no difference" in sentence) == (verdict == Verdict.CONSISTENT)


def test_a_control_that_fails_is_said_first():
    twins = row("twins of SDSS", Verdict.CONSISTENT, 0.9, kind="twins", structure_p=0.3)
    sentence = answer(table(row("run", Verdict.CONSISTENT), twins))
    assert sentence.startswith(
        "The control fails: twins of SDSS, smooth models, cannot be told apart from real"
    )
    sky = row("blank sky", Verdict.UNKNOWN, kind="control", delta_mean=3.0)
    assert "The control fails: blank sky scores higher" in answer(table(row("run", Verdict.CONSISTENT), sky))


def test_without_a_structure_score_the_reason_and_the_mean_are_given():
    alone = row("run", Verdict.UNKNOWN, np.nan, n=0)
    sentence = answer(table(alone, note="no twins"))
    assert sentence.startswith("There is no structure score (no twins). The mean log-likelihood ratio of run")
    assert "5.0 nats below that of SDSS" in sentence
    assert answer(table(TWINS)).startswith("No simulation was compared with SDSS")


def test_unbounded_intervals_are_no_numbers():
    wide = row("run", Verdict.UNDECIDED, 0.8, half=np.inf)
    assert "interval unbounded" in answer(table(wide, TWINS))


def test_null_lines_show_the_false_alarms_at_this_number():
    judged = table(row("run", Verdict.CONSISTENT), row("b", Verdict.CONSISTENT), TWINS)
    judged.meta["structure"]["nulls"] = [
        {"n_galaxies": 50, "n_sets": 200, "false_alarms": 0.05, "false_alarms_low": 0.024,
         "false_alarms_high": 0.09, "fraction_low": 0.6, "fraction_high": 1.4, "fraction_end_error": 0.05},
    ]  # fmt: skip
    lines = null_lines(judged)
    assert lines[0] == (
        "Of 200 random sets of 50 real galaxies, 5.0% (2.4% to 9.0%) get p < 0.05 (5% expected); 95% have "
        "a structure fraction between 0.60 and 1.40 (± 0.05)."
    )
    assert not any("halves" in line for line in lines)  # one null, that of the headline
    assert any(line.startswith("twins of SDSS: structure fraction 0.00") for line in lines)


def test_numbers_are_written_as_a_person_would():
    assert number(-0.001) == "0.00"
    assert number(-1.5, 1) == "\N{MINUS SIGN}1.5"
    assert number(np.nan) == "unknown"
    assert number(np.inf) == "unbounded"


def test_without_twins_the_words_are_of_the_p_value():
    unknown = {f"structure_fraction{end}": np.nan for end in ("", "_low", "_high")}
    sentence = answer(table(row("run", Verdict.UNDECIDED) | unknown))
    assert sentence.startswith(
        "run has a mean structure score of z = \N{MINUS SIGN}0.50, compared with the structure of real SDSS"
    )
    assert "no difference found (p = 0.4); without scored twins the power is unknown" in sentence
    sentence = answer(table(row("run", Verdict.SMOOTHER, structure_p_holm=0.01) | unknown))
    assert "it is smoother than real galaxies (p = 0.01)" in sentence


@pytest.mark.parametrize(("n", "p", "is_said"), [(1, np.nan, False), (2, 0.3, True), (2, 0.001, False)])
def test_a_control_of_two_twins_can_fail_and_one_twin_cannot(n, p, is_said):
    twins = row("twins", Verdict.CONSISTENT, kind="twins", n=n, structure_p=p)
    assert ("The control fails" in answer(table(row("run", Verdict.CONSISTENT), twins))) == is_said


@pytest.mark.parametrize(("scored", "is_said"), [(-9.0, False), (-4.0, True)])
def test_a_control_that_scores_above_any_simulation_fails(scored, is_said):
    control = row("blank sky", Verdict.CONSISTENT, kind="control", delta_mean=scored)
    rows = [row("a", Verdict.CONSISTENT), row("b", Verdict.CONSISTENT, delta_mean=3.0), control]
    assert ("blank sky scores higher than a simulation" in answer(table(*rows))) == is_said


def test_the_line_of_a_null_of_halves_and_of_controls_of_more_than_one_galaxy():
    one = row("twin", Verdict.CONSISTENT, kind="twins", n=1)
    judged = table(row("run", Verdict.CONSISTENT), TWINS, one)
    judged.meta["null"] = {"n_splits": 200, "delta_95": 12.34}
    judged.meta["null_lines"] = ["Last."]
    assert null_lines(judged) == [
        "In 95% of 200 random splits of SDSS, mean ratios of the halves differ by less than 12.3 nats.",
        "twins of SDSS: structure fraction 0.00, \N{MINUS SIGN}0.20 to 0.20 (p < 0.0001, AUC 0.60).",
        "Last.",
    ]
    judged.meta["null"] = {"n_splits": 0}
    assert null_lines(judged)[0] == "Too few held-out real galaxies to split into halves."
    blind = {"n_galaxies": 5, "n_sets": 40, "false_alarms": 0.05, "false_alarms_low": 0.01,
             "false_alarms_high": 0.2, "fraction_low": -np.inf, "fraction_high": 2.0}  # fmt: skip
    judged.meta["structure"]["nulls"] = [blind]
    assert null_lines(judged)[0].endswith("(1.0% to 20.0%) get p < 0.05 (5% expected).")


def test_what_could_have_been_seen_is_told_with_eighty_per_cent_power():
    """Half the interval is 1.96 errors; 1.96 + 0.84 errors are seen in four of five cases."""
    sentence = answer(table(row("run", Verdict.CONSISTENT, 1.0, half=0.49), TWINS))
    assert "differences above 0.70 would be detectable (80% power)" in sentence
    below = answer(table(row("run", Verdict.SMOOTHER, -0.5, half=0.4, structure_p_holm=5e-5)))
    assert "(below 0: smoother than Sersic models of real galaxies) (p < 0.0001)" in below
    assert "below 0" not in answer(table(row("run", Verdict.SMOOTHER, 0.1, half=0.4)))


def test_the_correction_is_told_of_simulations_with_more_than_one_galaxy():
    lone = row("lone", Verdict.SINGLE, n=1)
    two = [row("a", Verdict.CONSISTENT), row("b", Verdict.CONSISTENT, 1.3)]
    assert "Holm-corrected over 2 simulations" in answer(table(*two, lone))
    assert "Of 2 simulations, a is closest" in answer(table(*two, lone))
    assert "Holm" not in answer(table(two[0], lone))


@pytest.mark.parametrize(("low", "said"), [(-9.0, "(95% interval"), (np.nan, "one galaxy gives no error")])
def test_without_a_structure_score_the_side_of_the_mean_is_told(low, said):
    above = row("run", Verdict.UNKNOWN, np.nan, n=0, delta_mean=5.04, delta_mean_low=low, p_value=np.nan)
    sentence = answer(table(above, note="no twins."))
    assert "run lies 5.0 nats above that of SDSS" in sentence
    assert said in sentence
    if low < 0:
        assert "p unknown" in sentence
        assert "\N{MINUS SIGN}9.0 to \N{MINUS SIGN}1.0" in sentence


@pytest.mark.parametrize("end", ["low", "high"])
def test_one_unbounded_end_tells_nothing(end):
    wide = row("run", Verdict.CONSISTENT) | {
        f"structure_fraction_{end}": np.inf if end == "high" else -np.inf
    }
    assert "too few galaxies to tell" in answer(table(wide, TWINS))


def test_two_galaxies_are_enough_for_a_claim():
    two = [row("a", Verdict.CONSISTENT, n=2), row("b", Verdict.CONSISTENT, 1.3, n=50)]
    assert "Holm-corrected over 2 simulations" in answer(table(*two))
