"""Companions: the stars of a galaxy's group, or within a radius, and no others."""

import shutil

import h5py
import numpy as np
import pytest

from mocks import Scene, mock_galaxy, project
from mocks.magnitudes import nanomaggies_of
from mocks.projection import kpc_per_arcsec
from mocks.readers import (
    companion_radius,
    companions_problem,
    cut_aperture,
    examine,
    open_snapshot,
    with_companions,
)
from mocks.readers.hdf5 import blocks
from mocks.toys import (
    ToyPhysics,
    toy_galaxies,
    write_eagle_extract,
    write_eagle_snapshot,
    write_ramses_output,
    write_swift_snapshot,
    write_tng_snapshot,
)
from mocks.views import view_matrix

SIDE, A, H = 1000.0, 1 / 1.05, 0.7  # ckpc/h, scale factor, Hubble constant
KPC = A / H  # of a length unit of the file
PAIR, LONE = 12.0, 300.0  # from the first galaxy to the second and the third [ckpc/h]
COUNTS = {"first": 400, "second": 250, "fuzz": 20, "third": 150}


def along_x(distance):
    return np.array([distance, 0.0, 0.0])


def write_box(path, shift=0.0, groups=True):
    """Two galaxies of one group with some stars between them, and one of another group far away.

    Without a shift the first lies beside the face of the box and the second behind it.
    """
    rng = np.random.default_rng(5)
    centre = np.array([0.5 + shift, 500.0, 500.0])
    places = {"first": 0.0, "second": -PAIR, "fuzz": -PAIR / 2, "third": LONE}
    position = [
        (centre + along_x(places[name]) + rng.normal(0, 1.0, (count, 3))) % SIDE
        for name, count in COUNTS.items()
    ]
    n = sum(COUNTS.values())
    path.mkdir()
    with h5py.File(path / "snapshot_005.hdf5", "w") as file:
        file.create_group("Header").attrs.update(
            HubbleParam=H, Omega0=0.3, OmegaLambda=0.7, Time=A, Redshift=1 / A - 1, BoxSize=SIDE,
            NumPart_ThisFile=[0, 0, 0, 0, n, 0], NumPart_Total=[0, 0, 0, 0, n, 0], NumFilesPerSnapshot=1,
        )  # fmt: skip
        stars = file.create_group("PartType4")
        stars["Coordinates"] = np.concatenate(position)
        stars["Masses"] = np.full(n, 1e-4)
        stars["GFM_InitialMass"] = np.full(n, 1.6e-4)
        stars["GFM_StellarFormationTime"] = rng.uniform(0.3, 0.8, n)
        stars["GFM_Metallicity"] = np.full(n, 0.02)
        stars["Velocities"] = rng.normal(0, 50, (n, 3))
    with h5py.File(path / "subhalo_005.hdf5", "w") as file:
        names = ("first", "second", "third")
        lengths = np.zeros((3, 6), dtype=np.int32)
        lengths[:, 4] = [COUNTS[name] for name in names]
        file["Subhalo/SubhaloLenType"] = lengths
        file["Subhalo/SubhaloPos"] = np.array([(centre + along_x(places[name])) % SIDE for name in names])
        if groups:
            of_group = np.zeros((2, 6), dtype=np.int32)
            of_group[:, 4] = [n - COUNTS["third"], COUNTS["third"]]
            file["Subhalo/SubhaloGrNr"] = np.array([0, 0, 1])
            file["Group/GroupLenType"] = of_group
            file["Group/GroupFirstSub"] = np.array([0, 2])
    return path


@pytest.fixture(scope="module", params=[0.0, 400.0], ids=["across the edge", "inside"])
def box(request, tmp_path_factory):
    return open_snapshot(write_box(tmp_path_factory.mktemp("box") / "box", request.param))


def test_group_is_the_other_galaxy_and_what_lies_between(box):
    galaxy = box.read(0)
    found = with_companions(box, galaxy, "group")
    others = found.companions.stars
    assert len(others) == COUNTS["second"] + COUNTS["fuzz"]
    assert len(found.stars) == len(galaxy.stars) == COUNTS["first"]
    assert found.properties == galaxy.properties
    # the second galaxy is where it was put, by the nearest image
    assert np.median(others.position[:, 0]) == pytest.approx(-PAIR * KPC, abs=0.2)
    assert "270 stars of its group" in found.notes[-1]
    assert with_companions(box, box.read(2), "group").companions is None


