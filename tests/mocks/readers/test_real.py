"""Real snapshots: masses, counts, ages and catalogue identities that are known from elsewhere."""

import shutil

import h5py
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from mocks.deposit.smoothing import with_smoothing_lengths
from mocks.readers import galaxy_from_arrays, open_snapshot, recognise
from mocks.readers.particles.geometry import half_mass_radius, unwrap
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.toys import toy_galaxies, write_tng_snapshot

SUBHALO_POS = (62337.96, 64240.777, 41446.176)  # of TNG100-1 subhalo 565261 at snapshot 99 [ckpc/h]
EXPECTED = {
    "tng100_sub565261_z0/cutout_stars_565261.hdf5": ("illustris-extract", "TNG100-1-099-565261"),
    "tng100_sub9_snap78_subsample/SimSpin_example_IllustrisTNG.hdf5": ("illustris-extract", "TNG100-1-078-9"),
    "illustris1_snap135_m31_analogs/cutout_417175.hdf5": ("illustris-extract", "Illustris-1-135-417175"),
    "camels_tng_cv0_snap086": ("camels", "CAMELS-TNG-086-0"),
    "camels_tng_cv0_snap086/camels_snap.hdf5": ("camels", "CAMELS-TNG-086-0"),
    "eagle_gn92_sgn9_snap28/SimSpin_example_EAGLE_full.hdf5": (
        "eagle-extract",
        "EAGLE-RefL0100N1504-028-9200009",
    ),
    "eagle_snap25_subsample/SimSpin_example_EAGLE.hdf5": ("eagle-extract", "EAGLE-RefL0100N1504-025-0"),
    "horizonagn_galaxy_subsample/SimSpin_example_HorizonAGN.hdf5": (
        "horizon-agn-extract",
        "Horizon-AGN-000-0",
    ),
    "colibre_galaxy_snap127/SimSpin_example_Colibre.hdf5": ("swift", "Colibre-127-0"),
    "magneticum_galaxy_snap112_subsample/SimSpin_example_Magneticum.hdf5": (
        "magneticum-extract",
        "Magneticum-112-0",
    ),
    "ramses_mini_oldformat/output_00006": ("ramses", "ramses_mini_oldformat-006-0"),
    "ramses_mini_newformat": ("ramses", "ramses_mini_newformat-007-0"),
}


@pytest.fixture(scope="module")
def simulated(shared_data):
    return shared_data / "simulated"


@pytest.mark.parametrize("path", EXPECTED)
def test_every_real_file_is_recognised_and_read(path, simulated):
    form, galaxy_id = EXPECTED[path]
    assert recognise(simulated / path) == form
    snapshot = open_snapshot(simulated / path)
    galaxy = snapshot.read(int(snapshot.catalogue()["subhalo_id"][0]))
    assert galaxy.galaxy_id == galaxy_id
    stars = galaxy.stars
    assert 1e8 < stars.mass.sum() < 1e12
    assert 0.5 < stars.mass.sum() / stars.initial_mass.sum() < 0.9
    assert stars.age.min() >= 0.0
    assert stars.age.max() < galaxy.cosmology.age(galaxy.redshift).value
    assert 1e-4 < np.median(stars.metallicity) < 0.05
    assert 0.3 < np.median(np.linalg.norm(stars.position, axis=1)) < 200.0


def test_tng_cutout_equals_its_catalogue(simulated):
    folder = simulated / "tng100_sub565261_z0"
    galaxy = open_snapshot(folder / "cutout_stars_565261.hdf5", centre=SUBHALO_POS).read(565261)
    assert len(galaxy.stars) == 517
    assert galaxy.stars.mass.sum() == pytest.approx(0.0370149e10 / 0.6774, rel=1e-5)
    assert half_mass_radius(galaxy.stars.position, galaxy.stars.mass) == pytest.approx(
        1.541 / 0.6774, rel=0.01
    )
    with h5py.File(folder / "sublink_mpb_565261.hdf5") as file:
        catalogue = file["SubhaloStellarPhotometrics"][0]
    total = [-2.5 * np.log10(np.sum(10 ** (-0.4 * m))) for m in galaxy.stars.photometry.values()]
    assert total == pytest.approx(catalogue, abs=1e-4)
    assert list(galaxy.stars.photometry) == ["U", "B", "V", "K", "g", "r", "i", "z"]


