"""One battery for every format of the registry: read, select, agree with the catalogue, survive damage."""

import faulthandler
import logging
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mocks.readers import SIMULATIONS, cut_aperture, examine, open_snapshot, recognise, select
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.readers.particles.times import cosmic_time
from mocks.toys import (
    ToyPhysics,
    toy_galaxies,
    write_eagle_extract,
    write_eagle_snapshot,
    write_ramses_output,
    write_swift_snapshot,
    write_tng_snapshot,
)
from mocks.toys.placing import birth_scale_factor

COARSE = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)


FLIPS, CUTS = 20, 10  # damaged copies of each format
HUNG = ("horizon-agn-extract", 99, 46)  # format, seed and number of a copy on which HDF5 loops for ever
READ = """
import sys
from mocks.readers import open_snapshot
try:
    open_snapshot(*sys.argv[1:])
except OSError as error:
    print(error)
"""
H = 0.6774


def plain(path, galaxy, names, header, *, scale=(1.0, 1.0, 1.0), attributes=None):
    """One galaxy in one HDF5 file, under any names."""
    stars = galaxy.stars
    columns = {
        "position": (3000.0 + stars.position) * scale[0],
        "mass": stars.mass * scale[1],
        "initial_mass": stars.initial_mass * scale[1],
        "velocity": stars.velocity * scale[2],
        "birth": birth_scale_factor(galaxy),
        "metallicity": stars.metallicity,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        common = {
            "HubbleParam": 0.6774,
            "Omega0": 0.3089,
            "OmegaLambda": 0.6911,
            "Redshift": 0.0,
            "Time": 1.0,
        }
        file.create_group("Header").attrs.update(common | {"NumFilesPerSnapshot": 1} | header)
        for field, name in names.items():
            file[f"PartType4/{name}"] = columns[field]
    return path


GADGET = (H, H / 1e10, 1.0)
ILLUSTRIS = {
    "position": "Coordinates",
    "mass": "Masses",
    "initial_mass": "GFM_InitialMass",
    "birth": "GFM_StellarFormationTime",
    "metallicity": "GFM_Metallicity",
    "velocity": "Velocities",
}
EAGLE = {
    "position": "Coordinates",
    "mass": "Mass",
    "initial_mass": "InitialMass",
    "birth": "StellarFormationTime",
    "metallicity": "SmoothedMetallicity",
    "velocity": "Velocity",
}
GIZMO = EAGLE | {"mass": "Masses", "metallicity": "Metallicity", "velocity": "Velocities"}


def camels(folder, galaxies):
    """Snapshot and catalogue file of one galaxy, in a box as CAMELS'."""
    galaxy = galaxies[0]
    path = plain(folder / "run" / "snap_099.hdf5", galaxy, ILLUSTRIS, {"BoxSize": 25000.0}, scale=GADGET)
    with h5py.File(folder / "run" / "groups_099.hdf5", "w") as file:
        file["Subhalo/SubhaloLenType"] = np.array([[0, 0, 0, 0, len(galaxy.stars), 0]], dtype=np.int32)
        file["Subhalo/SubhaloPos"] = np.full((1, 3), 3000.0 * H)
        file["Subhalo/SubhaloMassType"] = np.array([[0, 0, 0, 0, galaxy.stars.mass.sum() * H / 1e10, 0]])
    return path.parent


# How to make each format; an entry of the registry that is not here fails the test below
MAKERS = {
    "illustris": lambda folder, galaxies: write_tng_snapshot(folder / "run", galaxies),
    "eagle": lambda folder, galaxies: write_eagle_snapshot(folder / "run", galaxies),
    "camels": camels,
    "ramses": lambda folder, galaxies: write_ramses_output(folder / "run", galaxies),
    "illustris-extract": lambda folder, galaxies: plain(
        folder / "cutout_7.hdf5", galaxies[0], ILLUSTRIS, {"BoxSize": 35000.0, "CutoutID": 7}, scale=GADGET
    ),
    "eagle-extract": lambda folder, galaxies: write_eagle_extract(folder / "toy.hdf5", galaxies),
    "horizon-agn-extract": lambda folder, galaxies: plain(
        folder / "horizon.hdf5", galaxies[0], EAGLE, {"RunLabel": "Horizon toy", "BoxSize": 100.0}
    ),
    "swift": lambda folder, galaxies: write_swift_snapshot(folder / "run", galaxies, n_files=2),
    "magneticum-extract": lambda folder, galaxies: plain(
        folder / "magneticum.hdf5",
        galaxies[0],
        EAGLE,
        {"RunLabel": "Magneticum", "BoxSize": 48000.0},
        scale=GADGET,
    ),
    "gadget": lambda folder, galaxies: plain(
        folder / "gizmo.hdf5", galaxies[0], GIZMO, {"BoxSize": 35000.0}, scale=GADGET
    ),
}


@pytest.fixture(scope="module")
def galaxies():
    return toy_galaxies(COARSE, 2, seed=51)


@pytest.fixture(scope="module")
def made(galaxies, tmp_path_factory):
    """Path of one snapshot in each format."""
    paths = {}
    for name, maker in MAKERS.items():
        folder = tmp_path_factory.mktemp(name)
        paths[name] = maker(folder, galaxies)
    return paths


def test_every_format_has_a_maker_here():
    assert set(MAKERS) == set(SIMULATIONS)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_snapshot_keeps_its_promises(name, made, galaxies):
    path = made[name]
    assert recognise(path) == name
    snapshot = open_snapshot(path)
    assert snapshot.format == name
    table = snapshot.catalogue()
    assert {"subhalo_id", "n_stars", "stellar_mass", "flag"} <= set(table.colnames)
    assert str(table["stellar_mass"].unit) == "solMass"
    assert len(set(table["subhalo_id"])) == len(table)
    universe = float(cosmic_time(snapshot.scale_factor, snapshot.cosmology))
    for row, truth in zip(table, galaxies, strict=False):
        galaxy = snapshot.read(int(row["subhalo_id"]))
        stars = galaxy.stars
        assert galaxy.simulation == snapshot.simulation
        assert galaxy.source
        assert all(isinstance(note, str) for note in galaxy.notes)
        assert stars.mass.sum() == pytest.approx(row["stellar_mass"], rel=1e-5)
        assert stars.mass.sum() == pytest.approx(truth.stars.mass.sum(), rel=1e-5)
        expected = truth.properties["half_mass_radius"]
        assert galaxy.properties["half_mass_radius"] == pytest.approx(expected, rel=0.1)
        assert np.sort(stars.age) == pytest.approx(np.sort(truth.stars.age), abs=1e-5)
        assert stars.age.max() <= universe
        assert (stars.initial_mass >= stars.mass * (1 - 1e-6)).all()
        is_stored = not any("initial mass not stored" in note for note in galaxy.notes)
        born = (
            truth.stars.initial_mass
            if is_stored
            else stars.mass / remaining_mass_fraction(stars.age, stars.metallicity)
        )
        assert stars.initial_mass.sum() == pytest.approx(born.sum(), rel=1e-5)
        for column in (stars.position, stars.velocity, stars.mass, stars.age, stars.metallicity):
            assert column.dtype == np.float64
            assert np.isfinite(column).all()
        assert len(cut_aperture(galaxy, "1 rhalf").stars) < len(stars)
    assert len(select(table, min_stellar_mass=1.0)) == len(table)
    assert examine(path, min_stellar_mass=0.0).ok


@pytest.mark.parametrize("name", SIMULATIONS)
def test_reading_twice_gives_the_same(name, made):
    snapshot = open_snapshot(made[name])
    number = int(snapshot.catalogue()["subhalo_id"][0])
    one, two = snapshot.read(number), open_snapshot(made[name]).read(number)
    assert np.array_equal(one.stars.position, two.stars.position)
    with pytest.raises(ValueError, match=r"no galaxy|no subhalo|one galaxy"):
        snapshot.read(-1)


@pytest.mark.parametrize("name", SIMULATIONS)
def test_a_held_snapshot_of_changed_files_is_refused(name, made, tmp_path):
    """Its header is that of the old files, the stars would be those of the new."""
    source = made[name]
    if source.is_dir():
        path = shutil.copytree(source, tmp_path / source.name)
    else:  # with what lies beside it
        path = shutil.copytree(source.parent, tmp_path / "copy") / source.name
    snapshot = open_snapshot(path)
    number = int(snapshot.catalogue()["subhalo_id"][0])
    snapshot.read(number)
    changed = snapshot.sources[0]
    os.utime(changed, ns=(1, 1))
    with pytest.raises(ValueError, match="has changed since it was opened; open the snapshot again"):
        snapshot.read(number)
    with pytest.raises(ValueError, match="has changed since it was opened"):
        snapshot.catalogue()
    assert len(open_snapshot(path).read(number).stars) > 0


def files_in(path):
    return sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]


