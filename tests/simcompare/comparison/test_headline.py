"""The comparison table: order, nulls, doubts, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table, vstack
from scipy import stats
from scipy.special import beta, comb

from simcompare.comparison import headline, structure
from simcompare.comparison.headline import compare, null_splits, split_differences, trend_of
from simcompare.comparison.report_table import read_comparison, write_comparison
from simcompare.data.shipped import reference_table
from simcompare.scores.files import joined_scores, read_form
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import UNKNOWN


def scores(dataset, kind, mean, n, seed=0, views=1, split="test", raw=0.0):
    rng = np.random.default_rng([seed, n])
    galaxy = np.repeat(np.arange(n), views)
    ratio = mean + 20 * rng.normal(size=n)[galaxy] + rng.normal(size=n * views)
    meta = {
        "survey": "sdss",
        "bands": ["r"],
        "pixel_scale": 0.396,
        "preparation_hash": "a",
        "scale_names": [],
    }
    table = Table(
        {
            "galaxy_id": [f"{dataset}-{g}" for g in galaxy],
            "dataset": [dataset] * len(galaxy),
            "kind": [kind] * len(galaxy),
            "view": np.arange(len(galaxy)) % views,
            "split": [split] * len(galaxy),
            "mag_r": rng.normal(17, 0.5, n)[galaxy],
            "log_prob": 4000 + raw + 30 * rng.normal(size=n)[galaxy],
            "log_likelihood_ratio": ratio,
            "outside_domain": np.zeros(len(galaxy), int),
        },
        meta=meta,
    )
    return Scores.of(table)


@pytest.fixture(scope="module")
def tables():
    return [
        scores("real", "observed", 100, 300),
        scores("learned", "observed", 0, 5, split="train"),
        scores("coarse", "simulated", 40, 200, seed=1, views=2, raw=60),
        scores("fine", "simulated", 80, 200, seed=2, views=2),
        scores("twins", "twins", 0, 300, seed=3),
    ]


@pytest.fixture(scope="module")
def compared(tables):
    return compare(stack_scores(tables).with_reference("real"), np.random.default_rng(0), n_bootstrap=300)


def test_best_first_then_controls_then_the_null(compared):
    assert list(compared["dataset"]) == ["fine", "coarse", "twins", "real (half)"]
    assert compared["delta_mean"][0] == pytest.approx(-20, abs=6)
    assert compared["delta_mean_low"][0] < -20 < compared["delta_mean_high"][0]
    assert list(compared["n_galaxies"]) == [200, 200, 300, 150]
    assert list(compared["n_images"]) == [400, 400, 300, 150]


def test_simulations_from_other_sides_are_cautioned(tables):
    """Directions of two simulations differ; those of real galaxies are nobody's choice."""
    coarse, fine = (
        each.with_columns(direction=np.resize(words, len(each)))
        for each, words in zip(tables[2:4], (["random", "random"], ["face-on", "healpix:3/12"]), strict=True)
    )
    unlike = stack_scores([tables[0], coarse, fine]).with_reference("real")
    table = compare(unlike, np.random.default_rng(0), n_bootstrap=100)
    caution = dict(zip(table["dataset"].tolist(), table["caution"].tolist(), strict=True))
    assert "seen from random, other simulations from face-on, healpix:12" in caution["coarse"]
    assert "seen from face-on, healpix:12, other simulations from random" in caution["fine"]
    assert "seen from" not in caution["real (half)"]
    alike = stack_scores([tables[0], coarse, fine.with_columns(direction=["random"] * len(fine))])
    table = compare(alike.with_reference("real"), np.random.default_rng(0), n_bootstrap=100)
    assert not any("seen from" in text for text in table["caution"])


def test_real_against_real_shows_nothing(compared):
    null = compared[-1]
    assert null["delta_mean_low"] < 0 < null["delta_mean_high"]
    assert null["auc_low"] < 0.5 < null["auc_high"]
    assert compared.meta["null"]["share_significant"] < 0.12


