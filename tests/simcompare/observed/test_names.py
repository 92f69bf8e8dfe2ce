"""Names and places: ids that tell galaxies apart, coordinates that are none, files called alike."""

import logging
import os
import struct
import zlib

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, Table
from PIL import Image

from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.prepare import Preparation
from simcompare.observed import files_of, prepare_observed, read_places, read_stamps
from simcompare.observed.names import names_of, place_in_name, word

RA, DEC = np.array([30.05, 60.05, 90.05]), np.full(3, 10.03)


def galaxies(n=3, side=96):
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    light = np.exp(-np.hypot(rows, columns) / 4)
    noise = 0.02 * np.random.default_rng(1).standard_normal((n, 1, side, side))
    return (60 * light / light.sum() + noise).astype("f4")


def write_stack(path, images=None, **datasets):
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["image"] = galaxies() if images is None else images
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy"})
        if "psf" not in datasets:
            file.attrs["psf_fwhm_arcsec"] = 1.3
        for name, values in datasets.items():
            file[name] = values
    return path


def prepare(paths, out, domain="linear", size=64, **settings):
    bands = "r" if domain == "linear" else ("R", "G", "B")
    options = {
        "survey": "sdss",
        "bands": bands,
        "name": "x",
        "preparation": Preparation(size=size, domain=domain),
    }
    return prepare_observed(paths, out=out, **options | settings)


@pytest.mark.parametrize(
    "ids",
    [
        np.array([1237648720693755918.0, 1237648720693755919.0, 3.0]),  # equal, as floats
        np.array([b"", b"", b""]),
        np.array([b"a", b"a", b"b"]),
    ],
)
def test_names_that_do_not_tell_galaxies_apart_give_way_to_places(ids, tmp_path):
    made = prepare([write_stack(tmp_path / "x.h5", galaxy_id=ids, ra_deg=RA, dec_deg=DEC)], tmp_path / "run")
    assert len(made.images) == len(set(made.images.catalogue["galaxy_id"])) == 3


def test_names_by_ids():
    nowhere = np.full(3, np.nan)
    assert names_of(np.array([7.0, 8.0, 9.0]), RA, DEC, "x") == ["7", "8", "9"]
    assert names_of([b"a", b"", b"b"], nowhere, nowhere, "x") == ["a", "x-1", "b"]
    assert names_of(["a", "a", "b"], nowhere, nowhere, "x") == ["a", "a", "b"]
    assert names_of(np.ma.array([1, 2, 3], mask=[0, 1, 0]), nowhere, nowhere, "x") == ["1", "x-1", "3"]
    assert [word(each) for each in (b"NGC\xc2\xa01300", "a\nb\t c", "\u00c5", b"\xff", "x\x00")] == [
        "NGC 1300", "a b c", "\u00c5", "\u00ff", "x?",
    ]  # fmt: skip


def test_a_repeated_name_without_a_place_is_called_so(tmp_path):
    made = prepare([write_stack(tmp_path / "x.h5", galaxy_id=[b"a", b"a", b"b"])], tmp_path / "run")
    assert made.rejected["reason"].tolist() == ["duplicate: an image of this name was taken before"]


@pytest.mark.parametrize(
    ("ra", "dec"), [(30.05, -120.0), (30.05, np.nan), (np.nan, 10.0), (400.0, 0.0), (-999, -999)]
)
def test_impossible_places_are_one_row(ra, dec, tmp_path):
    path = write_stack(tmp_path / "x.h5", ra_deg=[ra, *RA[1:]], dec_deg=[dec, *DEC[1:]])
    made = prepare([path], tmp_path / "run")
    assert len(made.images) == 2
    assert made.rejected["source_index"].tolist() == ["0"]
    assert any(word in made.rejected["reason"][0] for word in ("not a position on the sky", "incomplete"))
    assert np.isnan(place_in_name("J994200.00-910000.0")).all()


def test_one_bad_row_is_one_row(tmp_path):
    psf = np.stack([gaussian_psf(3.0, 31)] * 6)[:, None]
    psf[1] = 0
    psf[2] = np.nan
    images = galaxies(6)
    images[3] *= 1e35
    images[4, 0, 10, 10] = 1e30  # one absurd pixel of a good image
    images[5] = np.nan
    made = prepare([write_stack(tmp_path / "x.h5", images, psf=psf)], tmp_path / "run", part_size=2)
    assert made.images.catalogue["source_index"].tolist() == ["0", "4"]
    assert made.rejected["source_index"].tolist() == ["1", "2", "3", "5"]
    assert [reason.split(";")[0] for reason in made.rejected["reason"]] == [
        "a PSF sums to 0", "a PSF holds 961 pixels that are not finite",
        "100% of the pixels are bad or masked", "100% of the pixels are bad or masked",
    ]  # fmt: skip
    assert np.abs(made.images.read().image).max() < 100


