"""EAGLE hash tables, Illustris offsets, GalaxyMaker, particle families, SWIFT, generic Gadget, arrays."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn
from astropy.utils.masked import Masked

from mocks.readers import galaxy_from_arrays, open_snapshot, recognise
from mocks.readers.formats.gadget import parse_unit
from mocks.readers.hdf5.units import KM, KPC, MSUN
from mocks.readers.particles.gathering import Part, gather
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.readers.particles.times import conformal_time
from mocks.readers.ramses.galaxymaker import read_tree_bricks
from mocks.toys import (
    TOY_COSMOLOGY,
    ToyPhysics,
    toy_galaxies,
    write_eagle_snapshot,
    write_ramses_output,
    write_swift_snapshot,
    write_tng_snapshot,
)
from mocks.toys.placing import birth_scale_factor
from mocks.toys.ramses import _record

COARSE = ToyPhysics("toy-1", 4e7, 1.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def galaxies():
    return toy_galaxies(COARSE, 4, seed=31, redshift=0.5)


def same_stars(found, truth, shift=False):
    """Whether two sets of stars are the same, in whatever order, up to a shift of the centre."""

    def order(stars):
        return stars.select(np.argsort(stars.position @ [1.0, 0.7, 0.3]))

    found, truth = order(found), order(truth)
    offset = found.position - truth.position
    offset = offset - offset.mean(axis=0) if shift else offset
    assert np.abs(offset).max() < 1e-5
    assert found.age == pytest.approx(truth.age, abs=1e-5)
    assert found.mass == pytest.approx(truth.mass, rel=1e-5)
    assert found.metallicity == pytest.approx(truth.metallicity, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("catalogue", [True, False])
def test_eagle_snapshot_by_hash_table(catalogue, galaxies, tmp_path):
    path = write_eagle_snapshot(tmp_path / "run", galaxies, catalogue=catalogue)
    assert recognise(tmp_path / "run") == recognise(path) == "eagle"
    assert recognise(next(path.glob("*.2.hdf5"))) == "eagle"
    snapshot = open_snapshot(path)
    for row, galaxy in zip(snapshot.catalogue(), galaxies, strict=True):
        assert row["n_stars"] == len(galaxy.stars)
        assert row["stellar_mass"] == pytest.approx(galaxy.stars.mass.sum(), rel=1e-5)
        same_stars(snapshot.read(int(row["subhalo_id"])).stars, galaxy.stars, shift=not catalogue)


def test_eagle_region_does_not_read_the_whole_snapshot(galaxies, tmp_path):
    path = write_eagle_snapshot(tmp_path / "run", galaxies, hash_bits=5, n_files=6)
    snapshot = open_snapshot(path)
    whole = sum(len(galaxy.stars) for galaxy in galaxies)
    for row in snapshot.catalogue()[1:]:
        ranges = snapshot._ranges(4, np.array([row["x"], row["y"], row["z"]]), snapshot.reach)
        read = sum(rows.stop - rows.start for slices in ranges.values() for rows in slices)
        assert row["n_stars"] <= read < 0.8 * whole


def test_eagle_without_hash_table_and_with_a_short_reach(galaxies, tmp_path):
    path = write_eagle_snapshot(tmp_path / "run", galaxies)
    full = open_snapshot(path).read(200_000)
    near = open_snapshot(path, reach=5.0).read(200_000)
    assert len(near.stars) == np.count_nonzero(np.linalg.norm(full.stars.position, axis=1) <= 5.0)
    assert "lie beyond 5 kpc" in near.notes[-1]
    for chunk in path.glob("*.hdf5"):
        with h5py.File(chunk, "r+") as file:
            del file["HashTable"]
    without = open_snapshot(path)
    assert "every galaxy reads the whole snapshot" in without.notes[-1]
    same_stars(without.read(200_000).stars, full.stars)


def test_missing_eagle_chunk_is_named(galaxies, tmp_path):
    path = write_eagle_snapshot(tmp_path / "run", galaxies)
    next(path.glob("*.3.hdf5")).unlink()
    with pytest.raises(FileNotFoundError, match=r"missing: snap_099_z000p500\.3\.hdf5"):
        open_snapshot(path)


def test_illustris_offsets_in_the_catalogue(galaxies, tmp_path):
    path = write_tng_snapshot(tmp_path / "run", galaxies, n_files=4, layout="illustris")
    snapshot = open_snapshot(path)
    assert snapshot.offsets is None
    for i, galaxy in enumerate(galaxies):
        found = snapshot.read(i)
        assert found.stars.mass.sum() == pytest.approx(galaxy.stars.mass.sum(), rel=1e-5)
        assert len(found.stars) == len(galaxy.stars)


def write_gal_stars(path, galaxy, centre, box):
    """One gal_stars file as GalaxyMaker writes it; centre and box in kpc."""
    stars = galaxy.stars
    birth = conformal_time(birth_scale_factor(galaxy), galaxy.cosmology)
    with path.open("wb") as file:
        for value in (np.int32([1]), np.int32([1]), np.zeros(1), np.zeros(3), np.zeros(3), np.zeros(3)):
            _record(file, value)
        _record(file, np.int32([len(stars)]))
        for axis in range(3):
            _record(file, (centre[axis] - box / 2 + stars.position[:, axis]) / 1e3)
        for axis in range(3):
            _record(file, stars.velocity[:, axis])
        _record(file, stars.mass / 1e11)
        _record(file, np.arange(len(stars), dtype=np.int32))
        _record(file, birth)
        _record(file, stars.metallicity)


def test_galaxymaker_star_files(galaxies, tmp_path):
    output = write_ramses_output(tmp_path / "run", galaxies, catalogue=False)
    box = open_snapshot(output).box_size
    folder = tmp_path / "run" / "galaxy" / "GAL_00099"
    folder.mkdir(parents=True)
    for i, galaxy in enumerate(galaxies[:2]):
        write_gal_stars(folder / f"gal_stars_{i + 1:07d}", galaxy, np.full(3, 0.1 * (i + 1) * box), box)
    snapshot = open_snapshot(output)
    table = snapshot.catalogue()
    assert list(table["subhalo_id"]) == [1, 2]
    for i, galaxy in enumerate(galaxies[:2]):
        assert table["x"][i] == pytest.approx(0.1 * (i + 1) * box, abs=1.0)
        found = snapshot.read(i + 1).stars
        same_stars(found, galaxy.stars, shift=True)
        truth = galaxy.stars.velocity - np.average(galaxy.stars.velocity, axis=0, weights=galaxy.stars.mass)
        assert np.sort(found.velocity[:, 0]) == pytest.approx(np.sort(truth[:, 0]), abs=1e-6)


def test_tree_bricks_lists_members_and_foreign_catalogue_is_refused(galaxies, tmp_path):
    output = write_ramses_output(tmp_path / "run", galaxies)
    bricks = read_tree_bricks(tmp_path / "run" / "galaxy" / "tree_bricks00099")
    assert [brick.n_stars for brick in bricks.values()] == [len(galaxy.stars) for galaxy in galaxies]
    other = write_ramses_output(tmp_path / "other", galaxies[:2])
    with pytest.raises(ValueError, match="is the catalogue of this output"):
        open_snapshot(other, galaxies=tmp_path / "run" / "galaxy" / "tree_bricks00099").read(4)
    with pytest.raises(FileNotFoundError, match="galaxies=nowhere"):
        open_snapshot(output, galaxies="nowhere")


def test_new_ramses_format_with_families(galaxies, tmp_path):
    old = write_ramses_output(tmp_path / "old", galaxies)
    new = write_ramses_output(tmp_path / "new", galaxies, families=True)
    assert (new / "part_file_descriptor.txt").is_file()
    for i in (1, 3):
        same_stars(open_snapshot(new).read(i).stars, open_snapshot(old).read(i).stars)
    (new / "part_file_descriptor.txt").unlink()
    same_stars(open_snapshot(new).read(1).stars, open_snapshot(old).read(1).stars)


def write_hdf5(path, galaxy, names, *, header, scale, wind=0):
    """Minimal generic snapshot of one galaxy; scale is (length, mass, velocity) of house units."""
    stars, centre = galaxy.stars, 1000.0
    columns = {
        "position": (centre + stars.position) * scale[0],
        "mass": stars.mass * scale[1],
        "initial_mass": stars.initial_mass * scale[1],
        "birth": birth_scale_factor(galaxy),
        "metallicity": stars.metallicity,
        "velocity": stars.velocity * scale[2],
    }
    with h5py.File(path, "w") as file:
        file.create_group("Header").attrs.update(header)
        for field, name in names.items():
            file[f"PartType4/{name}"] = columns[field]
    return path


GIZMO = {
    "position": "Coordinates",
    "mass": "Masses",
    "birth": "StellarFormationTime",
    "velocity": "Velocities",
}


def gizmo_header(galaxy, **more):
    header = {
        "HubbleParam": 0.6774,
        "Omega_Matter": 0.3089,
        "Omega_Lambda": 0.6911,
        "Redshift": galaxy.redshift,
    }
    return header | {"Time": 1 / (1 + galaxy.redshift), "BoxSize": 35000.0, "NumFilesPerSnapshot": 1} | more


def test_generic_gizmo_file_with_a_metal_table(galaxies, tmp_path):
    galaxy, a = galaxies[0], 1 / 1.5
    scale = (0.6774 / a, 0.6774 / 1e10, a**-0.5)
    path = write_hdf5(tmp_path / "snapshot_099.hdf5", galaxy, GIZMO, header=gizmo_header(galaxy), scale=scale)
    with h5py.File(path, "r+") as file:
        table = np.tile(galaxy.stars.metallicity[:, None], (1, 11)) * np.array([1.0, *np.full(10, 0.1)])
        file["PartType4/Metallicity"] = table
    assert recognise(path) == "gadget"
    found = open_snapshot(path, name="SIMBA").read(0)
    same_stars(found.stars, galaxy.stars, shift=True)
    assert found.galaxy_id == "SIMBA-099-0"
    assert any("initial mass not stored" in note for note in found.notes)


def test_generic_file_in_the_users_units_and_names(galaxies, tmp_path):
    galaxy = galaxies[1]
    names = {"position": "Coordinates", "mass": "Masses", "birth": "BornAt", "metallicity": "Metallicity"}
    path = write_hdf5(tmp_path / "mine.hdf5", galaxy, names, header={}, scale=(1e-3, 1.0, 1.0))
    options = {"length": "Mpc", "mass": "Msun", "velocity": "km/s", "fields": {"birth": "BornAt"}}
    snapshot = open_snapshot(path, "gadget", a=1 / 1.5, h=0.6774, omega_m=0.3089, **options)
    same_stars(snapshot.read(0).stars, galaxy.stars, shift=True)
    with pytest.raises(ValueError, match="HubbleParam and Omega0"):
        open_snapshot(path, "gadget", a=1 / 1.5, **options)
    with pytest.raises(ValueError, match="unknown fields colour"):
        open_snapshot(path, "gadget", a=1 / 1.5, fields={"colour": "x"})


def test_chunked_gizmo_snapshot_named_like_illustris(galaxies, tmp_path):
    galaxy, a = galaxies[2], 1 / 1.5
    folder, half = tmp_path / "snapdir_600", len(galaxies[2].stars) // 2
    folder.mkdir()
    names = GIZMO | {"metallicity": "Metallicity"}
    for i, rows in enumerate((slice(0, half), slice(half, None))):
        part = replace(galaxy, stars=galaxy.stars.select(rows))
        header = gizmo_header(galaxy, NumFilesPerSnapshot=2, NumPart_Total=[0, 0, 0, 0, len(galaxy.stars), 0])
        scale = (0.6774 / a, 0.6774 / 1e10, a**-0.5)
        write_hdf5(folder / f"snapshot_600.{i}.hdf5", part, names, header=header, scale=scale)
    for path in (folder, folder / "snapshot_600.1.hdf5"):
        assert recognise(path) == "gadget"
        same_stars(open_snapshot(path, subhalo_id=0).read(0).stars, galaxy.stars, shift=True)
    (folder / "snapshot_600.1.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match=r"missing: snapshot_600\.1\.hdf5"):
        open_snapshot(folder)


def test_several_galaxies_in_a_file_by_friends_of_friends(galaxies, tmp_path):
    stars = {
        name: np.concatenate([getattr(galaxy.stars, name) for galaxy in galaxies[:2]])
        for name in ("mass", "initial_mass", "age", "metallicity", "velocity")
    }
    shifted = [galaxies[0].stars.position, galaxies[1].stars.position + 500.0]
    both = replace(galaxies[0], stars=replace(galaxies[0].stars, position=np.concatenate(shifted), **stars))
    a = 1 / 1.5
    names = GIZMO | {"metallicity": "Metallicity"}
    scale = (0.6774 / a, 0.6774 / 1e10, a**-0.5)
    path = write_hdf5(tmp_path / "two_099.hdf5", both, names, header=gizmo_header(both), scale=scale)
    table = open_snapshot(path, linking_length=8.0).catalogue()
    expected = sorted((galaxy.stars.mass.sum() for galaxy in galaxies[:2]), reverse=True)
    assert np.sort(table["stellar_mass"])[::-1] == pytest.approx(expected, rel=0.05)


SWIFT = {
    "position": ("Coordinates", KPC * 1e3, 1.0, 0),
    "mass": ("Masses", MSUN * 1e10, 0.0, 1),
    "initial_mass": ("InitialMasses", MSUN * 1e10, 0.0, 1),
    "velocity": ("Velocities", KM, 0.0, 0),
    "birth": ("BirthScaleFactors", 1.0, 0.0, 1),
    "metallicity": ("MetalMassFractions", 1.0, 0.0, 1),
}


def write_swift(path, galaxy):
    """One galaxy as SWIFT writes it: comoving Mpc without h, attributes of its own."""
    a = 1 / (1 + galaxy.redshift)
    names = {field: name for field, (name, *_) in SWIFT.items()}
    header = {
        "Redshift": [galaxy.redshift],
        "Scale-factor": [a],
        "BoxSize": [50.0, 50.0, 50.0],
        "RunName": "toy",
    }
    write_hdf5(
        path, galaxy, names, header=header | {"NumFilesPerSnapshot": [1]}, scale=(1e-3 / a, 1e-10, 1.0)
    )
    with h5py.File(path, "r+") as file:
        cosmology = {"h": [0.6774], "Omega_m": [0.3089], "Omega_lambda": [0.6911], "Omega_b": [0.0486]}
        file.create_group("Cosmology").attrs.update(cosmology)
        for name, cgs, exponent, is_physical in SWIFT.values():
            file[f"PartType4/{name}"].attrs.update(
                {
                    "Conversion factor to CGS (not including cosmological corrections)": [cgs],
                    "a-scale exponent": np.float32([exponent]),
                    "h-scale exponent": np.float32([0.0]),
                    "Value stored as physical": np.uint8([is_physical]),
                }
            )
    return path


def test_swift_snapshot_and_its_membership_file(galaxies, tmp_path):
    galaxy = galaxies[3]
    path = write_swift(tmp_path / "flamingo_0077.hdf5", galaxy)
    assert recognise(path) == "swift"
    snapshot = open_snapshot(path, subhalo_id=0)
    same_stars(snapshot.read(0).stars, galaxy.stars, shift=True)
    assert snapshot.box_size == pytest.approx(50e3 / 1.5)
    n = len(galaxy.stars)
    with h5py.File(tmp_path / "membership.hdf5", "w") as file:
        file["PartType4/GroupNr_bound"] = np.where(np.arange(n) < n - 30, 17, -1)
    member = open_snapshot(path, membership=tmp_path / "membership.hdf5")
    assert list(member.catalogue()["subhalo_id"]) == [17]
    assert len(member.read(17).stars) == n - 30


@pytest.mark.parametrize("n_files", [1, 3])
@pytest.mark.parametrize("membership", [False, True])
def test_swift_galaxies_by_cells_and_soap_catalogue(membership, n_files, galaxies, tmp_path):
    path = write_swift_snapshot(tmp_path / "run", galaxies, n_files=n_files, membership=membership)
    assert recognise(path) == "swift"
    options = {"membership": tmp_path / "run" / "membership_0099.hdf5"} if membership else {}
    snapshot = open_snapshot(path, **options)
    table = snapshot.catalogue()
    assert list(table["subhalo_id"]) == [0, 10, 20, 30]  # the last halo has no stars
    assert snapshot.problems() == []
    for row, galaxy in zip(table, galaxies, strict=True):
        found = snapshot.read(int(row["subhalo_id"]))
        same_stars(found.stars, galaxy.stars)
        assert row["half_mass_radius"] == pytest.approx(galaxy.properties["half_mass_radius"], rel=1e-5)
        assert row["star_formation_rate"] == pytest.approx(galaxy.properties["star_formation_rate"], rel=1e-5)
        assert found.properties["is_central"]
    near = open_snapshot(path, reach=5.0, **options).read(10)
    assert len(near.stars) == np.count_nonzero(np.linalg.norm(galaxies[1].stars.position, axis=1) <= 5.0)
    with pytest.raises(ValueError, match="no galaxy 40 with stars; it has 0, 10, 20, 30"):
        snapshot.read(40)
    if membership:
        with pytest.raises(ValueError, match=r"GroupNr_bound; name the file .*--reader membership="):
            open_snapshot(path).read(0)


def test_swift_reads_only_the_cells_it_needs(galaxies, tmp_path):
    snapshot = open_snapshot(write_swift_snapshot(tmp_path / "run", galaxies))
    whole = sum(len(galaxy.stars) for galaxy in galaxies)
    for row in snapshot.catalogue():
        sphere = (np.array([row[axis] for axis in "xyz"]), snapshot.reach)
        parts, _ = snapshot._region("PartType4", ("position",), sphere, -5)
        read = sum(len(part.columns["position"][0]) for part in parts)
        assert row["n_stars"] <= read < 0.8 * whole
    with h5py.File(snapshot.files[0], "r+") as file:
        file["Cells/Counts/PartType4"][0] += 1
    with pytest.raises(ValueError, match="cells count"):
        open_snapshot(snapshot.path)
    with pytest.raises(FileNotFoundError, match="soap=nowhere"):
        open_snapshot(snapshot.path, soap="nowhere")


def test_virtual_file_without_its_pieces_is_refused(galaxies, tmp_path):
    galaxy = galaxies[3]
    piece = write_swift(tmp_path / "piece.hdf5", galaxy)
    whole = tmp_path / "virtual_0077.hdf5"
    n = len(galaxy.stars)
    with h5py.File(piece) as source, h5py.File(whole, "w") as file:
        for name in ("Header", "Cosmology"):
            source.copy(name, file)
        for name, dataset in source["PartType4"].items():
            layout = h5py.VirtualLayout(shape=dataset.shape, dtype=dataset.dtype)
            layout[:] = h5py.VirtualSource(piece.name, f"PartType4/{name}", shape=dataset.shape)
            file.create_virtual_dataset(f"PartType4/{name}", layout).attrs.update(dataset.attrs)
    assert len(open_snapshot(whole, subhalo_id=0).read(0).stars) == n
    piece.unlink()
    with pytest.raises(FileNotFoundError, match=r"pieces piece\.hdf5 are missing"):
        open_snapshot(whole, subhalo_id=0).read(0)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("ckpc/h", "length", (1.0, 1.0, -1.0)),
        ("cMpc", "length", (1e3, 1.0, 0.0)),
        ("1e10 Msun/h", "mass", (1e10, 0.0, -1.0)),
        ("sqrt(a) km/s", "velocity", (1.0, 0.5, 0.0)),
        ("3.0856775814913673e21 cm", "length", (1.0, 0.0, 0.0)),
    ],
)
def test_units_are_parsed(text, kind, expected):
    assert parse_unit(text, kind) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "kind"), [("parsec", "length"), ("cMsun", "mass"), ("kpc", "mass"), ("", "length")]
)
def test_wrong_units_are_refused(text, kind):
    with pytest.raises(ValueError, match=f"not a unit of {kind}"):
        parse_unit(text, kind)


def test_plain_arrays_with_units(galaxies):
    stars = galaxies[0].stars
    found = galaxy_from_arrays(
        position=(stars.position / 1e3 + 2.0) * u.Mpc,
        mass=stars.mass * u.Msun,
        age=stars.age * 1e3 * u.Myr,
        metallicity=stars.metallicity,
        redshift=0.5,
        cosmology=TOY_COSMOLOGY,
        centre=[2.0, 2.0, 2.0] * u.Mpc,
        simulation="mine",
    )
    same_stars(found.stars, stars)
    left = remaining_mass_fraction(stars.age, stars.metallicity)
    assert found.stars.initial_mass == pytest.approx(stars.mass / left, rel=1e-9)
    assert found.galaxy_id == "mine-000-0"


def test_plain_arrays_are_checked(galaxies):
    stars = galaxies[0].stars
    good = {
        "position": stars.position,
        "mass": stars.mass,
        "age": stars.age,
        "metallicity": stars.metallicity,
    }
    good |= {"redshift": 0.5, "cosmology": TOY_COSMOLOGY}
    for change, message in (
        ({"age": stars.age * 1e9}, "are they in Gyr"),
        ({"mass": stars.mass[:-1]}, "unequal length"),
        ({"position": stars.position[:, :2]}, r"must be \(n, 3\)"),
        ({"age": -stars.age}, "not yet born"),
        ({name: good[name][:0] for name in ("position", "mass", "age", "metallicity")}, "no stars"),
    ):
        with pytest.raises(ValueError, match=message):
            galaxy_from_arrays(**(good | change))
    with pytest.raises(u.UnitConversionError, match="mass: 'kpc'"):
        galaxy_from_arrays(**(good | {"mass": stars.mass * u.kpc}))


def test_masked_arrays_are_missing_stars_and_columns_have_units(galaxies):
    stars = galaxies[0].stars
    masked = np.arange(len(stars)) % 7 == 0
    good = {"position": stars.position, "age": stars.age, "metallicity": stars.metallicity}
    good |= {"redshift": 0.5, "cosmology": TOY_COSMOLOGY}
    filled = np.where(masked, 1e20, stars.mass)
    for mass in (
        np.ma.array(filled, mask=masked),
        MaskedColumn(filled, mask=masked),
        MaskedColumn(filled / 1e10, mask=masked, unit=1e10 * u.Msun),
        Masked(filled / 1e3, mask=masked) * u.Unit("1000 Msun"),
    ):
        found = galaxy_from_arrays(mass=mass, **good)
        assert found.stars.mass.sum() == pytest.approx(stars.mass[~masked].sum(), rel=1e-6)
        assert f"{masked.sum()} of {len(stars)} stars with masked values left out" in found.notes
    myr = Column(1e3 * stars.age, unit="Myr")
    found = galaxy_from_arrays(mass=stars.mass, **(good | {"age": myr}))
    assert found.stars.age == pytest.approx(stars.age, rel=1e-6)
    for name, value in (("centre", np.ma.array([0, 0, 1e20], mask=[0, 0, 1])), ("box_size", np.nan)):
        with pytest.raises(ValueError, match=f"{name} is .*; finite numbers are needed"):
            galaxy_from_arrays(mass=stars.mass, **good, **{name: value})


def test_initial_masses_outlive_an_empty_ramses_file():
    """Files without particles know no optional columns; those of the other files stay."""
    empty = Part({}, np.zeros(0, dtype=int))
    three = {"position": (np.ones(3),) * 3, "mass": (np.ones(3, "f4"),), "initial_mass": (np.full(3, 1.5),)}
    full = Part(three, np.array([0, 2]))
    for factors in (None, {"mass": 3.0, "initial_mass": 2.0}):
        joined = gather([empty, full, empty, full], factors)
        assert joined["position"].shape == (4, 3)
        assert set(joined["mass"]) == {1.0 if factors is None else 3.0}
        assert set(joined["initial_mass"]) == {1.5 if factors is None else 3.0}
    assert gather([empty, empty]) == gather([]) == {}
