"""Real galaxies scored as a data set: rates, ranges and their errors, on made and on real galaxies."""

import numpy as np
import pytest
from scipy import stats

from simcompare.comparison.structure_null import KnownEqual, known_equal, null_table
from simcompare.data.shipped import reference_table
from simcompare.kinds import Kind
from simcompare.scores.files import joined_form, joined_scores
from simcompare.statistics.structure import StructureTest


@pytest.fixture(scope="module")
def real():
    path = reference_table("sdss-r")
    scores = joined_scores([path], joined_form([path]))
    return scores.with_reference(scores.of_kind(Kind.OBSERVED)[0])


def made(p_values, fractions):
    tests = (
        StructureTest(f, f - 0.3, f + 0.3, f, f, 0.1, p) for p, f in zip(p_values, fractions, strict=True)
    )
    return KnownEqual(10, 70, tuple(tests))


def test_a_summary_is_that_of_its_sets():
    rng = np.random.default_rng(0)
    p_values, fractions = np.linspace(0.001, 1, 200), rng.normal(1, 0.2, 200)
    row = made(p_values, fractions).summary(rng)
    assert row["false_alarms"] == np.mean(p_values < 0.05)
    k = int((p_values < 0.05).sum())
    assert row["false_alarms_low"] == pytest.approx(stats.beta.ppf(0.025, k, 200 - k + 1))
    assert row["false_alarms_high"] == pytest.approx(stats.beta.ppf(0.975, k + 1, 200 - k))
    assert (row["fraction_low"], row["fraction_high"]) == pytest.approx(
        tuple(np.quantile(fractions, [0.025, 0.975]))
    )
    assert row["holds_1"] == np.mean(np.abs(fractions - 1) <= 0.3)
    # Error of a quantile of a normal sample: sqrt(q (1 - q) / n) over the density there.
    expected = np.sqrt(0.025 * 0.975 / 200) / stats.norm.pdf(stats.norm.ppf(0.025)) * 0.2
    assert row["fraction_end_error"] == pytest.approx(expected, rel=0.4)


@pytest.mark.parametrize("n", [5, 10, 30])
def test_real_galaxies_pass_and_the_null_narrows(real, n):
    found = known_equal(real, n, np.random.default_rng(n))
    row = found.summary(np.random.default_rng(0))
    assert 0.005 <= row["false_alarms"] <= 0.09  # 200 sets
    assert row["fraction_low"] < 1 < row["fraction_high"]
    assert abs(row["z"]) < 0.15
    assert row["holds_1"] > 0.91
    assert (row["n_galaxies"], row["n_reference"]) == (n, 612 - n)


def test_a_condition_more_keeps_its_false_alarms(real):
    found = known_equal(real, 20, np.random.default_rng(1), conditions=("mag_r", "axis_ratio"))
    assert 0.005 <= found.rate <= 0.1
    assert found.n_galaxies + found.n_reference <= 612


def test_the_table_has_a_row_for_each_number_and_says_why_it_has_none():
    row = made([0.5] * 50, [1.0] * 50).summary(np.random.default_rng(0))
    assert len(null_table({"nulls": [row]}).table) == 1
    assert "too few" in null_table({"nulls": []}).note
    assert null_table({}).table is None


def test_too_few_real_galaxies_give_no_null(real):
    some = real[np.isin(real.galaxies, np.unique(real.galaxies)[:25])]
    assert known_equal(some, 10, np.random.default_rng(0)) is None