def test_only_claims_are_corrected_for_their_number(compared):
    assert np.isfinite(compared["p_holm"][:2]).all()
    assert np.isnan(compared["p_holm"][2:]).all()
    assert (compared["p_holm"][:2] >= compared["p_value"][:2]).all()


def test_only_held_out_real_galaxies_are_the_reference(tables):
    mixed = stack_scores([*tables, scores("real", "observed", 500, 40, seed=9, split="train")])
    mixed = mixed.with_columns(galaxy_id=np.char.add(mixed["galaxy_id"], mixed["split"]))
    mixed = mixed.with_reference("real")
    assert len(mixed.reference_sample()) == 300 < mixed.equals("dataset", "real").sum()
    again = compare(mixed, np.random.default_rng(0), n_bootstrap=100)
    assert again.meta["n_reference_galaxies"] == 300
    assert "learned" not in again["dataset"]


def test_other_datasets_do_not_change_a_row(tables, compared):
    alone = compare(stack_scores([tables[0], tables[3]]), np.random.default_rng(0), n_bootstrap=300)
    for name in ("delta_mean", "delta_mean_low", "auc_high", "ks_low"):
        assert alone[name][0] == compared[name][0]


def test_a_raw_likelihood_that_says_the_opposite_is_named(compared):
    assert "raw log-likelihood says the opposite" in compared["caution"][1]
    assert compared["delta_log_prob"][1] == pytest.approx(60, abs=10)


def test_doubts_are_named(tables):
    bright = scores("few", "simulated", 90, 4, seed=5)
    ratio = np.where(np.arange(4) == 0, np.nan, bright["log_likelihood_ratio"])
    bright = bright.with_columns(
        mag_r=bright["mag_r"] - 3, outside_domain=[0, 1, 1, 0], log_likelihood_ratio=ratio
    )
    row = compare(stack_scores([tables[0], bright]), np.random.default_rng(0), n_bootstrap=100)[0]
    for phrase in ("only 3 galaxies", "1 scores are not finite", "50% of images outside", "r magnitude 1"):
        assert phrase in row["caution"]
    without = [table.without("log_likelihood_ratio") for table in (tables[0], tables[3])]
    raw = compare(stack_scores(without), np.random.default_rng(0), n_bootstrap=100)
    assert raw.meta["score"] == "log_prob"
    assert "rewards smooth" in raw["caution"][0]


def test_a_single_galaxy_gets_a_row_without_interval(tables):
    lone = compare(stack_scores([tables[0], scores("one", "simulated", 90, 1)]), np.random.default_rng(0))
    assert np.isfinite(lone["delta_mean"][0])
    assert np.isnan(lone["delta_mean_low"][0])
    assert "a single galaxy" in lone["caution"][0]


def test_what_cannot_be_compared_is_refused(tables):
    rng = np.random.default_rng(0)
    both = stack_scores([tables[0], tables[2]])
    with pytest.raises(ValueError, match="lack split"):
        compare(both.without("split"), rng)
    with pytest.raises(ValueError, match="'mars' is not among the data sets: coarse, real"):
        compare(both.with_reference("mars"), rng)
    with pytest.raises(ValueError, match="0 real data sets"):
        compare(tables[2], rng)
    with pytest.raises(ValueError, match=r"1 images appear more than once \(first: real, real-0, 0\)"):
        compare(stack_scores([both, both[:1]]), rng)
    with pytest.raises(ValueError, match="no held-out row"):
        compare(both.with_columns(split=np.full(len(both), "train")), rng)
    empty = np.where(both.equals("dataset", "coarse"), np.nan, both["log_likelihood_ratio"])
    with pytest.raises(ValueError, match="'coarse' has no finite"):
        compare(both.with_columns(log_likelihood_ratio=empty), rng)
    other = replace(tables[2], meta=tables[2].meta | {"preparation_hash": "b"})
    with pytest.raises(ValueError, match="preparation_hash is a in one and b"):
        stack_scores([tables[0], other])
    with pytest.raises(ValueError, match="only some have the columns log_likelihood_ratio"):
        stack_scores([tables[0], tables[2].without("log_likelihood_ratio")])
    with pytest.raises(ValueError, match="column 'mag_r' is text in some, numbers in others"):
        stack_scores([tables[0], tables[2].with_columns(mag_r=np.full(len(tables[2]), "17"))])
    with pytest.raises(ValueError, match="no scores given"):
        stack_scores([])


