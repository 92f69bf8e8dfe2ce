import os
import sys
import threading
import time

import h5py
import pytest

from simcompare.runs.folder import Run
from simcompare.runs.products import make_files
from simcompare.runs.time_limit import Watch
from simcompare.settings import MockSettings


def write_what_can_be_read(path, names, watch):
    """One line a name; a name that is a pipe hangs in HDF5, with the interpreter's lock held."""
    lines = []
    for name in names:
        try:
            with watch(name):
                lines.append(f"{name} {h5py.File(name, 'r').attrs['a'] if name.endswith('.h5') else 0}")
        except TimeoutError as error:
            lines.append(f"{name.rpartition('/')[2]}: {error}")
    path.write_text("\n".join(lines))


def test_hanging_read_costs_one_galaxy_not_the_run(tmp_path):
    pipe = tmp_path / "pipe.h5"
    os.mkfifo(pipe)
    tasks = [[f"a{i}", str(pipe), f"b{i}"] if i == 1 else [f"a{i}"] for i in range(3)]
    settings = MockSettings(inputs=[tmp_path], out=tmp_path, workers=2, timeout=1.0)
    paths = [tmp_path / f"part-{i}.txt" for i in range(3)]
    make_files(Run(tmp_path, "mock", settings), write_what_can_be_read, paths, tasks)
    assert paths[1].read_text().splitlines() == ["a1 0", "pipe.h5: took longer than 1 s to read", "b1 0"]
    assert [paths[i].read_text() for i in (0, 2)] == ["a0 0", "a2 0"]
    assert not list(tmp_path.glob("*.reading"))


def test_read_that_can_be_interrupted_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with (
        Watch(tmp_path / "journal", 0.1) as watch,
        pytest.raises(TimeoutError, match=r"longer than 0\.1 s"),
        watch("pipe"),
    ):
        (tmp_path / "pipe").read_bytes()
    assert not (tmp_path / "journal").exists()


def test_journal_tells_hanging_from_killed(tmp_path):
    journal = tmp_path / "journal"
    journal.write_text('{"name": "slow"}\nTimeout (0:00:01)!\n  File "x"\n{"name": "killed meanwhile"}\n{"na')
    with Watch(journal, 60) as watch:
        with pytest.raises(TimeoutError), watch("slow"):
            pass
        with watch("killed meanwhile"):
            assert threading.active_count()
    assert not journal.exists()


def test_work_that_fails_keeps_what_hung_and_nothing_else(tmp_path):
    with pytest.raises(ValueError, match="broken"), Watch(tmp_path / "journal", 60) as watch, watch("a"):
        raise ValueError("broken")
    assert not (tmp_path / "journal").exists()
    (tmp_path / "journal").write_text('{"name": "slow"}\nTimeout (0:00:01)!\n')
    with pytest.raises(ValueError, match="broken"), Watch(tmp_path / "journal", 60) as watch, watch("a"):
        raise ValueError("broken")
    with pytest.raises(TimeoutError), Watch(tmp_path / "journal", 60) as watch, watch("slow"):
        pass


def test_journal_left_by_a_kill_after_the_record_goes_with_the_next_run(tmp_path):
    settings = MockSettings(inputs=[tmp_path], out=tmp_path, workers=1)
    paths, run = [tmp_path / f"part-{i}.txt" for i in range(2)], Run(tmp_path, "mock", settings)
    make_files(run, write_what_can_be_read, paths, [["a"], ["b"]])
    (tmp_path / "part-1.reading").write_text("")
    paths[0].unlink()
    make_files(run, write_what_can_be_read, paths, [["a"], ["b"]])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "part-0.json", "part-0.txt", "part-1.json", "part-1.txt",
    ]  # fmt: skip


class Cleaned:
    """Object whose end takes longer than the limit; what is raised there Python ignores."""

    def __del__(self):
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass


def test_a_limit_that_is_over_while_an_object_is_cleaned_up_is_not_lost(tmp_path, capsys):
    hook, start = sys.unraisablehook, time.monotonic()

    def read():
        with Watch(tmp_path / "journal", 0.2) as watch, watch("a"):
            Cleaned()
            while time.monotonic() - start < 20:
                pass

    with pytest.raises(TimeoutError, match="took longer"):
        read()
    assert time.monotonic() - start < 10
    assert sys.unraisablehook is hook
    assert capsys.readouterr().err == ""
