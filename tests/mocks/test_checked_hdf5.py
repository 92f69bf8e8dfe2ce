"""HDF5 files that point at other files are not followed."""

import h5py
import numpy as np
import pytest

from mocks import stream
from mocks.checked_hdf5 import open_checked, open_contained, refuse_foreign
from mocks.readers import open_snapshot
from mocks.toys import toy_galaxy, write_eagle_extract

SECRET = b"root:x:0:0"


def external_storage(file, folder):
    (folder / "secret.txt").write_bytes(SECRET)
    file.create_dataset(
        "a/ext", (len(SECRET),), "u1", external=[(str(folder / "secret.txt"), 0, len(SECRET))]
    )


def external_link(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.arange(5.0)
    file["a/link"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")


def virtual_dataset(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.arange(5.0)
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (5,))
    file.create_virtual_dataset("a/virtual", layout)


FOREIGN = {"ext": external_storage, "link": external_link, "virtual": virtual_dataset}


@pytest.fixture(params=FOREIGN)
def foreign(request, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        file["fine"] = np.arange(3)
        FOREIGN[request.param](file, tmp_path / "elsewhere")
    return tmp_path / "mine.h5", request.param


@pytest.mark.parametrize("way", [open_checked, open_contained])
def test_a_file_that_points_at_another_one_is_refused(foreign, way):
    path, name = foreign
    with pytest.raises(ValueError, match=rf"mine\.h5: a/{name} .*elsewhere.*not followed"), way(path):
        pass


def test_siblings_may_be_allowed_but_never_external_storage_or_a_way_out(tmp_path):
    with h5py.File(tmp_path / "part.0.h5", "w") as part:
        part["x"] = np.arange(5.0)
    for target, allowed in {
        "part.0.h5": True,
        "sub/part.h5": True,
        "../part.h5": False,
        "/x.h5": False,
    }.items():
        path = tmp_path / f"whole-{len(target)}.h5"
        with h5py.File(path, "w") as file:
            file["x"] = h5py.ExternalLink(target, "/x")
        if allowed:
            refuse_foreign(path, siblings=True)
        else:
            with pytest.raises(ValueError, match="link into another file"):
                refuse_foreign(path, siblings=True)
    with open_contained(tmp_path / "whole-9.h5", siblings=True) as file:
        assert file["x"][:].tolist() == [0, 1, 2, 3, 4]
    (tmp_path / "secret.txt").write_bytes(SECRET)
    with h5py.File(tmp_path / "ext.h5", "w") as file:
        file.create_dataset("ext", (5,), "u1", external=[("secret.txt", 0, 5)])
    with pytest.raises(ValueError, match="keeps its values in another file"):
        refuse_foreign(tmp_path / "ext.h5", siblings=True)


def test_links_within_the_file_and_circles_of_them_are_fine(tmp_path):
    path = tmp_path / "mine.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
        file["group/up"] = file["/"]
        file["soft"] = h5py.SoftLink("/x")
        file["loop"] = h5py.SoftLink("/loop")
        layout = h5py.VirtualLayout((3,), "i8")
        layout[:] = h5py.VirtualSource(".", "x", (3,))
        file.create_virtual_dataset("same", layout)
    with open_contained(path) as file:
        assert file["soft"][:].tolist() == file["same"][:].tolist() == [0, 1, 2]


def test_a_file_that_changed_is_looked_through_again(tmp_path):
    path = tmp_path / "mine.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    refuse_foreign(path)
    with h5py.File(path, "a") as file:
        external_link(file, tmp_path)
    with pytest.raises(ValueError, match="not followed"):
        refuse_foreign(path)


@pytest.mark.parametrize("locking", [None, "best-effort", True, False])
def test_a_file_that_this_process_has_open_is_read(locking, tmp_path):
    """As in a notebook that looks at the file: HDF5 wants both to lock alike."""
    path = tmp_path / "toy.hdf5"
    write_eagle_extract(path, [toy_galaxy("toy-3", stream(1, "open"), subhalo_id=4)])
    options = {} if locking is None else {"locking": locking}
    with h5py.File(path, "r", **options):
        assert len(_only_galaxy(path).stars) > 1000
        with open_contained(path) as file:
            assert "PartType4" in file
    assert len(_only_galaxy(path).stars) > 1000


def _only_galaxy(path):
    snapshot = open_snapshot(path)
    return snapshot.read(int(snapshot.catalogue()["subhalo_id"][0]))
