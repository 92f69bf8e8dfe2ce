"""8-bit pictures: their own domain, exact up to the dither, never among fluxes."""

import h5py
import numpy as np
import pytest
from PIL import Image

from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.pictures import resize_psf
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.stamps import RawStamp
from simcompare.observed import prepare_observed, read_stamps, recognise
from simcompare.observed.lattice import camera_quantum

PICTURES = Preparation(size=32, domain="8-bit")
SETTINGS = {"survey": "sdss", "bands": ["R", "G", "B"], "name": "pictures"}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "pictures"
    path.mkdir()
    rng = np.random.default_rng(1)
    for i in range(4):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path / f"galaxy-{i}.png")
    return path


def test_png_round_trip_is_exact_with_row_zero_at_the_bottom(folder, tmp_path):
    assert recognise(folder) == "picture-folder"
    made = prepare_observed([folder], preparation=PICTURES, out=tmp_path / "run", **SETTINGS)
    stack = made.images.read(2)
    original = np.asarray(Image.open(folder / "galaxy-2.png"))
    expected = np.moveaxis(original[::-1][4:36, 4:36], -1, 0)
    np.testing.assert_array_equal(np.floor(stack.image[0]), expected)
    assert made.images.unit == "8-bit counts"
    assert (stack.image != np.floor(stack.image)).any()


def test_jpeg_survives_decoding(tmp_path):
    folder = tmp_path / "jpeg"
    folder.mkdir()
    rows, columns = np.indices((48, 48)) - 23.5
    smooth = (200 * np.exp(-(rows**2 + columns**2) / 100)).astype(np.uint8)
    Image.fromarray(np.dstack([smooth] * 3)).save(folder / "a.jpg", quality=95)
    stamp = next(read_stamps(folder, ("R", "G", "B")))
    assert np.abs(stamp.image[0] - smooth[::-1]).max() <= 4


def test_corrupted_and_small_pictures_are_counted(folder, tmp_path):
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(folder / "small.png")
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "zero.png")
    made = prepare_observed([folder], preparation=PICTURES, out=tmp_path / "run", **SETTINGS)
    assert len(made.images) == 4
    assert sorted(made.rejected["reason"]) == [
        "all pixels of the picture are equal",
        "corrupted picture",
        "image of 10 x 10 pixels is smaller than the cut, 32",
    ]


def test_pictures_and_fluxes_never_mix(folder, tmp_path):
    stamp = next(read_stamps(folder, ("R", "G", "B")))
    with pytest.raises(ValueError, match="8-bit pixels among linear ones; prepare them separately"):
        prepare_stamp(stamp, Preparation(size=32), preparation_stream(1, "a"))
    with pytest.raises(ValueError, match=r"bands R, G, B, in this order, not B, G, R"):
        next(read_stamps(folder, ("B", "G", "R")))
    made = prepare_observed([folder], preparation=PICTURES, out=tmp_path / "a", **SETTINGS)
    other = prepare_observed(
        [folder],
        preparation=Preparation(size=32, domain="8-bit", dither=False),
        out=tmp_path / "b",
        **SETTINGS,
    )
    with pytest.raises(ValueError, match="preparation is"):
        ImageSet.concat(made.images, other.images)


def test_real_pictures_at_one_scale(shared_data, tmp_path):
    source = shared_data / "observed" / "sdss-skyserver-rgb" / "sdss-skyserver-rgb.h5"
    small = tmp_path / "small.h5"
    with h5py.File(source, "r") as whole, h5py.File(small, "w") as part:
        part.attrs.update(whole.attrs)
        part["offset"] = whole["offset"][:61]
        part["jpeg_bytes"] = whole["jpeg_bytes"][: whole["offset"][60]]
        for name in ("ra_deg", "dec_deg"):
            part[name] = whole[name][:60]
    assert recognise(small) == "picture-stack"
    made = prepare_observed(
        [small], preparation=Preparation(size=64, domain="8-bit"), out=tmp_path / "run", **SETTINGS
    )
    assert len(made.images) + len(made.rejected) == 60
    assert len(made.images) > 55
    assert made.images.pixel_scale == 0.2
    image = made.images.read(0).image[0, 0]
    assert camera_quantum(image, np.ones_like(image, bool), 0.7, 1.5)[1] < 0.2
    middle = made.images.read().image[:, :, 28:36, 28:36].mean()
    assert middle > 1.5 * np.median(made.images.read().image[:, :, :8].mean(axis=(1, 2, 3)))


def test_a_picture_of_full_counts_stays_within_eight_bits():
    image = np.full((3, 32, 32), 255.0)
    image[:, 0, 0] = 0
    colours = ("R", "G", "B")
    stamp = RawStamp(image, np.ones((3, 1, 1)), 1.0, colours, galaxy_id="x", domain="8-bit")
    rng = np.random.default_rng(0)
    prepared = prepare_stamp(stamp, Preparation(size=32, domain="8-bit"), rng).image
    assert prepared.min() >= 0
    assert prepared.max() < 256
    np.testing.assert_array_equal(np.floor(prepared), image)


@pytest.mark.parametrize("size", [3, 5, 7, 11])
def test_a_psf_keeps_its_middle_when_it_is_cut_or_padded(size):
    psf = np.arange(1.0, 99).reshape(2, 7, 7)
    wide = np.zeros((2, 15, 15))
    wide[:, 4:11, 4:11] = psf
    low = 7 - size // 2
    expected = wide[:, low : low + size, low : low + size]
    found = resize_psf(psf, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected / expected.sum(axis=(1, 2), keepdims=True), rtol=1e-6)