def test_null_p_values_are_uniform(tables):
    null = null_splits(tables[0], np.random.default_rng(0))
    assert null["uniformity_p"] > 0.01
    assert null["delta_95"] == pytest.approx(1.96 * 20 * np.sqrt(2 / 150), rel=0.2)
    assert null_splits(tables[0][:2], np.random.default_rng(0))["n_splits"] == 0


def test_null_of_four_galaxies_is_that_of_all_their_halves():
    """Means 0, 1, 3, 9: halves differ by 5.5, 3.5 or 2.5, each in a third of the splits."""
    table = scores("real", "observed", 0, 4).with_columns(log_likelihood_ratio=[0.0, 1.0, 3.0, 9.0])
    delta, p_values = split_differences(np.array([0.0, 1, 3, 9]), np.random.default_rng(0), 3000)
    sizes, counts = np.unique(np.abs(delta), return_counts=True)
    assert sizes.tolist() == [2.5, 3.5, 5.5]
    assert counts == pytest.approx([1000] * 3, abs=100)
    for halves, difference in ((([0, 1], [3, 9]), -5.5), (([0, 9], [1, 3]), 2.5)):
        expected = stats.ttest_ind(*halves, equal_var=False).pvalue
        assert p_values[delta == difference] == pytest.approx(expected)
    assert null_splits(table, np.random.default_rng(0))["delta_95"] == 5.5
    assert np.isnan(split_differences(np.array([0.0, 1, 3]), np.random.default_rng(0), 5)[1]).all()


def test_shares_beyond_percentiles_of_the_reference_count_galaxies_alike(compared, tables):
    """A galaxy with three views counts as one with a single view; by a loop over galaxies."""
    real, ours = (
        scores("real", "observed", 0, 200, seed=1),
        scores("sim", "simulated", 15, 60, seed=2, views=3),
    )
    number = np.char.partition(np.asarray(ours["galaxy_id"], str), "-")[:, 2].astype(int)
    ours = ours[(np.asarray(ours["view"]) == 0) | (number % 2 == 0)]
    row = compare(stack_scores([real, ours]), np.random.default_rng(0), n_bootstrap=20)[0]
    for label, percentile in (("0p15", 0.15), ("2p5", 2.5), ("97p5", 97.5), ("99p85", 99.85)):
        limit = np.percentile(real["log_likelihood_ratio"], percentile)
        side = "below" if percentile < 50 else "above"
        shares = []
        for name in np.unique(ours["galaxy_id"]):
            values = ours["log_likelihood_ratio"][np.asarray(ours["galaxy_id"]) == name]
            shares.append(np.mean(values < limit if side == "below" else values > limit))
        assert row[f"fraction_{side}_{label}"] == pytest.approx(np.mean(shares), abs=1e-12)
    assert row["fraction_above_97p5"] > 0.05


def test_sound_rows_raise_no_caution(compared):
    assert list(compared["caution"]) == ["", "raw log-likelihood says the opposite", "", ""]


def test_generations_rise_in_the_stated_order(tables):
    both = stack_scores(tables)
    assert trend_of(both, ["coarse", "fine"], np.random.default_rng(0))["p_value"] < 1e-6
    with pytest.raises(ValueError, match="unknown data sets"):
        trend_of(both, ["coarse", "finest"], np.random.default_rng(0))


