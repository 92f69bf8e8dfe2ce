"""Failures are not finished: small real runs in which inputs vanish, return, are damaged and mended."""

import shutil
import subprocess
import sys

import pytest
from astropy.table import Table

from simcompare import settings
from simcompare.cli import main
from simcompare.commands import mock as mock_command
from simcompare.images.image_set import ImageSet
from simcompare.observed import sample
from simcompare.runs.files import sha256

OPTIONS = ["--redshift", "0.05", "--size", "32", "--dust", "none", "--workers", "1"]


@pytest.fixture
def cutouts(tmp_path, star_columns, write_stars, monkeypatch):
    """Five galaxies, a file each, in parts of two."""
    monkeypatch.setattr(mock_command, "_IMAGES_PER_PART", 2)
    monkeypatch.chdir(tmp_path)
    return [write_stars(tmp_path / "in" / f"cutout_{i}.hdf5", star_columns(500, seed=i)) for i in range(1, 6)]


def mock(out):
    return main(["mock", "in", "--out", out, *OPTIONS])


def parts(out):
    """Hash of every part of an image set."""
    return {path.name: sha256(path) for path in sorted((out / "images").glob("*.h5"))}


def kinds(out):
    path = out / settings.FAILURES
    return Table.read(path)["kind"].tolist() if path.is_file() else []


def lose(monkeypatch, module, name, paths):
    """Let files vanish once a function, which is called when a run has begun, has returned."""
    function = getattr(module, name)

    def then_lose(*arguments):
        result = function(*arguments)
        for path in paths:
            path.rename(path.with_suffix(".away"))
        return result

    monkeypatch.setattr(module, name, then_lose)


def bring_back(paths):
    for path in paths:
        path.with_suffix(".away").rename(path)


def test_inputs_missing_in_mid_run_are_made_when_they_are_back(cutouts, tmp_path, monkeypatch, capsys):
    assert mock("whole") == 0
    with monkeypatch.context() as patch:
        lose(patch, mock_command, "select_targets", [cutouts[1], cutouts[4]])
        assert mock("run") == 3
    assert kinds(tmp_path / "run") == ["may pass", "may pass"]
    said = capsys.readouterr().err
    assert f"2 inputs could not be read this time; reasons in run/{settings.FAILURES}" in said
    assert len(ImageSet.open("run")) == 3
    kept = (tmp_path / "run" / "images" / "part-0001.h5").stat().st_mtime_ns
    bring_back([cutouts[1], cutouts[4]])
    assert mock("run") == 0
    assert kinds(tmp_path / "run") == []
    assert parts(tmp_path / "run") == parts(tmp_path / "whole")
    assert (tmp_path / "run" / "images" / "part-0001.h5").stat().st_mtime_ns == kept


def test_a_run_without_any_image_goes_on_when_its_inputs_are_back(cutouts, tmp_path, monkeypatch, capsys):
    assert mock("whole") == 0
    with monkeypatch.context() as patch:
        lose(patch, mock_command, "select_targets", cutouts)
        assert mock("run") == 2
    assert "no image could be made" in capsys.readouterr().err
    bring_back(cutouts)
    assert mock("run") == 0
    assert parts(tmp_path / "run") == parts(tmp_path / "whole")


