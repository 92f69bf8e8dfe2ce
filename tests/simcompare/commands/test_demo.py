import json

import numpy as np

from simcompare.cli import main
from simcompare.commands.demo import DATASETS, NATURE
from simcompare.comparison.report_table import read_comparison
from simcompare.runs.names import SCORES
from simcompare.scores.run_inputs import run_scores


def test_generations_are_ranked_with_error_bars(demo):
    table = read_comparison(demo / "comparison")
    row = {str(each["dataset"]): each for each in table}
    means = [row[name]["delta_mean"] for name in ("toy-1", "toy-2", "toy-3")]
    assert means == sorted(means)
    assert row["toy-1"]["delta_mean_high"] < 0
    assert row["toy-3"]["delta_mean_low"] < 0 < row["toy-3"]["delta_mean_high"]
    assert row["toy-1"]["auc_low"] > 0.5
    assert row["toy-1"]["delta_mean_high"] < row["toy-3"]["delta_mean"]


def test_twins_are_told_from_galaxies(demo):
    table = read_comparison(demo / "comparison")
    twins = next(each for each in table if each["kind"] == "twins")
    assert twins["auc_low"] > 0.8
    assert twins["delta_mean_high"] < 0


def test_same_physics_in_other_formats_scores_alike(demo):
    row = {str(each["dataset"]): each for each in read_comparison(demo / "comparison")}
    for name in ("toy-EAGLE", "toy-RAMSES"):
        error = np.hypot(row[name]["delta_mean_error"], row["toy-3"]["delta_mean_error"])
        assert abs(row[name]["delta_mean"] - row["toy-3"]["delta_mean"]) < 3 * error


def test_scores_are_whole(demo):
    scores = run_scores(demo / "scores")
    assert set(DATASETS) | {NATURE} <= set(scores["dataset"])
    assert np.isfinite(scores["log_likelihood_ratio"]).all()
    scales = [name for name in scores.colnames if name.startswith("log_prob_scale_")]
    assert np.allclose(sum(scores[name] for name in scales), scores["log_prob"], atol=1e-6)


def test_everything_is_labelled_as_toy(demo):
    page = (demo / "comparison" / "report.html").read_text()
    assert "TOY DATA" in page
    assert json.loads((demo / "comparison" / "report.json").read_text())["toy"] is True


def test_second_run_changes_nothing(demo, monkeypatch):
    monkeypatch.setattr(
        "simcompare.commands.demo.report_run", lambda settings: settings.run
    )  # drawn anew each time
    scores = demo / "scores" / SCORES
    written = scores.stat().st_mtime_ns
    assert main(["--quiet", "demo", "--out", str(demo)]) == 0
    assert scores.stat().st_mtime_ns == written
