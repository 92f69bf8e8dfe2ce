import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_damaged_files_end_in_one_line_or_in_right_numbers():
    """Some hundred damages of every kind of file; `benchmarks/damaged_files.py` alone does thousands."""
    command = [sys.executable, ROOT / "benchmarks" / "damaged_files.py", "--cases", "20", "--seed", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    tried, faults = re.fullmatch(r"(\d+) damaged files, (\d+) faults", done.stdout.splitlines()[-1]).groups()
    assert int(tried) > 400
    assert faults == "0"
    # Damage is not only survived: where a hash is known, every damaged file was refused.
    known = re.findall(r"^(?:image set|score table|weights) [0-9].*", done.stdout, flags=re.MULTILINE)
    assert len(known) == 3
    assert all("right" not in line and "other" not in line for line in known)
