"""What a file states twice must agree, and absurd values are refused with the value."""

import re

import h5py
import numpy as np
import pytest

from mocks.readers import examine, open_snapshot
from mocks.readers.examination import doubts_of_galaxy
from mocks.toys import (
    toy_galaxies,
    write_eagle_extract,
    write_eagle_snapshot,
    write_ramses_output,
    write_tng_snapshot,
)
from mocks.toys.physics import ToyPhysics

RADIUS = 3.676390619767  # of the first disc of `star_columns`, computed from its positions [kpc]
MPC, KPC = 3.085678e24, 3.085678e21
COARSE = ToyPhysics("toy-1", 2e7, 1.0, 0.0, 0.0)


def only(path, **options):
    """The one galaxy of a file."""
    snapshot = open_snapshot(path, **options)
    return snapshot.read(int(snapshot.catalogue()["subhalo_id"][0]))


def refused(path, message, **options):
    """Both ways alike: reading is refused, and the examination says that the file cannot be used."""
    with pytest.raises((ValueError, OSError), match=message):
        only(path, **options)
    report = examine(path, min_stellar_mass=0.0, **options)
    assert not report.ok
    assert any(finding.level == "error" for finding in report.findings)


def half_mass_radius(stars):
    """Computed here from the columns, not by the reader."""
    distance = np.linalg.norm(stars["position"] - np.average(stars["position"], axis=0), axis=1)
    order = np.argsort(distance)
    return np.interp(0.5, np.cumsum(stars["mass"][order]) / stars["mass"].sum(), distance[order])


def test_a_file_that_agrees_with_itself_has_the_right_numbers(star_columns, write_stars, tmp_path):
    stars = star_columns(z=1.0, centre=(15000.0,) * 3)
    galaxy = only(write_stars(tmp_path / "x.hdf5", stars, z=1.0))
    assert galaxy.stars.mass.sum() == pytest.approx(stars["mass"].sum(), rel=1e-6)
    assert galaxy.properties["half_mass_radius"] == pytest.approx(half_mass_radius(stars), rel=0.01)
    ages = galaxy.cosmology.age(1.0).value - galaxy.cosmology.age(1 / stars["birth"] - 1).value
    assert galaxy.stars.age.mean() == pytest.approx(ages.mean(), abs=1e-3)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"Redshift": 0.0}, r"Header/Redshift = 0 and Header/Time = 0.5 contradict each other"),
        ({"Redshift": 0.98}, "contradict each other: scale factors 0.505051, 0.5"),
        ({"ExpansionFactor": 1.0}, "Header/ExpansionFactor = 1"),
        ({"Time": 2.0}, "Time = 2 contradict"),
        (
            {"Time": 1.4, "Redshift": 1 / 1.4 - 1},
            r"no redshift .*\(Redshift = -0.285714\d*, Time = 1.4\)",
        ),
        ({"Time": "1.0", "Redshift": "0.0"}, r"no redshift .*\(Redshift = '0.0', Time = '1.0'\)"),
        ({"Time": 1.4, "Redshift": "none"}, r"gives no redshift .*Time = 1.4\)"),
        ({"BoxSize": 0.0}, "BoxSize is 0"),
        ({"BoxSize": -1.0}, "BoxSize is -1"),
        ({"BoxSize": 1e300}, "BoxSize is 1e[+]300"),
        ({"BoxSize": [75e3, 75e3, 1e3]}, "only cubic boxes"),
        ({"BoxSize": 75.0}, "coordinates reach from .* the box has a side of 55.3"),
        ({"HubbleParam": 67.74}, "h = 67.74"),
        ({"SamplingRate": 0.1}, "SamplingRate is 0.1"),
        ({"SubSampleFractions": [1.0, 1, 1, 1, 0.5, 1, 1]}, "SubSampleFractions is 0.5"),
        ({"ComovingIntegrationOn": 0}, "run without cosmology"),
        ({"NumPart_Total": [0, 0, 0, 0, 4000, 0], "NumPart_ThisFile": None}, "3000 particles.*says 4000"),
        (
            {"NumPart_Total": [0, 0, 0, 0, 9000, 0]},
            "3000 .*NumPart_Total says 9000 and NumPart_ThisFile says 3000",
        ),
        ({"NumPart_Total_HighWord": [0, 0, 0, 0, 1, 0]}, "NumPart_Total says 4294970296"),
        ({"CutoutID": 0, "NumPart_Total": [0, 0, 0, 0, 1500, 0]}, "3000 .*NumPart_Total says 1500"),
        (
            {"MassTable": [0, 0, 0, 0, 5.0, 0]},
            "MassTable gives all stars the mass 5, but .*Masses begins with",
        ),
        ({"OmegaLambda": 0.9}, "Omega_m = 0.3089 and Omega_Lambda = 0.9 has curvature [+]0.209"),
        ({"HubbleParam": 1.0}, "h = 1.0; allowed is 0.4 to 0.95"),
        ({"UnitLength_in_cm": 0.0}, "UnitLength_in_cm is 0"),
        ({"UnitLength_in_cm": MPC}, "the box has|half-mass radius is"),
        ({"UnitMass_in_g": 1.989e33}, "mean mass of its star particles is 9.998e-05"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(header, message, star_columns, write_stars, tmp_path):
    stars = star_columns(z=1.0, centre=(15000.0,) * 3)
    refused(write_stars(tmp_path / "x.hdf5", stars, z=1.0, header=header), message)


# Nelson et al. 2019 table 1: h 0.6774, Omega_m 0.3089, sides 35 and 75 Mpc/h, snapshots 0 to 99
@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"SimulationName": "L75n1820FP"}, "not Illustris-1: h = 0.6774 in the file, 0.704 as published"),
        ({"SimulationName": "L35n2160TNG"}, r"not TNG50-1: box side .* = 75 in the file, 35 as published"),
        ({"SimulationName": "L75n1820TNG", "HubbleParam": 0.7}, "not TNG100-1: h = 0.7 in the file, 0.6774"),
        ({"SimulationName": "L75n1820TNG", "SnapshotNumber": 98}, "snapshot 98 is at redshift 0, number 99"),
        ({"SimulationName": "L75n1820TNG", "SnapshotNumber": 135}, "snapshot 135 is at redshift 0"),
    ],
)
def test_the_name_of_a_published_run_must_be_its_own(header, message, star_columns, write_stars, tmp_path):
    path = write_stars(tmp_path / "x.hdf5", star_columns(), header=header)
    refused(path, message)
    assert only(path, name="mine").simulation == "mine"
    assert (
        only(
            write_stars(
                tmp_path / "y.hdf5",
                star_columns(z=0.5),
                z=0.5,
                header={"SimulationName": "L75n1820TNG", "SnapshotNumber": 67},
            )
        ).simulation
        == "TNG100-1"
    )