def test_groups_without_a_psf_are_rows(tmp_path):
    path = tmp_path / "groups.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.168, "units": "AB zero point 27"})
        for name, image in zip("abc", galaxies(), strict=True):
            file[f"objects/{name}/image"] = image
            if name != "b":
                file[f"objects/{name}/psf"] = gaussian_psf(4.0, 31)[None]
    stamps = list(read_stamps(path, ("r",)))
    assert [stamp.problem[:10] for stamp in stamps] == ["", "no PSF; ad", ""]


def test_files_of_one_name_are_different_galaxies(tmp_path, monkeypatch):
    paths = [
        write_stack(tmp_path / folder / "x.h5", galaxies() * factor)
        for folder, factor in (("a", 1), ("b", 2))
    ]
    names = prepare(paths, tmp_path / "run").images.catalogue["galaxy_id"].tolist()
    assert len(set(names)) == 6
    monkeypatch.chdir(tmp_path / "b")
    other = ["x.h5", os.path.join("..", "a", "x.h5")]
    again = prepare(other, tmp_path / "again").images.catalogue["galaxy_id"].tolist()
    assert again == names[3:] + names[:3]
    monkeypatch.chdir(tmp_path)
    resumed = prepare(["a/x.h5", "b/x.h5"], "run").images  # the same content, called otherwise
    assert resumed.catalogue["galaxy_id"].tolist() == names


