"""Every further table is made where the data allow it, and says why where they do not."""

import json
import re

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.adjusted import adjusted_differences
from simcompare.comparison.further_tables import Questions, further_tables
from simcompare.comparison.headline import compare
from simcompare.comparison.matched import contrasts, match_all
from simcompare.comparison.report_table import read_further, with_columns_of, write_further
from simcompare.comparison.volume import jackknife_all, with_sub_boxes
from simcompare.pages.page import report_content, write_report
from simcompare.scores.record import Scores


def scores(n_real=80, n=40, shift=-30.0, **changes):
    rng = np.random.default_rng(0)
    rows = []
    for name, kind, m, mean in (("real", "observed", n_real, 0.0), ("sim <1>", "simulated", n, shift)):
        for k in range(m):
            mag = rng.normal(17.2 if kind == "simulated" else 17, 0.5)
            rows.append(
                {
                    "galaxy_id": f"{name}{k}", "dataset": name, "kind": kind, "split": "test", "mag_r": mag,
                    "half_light_radius": rng.lognormal(1, 0.3), "concentration": rng.normal(3, 0.3),
                    "log_prob": rng.normal(4000, 30),
                    "log_likelihood_ratio": 100 + mean - 20 * (mag - 17) + 10 * rng.normal(),
                }
            )  # fmt: skip
    table = Table(rows=rows)
    for column, value in changes.items():
        table[column] = value
    return table


def test_all_tables_find_the_difference():
    tables = {each.name: each.table for each in further_tables(Scores.of(scores()), 0, n_bootstrap=200)}
    assert [name for name, table in tables.items() if table is None] == [
        "structure", "reasons", "contrasts", "jackknife", "posterior", "calibration",
    ]  # fmt: skip
    assert tables["adjusted"]["delta_adjusted_low"][0] < -30 < tables["adjusted"]["delta_adjusted_high"][0]
    row = tables["matched"][0]
    assert row["delta_matched_low"] < -30 < row["delta_matched_high"]
    assert row["imbalance_after"] < 0.15 < row["imbalance_before"]
    batch = {row["dataset"]: row for row in tables["typicality"]}
    assert batch["sim <1>"]["p_value"] < 0.01
    assert set(tables["features"]["space"]) == {"morphology"}
    assert list(tables["balance"]["column"]) == ["mag_r", "half_light_radius"]
    assert tables["balance"].colnames[:2] == ["dataset", "n_pairs"]
    for when in ("before", "after"):  # the larger of two columns
        both = np.abs(tables["balance"][f"difference_{when}"])
        assert both[0] != both[1]
        assert row[f"imbalance_{when}"] == both.max()
    assert tables["bins"].meta["column"] == "mag_r"
    inside = tables["bins"][tables["bins"]["n_reference"] > 0]
    assert inside["n_reference"].sum() == 80


def test_galaxies_beyond_the_real_ones_are_counted_as_extrapolated():
    """Five of forty brighter, three larger than the middle 99 per cent of real galaxies, two of them both."""
    table = scores()
    is_real, ours = table["dataset"] == "real", np.flatnonzero(table["dataset"] != "real")
    for name in ("mag_r", "half_light_radius"):
        table[name][ours] = np.median(table[name][is_real])
    table["mag_r"][ours[:5]] = np.quantile(table["mag_r"][is_real], 0.005) - 0.01
    table["half_light_radius"][ours[3:6]] = np.quantile(table["half_light_radius"][is_real], 0.995) + 0.01
    columns = ("mag_r", "half_light_radius")
    (row,) = adjusted_differences(Scores.of(table), 0, columns=columns, n_bootstrap=100)
    assert row["share_extrapolated"] == 6 / 40
    table["log_likelihood_ratio"] *= 0.001  # an error far below 1 is an error still
    (small,) = adjusted_differences(Scores.of(table), 0, columns=columns, n_bootstrap=100)
    assert small["p_value"] == pytest.approx(row["p_value"], rel=1e-6, abs=1e-300)


def test_what_cannot_be_made_says_why():
    tables = {each.name: each for each in further_tables(Scores.of(scores(n_real=9, n=4)), 0)}
    assert tables["adjusted"].table is None
    assert "too few to adjust" in tables["adjusted"].note
    assert "at least 20 held-out" in tables["typicality"].note


def test_a_dataset_that_matches_nothing_keeps_its_row():
    far = scores()
    far["mag_r"][far["dataset"] == "sim <1>"] += 20
    table = match_all(Scores.of(far), ("mag_r",), 0)
    assert (table["n_pairs"][0], table["n_galaxies"][0]) == (0, 0)
    assert "widen the caliper" in table["note"][0]