@pytest.mark.parametrize(
    ("group", "attributes", "message"),
    [
        ("Parameters", {"HubbleParam": 0.7}, "Header/HubbleParam = 0.6774 and Parameters/HubbleParam = 0.7"),
        ("Parameters", {"BoxSize": 35000.0}, "Header/BoxSize = 75000 and Parameters/BoxSize = 35000"),
        ("Parameters", {"ComovingIntegrationOn": 0}, "Parameters/ComovingIntegrationOn is 0"),
        ("RuntimePars", {"Omega0": 0.25}, "RuntimePars/Omega0 = 0.25"),
        ("Cosmology", {"Redshift": 1.0}, "Cosmology/Redshift = 1"),
    ],
)
def test_other_groups_must_agree_too(group, attributes, message, star_columns, write_stars, tmp_path):
    refused(write_stars(tmp_path / "x.hdf5", star_columns(), groups={group: attributes}), message)


def test_statements_that_agree_but_for_rounding_are_none_too_many(star_columns, write_stars, tmp_path):
    groups = {"RuntimePars": {"HubbleParam": np.float32(0.6774), "UnitMass_in_g": np.inf}}
    groups["Parameters"] = {"Omega0": 0.30891, "UnitLength_in_cm": KPC}
    galaxy = only(write_stars(tmp_path / "x.hdf5", star_columns(), groups=groups))
    assert galaxy.properties["half_mass_radius"] == pytest.approx(RADIUS, rel=1e-6)


def test_a_stated_scale_factor_settles_the_doubt_and_is_said(star_columns, write_stars, tmp_path):
    stars = star_columns(z=1.0, centre=(15000.0,) * 3)
    galaxy = only(write_stars(tmp_path / "x.hdf5", stars, z=1.0, header={"Redshift": 0.0}), a=0.5)
    assert galaxy.redshift == 1.0
    assert galaxy.properties["half_mass_radius"] == pytest.approx(RADIUS, rel=1e-6)
    assert any(
        "stated, not read: Time = 0.5, Redshift = 1 (the header has 0)" in note for note in galaxy.notes
    )


def test_a_stated_matter_density_is_that_of_a_flat_universe(star_columns, write_stars, tmp_path):
    path = write_stars(tmp_path / "x.hdf5", star_columns(), header={"OmegaLambda": 0.9})
    galaxy = only(path, omega_m=0.25)
    assert (galaxy.cosmology.Om0, galaxy.cosmology.Ode0) == (0.25, 0.75)
    assert any("OmegaLambda = 0.75 (the header has 0.9)" in note for note in galaxy.notes)