@pytest.mark.parametrize("radius", ["3 kpc", "8", "12 kpc", "0.02 Mpc", "310 kpc"])
def test_radius_takes_what_a_plain_count_finds(box, radius):
    centre = box.read(0).centre
    with h5py.File(box.path) as file:
        offset = file["PartType4/Coordinates"][:] * KPC - centre
    offset -= SIDE * KPC * np.rint(offset / (SIDE * KPC))
    count = np.count_nonzero(np.linalg.norm(offset, axis=1)[COUNTS["first"] :] <= companion_radius(radius))
    found = with_companions(box, box.read(0), radius)
    assert (0 if found.companions is None else len(found.companions.stars)) == count


def test_pair_looks_like_a_pair(box):
    """Light of the companion comes on top of the galaxy's own, at the place it has, in its own magnitude."""
    galaxy = box.read(0)
    pair = with_companions(box, galaxy, "group")
    scene = Scene(view="z", size=160, dust="screen")
    alone, both = (project(each, "sdss", "r", scene, margin=0) for each in (galaxy, pair))
    added = both.image - alone.image
    flux = both.metadata["companion_flux"]["r"]
    assert added.sum() == pytest.approx(flux, rel=1e-9)
    assert both.metadata["magnitude"] == alone.metadata["magnitude"]
    assert both.metadata["n_companion_stars"] == COUNTS["second"] + COUNTS["fuzz"]
    # all stars are of one mass and metallicity and of like ages
    share = flux / nanomaggies_of(both.metadata["magnitude"]["r"])
    assert share == pytest.approx((COUNTS["second"] + COUNTS["fuzz"]) / COUNTS["first"], rel=0.1)
    column = np.average(np.arange(added.shape[2]) + 0.5, weights=added[0].sum(axis=0)) / 3 - 80
    pixel = 0.396 * kpc_per_arcsec(galaxy.redshift, galaxy.cosmology)
    expected = -PAIR * KPC * (250 + 20 / 2) / 270 / pixel
    assert column == pytest.approx(expected, abs=1.0)


def test_companions_leave_views_and_apertures_to_the_galaxy(box):
    galaxy = box.read(0)
    pair = with_companions(box, galaxy, "group")
    assert (view_matrix("face-on", pair) == view_matrix("face-on", galaxy)).all()
    cut = cut_aperture(pair, "1 kpc")
    assert len(cut.stars) < len(pair.stars)
    assert len(cut.companions.stars) == len(pair.companions.stars)


def test_light_outside_is_the_galaxys_own(box):
    """The companion beyond the frame does not count as light that the image fails to show."""
    galaxy = box.read(0)
    pair = with_companions(box, galaxy, "group")
    options = {"seed": 1, "size": 20, "view": "z", "dust": "none"}
    alone, both = (mock_galaxy(each, "sdss", "r", **options).metadata for each in (galaxy, pair))
    assert both["light_outside"]["r"] == pytest.approx(alone["light_outside"]["r"], abs=1e-9)


def test_box_without_groups_says_so(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"counts 800 stars, .* holds 820"):
        open_snapshot(write_box(tmp_path / "more", groups=False))
    monkeypatch.setitem(COUNTS, "fuzz", 0)
    snapshot = open_snapshot(write_box(tmp_path / "box", groups=False))
    with pytest.raises(ValueError, match=r"no group catalogue \(Group/GroupLenType.*give a radius"):
        with_companions(snapshot, snapshot.read(0), "group")
    assert len(with_companions(snapshot, snapshot.read(0), "30 kpc").companions.stars) == 250
    said = [each.message for each in examine(snapshot.path).findings if each.subject == "companions"]
    assert len(said) == 1
    assert said[0].startswith("within a radius only")


@pytest.mark.parametrize("text", ["", "-3", "0 kpc", "nan", "10 kg", "everything", "10 kpc kpc", "inf"])
def test_what_is_no_radius_is_refused(text):
    with pytest.raises(ValueError, match="neither 'group' nor a radius above 0"):
        companion_radius(text)


def test_radius_has_a_unit():
    assert companion_radius("50 kpc") == companion_radius("50") == companion_radius("0.05Mpc") == 50.0


