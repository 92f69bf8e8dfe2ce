"""Real SDSS galaxies: read, prepared, measured against what their makers measured."""

import h5py
import numpy as np
import pytest

from mocks.observing.psf import gaussian_psf
from mocks.survey_files.sdss_camera import dark_variance, gain
from simcompare.images.description import summarise
from simcompare.images.image_set import ImageSet, part_path
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.splits import split_of_place
from simcompare.images.stamps import FLAGS
from simcompare.observed import prepare_observed, read_stamps, recognise
from simcompare.observed.lattice import camera_quantum
from simcompare.observed.names import coordinate_name, place_in_name


@pytest.fixture(scope="module")
def stack_file(shared_data):
    return shared_data / "observed" / "sdss-ugriz-stamps" / "sdss-ugriz-stamps.h5"


@pytest.fixture(scope="module")
def small_file(stack_file, tmp_path_factory):
    """Every sixth galaxy of the stack, for what need not be done with all."""
    path = tmp_path_factory.mktemp("small") / "small.h5"
    with h5py.File(stack_file, "r") as whole, h5py.File(path, "w") as small:
        small.attrs.update(whole.attrs)
        n = len(whole["image"])
        for name, dataset in whole.items():
            small[name] = dataset[::6] if len(dataset) == n else dataset[:]
    return path


@pytest.fixture(scope="module")
def objects_file(shared_data):
    return shared_data / "observed" / "sdss-r-spirals" / "sdss-r-spirals.h5"


@pytest.fixture(scope="module")
def sample(stack_file, objects_file, tmp_path_factory):
    return prepare_observed(
        [objects_file, stack_file],
        survey="sdss",
        bands=["r"],
        preparation=Preparation(),
        out=tmp_path_factory.mktemp("sample"),
        name="SDSS",
        seed=1,
        part_size=150,
    )


def test_coordinates_make_names():
    assert coordinate_name("SDSS", 116.169257, 44.144409) == "SDSS-J074440.62+440839.9"
    assert coordinate_name("SDSS", 359.99999999, -0.00001) == "SDSS-J000000.00-000000.0"
    for place in ((116.169257, 44.144409), (10.5, -1.003)):
        np.testing.assert_allclose(place_in_name(coordinate_name("J", *place)), place, atol=5e-5)
    assert np.isnan(place_in_name("NGC 4565")).all()


def test_camera_tables_agree_with_the_survey_s_own_files():
    # psField-002583-2-0136, psField-003900-6-0269, psField-000094-1-0012: gain and dark_variance.
    assert gain(2583, 2, "u") == 1.825
    assert (gain(2583, 2, "i"), dark_variance(2583, 2, "i")) == (5.195, 6.25)
    assert (gain(3900, 6, "r"), dark_variance(3900, 6, "r")) == (4.895, 0.9025)
    assert (gain(94, 1, "g"), dark_variance(94, 1, "g")) == (3.32, 15.6025)


