"""Every score of every data set, by its median and its difference to real galaxies."""

import numpy as np
import pytest

from simcompare.comparison.every_score import every_score, score_columns
from simcompare.scores.columns import COLUMNS, Column, Use
from simcompare.scores.record import Scores


def galaxies(n_real=30, n=8):
    """Numbers from 0 up; simulated galaxies have two views, 5 and 7 above their number."""
    number = np.concatenate([np.arange(n_real), np.repeat(np.arange(n), 2)]).astype(float)
    view = np.concatenate([np.zeros(n_real), np.tile([5.0, 7.0], n)])
    return Scores.of(
        {
            "galaxy_id": [f"g{k:.0f}" for k in number],
            "dataset": ["real"] * n_real + ["sim"] * 2 * n,
            "kind": ["observed"] * n_real + ["simulated"] * 2 * n,
            "split": ["test"] * len(number),
            "log_prob": number + view,
            "log_likelihood_ratio": np.full(len(number), np.nan),
        }
    )


def test_medians_have_the_intervals_of_order_statistics():
    table = every_score(galaxies(), 0)
    assert table["column"].tolist() == ["log_prob"] * 2  # a score without a finite value has no row
    real, sim = table
    # Conover 1999: of 30 galaxies the 10th and 21st in order, of 8 the first and last.
    assert [real[f"median{end}"] for end in ("_low", "", "_high")] == [9, 14.5, 20]
    assert (sim["n_galaxies"], sim["median"], sim["median_low"], sim["median_high"]) == (8, 9.5, 6, 13)
    assert np.isnan(real["delta_mean"])
    assert sim["delta_mean"] == 9.5 - 14.5
    assert sim["delta_mean_low"] < -5 < sim["delta_mean_high"]


def test_few_galaxies_have_no_interval_and_no_finite_score_is_said():
    few = every_score(galaxies(n=5), 0)
    assert np.isnan(few["median_low"][1])
    scores = galaxies()
    with pytest.raises(ValueError, match="no score is finite"):
        every_score(scores.with_columns(log_prob=np.full(len(scores), np.nan)), 0)


def test_a_score_made_of_another_column_is_read_and_summarised(monkeypatch):
    made = Column("twice", "mag", "twice", Use.SCORE, needs=("extra",), make=lambda s: 2 * s["extra"])
    monkeypatch.setitem(COLUMNS, "twice", made)
    scores = galaxies()
    scores = scores.with_columns(extra=scores["log_prob"])
    assert set(score_columns(scores[:0])) == {"log_prob", "log_likelihood_ratio", "extra"}
    rows = [row for row in every_score(scores, 0) if row["column"] == "twice"]
    assert [(row["dataset"], row["median"], row["unit"]) for row in rows] == [
        ("real", 29, "mag"),
        ("sim", 19, "mag"),
    ]


def test_columns_that_are_made_for_something_else_need_not_be_read(monkeypatch):
    made = Column("area", "", "area", Use.SHAPE, needs=("extra",), make=lambda s: s["extra"])
    monkeypatch.setitem(COLUMNS, "area", made)
    scores = galaxies()
    assert "extra" not in score_columns(scores.with_columns(extra=scores["log_prob"])[:0])