def test_isolated_runs_count_in_gyr_and_are_refused(star_columns, write_stars, tmp_path):
    stars = star_columns() | {"birth": np.random.default_rng(1).uniform(0.05, 0.78, 3000)}
    header = {"Time": 0.8, "Redshift": 0.0, "OmegaLambda": 0.0, "Omega0": 0.3}
    path = write_stars(tmp_path / "iso.hdf5", stars, gfm=False, h=1.0, header=header)
    refused(path, "Header/Redshift = 0 and Header/Time = 0.8 contradict.*An isolated run")


@pytest.mark.parametrize("where", ["header", "Parameters", "Units"])
@pytest.mark.parametrize("gfm", [True, False])
def test_unit_of_length_in_the_header(where, gfm, star_columns, write_stars, tmp_path):
    """Coordinates in Mpc/h, as Auriga's, and said so."""
    stars = star_columns()
    units = {"UnitLength_in_cm": MPC, "UnitMass_in_g": 1.989e43}
    told = {"header": units} if where == "header" else {"groups": {where: units}}
    stars["position"] = stars["position"] / 1000
    galaxy = only(write_stars(tmp_path / "x.hdf5", stars, gfm=gfm, box=75.0, **told))
    assert galaxy.properties["half_mass_radius"] == pytest.approx(RADIUS, rel=1e-6)
    assert any("unit of length by UnitLength_in_cm" in note for note in galaxy.notes)
    silent = write_stars(tmp_path / "silent.hdf5", stars, gfm=gfm, box=75.0)
    refused(silent, "half-mass radius is 0.003676 kpc; allowed are 0.01 to 1000")


def test_newer_gizmo_headers(star_columns, write_stars, tmp_path):
    """Omega_Matter, and units with h in them: 1 kpc/h at h = 0.702 is 4.395e21 cm."""
    header = {"Omega0": None, "OmegaLambda": None, "Omega_Matter": 0.272, "Omega_Lambda": 0.728}
    header |= {"UnitLength_In_CGS": 4.395e21, "UnitMass_In_CGS": 2.8325e43, "UnitVelocity_In_CGS": 1e5}
    path = tmp_path / "snapshot_600.hdf5"
    galaxy = only(write_stars(path, star_columns(), gfm=False, h=0.702, header=header))
    assert (galaxy.cosmology.Om0, galaxy.snapshot) == (0.272, 600)
    assert galaxy.properties["half_mass_radius"] == pytest.approx(RADIUS, rel=1e-6)
    assert galaxy.stars.mass.sum() == pytest.approx(star_columns()["mass"].sum(), rel=1e-6)


def test_gadget_4_keeps_cosmology_and_units_among_the_parameters(star_columns, write_stars, tmp_path):
    missing = dict.fromkeys(("HubbleParam", "Omega0", "OmegaLambda"))
    told = {"HubbleParam": 0.6774, "Omega0": 0.3089, "OmegaLambda": 0.6911, "UnitLength_in_cm": KPC}
    path, groups = tmp_path / "x.hdf5", {"Parameters": told}
    galaxy = only(write_stars(path, star_columns(), gfm=False, header=missing, groups=groups))
    assert (galaxy.cosmology.h, galaxy.cosmology.Om0) == (0.6774, 0.3089)
    assert galaxy.properties["half_mass_radius"] == pytest.approx(RADIUS, rel=1e-6)


def test_one_mass_for_all_stars_stands_in_the_mass_table(star_columns, write_stars, tmp_path):
    stars = star_columns() | {"mass": np.full(3000, 2e6)}
    table = {"MassTable": [0, 0, 0, 0, 2e6 * 0.6774 / 1e10, 0]}
    path = write_stars(tmp_path / "x.hdf5", stars, gfm=False, header=table, fields={"Masses": None})
    assert only(path).stars.mass == pytest.approx(np.full(3000, 2e6))