def test_pictures_of_one_name_in_two_folders(tmp_path):
    rng = np.random.default_rng(1)
    for folder in "ab":
        (tmp_path / folder).mkdir()
        for name in ("1", folder):
            picture = rng.integers(0, 255, (70, 70, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / folder / f"{name}.png")
    made = prepare([tmp_path / "a", tmp_path / "b"], tmp_path / "run", "8-bit")
    assert len(set(made.images.catalogue["galaxy_id"])) == 4


def png(pixels):
    """PNG of 16 bits a colour, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    size = struct.pack(">II", pixels.shape[1], pixels.shape[0])

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    parts = ((b"IHDR", size + bytes([16, 2, 0, 0, 0])), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_pictures_of_16_bits_and_turned_ones(tmp_path, caplog):
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 255, (70, 80, 3), dtype=np.uint8)
    (tmp_path / "deep.PNG").write_bytes(png(pixels.astype(int) * 257))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    (tmp_path / "a.tif").write_bytes(b"x")
    (tmp_path / "list.txt").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert files_of([tmp_path], ("R", "G", "B")) == [tmp_path]
    assert caplog.messages == [f"{tmp_path}: files skipped by their suffix: 1 .tif, 1 .txt"]
    deep, turned = read_stamps(tmp_path, ("R", "G", "B"))
    assert deep.problem == "picture of 16 bits a colour; save it with 8"
    np.testing.assert_array_equal(turned.image, np.moveaxis(np.rot90(pixels, -1)[::-1], -1, 0))


def test_folder_of_fluxes_with_a_preview_is_no_folder_of_pictures(tmp_path):
    write_stack(tmp_path / "x.h5")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "preview.png")
    assert files_of([tmp_path], ("r",)) == [tmp_path / "x.h5"]


def places(tmp_path, text, ending="csv"):
    path = tmp_path / f"places.{ending}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_places(path)


def test_catalogues_in_every_unit(tmp_path):
    expected = [[150.0, 15.5], [2.0, -1.0]]

    def check(table):
        np.testing.assert_allclose([table["ra"], table["dec"]], expected)

    check(places(tmp_path, "ra,dec\n150.0,2.0\n15.5,-1.0\n"))
    check(places(tmp_path, b"\xef\xbb\xbfRA,Dec\n150.0,2.0\n15.5,-1.0\n"))  # as Excel writes it
    check(places(tmp_path, "ra,dec\n10:00:00,+02:00:00\n01:02:00,-01:00:00\n"))
    for unit, factor in ((u.rad, np.deg2rad(1)), (u.hourangle, 1 / 15)):
        table = Table(
            {
                axis: Column(np.array(v) * factor, unit=unit)
                for axis, v in zip(("ra", "dec"), expected, strict=True)
            }
        )
        table.write(tmp_path / "t.ecsv", overwrite=True)
        check(read_places(tmp_path / "t.ecsv"))


def test_rows_without_a_place_are_counted(tmp_path, caplog):
    table = Table(
        {"ra": MaskedColumn([1.0, 1e20, 3.0, 500.0], mask=[0, 1, 0, 0]), "dec": [1.0, 2.0, -100.0, 4.0]}
    )
    table.write(tmp_path / "t.ecsv")
    assert read_places(tmp_path / "t.ecsv")["ra"].tolist() == [1.0]
    assert "3 of 4 rows are left out" in caplog.text
    table["ra"].unit = "mag"
    table.write(tmp_path / "m.ecsv")
    with pytest.raises(ValueError, match="column ra has the unit mag, not an angle"):
        read_places(tmp_path / "m.ecsv")
    with pytest.raises(ValueError, match="column dec holds 'north', not a coordinate"):
        places(tmp_path, "ra,dec\n1,north\n")


def test_a_run_without_any_galaxy_says_so(tmp_path):
    path = write_stack(tmp_path / "x.h5", galaxies()[:0])
    with pytest.raises(ValueError, match=r"no galaxy was found in 1 files, the first .*x\.h5"):
        prepare([path], tmp_path / "run")


def test_a_missing_compression_filter_is_named(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("image", data=galaxies(), chunks=(1, 1, 96, 96), compression="gzip")
        file.attrs.update(
            {"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy", "psf_fwhm_arcsec": 1.3}
        )
    content = path.read_bytes()
    place = content.index(b"deflate") - 8  # its number stands before its name
    assert content[place : place + 2] == b"\x01\x00"
    path.write_bytes(content[:place] + (32767).to_bytes(2, "little") + content[place + 2 :])
    with pytest.raises(ValueError, match=r"filter 32767 \(deflate\).* pip install hdf5plugin"):
        prepare([path], tmp_path / "run")


def test_names_of_another_number_than_images_are_refused(tmp_path):
    path = write_stack(tmp_path / "x.h5", galaxy_id=np.array([b"a", b"b"]))
    with pytest.raises(ValueError, match=r"x\.h5: dataset 'galaxy_id' has 2 rows for 3 images"):
        list(read_stamps(path, ("r",)))


def test_what_is_said_of_shared_names_is_what_is_done(caplog):
    ids, nowhere = np.array([b"a", b"a", b"", b"c"]), np.full(4, np.nan)
    assert names_of(ids, nowhere, nowhere, "x") == ["a", "a", "x-2", "c"]
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "x: 1 of 4 names are empty or repeated: named by position, or else by file and row",
        "x: 2 of 4 galaxies share their names; the first of each is taken",
    ]


@pytest.mark.parametrize(
    ("ra", "dec", "unit"),
    [
        (np.radians([150.0, 151.0]), np.radians([-0.5, 2.0]), "rad"),
        (np.array([150.0, 151.0]), np.array([-0.5, 2.0]), None),
        (np.array([b"10:00:00", b"10:04:00"]), np.array([b"-00:30:00", b"02:00:00"]), None),
    ],
)
def test_places_of_a_stack_by_plain_names_units_and_texts(ra, dec, unit, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"], file["ra"], file["dec"] = np.ones((2, 1, 40, 40), "f4"), ra, dec
        stated = {"bands": "r", "pixel_scale_arcsec": 0.396, "psf_fwhm_arcsec": 1.3}
        file.attrs.update(stated | {"units": np.array([b"nanomaggy"])})
        for name in ("ra", "dec") if unit else ():
            file[name].attrs["unit"] = unit
    stamps = list(read_stamps(tmp_path / "x.h5", ("r",)))
    assert [stamp.ra for stamp in stamps] == pytest.approx([150.0, 151.0])
    assert [stamp.dec for stamp in stamps] == pytest.approx([-0.5, 2.0])


def test_names_of_two_axes_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"], file["galaxy_id"] = np.ones((2, 1, 40, 40), "f4"), np.arange(4).reshape(2, 2)
        stated = {"bands": "r", "pixel_scale_arcsec": 0.396, "psf_fwhm_arcsec": 1.3, "units": "nanomaggy"}
        file.attrs.update(stated)
    with pytest.raises(ValueError, match=r"galaxy_id has shape \(2, 2\)"):
        list(read_stamps(tmp_path / "x.h5", ("r",)))


def test_folders_of_pictures_inside_a_folder_of_pictures_are_said(tmp_path, caplog):
    for folder in (tmp_path, tmp_path / "inner", tmp_path / "empty"):
        folder.mkdir(exist_ok=True)
    for file in (tmp_path / "a.png", tmp_path / "inner" / "b.png"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file)
    assert files_of([tmp_path], ("R", "G", "B")) == [tmp_path]
    assert caplog.messages == [f"{tmp_path}: pictures in folders inside are not read: 1, the first inner"]
