"""The headline table: fractions, verdicts, false alarms, on scores whose structure is known."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.answer import answer
from simcompare.comparison.structure import (
    Verdict,
    structure_rows,
    verdict_of,
    with_verdicts,
)
from simcompare.scores.record import Scores


def rows_of(n, rng, dataset, kind, structure=1.0, bright=1.5, names=None):
    """Galaxies whose score grows with brightness and falls with the structure they lack."""
    x = rng.normal(bright, 0.4, n)
    smooth = (structure - 1) * np.maximum(0.8 + x - 1.5, 0.1)
    score = 3 * np.sinh(0.5 * x + smooth + rng.normal(0, 0.5, n))
    return {
        "dataset": [dataset] * n, "kind": [kind] * n, "split": ["test"] * n,
        "galaxy_id": names or [f"{dataset}-{i:04d}" for i in range(n)],
        "aperture_ratio": score, "aperture_ratio_scale_0": score / 2, "aperture_ratio_scale_1": score / 2,
        "surroundings_ratio": 3 * np.sinh(rng.normal(size=n)), "log_likelihood_ratio": score,
        "snr": 10**x, "half_light_radius": 2 + 0.1 * (np.arange(n) % 7), "psf_fwhm_r": np.full(n, 1.2),
    }  # fmt: skip


def scores_of(*sets, n_real=120, seed=1, twins=True):
    rng = np.random.default_rng(seed)
    real = rows_of(n_real, rng, "SDSS", "observed")
    smooth = real | {"dataset": ["twins"] * n_real, "kind": ["twins"] * n_real}
    lower = np.maximum(0.8 + np.log10(real["snr"]) - 1.5, 0.1)
    smooth["aperture_ratio"] = 3 * np.sinh(np.arcsinh(real["aperture_ratio"] / 3) - lower)
    smooth["aperture_ratio_scale_0"] = smooth["aperture_ratio_scale_1"] = smooth["aperture_ratio"] / 2
    parts = [real, *([smooth] if twins else []), *(make(rng) for make in sets)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in real}
    return Scores.of(Table(columns, meta={"scale_names": ["pixels 1-2", "pixels 2-4", "rest"]}))


def simulation(name, n, **how):
    return lambda rng: rows_of(n, rng, name, "simulated", **how)


def judged(scores, names):
    rows, about = structure_rows(scores, names, seed=0)
    rows["kind"] = [scores.kind_of(name) for name in names]
    rows["dataset"] = names
    table = with_verdicts(rows)
    return {str(row["dataset"]): row for row in table}, about


def test_each_verdict_has_its_case():
    scores = scores_of(
        simulation("like", 80),
        simulation("smooth", 80, structure=0.2),
        simulation("clumpy", 80, structure=2.0),
        simulation("few", 2),
        simulation("one", 1),
        simulation("bright", 40, bright=4.0),
        seed=2,
    )
    rows, about = judged(scores, ["like", "smooth", "clumpy", "few", "one", "bright", "twins"])
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    assert verdicts == {
        "like": Verdict.CONSISTENT, "smooth": Verdict.SMOOTHER, "clumpy": Verdict.CLUMPIER,
        "few": Verdict.UNDECIDED, "one": Verdict.SINGLE, "bright": Verdict.EXTRAPOLATED,
        "twins": Verdict.SMOOTHER,
    }  # fmt: skip
    assert about.pop("snr") == pytest.approx([10**0.72, 10**2.28], rel=0.25)  # 1.5 +- 2 x 0.4 dex
    assert {null["n_galaxies"] for null in about.pop("nulls")} == {2, 40, 60}  # half of 120 at most
    assert about == {
        "note": "", "n_reference": 120, "n_twins": 120, "seed": 0, "conditions": ["snr", "resolution"],
    }  # fmt: skip
    assert rows["smooth"]["structure_fraction"] == pytest.approx(0.2, abs=0.2)
    assert rows["twins"]["structure_fraction"] == pytest.approx(0, abs=0.1)
    assert rows["bright"]["share_extrapolated"] == 1
    assert rows["one"]["n_structure"] == 1
    assert rows["like"]["surroundings_p"] > 0.001


def test_holm_counts_the_simulations_alone():
    scores = scores_of(simulation("a", 60, structure=0.3), simulation("b", 60))
    rows, _ = judged(scores, ["a", "b", "twins"])
    p = {name: row["structure_p"] for name, row in rows.items()}
    assert rows["a"]["structure_p_holm"] == pytest.approx(2 * p["a"])
    assert rows["b"]["structure_p_holm"] == pytest.approx(p["b"])
    assert rows["twins"]["structure_p_holm"] == p["twins"]


def test_another_data_set_moves_no_other_row():
    alone, _ = structure_rows(scores_of(simulation("a", 30)), ["a"], seed=0)
    both, _ = structure_rows(scores_of(simulation("a", 30), simulation("b", 9)), ["a", "b"], seed=0)
    for name in alone.colnames:
        np.testing.assert_array_equal(alone[name][0], both[name][0])


def test_without_twins_there_is_a_note_and_no_fraction():
    rows, about = judged(scores_of(simulation("smooth", 80, structure=0.2), twins=False), ["smooth"])
    assert "score the twins too" in about["note"]
    assert np.isnan(rows["smooth"]["structure_fraction"])
    assert rows["smooth"]["verdict"] == Verdict.SMOOTHER  # the p-value needs no twins


def test_scores_without_an_aperture_are_told():
    scores = scores_of(simulation("a", 30))
    old = Scores.of({name: scores[name] for name in scores.colnames if not name.startswith("aperture")})
    rows, about = structure_rows(old, ["a"], seed=0)
    assert "score the images again" in about["note"]
    assert np.isnan(rows["structure_p"][0])
    rows["kind"] = ["simulated"]
    assert with_verdicts(rows)["verdict"][0] == Verdict.UNKNOWN


def test_a_small_reference_is_told():
    _, about = structure_rows(scores_of(simulation("a", 30), n_real=12), ["a"], seed=0)
    assert "12 galaxies" in about["note"]


def test_a_reference_of_one_brightness_judges_that_brightness_alone():
    """Of sets as bright, all can be said; the others are not ranked, and the sentence says why."""
    scores = scores_of(simulation("like", 80), simulation("faint", 80), seed=3)
    snr = scores.numbers("snr").copy()
    snr[~scores.equals("dataset", "faint")] = 40.0
    scores = scores.with_columns(snr=snr)
    rows, about = judged(scores, ["like", "faint"])
    assert about["snr"] == pytest.approx([40, 40])
    assert np.isfinite(rows["like"]["structure_p"])
    assert rows["like"]["share_extrapolated"] == 0
    assert rows["faint"]["verdict"] == Verdict.EXTRAPOLATED
    table = with_delta(rows["faint"])
    table.meta = {"reference": "SDSS", "structure": about}
    assert "(signal-to-noise 40 to 40)" in answer(table)


def with_delta(row):
    """Table of one row that `answer` reads."""
    table = Table(rows=[dict(zip(row.colnames, row, strict=True))])
    table["delta_mean"] = 0.0
    return table


def test_a_reference_without_petrosian_radii_is_told():
    scores = scores_of(simulation("a", 30))
    radius = np.where(scores.equals("dataset", "SDSS"), np.nan, 5.0)
    rows, about = structure_rows(scores.with_columns(petrosian_radius=radius), ["a"], seed=0)
    assert "120 of 120 held-out real galaxies have no Petrosian radius" in about["note"]
    assert np.isfinite(rows["structure_fraction"][0])  # of the whole image, as the note says
    radius[scores.equals("dataset", "SDSS")] = np.where(np.arange(120) < 12, np.nan, 5.0)
    assert structure_rows(scores.with_columns(petrosian_radius=radius), ["a"], seed=0)[1]["note"] == ""


def test_a_test_that_fails_on_equal_sets_finds_nothing():
    rows, _ = structure_rows(scores_of(simulation("smooth", 80, structure=0.2)), ["smooth"], seed=0)
    rows["kind"] = ["simulated"]
    assert with_verdicts(rows)["verdict"][0] == Verdict.SMOOTHER
    rows["structure_false_alarms"] = 0.2
    assert with_verdicts(rows)["verdict"][0] == Verdict.INVALID


def test_the_null_knows_the_number_of_galaxies():
    names = ["few", "many"]
    rows, about = structure_rows(scores_of(simulation("few", 8), simulation("many", 50)), names, seed=0)
    width = np.asarray(rows["structure_null_high"] - rows["structure_null_low"])
    assert width[0] > 1.8 * width[1]  # as the square root of the number, or more
    assert [null["n_galaxies"] for null in about["nulls"]] == [8, 50]
    assert ((rows["structure_null_low"] < 1) & (rows["structure_null_high"] > 1)).all()


@pytest.mark.parametrize(
    ("n", "beyond", "p_holm", "z", "low", "expected"),
    [
        (0, 0.0, 0.01, 1.0, 0.9, Verdict.UNKNOWN),
        (1, 0.0, 0.01, 1.0, 0.9, Verdict.SINGLE),
        (2, 0.0, 0.049, 0.1, 0.9, Verdict.CLUMPIER),
        (2, 0.0, 0.049, -0.1, 0.9, Verdict.SMOOTHER),
        (2, 0.0, 0.051, -0.1, 0.5, Verdict.CONSISTENT),
        (2, 0.0, 0.051, -0.1, 0.49, Verdict.UNDECIDED),
        (2, 0.0, 0.051, -0.1, np.nan, Verdict.UNDECIDED),
        (2, 0.51, 0.01, 1.0, 0.9, Verdict.EXTRAPOLATED),
        (2, 0.5, 0.01, 1.0, 0.9, Verdict.CLUMPIER),
    ],
)
def test_the_rule_of_verdicts_on_both_sides_of_its_bounds(n, beyond, p_holm, z, low, expected):
    assert verdict_of(n, beyond, p_holm, z, low) == expected
