import json
import logging
import os
import re
import tomllib
from pathlib import Path

import pytest
from astropy.table import Table

from simcompare.runs import lock
from simcompare.runs.files import sha256
from simcompare.runs.folder import open_run, read_provenance, read_settings
from simcompare.runs.time_limit import Watch
from simcompare.settings import ScoreSettings, TrainSettings


@pytest.fixture
def settings(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "part").write_text("pixels")
    return TrainSettings(images=images, out=tmp_path / "model")


def test_folder_tells_what_was_done(settings):
    with open_run(settings.out, "train", settings, [settings.images]) as run:
        logging.getLogger("simcompare").warning("a line of the log")
        run.write_failures([{"source": "f.hdf5", "galaxy_id": "x-1", "reason": "no stars"}])
    assert tomllib.loads((settings.out / "config.toml").read_text())["train"]["seed"] == settings.seed
    provenance = read_provenance(settings.out)
    assert provenance["packages"]["numpy"].split(".")[0].isdigit()
    assert list(provenance["inputs"]) == [str(settings.images)]
    assert "a line of the log" in (settings.out / "run.log").read_text()
    failures = Table.read(settings.out / "failures.ecsv")
    assert list(failures[0]) == ["f.hdf5", "x-1", "no stars", "left out"]
    json.dumps(provenance)


def test_no_flipped_bit_of_the_settings_goes_unseen(settings):
    """One bit of every byte: an error that names the file, or the same settings."""
    with open_run(settings.out, "train", settings, [settings.images]):
        pass
    path, expected = settings.out / "config.toml", read_settings(settings.out)
    right, refused = path.read_bytes(), 0
    for place in range(len(right)):
        path.write_bytes(right[:place] + bytes([right[place] ^ 1]) + right[place + 1 :])
        try:
            found = read_settings(settings.out)
        except ValueError as error:
            found, refused = expected, refused + (str(path) in str(error))
        assert found == expected
    assert refused >= len(right) - 40  # all but the comment that introduces the hash
    path.write_bytes(right[: right.rindex(b"#")].replace(b"schema = 3", b"schema = 2"))  # as older runs are
    assert read_settings(settings.out) == expected


def test_settings_that_were_cut_off_are_refused_wherever_it_was(settings):
    with open_run(settings.out, "train", settings, [settings.images]):
        pass
    path = settings.out / "config.toml"
    right = path.read_bytes()
    for length in range(len(right) - 1):
        path.write_bytes(right[:length])
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read_settings(settings.out)


def test_same_settings_resume_other_settings_are_refused(settings):
    for _ in range(2):
        with open_run(settings.out, "train", settings, [settings.images]):
            (settings.out / "model").touch()
    other = settings.model_copy(update={"seed": 7})
    with (
        pytest.raises(ValueError, match="seed = 0 there, 7 now"),
        open_run(settings.out, "train", other, [settings.images]),
    ):
        pass


def test_run_that_came_to_nothing_is_no_obstacle(settings):
    with (
        pytest.raises(ValueError, match="no galaxies"),
        open_run(settings.out, "train", settings, [settings.images]),
    ):
        raise ValueError("no galaxies")
    assert "no galaxies" in (settings.out / "run.log").read_text()
    other = settings.model_copy(update={"seed": 7})
    with open_run(settings.out, "train", other, [settings.images]) as run:
        assert run.settings.seed == 7


def test_folder_of_another_verb_is_refused(settings):
    with open_run(settings.out, "train", settings, [settings.images]):
        (settings.out / "model").touch()
    with (
        pytest.raises(ValueError, match="holds a 'train' run"),
        open_run(settings.out, "mock", settings, []),
    ):
        pass


def test_missing_input_is_named(settings, tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"nowhere\.hdf5 does not exist"),
        open_run(settings.out, "train", settings, [tmp_path / "nowhere.hdf5"]),
    ):
        pass
    assert not settings.out.exists()


def test_paths_hold_from_any_folder_and_after_a_move(tmp_path, monkeypatch):
    project, moved = tmp_path / "project", tmp_path / "elsewhere" / "moved"
    (project / "images" / "real").mkdir(parents=True)
    moved.parent.mkdir()
    monkeypatch.chdir(project)
    asked = ScoreSettings(images=[Path("images/real")], out=Path("scores"), model="sdss-r")
    with open_run(asked.out, "score", asked, asked.images):
        (project / "scores" / "scores.parquet").touch()
    monkeypatch.chdir(tmp_path)
    settings = read_settings("project/scores")
    assert settings["images"] == [str(project / "images" / "real")]
    assert settings["model"] == "sdss-r"
    again = asked.model_copy(update={"images": [project / "images" / "real"], "out": project / "scores"})
    with open_run(again.out, "score", again, again.images):  # the same data by another path go on
        pass
    (project / "scores").rename(tmp_path / "alone")
    assert read_settings(tmp_path / "alone")["images"] == [str(project / "images" / "real")]
    (tmp_path / "alone").rename(project / "scores")
    project.rename(moved)
    assert read_settings(moved / "scores")["images"] == [str(moved / "images" / "real")]
    (moved / "images" / "real").rmdir()
    assert read_settings(moved / "scores")["images"] == [str(moved / "images" / "real")]


def work_while_moved(settings):
    """Work in a folder whose name another takes."""
    with open_run(settings.out, "train", settings, [settings.images]):
        settings.out.rename(settings.out.with_name("elsewhere"))
        settings.out.mkdir()


def test_a_folder_that_another_has_replaced_is_an_error(settings):
    with pytest.raises(OSError, match="was moved or removed while"):
        work_while_moved(settings)


def spoil(path, how, victim):
    if how == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"link": victim, "device": "/dev/zero"}[how])


@pytest.mark.parametrize("name", ["run.lock", "run.log"])
@pytest.mark.parametrize("how", ["link", "pipe", "device"])
def test_nothing_is_written_through_a_link_nor_into_a_pipe(name, how, settings, tmp_path, monkeypatch):
    """A folder from elsewhere may hold them; a lock file would cut what it points at to its own size."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    settings.out.mkdir()
    spoil(settings.out / name, how, victim)
    for locks in (True, False):
        if not locks:
            monkeypatch.setattr(lock, "fcntl", None)
        with pytest.raises(OSError, match=name), open_run(settings.out, "train", settings, []):
            pass
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("how", ["link", "pipe", "device"])
def test_the_journal_of_a_part_is_a_file_of_its_own(how, tmp_path):
    (tmp_path / "victim").write_text("mine")
    spoil(tmp_path / "part.reading", how, tmp_path / "victim")
    with pytest.raises(OSError, match=r"part\.reading"), Watch(tmp_path / "part.reading", 60) as watch:
        watch("galaxy")
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_pipe_or_a_device_has_no_hash(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="should be a file"):
            sha256(path)
