"""Selection of galaxies, apertures, plug-ins and the examination of data."""

import importlib
import logging
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM, Planck15
from astropy.table import Table

from mocks.readers import (
    SIMULATIONS,
    centre_on_light,
    centred_on,
    cut_aperture,
    evaluate,
    examine,
    examine_all,
    formats,
    galaxy_from_arrays,
    members,
    open_snapshot,
    parse_options,
    recognise,
    registry,
    select,
)
from mocks.readers.base import Snapshot
from mocks.readers.particles.geometry import shrinking_sphere
from mocks.readers.selection import aperture_radius
from mocks.toys import (
    ToyPhysics,
    toy_galaxies,
    toy_galaxy,
    write_eagle_extract,
    write_eagle_snapshot,
    write_ramses_output,
    write_tng_snapshot,
)

COARSE = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)


CATALOGUE = Table(
    {
        "subhalo_id": [5, 3, 8, 1],
        "stellar_mass": [1e9, 1e10, 3e10, 1e11],
        "half_mass_radius": [1.0, 3.0, 9.0, 5.0],
        "is_central": [True, False, True, True],
        "star_formation_rate": [0.0, 1.0, 2.0, 0.5],
    }
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("stellar_mass > 1e10", [False, False, True, True]),
        ("stellar_mass >= 1e10 and is_central", [False, False, True, True]),
        ("2 < half_mass_radius < 8", [False, True, False, True]),
        ("not is_central or half_mass_radius == 1", [True, True, False, False]),
        ("log10(stellar_mass) - 9 < 1.2", [True, True, False, False]),
        ("star_formation_rate / stellar_mass > 1e-11", [False, True, True, False]),
        ("-abs(half_mass_radius - 5) ** 2 > -5", [False, True, False, True]),
        ("log10(star_formation_rate) > -9", [False, True, True, True]),
        ("True", [True, True, True, True]),
    ],
)
def test_expressions(expression, expected):
    assert evaluate(expression, CATALOGUE).tolist() == expected


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "stellar_mass.__class__",
        "(lambda: 1)()",
        "[x for x in stellar_mass]",
        "stellar_mass if True else 1",
        "stellar_mass[0]",
        "exp(stellar_mass)",
        "'text' == 'text'",
        "stellar_mass @ stellar_mass",
        "open('x')",
        "(y := 3)",
    ],
)
def test_expressions_run_no_code(expression):
    with pytest.raises(ValueError, match="not understood"):
        evaluate(expression, CATALOGUE)


def test_unreadable_expressions_and_unknown_columns():
    with pytest.raises(ValueError, match=r"no column 'mass'.*it has subhalo_id, stellar_mass"):
        evaluate("mass > 1", CATALOGUE)
    for bad in ("stellar_mass >", "", "((" * 300, "1 +" * 400):
        with pytest.raises(ValueError, match=r"cannot be read|at most 1000"):
            evaluate(bad, CATALOGUE)
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        evaluate("not " * 240 + "x.y", CATALOGUE)


def test_selection():
    assert list(select(CATALOGUE, min_stellar_mass=1e10)["subhalo_id"]) == [3, 8, 1]
    assert list(select(CATALOGUE, subhalo_ids=[8, 5])["subhalo_id"]) == [5, 8]
    assert list(select(CATALOGUE, every=2)["subhalo_id"]) == [1, 5]
    assert list(select(CATALOGUE, where="is_central", every=2)["subhalo_id"]) == [1, 8]
    assert len(select(CATALOGUE, min_stellar_mass=1e15)) == 0
    assert len(CATALOGUE) == 4
    with pytest.raises(ValueError, match="1 galaxies are not in the catalogue: 77"):
        select(CATALOGUE, subhalo_ids=[1, 77])
    with pytest.raises(ValueError, match="every is 0"):
        select(CATALOGUE, every=0)


def test_masked_values_are_in_no_selection():
    masked = Table(CATALOGUE, masked=True)
    masked["stellar_mass"][2] = 1e20
    masked["stellar_mass"].mask[2] = True
    for chosen in (select(masked, min_stellar_mass=1e10), select(masked, where="stellar_mass >= 1e10")):
        assert list(chosen["subhalo_id"]) == [3, 1]


