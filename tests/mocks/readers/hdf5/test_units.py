"""Units, boxes and numbers of galaxies as files state them, by hand, and bounds from both sides."""

import h5py
import numpy as np
import pytest
from astropy import constants
from astropy import units as u
from astropy.table import Table

from mocks.readers.hdf5.layout import box_side, files_of, galaxy_id, galaxy_numbers, with_units
from mocks.readers.hdf5.membership import is_of_haloes, numbers_in, whole_numbers
from mocks.readers.hdf5.units import CGS, Units, conversion, header_units, unit_factor

A, H = 0.5, 0.7


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "file.hdf5", "w") as opened:
        yield opened


def dataset(file, **attributes):
    made = file.create_dataset(f"x{len(file)}", data=np.zeros(2))
    made.attrs.update(attributes)
    return made


def test_house_units_are_those_of_astropy():
    kpc, sun = u.kpc.to(u.cm), constants.M_sun.cgs.value
    expected = {
        "length": kpc,
        "mass": sun,
        "velocity": 1e5,
        "density": sun / kpc**3,
        "rate": sun / u.yr.to(u.s),
    }
    assert pytest.approx(expected, rel=1e-4) == CGS


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1e10 * 1.019, 1e10), (1e10 * 1.021, 1e10 * 1.021), (0.981e-3, 1e-3), (3.0, 3.0)]
)
def test_factors_within_two_per_cent_of_a_power_of_ten_are_meant_as_it(ratio, expected):
    assert unit_factor(ratio * CGS["mass"], "mass") == pytest.approx(expected, rel=1e-12)


def test_density_follows_from_mass_and_length():
    """1e10 Msun / h over (2 a kpc / h)^3: 1e10 / 8 a^-3 h^2."""
    units = Units(length=(2.0, 1.0, -1.0))
    assert units.of("density") == (1e10 / 8, -3.0, 2.0)
    assert Units(density=(3.0, 1.0, 2.0)).of("density") == (3.0, 1.0, 2.0)
    assert units.of("rate") == (1.0, 0.0, 0.0)


def test_three_ways_to_declare_a_unit(file):
    kpc = CGS["length"]
    plain = Units(length=(5.0, 1.0, -1.0))
    assert conversion(dataset(file), "length", A, H, plain) == pytest.approx(5 * A / H)
    arepo = dataset(file, to_cgs=1e3 * kpc, a_scaling=1.0, h_scaling=-1.0)
    assert conversion(arepo, "length", A, H, plain) == pytest.approx(1e3 * A / H)
    eagle = dataset(
        file, **{"CGSConversionFactor": 1e3 * kpc, "aexp-scale-exponent": 1.0, "h-scale-exponent": -1.0}
    )
    assert conversion(eagle, "length", A, H, plain) == pytest.approx(1e3 * A / H)
    name = "Conversion factor to CGS (not including cosmological corrections)"
    swift = dataset(file, **{name: 1e3 * kpc, "a-scale exponent": 1.0})
    assert conversion(swift, "length", A, H, plain) == pytest.approx(1e3 * A)
    physical = dataset(file, **{name: 1e3 * kpc, "a-scale exponent": 1.0, "Value stored as physical": 1})
    assert conversion(physical, "length", A, H, plain) == pytest.approx(1e3)
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="declares the CGS factor"):
            conversion(dataset(file, to_cgs=bad), "length", A, H, plain)


@pytest.mark.parametrize(("off", "agrees"), [(1.015, True), (0.985, True), (1.025, False), (0.975, False)])
def test_a_declared_unit_is_that_of_the_header_within_two_per_cent(file, off, agrees):
    told = Units(length=(30.0, 0.0, 0.0), declared=frozenset({"length"}))
    made = dataset(file, to_cgs=30.0 * off * CGS["length"])
    if agrees:
        assert conversion(made, "length", A, H, told) == pytest.approx(30.0 * off)
    else:
        with pytest.raises(ValueError, match="give a unit of"):
            conversion(made, "length", A, H, told)
    assert conversion(made, "length", A, H, Units()) == pytest.approx(30.0 * off)


def test_units_of_the_header_go_before_custom_and_after_the_user():
    usual = Units()
    same, notes = header_units("file", {"UnitLength_in_cm": 3.08568e21, "UnitMass_in_g": 1.989e43}, usual)
    assert notes == ()
    assert (same.length, same.mass, same.declared) == (usual.length, usual.mass, {"length", "mass"})
    other, notes = header_units(
        "file", {"UnitLength_in_cm": 3.08568e24, "UnitVelocity_in_cm_per_s": 1.0}, usual
    )
    assert other.length == (1e3, 1.0, -1.0)
    assert other.velocity == (1e-5, 0.5, 0.0)
    assert len(notes) == 2
    assert notes[0].startswith("unit of length by UnitLength_in_cm")
    stated, notes = header_units("file", {"UnitLength_in_cm": 3.08568e24}, usual, frozenset({"length"}))
    assert stated.length == usual.length
    assert stated.declared == {"length"}
    assert notes[0].startswith("length in the unit stated")
    # GIZMO's have h in them: 3.08568e24 cm / h of a header is 3.08568e24 / 0.7 there.
    gizmo = {"HubbleParam": 0.7, "UnitLength_In_CGS": 3.08568e24 / 0.7, "UnitVelocity_In_CGS": 1e5}
    found, _ = header_units("file", gizmo, usual)
    assert found.length == (1e3, 1.0, -1.0)
    assert found.velocity == usual.velocity
    assert header_units("file", {"UnitLength_In_CGS": 1.0}, usual)[0].length == usual.length  # h is not known
    assert header_units("file", {"UnitMass_in_g": np.inf}, usual)[1] == ()
    for bad in (0, -1.0, "kpc"):
        with pytest.raises(ValueError, match="a unit is a positive number"):
            header_units("file", {"UnitMass_in_g": bad}, usual)
    per_cent, notes = header_units("file", {"UnitLength_in_cm": 3.0857e21 * 1.03}, usual)
    assert per_cent.length[0] == pytest.approx(1.03, rel=1e-4)
    assert notes