def test_centre_without_a_catalogue_is_the_catalogues(simulated):
    galaxy = open_snapshot(simulated / "tng100_sub565261_z0" / "cutout_stars_565261.hdf5").read(565261)
    assert galaxy.properties["half_mass_radius"] == pytest.approx(2.27, abs=0.05)
    assert "shrinking sphere" in galaxy.notes[-1]


@pytest.mark.parametrize(
    ("galaxy", "stars", "wind", "mass"),
    [(417175, 7635, 1303, 0.70e10), (420815, 13143, None, 1.21e10), (433516, 13475, None, 1.22e10)],
)
def test_illustris_wind_is_dropped(galaxy, stars, wind, mass, simulated):
    found = open_snapshot(simulated / "illustris1_snap135_m31_analogs" / f"cutout_{galaxy}.hdf5").read(galaxy)
    assert len(found.stars) == stars
    assert found.stars.mass.sum() == pytest.approx(mass, rel=0.01)
    assert found.stars.metallicity.min() >= 0.0
    assert any("initial mass not stored" in note for note in found.notes)
    if wind:
        assert f"{wind} wind-phase" in found.notes[0]


@pytest.mark.parametrize(
    "folder",
    ["tng100_sub565261_z0/cutout_stars_565261.hdf5", "camels_tng_cv0_snap086", "colibre_galaxy_snap127",
     "eagle_gn92_sgn9_snap28", "magneticum_galaxy_snap112_subsample"],
)  # fmt: skip
def test_mass_left_is_near_what_simulations_store(folder, simulated):
    path = simulated / folder
    files = sorted(path.glob("*.hdf5")) if path.is_dir() and "camels" not in folder else [path]
    snapshot = open_snapshot(files[0])
    stars = snapshot.read(int(snapshot.catalogue()["subhalo_id"][0])).stars
    ours = remaining_mass_fraction(stars.age, stars.metallicity)
    stored = stars.mass.sum() / stars.initial_mass.sum()
    assert stars.initial_mass @ ours / stars.initial_mass.sum() == pytest.approx(stored, abs=0.04)


def test_tng_subsample_trusts_dataset_lengths(simulated):
    galaxy = open_snapshot(
        simulated / "tng100_sub9_snap78_subsample" / "SimSpin_example_IllustrisTNG.hdf5"
    ).read(9)
    assert (len(galaxy.stars), len(galaxy.gas)) == (1996, 100)
    assert galaxy.redshift == pytest.approx(0.29771768)
    assert 1e3 < np.median(galaxy.gas.temperature) < 1e9


def test_camels_galaxies_and_their_box(simulated):
    snapshot = open_snapshot(simulated / "camels_tng_cv0_snap086")
    table = snapshot.catalogue()
    assert len(table) == 10
    assert table["n_stars"].sum() == 3479
    galaxies = [snapshot.read(int(i)) for i in table["subhalo_id"]]
    total = sum(galaxy.stars.mass.sum() for galaxy in galaxies)
    assert np.asarray(table["stellar_mass"]).sum() == pytest.approx(total, rel=1e-9)
    assert sum(len(galaxy.gas) for galaxy in galaxies if galaxy.gas is not None) == 269
    assert snapshot.box_size == pytest.approx(25_000 * 0.909047 / 0.6711, rel=1e-6)
    # 600 ckpc/h about galaxy 4, whose neighbours lie on the other side of the box
    with h5py.File(simulated / "camels_tng_cv0_snap086" / "camels_snap.hdf5") as file:
        position = file["PartType4/Coordinates"][()]
    with h5py.File(simulated / "camels_tng_cv0_snap086" / "camels_subhalo.hdf5") as file:
        centre = file["Subhalo/SubhaloPos"][4]
        places = file["Subhalo/SubhaloPos"][()][np.asarray(table["subhalo_id"])] * 0.909047 / 0.6711
    found = [[galaxy.properties[f"box_{axis}"] for axis in "xyz"] for galaxy in galaxies]
    np.testing.assert_allclose(found, places, rtol=1e-6)
    assert {galaxy.properties["box_size"] for galaxy in galaxies} == {snapshot.box_size}
    counts = [
        np.count_nonzero((unwrap(position, centre, box) ** 2).sum(axis=1) < 600.0**2) for box in (None, 25e3)
    ]
    assert counts == [8, 286]


