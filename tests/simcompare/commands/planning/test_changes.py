"""A changed workflow makes again what depends on the change, and nothing else."""

import logging

import pytest

from simcompare.cli import main
from simcompare.commands.planning.changes import put_aside, stale_steps
from simcompare.commands.planning.workflow import plan_workflow
from simcompare.runs.folder import open_run


def workflow(out, *, epochs=5, views="1"):
    return {
        "out": str(out), "prepare": {"inputs": ["stamps.h5"]}, "train": {"epochs": epochs},
        "mock": {"A": {"inputs": ["a.hdf5"], "views": views}, "B": {"inputs": ["b.hdf5"]}},
    }  # fmt: skip


@pytest.fixture
def done(tmp_path):
    """A workflow of which every step has left a product."""
    out = tmp_path / "run"
    for step in plan_workflow(workflow(out)):
        if step.verb != "report":
            with open_run(step.folder, step.verb, step.settings, []):
                (step.folder / "product").write_text(step.verb)
    return out


def names(out, stale):
    return {str(folder.relative_to(out)) for folder in stale}


def test_an_unchanged_workflow_is_not_stale(done):
    assert stale_steps(plan_workflow(workflow(done))) == {}


def test_other_epochs_make_flows_scores_and_comparison_again(done, caplog):
    steps = plan_workflow(workflow(done, epochs=20))
    stale = stale_steps(steps)
    assert "epochs = 5 there, 20 now" in stale[done / "models" / "real"]
    scores = {f"scores/{name}" for name in ("real", "twins", "A", "B")}
    assert names(done, stale) == {"models/real", "models/twins", *scores, "comparison"}
    with caplog.at_level(logging.INFO, logger="simcompare"):
        put_aside(steps, done)
    assert "models/real (epochs = 5 there, 20 now)" in caplog.text
    assert not (done / "models" / "real").exists()
    assert (done / "replaced-1" / "models" / "real" / "product").is_file()
    assert (done / "mocks" / "A" / "product").is_file()
    assert (done / "comparison" / "product").is_file()  # compare replaces its own products


def test_other_views_of_one_simulation_leave_the_other_and_the_flows(done):
    stale = stale_steps(plan_workflow(workflow(done, views="4")))
    assert names(done, stale) == {"mocks/A", "scores/A", "comparison"}


def test_a_workflow_not_yet_run_is_not_stale(tmp_path):
    assert stale_steps(plan_workflow(workflow(tmp_path / "new"))) == {}


def test_an_interrupted_command_ends_in_one_line(monkeypatch, tmp_path, capsys):
    def interrupted(settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("simcompare.commands.workflows.init.write_template", interrupted)
    assert main(["init", str(tmp_path / "a.toml")]) == 130
    assert capsys.readouterr().err.strip() == "interrupted; run the same command again to resume."
