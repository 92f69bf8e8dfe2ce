"""Image sets: written whole, read lazily, refused when they do not fit."""

import pickle
import tracemalloc

import h5py
import numpy as np
import pytest
from astropy.table import Table

from simcompare.images.image_set import ImageSet, Stack, part_path, write_part
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.splits import SPLITS, assign_split


def make_part(
    path, n=10, start=0, bands=("g", "r"), psf_side=5, preparation=None, name="toy", columns=None, **changes
):
    rng = np.random.default_rng(start)
    b = len(bands)
    stack = Stack(
        image=rng.normal(size=(n, b, 12, 12)) + np.arange(start, start + n)[:, None, None, None],
        variance=np.ones((n, b, 12, 12)),
        mask=np.zeros((n, b, 12, 12), dtype=np.uint8),
        psf=np.full((n, b, psf_side, psf_side), 1 / psf_side**2),
        quantum=np.full((n, b), 0.005),
    )
    ids = [f"galaxy-{start + i}" for i in range(n)]
    catalogue = Table(
        {
            "galaxy_id": ids,
            "dataset": [name] * n,
            "view": [0] * n,
            "flags": [0] * n,
            "split": [assign_split(item) for item in ids],
        }
    )
    for band in bands:
        for column in ("mag", "sky_sigma", "psf_fwhm"):
            catalogue[f"{column}_{band}"] = rng.normal(size=n)
    catalogue["redshift"] = rng.uniform(size=n)
    for column, values in (columns or {}).items():
        catalogue[column] = values
    catalogue["half_light_radius"] = 1.0
    catalogue["half_light_radius"].unit = "arcsec"
    settings = {
        "name": name,
        "kind": "observed",
        "survey": "sdss",
        "bands": bands,
        "pixel_scale": 0.396,
        "preparation": preparation or Preparation(size=12),
        "provenance": {"seed": 1},
    }
    write_part(path, stack, catalogue, **(settings | changes))
    return stack, catalogue


def test_what_is_written_is_read_back(tmp_path):
    stack, catalogue = make_part(tmp_path / "a.h5")
    images = ImageSet.open(tmp_path / "a.h5")
    assert (len(images), images.name, images.kind, images.survey) == (10, "toy", "observed", "sdss")
    assert images.bands == ("g", "r")
    assert images.pixel_scale == 0.396
    assert images.preparation == Preparation(size=12)
    assert images.provenance == [{"seed": 1}]
    assert images.image_shape == (2, 12, 12)
    np.testing.assert_array_equal(images.read().image, stack.image.astype(np.float32))
    assert images.catalogue["galaxy_id"].tolist() == catalogue["galaxy_id"].tolist()
    assert str(images.catalogue["half_light_radius"].unit) == "arcsec"
    assert not list(tmp_path.glob("*.tmp"))


def test_run_folder_holds_parts_in_order(tmp_path):
    first, _ = make_part(part_path(tmp_path, 0), n=4)
    second, _ = make_part(part_path(tmp_path, 1), n=6, start=4)
    images = ImageSet.open(tmp_path)
    assert len(images) == 10
    whole = np.concatenate([first.image, second.image]).astype(np.float32)
    np.testing.assert_array_equal(images.read().image, whole)
    np.testing.assert_array_equal(images.read(7).image, whole[7:8])
    scrambled = [9, 0, 5, 3, 3]
    np.testing.assert_array_equal(images.read(scrambled).image, whole[scrambled])
    batches = list(images.batches(3))
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([batch.image for batch in batches]), whole)
    with pytest.raises(IndexError):
        images.read(10)


def test_subsets_of_subsets_keep_rows_and_catalogue_together(tmp_path):
    make_part(part_path(tmp_path, 0), n=4)
    make_part(part_path(tmp_path, 1), n=6, start=4)
    images = ImageSet.open(tmp_path)
    before = images.subset([8, 2, 6]).subset([True, False, True])
    assert before.catalogue["galaxy_id"].tolist() == ["galaxy-8", "galaxy-6"]
    assert np.round(before.read().image.mean(axis=(1, 2, 3))).tolist() == [8, 6]
    assert len(images.catalogue) == 10  # from here on subsets share the table already read
    after = images.subset([8, 2, 6]).subset(slice(1, None))
    assert after.catalogue["galaxy_id"].tolist() == ["galaxy-2", "galaxy-6"]
    assert sum(len(images.split(name)) for name in SPLITS) == 10


def test_concat_keeps_names_and_fills_missing_columns(tmp_path):
    make_part(tmp_path / "a.h5", n=3, name="a")
    make_part(tmp_path / "b.h5", n=3, name="b")
    joined = ImageSet.concat(
        ImageSet.open(tmp_path / "a.h5"), ImageSet.open(tmp_path / "b.h5").subset([2, 0])
    )
    assert joined.name == "a+b"
    assert joined.catalogue["dataset"].tolist() == ["a", "a", "a", "b", "b"]
    assert joined.catalogue["galaxy_id"].tolist()[3:] == ["galaxy-2", "galaxy-0"]


def test_concat_leaves_out_galaxies_that_an_earlier_set_has(tmp_path, caplog):
    place = {"ra": np.array([10.0, 10.1, 359.9999]), "dec": np.array([5.0, 5.0, -1.0])}
    make_part(tmp_path / "a.h5", n=3, columns=place)
    make_part(tmp_path / "b.h5", n=3, start=5, columns={"ra": [0.0, 10.0002, np.nan], "dec": [-1, 5.0003, 5]})
    joined = ImageSet.concat(*(ImageSet.open(tmp_path / name) for name in ("a.h5", "b.h5")))
    assert joined.catalogue["galaxy_id"].tolist() == ["galaxy-0", "galaxy-1", "galaxy-2", "galaxy-7"]
    assert "left out 2 images of galaxies that are in an earlier set" in caplog.text


