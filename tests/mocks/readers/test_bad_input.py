"""Damaged, incomplete and wrong input ends in one clear error."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from mocks.readers import open_snapshot, recognise
from mocks.readers.particles.friends import friends_of_friends
from mocks.toys import (
    ToyPhysics,
    toy_galaxies,
    write_eagle_extract,
    write_eagle_snapshot,
    write_ramses_output,
    write_tng_snapshot,
)

COARSE = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)
FINE = ToyPhysics("toy-1", 1e6, 1.0, 0.0, 0.0, most_particles=8000)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    galaxies = toy_galaxies(COARSE, 2, seed=21)
    write_tng_snapshot(folder / "tng", galaxies, n_files=3)
    write_eagle_extract(folder / "eagle.hdf5", galaxies)
    write_ramses_output(folder / "ramses", galaxies, n_cpu=2)
    return folder


@pytest.fixture
def work(originals, tmp_path):
    """Copies that a test may damage."""
    shutil.copytree(originals, tmp_path / "work")
    return tmp_path / "work"


def cut(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


def test_unknown_simulation_lists_the_known(work):
    with pytest.raises(ValueError, match=r"unknown simulation 'TNG500'.*illustris.*TNG100-1"):
        open_snapshot(work / "eagle.hdf5", "TNG500")


def test_a_new_run_is_named_by_option(work):
    assert open_snapshot(work / "eagle.hdf5", name="mine").read(100_000).simulation == "mine"
    assert open_snapshot(work / "eagle.hdf5", "eagle-extract").simulation == "toy-1"
    with pytest.raises(ValueError, match=r"not EAGLE-RefL0025N0376: Omega_m = 0.3089 in the file"):
        open_snapshot(work / "eagle.hdf5", "EAGLE-RefL0025N0376")


def test_missing_path_and_option(work):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        recognise(work / "nowhere")
    with pytest.raises(ValueError, match=r"format eagle-extract: .*'colour'"):
        open_snapshot(work / "eagle.hdf5", colour="red")


def test_truncated_hdf5(work):
    cut(work / "eagle.hdf5", 5000)
    with pytest.raises(OSError, match=r"eagle\.hdf5 cannot be opened as HDF5.*Fetch it again"):
        open_snapshot(work / "eagle.hdf5")


def test_text_file_is_no_snapshot(work):
    (work / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match="no known simulation format"):
        recognise(work / "notes.txt")


@pytest.mark.parametrize("field", ["Mass", "StellarFormationTime", "SmoothedMetallicity"])
def test_missing_field_is_named(field, work):
    with h5py.File(work / "eagle.hdf5", "r+") as file:
        del file["PartType4"][field]
        if field == "SmoothedMetallicity":
            del file["PartType4/Metallicity"]
    with pytest.raises(ValueError, match=f"PartType4 lacks .*{field}"):
        open_snapshot(work / "eagle.hdf5", "eagle-extract").read(100_000)


def test_field_of_texts_is_refused(work):
    with h5py.File(work / "eagle.hdf5", "r+") as file:
        stars = file["PartType4"]
        count = len(stars["Mass"])
        del stars["Mass"]
        stars["Mass"] = ["heavy"] * count  # of variable length: in a heap, where damage can hang HDF5
    with pytest.raises(OSError, match="PartType4/Mass holds object, not numbers"):
        open_snapshot(work / "eagle.hdf5").read(100_000)


def test_no_stars(work):
    with h5py.File(work / "eagle.hdf5", "r+") as file:
        for name in list(file["PartType4"]):
            attributes = dict(file["PartType4"][name].attrs)
            values = file["PartType4"][name][:0]
            del file["PartType4"][name]
            file["PartType4"].create_dataset(name, data=values).attrs.update(attributes)
    with pytest.raises(ValueError, match="no star particles"):
        open_snapshot(work / "eagle.hdf5")


def edit(path, dataset, row, value):
    with h5py.File(path, "r+") as file:
        file[dataset][row] = value


@pytest.mark.parametrize("dataset", ["Coordinates", "Mass", "StellarFormationTime", "SmoothedMetallicity"])
def test_nan_is_refused_by_name(dataset, work):
    edit(work / "eagle.hdf5", f"PartType4/{dataset}", 3, np.nan)
    with pytest.raises(ValueError, match=r"1 of|3 of .* NaN"):
        open_snapshot(work / "eagle.hdf5").read(100_000)


def test_massless_particles_are_dropped_and_counted(work):
    before = len(open_snapshot(work / "eagle.hdf5").read(100_000).stars)
    edit(work / "eagle.hdf5", "PartType4/Mass", slice(2, 4), 0.0)
    galaxy = open_snapshot(work / "eagle.hdf5").read(100_000)
    assert len(galaxy.stars) == before - 2
    assert "2 star particles without mass left out" in galaxy.notes


def test_negative_mass_and_future_birth_are_refused(work):
    edit(work / "eagle.hdf5", "PartType4/Mass", 2, -1.0)
    with pytest.raises(ValueError, match="negative stellar masses"):
        open_snapshot(work / "eagle.hdf5").read(100_000)
    edit(work / "eagle.hdf5", "PartType4/Mass", 2, 1.0)
    edit(work / "eagle.hdf5", "PartType4/StellarFormationTime", 2, 1.3)
    with pytest.raises(ValueError, match=r"1 of .* stars are not yet born"):
        open_snapshot(work / "eagle.hdf5").read(100_000)


def test_unknown_galaxy_is_refused_with_the_known(work):
    with pytest.raises(ValueError, match="no galaxy 7; it holds 100000, 200000"):
        open_snapshot(work / "eagle.hdf5").read(7)
    with pytest.raises(ValueError, match="no subhalo 99"):
        open_snapshot(work / "tng").read(99)
    with pytest.raises(ValueError, match="no galaxy 99; it has 1, 2"):
        open_snapshot(work / "ramses").read(99)


@pytest.mark.parametrize("name", ["HubbleParam", "Redshift"])
def test_missing_header_value_is_named(name, work):
    with h5py.File(work / "eagle.hdf5", "r+") as file:
        for key in (name, "Time", "ExpansionFactor"):
            del file["Header"].attrs[key]
    with pytest.raises(ValueError, match=name):
        open_snapshot(work / "eagle.hdf5")


def test_unit_attribute_must_be_positive(work):
    with h5py.File(work / "eagle.hdf5", "r+") as file:
        file["PartType4/Mass"].attrs["CGSConversionFactor"] = -1.0
    with pytest.raises(ValueError, match=r"PartType4/Mass declares the CGS factor -1\.0"):
        open_snapshot(work / "eagle.hdf5").read(100_000)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("output/snapdir_099/snap_099.1.hdf5", r"1 of 3 chunk files are missing: snap_099\.1\.hdf5"),
        ("output/groups_099/fof_subhalo_tab_099.2.hdf5", r"missing: fof_subhalo_tab_099\.2\.hdf5"),
        ("postprocessing/offsets/offsets_099.hdf5", r"offsets file .*offsets_099\.hdf5 is missing"),
    ],
)
def test_missing_tng_file_is_named(lost, message, work):
    (work / "tng" / lost).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        open_snapshot(work / "tng")


def test_missing_group_catalogue_is_named(work):
    shutil.rmtree(work / "tng/output/groups_099")
    with pytest.raises(FileNotFoundError, match="groups_099 is missing"):
        open_snapshot(work / "tng")


def test_several_snapshots_need_a_choice(work):
    shutil.copytree(work / "tng/output/snapdir_099", work / "tng/output/snapdir_098")
    with pytest.raises(ValueError, match="holds snapshots 98, 99"):
        open_snapshot(work / "tng")
    assert open_snapshot(work / "tng", snapshot=99).snapshot == 99


def test_truncated_chunk_is_refused(work):
    for chunk in (work / "tng/output/snapdir_099").iterdir():
        cut(chunk, chunk.stat().st_size // 2)
    with pytest.raises(OSError, match=r"snap_099\.0\.hdf5 cannot be opened"):
        open_snapshot(work / "tng")


def test_truncated_part_file(work):
    path = work / "ramses/output_00099/part_00099.out00001"
    cut(path, path.stat().st_size - 2000)
    with pytest.raises(ValueError, match=r"part_00099\.out00001: .*(cut short|within a record)"):
        open_snapshot(work / "ramses")
    with pytest.raises(OSError, match=r"part_00099\.out00001: .*(cut short|within a record)"):
        open_snapshot(work / "ramses", check=False).read(1)


def test_wrong_record_marker_and_endianness(work):
    path = work / "ramses/output_00099/part_00099.out00001"
    raw = bytearray(path.read_bytes())
    raw[8:12] = np.int32(5).tobytes()  # marker behind the first record
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="record marker 5 at byte 8 differs from 4"):
        open_snapshot(work / "ramses")
    raw[0:4] = np.array([4], dtype=">i4").tobytes()
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="it is big-endian"):
        open_snapshot(work / "ramses")


def test_missing_ramses_files_are_named(work):
    (work / "ramses/output_00099/part_00099.out00002").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing: part_00099\.out00002"):
        open_snapshot(work / "ramses")
    (work / "ramses/output_00099/info_00099.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"info_00099\.txt is missing"):
        open_snapshot(work / "ramses")


def test_run_without_cosmology_is_refused(work):
    path = work / "ramses/output_00099/info_00099.txt"
    lines = [
        line if not line.startswith("H0") else "H0          =  1.0E+00"
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="without cosmology"):
        open_snapshot(work / "ramses")


def test_stars_of_nan_position_are_counted(work, caplog):
    """In a region they could be anywhere; they belong to no group of friends."""
    whole = open_snapshot(work / "ramses")
    row = whole.catalogue()[1]
    centre = [row["x"], row["y"], row["z"]]
    before, n_all = whole.read_region(centre, 60.0), len(whole.read_region(centre, 2e5).stars)
    path = work / "ramses/output_00099/part_00099.out00002"
    raw = bytearray(path.read_bytes())
    raw[120 : 120 + 16] = np.full(2, np.nan).tobytes()  # x of the first two particles: behind eight records
    path.write_bytes(raw)
    found = open_snapshot(work / "ramses").read_region(centre, 2e5)
    assert "2 stars of NaN position left out" in found.notes
    assert "2 stars of NaN position left out" in caplog.text
    assert len(found.stars) == n_all - 2
    near = open_snapshot(work / "ramses").read_region(centre, 60.0)
    assert len(before.stars) - 2 <= len(near.stars) <= len(before.stars)
    groups = friends_of_friends(np.array([[1.0, 1, 1], [np.nan, 1, 1], [1.5, 1, 1]]), 1.0, 10.0)
    assert groups.tolist() == [0, -1, 0]


def bytes_read() -> int:
    """Bytes that this process has asked of files so far."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


@pytest.mark.skipif(not Path("/proc/self/io").is_file(), reason="bytes read are counted by Linux alone")
@pytest.mark.parametrize("write", [write_eagle_snapshot, write_ramses_output])
def test_a_galaxy_costs_a_part_of_the_output(write, tmp_path):
    galaxies = toy_galaxies(FINE, 8, seed=22)
    options = {"hash_bits": 6, "n_files": 8} if write is write_eagle_snapshot else {"n_cpu": 32}
    path = write(tmp_path / "run", galaxies, **options)
    whole = sum(file.stat().st_size for file in path.glob("*"))
    snapshot = open_snapshot(path)
    numbers = list(snapshot.catalogue()["subhalo_id"])
    snapshot.read(int(numbers[5]))  # hash tables and the like are kept between galaxies
    before = bytes_read()
    snapshot.read(int(numbers[6]))
    assert bytes_read() - before < 0.5 * whole