def test_formats_are_recognised_from_the_file(stack_file, objects_file, tmp_path):
    assert recognise(stack_file) == "sdss-stack"
    assert recognise(objects_file) == "sdss-objects"
    (tmp_path / "a.txt").write_text("no image")
    page = tmp_path / "page.fits"
    page.write_text("<!DOCTYPE html><html>404</html>")
    with pytest.raises(ValueError, match=r"its format is unknown \(a page of text, as archives answer"):
        recognise(page)
    with pytest.raises(ValueError, match=r"a\.txt: its format is unknown"):
        recognise(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        recognise(tmp_path / "none.h5")
    (tmp_path / "cut.h5").write_bytes(stack_file.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"cut\.h5: damaged"):
        recognise(tmp_path / "cut.h5")


def test_missing_band_is_refused_by_name(objects_file):
    with pytest.raises(ValueError, match=r"bands \['g'\] are not in it"):
        next(read_stamps(objects_file, ("g",)))


def test_camera_count_of_stamps_is_the_calibration_of_its_field(stack_file):
    ratios = []
    for stamp in list(read_stamps(stack_file, ("g", "r", "i")))[::4]:
        for image, quantum in zip(stamp.image, stamp.quantum, strict=True):
            good = np.ones(image.shape, dtype=bool)
            found, coherence = camera_quantum(image, good, 0.8 * quantum, 1.25 * quantum)
            assert coherence > 0.95
            ratios.append(found / quantum)
    # The field table gives one number; the flat field varies along the row by per cents near its ends.
    assert np.median(ratios) == pytest.approx(1, abs=0.002)
    assert np.abs(np.array(ratios) - 1).max() < 0.06


def test_counts_of_accepted_and_rejected(sample):
    # 119 of 172 spirals are mosaics, interpolated by their makers: their noise is not the camera's.
    seam = sum(n for reason, n in sample.reasons.items() if "boundary" in reason)
    assert 0 < seam < 10
    assert "flagged undetected" not in sample.reasons
    assert 405 - seam <= len(sample.images) <= 405
    assert len(sample.images) + len(sample.rejected) == 528
    assert sample.reasons["flagged resampled"] >= 117
    assert len(sample.images.files) == 3


def test_prepared_sky_is_that_of_the_field(sample, stack_file):
    table = sample.images.catalogue
    table = table[table["source"] == stack_file.name]
    with h5py.File(stack_file, "r") as file:
        field = file["field_index"][:]
        expected = file["field_noise_sigma_nmgy"][:, 2][field]
    ratio = table["sky_sigma_r"] / expected[table["source_index"].astype(int)]
    assert np.median(ratio) == pytest.approx(1, abs=0.05)


def test_magnitudes_agree_with_the_makers(sample, stack_file):
    table = sample.images.catalogue
    table = table[table["source"] == stack_file.name]
    difference = table["mag_r"] - table["source_mag_r"]
    assert abs(np.nanmedian(difference)) < 0.05
    scatter = 1.4826 * np.nanmedian(np.abs(difference - np.nanmedian(difference)))
    assert scatter < 0.12
    round_radius = table["half_light_radius"] * np.sqrt(table["axis_ratio"])
    assert np.nanmedian(round_radius / table["source_half_light_radius"]) == pytest.approx(1, abs=0.05)


def test_prepared_images_lie_on_no_lattice(sample):
    stack = sample.images.read(slice(0, None, 5))
    for image, quantum in zip(stack.image[:, 0], stack.quantum[:, 0], strict=True):
        good = np.ones(image.shape, dtype=bool)
        assert camera_quantum(image, good, 0.8 * quantum, 1.25 * quantum)[1] < 0.15


def test_targets_are_in_the_middle(sample):
    table = sample.images.catalogue
    offset = np.hypot(table["centre_x"] - 32, table["centre_y"] - 32)
    assert np.median(offset) < 0.5
    assert np.mean(table["flags"] & FLAGS["off_centre"] > 0) < 0.03


def test_galaxy_of_the_set_equals_the_galaxy_prepared_alone(sample, stack_file):
    stamp = list(read_stamps(stack_file, ("r",)))[100]
    alone = prepare_stamp(stamp, Preparation(), preparation_stream(1, stamp.galaxy_id))
    position = np.flatnonzero(sample.images.catalogue["galaxy_id"] == stamp.galaxy_id)
    np.testing.assert_array_equal(sample.images.read(position).image[0], alone.image)


def test_no_object_is_on_both_sides_of_the_split(sample):
    table = sample.images.catalogue
    longitude, latitude = np.deg2rad(table["ra"].data), np.deg2rad(table["dec"].data)
    vectors = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )
    separation = np.linalg.norm(vectors[:, None] - vectors, axis=2) * 180 / np.pi * 3600
    np.fill_diagonal(separation, np.inf)
    assert separation.min() > 3
    assert len(set(table["galaxy_id"])) == len(table)
    sides = [split_of_place(row["ra"], row["dec"], 1) for row in table]
    assert sides == table["split"].tolist()