def test_damaged_inputs_are_kept_as_failures_until_they_change(cutouts, tmp_path, monkeypatch):
    assert mock("whole") == 0
    content = cutouts[1].read_bytes()
    cutouts[1].write_bytes(content[: len(content) // 2])
    assert mock("run") == 3
    assert kinds(tmp_path / "run") == ["input"]
    with monkeypatch.context() as patch:
        patch.setattr("simcompare.images.build._write_part", lambda *_: pytest.fail("made again"))
        assert mock("run") == 3  # nothing is made again
    assert kinds(tmp_path / "run") == ["input"]
    cutouts[1].write_bytes(content)
    assert mock("run") == 0
    assert kinds(tmp_path / "run") == []
    assert parts(tmp_path / "run") == parts(tmp_path / "whole")


def test_a_galaxy_damaged_after_the_selection_is_tried_again_once_it_is_mended(
    cutouts, tmp_path, monkeypatch
):
    """The targets stay what they are; the mark of the input tells."""
    assert mock("whole") == 0
    content = cutouts[2].read_bytes()
    with monkeypatch.context() as patch:
        select = mock_command.select_targets

        def then_damage(options):
            found = select(options)
            cutouts[2].write_bytes(content[: len(content) // 2])
            return found

        patch.setattr(mock_command, "select_targets", then_damage)
        assert mock("run") == 3
    cutouts[2].write_bytes(content)
    assert mock("run") == 0
    assert parts(tmp_path / "run") == parts(tmp_path / "whole")


def test_a_damaged_input_that_is_taken_away_is_no_failure(cutouts, tmp_path):
    (tmp_path / "in" / "cutout_6.hdf5").write_bytes(cutouts[0].read_bytes()[:4000])
    (tmp_path / "in" / "cutout_7.hdf5").write_bytes(cutouts[0].read_bytes()[:4000])
    assert mock("run") == 3
    assert (tmp_path / "run" / "images" / "part-0003.json").is_file()
    for number in (6, 7):
        (tmp_path / "in" / f"cutout_{number}.hdf5").unlink()
    assert mock("run") == 0
    assert not (tmp_path / "run" / "images" / "part-0003.json").exists()
    assert len(ImageSet.open("run")) == 5


def test_galaxies_that_are_made_are_not_lost_with_their_inputs(cutouts, tmp_path, capsys):
    assert mock("run") == 0
    whole = parts(tmp_path / "run")
    cutouts[3].rename(tmp_path / "elsewhere.hdf5")
    assert mock("run") == 2
    assert "1 galaxies in part-0001.h5 that are no longer among the inputs" in capsys.readouterr().err
    assert parts(tmp_path / "run") == whole


def test_files_missing_while_real_images_are_prepared_are_read_when_they_are_back(
    tmp_path, stamps, monkeypatch, capsys
):
    import h5py

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sample, "PART_BYTES", 3 * 9 * 32**2)
    paths = []
    with h5py.File(stamps) as file:
        for number in range(3):
            paths.append(tmp_path / f"stack-{number}.h5")
            with h5py.File(paths[-1], "w") as piece:
                for name in file:
                    piece[name] = file[name][4 * number : 4 * number + 4]
                piece.attrs.update(file.attrs)
    words = ["prepare", *map(str, paths), "--size", "32", "--workers", "1", "--out"]
    assert main([*words, "whole"]) == 0
    with monkeypatch.context() as patch:
        lose(patch, sample, "load_survey", [])
        lose(patch, sample.Identities, "of", paths[1:2])
        assert main([*words, "run"]) == 3
    assert kinds(tmp_path / "run").count("may pass") == 1
    bring_back(paths[1:2])
    assert main([*words, "run"]) == 0
    assert "retrying inputs that could not be read before" in capsys.readouterr().err
    assert parts(tmp_path / "run") == parts(tmp_path / "whole")
    shutil.rmtree(tmp_path / "run")
    paths[2].write_bytes(paths[2].read_bytes()[:3000])
    assert main([*words, "run"]) == 3
    assert kinds(tmp_path / "run").count("input") == 1
    assert main([*words, "run"]) == 3


def test_a_workflow_ends_with_the_status_of_its_steps(cutouts, tmp_path, stamps, monkeypatch):
    (tmp_path / "workflow.toml").write_text(WORKFLOW.format(stamps=stamps))
    cutouts[1].write_bytes(cutouts[1].read_bytes()[:4000])
    assert main(["run", "workflow.toml", "--dry-run"]) == 0
    assert main(["run", "workflow.toml"]) == 3
    assert (tmp_path / "run" / "comparison" / "report.html").is_file()
    assert main(["run", "workflow.toml", "--dry-run"]) == 0


WORKFLOW = """
out = "run"
size = 32
workers = 1
real_conditions = false
[prepare]
inputs = ["{stamps}"]
train = 0.5
validation = 0.25
[train]
epochs = 1
[mock.toys]
inputs = ["in"]
redshift = 0.05
[compare]
bootstrap = 100
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no /bin/sh")
def test_closed_streams_change_no_product(cutouts, tmp_path):
    """A progress bar asked standard error, which was not there, whether it was a terminal."""
    for out, closed in (("open", ""), ("closed", ">&- 2>&- <&-")):
        command = f'"{sys.executable}" -m simcompare.cli mock in --out {out} {" ".join(OPTIONS)} {closed}'
        assert subprocess.run(["sh", "-c", command], capture_output=True).returncode == 0
    assert parts(tmp_path / "closed") == parts(tmp_path / "open")