def test_units_of_datasets_must_be_those_of_the_header(star_columns, write_stars, tmp_path):
    path = write_stars(tmp_path / "x.hdf5", star_columns(), header={"UnitLength_in_cm": KPC})
    with h5py.File(path, "r+") as file:
        file["PartType4/Coordinates"].attrs.update({"to_cgs": MPC, "a_scaling": 1.0, "h_scaling": -1.0})
    refused(path, "unit of 1476.2.* user.* 1.4762")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metallicity": lambda s: s["metallicity"] / 0.0134}, "In solar units"),
        ({"metallicity": lambda s: s["metallicity"] * 0 + 0.5}, "mean is 0.5"),
        ({"metallicity": lambda s: np.log10(s["metallicity"])}, "not negative. Logarithms"),
        ({"metallicity": lambda s: s["metallicity"] * 0 - 0.01}, "reach down to -0.01"),
        ({"position": lambda s: s["position"] * 0 + 30000.0}, "all 3000 stars lie in one place"),
        ({"position": lambda s: s["position"] * 1e20}, "coordinates reach from"),
        ({"position": lambda s: s["position"] * 1e-20}, "half-mass radius is"),
        ({"mass": lambda s: s["mass"] * 1e20}, "mean mass of its star particles"),
        ({"mass": lambda s: s["mass"] * 1e-20}, "mean mass of its star particles"),
        ({"mass": lambda s: -s["mass"]}, "negative stellar masses"),
        ({"birth": lambda s: s["birth"] * 10}, "not yet born"),
    ],
)
def test_absurd_values_are_refused_with_the_value(change, message, star_columns, write_stars, tmp_path):
    stars = star_columns()
    stars |= {name: make(stars) for name, make in change.items()}
    refused(write_stars(tmp_path / "x.hdf5", stars), message)


def test_metallicities_in_solar_units_are_read_when_stated(star_columns, write_stars, tmp_path):
    stars = star_columns()
    solar = stars | {"metallicity": stars["metallicity"] / 0.0134}
    galaxy = only(write_stars(tmp_path / "x.hdf5", solar), solar_metallicity=0.0134)
    assert galaxy.stars.metallicity.mean() == pytest.approx(stars["metallicity"].mean(), rel=1e-6)
    assert any("solar units" in note for note in galaxy.notes)


def test_stars_that_are_all_young_are_doubted(star_columns, write_stars, tmp_path):
    """Born in the last 20 Myr, as birth times of another kind, or of one output, may say."""
    stars = star_columns()
    young = stars | {"birth": np.random.default_rng(1).uniform(0.9986, 0.9999, 3000)}
    found = {}
    for name, columns in (("young", young), ("usual", stars)):
        galaxy = open_snapshot(write_stars(tmp_path / f"{name}.hdf5", columns)).read(0)
        found[name] = " ".join(doubts_of_galaxy(galaxy))
    assert "median age [Gyr] is 0.0" in found["young"]
    assert "usual is 0.03 to 14" in found["young"]
    assert "median age" not in found["usual"]


def test_stars_that_are_there_twice_are_refused(star_columns, write_stars, tmp_path):
    """As when a chunk is joined twice; ids would not tell, those of Gizmo repeat."""
    stars = star_columns()
    twice = {name: np.concatenate([values, values[:1000]]) for name, values in stars.items()}
    message = r"x.hdf5, galaxy 0: 1000 of 4000 stars equal another in place, mass, age and metallicity"
    with pytest.raises(ValueError, match=message):
        open_snapshot(write_stars(tmp_path / "x.hdf5", twice)).read(0)
    once = open_snapshot(write_stars(tmp_path / "y.hdf5", stars | {"mass": np.full(3000, 1e6)})).read(0)
    assert len(once.stars) == 3000


def test_two_galaxies_without_numbers_are_not_one(star_columns, write_stars, tmp_path):
    first, second = star_columns(), star_columns(n=1500, seed=1, centre=(30300.0, 30000.0, 30000.0))
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    path = write_stars(tmp_path / "x.hdf5", both, gfm=False)
    refused(path, "are in 2 clumps, .* several galaxies")
    divided = open_snapshot(path, linking_length=5.0)
    masses = sorted(divided.catalogue()["stellar_mass"], reverse=True)
    assert masses == pytest.approx([first["mass"].sum(), second["mass"].sum()], rel=0.01)
    assert only(path, one_galaxy=True).stars.mass.sum() == pytest.approx(both["mass"].sum())


def test_a_box_without_numbers_is_not_one_galaxy(star_columns, write_stars, tmp_path):
    places = np.random.default_rng(3).uniform(0, 1e5, (30, 3))
    discs = [star_columns(n=200, seed=i, centre=place) for i, place in enumerate(places)]
    both = {name: np.concatenate([disc[name] for disc in discs]) for name in discs[0]}
    refused(write_stars(tmp_path / "x.hdf5", both, gfm=False, box=75000.0), "several galaxies")


