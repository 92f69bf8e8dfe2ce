import os
import shutil

import pytest

from simcompare.runs.files import atomic_path, file_state, fingerprint, sha256, write_text


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.txt"
    write_text(path, "old")

    def interrupted_write():
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted_write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_sha256_of_known_text(tmp_path):
    write_text(tmp_path / "abc", "abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_fingerprint_sees_every_change(tmp_path):
    folder = tmp_path / "snapshot"
    folder.mkdir()
    write_text(folder / "a", "1")
    prints = {fingerprint(folder), fingerprint(folder / "a")}
    write_text(folder / "a", "2")
    prints.add(fingerprint(folder / "a"))
    write_text(folder / "b", "3")
    prints.add(fingerprint(folder))
    assert len(prints) == 4


def test_state_of_a_file_changes_with_its_content_whatever_a_copy_keeps(tmp_path):
    path, other = tmp_path / "a" / "x", tmp_path / "b" / "x"
    for each, text in ((path, "one"), (other, "two")):
        each.parent.mkdir()
        each.write_text(text)
        os.utime(each, ns=(10**18, 10**18))
    before = file_state(path.parent)
    assert file_state(path.parent) == before
    shutil.rmtree(path.parent)
    shutil.copytree(other.parent, path.parent)  # which keeps size and time
    assert file_state(path.parent) != before


def test_fingerprint_does_not_depend_on_how_a_folder_is_called(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("one")
    expected = fingerprint(tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    assert {fingerprint(path) for path in (".", "../data", "../data/../data")} == {expected}


@pytest.mark.parametrize("folder", ["short", "f" * 200 + "/" + "g" * 200])
def test_a_path_inside_a_folder_that_is_not_utf8_is_shown_whole(tmp_path, folder):
    strange = tmp_path / folder / os.fsdecode(b"sub\xff") / "toy"
    strange.mkdir(parents=True)
    (strange / "snapshot.hdf5").write_bytes(b"what is in it does not matter")
    with pytest.raises(ValueError, match="is not UTF-8") as told:
        fingerprint(tmp_path)
    expected = f"{tmp_path}/{folder}/sub\\udcff/toy/snapshot.hdf5"
    assert str(told.value) == f"the name '{expected}' is not UTF-8; rename the file or folder."
