"""Files that are locked, packed otherwise, half written or lead elsewhere; companions that cannot be read."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mocks.readers import examine, members, open_snapshot, recognise
from mocks.toys import toy_galaxies, write_tng_snapshot
from mocks.toys.physics import ToyPhysics

COARSE = ToyPhysics("toy-1", 2e7, 1.0, 0.0, 0.0)
LOCK = """
import h5py, sys
file = h5py.File(sys.argv[1], "r+", locking=True)
print("locked", flush=True)
sys.stdin.read()
"""


def refused(path, message, **options):
    def whole():
        snapshot = open_snapshot(path, **options)
        return snapshot.read(int(snapshot.catalogue()["subhalo_id"][0]))

    with pytest.raises((OSError, ValueError), match=message):
        whole()
    assert not examine(path, min_stellar_mass=0.0, **options).ok


@pytest.fixture
def pair(tmp_path, star_columns, write_stars):
    """A box of two galaxies with its catalogue, named as CAMELS names them, in the code of TNG."""
    first, second = star_columns(), star_columns(n=1500, seed=1, centre=(10000.0, 30000.0, 30000.0))
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    path = write_stars(tmp_path / "box" / "camels_snap.hdf5", both)
    lengths = np.zeros((2, 6), np.int32)
    lengths[:, 4] = 3000, 1500
    with h5py.File(tmp_path / "box" / "camels_subhalo.hdf5", "w") as file:
        file["Subhalo/SubhaloLenType"] = lengths
        file["Subhalo/SubhaloPos"] = np.array([[3e4, 3e4, 3e4], [1e4, 3e4, 3e4]]) * 0.6774
    return path


@pytest.mark.parametrize("gfm", [True, False])
def test_a_catalogue_beside_a_snapshot_decides_the_format(gfm, pair, star_columns):
    if not gfm:
        with h5py.File(pair, "r+") as file:
            for name in ("StellarFormationTime", "Metallicity"):
                file["PartType4"].move(f"GFM_{name}", name)
            del file["PartType4/GFM_InitialMass"]
    for path in (pair, pair.parent):
        snapshot = open_snapshot(path)
        assert snapshot.format == "camels"
        assert list(snapshot.catalogue()["n_stars"]) == [3000, 1500]
        assert snapshot.read(0).stars.mass.sum() == pytest.approx(star_columns()["mass"].sum(), rel=1e-6)


def test_a_catalogue_of_fewer_stars_without_groups_is_refused(pair):
    """The second galaxy would begin 100 stars too early."""
    with h5py.File(pair.with_name("camels_subhalo.hdf5"), "r+") as file:
        file["Subhalo/SubhaloLenType"][0, 4] = 2900
    refused(pair, r"counts 4400 stars, .* holds 4500, and no Group/GroupLenType")


def test_births_after_the_output_refuse_a_pair(pair):
    with h5py.File(pair, "r+") as file:
        file["Header"].attrs.update(Time=0.5, Redshift=1.0)
    refused(pair, "born after the time of the output")


def test_a_catalogue_alone_asks_for_its_snapshot(pair):
    catalogue = pair.with_name("camels_subhalo.hdf5")
    pair.unlink()
    refused(catalogue, "is a group catalogue, without the stars")


@pytest.mark.parametrize("damage", ["cut", "empty", "no bytes", "no lengths", "text"])
def test_a_damaged_catalogue_does_not_make_a_box_one_galaxy(damage, pair):
    catalogue = pair.with_name("camels_subhalo.hdf5")
    raw = catalogue.read_bytes()
    if damage == "cut":
        catalogue.write_bytes(raw[: len(raw) // 2])
    elif damage == "empty":
        with h5py.File(catalogue, "w"):
            pass
    elif damage == "no lengths":
        with h5py.File(catalogue, "r+") as file:
            del file["Subhalo/SubhaloLenType"]
    else:
        catalogue.write_bytes(b"" if damage == "no bytes" else b"<html>404</html>")
    for path in (pair, pair.parent):
        refused(path, r"camels_subhalo\.hdf5 lies beside camels_snap\.hdf5 as its catalogue")
    catalogue.unlink()
    refused(pair, "several galaxies")


def test_a_catalogue_without_subhaloes_is_an_error(pair):
    with h5py.File(pair.with_name("camels_subhalo.hdf5"), "w") as file:
        file["Subhalo/SubhaloLenType"] = np.zeros((0, 6), np.int32)
    refused(pair, "holds no subhalo")


def test_a_damaged_cutout_beside_others_is_no_catalogue(tmp_path, star_columns, write_stars):
    for i in (1, 2):
        write_stars(tmp_path / f"cutout_{i}.hdf5", star_columns(seed=i))
    (tmp_path / "cutout_3.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert recognise(tmp_path / "cutout_1.hdf5") == "illustris-extract"
    found, others = members(tmp_path)
    assert len(found) == 3
    assert not others


def test_a_locked_file_says_so(tmp_path, star_columns, write_stars):
    path = write_stars(tmp_path / "x.hdf5", star_columns())
    with subprocess.Popen([sys.executable, "-c", LOCK, path], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(OSError, match="another program has it open for writing") as error:
            open_snapshot(path)
        assert "Fetch it again" not in str(error.value)
        other.stdin.close()
        assert other.wait() == 0
    assert len(open_snapshot(path).catalogue()) == 1


def test_a_missing_filter_says_so(tmp_path, star_columns, write_stars):
    path = write_stars(tmp_path / "x.hdf5", star_columns(), fields={"Masses": None})
    with h5py.File(path, "r+") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((3000,))
        plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # Zstandard, that HDF5 does not have itself
        space = h5py.h5s.create_simple((3000,))
        made = h5py.h5d.create(file["PartType4"].id, b"Masses", h5py.h5t.IEEE_F32LE, space, plan)
        made.write_direct_chunk((0,), b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(OSError, match=r"by the filter .*32015.*(hdf5plugin|cannot be read)") as error:
        open_snapshot(path).catalogue()
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize("chunks", [None, (100,)])
def test_values_that_were_never_written_are_refused(chunks, tmp_path, star_columns, write_stars):
    path = write_stars(tmp_path / "x.hdf5", star_columns(), fields={"GFM_Metallicity": None})
    with h5py.File(path, "r+") as file:
        made = file["PartType4"].create_dataset("GFM_Metallicity", (3000,), "f4", chunks=chunks)
        if chunks:
            made[:2000] = 0.01
    refused(path, "GFM_Metallicity: values were never written, and would be read as 0.0")


def test_links_to_files_elsewhere_are_not_followed(tmp_path, star_columns, write_stars):
    path = write_stars(tmp_path / "in" / "x.hdf5", star_columns())
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.full(3000, 1e-4, "f4").tobytes())
    elsewhere = write_stars(tmp_path / "elsewhere.hdf5", star_columns(seed=2))

    def spoiled(make):
        with h5py.File(path, "r+") as file:
            del file["PartType4/Masses"]
            make(file["PartType4"])
        refused(path, "which is not followed")

    spoiled(lambda group: group.create_dataset("Masses", (3000,), "f4", external=[(str(secret), 0, 12000)]))
    spoiled(lambda group: group.__setitem__("Masses", h5py.ExternalLink(str(elsewhere), "PartType4/Masses")))
    layout = h5py.VirtualLayout((3000,), "f8")
    layout[:] = h5py.VirtualSource(str(elsewhere), "PartType4/Masses", (3000,))
    spoiled(lambda group: group.create_virtual_dataset("Masses", layout))


def test_links_to_files_beside_are_followed(tmp_path, star_columns, write_stars):
    path = write_stars(tmp_path / "x.hdf5", star_columns())
    write_stars(tmp_path / "piece.hdf5", star_columns())
    with h5py.File(path, "r+") as file:
        del file["PartType4/Masses"]
        file["PartType4/Masses"] = h5py.ExternalLink("piece.hdf5", "PartType4/Masses")
    (tmp_path / "alone").mkdir()
    assert len(open_snapshot(path).read(0).stars) == 3000
    (tmp_path / "piece.hdf5").unlink()
    refused(path, r"x\.hdf5")


def test_a_file_that_may_not_be_read_says_so(tmp_path, star_columns, write_stars, monkeypatch):
    path = write_stars(tmp_path / "x.hdf5", star_columns())
    opened = h5py.File

    def forbidden(name, *args, **kwargs):
        if Path(str(name)) == path:
            raise PermissionError(13, "Permission denied")
        return opened(name, *args, **kwargs)

    monkeypatch.setattr(h5py, "File", forbidden)
    with pytest.raises(OSError, match="ask its owner for the right to read it"):
        open_snapshot(path, "illustris-extract")


def test_upper_case_endings_are_read(tmp_path, star_columns, write_stars):
    assert len(open_snapshot(write_stars(tmp_path / "CUTOUT_7.HDF5", star_columns())).read(7).stars) == 3000
    header = {"NumFilesPerSnapshot": 2, "NumPart_Total": [0, 0, 0, 0, 3000, 0]}
    for i in (0, 1):
        half = {name: values[i::2] for name, values in star_columns().items()}
        write_stars(tmp_path / "ck" / f"snap_001.{i}.HDF5", half, gfm=False, header=header)
    assert len(open_snapshot(tmp_path / "ck").read(0).stars) == 3000


def test_a_changed_catalogue_is_noticed_through_its_sources(tmp_path):
    path = write_tng_snapshot(tmp_path / "run", toy_galaxies(COARSE, 2, seed=3), n_files=2)
    sources = open_snapshot(path).sources
    assert {file.parent.name for file in sources} == {"snapdir_099", "groups_099", "offsets"}


def overwrite(path, name, values):
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        file[name] = values


WRONG = [
    np.full(2, b"abc"),
    np.full((2, 6), b"abc"),
    np.full((2, 6), np.nan),
    np.full((2, 2), 1),
    np.array(1),
]


@pytest.mark.parametrize("values", WRONG, ids=range(5))
@pytest.mark.parametrize("name", ["SubhaloLenType", "SubhaloGrNr", "SubhaloPos"])
def test_catalogue_columns_of_another_kind_or_shape_are_named(name, values, tmp_path, pair):
    """Words for numbers, broken ones for whole ones, too few types or axes; of TNG and of CAMELS."""
    if name == "SubhaloPos" and values.dtype.kind == "f":
        values = values.astype(complex)
    path = write_tng_snapshot(tmp_path / "run", toy_galaxies(COARSE, 2, seed=3), n_files=1)
    overwrite(next(path.rglob("fof_subhalo_tab_*.hdf5")), f"Subhalo/{name}", values)
    refused(path, name)
    overwrite(pair.with_name("camels_subhalo.hdf5"), f"Subhalo/{name}", values)
    refused(pair, rf"{name}|camels_subhalo\.hdf5 is damaged")


@pytest.mark.parametrize("name", ["SubhaloLenType", "SubhaloPos"])
def test_catalogue_columns_of_other_lengths_are_named(name, tmp_path, pair):
    """Rows that belong together would be read past each other; of TNG and of CAMELS."""
    path = write_tng_snapshot(tmp_path / "run", toy_galaxies(COARSE, 3, seed=3), n_files=1)
    for catalogue, home in (
        (next(path.rglob("fof_subhalo_tab_*.hdf5")), path),
        (pair.with_name("camels_subhalo.hdf5"), pair),
    ):
        with h5py.File(catalogue) as file:
            values = file[f"Subhalo/{name}"][:-1]
        overwrite(catalogue, f"Subhalo/{name}", values)
        refused(home, "its columns differ in length|damaged")


@pytest.mark.parametrize("group", [2**31 - 1, 2**62, -(2**40)])
def test_a_subhalo_of_a_group_that_is_not_there_is_refused(group, tmp_path):
    path = write_tng_snapshot(tmp_path / "run", toy_galaxies(COARSE, 2, seed=3), n_files=1)
    catalogue = next(path.rglob("fof_subhalo_tab_*.hdf5"))
    with h5py.File(catalogue) as file:
        count = len(file["Subhalo/SubhaloGrNr"])
    overwrite(catalogue, "Subhalo/SubhaloGrNr", np.full(count, group))
    refused(path, "SubhaloGrNr runs from")