def damage(path, rng, cut):
    """Cut one file of a snapshot at a random place, or flip a few of its bytes."""
    file = files_in(path)[rng.integers(len(files_in(path)))]
    raw = bytearray(file.read_bytes())
    if cut:
        raw = raw[: rng.integers(len(raw))]
    else:
        # half of the flips in the first kilobytes, where the structure is
        last = len(raw) if rng.uniform() < 0.5 else min(len(raw), 4096)
        for place in rng.integers(0, last, rng.integers(1, 6)):
            raw[place] ^= 1 << rng.integers(8)
    file.write_bytes(raw)
    return file


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", SIMULATIONS)
def test_damaged_files_end_in_a_clear_error_or_sane_numbers(name, made, tmp_path, caplog):
    """Fuzz: only ValueError and OSError leave a reader, soon, and what it returns is finite."""
    caplog.set_level(logging.CRITICAL)
    rng = np.random.default_rng(sum(map(ord, name)))
    root = made[name].parent if name in ("ramses", "eagle", "swift") else made[name]
    messages = []
    faulthandler.dump_traceback_later(60, exit=True)  # a hang must fail, not stall
    try:
        for trial in range(FLIPS + CUTS):
            copy = tmp_path / str(trial) / root.name
            if root.is_dir():
                shutil.copytree(root, copy)
            else:
                copy.parent.mkdir()
                shutil.copy(root, copy)
            file = damage(copy, rng, cut=trial >= FLIPS)
            try:
                snapshot = open_snapshot(copy, name)
                for number in snapshot.catalogue()["subhalo_id"]:
                    stars = snapshot.read(int(number)).stars
                    assert all(np.isfinite(x).all() for x in (stars.position, stars.mass, stars.age))
            except (ValueError, OSError) as error:
                messages.append((file, str(error)))
            shutil.rmtree(copy.parent)
    finally:
        faulthandler.cancel_dump_traceback_later()
    for file, message in messages:
        assert tmp_path.name in message, f"{file}: the message names no file: {message}"


def test_copy_on_which_hdf5_hangs_is_refused(made, tmp_path):
    """A copy of the fuzz above that runs into the heap of texts; read in a child that can be ended."""
    name, seed, number = HUNG
    rng = np.random.default_rng(seed + sum(map(ord, name)))
    copy = tmp_path / made[name].name
    for _ in range(number + 1):
        shutil.copy(made[name], copy)
        damage(copy, rng, cut=False)
    command = [sys.executable, "-c", READ, str(copy), name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert f"{copy.name}: attributes of /Header cannot be read (a heap of strings" in done.stdout