@pytest.mark.parametrize("name", ["comparison.ecsv", "comparison.json"])
def test_a_written_comparison_is_read_back(compared, tmp_path, name):
    write_comparison(compared, tmp_path)
    again = read_comparison(tmp_path / name)
    assert again.colnames == compared.colnames
    assert again.meta["null"]["delta_95"] == compared.meta["null"]["delta_95"]
    for column in compared.colnames:
        if compared[column].dtype.kind == "f":
            np.testing.assert_array_equal(again[column], compared[column])
        else:
            assert list(again[column]) == list(compared[column])


def test_what_is_no_comparison_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `simcompare compare` first"):
        read_comparison(tmp_path)
    Table({"a": [1]}).write(tmp_path / "comparison.ecsv", format="ascii.ecsv")
    with pytest.raises(ValueError, match="not a comparison"):
        read_comparison(tmp_path)


def test_single_galaxy_is_never_the_best():
    rng = np.random.default_rng(3)
    real = Table(
        {"dataset": ["SDSS"] * 40, "galaxy_id": [f"r{i}" for i in range(40)], "kind": ["observed"] * 40}
    )
    many = Table(
        {"dataset": ["many"] * 20, "galaxy_id": [f"m{i}" for i in range(20)], "kind": ["simulated"] * 20}
    )
    one = Table({"dataset": ["one"] * 4, "galaxy_id": ["o"] * 4, "kind": ["simulated"] * 4})
    for table, mean in ((real, 0.0), (many, -3.0), (one, 0.0)):
        table["view"] = np.arange(len(table))
        table["split"] = "test"
        table["log_prob"] = table["log_likelihood_ratio"] = rng.normal(mean, 1.0, len(table))
    result = compare(Scores.of(vstack([real, many, one]), "SDSS"), rng, n_bootstrap=200)
    assert list(result["dataset"][:2]) == ["many", "one"]


def test_cautions_are_rare_for_real_galaxies_taken_as_a_data_set(monkeypatch):
    monkeypatch.setattr(structure, "known_equal", lambda *_, **__: None)  # these three cost time alone
    monkeypatch.setattr(headline, "null_splits", lambda *_: {})
    monkeypatch.setattr(headline, "real_halves", lambda truth, _: (truth[:0], truth[:0]))
    path = reference_table("sdss-r")
    table = joined_scores([path], read_form(path)).table
    is_real = np.asarray(table["kind"]) == "observed"
    reference = str(table["dataset"][is_real][0])
    names, rng = np.unique(table["galaxy_id"][is_real]), np.random.default_rng(0)
    raised = []
    for _ in range(30):
        drawn = np.isin(table["galaxy_id"], rng.permutation(names)[:30])
        words = {
            name: np.where(drawn & is_real, word, np.asarray(table[name]).astype(str))
            for name, word in (("dataset", "drawn"), ("kind", "simulated"))
        }
        columns = {name: words.get(name, table[name]) for name in table.colnames}
        kept = Table(columns, meta=table.meta)[is_real | ~drawn]
        found = compare(Scores.of(kept).with_reference(reference), rng, n_bootstrap=50)
        raised.append(bool(found["caution"][list(found["dataset"]).index("drawn")]))
    assert np.mean(raised) <= 0.2  # 7 % expected, and three times its error


def least_surprising(n, n_real, expected):
    """Galaxies outside from which on chance gives as many in less than 2 %, by sums of beta functions."""
    a, b = expected * n_real, (1 - expected) * n_real
    each = np.array([comb(n, k) * beta(k + a, n - k + b) / beta(a, b) for k in range(n + 1)])
    tail = each[::-1].cumsum()[::-1]  # of k or more
    return int(np.argmax(tail < 0.02))


@pytest.mark.parametrize(("n", "n_real", "real_outside"), [(30, 80, 0), (12, 80, 0), (40, 100, 20)])
def test_images_outside_the_training_range_are_named_where_chance_gives_fewer(n, n_real, real_outside):
    """One in twenty is let pass, or as many as of the real galaxies."""
    truth = scores("real", "observed", 100, n_real)
    truth = truth.with_columns(outside_domain=(np.arange(n_real) < real_outside).astype(int))
    sample = scores("sim", "simulated", 100, n, seed=1)
    limit = least_surprising(n, n_real, max(0.05, real_outside / n_real))
    assert 1 < limit < n
    for outside in (0, limit - 1, limit, n):
        row = {"n_galaxies": n, "n_not_finite": 0, "fraction_outside_domain": outside / n}
        row |= {"delta_mean_low": -1.0, "delta_mean_high": 1.0}
        found = "; ".join(headline._cautions(sample, truth, row, UNKNOWN))
        assert ("outside the model's training range" in found) == (outside >= limit)


