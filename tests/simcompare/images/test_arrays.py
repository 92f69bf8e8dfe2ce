"""Images in memory become an image set: the same as from a file, and nothing that does not fit."""

import gc
import pickle

import astropy.units as u
import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table

from mocks.observing.psf import gaussian_psf
from simcompare.cli import main
from simcompare.images.contact_sheet import Stretch, contact_sheet
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation

PSF = gaussian_psf(3.3, 25)
SMALL = Preparation(size=32)


@pytest.fixture(scope="module")
def pixels():
    rng, (y, x) = np.random.default_rng(1), np.mgrid[:48, :48] - 24.0
    profiles = [40 * np.exp(-np.hypot(x, y) / r) / r**2 for r in (2.0, 3.0, 4.0)]
    return np.array(profiles) + rng.normal(0, 0.02, (3, 48, 48))


def test_arrays_are_prepared_as_files_are(stamps, tmp_path):
    assert main(["prepare", str(stamps), "--out", str(tmp_path), "--workers", "1"]) == 0
    of_file = ImageSet.open(tmp_path)
    with h5py.File(stamps) as file:
        image, where = file["image"][:], {"ra": file["ra_deg"][:], "dec": file["dec_deg"][:]}
    rows = np.array([int(row) for row in of_file.catalogue["source_index"]])
    names = np.full(len(image), "gone from the other set", object)
    names[rows] = of_file.catalogue["galaxy_id"]
    of_arrays = ImageSet.from_arrays(
        image[rows], bands="r", psf=of_file.read(0).psf[0], kind="observed",
        catalogue={"galaxy_id": names[rows], **{name: values[rows] for name, values in where.items()}},
    )  # fmt: skip
    assert of_arrays.preparation_hash == of_file.preparation_hash
    np.testing.assert_array_equal(of_arrays.read().image, of_file.read().image)
    for name in ("mag_r", "sky_sigma_r", "split", "flags"):
        assert of_arrays.catalogue[name].tolist() == of_file.catalogue[name].tolist(), name


def test_units_and_axes_are_understood(pixels):
    options = {"psf": PSF, "preparation": SMALL}
    bare = ImageSet.from_arrays(pixels, bands="r", **options)
    janskys = ImageSet.from_arrays(
        pixels * 3.631 * u.uJy, bands=["r"], pixel_scale=0.396 * u.arcsec, **options
    )
    np.testing.assert_allclose(janskys.read().image, bare.read().image, rtol=1e-4, atol=1e-6)
    assert (bare.survey, bare.pixel_scale, bare.image_shape) == ("sdss", 0.396, (1, 32, 32))
    two = ImageSet.from_arrays(np.stack([pixels, 2 * pixels], axis=1), bands="gr", **options)
    colour = two.catalogue["mag_g"] - two.catalogue["mag_r"]
    np.testing.assert_allclose(colour, 2.5 * np.log10(2), atol=1e-3)


def test_variance_is_kept_where_the_pixels_are(pixels):
    variance = np.arange(1.0, 1 + pixels.size).reshape(pixels.shape)
    images = ImageSet.from_arrays(
        pixels, bands="r", psf=PSF, variance=variance * u.Unit("nmgy2"), preparation=SMALL
    )
    for k, row in enumerate(images.catalogue):
        window = np.s_[4 + row["cut_y"] :, 4 + row["cut_x"] :]  # of 48 pixels, 40 are looked at
        given = variance[k][window][:32, :32]
        kept, mask = images.read(k).variance[0, 0], images.read(k).mask[0, 0]
        np.testing.assert_allclose(kept[mask == 0], given[mask == 0].astype(np.float32))
        assert (mask == 0).mean() > 0.9


def test_names_views_and_columns_of_the_catalogue(pixels):
    table = Table({"galaxy_id": ["a", "b", "a"], "halo_mass": [1e12, 2e12, 1e12] * u.Msun})
    images = ImageSet.from_arrays(pixels, bands="r", psf=PSF, catalogue=table, preparation=SMALL, name="mine")
    assert images.name == "mine"
    assert images.catalogue["view"].tolist() == [0, 0, 1]
    assert images.catalogue["halo_mass"].tolist() == [1e12, 2e12, 1e12]
    assert set(images.catalogue["split"]) == {"test"}


