"""Full disks and folders that cannot be written: a clear message, an intact run, a rerun that finishes."""

import errno
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

from flows import FlowConfig, FlowModel
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands import mock as mock_command
from simcompare.commands import score as score_runs
from simcompare.commands.mock import make_mocks
from simcompare.observed import sample
from simcompare.pages import sections as drawing
from simcompare.runs import lock as locking
from simcompare.runs.files import atomic_hdf5, atomic_path, sha256
from simcompare.settings import MockSettings

SIZE = 32
VERBS = {
    "mock": ["toy-1", "--redshift", "0.05", "--size", str(SIZE), "--workers", "1"],
    "prepare": ["stamps.h5", "--size", str(SIZE), "--workers", "1"],
    "score": ["real", "mock", "--model", "flow", "--background", "plain", "--workers", "1"],
    "compare": ["score", "--reference", "toys", "--bootstrap", "100"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, stamps):
    folder = tmp_path_factory.mktemp("disk")
    write_tng_snapshot(folder / "toy-1", toy_galaxies("toy-1", 3, 3))
    write_tng_snapshot(folder / "nature", toy_galaxies("toy-real", 4, 5))
    settings = {"out": folder / "real", "name": "toys", "redshift": 0.05, "size": SIZE, "workers": 1}
    make_mocks(MockSettings(inputs=[folder / "nature"], views=2, **settings), kind="observed")
    for name in ("flow", "plain"):
        FlowModel(FlowConfig(size=SIZE, softening=(0.1,))).save(folder / name)
    shutil.copy(stamps, folder / "stamps.h5")
    return folder


class Disk:
    """Takes so many flushed files, then is full and stays so."""

    def __init__(self, monkeypatch):
        self.flush, self.used, self.size = os.fsync, 0, np.inf
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor):
        self.used += 1
        if self.used > self.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.flush(descriptor)


def products(folder):
    """Hashes of what a rerun must make alike."""
    paths = [path for ending in ("h5", "ecsv", "png") for path in folder.rglob(f"*.{ending}")]
    return {str(path.relative_to(folder)): sha256(path) for path in paths}


