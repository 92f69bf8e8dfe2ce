"""The verbs that make image sets of real galaxies: each option does what it says."""

import bz2
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from mocks import SkyBank
from mocks.observing.psf import gaussian_psf
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands.mock import make_mocks
from simcompare.commands.planning.dry_run import estimate
from simcompare.commands.prepare import make_image_set, preparation_of
from simcompare.images.image_set import ImageSet
from simcompare.observed import files_of, prepare_observed, read_places
from simcompare.settings import MockSettings, PrepareSettings


def write_stack(path, n=3, side=96, dec=-5.03, **attributes):
    """Toy galaxies in a generic stack that says all but what a test leaves out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    light = np.exp(-np.hypot(rows, columns) / 3)
    with h5py.File(path, "w") as file:
        noise = 0.02 * rng.standard_normal((n, 1, side, side))
        file["image"] = (60 * light / light.sum() + noise).astype("f4")
        file["psf"] = gaussian_psf(3.0, 31)[None]
        file["ra_deg"], file["dec_deg"] = 10.03 + 0.5 * np.arange(n), np.full(n, dec)
        file.attrs.update({"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy"} | attributes)
    return path


def run(*words):
    return main(["-q", *map(str, words)])


def test_size_in_arcsec_and_in_radii(tmp_path):
    stack = write_stack(tmp_path / "stack.h5")
    assert run("prepare", stack, "--out", tmp_path / "arcsec", "--arcsec", 12.67) == 0
    assert ImageSet.open(tmp_path / "arcsec").image_shape == (1, 32, 32)
    assert run("prepare", stack, "--out", tmp_path / "radii", "--size", 32, "--radii", 5) == 0
    scaled = ImageSet.open(tmp_path / "radii")
    assert (scaled.image_shape, scaled.pixel_scale) == ((1, 32, 32), 0)
    table = scaled.catalogue
    np.testing.assert_allclose(32 * table["pixel_scale"], 5 * table["petrosian_radius"], rtol=0.05)
    assert run("twins", tmp_path / "radii", "--out", tmp_path / "twins") == 2
    settings = PrepareSettings(inputs=[stack], out=tmp_path, neighbours="keep")
    assert preparation_of(settings, 0.396).neighbours == "keep"


def test_every_second_image_and_on_from_where_it_stopped(tmp_path):
    stack = write_stack(tmp_path / "stack.h5", n=9)
    whole = make_image_set(PrepareSettings(inputs=[stack], out=tmp_path / "whole", workers=1))
    ids = list(whole.catalogue["galaxy_id"])
    words = {"survey": "sdss", "bands": "r", "preparation": whole.preparation, "name": "half", "every": 2}
    half = prepare_observed([stack], out=tmp_path / "half", part_size=2, **words).images
    assert list(half.catalogue["galaxy_id"]) == ids[::2]
    half.files[-1].unlink()
    again = prepare_observed([stack], out=tmp_path / "half", part_size=2, **words).images
    assert list(again.catalogue["galaxy_id"]) == ids[::2]


def test_units_and_scale_that_a_file_does_not_fit_are_named(tmp_path, capsys):
    stack = write_stack(tmp_path / "stack.h5")
    with h5py.File(stack, "a") as file:
        del file.attrs["units"]
    assert run("prepare", stack, "--out", tmp_path / "a") == 2
    assert "attribute 'units' is missing" in capsys.readouterr().err
    assert run("prepare", stack, "--out", tmp_path / "a", "--units", "AB zero point 27") == 0
    assert np.median(ImageSet.open(tmp_path / "a").catalogue["mag_r"]) == pytest.approx(22.55, abs=0.1)
    assert run("prepare", stack, "--units", "nmgy", "--out", tmp_path / "b", "--survey", "hsc-wide") == 2
    assert "pixels of 0.396 arcsec, but those of hsc-wide are 0.168" in capsys.readouterr().err


def test_pictures_have_their_own_domain(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    assert run("prepare", folder, "--out", tmp_path / "run", "--domain", "8-bit", "--size", 32) == 0
    images = ImageSet.open(tmp_path / "run")
    assert (images.bands, images.unit, len(images)) == (("R", "G", "B"), "8-bit counts", 3)
    assert run("info", tmp_path / "run") == 0


def test_one_bad_file_among_several_is_counted_and_the_rest_goes_on(tmp_path):
    good = [write_stack(tmp_path / f"{name}.h5", dec=dec) for name, dec in (("a", 1.03), ("bb", 3.03))]
    (tmp_path / "cut.h5").write_bytes(good[0].read_bytes()[:5000])
    (tmp_path / "frame-r-000001-1-0001.fits.bz2").write_bytes(bz2.compress(b"SIMPLE  = T")[:-5])
    bad = [tmp_path / "cut.h5", tmp_path / "frame-r-000001-1-0001.fits.bz2"]
    assert run("prepare", good[0], *bad, good[1], "--out", tmp_path / "run") == 3
    failures = Table.read(tmp_path / "run" / "failures.ecsv")
    assert failures["source"].tolist() == [path.name for path in bad]
    assert "damaged or truncated" in failures["reason"][0]
    assert failures["kind"].tolist() == ["input", "input"]
    assert len(ImageSet.open(tmp_path / "run")) == 6
    for path in bad:
        assert run("prepare", path, "--out", tmp_path / "alone") == 2


def test_folders_stand_for_the_files_in_them(tmp_path):
    write_stack(tmp_path / "data" / "deep" / "a.h5")
    names = ("b-g.fits", "b-r.fits", "b-r-psf.fits", "frame-r-000001-1-0001.fits.bz2", "notes.txt")
    names += ("frame-g-000001-1-0001.fits.bz2", "psField-000001-1-0001.fit", "stack.fits", "x-psf.tar")
    for name in names:
        (tmp_path / "data" / name).write_bytes(b"")
    found = [path.name for path in files_of([tmp_path / "data"], ("r", "g"))]
    assert found == ["b-r.fits", "a.h5", "frame-r-000001-1-0001.fits.bz2", "stack.fits"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty: no \.fits"):
        files_of([tmp_path / "empty"], ("r",))
    assert run("prepare", tmp_path / "data" / "deep", "--out", tmp_path / "run") == 0
    assert len(ImageSet.open(tmp_path / "run")) == 3


def test_info_describes_a_selection(tmp_path, capsys):
    run("prepare", write_stack(tmp_path / "stack.h5"), "--out", tmp_path / "run")
    capsys.readouterr()
    assert run("info", tmp_path / "run", "--where", "mag_r < 30") == 0
    text = capsys.readouterr().out
    assert "3 images of 3 galaxies (observed, sdss, r), 64 x 64 pixels of 0.396 arcsec" in text
    assert "| mag_r [mag] |" in text
    assert run("info", tmp_path / "run", "--where", "mag_r > 30") == 2


def test_bands_after_rows_are_refused(tmp_path, capsys):
    path = tmp_path / "stack.h5"
    with h5py.File(write_stack(path), "a") as file:
        image = np.moveaxis(file["image"][:], 1, -1)
        del file["image"]
        file["image"] = image
    assert run("prepare", path, "--out", tmp_path / "run") == 2
    message = "images have shape (3, 96, 96, 1) for the bands r; (n, 1, y, x) is needed"
    assert message in capsys.readouterr().err


def test_export_by_the_command_line(tmp_path):
    run("prepare", write_stack(tmp_path / "stack.h5"), "--out", tmp_path / "run")
    assert run("export", tmp_path / "run", "--out", tmp_path / "fits", "--where", "ra < 10.6") == 0
    assert len(list((tmp_path / "fits").glob("*.fits"))) == 2
    assert run("export", tmp_path / "run", "--out", tmp_path / "mmu.h5", "--layout", "mmu") == 0
    with h5py.File(tmp_path / "mmu.h5") as file:
        assert file["image_array"].shape == (3, 1, 64, 64)


def test_the_same_galaxy_in_two_sets_is_on_one_side(tmp_path):
    for name, dec in (("one", 2.03), ("two", 2.03 + 0.4 / 3600)):
        run("prepare", write_stack(tmp_path / f"{name}.h5", n=16, dec=dec), "--out", tmp_path / name)
    one, two = (ImageSet.open(tmp_path / name) for name in ("one", "two"))
    assert one.catalogue["split"].tolist() == two.catalogue["split"].tolist()
    assert len(set(one.catalogue["split"])) == 3
    assert not set(one.catalogue["galaxy_id"]) & set(two.catalogue["galaxy_id"])
    assert len(ImageSet.concat(one, two)) == len(one)


def test_catalogue_says_where_to_cut_a_real_frame(shared_data, tmp_path):
    source = shared_data / "observed" / "sdss-frames" / "frame-r-004510-4-0030.fits.bz2"
    shutil.copy(source, tmp_path)
    stack = h5py.File(shared_data / "observed" / "sdss-ugriz-stamps" / "sdss-ugriz-stamps.h5")
    in_field = stack["field_index"][:] == [name.decode() for name in stack["field_id"]].index("004510-4-0030")
    places = Table({name: stack[name][:][in_field] for name in ("ra_deg", "dec_deg", "mag_r")})
    places.add_row((10.0, -20.0, 15.0))  # elsewhere on the sky
    places.write(tmp_path / "places.csv", comment="#Table1")
    catalogue = read_places(tmp_path / "places.csv")
    assert (catalogue.colnames, len(catalogue)) == (["ra", "dec", "mag_r"], in_field.sum() + 1)
    frame, out = tmp_path / source.name, tmp_path / "run"
    made = make_image_set(PrepareSettings(inputs=[frame], out=out, catalogue=tmp_path / "places.csv"))
    failed = out / "failures.ecsv"
    assert len(made) + (len(Table.read(failed)) if failed.exists() else 0) == in_field.sum()
    table = made.catalogue
    assert np.abs(np.median(table["mag_r"] - table["catalogue_mag_r"])) < 0.05
    expected = estimate(PrepareSettings(inputs=[frame], out=tmp_path / "other"))
    assert expected.bytes == pytest.approx((out / "sky.h5").stat().st_size, rel=0.5)
    # The sky of the field is kept for mocks, which take it with the conditions.
    bank = SkyBank.load(out / "sky.h5")
    assert (bank.bands, len(bank), bank.image.shape[-1]) == (("r",), 200, made.preparation.window)
    toys = write_tng_snapshot(tmp_path / "toy-1", toy_galaxies("toy-1", 1, 3))
    usual = {"inputs": [toys], "name": "toy-1", "redshift": 0.1, "workers": 1, "conditions": out}
    for sky, start in ((None, "real sky, SDSS 004510-4-0030 row"), (Path("model"), "SDSS row")):
        mocks = make_mocks(MockSettings(**usual, sky=sky, out=tmp_path / f"mock-{sky}"))
        assert mocks.catalogue["conditions"][0].startswith(start)
    other = write_stack(tmp_path / "a.h5")
    assert run("prepare", other, "--out", tmp_path / "b", "--catalogue", tmp_path / "places.csv") == 2


def test_tables_without_places_are_refused(tmp_path):
    Table({"name": ["a"]}).write(tmp_path / "a.ecsv")
    with pytest.raises(ValueError, match=r"no columns ra and dec .*; it has name"):
        read_places(tmp_path / "a.ecsv")
    (tmp_path / "b.fits").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a table that can be read"):
        read_places(tmp_path / "b.fits")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_places(tmp_path / "c.csv")
    Table({"RA": [np.nan, 1.0], "Dec": [0.0, 95.0]}).write(tmp_path / "d.ecsv")
    with pytest.raises(ValueError, match="none of its 2 rows has a position"):
        read_places(tmp_path / "d.ecsv")
