import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import simcompare
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands.mock import make_mocks
from simcompare.commands.planning.table import Command
from simcompare.commands.planning.workflow import plan_workflow
from simcompare.commands.workflows.slurm import command_of, write_jobs
from simcompare.runs.files import sha256
from simcompare.settings import MockSettings, SlurmSettings

STANDIN = Path(__file__).parent / "slurm_standin"
WORKFLOW = """
out = "run"
real = "real"
real_conditions = false
size = 32
[train]
epochs = 1
[mock.toy-1]
inputs = ["toy 1"]
redshift = 0.05
where = "n_stars > 1"
[mock."toy;2"]
inputs = ["toy 1"]
redshift = 0.06
[compare]
reference = "toy-real"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tng_snapshot(Path("toy 1"), toy_galaxies("toy-1", 3, 3))
    settings = {"inputs": ["toy 1"], "name": "toy-real", "redshift": 0.05, "size": 32, "workers": 1}
    make_mocks(MockSettings(out="real", **settings), kind="observed")
    Path("workflow.toml").write_text(WORKFLOW)
    (tmp_path / "state").mkdir()
    return tmp_path


def submit(folder, lines, site, jobs="jobs", **environment):
    """Edit the lines on top of the script as a user does, and run some of it on the stand-in."""
    script = folder / jobs / "submit.sh"
    text = script.read_text().splitlines()
    text[2:4] = [f'SITE="{site}"', 'GPU_SITE="--account=a --gpus-per-node=1"']
    text = [line for line in text if not line.startswith(("job_", "echo")) or line.startswith(lines)]
    script.write_text("\n".join(text))
    environment = (
        os.environ
        | environment
        | {
            "PATH": f"{STANDIN}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(simcompare.__file__).parents[1]),
            "STANDIN_STATE": str(folder / "state"),
        }
    )
    return subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=True)


def test_scripts_do_what_the_workflow_says(folder):
    path = write_jobs(SlurmSettings(config="workflow.toml", out="jobs", cores=4, hours=1.5, gpus=2))
    scripts = sorted(path.parent.glob("0*.sh"))
    assert [each.stem[3:] for each in scripts] == ["twins", "train", "train", "mock", "score", "compare"]
    for script in [*scripts, path, path.parent / "job.sh"]:
        subprocess.run(["bash", "-n", script], check=True)
    mock = scripts[3].read_text()
    assert "#SBATCH --array=0-1\n" in mock
    assert "#SBATCH --time=01:30:00\n" in mock
    assert "#SBATCH --ntasks-per-node=4\n" in mock
    train = scripts[2].read_text()
    assert "in_ranks 2 train run/twins --out run/models/twins --init run/models/real" in train
    waits = re.findall(r"^job_(\d\d)=.*\.sh \S+((?: \S+)*)\)$", path.read_text(), flags=re.MULTILINE)
    assert {job: re.findall(r"\d\d", others) for job, others in waits} == {
        "01": [], "02": [], "03": ["01", "02"], "04": [], "05": ["01", "02", "03", "04"], "06": ["05"]
    }  # fmt: skip
    said = subprocess.run(["bash", path], capture_output=True, text=True)
    assert said.returncode == 2
    assert "edit the first lines" in said.stderr


@pytest.mark.parametrize("name", ["a\ntouch acted\nb.toml", "$(touch acted).toml", "a;touch acted;'.toml"])
def test_name_of_a_workflow_file_does_not_act(folder, name):
    Path("workflow.toml").rename(name)
    path = write_jobs(SlurmSettings(config=name, out=f"jobs {name}"))
    for script in path.parent.glob("*.sh"):
        subprocess.run(["bash", "-n", script], check=True)
    assert subprocess.run(["bash", path], capture_output=True).returncode == 2
    assert not list(folder.rglob("acted"))


def test_names_that_begin_with_a_dash_are_no_options(tmp_path, monkeypatch):
    """The words of each command are parsed again, as the job does, to the settings of its step."""
    monkeypatch.chdir(tmp_path)
    odd = {"out": "-o", "real": "--debug", "size": 32, "compare": {"reference": "-x"}, "train": {"epochs": 1}}
    odd["mock"] = {"-m": {"inputs": ["-i", "--quiet"], "redshift": 0.05, "name": "--help", "where": "-x < 1"}}
    for name in ("-i", "--quiet", "--debug"):
        Path(name).mkdir()
    seen = []
    monkeypatch.setattr(
        Command, "find", lambda self, name: seen.append if name == self.function else no_messages
    )
    for step in plan_workflow(odd):
        assert main(command_of(step)) == 0
        assert seen.pop() == step.settings


def no_messages(*_):
    return []


def test_array_of_mocks_outlives_its_time_on_a_standin(folder):
    """The folder of the jobs has a name that would act where it is not quoted, in traps above all."""
    jobs = "jobs; touch acted; '$(touch acted)"
    assert main(["slurm", "workflow.toml", "--out", jobs, "--cores", "2"]) == 0
    submit(folder, ("job_04",), "--account=a --array=1-1", jobs, STANDIN_SECONDS="0.5")
    assert not list(folder.rglob("acted"))
    log = (folder / jobs / "logs" / "04-mock-100_1.out").read_text()
    assert "the time is over; job 100_1 goes on in a new one" in log
    assert (folder / "state" / "100.ok").exists()
    settings = {"inputs": ["toy 1"], "name": "toy;2", "redshift": 0.06, "size": 32}
    alone = make_mocks(MockSettings(out="alone", workers=1, **settings))
    there = folder / "run" / "mocks" / "toy=3b2" / "images" / "part-0000.h5"
    assert sha256(there) == sha256(alone.files[0])
    assert not list((folder / jobs / "logs").glob("scheduler-*.json"))


@pytest.mark.parametrize(
    ("status", "is_warned", "ends"), [(0, False, 0), (3, False, 0), (2, False, 2), (3, True, 0)]
)
def test_failures_among_the_inputs_do_not_end_a_job(tmp_path, monkeypatch, status, is_warned, ends):
    """What is made is enough for the jobs that wait; any other status ends this one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflow.toml").write_text(WORKFLOW)
    write_jobs(SlurmSettings(config="workflow.toml", out="jobs"))
    command = f"{'trap : USR1; kill -USR1 $PPID; sleep 0.2; ' if is_warned else ''}exit {status}"
    lines = f"source jobs/job.sh; run bash -c '{command}'; echo went on"
    environment = os.environ | {"SIMCOMPARE_ACTIVATE": ":", "SLURM_JOB_ID": "1"}
    done = subprocess.run(["bash", "-c", lines], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done.stderr
    assert ("went on" in done.stdout) == (ends == 0)
    assert ("some inputs failed" in done.stdout) == (status == 3)