COARSE = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)
WRITERS = {
    "illustris": lambda folder, galaxies: write_tng_snapshot(folder / "toy", galaxies, n_files=4),
    "eagle": lambda folder, galaxies: write_eagle_snapshot(folder / "toy", galaxies),
    "eagle-extract": lambda folder, galaxies: write_eagle_extract(folder / "toy.hdf5", galaxies),
    "swift": lambda folder, galaxies: write_swift_snapshot(folder / "toy", galaxies),
    "ramses": lambda folder, galaxies: write_ramses_output(folder / "toy-2", galaxies),
}
STRAYS = 40  # stars of a toy file that are in no galaxy, at most


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_reads_what_lies_about_a_place(name, tmp_path, monkeypatch):
    """A sphere half-way between two galaxies, the first of them across the corner of the box, holds both."""
    monkeypatch.setattr(blocks, "BLOCK", 64)
    snapshot = open_snapshot(WRITERS[name](tmp_path, toy_galaxies(COARSE, 3, seed=2, gas=True)))
    assert snapshot.region_problem() == ""
    numbers = [int(number) for number in snapshot.catalogue()["subhalo_id"]]
    first, second, third = (snapshot.read(number) for number in numbers)
    side = first.properties["box_size"]
    offset = second.centre - first.centre
    offset -= side * np.rint(offset / side)
    middle = first.centre + offset / 2
    around = snapshot.read_region(middle, 0.5 * np.linalg.norm(offset) + 90.0)
    within = sum(
        np.count_nonzero(np.linalg.norm(each.stars.position, axis=1) < 80) for each in (first, second)
    )
    everything = len(first.stars) + len(second.stars)
    assert within <= len(around.stars) <= everything + STRAYS
    assert snapshot.read_region(middle, 0.5 * np.linalg.norm(offset) + 90.0, gas=False).gas is None
    if first.gas is not None:
        assert len(around.gas) <= len(first.gas) + len(second.gas)
        assert len(around.gas) > len(first.gas)
    # the second and third galaxies lie equally far from the first, along two axes
    found = with_companions(snapshot, first, f"{np.linalg.norm(offset) + 500} kpc")
    both = len(second.stars) + len(third.stars)
    assert both <= len(found.companions.stars) <= both + STRAYS


def test_tng_group_has_its_fuzz(tmp_path):
    path = write_tng_snapshot(tmp_path / "toy", toy_galaxies(COARSE, 3, seed=2, gas=True), n_files=4)
    snapshot = open_snapshot(path)
    found = with_companions(snapshot, snapshot.read(1), "group")
    assert 1 <= len(found.companions.stars) <= 2
    flagged = with_companions(snapshot, snapshot.read(2), "group")  # a clump of 30 and two more
    assert 30 <= len(flagged.companions.stars) <= 32
    assert found.companions.gas is None


@pytest.fixture
def simulated(shared_data):
    return shared_data / "simulated"


def test_eagle_group_is_told_by_its_number(tmp_path):
    path = write_eagle_extract(tmp_path / "toy.hdf5", toy_galaxies(COARSE, 2, seed=2))
    with h5py.File(path, "r+") as file:
        file["PartType4/GroupNumber"][:] = 7
        file["PartType4/SubGroupNumber"][:] = np.arange(len(file["PartType4/Mass"])) % 2
    snapshot = open_snapshot(path)
    galaxy = snapshot.read(7 * 100_000)
    found = with_companions(snapshot, galaxy, "group")
    with h5py.File(path, "r+") as file:
        assert len(found.whole.stars) == np.count_nonzero(file["PartType4/StellarFormationTime"][:] > 0)
        # gas of the group, half of it the galaxy's own
        rows = slice(0, 20)
        for name in ("Coordinates", "Mass", "Metallicity", "GroupNumber", "SubGroupNumber"):
            file.create_dataset(f"PartType0/{name}", data=file[f"PartType4/{name}"][rows])
            for key, value in file[f"PartType4/{name}"].attrs.items():
                file[f"PartType0/{name}"].attrs[key] = value
        for key in ("NumPart_ThisFile", "NumPart_Total"):
            file["Header"].attrs[key] = np.array([20, 0, 0, 0, *file["Header"].attrs[key][4:]])
    snapshot = open_snapshot(path)
    found = with_companions(snapshot, snapshot.read(7 * 100_000), "group")
    assert (len(found.gas), len(found.companions.gas), len(found.whole.gas)) == (10, 10, 20)
    assert with_companions(snapshot, snapshot.read(7 * 100_000), "group", gas=False).companions.gas is None