def test_stars_left_out_of_all_groups_are_said(star_columns, write_stars, tmp_path):
    disc, few = star_columns(), star_columns(n=20, seed=2, centre=(35000.0,) * 3)
    both = {name: np.concatenate([disc[name], few[name]]) for name in disc}
    table = open_snapshot(write_stars(tmp_path / "x.hdf5", both), linking_length=5.0).catalogue()
    assert len(table) == 1
    assert table.meta["notes"][0].startswith(f"{3020 - table['n_stars'][0]} stars (")


@pytest.mark.parametrize("column", ["HaloID", "FOFGroupIDs", "GroupNumber", "SubhaloID"])
def test_columns_that_number_haloes_or_galaxies_are_heard(column, star_columns, write_stars, tmp_path):
    """Two galaxies of a box told apart by their column, stars of none left out."""
    first, second = star_columns(), star_columns(n=1500, seed=1, centre=(10000.0, 30000.0, 30000.0))
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    numbers = np.repeat([7, 3], [3000, 1500])
    numbers[:10] = {"FOFGroupIDs": 2**31 - 1, "SubhaloID": -1}.get(column, 0)
    path = write_stars(tmp_path / "x.hdf5", both, gfm=False, fields={column: numbers})
    table = open_snapshot(path).catalogue()
    assert list(table["subhalo_id"]) == [3, 7]
    assert list(table["n_stars"]) == [1500, 2990]
    assert table.meta["notes"][0].startswith("10 stars")


def test_a_halo_of_two_galaxies_is_one_row_among_the_failures(star_columns, write_stars, tmp_path):
    parts = [star_columns(seed=i, centre=(x, 30000.0, 30000.0)) for i, x in enumerate((1e4, 3e4, 30200.0))]
    both = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    fields = {"HaloID": np.repeat([1, 2, 2], 3000)}
    snapshot = open_snapshot(write_stars(tmp_path / "x.hdf5", both, gfm=False, fields=fields))
    assert len(snapshot.read(1).stars) == 3000
    with pytest.raises(ValueError, match="galaxy 2: its stars are in 2 clumps"):
        snapshot.read(2)


def test_chunks_with_fewer_stars_than_promised(star_columns, write_stars, tmp_path):
    stars = star_columns()
    header = {"NumFilesPerSnapshot": 2, "NumPart_Total": [0, 0, 0, 0, 3000, 0]}
    for i, n in enumerate((1500, 700)):
        half = {name: values[i::2][:n] for name, values in stars.items()}
        write_stars(tmp_path / "ck" / f"snap_001.{i}.hdf5", half, gfm=False, header=header)
    refused(tmp_path / "ck", "2200 particles of type 4, .* says 3000")
    third = {name: values[:10] for name, values in stars.items()}
    write_stars(tmp_path / "ck" / "snap_001.2.hdf5", third, gfm=False, header=header)
    refused(tmp_path / "ck", r"snap_001.2.hdf5 is there, but Header NumFilesPerSnapshot .* says 2 files")


def test_a_part_of_a_snapshot_is_read_when_it_is_said_to_be_one(star_columns, write_stars, tmp_path):
    counts = {"NumPart_Total": [0, 0, 0, 0, 9000, 0], "NumPart_ThisFile": [0, 0, 0, 0, 4500, 0]}
    path = write_stars(tmp_path / "x.hdf5", star_columns(), header=counts)
    refused(path, "NumPart_Total says 9000 and NumPart_ThisFile says 4500: cut short")
    assert len(only(path, partial=True).stars) == 3000


def test_a_cut_out_that_says_so_keeps_a_count_of_its_snapshot(star_columns, write_stars, tmp_path):
    """As those of the TNG site, whose NumPart_Total is that of the snapshot."""
    header = {"NumPart_Total": [0, 0, 0, 0, 9000, 0], "CutoutType": "subhalo"}
    assert len(only(write_stars(tmp_path / "x.hdf5", star_columns(), header=header)).stars) == 3000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mass": np.zeros(3000)}, "3000 have no mass"),
        ({"mass": np.full(3000, -1e6)}, "negative stellar masses"),
        (
            {"position": np.random.default_rng(0).normal(3e4, 3, (3000, 3)) * [1, 1, 0]},
            "z is 0 kpc for all 3000 stars",
        ),
        ({"position": np.full((3000, 3), 3e4)}, "all 3000 stars lie in one place"),
        ({"metallicity": np.full(3000, -2.0)}, "metallicities reach down to -2"),
        ({"metallicity": np.full(3000, 0.7)}, "solar_metallicity=0.0134"),
        ({"birth": np.random.default_rng(0).uniform(1, 13, 3000)}, "not yet born"),
    ],
    ids=["no mass", "negative mass", "plane", "point", "log Z", "solar Z", "Gyr"],
)
def test_absurd_stars_are_refused(change, message, star_columns, write_stars, tmp_path):
    refused(write_stars(tmp_path / "x.hdf5", star_columns() | change), message)


