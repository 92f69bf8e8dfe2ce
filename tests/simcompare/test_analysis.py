"""Every further table is made where the data allow it, and says why where they do not."""

import json
import re

import numpy as np
import pytest
from astropy.table import Table

from simcompare.analysis import further_tables, match_all
from simcompare.comparison import compare
from simcompare.report import write_report


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
    tables = {each.name: each.table for each in further_tables(scores(), "real", 0, n_bootstrap=200)}
    assert list(tables) == ["adjusted", "matched", "typicality", "features"]
    assert tables["adjusted"]["delta_adjusted_low"][0] < -30 < tables["adjusted"]["delta_adjusted_high"][0]
    row = tables["matched"][0]
    assert row["delta_matched_low"] < -30 < row["delta_matched_high"]
    assert row["imbalance_after"] < 0.15 < row["imbalance_before"]
    batch = {row["dataset"]: row for row in tables["typicality"]}
    assert batch["sim <1>"]["p_value"] < 0.01
    assert set(tables["features"]["space"]) == {"morphology"}


def test_what_cannot_be_made_says_why():
    tables = {each.name: each for each in further_tables(scores(n_real=9, n=4), "real", 0)}
    assert tables["adjusted"].table is None
    assert "too few to adjust" in tables["adjusted"].note
    assert "at least 20 held-out" in tables["typicality"].note


def test_a_dataset_that_matches_nothing_keeps_its_row():
    far = scores()
    far["mag_r"][far["dataset"] == "sim <1>"] += 20
    table = match_all(far, "real", ("mag_r",), 0)
    assert table["n_pairs"][0] == 0
    assert "widen the caliper" in table["note"][0]


def test_further_tables_are_in_the_page_and_beside_it(tmp_path):
    table = scores()
    further = further_tables(table, "real", 0, n_bootstrap=50)
    comparison = compare(table, "real", np.random.default_rng(0), n_bootstrap=50)
    html = write_report(tmp_path, comparison, [], further=further).read_text(encoding="utf-8")
    assert "Matched samples" in html
    assert "sim &lt;1&gt;" in html
    assert not re.search(r"https?://", html)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["further"][0]["rows"][0]["delta_adjusted"] == pytest.approx(
        further[0].table["delta_adjusted"][0]
    )
    assert len(Table.read(tmp_path / "tables" / "features.ecsv")) > 4