@pytest.mark.parametrize(("n_conditions", "expected"), [(2, 0.08), (4, 1 - 0.92**2)])
def test_galaxies_beyond_the_conditions_are_named_where_chance_gives_fewer(n_conditions, expected):
    about = {"conditions": ["c"] * n_conditions, "n_reference": 90}
    limit = least_surprising(25, 90, expected)
    row = {"dataset": "a", "n_structure": 25, "caution": "few", "surroundings_p": 0.5, "kind": "simulated"}
    rows = [row | {"share_extrapolated": k / 25} for k in (0, limit - 1, limit)]
    rows += [row | {"share_extrapolated": np.nan}]
    found = headline._cautioned(Table(rows=rows), about, {})["caution"].tolist()
    assert [text == "few" for text in found] == [True, True, False, True]
    assert found[2].startswith(f"few; {limit / 25:.0%} of galaxies outside the brightness or size")


def test_another_sky_about_simulated_galaxies_is_named():
    row = {"dataset": "a", "n_structure": 25, "caution": "", "share_extrapolated": 0.0}
    cases = [(0.019, "simulated"), (0.021, "simulated"), (0.001, "twins"), (np.nan, "simulated")]
    rows = [row | {"surroundings_p": p, "kind": kind} for p, kind in cases]
    about = {"conditions": ["a", "b"], "n_reference": 90}
    found = headline._cautioned(Table(rows=rows), about, {})["caution"]
    assert ["the sky around galaxies differs" in text for text in found] == [True, False, False, False]


@pytest.mark.parametrize(("shift", "is_named"), [(0.20, False), (0.32, True), (-0.32, True)])
def test_medians_apart_by_a_quarter_of_the_spread_are_named(shift, is_named):
    """Of thousands of galaxies, so that chance is out of it; half the 16-84 % range of a normal is 0.994."""
    middle = stats.norm(17, 0.5).ppf((np.arange(3000) + 0.5) / 3000)
    truth = scores("real", "observed", 100, 3000).with_columns(mag_r=middle)
    sample = scores("sim", "simulated", 100, 3000, seed=1).with_columns(mag_r=middle + 0.5 * shift)
    found = headline._unequal_nuisance(sample, truth)
    assert bool(found) == is_named
    few = sample[:4].with_columns(mag_r=middle[1498:1502] + 0.5 * shift)  # too few to tell
    assert headline._unequal_nuisance(few, truth) == []


def test_order_is_by_distance_from_real_structure_and_singles_and_unranked_stand_below():
    row = {"kind": "simulated", "n_galaxies": 9, "verdict": "consistent with real", "delta_mean": 0.0}
    cases = [
        row | {"dataset": "far", "structure_fraction": 1.9},
        row | {"dataset": "near", "structure_fraction": 0.3},
        row | {"dataset": "one", "structure_fraction": 1.0, "n_galaxies": 1},
        row | {"dataset": "beyond", "structure_fraction": 1.0, "verdict": str(structure.UNRANKED[1])},
        row | {"dataset": "control", "structure_fraction": 1.0, "kind": "twins"},
        row | {"dataset": "null", "structure_fraction": 1.0, "kind": "null"},
        row | {"dataset": "b", "structure_fraction": np.nan, "delta_mean": -0.8},
        row | {"dataset": "a", "structure_fraction": np.nan, "delta_mean": 0.8},
    ]
    found = headline._ordered(Table(rows=cases))["dataset"].tolist()
    assert found == ["near", "a", "b", "far", "beyond", "one", "control", "null"]