def test_eagle_galaxy(simulated):
    galaxy = open_snapshot(simulated / "eagle_gn92_sgn9_snap28" / "SimSpin_example_EAGLE_full.hdf5").read(
        9200009
    )
    assert len(galaxy.stars) == 7524
    assert galaxy.stars.mass.sum() == pytest.approx(1.014e10, rel=5e-4)
    assert galaxy.properties["half_mass_radius"] == pytest.approx(2.5, abs=0.1)
    assert galaxy.stars.mass.sum() / galaxy.stars.initial_mass.sum() == pytest.approx(0.555, abs=0.001)
    assert galaxy.properties["is_central"] is False
    # The file's own lengths reach the gas, of which this satellite has none: 18 kpc, 99.7 % of its stars.
    assert galaxy.stars.smoothing_length is None
    length = with_smoothing_lengths(galaxy).stars.smoothing_length
    assert np.median(length) < 1.0


def test_horizon_agn_lengths_are_physical(simulated):
    galaxy = open_snapshot(
        simulated / "horizonagn_galaxy_subsample" / "SimSpin_example_HorizonAGN.hdf5"
    ).read(0)
    assert len(galaxy.stars) == 2000
    assert 19.0 < np.linalg.norm(galaxy.stars.position, axis=1).max() < 22.0
    assert np.median(galaxy.stars.mass) == pytest.approx(4.06e6 * 0.88, rel=0.2)


def test_colibre_has_no_h_and_magneticum_stores_metal_masses(simulated):
    colibre = open_snapshot(simulated / "colibre_galaxy_snap127" / "SimSpin_example_Colibre.hdf5").read(0)
    assert np.median(colibre.stars.initial_mass) == pytest.approx(1.47e7, rel=0.3)
    magneticum = open_snapshot(
        simulated / "magneticum_galaxy_snap112_subsample" / "SimSpin_example_Magneticum.hdf5"
    ).read(0)
    assert np.median(magneticum.stars.metallicity) == pytest.approx(0.0216, abs=0.001)


def test_ramses_old_format(simulated):
    snapshot = open_snapshot(simulated / "ramses_mini_oldformat")
    table = snapshot.catalogue()
    assert list(table["n_stars"]) == [6751, 1334, 988, 823, 599, 366]
    centre = np.array([0.97327, 0.98815, 0.08712]) * snapshot.box_size
    whole = snapshot.read_region(centre, snapshot.box_size)
    assert len(whole.stars) == 12_485
    assert whole.stars.mass.sum() == pytest.approx(1.5383e10, rel=1e-5 * 5)
    assert whole.stars.mass.min() == pytest.approx(1.0290e6, rel=1e-4)
    assert whole.stars.age.mean() * 1e3 == pytest.approx(341.16, abs=0.01)
    assert whole.stars.age.max() * 1e3 == pytest.approx(623.988, abs=0.01)
    assert len(snapshot.read_region(centre, 30.0).stars) == 8023  # 8006 without wrapping


def test_ramses_new_format(simulated):
    snapshot = open_snapshot(simulated / "ramses_mini_newformat" / "output_00007")
    whole = snapshot.read_region(np.zeros(3), snapshot.box_size)
    assert len(whole.stars) == 378
    assert whole.stars.mass.sum() == pytest.approx(2.2930e9, rel=1e-4)
    assert whole.stars.age.mean() * 1e3 == pytest.approx(1377.20, abs=0.01)
    assert whole.stars.age.max() * 1e3 == pytest.approx(3012.32, abs=0.01)
    assert whole.stars.metallicity.max() == pytest.approx(0.00337, abs=1e-5)


