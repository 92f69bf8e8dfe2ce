"""Stored comparisons: ranked when alike, refused when not."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.board import board, read_record, write_record
from simcompare.comparison.headline import compare
from simcompare.scores.record import Scores


def compared(name, mean, survey="sdss"):
    rng = np.random.default_rng(len(name))
    parts = {"real": ("observed", 0.0), name: ("simulated", mean)}
    rows = [
        {
            "galaxy_id": f"{dataset}{k}", "dataset": dataset, "kind": kind, "split": "test",
            "log_prob": 0.0, "log_likelihood_ratio": rng.normal(centre, 10),
        }
        for dataset, (kind, centre) in parts.items()
        for k in range(100)
    ]  # fmt: skip
    table = Table(rows=rows)
    table.meta = {"survey": survey, "bands": ["r"], "preparation_hash": "a"}
    return compare(Scores.of(table), rng, n_bootstrap=100)


def record(folder, name, mean, survey="sdss", model="m"):
    return write_record(
        compared(name, mean, survey), folder / f"{name}.json", name=f"run {name}", model=model, background="b"
    )


def test_runs_are_ranked_and_ties_marked(tmp_path):
    paths = [record(tmp_path, *run) for run in (("coarse", -60), ("fine", -20), ("twin", -21))]
    table = board(paths)
    assert list(table["rank"]) == [1, 2, 3]
    assert table["dataset"][2] == "coarse"
    assert list(table["tied"]) == [True, True, False]
    assert table["run"][2] == "run coarse"


def test_unlike_runs_are_refused_by_name(tmp_path):
    first = record(tmp_path, "a", -10)
    with pytest.raises(ValueError, match=r"survey is sdss in a\.json, hsc-wide in b\.json"):
        board([first, record(tmp_path, "b", -10, survey="hsc-wide")])
    with pytest.raises(ValueError, match="model is m in"):
        board([first, record(tmp_path, "c", -10, model="other")])
    with pytest.raises(ValueError, match="no stored comparison given"):
        board([])


def test_what_is_no_record_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="store a comparison there first"):
        read_record(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        read_record(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('{"schema": "simcompare.record/99"}')
    with pytest.raises(ValueError, match="record/99"):
        read_record(tmp_path / "c.json")
