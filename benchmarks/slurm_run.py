"""Run the job scripts of a whole workflow on a stand-in for SLURM, and the same workflow without it.

Run it with  python benchmarks/slurm_run.py [SECONDS]

Toy galaxies go from survey stamps to a report: `simcompare slurm` writes the scripts, the three lines on top
of ``submit.sh`` are edited as a user does, and stand-ins for ``sbatch``, ``srun`` and ``scontrol`` carry them
out. Every job is warned after SECONDS (20 by default), as SLURM does before the end of its time, and goes on
in a second one; scoring is warned when its first chunk is finished, comparison and report in the middle. At
the end the products are held against those of ``simcompare run`` by their SHA-256.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kill_runs import WORKFLOW, make_inputs, products

from simcompare.cli import main as simcompare

ROOT = Path(__file__).parents[1]
# Of work half done, in the order in which they come.
SIGNS = [
    ("score", "scores/*/chunks/scores-000000.json"),
    ("compare", "comparison/scores.parquet"),
    ("compare", "comparison/figures/*.png"),
]
LINES = [
    'SITE="--account=astro --partition=cpu"',
    'GPU_SITE="--account=astro --partition=gpu --gpus-per-node=1"',
    f'export SIMCOMPARE_ACTIVATE="export PATH={Path(sys.executable).parent}:$PATH"',
]


def submit(folder, seconds):
    """Write the scripts, edit three lines, submit, and say what each job did."""
    os.chdir(folder)
    assert simcompare(["slurm", "workflow.toml", "--out", "jobs", "--cores", "2"]) == 0
    script, state = folder / "jobs" / "submit.sh", folder / "state"
    text = script.read_text().splitlines()
    text[2:5] = LINES
    script.write_text("\n".join(text))
    state.mkdir()
    standin = ROOT / "tests" / "simcompare" / "commands" / "slurm_standin"
    environment = os.environ | {
        "PATH": f"{standin}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "STANDIN_STATE": str(state),
        "STANDIN_SECONDS": str(seconds),
        "STANDIN_WHEN": " ".join(f"{job}={folder}/run/{sign}" for job, sign in SIGNS),
    }  # fmt: skip
    start = time.monotonic()
    subprocess.run(["bash", script], env=environment, check=True)
    for job in sorted(state.glob("*.job")):
        name = Path(job.read_text().splitlines()[0]).stem
        logs = (folder / "jobs" / "logs").glob(f"{name}-*.out")
        again = sum(log.read_text().count("the time is over") for log in logs)
        print(
            f"{name:12s} {'done' if job.with_suffix('.ok').exists() else 'FAILED'}, {again} times out of time"
        )
    print(f"{time.monotonic() - start:.0f} s in all")


def main():
    """Run both ways and compare."""
    with tempfile.TemporaryDirectory() as name:
        made = []
        for way in ("jobs", "alone"):
            folder = Path(name) / way
            folder.mkdir()
            make_inputs(folder)
            (folder / "workflow.toml").write_text(WORKFLOW.replace("workers = 1", "workers = 2"))
            if way == "jobs":
                submit(folder, float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
            else:
                os.chdir(folder)
                assert simcompare(["--quiet", "run", "workflow.toml"]) == 0
            made.append(products(folder / "run"))
        unlike = sorted(
            name for name in made[0].keys() | made[1].keys() if made[0].get(name) != made[1].get(name)
        )
        print(f"{len(made[0])} products, unlike those of 'simcompare run': {', '.join(unlike) or 'none'}")


if __name__ == "__main__":
    main()
