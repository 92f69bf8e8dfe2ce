import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.table import Table
from pydantic import ValidationError

from mocks.readers import open_snapshot
from mocks.toys import toy_galaxies, write_eagle_extract, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands import mock as mock_command
from simcompare.commands.mock import make_mocks
from simcompare.settings import AttributeSettings, MockSettings


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    return write_tng_snapshot(tmp_path_factory.mktemp("toy") / "toy-1", toy_galaxies("toy-1", 5, 3))


def settings(toys, out, **changes):
    usual = {"name": "toy-1", "redshift": 0.05, "size": 32, "workers": 1}
    return MockSettings(inputs=[toys], out=out, **(usual | changes))


def test_same_bits_alone_in_a_batch_and_for_any_worker_count(toys, tmp_path, monkeypatch):
    whole = make_mocks(settings(toys, tmp_path / "whole", views=2))
    monkeypatch.setattr(mock_command, "_IMAGES_PER_PART", 4)
    parts = make_mocks(settings(toys, tmp_path / "parts", views=2, workers=2))
    assert len(parts.files) == 3
    assert len(whole.files) == 1
    assert (whole.read().image == parts.read().image).all()
    subhalo = int(whole.catalogue["subhalo_id"][4])
    alone = make_mocks(settings(toys, tmp_path / "alone", views=2, subhalo=[subhalo]))
    same = np.flatnonzero(whole.catalogue["subhalo_id"] == subhalo)
    assert (whole.read(same).image == alone.read().image).all()


def test_another_seed_is_another_sky(toys, tmp_path):
    first, second = (make_mocks(settings(toys, tmp_path / str(seed), seed=seed)) for seed in (0, 1))
    both = set(first.catalogue["galaxy_id"]) & set(second.catalogue["galaxy_id"])
    same = [each.read(np.isin(each.catalogue["galaxy_id"], list(both))).image for each in (first, second)]
    # Differences of adjacent pixels hold the noise and hardly any galaxy.
    noise = [np.diff(image[..., :3, :], axis=-1).ravel() for image in same]
    assert len(both) >= 3
    assert abs(np.corrcoef(noise)[0, 1]) < 5 / np.sqrt(noise[0].size)


def test_measured_magnitude_is_the_light_in_the_image(toys, tmp_path):
    catalogue = make_mocks(settings(toys, tmp_path / "run", views=3, size=64)).catalogue
    bright = catalogue[(catalogue["true_mag_r"] < 19) & (catalogue["light_outside_r"] < 0.02)]
    assert len(bright) >= 3
    assert np.abs(bright["mag_r"] - bright["true_mag_r"]).max() < 0.15


def test_light_that_the_image_does_not_show_is_said(toys, tmp_path, caplog):
    """In a frame of 8 kpc much of each galaxy is outside; the sum of its pixels tells how much."""
    options = {"redshift": 0.02, "bands": "r", "dust": "none", "size": 48}
    made = make_mocks(settings(toys, tmp_path / "near", **options))
    row = made.catalogue[0]
    shown = row["true_mag_r"] - 2.5 * np.log10(1 - row["light_outside_r"])
    image = made.read(0).image[0, 0].astype(float)
    assert row["light_outside_r"] > 0.1
    # The image is cut from one 8 pixels wider, of which the column speaks, and the PSF carries light away.
    assert shown < 22.5 - 2.5 * np.log10(image.sum()) < shown + 0.15
    said = [record.message for record in caplog.records if "too faint" in record.message]
    assert len(said) == 1
    assert "% of its light is outside the image" in said[0]
    caplog.clear()
    make_mocks(settings(toys, tmp_path / "far", redshift=0.08, dust="none", size=64))
    assert "too faint" not in caplog.text


def test_field_of_view_in_arcsec_and_kpc(toys, tmp_path):
    """The nearest whole number of pixels; the same image as of that number."""
    made = make_mocks(settings(toys, tmp_path / "sky", field_of_view="20 arcsec", subhalo=[1]))
    assert made.image_shape == (1, 51, 51)  # 50.5 pixels of 0.396 arcsec
    snapshot = open_snapshot(toys)
    scale = snapshot.cosmology.kpc_proper_per_arcmin(0.05).to_value("kpc / arcmin") / 60 * 0.396
    far = make_mocks(settings(toys, tmp_path / "kpc", field_of_view="30 kpc", subhalo=[1]))
    assert far.image_shape == (1, round(30 / scale), round(30 / scale))
    assert far.provenance[0]["settings"]["field_of_view"] == "30 kpc"
    usual = make_mocks(settings(toys, tmp_path / "size", size=round(30 / scale), subhalo=[1]))
    assert (far.read().image == usual.read().image).all()
    assert far.preparation.hash == usual.preparation.hash


