"""Models and snapshots on disk: whole or absent after a kill at any moment, damage set aside."""

import errno
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from flows import checkpoint
from flows.checkpoint import DamagedError, find_snapshot, load_model, load_snapshot, save_model, save_snapshot

HISTORY = [{"epoch": 5, "seconds": 0.5, "train": 1.25}, {"epoch": 10, "seconds": 1, "train": 0.1 + 0.2}]
STATE = {"epoch": 5, "best_loss": [1.5, float("inf")], "config": "FlowConfig(size=8)"}


def snapshot(folder, epoch):
    """Write a snapshot that says of which epoch it is."""
    tensors = {
        "mean.a": torch.arange(6.0).reshape(2, 3) + epoch,
        "optimiser.0.step": torch.tensor(float(epoch)),
    }
    return save_snapshot(folder, epoch, tensors, STATE | {"epoch": epoch}, HISTORY)


def model(folder, version):
    """Write a model that says which it is."""
    return save_model(
        folder / "model", {"a": torch.full((40,), version)}, {"version": version}, HISTORY, "card"
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def found(folder):
    """Epoch that is found, or the error."""
    try:
        return find_snapshot(folder)
    except ValueError as error:
        return str(error)


def killed(call, number):
    """Do something in a forked process, killed by signal 9 at its n-th call to the disk; how it ended."""
    child = os.fork()
    if child == 0:
        count = 0

        def counting(function):
            def counted(*arguments, **options):
                nonlocal count
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)

            return counted

        os.fsync, os.rename, os.mkdir = map(counting, (os.fsync, os.rename, os.mkdir))
        Path.rename, Path.mkdir = counting(Path.rename), counting(Path.mkdir)
        os.unlink, os.rmdir = counting(os.unlink), counting(os.rmdir)
        try:
            call()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def test_what_is_written_is_read(tmp_path):
    path = snapshot(tmp_path, 5)
    tensors, state, history = load_snapshot(path)
    assert tensors["mean.a"].tolist() == [[5, 6, 7], [8, 9, 10]]
    assert state == STATE
    assert history == HISTORY
    assert find_snapshot(tmp_path) == 5
    assert find_snapshot(tmp_path / "nowhere") is None


def test_the_last_two_snapshots_are_kept(tmp_path):
    for epoch in (5, 10, 999_995, 1_000_000):
        snapshot(tmp_path, epoch)
    assert names(tmp_path) == ["snapshot-1000000", "snapshot-999995"]
    assert find_snapshot(tmp_path) == 1_000_000


