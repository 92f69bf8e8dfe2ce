"""Where nothing can be written but the run folder, and no process started, everything still runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import simcompare
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.images.image_set import ImageSet
from simcompare.runs.names import shell_word

ROOT = Path(simcompare.__file__).parents[1]
NOWHERE = "/proc/nowhere"
# Also a superuser, who may write anywhere, finds no place beside the package.
READ_ONLY = """
import errno, numba.core.caching as caching
def refuse(self): raise OSError(errno.EROFS, "Read-only file system")
for name in dir(caching):
    if "InTree" in name: getattr(caching, name).ensure_cache_path = refuse
"""
NO_TEMPORARY = """
import tempfile
def refuse(*a, **k): raise OSError("no place")
tempfile.mkdtemp = refuse
"""
NO_FORK = """
import errno, multiprocessing.util, os, subprocess, _posixsubprocess
import simcompare.commands.mock
def refuse(*a, **k): raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
os.fork = _posixsubprocess.fork_exec = subprocess._fork_exec = refuse
simcompare.commands.mock._IMAGES_PER_PART = 1
"""


def run(code, *words, **environment):
    """Run the command line in a fresh process, after some code."""
    variables = dict.fromkeys(("HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"), NOWHERE)
    environment = os.environ | variables | {"PYTHONPATH": str(ROOT)} | environment
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        environment.pop(name, None)
    script = f"{code}\nimport sys; from simcompare.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    return write_tng_snapshot(tmp_path_factory.mktemp("toy") / "toy-1", toy_galaxies("toy-1", 2, 3))


def mock(toys, out, workers=1):
    return ("mock", toys, "--redshift", "0.05", "--size", "32", "--workers", workers, "--out", out)


COMPILE = """
import numpy as np, mocks.readers.particles.geometry as g
print(g.unwrap(np.array([[9.0, 0.0, 0.0]]), np.array([1.0, 0.0, 0.0]), 10.0)[0, 0], g._offsets._cache)
"""


def test_numba_keeps_its_code_in_a_private_folder_for_the_run(tmp_path):
    look = """
import os, pathlib
made = pathlib.Path(os.environ["NUMBA_CACHE_DIR"])
print(oct(made.stat().st_mode)[-3:], len(list(made.rglob("*.nbi"))))
"""
    done = run(READ_ONLY + COMPILE + look, "--version", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    said = re.findall(r"numba keeps compiled code in (\S+), for this run only", done.stderr)
    assert len(said) == 1
    assert Path(said[0]).parent == tmp_path
    assert not Path(said[0]).exists()
    lines = done.stdout.splitlines()
    assert lines[0].startswith("-2.0 <FunctionCache")  # 9 and 1 are 2 apart in a box of 10
    assert lines[1].split()[0] == "700"
    assert int(lines[1].split()[1]) > 0


def test_without_any_place_each_process_compiles_anew():
    done = run(READ_ONLY + NO_TEMPORARY + COMPILE, "--version")
    assert done.returncode == 0, done.stderr
    assert len(re.findall("numba cannot store compiled code .no place.", done.stderr)) == 1
    assert done.stdout.startswith("-2.0 <numba.core.caching.NullCache")


def test_without_further_processes_this_one_does_the_work(toys, tmp_path):
    alone = run("", *mock(toys, tmp_path / "alone"))
    assert alone.returncode == 0, alone.stderr
    done = run(NO_FORK, *mock(toys, tmp_path / "run", workers=2))
    assert done.returncode == 0, done.stderr
    assert "running in this process alone" in done.stderr
    parts = sorted((tmp_path / "run" / "images").glob("*.h5"))
    assert len(parts) == 2
    both = ImageSet.open(tmp_path / "run").read().image
    np.testing.assert_array_equal(both, ImageSet.open(tmp_path / "alone").read().image)


def test_a_home_that_may_not_be_written_is_left_alone(toys, tmp_path):
    """/proc is there and can be read, but nobody, root included, can make a file in it."""
    home = Path("/proc")
    with pytest.raises(OSError, match="simcompare-test"):
        (home / "simcompare-test").mkdir()
    places = {"HOME": str(home), "MPLCONFIGDIR": "", "NUMBA_CACHE_DIR": "", "TMPDIR": str(tmp_path)}
    done = run("", *mock(toys, tmp_path / "run"), **places)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(ImageSet.open(tmp_path / "run").read().image) == 2


def test_figures_are_drawn_without_a_folder_of_matplotlib(tmp_path):
    code = f"""
from pathlib import Path
from simcompare.figures.looks import new_axes, save_figure
ax = new_axes(None)
ax.plot([1, 2], [3, 4])
save_figure(ax.figure, None, Path({str(tmp_path)!r}), "line")
"""
    done = run(code, "--version")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {"line.png", "line.pdf"}


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="read-only mounts are root's")
def test_a_read_only_installation_runs(toys, tmp_path):
    """Case C01: the package mounted read-only, no home; `doctor` compiles less than `mock`."""
    mounts = f"mount --bind {ROOT} {ROOT} && mount -o remount,ro,bind {ROOT} && ! touch {ROOT}/x 2>/dev/null"
    probe = subprocess.run(["unshare", "-m", "sh", "-c", mounts], capture_output=True)
    if probe.returncode:
        pytest.skip("no mounts in this container")
    words = " ".join(map(shell_word, [sys.executable, "-m", "simcompare", "doctor", toys]))
    environment = os.environ | {"HOME": NOWHERE, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    script = ["unshare", "-m", "sh", "-c", f"{mounts} && {words}"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "can be used" in done.stdout
    assert "Traceback" not in done.stderr
