"""What goes with a lack of structure is named where it was put in, and nowhere else."""

import numpy as np
import pytest
from astropy.table import Table, vstack

from simcompare.comparison.properties.reasons import NUMBERS, reasons, sentences
from simcompare.comparison.structure import Verdict, verdict_of
from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.scores.structure import learn_structure
from simcompare.statistics.significance import adjust_p_values


def galaxies(rng, name, kind, n, asymmetry=0.0, *, views=1):
    """Structure goes with the asymmetry; the other numbers are chance."""
    x, own = rng.normal(1.5, 0.4, n), rng.normal(asymmetry, 1, n)
    ratio = 3 * np.sinh(0.5 * x + 0.3 * own + rng.normal(0, 0.4, n))
    columns = {column: rng.normal(size=n) for column in NUMBERS} | {"measured_asymmetry": 0.02 * own}
    table = Table(
        {
            "galaxy_id": [f"{name}-{i:04d}" for i in range(n)], "dataset": [name] * n, "kind": [kind] * n,
            "split": ["test"] * n, "log_likelihood_ratio": ratio, "aperture_ratio": ratio, "snr": 10**x,
            "half_light_radius": rng.uniform(2, 4, n), "psf_fwhm_r": [1.2] * n, **columns,
        }
    )  # fmt: skip
    return vstack([table] * views)


def reasoned(*tables):
    scores = Scores.of(vstack(list(tables)))
    structure = learn_structure(scores, np.random.default_rng(0))
    table = reasons(scores, structure, 0, n_bootstrap=200)
    names = scores.of_kind(Kind.SIMULATED)
    samples = [scores.sample(name) for name in names]
    tests = [structure.test(sample) for sample in samples]
    p_holm = adjust_p_values([test.p_value for test in tests])
    verdicts = {
        name: verdict_of(
            structure.n_galaxies(sample), structure.extrapolated(sample), p, test.z_weighted, test.low
        )
        for name, sample, test, p in zip(names, samples, tests, p_holm, strict=True)
    }
    return table, verdicts


@pytest.fixture(scope="module")
def real():
    return galaxies(np.random.default_rng(0), "SDSS", "observed", 250)


def test_a_lack_of_asymmetry_is_named_with_its_share(real):
    rng = np.random.default_rng(1)
    table, verdicts = reasoned(
        real, galaxies(rng, "smooth", "simulated", 100, -1.2), galaxies(rng, "like", "simulated", 100)
    )
    assert verdicts["smooth"] == Verdict.SMOOTHER
    assert verdicts["like"] not in (Verdict.SMOOTHER, Verdict.CLUMPIER)
    (sentence,) = sentences(table, verdicts)
    assert sentences(table, verdicts | {"smooth": str(Verdict.INVALID)}) == []
    assert sentence.startswith(
        "smooth galaxies are less asymmetric than real ones observed equally well; this"
    )
    assert sentence.endswith("of their lack of structure.")
    row = table[(table["dataset"] == "smooth") & (table["number"] == "measured_asymmetry")][0]
    assert row["low"] < 1 < row["high"]
    assert row["difference"] == pytest.approx(-1.2, abs=0.3)
    assert (table["p_holm"][table["number"] != "measured_asymmetry"] > 0.01).all()
    assert (table["false_alarms"] <= 0.15).all()


def test_a_lack_that_no_number_carries_is_said_so(real):
    smooth = galaxies(np.random.default_rng(2), "smooth", "simulated", 100)
    smooth["aperture_ratio"] -= 6.0
    table, verdicts = reasoned(real, smooth)
    assert verdicts == {"smooth": Verdict.SMOOTHER}
    assert sentences(table, verdicts) == [
        "No morphology number accounts for the lack of structure of smooth."
    ]


@pytest.mark.parametrize(("gini", "is_clumps"), [(-0.8, True), (0.0, False), (0.8, False)])
def test_an_excess_of_structure_with_a_lower_gini_is_clumps(real, gini, is_clumps):
    rough = galaxies(np.random.default_rng(2), "rough", "simulated", 100)
    rough["aperture_ratio"] += 6.0
    rough["measured_gini"] += gini
    table, verdicts = reasoned(real, rough)
    assert verdicts == {"rough": Verdict.CLUMPIER}
    said = "The excess of structure of rough is clumps, not noise of particles: Gini is lower."
    assert (said in sentences(table, verdicts)) == is_clumps
    assert said not in sentences(table, {"rough": Verdict.SMOOTHER})


def test_views_are_no_further_galaxies(real):
    once = galaxies(np.random.default_rng(3), "run", "simulated", 30, -0.5)
    first, _ = reasoned(real, once)
    twice, _ = reasoned(real, vstack([once, once]))
    for name in ("n_galaxies", "difference", "error", "carried", "share"):
        np.testing.assert_allclose(first[name], twice[name])


def test_scores_without_the_numbers_are_told(real):
    scores = Scores.of(real)
    structure = learn_structure(scores, np.random.default_rng(0))
    with pytest.raises(ValueError, match="no measured_gini; score the images again"):
        reasons(scores.without("measured_gini"), structure, 0)
    unknown = scores.with_columns(measured_gini=np.full(len(scores), np.nan))
    with pytest.raises(ValueError, match="0 held-out real galaxies have all of"):
        reasons(unknown, structure, 0)
