import errno
import fcntl
import json
import os
import socket
import subprocess
import sys

import pytest

from simcompare.cli import main
from simcompare.runs.lock import lock_folder

HOLD = (
    "import sys, pathlib\nfrom simcompare.runs.lock import lock_folder\n"
    "with lock_folder(pathlib.Path(sys.argv[1]), 'mock'):\n"
    "    print('held', flush=True)\n    sys.stdin.read()"
)


def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_second_process_is_told_of_the_first_and_follows_its_end_by_signal_9(holder, tmp_path):
    who = rf"in use by 'mock' \(process {holder.pid} on {socket.gethostname()}, since 20"
    with pytest.raises(BlockingIOError, match=who), lock_folder(tmp_path, "score"):
        pass
    holder.kill()
    holder.wait()
    assert (tmp_path / "run.lock").exists()
    with lock_folder(tmp_path, "score"):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()
    assert not list(tmp_path.iterdir())


def test_second_demo_in_a_folder_is_refused(holder, tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "in use by 'mock'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def test_without_locks_of_the_file_system_a_file_stands_in(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with (
        lock_folder(tmp_path, "mock"),
        pytest.raises(BlockingIOError, match=f"process {os.getpid()}.*remove .*run.lock"),
        lock_folder(tmp_path, "mock"),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("host", "is_stale"), [(socket.gethostname(), True), ("elsewhere", False)])
def test_file_of_a_process_that_ended_here_is_taken_over(tmp_path, monkeypatch, host, is_stale):
    monkeypatch.setattr(fcntl, "flock", no_locks)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "run.lock").write_text(json.dumps({"host": host, "pid": ended.pid, "verb": "mock"}))
    if is_stale:
        with lock_folder(tmp_path, "score"):
            pass
        assert not list(tmp_path.iterdir())
    else:
        with pytest.raises(BlockingIOError, match="elsewhere"), lock_folder(tmp_path, "score"):
            pass