def test_only_wind_says_so(star_columns, write_stars, tmp_path):
    stars = star_columns() | {"birth": np.full(3000, -0.5)}
    refused(write_stars(tmp_path / "x.hdf5", stars), "of 3000 star particles 3000 are wind-phase gas")


@pytest.mark.parametrize(
    ("name", "header", "expected"),
    [
        ("snap_m25n512_151.hdf5", {}, (151, 0)),
        ("snap_099_galaxy_7.hdf5", {}, (99, 7)),
        ("halo_5_z0.3.hdf5", {}, (0, 5)),
        ("cutout_12.hdf5", {"SnapshotNumber": 67, "CutoutID": 12}, (67, 12)),
        ("snap_099_galaxy_7.hdf5", {"SnapshotNumber": 67, "CutoutID": 12}, (67, 12)),
    ],
)
def test_numbers_by_names_of_files(name, header, expected, star_columns, write_stars, tmp_path, monkeypatch):
    galaxy = only(write_stars(tmp_path / name, star_columns(), header=header))
    assert (galaxy.snapshot, galaxy.subhalo_id) == expected
    monkeypatch.chdir(tmp_path)
    assert only(name).galaxy_id == galaxy.galaxy_id
    doubted = "though the name of the file says" in " ".join(galaxy.notes)
    assert doubted == (name.startswith("snap_099") and bool(header))


def test_the_folder_that_holds_a_file_tells_its_snapshot_however_it_is_given(
    star_columns, write_stars, tmp_path, monkeypatch
):
    path = write_stars(tmp_path / "snapdir_043" / "galaxy_7.hdf5", star_columns())
    monkeypatch.chdir(path.parent)
    assert only("galaxy_7.hdf5").galaxy_id == only(path).galaxy_id
    assert only(path).snapshot == 43


@pytest.fixture
def tng(tmp_path):
    return write_tng_snapshot(tmp_path / "run", toy_galaxies(COARSE, 3, seed=3), n_files=2) / "output"


def test_zero_offsets_are_found(tng):
    with h5py.File(tng.parent / "postprocessing/offsets/offsets_099.hdf5", "r+") as file:
        file["Subhalo/SnapByType"][...] = 0
    refused(tng, "subhaloes begin within the one before, .* zero or damaged offsets")


def test_catalogue_of_another_snapshot_is_found(tng):
    for path in (tng / "groups_099").iterdir():
        with h5py.File(path, "r+") as file:
            file["Header"].attrs["Redshift"] = 0.5
    refused(tng, "Redshift = 0.5, but .* of another output")


def test_catalogue_that_is_cut_short_is_found(tng):
    for path in (tng / "groups_099").iterdir():
        with h5py.File(path, "r+") as file:
            file["Header"].attrs["Nsubgroups_Total"] = 17
    refused(tng, "Nsubgroups_Total says 17|17 in the catalogue")


@pytest.mark.parametrize(
    ("dataset", "change", "message"),
    [
        ("SubhaloMassType", lambda x: 3 * x, "its stars have .* Msun, the catalogue says"),
        (
            "SubhaloHalfmassRadType",
            lambda x: 4 * x,
            "half of its stellar mass is within",
        ),
        ("SubhaloPos", lambda x: x + 300, "hardly any star lies near its centre"),
    ],
)
def test_catalogues_must_describe_the_stars_they_list(dataset, change, message, tng):
    for path in (tng / "groups_099").iterdir():
        with h5py.File(path, "r+") as file:
            if f"Subhalo/{dataset}" in file:
                file[f"Subhalo/{dataset}"][...] = change(file[f"Subhalo/{dataset}"][...])
    with pytest.raises(ValueError, match=message):
        open_snapshot(tng).read(0)
    assert not examine(tng, min_stellar_mass=0.0).ok


def test_redshift_in_the_name_of_an_eagle_folder(tmp_path):
    path = write_eagle_snapshot(tmp_path / "run", toy_galaxies(COARSE, 2, seed=3, redshift=0.5))
    other = path.with_name(path.name.replace("z000p500", "z002p012"))
    path.rename(other)
    for file in other.iterdir():
        file.rename(file.with_name(file.name.replace("z000p500", "z002p012")))
    groups = next(path.parent.glob("groups_*"), None)
    if groups is not None:
        groups.rename(groups.with_name("unused"))
    refused(other, "its name contradicts the redshift 0.5")