def test_killed_at_any_call_a_snapshot_is_the_last_or_the_one_before(tmp_path):
    found = []
    for number in range(1, 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        snapshot(folder, 5), snapshot(folder, 10)
        status = killed(lambda folder=folder: snapshot(folder, 15), number)
        found.append(find_snapshot(folder))
        for path in folder.iterdir():
            assert load_snapshot(path)[1]["epoch"] == int(path.name.removeprefix("snapshot-"))
        snapshot(folder, 20)
        assert len(names(folder)) == 2
        if status == 0:
            break
    assert status == 0
    assert len(found) > 8
    assert found == sorted(found)
    assert set(found) == {10, 15}


def test_killed_at_any_call_a_model_is_the_old_or_the_new_one(tmp_path):
    found = []
    for number in range(1, 100):
        folder = tmp_path / str(number)
        model(folder, 1)
        status = killed(lambda folder=folder: model(folder, 2), number)
        tensors, facts, _, card = load_model(folder / "model")
        found.append(facts["version"])
        assert tensors["a"].tolist() == 40 * [facts["version"]]
        assert card == "card"
        model(folder, 3)
        assert names(folder) == ["model"]
        if status == 0:
            break
    assert status == 0
    assert found == sorted(found)
    assert set(found) == {1, 2}


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done, flush, rename = [], os.fsync, Path.rename

    def note_flush(descriptor):
        done.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        flush(descriptor)

    def note_rename(path, target):
        done.append(f"-> {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_flush)
    monkeypatch.setattr(Path, "rename", note_rename)
    snapshot(tmp_path / "run", 5)
    fresh = f".snapshot-000005.{os.getpid()}.tmp"
    files = ["history.csv", "snapshot.toml", "weights.safetensors"]
    assert sorted(done[:3]) == files
    assert done[3:] == [fresh, "-> snapshot-000005", "run"]


def test_leftovers_of_a_name_are_not_those_of_another(tmp_path):
    model(tmp_path, 1)
    for name in (".model.12.tmp", ".model.b.12.tmp", ".model.12.old"):
        shutil.copytree(tmp_path / "model", tmp_path / name)
    model(tmp_path, 2)
    assert names(tmp_path) == [".model.b.12.tmp", "model"]


@pytest.mark.parametrize("part", ["snapshot.toml", "weights.safetensors", "history.csv"])
def test_one_flipped_bit_or_a_lost_file_sets_a_snapshot_aside(tmp_path, caplog, part):
    snapshot(tmp_path, 5)
    whole = (snapshot(tmp_path, 10) / part).read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 7
        (tmp_path / "snapshot-000010" / part).write_bytes(damaged)
        caplog.clear()
        epoch = found(tmp_path)
        if isinstance(epoch, str):  # a number of the format greater than ours
            assert "Update simcompare" in epoch
            continue
        if epoch == 10:  # white space, or a letter of a line that is not read
            tensors, state, history = load_snapshot(tmp_path / "snapshot-000010")
            assert (state, history) == (STATE | {"epoch": 10}, HISTORY)
            assert float(tensors["optimiser.0.step"]) == 10
            assert part == "snapshot.toml"
            continue
        assert epoch == 5
        assert "damaged-snapshot-000010; training resumes from the previous snapshot" in caplog.text
        (tmp_path / "damaged-snapshot-000010").rename(tmp_path / "snapshot-000010")
    (tmp_path / "snapshot-000010" / part).unlink()
    assert find_snapshot(tmp_path) == 5
    snapshot(tmp_path, 10)
    shutil.rmtree(tmp_path / "snapshot-000005")
    (tmp_path / "snapshot-000010" / part).write_bytes(b"")
    with pytest.raises(DamagedError, match="snapshot-000010"):
        load_snapshot(tmp_path / "snapshot-000010")
    assert find_snapshot(tmp_path) is None
    assert names(tmp_path) == ["damaged-snapshot-000010"]


def test_full_disk_leaves_the_snapshot_before(tmp_path, monkeypatch):
    snapshot(tmp_path, 5)

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        snapshot(tmp_path, 10)
    assert names(tmp_path) == ["snapshot-000005"]
    assert find_snapshot(tmp_path) == 5


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_damage(tmp_path, bad):
    """One of forty; every score would be NaN."""
    path = save_model(tmp_path / "model", {"a": torch.tensor([1.0] * 39 + [bad])}, {}, HISTORY, "card")
    with pytest.raises(DamagedError, match=r"weights\.safetensors holds numbers that are not finite"):
        load_model(tmp_path / "model")
    assert path == tmp_path / "model"


@pytest.mark.parametrize("part", ["model.toml", "history.csv"])
def test_texts_of_hundreds_of_megabytes_are_refused_unread(tmp_path, monkeypatch, part):
    save_model(tmp_path / "model", {"a": torch.ones(4)}, {}, HISTORY, "card")
    monkeypatch.setattr(checkpoint, "_LARGEST_TEXT", 10_000)
    load_model(tmp_path / "model")
    with open(tmp_path / "model" / part, "ab") as file:
        file.write(b"\n" * 10_000)
    with pytest.raises(DamagedError, match=rf"{part} has more than 0 MB"):
        load_model(tmp_path / "model")
