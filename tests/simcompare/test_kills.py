import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_killed_commands_finish_with_the_products_of_uninterrupted_ones(tmp_path):
    """A few kills by signal 9; `benchmarks/kill_runs.py` alone does many, of every command."""
    command = [sys.executable, ROOT / "benchmarks" / "kill_runs.py", "--kills", "2", "--seed", "1"]
    done = subprocess.run(
        [*command, "--verbs", "mock,prepare,score,mmu,fetch"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all reruns made the same products"