def test_missing_chunk_of_a_real_snapshot_is_named(simulated):
    with pytest.raises(FileNotFoundError, match=r"1 of 11 chunk files are missing: snap_2332\.7\.hdf5"):
        open_snapshot(simulated / "tng50-4_subbox0_snap2332" / "snapdir_2332")


@pytest.mark.parametrize(
    "path",
    ["tng100_groupcat_snap099", "tng100_sub394242_galaxychop/gal394242.h5", "illustris1_galaxyzoo_png"],
)
def test_what_is_no_snapshot_is_refused_with_the_list(path, simulated):
    with pytest.raises(ValueError, match="no known simulation format") as error:
        recognise(simulated / path)
    assert "snapdir_NNN" in str(error.value)


def test_real_group_catalogue_through_illustris_python(simulated, tmp_path):
    """Two of the real catalogue chunks, one of them empty, declared to be all there are."""
    source = simulated / "tng100_groupcat_snap099"
    path = write_tng_snapshot(tmp_path / "run", toy_galaxies("toy-1", 1, seed=1), n_files=2)
    groups = path / "output" / "groups_099"
    for i, chunk in enumerate((174, 1)):
        target = groups / f"fof_subhalo_tab_099.{i}.hdf5"
        target.unlink()
        shutil.copy(source / f"tng100-1_fof_subhalo_tab_099.{chunk}.hdf5", target)
        target.chmod(0o644)
        with h5py.File(target, "r+") as file:
            file["Header"].attrs.update({"NumFiles": 2, "Nsubgroups_Total": 1639, "Ngroups_Total": 12})
    with h5py.File(groups / "fof_subhalo_tab_099.0.hdf5", "r+") as file:
        # group numbers count from the whole catalogue's beginning
        for name in ("Subhalo/SubhaloGrNr", "Group/GroupFirstSub"):
            values = file[name][()]
            file[name][...] = np.where(values >= 0, values - values[values >= 0].min(), values)
        wanted = ("SubhaloLenType", "SubhaloFlag", "SubhaloMassType")
        subhalo = {name: file[f"Subhalo/{name}"][()] for name in wanted}
    has_stars = (subhalo["SubhaloLenType"][:, 4] > 0) & subhalo["SubhaloFlag"]
    table = open_snapshot(path, check=False).catalogue()  # the toy's offsets are not of this catalogue
    assert len(table) == np.count_nonzero(has_stars)
    expected = subhalo["SubhaloMassType"][has_stars, 4].sum() * 1e10 / 0.6774
    assert np.asarray(table["stellar_mass"]).sum() == pytest.approx(expected, rel=1e-5)
    assert np.asarray(table["is_central"]).any()
    massive = table[np.asarray(table["n_stars"]) > 1000]
    assert ((massive["half_mass_radius"] > 0.5) & (massive["half_mass_radius"] < 50)).all()


def test_galaxychop_table_as_plain_arrays(simulated):
    """Masses and positions without ages: usable once the caller states those."""
    with h5py.File(simulated / "tng100_sub394242_galaxychop" / "gal394242.h5") as file:
        stars = file["stars"][()]
    galaxy = galaxy_from_arrays(
        position=np.stack([stars[axis] for axis in "xyz"], axis=1),
        velocity=np.stack([stars[f"v{axis}"] for axis in "xyz"], axis=1),
        mass=stars["m"],
        age=np.full(len(stars), 6.0),
        metallicity=np.full(len(stars), 0.02),
        redshift=0.0,
        cosmology=FlatLambdaCDM(H0=67.74, Om0=0.3089),
        subhalo_id=394242,
    )
    assert len(galaxy.stars) == 32_067
    assert np.abs(np.median(galaxy.stars.position, axis=0)).max() < 0.5
    assert galaxy.properties["half_mass_radius"] < 22.0