@pytest.mark.parametrize(
    ("side", "unit", "expected"), [(1e3, 1.0, 1e3), (1.01, 1.0, 1.01), (0.99e8, 1.0, 0.99e8)]
)
def test_sides_of_boxes(side, unit, expected):
    assert box_side("file", {"BoxSize": side}, unit, None, A, H) == pytest.approx(expected)
    assert box_side("file", {"BoxSize": [side] * 3}, unit, None, A, H) == pytest.approx(expected)
    assert box_side("file", {"BoxSize": side / 100}, unit, (100 / A / H, 1.0, 1.0), A, H) == pytest.approx(
        expected
    )


def test_sides_that_no_box_has_are_refused():
    assert box_side("file", {}, 1.0, None, A, H) is None
    for bad, message in (
        (0.99, "allowed are"), (1.01e8, "allowed are"), (np.nan, "allowed are"), ("big", "not a number"),
        ([], "not a number"), ([10.0, 10.0, 10.0001], "only cubic"), ([10.0, 10.0001, 10.0], "only cubic"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            box_side("file", {"BoxSize": bad}, 1.0, None, A, H)
    assert box_side("file", {"BoxSize": [10.0, 10.000001, 10.0]}, 1.0, None, A, H) == 10


def test_numbers_of_galaxies_by_group_and_subgroup():
    group, subgroup = np.array([3, 3, -3, 3, 0, 3]), np.array([0, 7, 2, 2**30, 5, -1])
    assert galaxy_numbers(group, subgroup).tolist() == [300_000, 300_007, -1, -1, 5, -1]


def test_columns_that_tell_the_galaxy_or_the_halo(file):
    group = file.create_group("PartType4")
    assert numbers_in(group) is None
    group["FOFGroupIDs"] = np.array([5, 0, -2, 2**31 - 1, 2**31 - 2, 1])
    assert is_of_haloes(group)
    assert numbers_in(group).tolist() == [5, -1, -1, -1, 2**31 - 2, 1]
    eagle = file.create_group("PartType0")
    eagle["GroupNumber"], eagle["SubGroupNumber"] = np.array([1, 2]), np.array([3, 2**30])
    assert not is_of_haloes(eagle)
    assert numbers_in(eagle).tolist() == [100_003, -1]
    camels = file.create_group("PartType5")
    camels["SubhaloID"] = np.array([7, -1])
    assert not is_of_haloes(camels)
    assert numbers_in(camels).tolist() == [7, -1]
    file["floats"] = np.array([1.0, -2.0, 3.0])
    assert whole_numbers(file["floats"]).tolist() == [1, -2, 3]
    for values in ([1.5, 2.0], [np.nan, 2.0], [2.0**53, 2.0]):
        wrong = file.create_dataset(f"wrong{len(file)}", data=np.array(values))
        with pytest.raises(ValueError, match="1 of 2 values are not integers"):
            whole_numbers(wrong)


def test_files_and_names_of_a_snapshot(tmp_path):
    for k in range(2):
        with h5py.File(tmp_path / f"snap.{k}.hdf5", "w") as made:
            made.create_group("Header").attrs["NumFilesPerSnapshot"] = 2
    both = tuple(tmp_path / f"snap.{k}.hdf5" for k in range(2))
    assert files_of(tmp_path) == files_of(both[0]) == files_of(both[1]) == both
    with h5py.File(tmp_path / "one.7.hdf5", "w") as made:
        made.create_group("Header").attrs["NumFilesPerSnapshot"] = 1
    assert files_of(tmp_path / "one.7.hdf5") == (tmp_path / "one.7.hdf5",)
    assert files_of(tmp_path / "plain.hdf5") == (tmp_path / "plain.hdf5",)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds 0 files"):
        files_of(tmp_path / "empty")
    assert galaxy_id(tmp_path / "cutout_12.hdf5", {"CutoutID": 12}) == (12, ())
    assert galaxy_id(tmp_path / "cutout_12.hdf5", {"CutoutID": 13.0})[0] == 13
    assert (
        "though the name of the file says 12"
        in galaxy_id(tmp_path / "cutout_12.hdf5", {"CutoutID": 13})[1][0]
    )
    assert galaxy_id(tmp_path / "cutout_12.hdf5", {}) == (12, ("galaxy 12 by the name of the file",))
    assert galaxy_id(tmp_path / "stars.hdf5", {}) == (0, ())


def test_house_columns_of_a_catalogue_have_their_units():
    names = ("stellar_mass", "half_mass_radius", "star_formation_rate", "x", "y", "z", "n_stars")
    found = with_units(Table({name: [1.0] for name in names}))
    expected = [u.Msun, u.kpc, u.Msun / u.yr, u.kpc, u.kpc, u.kpc, None]
    assert [found[name].unit for name in names] == expected
    assert with_units(Table({"z": [1.0]}))["z"].unit == u.kpc