def test_further_tables_are_in_the_page_and_beside_it(tmp_path):
    table = scores()
    further = further_tables(Scores.of(table), 0, n_bootstrap=50)
    comparison = compare(Scores.of(table), np.random.default_rng(0), n_bootstrap=50)
    write_further(further, tmp_path / "tables")
    said = comparison, [], further
    html = write_report(tmp_path, report_content(*said), *said).read_text(encoding="utf-8")
    assert "Matched samples" in html
    assert "sim &lt;1&gt;" in html
    assert not re.search(r"https?://", html)
    content = json.loads((tmp_path / "report.json").read_text())
    adjusted = next(each for each in further if each.name == "adjusted").table["delta_adjusted"][0]
    shown = next(each for each in content["further"] if each["name"] == "adjusted")
    assert shown["rows"][0]["delta_adjusted"] == pytest.approx(adjusted)
    assert len(Table.read(tmp_path / "tables" / "features.ecsv")) > 4


def generations(n=40):
    """Two simulations of 40 galaxies that differ by 20 nats and by one spread of a feature."""
    table = scores(n=2 * n)
    second = np.flatnonzero(table["dataset"] == "sim <1>")[n:]
    table["dataset"] = table["dataset"].astype("U8")
    table["dataset"][second] = "newer"
    table["log_likelihood_ratio"][second] += 20
    return table, {"latents": np.random.default_rng(1).normal(size=(len(table), 3)) + np.where(
        table["dataset"] == "newer", 0.0, np.where(table["dataset"] == "real", 0.0, 2.0)
    )[:, None]}  # fmt: skip


def test_generations_are_tested_for_their_order_paired_and_given_probabilities():
    table, spaces = generations()
    asked = Questions(match=("mag_r",), bins="mag_r", edges=(16, 17, 18), generations=("sim <1>", "newer"))
    found = {
        each.name: each
        for each in further_tables(Scores.of(table), 0, spaces=spaces, questions=asked, n_bootstrap=200)
    }
    trend = found["trend"].table[0]
    assert trend["p_value"] < 0.01
    assert trend["slope_low"] < 20 < trend["slope_high"]
    pair = found["contrasts"].table[0]
    assert (pair["first"], pair["second"]) == ("newer", "sim <1>")
    assert pair["delta_low"] < 20 < pair["delta_high"]
    assert pair["p_holm"] < 0.01
    assert found["posterior"].table["dataset"][0] == "newer"
    assert found["posterior"].table["probability"][0] > 0.8
    assert "% of the real galaxies lie among the simulations" in found["posterior"].note
    assert len(found["calibration"].table) > 1
    assert set(found["bins"].table["low"]) == {16, 17}
    with pytest.raises(ValueError, match="two simulations"):
        contrasts(Scores.of(scores()), ("mag_r",), 0)


def test_parts_of_the_box_come_from_the_catalogue():
    table, _ = generations()
    with pytest.raises(ValueError, match="lack box_x"):
        with_sub_boxes(Scores.of(table))
    rng = np.random.default_rng(2)
    simulated = table["kind"] == "simulated"
    for name in ("box_x", "box_y", "box_z"):
        table[name] = np.where(simulated, rng.uniform(0, 50, len(table)), np.nan)
    table["box_size"] = np.where(simulated, 50.0, np.nan)
    parts = with_sub_boxes(Scores.of(table))
    assert set(parts["sub_box"][simulated]) == set(range(8))
    assert set(parts["sub_box"][~simulated]) == {-1}
    found = jackknife_all(parts)
    assert list(found["n_parts"]) == [8, 8]
    assert found["delta_jackknife_low"][1] < -30 < found["delta_jackknife_high"][1]
    with pytest.raises(ValueError, match="at least 3"):
        jackknife_all(parts.with_columns(sub_box=np.zeros(len(parts), int)))


def test_tables_are_read_back_and_join_the_headline(tmp_path):
    table, spaces = generations()
    further = further_tables(Scores.of(table), 0, spaces=spaces, n_bootstrap=50)
    write_further(further, tmp_path)
    again = read_further(tmp_path)
    assert [(each.name, each.title, each.note) for each in again] == [
        (each.name, each.title, each.note) for each in further
    ]
    comparison = compare(Scores.of(table), np.random.default_rng(0), n_bootstrap=50)
    joined = with_columns_of(comparison, again)
    rows = {row["dataset"]: row for row in joined}
    assert rows["newer"]["n_matched"] > 10
    assert rows["real (half)"]["n_matched"] == 0
    assert rows["sim <1>"]["c2st_auc_latents_low"] > 0.5
    assert rows["sim <1>"]["delta_adjusted_low"] < -30 < rows["sim <1>"]["delta_adjusted_high"]
    assert rows["newer"]["c2st_auc_latents_p"] > 0.01
    assert joined.colnames[-1] == "caution"
    with pytest.raises(FileNotFoundError, match="simcompare compare"):
        read_further(tmp_path / "absent")