def test_aperture_gives_what_is_within_it():
    """Five stars on a line at 1, 2, 3, 4 and 5 kpc, of 1 to 5 million Msun."""
    mass = 1e6 * np.arange(1.0, 6.0)
    galaxy = galaxy_from_arrays(
        position=np.arange(1.0, 6.0)[:, None] * [1, 0, 0],
        mass=mass,
        age=np.full(5, 3.0),
        metallicity=np.full(5, 0.02),
        redshift=0.0,
        cosmology=Planck15,
        centre=(0, 0, 0),
    )
    whole = dict(galaxy.properties)
    cut = cut_aperture(galaxy, 3.5)
    assert cut.properties["stellar_mass"] == pytest.approx(6e6)
    assert cut.properties["n_stars"] == 3
    assert 2 <= cut.properties["half_mass_radius"] <= 3  # half of 6 is reached between the second and third
    assert cut.properties["half_mass_radius"] < whole["half_mass_radius"]
    assert cut.properties["whole_stellar_mass"] == whole["stellar_mass"] == pytest.approx(15e6)
    assert cut.properties["whole_half_mass_radius"] == whole["half_mass_radius"]


def lopsided():
    """Old stars about the origin, and young ones, few but bright, 4 kpc away."""
    rng = np.random.default_rng(8)
    old, young = rng.normal(0, 2.0, (3000, 3)), rng.normal([4.0, 0, 0], 0.3, (300, 3))
    return galaxy_from_arrays(
        position=np.concatenate([old, young]),
        mass=np.full(3300, 1e6),
        age=np.concatenate([np.full(3000, 10.0), np.full(300, 0.005)]),
        metallicity=np.full(3300, 0.02),
        centre=np.zeros(3),
        redshift=0.05,
        cosmology=FlatLambdaCDM(70, 0.3),
    )


def test_light_has_a_centre_and_an_extent_of_its_own():
    galaxy = lopsided()
    found = centre_on_light(galaxy, "sdss2010-g", 0.05)
    assert (centred_on(galaxy), centred_on(found)) == ("catalogue", "light")
    assert found.centre == pytest.approx([4.0, 0, 0], abs=0.1)
    assert found.properties["centre_shift"] == pytest.approx(4.0, abs=0.1)
    assert found.stars.position == pytest.approx(galaxy.stars.position - found.centre)
    # the young hold nearly all of the light: half of it lies within the median distance of a Gaussian
    assert found.properties["light_radius"] == pytest.approx(1.538 * 0.3, rel=0.15)
    assert found.properties["half_mass_radius"] == galaxy.properties["half_mass_radius"]
    assert "centred on its light, 4" in found.notes[-1]
    half = found.properties["light_radius"]
    assert aperture_radius("2 rlight", found) == pytest.approx(2 * half)
    with pytest.raises(ValueError, match="--centre light"):
        aperture_radius("2 rlight", galaxy)


def test_doctor_says_what_the_centre_is(tmp_path):
    galaxies = toy_galaxies(COARSE, 2, seed=2)
    paths = {
        "that of the catalogue": write_tng_snapshot(tmp_path / "tng", galaxies),
        "the densest place of the stars": write_eagle_extract(tmp_path / "eagle.hdf5", galaxies),
    }
    for words, path in paths.items():
        said = [each.message for each in examine(path).findings if each.subject == "centre"]
        assert len(said) == 1
        assert said[0].startswith(words)


def test_centre_of_one_population_is_that_of_its_stars():
    galaxy = toy_galaxy("toy-1", np.random.default_rng(3))
    n = len(galaxy.stars)
    stars = replace(galaxy.stars, age=np.full(n, 5.0), metallicity=np.full(n, 0.02))
    found = centre_on_light(replace(galaxy, stars=stars), "sdss2010-r", 0.05)
    expected = shrinking_sphere(stars.position, stars.initial_mass)
    assert found.stars.position == pytest.approx(stars.position - expected)


def test_apertures():
    galaxy = toy_galaxies(COARSE, 1, seed=1)[0]
    half = galaxy.properties["half_mass_radius"]
    assert aperture_radius("30 kpc", galaxy) == 30.0
    assert aperture_radius(12.5, galaxy) == 12.5
    assert aperture_radius("2 rhalf", galaxy) == pytest.approx(2 * half)
    assert aperture_radius("image", galaxy, image_size=40.0) == 20.0
    cut = cut_aperture(galaxy, "1rhalf")
    assert cut.stars.mass.sum() == pytest.approx(0.5 * galaxy.stars.mass.sum(), rel=0.02)
    assert "cut to" in cut.notes[-1]
    for bad in ("thirty", "-3 kpc", "0 kpc", "image", "5 pc", "nan"):
        with pytest.raises(ValueError, match="is not understood"):
            aperture_radius(bad, galaxy)
    with pytest.raises(ValueError, match="no star within"):
        cut_aperture(galaxy, 1e-6)


