"""Masses, ages and regions against other readers, where these are installed: yt, pynbody, pyread_eagle."""

import warnings

import numpy as np
import pytest

from mocks.readers import open_snapshot
from mocks.readers.ramses.gas_cells import read_gas_cells
from mocks.toys import ToyPhysics, toy_galaxies, write_eagle_snapshot

COARSE = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)


pytestmark = pytest.mark.filterwarnings("ignore")
OLD_FIELDS = [
    ("conformal_birth_time", "d"),
    ("particle_metallicity", "d"),
]  # yt must be told of the old format's


@pytest.fixture(scope="module")
def ramses(shared_data):
    """All stars of the two RAMSES outputs by our reader: masses [Msun] and ages [Myr]."""
    found = {}
    for name, number in (("ramses_mini_oldformat", 6), ("ramses_mini_newformat", 7)):
        path = shared_data / "simulated" / name / f"output_{number:05d}"
        snapshot = open_snapshot(path)
        stars = snapshot.read_region(np.zeros(3), 2 * snapshot.box_size).stars
        found[name] = path, np.sort(stars.mass), np.sort(stars.age) * 1e3
    return found


@pytest.mark.parametrize("name", ["ramses_mini_oldformat", "ramses_mini_newformat"])
def test_ramses_agrees_with_pynbody(name, ramses):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pynbody = pytest.importorskip("pynbody")
    path, mass, age = ramses[name]
    stars = pynbody.load(str(path)).s
    assert np.sort(stars["mass"].in_units("Msol")) == pytest.approx(mass, rel=1e-5)
    assert np.sort(stars["age"].in_units("Myr")) == pytest.approx(age, abs=0.01)


@pytest.mark.parametrize("name", ["ramses_mini_oldformat", "ramses_mini_newformat"])
def test_ramses_agrees_with_yt(name, ramses):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yt = pytest.importorskip("yt")
    yt.set_log_level("error")
    path, mass, age = ramses[name]
    is_old = name.endswith("oldformat")
    options = {"extra_particle_fields": OLD_FIELDS} if is_old else {}
    data = yt.load(str(path / f"info_{path.name[7:]}.txt"), **options)
    everything = data.all_data()
    is_star = everything["all", "conformal_birth_time"] != 0
    assert np.sort(everything["all", "particle_mass"][is_star].to_value("Msun")) == pytest.approx(
        mass, rel=1e-5
    )
    if is_old:
        theirs = everything["all", "star_age"][is_star].to_value("Myr")
    else:
        theirs = (data.current_time - everything["all", "particle_birth_time"][is_star]).to_value("Myr")
    assert np.mean(theirs) == pytest.approx(age.mean(), abs=0.01)
    assert np.sort(theirs) == pytest.approx(age, abs=0.02)


def test_gas_cells_through_yt(shared_data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("yt")
    path = shared_data / "simulated" / "ramses_mini_newformat" / "output_00007"
    snapshot = open_snapshot(path, gas_radius=30.0)
    gas = snapshot.read(0).gas
    distance = np.linalg.norm(gas.position, axis=1)
    assert 2000 < len(gas) < 6000
    assert distance.max() <= 30.0 * 1.001  # across the edge of the box too
    assert np.median(distance) < 22.0
    cells = gas.density * gas.smoothing_length**3
    assert cells == pytest.approx(gas.mass, rel=1e-4)
    assert gas.temperature.min() > 1e2
    assert gas.metallicity.max() < 0.05


def test_gas_cells_without_yt_say_how_to_get_it(shared_data, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yt", None)
    path = shared_data / "simulated" / "ramses_mini_newformat" / "output_00007"
    with pytest.raises(ValueError, match=r"pip install 'simcompare\[ramses\]'"):
        open_snapshot(path, gas_radius=30.0)
    with pytest.raises(ImportError, match=r"pip install 'simcompare\[ramses\]'"):
        read_gas_cells(path, np.zeros(3), 30.0, 100.0)


def test_eagle_galaxy_agrees_with_pynbody(shared_data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pynbody = pytest.importorskip("pynbody")
    path = shared_data / "simulated" / "eagle_gn92_sgn9_snap28" / "SimSpin_example_EAGLE_full.hdf5"
    ours = open_snapshot(path).read(9200009).stars
    theirs = pynbody.load(str(path))
    theirs.physical_units()
    # pynbody converts by its own solar mass, 1.98841e33 g; EAGLE counts in 1.989e33 g
    ratio = np.sort(theirs.s["mass"].in_units("Msol")) / np.sort(ours.mass)
    assert ratio.std() < 1e-6
    assert ratio.mean() == pytest.approx(1.0, abs=4e-4)
    assert np.sort(theirs.s["age"].in_units("Myr")) == pytest.approx(np.sort(ours.age) * 1e3, abs=1.0)


def test_hash_table_regions_agree_with_pyread_eagle(tmp_path):
    pyread_eagle = pytest.importorskip("pyread_eagle")
    galaxies = toy_galaxies(COARSE, 6, seed=61)
    folder = write_eagle_snapshot(tmp_path / "run", galaxies, hash_bits=4)
    snapshot = open_snapshot(folder)
    theirs = pyread_eagle.EagleSnapshot(str(snapshot.chunks[0]))
    h = snapshot.h
    for row, galaxy in zip(snapshot.catalogue(), galaxies, strict=True):
        centre = np.array([row["x"], row["y"], row["z"]]) * h / 1e3  # cMpc/h at redshift 0
        low, high = centre - 0.1 * h, centre + 0.1 * h
        theirs.clear_selection()
        theirs.select_region(low[0], high[0], low[1], high[1], low[2], high[2])
        numbers = theirs.read_dataset(4, "GroupNumber")
        ours = snapshot.read(int(row["subhalo_id"])).stars
        strays = 5 if row["group_number"] == 1 else 0  # unbound, but of that group
        assert np.count_nonzero(numbers == row["group_number"]) == len(ours) + strays
        assert len(ours) == len(galaxy.stars)