def test_psfs_of_unlike_sides_are_padded(tmp_path):
    make_part(part_path(tmp_path, 0), n=2, psf_side=3)
    make_part(part_path(tmp_path, 1), n=2, start=2, psf_side=7)
    psf = ImageSet.open(tmp_path).read().psf
    assert psf.shape == (4, 2, 7, 7)
    np.testing.assert_allclose(psf.sum(axis=(2, 3)), 1, rtol=1e-6)
    assert (psf[0, 0, :2] == 0).all()


def test_image_set_survives_pickling(tmp_path):
    make_part(tmp_path / "a.h5")
    images = pickle.loads(pickle.dumps(ImageSet.open(tmp_path / "a.h5").subset([1])))
    assert images.catalogue["galaxy_id"].tolist() == ["galaxy-1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"survey": "hsc"}, "survey is sdss"),
        ({"bands": ("r", "g")}, "bands"),
        ({"pixel_scale": 0.2}, "pixel_scale is 0.396"),
        ({"kind": "twins"}, "kind is observed"),
        ({"unit": "8-bit"}, "unit is nanomaggies per pixel"),
        ({"preparation": Preparation(size=12, dither=False)}, "preparation is"),
    ],
)
def test_parts_that_disagree_are_refused(tmp_path, changes, message):
    make_part(part_path(tmp_path, 0))
    make_part(part_path(tmp_path, 1), start=10, **changes)
    with pytest.raises(ValueError, match=message):
        ImageSet.open(tmp_path)


def test_a_pixel_scale_may_differ_by_its_rounding(tmp_path):
    make_part(part_path(tmp_path, 0))
    make_part(part_path(tmp_path, 1), start=10, pixel_scale=0.396 * (1 - 1e-14))
    assert ImageSet.open(tmp_path).pixel_scale == 0.396


def test_foreign_truncated_and_newer_files_are_refused_by_name(tmp_path):
    make_part(tmp_path / "a.h5")
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match=r"cut\.h5.*truncated"):
        ImageSet.open(tmp_path / "cut.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(OSError, match=r"text\.h5"):
        ImageSet.open(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["image"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"foreign\.h5: not an image set"):
        ImageSet.open(tmp_path / "foreign.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["schema"] = 99
    with pytest.raises(ValueError, match="newer simcompare"):
        ImageSet.open(tmp_path / "a.h5")
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        ImageSet.open(tmp_path / "none.h5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no images/part"):
        ImageSet.open(tmp_path / "empty")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda stack, table: stack.image.__setitem__((0, 0, 0, 0), np.nan), "NaN"),
        (lambda stack, table: table.remove_column("mag_r"), "mag_r"),
        (lambda stack, table: table["galaxy_id"].__setitem__(1, table["galaxy_id"][0]), "more than once"),
        (lambda stack, table: table.remove_row(0), "rows"),
    ],
)
def test_inconsistent_parts_are_not_written(tmp_path, spoil, message):
    stack, catalogue = make_part(tmp_path / "a.h5")
    spoil(stack, catalogue)
    with pytest.raises(ValueError, match=message):
        write_part(
            tmp_path / "b.h5",
            stack,
            catalogue,
            name="toy",
            kind="observed",
            survey="sdss",
            bands=("g", "r"),
            pixel_scale=0.396,
            preparation=Preparation(),
        )
    assert not (tmp_path / "b.h5").exists()


def test_a_million_images_open_and_are_read_in_little_memory(tmp_path):
    make_part(part_path(tmp_path, 0), n=1)
    with h5py.File(part_path(tmp_path, 0), "a") as file:
        # Empty chunks take no disk, so the true shapes of 25 parts of 40 000 images can be made at once.
        for name in ("image", "variance", "mask", "psf", "quantum"):
            old = file[name]
            shape, dtype = (40_000, *old.shape[1:]), old.dtype
            del file[name]
            file.create_dataset(name, shape=shape, dtype=dtype, chunks=(16, *shape[1:]))
    for number in range(1, 25):
        part_path(tmp_path, number).write_bytes(part_path(tmp_path, 0).read_bytes())
    tracemalloc.start()
    try:
        images = ImageSet.open(tmp_path)
        assert len(images) == 1_000_000
        assert images.read(999_999).image.shape == (1, 2, 12, 12)
        assert images.read(-1).image.shape == (1, 2, 12, 12)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


def test_settings_travel_through_their_hash():
    one = Preparation(size=32)
    assert Preparation.from_json(one.to_json()) == one
    assert one.hash != Preparation(size=64).hash
    assert one.difference(Preparation(size=64)) == {"size": (32, 64)}
    with pytest.raises(ValueError, match="unknown settings"):
        Preparation.from_json('{"sise":64}')


def test_an_image_set_discloses_no_other_file(tmp_path):
    make_part(tmp_path / "part-0000.h5")
    with h5py.File(tmp_path / "part-0000.h5", "a") as file:
        del file["quantum"]
        file.create_dataset("quantum", (10, 2), "f4", external=[("/etc/passwd", 0, 80)])
    with pytest.raises(ValueError, match=r"quantum keeps its values in another file \(/etc/passwd\)"):
        ImageSet.open(tmp_path)