def test_the_same_file_twice_adds_nothing(small_file, tmp_path):
    once = prepare_observed(
        [small_file, small_file],
        survey="sdss",
        bands=["r"],
        preparation=Preparation(),
        out=tmp_path,
        name="SDSS",
        seed=1,
    )
    repeated = sum(count for reason, count in once.reasons.items() if "duplicate" in reason)
    assert repeated == len(once.images) >= 58


def test_interrupted_preparation_goes_on_without_loss_or_duplicates(small_file, tmp_path):
    settings = {
        "survey": "sdss", "bands": ["r"], "preparation": Preparation(), "out": tmp_path, "name": "SDSS",
        "seed": 1, "part_size": 17,
    }  # fmt: skip
    whole = prepare_observed([small_file], **settings)
    catalogue, pixels = whole.images.catalogue, whole.images.read().image
    part_path(tmp_path, 2).unlink()
    part_path(tmp_path, 3).unlink()
    again = prepare_observed([small_file], **settings)
    assert again.images.catalogue["galaxy_id"].tolist() == catalogue["galaxy_id"].tolist()
    np.testing.assert_array_equal(again.images.read().image, pixels)
    with pytest.raises(ValueError, match="holds an image set with seed 1"):
        prepare_observed([small_file], **(settings | {"seed": 2}))
    with pytest.raises(ValueError, match=r"prepared differently.*size"):
        prepare_observed([small_file], **(settings | {"preparation": Preparation(size=48)}))


def test_rejects_after_the_last_image_of_a_full_part_are_counted(tmp_path):
    """Seven images of which the middle one and the last two hold no light, in parts of two."""
    path, dark = tmp_path / "stack.h5", [3, 5, 6]
    rows, columns = np.indices((96, 96)) - 47.5
    light = np.exp(-np.hypot(rows, columns) / 3)
    image = 60 * light / light.sum() + 0.02 * np.random.default_rng(1).standard_normal((7, 1, 96, 96))
    image[dark] = 0
    with h5py.File(path, "w") as file:
        file["image"], file["psf"] = image.astype("f4"), gaussian_psf(3.0, 31)[None]
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy"})
    settings = {"survey": "sdss", "bands": "r", "preparation": Preparation(), "out": tmp_path, "name": "toy"}
    made = prepare_observed([path], **settings, part_size=2)
    parts = made.images.provenance
    assert [(part["start"], part["stop"]) for part in parts] == [(0, 2), (2, 7)]
    assert [row["source_index"] for part in parts for row in part["rejects"]] == list(map(str, dark))
    assert sum(summarise(made.images)["rejected"].values()) == len(made.rejected) == 3
    again = prepare_observed([path], **settings, part_size=2)
    assert (len(again.images), len(again.rejected)) == (4, 3)


def test_gri_stamps_have_three_bands(small_file, tmp_path):
    made = prepare_observed(
        [small_file],
        survey="sdss",
        bands=["g", "r", "i"],
        preparation=Preparation(size=48),
        out=tmp_path,
        name="SDSS gri",
    )
    images = ImageSet.open(tmp_path)
    assert images.image_shape == (3, 48, 48)
    assert len(made.images) + len(made.rejected) == 60
    assert len(made.images) >= 58
    colour = images.catalogue["mag_g"] - images.catalogue["mag_r"]
    assert 0.3 < np.nanmedian(colour) < 1.2


def test_hosts_are_camera_pixels(shared_data):
    path = shared_data / "observed" / "sdss-r-with-psf" / "sdss-r-with-psf.h5"
    stamps = list(read_stamps(path, ("r",)))
    assert len(stamps) == 13
    assert not any(stamp.resampled for stamp in stamps)