@pytest.fixture
def proper(tmp_path, monkeypatch):
    """A RAMSES output at redshift 0 with proper birth times."""
    import mocks.toys.ramses as toys
    from mocks.readers.particles.times import cosmic_time

    def proper_time(a, cosmology):
        since = cosmic_time(np.asarray(a, float), cosmology) - float(cosmic_time(1.0, cosmology))
        return since / (1 / cosmology.H0).to_value("Gyr")

    monkeypatch.setattr(toys, "conformal_time", proper_time)
    galaxies = toy_galaxies(COARSE, 2, seed=4)
    return write_ramses_output(tmp_path / "run", galaxies, families=True), galaxies


def test_proper_times_of_ramses_by_its_namelist(proper):
    path, galaxies = proper
    refused(path, "may be proper times .* or conformal ones")
    (path / "namelist.txt").write_text("&RUN_PARAMS\ncosmo=.true.\n/\n&X\nuse_proper_time=.true.\n/\n")
    truth = galaxies[0].stars
    for options in ({}, {"proper_time": True}):
        stars = open_snapshot(path, **options).read(1).stars
        expected = np.average(truth.age, weights=truth.mass)
        assert np.average(stars.age, weights=stars.mass) == pytest.approx(expected, abs=1e-3)
        assert stars.age.max() == pytest.approx(truth.age.max(), abs=1e-3)
    assert examine(path, min_stellar_mass=0.0).ok
    doubted = open_snapshot(path, proper_time=False)
    assert "conformal birth times as stated, though namelist.txt says proper" in doubted.notes


def test_conformal_times_need_no_namelist(tmp_path):
    galaxies = toy_galaxies(COARSE, 2, seed=4)
    snapshot = open_snapshot(write_ramses_output(tmp_path / "run", galaxies))
    assert snapshot.read(1).stars.age.max() == pytest.approx(galaxies[0].stars.age.max(), abs=1e-3)
    (snapshot.path / "namelist.txt").write_text("use_proper_time = .false. ! not .true.\n")
    assert open_snapshot(snapshot.path).read(1).stars.age.max() < 13.9


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"unit_d\s*=.*", "unit_d = 1e-28", "unit_d is 1e-28, but H0, omega_m and aexp make it"),
        (r"unit_t\s*=.*", "unit_t = 1e16", "unit_t is 1e[+]16, but H0, omega_m and aexp make it"),
        (r"ncpu\s*=.*", "ncpu = 1", "out00002 is there, but info_.* has ncpu = 1"),
    ],
)
def test_info_files_of_ramses_that_contradict_themselves_are_refused(old, new, message, tmp_path):
    path = write_ramses_output(tmp_path / "run", toy_galaxies(COARSE, 2, seed=4), n_cpu=2)
    info = next(path.glob("info_*.txt"))
    assert examine(path, min_stellar_mass=0.0).ok
    info.write_text(re.sub(old, new, info.read_text()))
    refused(path, message)


def test_a_namelist_without_cosmology_contradicts_the_info_file(tmp_path):
    path = write_ramses_output(tmp_path / "run", toy_galaxies(COARSE, 2, seed=4))
    (path / "namelist.txt").write_text("&RUN_PARAMS\ncosmo=.false.\n/\n")
    refused(path, r"namelist.txt has cosmo=.false., info_\d+.txt H0 = ")


def test_ramses_says_which_stars_no_group_has(tmp_path):
    galaxies = toy_galaxies(COARSE, 3, seed=12)
    path = write_ramses_output(tmp_path / "run", galaxies, catalogue=False)
    snapshot = open_snapshot(path, linking_length=2.0)
    table = snapshot.catalogue()
    total = sum(len(galaxy.stars) for galaxy in galaxies)
    left_out = total - int(table["n_stars"].sum())
    assert table.meta["notes"][0].startswith(f"{left_out} of {total} stars")
    report = examine(path, min_stellar_mass=0.0, linking_length=2.0)
    assert any(f"{left_out} of {total} stars" in finding.message for finding in report.findings)


@pytest.mark.parametrize(("n", "is_one"), [(0, True), (200, True), (1500, False)])
def test_a_cutout_of_one_subhalo_holds_one_galaxy(n, is_one, star_columns, write_stars, tmp_path):
    """Two cutouts joined under the header of the first; 200 of 3200 stars may be far away."""
    first, second = star_columns(), star_columns(n=max(n, 1), seed=1, centre=(31000.0, 30000.0, 30000.0))
    joined = {name: np.concatenate([first[name], second[name][:n]]) for name in first}
    header = {"CutoutType": "subhalo", "CutoutID": 7}
    path = write_stars(tmp_path / "x.hdf5", joined, header=header)
    if is_one:
        assert only(path).stars.mass.sum() == pytest.approx(joined["mass"].sum(), rel=1e-6)
        return
    refused(path, "its stars are in 2 clumps")
    assert only(path, one_galaxy=True).stars.mass.sum() == pytest.approx(joined["mass"].sum(), rel=1e-6)