def test_field_of_view_in_half_mass_radii(toys, tmp_path):
    """Each image spans as many radii of its own galaxy, and keeps the flux."""
    options = {"redshift": 0.03, "size": 32, "dust": "none"}
    made = make_mocks(settings(toys, tmp_path / "run", field_of_view="8 rhalf", **options))
    table = made.catalogue
    snapshot = open_snapshot(toys)
    kpc = snapshot.cosmology.kpc_proper_per_arcmin(0.03).to_value("kpc / arcmin") / 60
    radii = table["pixel_scale"] * 32 * kpc / table["half_mass_radius"]
    assert np.abs(radii - 8).max() < 2 * 0.396 * kpc / table["half_mass_radius"].min()
    assert made.pixel_scale == 0.0
    assert made.preparation.half_mass_radii == 8.0
    bright = table[table["true_mag_r"] < 18]
    assert np.abs(bright["mag_r"] - bright["true_mag_r"]).max() < 0.3


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"field_of_view": "8 light years"}, "is not understood; write '25 arcsec', '50 kpc' or '8 rhalf'"),
     ({"field_of_view": "1 arcsec"}, "is 3 pixels, below 8"),
     ({"field_of_view": "30 kpc", "redshift": None}, "kpc have no angle; give --redshift")],
)  # fmt: skip
def test_fields_of_view_that_cannot_be(toys, tmp_path, changes, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make_mocks(settings(toys, tmp_path / "run", **changes))


def test_centre_is_named_and_can_be_that_of_the_light(toys, tmp_path):
    usual = make_mocks(settings(toys, tmp_path / "usual")).catalogue
    light = make_mocks(settings(toys, tmp_path / "light", centre="light")).catalogue
    assert set(usual["centred_on"]) == {"catalogue"}
    assert set(light["centred_on"]) == {"light"}
    assert (light["light_radius"] > 0).all()
    assert np.median(light["light_radius"] / light["half_mass_radius"]) == pytest.approx(1, abs=0.5)


def test_nebular_light_is_told_and_can_be_left_out(toys, tmp_path, caplog):
    with caplog.at_level("INFO"):
        usual = make_mocks(settings(toys, tmp_path / "usual"))
    share = usual.catalogue["light_nebular_r"]
    assert 0 < share.max() < 0.5
    assert f"% in r (at most {100 * share.max():.1f} %)" in caplog.text
    assert "--no-nebular leaves it out" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        plain = make_mocks(settings(toys, tmp_path / "plain", nebular=False))
    assert set(plain.catalogue["population"]) == {"bc03:nebular=no"}
    assert (plain.catalogue["light_nebular_r"] == 0).all()
    assert "ionised gas around young stars gives" not in caplog.text


@pytest.mark.parametrize(
    ("given", "named"),
    [({}, "bc03"), ({"nebular": True}, "bc03"), ({"nebular": False}, "bc03:nebular=no"),
     ({"nebular": False, "population": "bc03:imf=chabrier"}, "bc03:nebular=no,imf=chabrier"),
     ({"nebular": False, "population": "bc03:nebular=no"}, "bc03:nebular=no")],
)  # fmt: skip
def test_choice_of_nebular_light_is_in_the_population(toys, tmp_path, given, named):
    made = settings(toys, tmp_path, **given)
    assert made.population == named
    assert type(made)(**made.as_dict()).population == named  # as written to and read from a workflow file


@pytest.mark.parametrize(
    ("given", "said"),
    [({"nebular": True, "population": "bc03:nebular=no"}, "bc03:nebular=no contradicts nebular = true"),
     ({"nebular": False, "population": "fsps"}, "only bc03 has")],
)  # fmt: skip
def test_choices_of_nebular_light_that_cannot_be(toys, tmp_path, given, said):
    with pytest.raises(ValueError, match=said):
        settings(toys, tmp_path, **given)


def test_companions_are_counted_and_recorded(toys, tmp_path):
    """Groups of the toy box have stars beside their galaxies."""
    options = {"subhalo": [1], "size": 64, "dust": "none"}
    alone = make_mocks(settings(toys, tmp_path / "alone", **options))
    group = make_mocks(settings(toys, tmp_path / "group", companions="group", **options))
    row, plain = group.catalogue[0], alone.catalogue[0]
    assert 1 <= row["n_companion_stars"] <= 2
    assert row["companion_flux_r"] > 0
    assert "n_companion_stars" not in alone.catalogue.colnames
    for name in ("true_mag_r", "light_outside_r", "n_stars", "stellar_mass"):
        assert row[name] == plain[name]
    assert group.provenance[0]["settings"]["companions"] == "group"
    assert "companions" not in alone.provenance[0]["settings"]


def test_gas_of_companions_is_read_for_dust_from_gas(toys, tmp_path):
    paths = {"inputs": [toys], "out": tmp_path / "run"}
    assert not MockSettings(**paths).needs_gas
    assert MockSettings(**paths, dust="gas-column:cell=0.2").needs_gas
    more = {"real": tmp_path, "model": "sdss-r"}
    assert not AttributeSettings(**paths, **more).needs_gas
    assert AttributeSettings(**paths, **more, dusts="none,gas-column").needs_gas


def test_companions_that_cannot_be_are_refused(toys, tmp_path):
    with pytest.raises(ValidationError, match="neither 'group' nor a radius"):
        settings(toys, tmp_path / "run", companions="everything")
    assert settings(toys, tmp_path / "run", companions=50).companions == "50"


def test_healpix_views_are_named_in_the_catalogue(toys, tmp_path):
    made = make_mocks(settings(toys, tmp_path / "run", views="healpix:12", subhalo=[1]))
    assert made.catalogue["direction"].tolist() == [f"healpix:{i}/12" for i in range(12)]


def test_named_views_show_a_disc_round_and_flat(toys, tmp_path):
    catalogue = make_mocks(settings(toys, tmp_path / "run", views="face-on,edge-on", size=64)).catalogue
    assert set(catalogue["direction"]) == {"face-on", "edge-on"}
    ratio = {
        name: np.median(catalogue["axis_ratio"][catalogue["direction"] == name])
        for name in ("face-on", "edge-on")
    }
    assert ratio["edge-on"] < ratio["face-on"] - 0.2
    assert settings(toys, tmp_path / "run", views=3).directions == ("random",) * 3
    for wrong in ("0", "x,x", "sideways", "random:0", "x:2", "", "10001", "random:99999999999", "9" * 5000):
        with pytest.raises(ValidationError, match="is not a number of random views"):
            settings(toys, tmp_path / "run", views=wrong)


def test_interrupted_run_does_only_what_is_missing(toys, tmp_path, monkeypatch):
    monkeypatch.setattr(mock_command, "_IMAGES_PER_PART", 2)
    whole = make_mocks(settings(toys, tmp_path / "run"))
    images = whole.read().image
    kept, lost = whole.files[0], whole.files[1]
    written = kept.stat().st_mtime_ns
    lost.write_bytes(lost.read_bytes()[:1000])
    again = make_mocks(settings(toys, tmp_path / "run"))
    assert kept.stat().st_mtime_ns == written
    assert (again.read().image == images).all()


@pytest.mark.parametrize("name", ["../../out", "/tmp/simcompare-abs", "a\nb\x1b[2J", "CON", "<b>x</b>"])
def test_hostile_names_of_a_simulation_stay_in_the_run_folder(tmp_path, name):
    toys = write_tng_snapshot(tmp_path / "toy-1", toy_galaxies("toy-1", 2, 3), n_files=1)
    with h5py.File(toys / "output" / "snapdir_099" / "snap_099.0.hdf5", "r+") as file:
        file["Header"].attrs["SimulationName"] = name
    before = set(tmp_path.rglob("*"))
    images = make_mocks(settings(toys, tmp_path / "in" / "run", name=None, fits=True, rgb="rrr"))
    assert all(str(text).isprintable() for text in [images.name, *images.catalogue["galaxy_id"]])
    made = set(tmp_path.rglob("*")) - before
    inside = {path for path in made if path.is_relative_to(tmp_path / "in" / "run")}
    assert made - inside == {tmp_path / "in"}
    assert len(list((tmp_path / "in" / "run" / "fits").iterdir())) == len(images) == 2
    assert not list(Path("/tmp").glob("simcompare-abs*"))


def test_bad_galaxy_is_skipped_counted_and_listed(tmp_path):
    folder = write_tng_snapshot(tmp_path / "toy-1", toy_galaxies("toy-1", 4, 3), n_files=1)
    with h5py.File(folder / "output" / "snapdir_099" / "snap_099.0.hdf5", "r+") as file:
        file["PartType4/Masses"][5] = np.nan
    images = make_mocks(settings(folder, tmp_path / "run"))
    failures = Table.read(tmp_path / "run" / "failures.ecsv")
    assert len(images) == 3
    assert len(failures) == 1
    assert "toy-1" in failures["source"][0]
    assert "mass" in failures["reason"][0].lower()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--survey", "sdsss"], "sdsss"),
        (["--bands", "k"], "k"),
        (["--simulation", "Milennium"], "Milennium"),
        (["--dust", "sand"], "sand"),
        (["--population", "disco"], "disco"),
        (["--min-stellar-mass", "1e15"], "no galaxy"),
        (["--where", "__import__('os')"], "__import__"),
        (["--subhalo", "999999"], "999999"),
    ],
)
def test_wrong_request_is_one_line_and_exit_2(toys, tmp_path, capsys, change, message):
    arguments = ["mock", str(toys), "--out", str(tmp_path / "run"), "--redshift", "0.05", "--size", "32"]
    assert main([*arguments, "--workers", "1", *change]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert "Traceback" not in "".join(said)


def test_redshift_zero_wants_a_distance(toys, tmp_path, capsys):
    assert main(["mock", str(toys), "--out", str(tmp_path / "run"), "--workers", "1"]) == 2
    assert "redshift" in capsys.readouterr().err


def test_truncated_snapshot_is_named(toys, tmp_path, capsys):
    path = tmp_path / "cutout_1.hdf5"
    whole = next((toys / "output" / "snapdir_099").glob("*.0.hdf5"))
    path.write_bytes(whole.read_bytes()[:3000])
    assert main(["mock", str(path), "--out", str(tmp_path / "run"), "--redshift", "0.05"]) == 2
    assert "cutout_1.hdf5" in capsys.readouterr().err


def test_dust_of_gas_that_was_not_read_is_warned_of(shared_data, tmp_path, caplog):
    """One EAGLE extract holds gas, whose dust takes light, the other none."""
    magnitudes = {}
    for folder, dust in (("snap25_subsample", "gas-column:geometry=screen"), ("snap25_subsample", "none"),
                         ("gn92_sgn9_snap28", "gas-column")):  # fmt: skip
        inputs = [next((shared_data / "simulated" / f"eagle_{folder}").glob("*.hdf5"))]
        out = tmp_path / f"{folder}-{dust}"
        made = make_mocks(MockSettings(inputs=inputs, out=out, redshift=0.05, dust=dust, workers=1))
        row = made.catalogue[0]
        magnitudes[folder, dust] = row["true_mag_r"]
        assert row["dust"] == dust
        assert (row["n_gas"] > 0) == (folder == "snap25_subsample")
        assert ("no gas was read" in caplog.text) == (folder == "gn92_sgn9_snap28")
    assert magnitudes["snap25_subsample", "gas-column:geometry=screen"] == pytest.approx(
        magnitudes["snap25_subsample", "none"] + 0.43, abs=0.02
    )


def test_a_changed_file_is_observed_again_in_the_same_folder(tmp_path, caplog):
    """Masses doubled in place: size and time stay; a copy of the same content is not made again."""
    path, out = tmp_path / "one.hdf5", tmp_path / "mocks"
    write_eagle_extract(path, toy_galaxies("toy-1", 1, 3))
    first = make_mocks(settings(path, out)).catalogue["stellar_mass"][0]
    before = path.stat()
    with h5py.File(path, "r+") as file:
        for name in ("Mass", "InitialMass"):
            file[f"PartType4/{name}"][:] *= 2
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    images = make_mocks(settings(path, out))
    assert images.catalogue["stellar_mass"][0] == pytest.approx(2 * first)
    assert "one.hdf5 has changed; images of 1 galaxies are made again" in caplog.text
    written = images.files[0].stat().st_mtime_ns
    shutil.copy(path, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    assert make_mocks(settings(path, out)).files[0].stat().st_mtime_ns == written


@pytest.mark.parametrize("aperture", ["3 pc", "0 kpc", "-3 kpc", "3 arcsec", "half"])
def test_an_aperture_that_is_none_is_refused_before_anything_is_read(tmp_path, aperture):
    with pytest.raises(ValueError, match=f"aperture '{aperture}' is not understood; write '30 kpc'"):
        make_mocks(settings(Path(__file__), tmp_path / "o", aperture=aperture))