PLUGIN = """
from mocks.readers import Format, galaxy_from_arrays

def opens(path, **options):
    return "opened " + path.name

STONE = Format(
    description="stones", looks_like="files *.stone",
    matches=lambda seen: seen.path.suffix == ".stone", open=opens,
)
WRONG = 3
"""


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A distribution with one good plug-in and three that must be left out."""
    (tmp_path / "stone_plugin.py").write_text(PLUGIN)
    info = tmp_path / "stone_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stone-plugin\nVersion: 1.0\n")
    lines = ["stone = stone_plugin:STONE", "wrong = stone_plugin:WRONG", "lost = no_such_module:X"]
    (info / "entry_points.txt").write_text(
        "\n".join(["[simcompare.simulations]", *lines, "camels = stone_plugin:STONE", ""])
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    registry._plugins.cache_clear()
    yield
    registry._plugins.cache_clear()


def test_plugins_join_the_registry(plugins, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert set(formats()) == {"stone", *SIMULATIONS}
    assert sorted(record.args[0] for record in caplog.records) == ["camels", "lost", "wrong"]
    (tmp_path / "a.stone").write_text("x")
    assert recognise(tmp_path / "a.stone") == "stone"
    assert open_snapshot(tmp_path / "a.stone") == "opened a.stone"
    with pytest.raises(ValueError, match=r"files \*\.stone"):
        recognise(tmp_path / "stone_plugin.py")


@pytest.fixture(scope="module")
def galaxies():
    return toy_galaxies(COARSE, 3, seed=41, gas=True)


def levels(report, level):
    return [finding for finding in report.findings if finding.level == level]


@pytest.mark.parametrize("write", [write_tng_snapshot, write_eagle_snapshot, write_ramses_output])
def test_examination_of_sound_data(write, galaxies, tmp_path):
    report = examine(write(tmp_path / "run", galaxies), min_stellar_mass=0.0)
    assert report.ok
    assert not levels(report, "warning")
    assert (report.n_galaxies, report.n_above, report.snapshot) == (3, 3, 99)
    assert report.redshift == pytest.approx(0.0, abs=1e-9)
    assert "h = 0.6774" in report.cosmology
    assert "files: complete" in str(report)


def test_examination_tells_what_is_missing_and_what_it_costs(galaxies, tmp_path):
    path = write_eagle_extract(tmp_path / "toy.hdf5", galaxies)
    with h5py.File(path, "r+") as file:
        del file["PartType4/InitialMass"], file["PartType4/Velocity"]
    report = examine(path)
    notes = {finding.subject: finding.message for finding in levels(report, "note")}
    assert "from current mass, age and metallicity" in notes["initial_mass"]
    assert "face-on" in notes["velocity"]
    assert report.ok


def test_examination_finds_wrong_units_and_cosmology(galaxies, tmp_path):
    path = write_eagle_extract(tmp_path / "toy.hdf5", galaxies)
    with h5py.File(path, "r+") as file:
        file["PartType4/Coordinates"].attrs["CGSConversionFactor"] = 3.085678e27
    report = examine(path, "EAGLE-RefL0025N0376")
    errors = [finding.message for finding in levels(report, "error")]
    assert any("half-mass radius" in message for message in errors)
    assert any("Omega_m = 0.3089 in the file, 0.307 as published" in message for message in errors)


def test_examination_collects_errors_instead_of_raising(galaxies, tmp_path):
    path = write_tng_snapshot(tmp_path / "run", galaxies)
    (path / "output/snapdir_099/snap_099.2.hdf5").unlink()
    report = examine(path)
    assert not report.ok
    assert "snap_099.2.hdf5" in levels(report, "error")[0].message
    assert not examine(tmp_path / "nowhere").ok
    (tmp_path / "text.txt").write_text("x")
    assert "no known simulation format" in examine(tmp_path / "text.txt").findings[0].message


def test_examination_finds_files_that_do_not_fit_together(galaxies, tmp_path):
    path = write_tng_snapshot(tmp_path / "run", galaxies)
    with h5py.File(path / "postprocessing/offsets/offsets_099.hdf5", "r+") as file:
        file["Subhalo/SnapByType"][...] += 10**7
    with h5py.File(path / "output/snapdir_099/snap_099.2.hdf5", "r+") as file:
        file["Header"].attrs["NumPart_Total"] = np.zeros(6, dtype=np.uint32)
    messages = " ".join(finding.message for finding in levels(examine(path), "error"))
    assert "offsets reach star" in messages
    assert "a file of another snapshot" in messages


def test_examination_of_a_damaged_part_file(galaxies, tmp_path):
    output = write_ramses_output(tmp_path / "run", galaxies)
    path = next(output.glob("part_*00002"))
    path.write_bytes(path.read_bytes()[:-500])
    report = examine(output)
    assert not report.ok
    assert any("part_00099.out00002" in finding.message for finding in levels(report, "error"))


def test_examination_notices_proper_times(galaxies, tmp_path):
    output = write_ramses_output(tmp_path / "run", galaxies)
    info = output / "info_00099.txt"
    lines = [
        "time        = -0.5E+00" if line.startswith("time") else line
        for line in info.read_text().splitlines()
    ]
    info.write_text("\n".join(lines))
    assert any("proper_time=True" in finding.message for finding in levels(examine(output), "error"))


def test_folder_of_cutouts_is_examined_file_by_file(galaxies, tmp_path):
    for i, galaxy in enumerate(galaxies[:2]):
        write_eagle_extract(tmp_path / f"toy_{i}.hdf5", [galaxy])
    (tmp_path / "notes.txt").write_text("x")
    whole = (tmp_path / "toy_1.hdf5").read_bytes()
    (tmp_path / "toy_2.hdf5").write_bytes(whole[:3000])
    found, others = members(tmp_path)
    assert [file.name for file in found] == ["toy_0.hdf5", "toy_1.hdf5", "toy_2.hdf5"]
    assert {file.name for file in others} == {"notes.txt"}
    reports = examine_all(tmp_path, min_stellar_mass=0.0)
    assert [report.ok for report in reports] == [True, True, False, True]
    assert [report.format for report in reports] == ["eagle-extract", "eagle-extract", None, None]
    assert str(reports[0]).endswith("can be used")
    assert "cut short or damaged" in str(reports[2])
    (empty,) = examine_all(tmp_path / "nowhere")
    assert not empty.ok


def test_reader_options_as_text(galaxies, tmp_path):
    texts = ["snapshot=99", "length=cMpc/h", "a=0.5", "gas=False", "centre=1,2.5,3", "fields.birth=BornAt"]
    options = {"snapshot": 99, "length": "cMpc/h", "a": 0.5, "gas": False, "centre": [1, 2.5, 3]}
    assert parse_options(texts) == options | {"fields": {"birth": "BornAt"}}
    with pytest.raises(ValueError, match="'snapshot' is not an option of a reader; write key=value"):
        parse_options(["snapshot"])
    path = write_eagle_extract(tmp_path / "toy.hdf5", galaxies)
    with pytest.raises(ValueError, match=r"'colour'; it has simulation, snapshot, .*linking_length"):
        open_snapshot(path, **parse_options(["colour=red"]))


def test_hash_table_that_does_not_fit_is_found(galaxies, tmp_path):
    path = write_eagle_snapshot(tmp_path / "run", galaxies)
    with h5py.File(next(path.glob("*.2.hdf5")), "r+") as file:
        file["HashTable/PartType4/NumParticleInCell"][...] += 1
    assert any("hash table counts" in finding.message for finding in levels(examine(path), "error"))


def test_a_galaxy_that_is_not_there_is_told_with_the_first_ten_that_are():
    numbers = list(range(100, 112))
    for n, shown in ((10, "109 $"), (11, r"109 \.\.\.")):
        table = Table({"subhalo_id": numbers[:n], "mass": np.arange(n) * 1.0})
        with pytest.raises(ValueError, match=f"no galaxy 7; it has 100, 101, .*, {shown}"):
            Snapshot._row_of(SimpleNamespace(path="x.hdf5"), table, 7)
        assert Snapshot._row_of(SimpleNamespace(path="x.hdf5"), table, 103)["mass"] == 3


def test_scale_factor_follows_from_the_redshift():
    assert Snapshot.scale_factor.fget(SimpleNamespace(redshift=3.0)) == 0.25