@pytest.mark.parametrize("none", [2**32 - 1, 2**31 - 1])
def test_stars_of_no_galaxy_are_none_also_by_an_unsigned_number(none, star_columns, write_stars, tmp_path):
    numbers = np.full(3000, 5, np.uint32)
    numbers[:1000] = none
    stars = star_columns()
    snapshot = open_snapshot(write_stars(tmp_path / "x.hdf5", stars, fields={"SubhaloID": numbers}))
    table = snapshot.catalogue()
    assert table["subhalo_id"].tolist() == [5]
    assert table["stellar_mass"][0] == pytest.approx(stars["mass"][1000:].sum(), rel=1e-6)
    assert "1000 stars" in table.meta["notes"][0]


def test_births_after_the_output_refuse_a_file_of_many_galaxies(star_columns, write_stars, tmp_path):
    """At Time 0.5 a galaxy of old stars alone would come out, 5.9 Gyr too young."""
    stars = star_columns(z=0.0)
    stars["birth"][:1000] = np.linspace(0.2, 0.45, 1000)
    numbers = np.repeat([1, 2], [1000, 2000])
    header = {"Time": 0.5, "Redshift": 1.0}
    path = write_stars(tmp_path / "x.hdf5", stars, header=header, fields={"SubhaloID": numbers})
    refused(path, r"born after the time of the output: births reach .* 0.9\d*, that of the header is 0.5")


def test_a_total_of_metals_below_its_parts_is_refused(star_columns, write_stars, tmp_path):
    stars = star_columns()
    metals = np.zeros((3000, 11))
    metals[:, 0], metals[:, 1], metals[:, 2:] = 0.018, 0.25, 0.002
    path = write_stars(tmp_path / "x.hdf5", stars | {"metallicity": metals}, gfm=False)
    assert only(path).stars.metallicity.mean() == pytest.approx(0.018)
    metals[:, 0] = 0.001
    path = write_stars(tmp_path / "y.hdf5", stars | {"metallicity": metals}, gfm=False)
    refused(path, "the total of all metals, is 0.001 in the mean, but .* add up to 0.018")


@pytest.mark.parametrize(("factor", "is_said"), [(1.0, False), (1 / 0.6774, True), (0.6774, True)])
def test_a_factor_of_h_in_initial_masses_is_said(factor, is_said, star_columns, write_stars, tmp_path):
    """BC03 with Chabrier's IMF leaves 0.58 of stars of these ages; the file has 1 / 1.72."""
    stars = star_columns()
    initial = stars["mass"] * 1.72 * factor * 0.6774 / 1e10
    path = write_stars(tmp_path / "x.hdf5", stars, fields={"GFM_InitialMass": initial})
    doubts = " ".join(doubts_of_galaxy(only(path)))
    assert ("a factor of h in one of the two" in doubts) is is_said


def test_current_and_initial_masses_are_in_one_unit(tmp_path):
    path = write_eagle_extract(tmp_path / "toy.hdf5", toy_galaxies(COARSE, 1, seed=4))
    truth = only(path).stars.mass.sum()
    with h5py.File(path, "r+") as file:
        attributes = file["PartType4/Mass"].attrs
        assert attributes["h-scale-exponent"] == file["PartType4/InitialMass"].attrs["h-scale-exponent"] == -1
        attributes["h-scale-exponent"] = 0.0
    refused(path, "of Mass give a unit of 1e[+]10 Msun, those of InitialMass 1.47")
    with h5py.File(path, "r+") as file:
        file["PartType4/InitialMass"].attrs["h-scale-exponent"] = 0.0
    assert only(path).stars.mass.sum() == pytest.approx(0.6774 * truth, rel=1e-6)


def test_a_sample_of_a_cutout_is_said(star_columns, write_stars, tmp_path):
    """As SimSpin's example of TNG: 2000 of 123468 stars, with the header of the whole."""
    header = {"CutoutID": 9, "CutoutType": "subhalo", "NumPart_ThisFile": [0, 0, 0, 0, 120000, 0]}
    path = write_stars(tmp_path / "x.hdf5", star_columns(), header=header)
    said = [each.message for each in examine(path).findings if each.level == "warning"]
    assert any("holds 3000 stars, its header counts 120000" in text and "by 40" in text for text in said)
    assert "notes" not in open_snapshot(path, partial=True).catalogue().meta