def test_what_cannot_be_prepared_is_left_out_and_said(pixels, caplog):
    blank = np.zeros_like(pixels[:1])
    images = ImageSet.from_arrays(np.concatenate([blank, pixels]), bands="r", psf=PSF, preparation=SMALL)
    assert len(images) == 3
    assert "left out arrays-0" in caplog.text
    with pytest.raises(ValueError, match="no image could be prepared; the first reason: image is missing"):
        ImageSet.from_arrays(blank, bands="r", psf=PSF, preparation=SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((3, 2, 48, 48))}, r"shape \(3, 2, 48, 48\); \(n, 1 band r, y, x\) is needed"),
        ({"images": np.zeros((3, 48, 48, 3)), "bands": "gri"}, r"bands last.*moveaxis\(images, -1, 1\)"),
        ({"images": np.zeros((48, 48))}, r"shape \(48, 48\)"),
        ({"images": np.zeros((0, 1, 48, 48))}, "they are empty"),
        ({"images": np.zeros((3, 48, 48), np.uint8)}, "8-bit"),
        ({"images": np.zeros((3, 48, 48)) * u.m}, "images are in m; give nmgy"),
        ({"bands": "rr"}, "name each once"),
        ({"bands": "x"}, "x"),
        ({"pixel_scale": -1}, "pixel_scale is -1"),
        ({"pixel_scale": 1 * u.kpc}, "kpc"),
        ({"psf": np.ones((4, 4))}, "no central pixel"),
        ({"psf": np.ones((2, 5, 5))}, r"psf has shape \(2, 5, 5\)"),
        ({"psf": np.full((5, 5), np.nan)}, "not finite"),
        ({"psf": np.eye(25)[:, ::-1] * np.arange(25)}, "not centred"),
        ({"variance": np.ones((3, 32, 32))}, "the images have"),
        ({"variance": np.zeros((3, 48, 48))}, "variance is 0.0 at image 0, band 0, y 0, x 0, one of 6912"),
        ({"variance": np.ones((3, 48, 48)) * u.Jy}, "variance are in Jy"),
        ({"catalogue": {"galaxy_id": ["a"]}}, "1 rows for 3 images"),
        ({"catalogue": {"split": ["tset"] * 3}}, "tset"),
        ({"catalogue": {"xy": np.zeros((3, 2))}}, "several values in a row"),
        ({"catalogue": {"galaxy_id": ["a"] * 3, "view": [0, 1, 1]}}, "more than once"),
        ({"kind": "real"}, "known kinds are observed"),
        ({"survey": "sdds"}, "sdds"),
        ({"preparation": Preparation(size=64)}, "smaller than the cut of 64"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(pixels, change, message):
    given = {"images": pixels, "bands": "r", "psf": PSF, "preparation": SMALL} | change
    with pytest.raises(ValueError, match=message):
        ImageSet.from_arrays(given.pop("images"), **given)


def test_wrong_types_and_names_are_refused(pixels):
    with pytest.raises(TypeError, match="numbers is needed"):
        ImageSet.from_arrays(np.array([["a"]]), bands="r", psf=PSF)
    with pytest.raises(TypeError, match="nmae"):
        ImageSet.from_arrays(pixels, bands="r", psf=PSF, nmae="mine")


def test_the_temporary_folder_goes_with_the_last_of_its_images(pixels):
    images = ImageSet.from_arrays(pixels, bands="r", psf=PSF, preparation=SMALL)
    folder = images.folder
    assert folder.is_dir()
    elsewhere = pickle.loads(pickle.dumps(images))
    assert elsewhere.kept == ()
    first = images.subset([0])
    assert first.folder is None
    del images
    gc.collect()
    assert len(first.read()) == 1
    del first
    gc.collect()
    assert not folder.exists()


def test_a_set_and_a_choice_from_it_are_saved(pixels, tmp_path):
    images = ImageSet.from_arrays(pixels, bands="r", psf=PSF, preparation=SMALL, name="mine")
    saved = images.subset([2, 0]).save(tmp_path / "two", n_per_part=1)
    assert saved.folder == tmp_path / "two"
    assert len(saved.files) == 2
    np.testing.assert_array_equal(saved.read().image, images.read([2, 0]).image)
    assert saved.catalogue["mag_r"].tolist() == images.catalogue["mag_r"][[2, 0]].tolist()
    with pytest.raises(ValueError, match="holds an image set already"):
        images.save(tmp_path / "two")
    with pytest.raises(ValueError, match="nothing to save"):
        images.subset([]).save(tmp_path / "none")


def test_a_set_is_shown_in_a_line_a_table_and_a_sheet(pixels):
    images = ImageSet.from_arrays(pixels, bands="r", psf=PSF, preparation=SMALL, name="<mine>")
    assert repr(images) == "<ImageSet '<mine>': 3 simulated sdss r>"
    shown = images._repr_html_()
    assert "&lt;mine&gt;" in shown
    assert "3 of 3 galaxies, simulated" in shown
    ax = images.plot(2)
    assert ax.get_title() == "<mine>: 2 of 3 images"
    assert ax.images[0].get_array().shape == (32, 65)
    plt.close(ax.figure)


def test_a_contact_sheet_fills_rows_from_the_top():
    images = np.arange(1.0, 4.0)[:, None, None, None] * np.ones((3, 1, 2, 2)) / 4
    sheet = contact_sheet(images, Stretch((1e9,), 0.0, 1e-9), n_columns=2)
    expected = [[3, 3, 4, 4, 4], [3, 3, 4, 4, 4], [4, 4, 4, 4, 4], [1, 1, 4, 2, 2], [1, 1, 4, 2, 2]]
    np.testing.assert_allclose(sheet, np.array(expected) / 4, atol=1e-6)
