"""Toy galaxies in every true file format come back as they were."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from illustris_python.snapshot import loadSubhalo

from mocks import Scene, project
from mocks.readers import SIMULATIONS, open_snapshot, recognise
from mocks.readers.formats.eagle import _length_unit
from mocks.readers.formats.swift import UNITS
from mocks.readers.hdf5.fields import column_factors
from mocks.readers.hdf5.units import Units
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.readers.particles.records import PHOTOMETRY_BANDS
from mocks.toys import (
    ToyPhysics,
    toy_galaxies,
    write_eagle_extract,
    write_eagle_snapshot,
    write_ramses_output,
    write_swift_snapshot,
    write_tng_snapshot,
)

COARSE = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)
FINER = ToyPhysics("toy-2", 1e7, 0.5, 0.3, 0.2)


WRITERS = {
    "illustris": lambda folder, galaxies: write_tng_snapshot(folder / "toy", galaxies, n_files=4),
    "eagle-extract": lambda folder, galaxies: write_eagle_extract(folder / "toy.hdf5", galaxies),
    "ramses": lambda folder, galaxies: write_ramses_output(folder / "toy-2", galaxies),
}


@pytest.fixture(scope="module", params=[0.0, 0.7], ids=["z0", "z0.7"])
def galaxies(request):
    return toy_galaxies(FINER, 3, seed=11, gas=True, redshift=request.param)


def by_place(particles):
    """Rows in an order that both copies share."""
    order = np.argsort(particles.position @ [1.0, 0.7, 0.3])
    return particles.select(order)


@pytest.mark.parametrize("name", WRITERS)
def test_written_galaxies_are_read_back(name, galaxies, tmp_path):
    path = WRITERS[name](tmp_path, galaxies)
    assert recognise(path) == name
    snapshot = open_snapshot(path)
    table = snapshot.catalogue()
    assert len(table) == len(galaxies)
    assert snapshot.redshift == pytest.approx(galaxies[0].redshift, abs=1e-9)
    assert snapshot.snapshot == 99
    assert snapshot.simulation == "toy-2"
    for row, galaxy in zip(table, galaxies, strict=True):
        found = snapshot.read(int(row["subhalo_id"]))
        assert row["n_stars"] - len(found.stars) == (
            3 if name == "illustris" else 0
        )  # wind is in SubhaloLenType
        assert found.subhalo_id == row["subhalo_id"]
        assert row["stellar_mass"] == pytest.approx(galaxy.stars.mass.sum(), rel=1e-5)
        stars, truth = by_place(found.stars), by_place(galaxy.stars)
        offset = stars.position - truth.position
        if name == "eagle-extract":  # its centre is found from the stars
            assert np.abs(offset).max() < 0.6
            offset = offset - offset.mean(axis=0)
        assert np.abs(offset).max() < 1e-6
        assert stars.age == pytest.approx(truth.age, abs=1e-5)
        assert stars.mass == pytest.approx(truth.mass, rel=1e-5)
        born = truth.initial_mass
        if name == "ramses":  # which does not store it
            born = truth.mass / remaining_mass_fraction(truth.age, truth.metallicity)
        assert stars.initial_mass == pytest.approx(born, rel=5e-5)
        is_negative = stars.metallicity == 0.0
        assert is_negative.sum() == (1 if name == "illustris" else 0)
        assert stars.metallicity[~is_negative] == pytest.approx(truth.metallicity[~is_negative], rel=1e-5)
        relative = truth.velocity - np.average(truth.velocity, axis=0, weights=truth.mass)
        assert stars.velocity == pytest.approx(relative, abs=0.01)
        tolerance = 0.4 if name == "eagle-extract" else 1e-4
        expected = galaxy.properties["half_mass_radius"]
        assert found.properties["half_mass_radius"] == pytest.approx(expected, abs=tolerance)


def test_gas_of_a_tng_snapshot_comes_back(galaxies, tmp_path):
    snapshot = open_snapshot(WRITERS["illustris"](tmp_path, galaxies))
    found, truth = by_place(snapshot.read(1).gas), by_place(galaxies[1].gas)
    for name in ("mass", "metallicity", "density", "temperature", "star_formation_rate", "neutral_fraction"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), rel=1e-4)
    assert found.smoothing_length == pytest.approx(truth.smoothing_length, rel=1e-4)
    assert open_snapshot(snapshot.path, gas=False).read(1).gas is None


def test_tng_catalogue_drops_flagged_and_starless_subhaloes(galaxies, tmp_path):
    path = WRITERS["illustris"](tmp_path, galaxies)
    assert list(open_snapshot(path).catalogue()["subhalo_id"]) == [0, 1, 2]
    table = open_snapshot(path, include_flagged=True).catalogue()
    assert list(table["subhalo_id"]) == [0, 1, 2, 3]
    assert list(table["is_central"]) == [True, True, True, False]
    assert list(table["flag"]) == [True, True, True, False]
    with pytest.raises(ValueError, match="subhalo 4: this galaxy has no stars"):
        open_snapshot(path).read(4)


@pytest.mark.parametrize("part", ["", "output", "output/snapdir_099", "output/snapdir_099/snap_099.0.hdf5"])
def test_tng_snapshot_is_found_from_any_of_its_paths(part, galaxies, tmp_path):
    path = WRITERS["illustris"](tmp_path, galaxies) / part
    assert recognise(path) == "illustris"
    assert len(open_snapshot(path).catalogue()) == 3


def test_photometry_and_smoothing_lengths_pass_through(tmp_path):
    galaxy = toy_galaxies(COARSE, 1, seed=3)[0]
    rng = np.random.default_rng(0)
    photometry = {band: rng.uniform(-9, -5, len(galaxy.stars)) for band in PHOTOMETRY_BANDS}
    stars = replace(
        galaxy.stars, photometry=photometry, smoothing_length=rng.uniform(0.1, 2, len(galaxy.stars))
    )
    path = write_tng_snapshot(tmp_path / "toy", [replace(galaxy, stars=stars)], n_files=1)
    found = by_place(open_snapshot(path).read(0).stars)
    truth = by_place(stars)
    assert found.photometry["r"] == pytest.approx(truth.photometry["r"], abs=1e-5)
    assert found.smoothing_length == pytest.approx(truth.smoothing_length, rel=1e-6)


def test_friends_of_friends_find_ramses_galaxies_without_a_catalogue(tmp_path):
    galaxies = toy_galaxies(FINER, 3, seed=12)
    path = write_ramses_output(tmp_path / "run", galaxies, catalogue=False)
    snapshot = open_snapshot(path, linking_length=6.0)
    table = snapshot.catalogue()
    assert sorted(table["n_stars"]) == pytest.approx(
        sorted(len(galaxy.stars) for galaxy in galaxies), rel=0.03
    )
    largest = max(galaxies, key=lambda galaxy: len(galaxy.stars))
    found = snapshot.read(0)
    assert found.stars.mass.sum() == pytest.approx(largest.stars.mass.sum(), rel=0.03)
    assert found.properties["half_mass_radius"] == pytest.approx(
        largest.properties["half_mass_radius"], rel=0.05
    )


def test_ramses_region_opens_only_the_files_it_needs(tmp_path):
    galaxies = toy_galaxies(FINER, 8, seed=13)
    snapshot = open_snapshot(write_ramses_output(tmp_path / "run", galaxies, n_cpu=24))
    for row, galaxy in zip(snapshot.catalogue(), galaxies, strict=True):
        centre = np.array([row["x"], row["y"], row["z"]])
        found = snapshot.read_region(centre, 200.0)
        assert len(found.stars) == len(galaxy.stars)
    needed = set(snapshot._files_in_sphere(centre, 200.0))
    assert len(needed) < 18  # the galaxies lie where eight octants of the curve meet
    for file in set(snapshot.info.files) - needed:
        file.unlink()
    assert len(snapshot.read_region(centre, 200.0).stars) == len(galaxy.stars)


def test_ramses_proper_times_by_switch(tmp_path):
    galaxies = toy_galaxies(COARSE, 1, seed=14)
    path = write_ramses_output(tmp_path / "run", galaxies)
    found = open_snapshot(path, proper_time=False).read(1)
    assert found.stars.age.max() == pytest.approx(galaxies[0].stars.age.max(), abs=1e-5)
    # conformal times run from minus many Hubble times: as proper times they lie before the big bang
    with pytest.raises(ValueError, match="older than the universe"):
        open_snapshot(path, proper_time=True).read(1)


def test_initial_mass_from_a_fixed_fraction(tmp_path):
    path = write_ramses_output(tmp_path / "run", toy_galaxies(COARSE, 1, seed=15))
    stars = open_snapshot(path, remaining_fraction=0.8).read(1).stars
    assert stars.mass / stars.initial_mass == pytest.approx(0.8)


def test_length_one_headers_and_lost_attributes_are_read_alike(tmp_path):
    galaxies = toy_galaxies(COARSE, 2, seed=16, redshift=0.3)
    path = write_eagle_extract(tmp_path / "toy.hdf5", galaxies)
    expected = open_snapshot(path).read(100_000)
    with h5py.File(path, "r+") as file:
        for name, value in list(file["Header"].attrs.items()):
            file["Header"].attrs[name] = np.atleast_1d(value)
        for dataset in file["PartType4"].values():
            for name in list(dataset.attrs):
                del dataset.attrs[name]
    found = open_snapshot(path).read(100_000)
    assert found.stars.position == pytest.approx(expected.stars.position, abs=1e-9)
    assert found.stars.mass == pytest.approx(expected.stars.mass, rel=1e-9)


def test_every_format_has_a_description_and_refuses_nonsense(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, entry in SIMULATIONS.items():
        assert entry.description
        assert entry.looks_like
        with pytest.raises((ValueError, OSError)):
            open_snapshot(tmp_path / "empty", name)


@pytest.mark.parametrize("layout", ["tng", "illustris"])
def test_particles_are_those_that_illustris_python_reads(layout, galaxies, tmp_path):
    """Every field of stars and gas, bit by bit, over chunks of which one is empty."""
    snapshot = open_snapshot(write_tng_snapshot(tmp_path / "toy", galaxies, n_files=4, layout=layout))
    for i in range(len(galaxies)):
        for kind, name in ((4, "stars"), (0, "gas")):
            rows, found = snapshot._rows_of(kind, i), snapshot._columns[kind]
            parts = snapshot._particles(kind, *rows)
            theirs = loadSubhalo(str(snapshot.path), 99, i, name)
            assert len(found) >= 6
            for field, (dataset, _) in found.items():
                ours = np.concatenate([part.values(field) for part in parts])
                assert ours.dtype == theirs[dataset].dtype
                assert np.array_equal(ours, theirs[dataset]), f"{name} {field}"


def test_smoothing_lengths_to_gas_are_not_taken_for_stars(tmp_path):
    """EAGLE and SWIFT give stars the length that encloses their gas neighbours."""
    galaxy = toy_galaxies(COARSE, 1, seed=3, redshift=1.0)[0]
    far = np.full(len(galaxy.stars), 18.0)
    given = replace(galaxy, stars=replace(galaxy.stars, smoothing_length=far))
    eagle = open_snapshot(write_eagle_snapshot(tmp_path / "eagle", [given]))
    found = eagle.read(int(eagle.catalogue()["subhalo_id"][0]))
    assert found.stars.smoothing_length is None
    light = [project(each, "sdss", "r", Scene(0.05, "z")).image for each in (found, galaxy)]
    assert light[0].max() == pytest.approx(light[1].max(), rel=0.01)
    path = write_swift_snapshot(tmp_path / "swift", [galaxy])
    with h5py.File(path, "r+") as file:
        stars = file["PartType4"]
        stars["SmoothingLengths"] = np.linspace(1e-4, 2e-3, len(stars["Masses"]))  # comoving Mpc
        stars["SmoothingLengths"].attrs.update(stars["Coordinates"].attrs)
    assert open_snapshot(path).read(0).stars.smoothing_length is None


def test_smoothing_lengths_of_gas_are_physical_supports(tmp_path):
    """In kpc; SWIFT's own length is the support over 2.018932, EAGLE's the support itself."""
    for name, factor in (("SmoothingLength", 1.0), ("SmoothingLengths", 2.018932)):
        with h5py.File(tmp_path / f"{name}.hdf5", "w") as file:
            gas = file.create_group("PartType0")
            gas[name] = np.array([1e-3])
            attributes = {"CGSConversionFactor": 3.085678e24, "aexp-scale-exponent": 1.0}
            gas[name].attrs.update(attributes | {"h-scale-exponent": -1.0})
            found = column_factors(gas, ("smoothing_length",), 0.5, 0.7, UNITS)
            assert found["smoothing_length"][0] == name
            assert found["smoothing_length"][1] * 1e-3 == pytest.approx(factor * 0.5 / 0.7, rel=1e-6)


def test_a_smoothing_length_of_stars_that_is_named_is_taken(tmp_path):
    with h5py.File(tmp_path / "stars.hdf5", "w") as file:
        stars = file.create_group("PartType4")
        stars["SmoothingLength"] = np.array([1e-3])
        attributes = {"CGSConversionFactor": 3.085678e24, "aexp-scale-exponent": 1.0}
        stars["SmoothingLength"].attrs.update(attributes | {"h-scale-exponent": -1.0})
        assert column_factors(stars, ("smoothing_length",), 0.5, 0.7, UNITS) == {}
        named = replace(UNITS, names=(("smoothing_length", "SmoothingLength"),))
        assert list(column_factors(stars, ("smoothing_length",), 0.5, 0.7, named)) == ["smoothing_length"]


def test_length_of_an_eagle_file_without_positions_is_that_of_its_units(tmp_path):
    """2 kpc a / h of the units, against what positions of their own say: 3 cm a / h."""
    units = Units(length=(2.0, 1.0, -1.0))
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        assert _length_unit(file, 0.5, 0.7, units) == pytest.approx(2.0 * 0.5 / 0.7)
        file["PartType1/Coordinates"] = np.ones((2, 3))
        file["PartType1/Coordinates"].attrs.update(
            {"CGSConversionFactor": 3 * 3.0857e21, "aexp-scale-exponent": 1.0, "h-scale-exponent": -1.0}
        )
        assert _length_unit(file, 0.5, 0.7, units) == pytest.approx(3.0 * 0.5 / 0.7, rel=1e-4)
