"""Equal runs give equal files, with one worker and with two; a folder moved in mid-run is an error."""

from importlib import import_module

import pytest

from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands import mock as mock_command
from simcompare.observed import sample
from simcompare.runs.files import sha256


def hashes(folder):
    return {path.name: sha256(path) for path in sorted((folder / "images").glob("*.h5"))}


def words(verb, tmp_path, stamps):
    """Command line that makes several parts."""
    if verb == "prepare":
        return ["prepare", str(stamps), "--size", "32"]
    write_tng_snapshot(tmp_path / "toys", toy_galaxies("toy-1", 4, 3))
    return ["mock", "toys", "--redshift", "0.05", "--size", "32", "--views", "2"]


@pytest.fixture(autouse=True)
def several_parts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mock_command, "_IMAGES_PER_PART", 2)
    monkeypatch.setattr(sample, "PART_BYTES", 3 * 9 * 32**2)


@pytest.mark.parametrize("verb", ["mock", "prepare"])
def test_parts_are_equal_to_the_byte_with_one_worker_and_two(verb, tmp_path, stamps):
    command = words(verb, tmp_path, stamps)
    for out, workers in (("one", "1"), ("again", "1"), ("two", "2")):
        assert main([*command, "--workers", workers, "--out", out]) == 0
    assert len(hashes(tmp_path / "one")) >= 4
    assert hashes(tmp_path / "one") == hashes(tmp_path / "again") == hashes(tmp_path / "two")


@pytest.mark.parametrize("verb", ["mock", "prepare"])
def test_a_run_folder_moved_in_mid_run_is_an_error(verb, tmp_path, stamps, monkeypatch, capsys):
    command = words(verb, tmp_path, stamps)
    assert main([*command, "--workers", "1", "--out", "whole"]) == 0
    module = "simcompare.runs.products" if verb == "mock" else "simcompare.observed.sample"
    with monkeypatch.context() as patch:
        write, done = import_module(module).write_record, []

        def then_move(path, *arguments, **options):
            result = write(path, *arguments, **options)
            done.append(path)
            if len(done) == 2:
                (tmp_path / "run").rename(tmp_path / "elsewhere")
            return result

        patch.setattr(f"{module}.write_record", then_move)
        assert main([*command, "--workers", "1", "--out", "run"]) == 2
    assert "run" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run" / "images").is_dir()
    (tmp_path / "elsewhere").rename(tmp_path / "run")
    assert main([*command, "--workers", "1", "--out", "run"]) == 0
    assert hashes(tmp_path / "run") == hashes(tmp_path / "whole")