def test_swift_groups_by_fof(tmp_path):
    path = write_swift_snapshot(tmp_path / "toy", toy_galaxies(COARSE, 3, seed=2))
    snapshot = open_snapshot(path)
    assert "no group catalogue" in snapshot.group_problem()
    files = sorted(path.rglob("*.hdf5")) if path.is_dir() else [path]
    for each in files:
        with h5py.File(each, "r+") as file:
            if "PartType4/BirthScaleFactors" in file:
                n = len(file["PartType4/BirthScaleFactors"])
                file["PartType4/FOFGroupIDs"] = np.full(n, 3, dtype=np.int64)
    snapshot = open_snapshot(path, reach=100.0)
    assert snapshot.group_problem() == ""
    number = int(snapshot.catalogue()["subhalo_id"][0])
    around = snapshot.read_group(number, snapshot.read(number).centre)
    assert len(around.stars) >= len(snapshot.read(number).stars)


def test_ramses_has_no_groups(tmp_path):
    snapshot = open_snapshot(write_ramses_output(tmp_path / "toy-2", toy_galaxies(COARSE, 2, seed=2)))
    assert "give a radius" in companions_problem(snapshot, "group")


@pytest.mark.parametrize(
    "file",
    ["tng100_sub565261_z0/cutout_stars_565261.hdf5", "eagle_gn92_sgn9_snap28/SimSpin_example_EAGLE_full.hdf5",
     "colibre_galaxy_snap127/SimSpin_example_Colibre.hdf5"],
)  # fmt: skip
def test_cut_outs_of_one_subhalo_refuse(file, simulated):
    snapshot = open_snapshot(simulated / file)
    for companions in ("group", "30 kpc"):
        with pytest.raises(ValueError, match="one galaxy's, so that it holds no companions"):
            with_companions(snapshot, snapshot.read(int(snapshot.catalogue()["subhalo_id"][0])), companions)


def test_camels_neighbours_on_both_sides_of_the_edge(simulated):
    """600 ckpc/h about galaxy 4 hold 286 stars (README of the data), 8 of them its own and unwrapped."""
    snapshot = open_snapshot(simulated / "camels_tng_cv0_snap086")
    radius = 600 * snapshot.scale_factor / snapshot.h
    found = with_companions(snapshot, snapshot.read(4), f"{radius} kpc")
    assert len(found.companions.stars) == 286 - 8


def test_ramses_dwarf_has_neighbours(simulated):
    snapshot = open_snapshot(simulated / "ramses_mini_oldformat")
    galaxy = snapshot.read(0)
    found = with_companions(snapshot, galaxy, "100 kpc")
    assert len(found.whole.stars) == len(snapshot.read_region(galaxy.centre, 100.0).stars)
    assert len(found.companions.stars) == 1281


def test_eagle_file_with_a_planted_neighbour(simulated, tmp_path):
    """Real columns and units: the stars once more 0.01 Mpc/h aside, and once in another group."""
    source = simulated / "eagle_gn92_sgn9_snap28" / "SimSpin_example_EAGLE_full.hdf5"
    path = tmp_path / "group.hdf5"
    shutil.copyfile(source, path)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        stars, n = file["PartType4"], len(file["PartType4/Mass"])
        names = []
        stars.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            values, attributes = stars[name][()], dict(stars[name].attrs)
            del stars[name]
            stars[name] = np.concatenate([values] * 3)
            stars[name].attrs.update(attributes)
        stars["Coordinates"][n : 2 * n] += [0.01, 0, 0]
        stars["Coordinates"][2 * n :] += [0, 0.03, 0]
        stars["SubGroupNumber"][n : 2 * n] = 10
        stars["GroupNumber"][2 * n :] = 93
        for key in ("NumPart_ThisFile", "NumPart_Total"):
            file["Header"].attrs[key] = file["Header"].attrs[key] * np.array([1, 1, 1, 1, 3, 1])
    snapshot = open_snapshot(path)
    galaxy = snapshot.read(92 * 100_000 + 9)
    found = with_companions(snapshot, galaxy, "group").companions.stars
    assert len(found) == len(galaxy.stars) == n
    aside = np.sort(found.position, axis=0) - np.sort(galaxy.stars.position, axis=0)
    assert np.allclose(aside, [10 / 0.6777, 0, 0], atol=0.02)  # coordinates in Mpc are float32 or better
    assert found.mass.sum() == pytest.approx(galaxy.stars.mass.sum(), rel=1e-6)
    assert with_companions(snapshot, snapshot.read(93 * 100_000 + 9), "group").companions is None