@pytest.mark.parametrize("verb", VERBS)
def test_full_disk_is_told_of_and_the_rerun_finishes(folder, monkeypatch, capsys, verb):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(mock_command, "_IMAGES_PER_PART", 1)
    monkeypatch.setattr(score_runs, "_IMAGES_PER_TASK", 4)
    monkeypatch.setattr(sample, "PART_BYTES", 2 * 9 * SIZE**2)
    command, disk = [verb, *VERBS[verb]], Disk(monkeypatch)
    assert main([*command, "--out", verb]) == 0
    whole, files = products(folder / verb), disk.used
    capsys.readouterr()
    for size in (0, files // 2, files // 4):
        disk.used, disk.size = 0, size
        assert main([*command, "--out", "full"]) == 2
        assert "the disk is full: free some space, or choose another --out" in capsys.readouterr().err
        assert not list((folder / "full").rglob("*.tmp"))
    disk.size = np.inf
    assert main([*command, "--out", "full"]) == 0
    assert products(folder / "full") == whole
    (folder / "full").rename(folder / f"{verb}-again")


def test_full_disk_ends_a_training_in_one_line_and_the_rerun_finishes(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    settings = {"out": folder / "sample", "redshift": 0.05, "size": SIZE, "workers": 1, "seed": 3}
    make_mocks(
        MockSettings(inputs=[folder / "nature"], views=3, **settings),
        kind="observed",
        fractions=(0.5, 0.5, 0.0),
    )
    FlowModel(FlowConfig(size=SIZE, softening=(0.1,), widths=(8,), steps=(1,))).save(folder / "small")
    command, disk = ["train", "sample", "--init", "small", "--epochs", "6"], Disk(monkeypatch)
    assert main([*command, "--out", "train"]) == 0
    weights = Path("model", "weights.safetensors")
    whole = sha256(folder / "train" / weights)
    capsys.readouterr()
    for size in (7, 12, 13):  # full in the first snapshot, in the second, in the model
        disk.used, disk.size = 0, size
        assert main([*command, "--out", "full"]) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("INFO")]
        assert len(errors) == 1
        assert errors[0].startswith("error: ")
        assert "the disk is full: free some space, or choose another --out" in errors[0]
        assert not [path for path in (folder / "full").rglob("*") if path.suffix in (".tmp", ".old")]
    assert (folder / "full" / "snapshot-000005").is_dir()
    disk.size = np.inf
    assert main([*command, "--out", "full"]) == 0
    assert "training resumed" in (folder / "full" / "run.log").read_text()
    assert sha256(folder / "full" / weights) == whole


def test_full_disk_ends_a_report_that_goes_on_later(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    if not (folder / "compare").is_dir():
        pytest.skip("needs the comparison of the test before")
    for name in ("draw_properties", "draw_checks", "draw_looks"):  # those of the scores are enough
        monkeypatch.setattr(drawing, name, lambda *_: None)
    disk = Disk(monkeypatch)
    disk.size = 20
    assert main(["report", "compare"]) == 2
    assert "the disk is full" in capsys.readouterr().err
    drawn = sorted((folder / "compare" / "figures").glob("*.png"))
    assert drawn
    assert not (folder / "compare" / "report.html").exists()
    before = {path: path.stat().st_mtime_ns for path in drawn[:2]}
    disk.size = np.inf
    assert main(["report", "compare"]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in drawn[:2]}
    page, used = (folder / "compare" / "report.html").read_bytes(), disk.used
    assert main(["compare", *VERBS["compare"], "--out", "compare"]) == 0
    assert main(["report", "compare"]) == 0
    assert (folder / "compare" / "report.html").read_bytes() == page
    assert disk.used < used + 10  # the settings and where the comparison comes from, nothing else
    drawn[0].unlink()
    assert main(["report", "compare"]) == 0
    assert drawn[0].is_file()
    assert before[drawn[1]] == drawn[1].stat().st_mtime_ns


def test_files_too_large_for_the_system_are_no_crash_of_hdf5(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    images = np.random.default_rng(0).normal(size=(100, 300))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OSError, match="the file is larger than this system allows"):
            write_hdf5(tmp_path / "spaces.h5", images)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = "Can't decrement id ref count (file write failed: errno = 28, error message = 'No space left')"
    with pytest.raises(OSError, match=r"direct\.h5 cannot be written: the disk is full"):
        fill(tmp_path / "direct.h5", RuntimeError(said))
    assert not list(tmp_path.iterdir())


def write_hdf5(path, images):
    """Write them in one piece and packed."""
    with atomic_hdf5(path) as file:
        file["pixels"] = images
        file.create_dataset("packed", data=images, compression=4)


def fill(path, error):
    """Fail as HDF5 does in closing a file."""
    with atomic_path(path):
        raise error


def refuse(*_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize("verb", VERBS)
def test_folder_that_cannot_be_written_is_named(folder, monkeypatch, capsys, tmp_path, verb):
    monkeypatch.chdir(folder)
    command = [verb, *VERBS[verb], "--out"]
    (tmp_path / "file").touch()
    assert main([*command, str(tmp_path / "file")]) == 2
    assert "is a file; --out must be a folder" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refuse)
        assert main([*command, str(tmp_path / "new")]) == 2
        assert "new cannot be written: the file system is read-only" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(locking.os, "open", refuse)
        assert main([*command, str(tmp_path)]) == 2
        assert "the file system is read-only: choose another --out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_of_others_is_named(folder, capsys, tmp_path):
    tmp_path.chmod(0o555)
    assert main(["prepare", str(folder / "stamps.h5"), "--out", str(tmp_path / "new")]) == 2
    assert "this user may not write there" in capsys.readouterr().err
