"""The command that fetches, against a server on loopback: targets, bands, lists, dry run, failures."""

import io
import json
import tarfile
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from scipy.ndimage import gaussian_filter

from mocks.readers import open_snapshot, read_ideal_image
from simcompare.cli import main
from simcompare.images.image_set import ImageSet
from simcompare.observed import read_places


def run(server, *words):
    return main(["-q", "fetch", *map(str, words), "--base", server.base, "--rate", "1000"])


def test_frames_of_a_catalogue_are_fetched_once_each(server, tmp_path, capsys):
    rows = {"RA": [1.0, 1.1, 2.0], "run": [94, 94, 1033], "camcol": [1, 1, 2], "field": [131, 131, 12]}
    Table(rows).write(tmp_path / "galaxies.csv")
    out = tmp_path / "frames"
    words = ("sdss-frame", "--targets", tmp_path / "galaxies.csv", "--bands", "gr", "--out", out)
    assert run(server, *words, "--dry-run") == 0
    assert "4 files to fetch, about 0.0132 GB, at least 0 min" in capsys.readouterr().out
    assert server.paths == []
    assert run(server, *words) == 0
    assert "4 files fetched" in capsys.readouterr().out
    assert (out / "frame-g-001033-2-0012.fits.bz2").is_file()
    assert run(server, *words) == 0
    assert "0 files fetched (0.0 MB), 4 there" in capsys.readouterr().out
    assert len(server.paths) == 4
    assert run(server, *words, "--release", "dr16", "--out", tmp_path / "other") == 0
    assert server.paths[-1].startswith("/dr16/eboss/photoObj/frames/301/")


def test_catalogue_query_gives_targets_for_all_the_rest(server, tmp_path):
    server.answer = lambda path: b"#Table1\nobjid,ra,dec,run,camcol,field,z\n7,10.5,-1.0,94,1,131,0.04\n"
    words = ("sdss-catalogue", "--redshift", 0.03, 0.055, "--log-stellar-mass", 10, "--limit", 5000)
    assert run(server, *words, "--out", tmp_path) == 0
    sql = parse_qs(urlsplit(server.paths[0]).query)["cmd"][0]
    assert "TOP 5000" in sql
    assert "BETWEEN 0.03 AND 0.055" in sql
    assert "m.logMass > 10.0" in sql
    places = read_places(tmp_path / "galaxies.csv")
    assert (places["ra"][0], places["z"][0]) == (10.5, 0.04)
    server.answer = lambda path: b"\xff\xd8\xff"
    words = ("skyserver-jpeg", "--targets", tmp_path / "galaxies.csv", "--field", "scale=0.2")
    assert run(server, *words, "--out", tmp_path) == 0
    assert (tmp_path / "J-J004200.00-010000.0.jpg").is_file()
    assert parse_qs(urlsplit(server.paths[-1]).query)["scale"] == ["0.2"]


def test_a_list_of_subhaloes_gives_the_targets_of_their_cutouts(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TNG_API_KEY", "key")
    found = [{"id": number, "mass_log_msun": 11.0} for number in (0, 17, 185)]
    server.answer = lambda path: json.dumps({"count": 3, "next": None, "results": found}).encode()
    fields = ("--field", "simulation=TNG100-1", "--field", "snapshot=95")
    words = ("tng-subhalos", *fields, "--log-stellar-mass", 9.5, "--out", tmp_path)
    assert run(server, *words) == 0
    address = urlsplit(server.paths[0])
    assert address.path == "/TNG100-1/snapshots/95/subhalos/"
    query = parse_qs(address.query)
    assert float(query["mass_stars__gt"][0]) == pytest.approx(10**-0.5 * 0.6774, rel=1e-5)
    assert query["subhaloflag"] == ["1"]
    listing = tmp_path / "TNG100-1-095.json"
    server.answer = lambda path: b"\x89HDF\r\n\x1a\n"
    words = ("tng-cutout", *fields, "--targets", listing)
    assert run(server, *words, "--every", 2, "--out", tmp_path / "stars") == 0
    names = sorted(path.name for path in (tmp_path / "stars").glob("*.hdf5"))
    assert names == ["TNG100-1-095-0.hdf5", "TNG100-1-095-185.hdf5"]
    assert "/TNG100-1/snapshots/95/subhalos/185/cutout.hdf5" in server.paths[-1] + server.paths[-2]
    capsys.readouterr()
    for content, message in (
        ({"count": 0, "results": []}, "no subhalo fulfils the search"),
        ({"count": 9, "results": found}, "lists 3 of 9 subhaloes; delete it and fetch it with a limit of 9"),
        ({"detail": "no key"}, "no list of subhaloes"),
        ({"count": 1, "results": [{"id": "7"}]}, "no list of subhaloes"),
    ):
        listing.write_text(json.dumps(content))
        assert run(server, *words, "--out", tmp_path / "other") == 2
        assert message in capsys.readouterr().err
    assert (
        run(server, "tng-subhalos", "--field=simulation=SIMBA", "--field=snapshot=1", "--out", tmp_path) == 2
    )
    assert "simulation 'SIMBA' is not known" in capsys.readouterr().err


def test_the_answer_to_another_query_is_not_taken_for_this_one(server, tmp_path, capsys):
    server.answer = lambda path: b"#Table1\nra,dec\n10.5,-1.0\n"
    words = ("sdss-catalogue", "--out", tmp_path)
    assert run(server, *words, "--region", 350, 10, -1, 1) == 0
    sql = parse_qs(urlsplit(server.paths[0]).query)["cmd"][0]
    assert "(p.ra > 350.0 OR p.ra < 10.0) AND p.dec BETWEEN -1.0 AND 1.0" in sql
    assert run(server, *words, "--region", 350, 10, -1, 1) == 0
    assert len(server.paths) == 1
    assert run(server, *words, "--region", 0, 10, -1, 1) == 2
    assert "galaxies.csv answers another query (in galaxies.csv.query)" in capsys.readouterr().err


def test_a_catalogue_cut_off_at_its_limit_is_refused(server, tmp_path, capsys):
    """SQL's TOP leaves out rows of the archive's choice; one row less than asked for is the whole answer."""
    server.answer = lambda path: b"#Table1\nra,dec\n10.5,-1.0\n10.6,-1.0\n10.7,-1.0\n"
    galaxies = ("skyserver-jpeg", "--field", "scale=0.2", "--dry-run", "--targets")
    for limit, status in ((3, 2), (4, 0)):
        out = tmp_path / str(limit)
        assert run(server, "sdss-catalogue", "--limit", limit, "--out", out) == 0
        capsys.readouterr()
        assert run(server, *galaxies, out / "galaxies.csv", "--out", tmp_path) == status
        printed = capsys.readouterr()
        assert ("lists 3 galaxies, the most that its query asked for" in printed.err) == (status == 2)
    assert "3 files to fetch" in printed.out


def test_failures_are_listed_and_nothing_at_all_is_an_error(server, tmp_path, capsys):
    Table({"run": [1, 2], "camcol": [1, 1], "field": [1, 1]}).write(tmp_path / "t.ecsv")
    server.answer = lambda path: None if "000002" in path else b"BZh91AY"
    words = ("sdss-frame", "--targets", tmp_path / "t.ecsv", "--bands", "r", "--out", tmp_path / "out")
    assert run(server, *words) == 3
    assert "1 files fetched" in capsys.readouterr().out
    failures = Table.read(tmp_path / "out" / "failures-sdss-frame.ecsv")
    assert failures["path"].tolist() == ["frame-r-000002-1-0001.fits.bz2"]
    assert "HTTP 404" in failures["reason"][0]
    server.answer = lambda path: None
    assert run(server, *words, "--out", tmp_path / "none") == 2
    assert "none of 2 files; the first" in capsys.readouterr().err


def test_bulk_lists_of_cutouts_and_psfs_agree_line_by_line(tmp_path, monkeypatch):
    from simcompare.commands.fetch import _targets
    from simcompare.settings import FetchSettings

    Table({"ra": np.linspace(150, 151, 450), "dec": np.full(450, 2.0)}).write(tmp_path / "t.ecsv")
    lists = {}
    for archive in ("hsc-cutout-bulk", "hsc-psf-bulk"):
        settings = FetchSettings(archive=archive, targets=tmp_path / "t.ecsv", bands="gri")
        lists[archive] = [target["list"].splitlines() for target in _targets(settings)]
    assert [len(lines) for lines in lists["hsc-cutout-bulk"]] == [1000, 352]
    for cutouts, psfs in zip(*lists.values(), strict=True):
        assert [line.split()[:4] for line in cutouts[1:]] == [line.split()[:4] for line in psfs[1:]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sdss"], "archive 'sdss' is unknown; choose from sdss-frame"),
        (["sdss-frame", "--bands", "r"], "needs 'run'; given are band. Fields are columns of --targets"),
        (["skyserver-jpeg", "--field", "scale"], "--field 'scale' is not key=value"),
        (["legacy-fits", "--targets", "none.csv"], "none.csv: no such file"),
        (["hsc-cutout-bulk"], "needs --targets with ra and dec, and --bands"),
        (["tng-image", "--field", "simulation=TNG100-1", "--field", "snapshot=99", "--field", "subhalo=1"],
         "set TNG_API_KEY in the environment"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(server, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.delenv("TNG_API_KEY", raising=False)
    assert run(server, *words, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("unit", ["rad", "deg", "arcsec", None])
def test_places_are_asked_for_in_degrees_whatever_their_unit(server, tmp_path, unit):
    place = {"ra": [200.1] * u.deg, "dec": [-36.9] * u.deg}
    table = Table({name: angle.to(unit or "deg") for name, angle in place.items()})
    if unit is None:
        table["ra"].unit = table["dec"].unit = None
    table.write(tmp_path / "t.fits")
    server.answer = lambda path: b"SIMPLE  = ".ljust(2880)
    assert run(server, "legacy-fits", "--targets", tmp_path / "t.fits", "--out", tmp_path / "out") == 0
    asked = parse_qs(urlsplit(server.paths[-1]).query)
    assert float(asked["ra"][0]) == pytest.approx(200.1, abs=1e-9)
    assert float(asked["dec"][0]) == pytest.approx(-36.9, abs=1e-9)


def test_a_place_that_is_no_angle_is_refused(server, tmp_path, capsys):
    Table({"ra": [1.0] * u.kpc, "dec": [1.0] * u.kpc}).write(tmp_path / "t.fits")
    assert run(server, "legacy-fits", "--targets", tmp_path / "t.fits", "--out", tmp_path / "out") == 2
    assert "column ra has the unit kpc, not an angle" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../../out", "/abs/path", "a/b", "a\nb", "CON"])
def test_names_of_targets_stay_in_the_folder(server, tmp_path, name):
    Table({"ra": [1.0], "dec": [1.0], "name": [name]}).write(tmp_path / "t.fits")
    server.answer = lambda path: b"SIMPLE  = ".ljust(2880)
    assert run(server, "legacy-fits", "--targets", tmp_path / "t.fits", "--out", tmp_path / "out") == 0
    assert len(list((tmp_path / "out").glob("*.fits"))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"t.fits", "out"}


def test_two_targets_of_one_name_are_refused(server, tmp_path, capsys):
    Table({"ra": [1.0, 2.0], "dec": [1.0, 1.0], "name": ["A", "a"]}).write(tmp_path / "t.fits")
    assert run(server, "legacy-fits", "--targets", tmp_path / "t.fits", "--out", tmp_path / "out") == 2
    assert "give each row of the targets a name of its own" in capsys.readouterr().err


def test_archives_are_listed(capsys):
    assert main(["fetch", "list"]) == 0
    assert "eagle-image      http://virgodb" in capsys.readouterr().out


def test_key_of_the_environment_is_sent_and_never_kept(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TNG_API_KEY", "secret-key")
    server.answer = lambda path: b"SIMPLE  = ".ljust(2880)
    words = [f"--field={pair}" for pair in ("simulation=TNG100-1", "snapshot=99", "subhalo=1")]
    assert run(server, "tng-image", *words, "--out", tmp_path) == 0
    assert server.headers[0]["api-key"] == "secret-key"
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret-key" not in kept
    assert "secret-key" not in caplog.text


def fits_bytes(*hdus):
    """Content of a FITS file."""
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def tar_bytes(name, content):
    """Content of a tar of one file."""
    buffer, member = io.BytesIO(), tarfile.TarInfo(name)
    member.size = len(content)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def sky_header(ra, dec, scale, shape, **cards):
    """Header of an image (y, x) around a place."""
    made = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec})
    made["CRPIX2"], made["CRPIX1"] = ((side + 1) / 2 for side in shape)
    made["CD1_1"], made["CD2_2"] = -scale / 3600, scale / 3600
    made.update(cards)
    return made


def aperture_magnitude(image, scale):
    """AB magnitude within 5 arcsec of the middle of an image in nanomaggies."""
    rows, columns = np.indices(image.shape)
    rows, columns = rows - (image.shape[0] - 1) / 2, columns - (image.shape[1] - 1) / 2
    return 22.5 - 2.5 * np.log10(image[np.hypot(rows, columns) * scale < 5].sum())


@pytest.mark.parametrize(
    ("name", "fields", "address", "source", "written"),
    [
        ("sdss-frame", "run=4510 camcol=4 field=30 band=g",
         "/dr17/eboss/photoObj/frames/301/4510/4/frame-g-004510-4-0030.fits.bz2",
         "observed/sdss-frames/frame-g-004510-4-0030.fits.bz2", "frame-g-004510-4-0030.fits.bz2"),
        ("sdss-psfield", "run=94 camcol=1 field=12 release=dr14",
         "/dr14/eboss/photo/redux/301/94/objcs/1/psField-000094-1-0012.fit",
         "observed/sdss-frames/psField-000094-1-0012.fit.gz", "psField-000094-1-0012.fit"),
        ("tng-cutout", "simulation=TNG100-1 snapshot=99 subhalo=565261 fields=Coordinates,Masses",
         "/TNG100-1/snapshots/99/subhalos/565261/cutout.hdf5?stars=Coordinates,Masses",
         "simulated/tng100_sub565261_z0/cutout_stars_565261.hdf5", "TNG100-1-099-565261.hdf5"),
        ("tng-cutout", "simulation=Illustris-1 snapshot=135 subhalo=417175 fields=Coordinates,Masses",
         "/Illustris-1/snapshots/135/subhalos/417175/cutout.hdf5?stars=Coordinates,Masses",
         "simulated/illustris1_snap135_m31_analogs/cutout_417175.hdf5", "Illustris-1-135-417175.hdf5"),
        ("tng-groups", "simulation=TNG100-1 snapshot=99 part=36", "/TNG100-1/files/groupcat-99.36.hdf5",
         "simulated/tng100_groupcat_snap099/tng100-1_fof_subhalo_tab_099.36.hdf5",
         "groups_099/fof_subhalo_tab_099.36.hdf5"),
        ("tng-image", "simulation=Illustris-1 snapshot=135 subhalo=324171",
         "/Illustris-1/snapshots/135/subhalos/324171/skirt/broadband_sdss.fits",
         "simulated/illustris1_skirt_sdss_snap135/broadband_324171.fits",
         "broadband_sdss-Illustris-1-135-324171.fits"),
        ("illustris-image", "simulation=Illustris-1 snapshot=135 subhalo=99155",
         "/Illustris-1/snapshots/135/subhalos/99155/stellar_mocks/broadband.fits",
         "simulated/illustris1_skirt_sdss_snap135/broadband_99155.fits",
         "broadband-Illustris-1-135-99155.fits"),
    ],
)  # fmt: skip
def test_real_files_come_byte_for_byte_from_their_addresses(
    archive, shared_data, tmp_path, monkeypatch, name, fields, address, source, written
):
    monkeypatch.setenv("TNG_API_KEY", "key")
    content = (shared_data / source).read_bytes()
    archive.serve({address: content})
    assert run(archive, name, *(f"--field={pair}" for pair in fields.split()), "--out", tmp_path) == 0
    assert (tmp_path / written).read_bytes() == content
    assert ("api-key" in archive.headers[0]) == (not name.startswith("sdss"))
    if name == "tng-cutout" and "TNG100-1" in fields:
        assert len(open_snapshot(tmp_path / written).read(565261).stars) == 517
    if name.endswith("image"):
        assert read_ideal_image(tmp_path / written).bands == ("g", "r", "i", "z")


def test_real_pictures_of_skyserver_become_an_image_set(archive, shared_data, tmp_path):
    with h5py.File(shared_data / "observed/sdss-skyserver-rgb/sdss-skyserver-rgb.h5") as file:
        places = Table({name: file[f"{name}_deg"][:12] for name in ("ra", "dec")})
        offset = file["offset"][:13]
        pictures = [file["jpeg_bytes"][a:b].tobytes() for a, b in pairwise(offset)]
    places["name"] = [f"galaxy-{i:02d}" for i in range(12)]
    places.write(tmp_path / "targets.ecsv")
    shape = "/dr17/SkyServerWS/ImgCutout/getjpeg?ra={ra}&dec={dec}&scale=0.2&width=120&height=120"
    rows = zip(places, pictures, strict=True)
    archive.serve({shape.format(ra=row["ra"], dec=row["dec"]): content for row, content in rows})
    words = ("--field=scale=0.2", "--field=width=120", "--field=height=120", "--out", tmp_path / "jpeg")
    assert run(archive, "skyserver-jpeg", "--targets", tmp_path / "targets.ecsv", *words) == 0
    assert [path.read_bytes() for path in sorted((tmp_path / "jpeg").iterdir())] == pictures
    words = ("--domain", "8-bit", "--neighbours", "keep", "--workers", 1, "--out", tmp_path / "set")
    assert main(["-q", "prepare", *map(str, (tmp_path / "jpeg", *words))]) == 0
    images = ImageSet.open(tmp_path / "set")
    assert (len(images), images.unit, images.image_shape) == (12, "8-bit counts", (3, 64, 64))


def test_real_pictures_of_a_simulation_become_an_image_set(archive, shared_data, tmp_path):
    """Pictures of Illustris, as EAGLE's, of which there are none to test with, would come."""
    sources = sorted((shared_data / "simulated/illustris1_galaxyzoo_png").glob("*.png"))[:3]
    archive.serve(
        {f"/RefL0100N1504_Subhalo/galface_{i}.png": source.read_bytes() for i, source in enumerate(sources)}
    )
    Table({"galaxy_id": range(3)}).write(tmp_path / "targets.ecsv")
    words = ("--targets", tmp_path / "targets.ecsv", "--out", tmp_path / "png")
    assert run(archive, "eagle-image", *words) == 0
    for i, source in enumerate(sources):
        assert (tmp_path / "png" / f"RefL0100N1504-{i}-face.png").read_bytes() == source.read_bytes()
    words = ("--domain", "8-bit", "--kind", "simulated", "--workers", 1, "--out", tmp_path / "set")
    assert main(["-q", "prepare", *map(str, (tmp_path / "png", *words))]) == 0
    assert len(ImageSet.open(tmp_path / "set")) == 3


def test_real_hsc_cutout_and_psf_become_an_image_set(archive, shared_data, tmp_path, monkeypatch):
    """One by one and in bulk. The pixels are HSC's; the files around them are made here in its layout."""
    monkeypatch.setenv("SSP_PDR_USR", "me")
    monkeypatch.setenv("SSP_PDR_PWD", "secret")
    with h5py.File(shared_data / "observed/hsc-misc/hsc-misc.h5") as file:
        group = file["massive_galaxy/s18a_r_9071"]
        ra, dec = (float(group.attrs[name]) for name in ("crval1", "crval2"))
        image, mask, variance, psf = (group[name][:] for name in ("image", "mask", "variance", "psf"))
    row, column = np.unravel_index(np.argmax(gaussian_filter(np.nan_to_num(image), 3)), image.shape)
    around = slice(row - 140, row + 140), slice(column - 140, column + 140)  # the galaxy in the middle
    image, mask, variance = (each[around] for each in (image, mask, variance))
    header = sky_header(ra, dec, 0.168, image.shape, FLUXMAG0=10 ** (0.4 * 27))
    planes = fits.Header({"MP_BAD": 0, "MP_SAT": 1, "MP_CR": 3, "HIERARCH MP_NO_DATA": 8})
    content = fits_bytes(
        fits.PrimaryHDU(), fits.ImageHDU(image, header, "IMAGE"), fits.ImageHDU(mask, planes, "MASK"),
        fits.ImageHDU(variance, name="VARIANCE"),
    )  # fmt: skip
    psf_content = fits_bytes(fits.PrimaryHDU(psf))
    place = f"ra={ra}&dec={dec}&rerun=pdr3_wide&type=coadd"
    archive.serve({
        f"/das_cutout/pdr3/cgi-bin/cutout?{place}&sw=38arcsec&sh=38arcsec&image=on&mask=on&variance=on"
        "&filter=HSC-R": content,
        f"/psf/pdr3/cgi/getpsf?{place}&filter=r&centered=on": psf_content,
        "/das_cutout/pdr3/cgi-bin/cutout": tar_bytes("arch-1/2-cutout-HSC-R-9071-pdr3_wide.fits", content),
        "/psf/pdr3/cgi/getpsf?bulk=on": tar_bytes("arch-1/2-psf-calexp-pdr3_wide-HSC-R.fits", psf_content),
    })  # fmt: skip
    Table({"ra": [ra], "dec": [dec], "name": ["massive"]}).write(tmp_path / "targets.ecsv")
    words = ("--targets", tmp_path / "targets.ecsv", "--bands", "r", "--out", tmp_path / "hsc")
    assert run(archive, "hsc-cutout", *words, "--field", "half_width=38arcsec") == 0
    assert run(archive, "hsc-psf", *words) == 0
    assert (tmp_path / "hsc/massive-r.fits").read_bytes() == content
    assert (tmp_path / "hsc/massive-r-psf.fits").read_bytes() == psf_content
    words = (*words[:4], "--field", "half_width=38arcsec", "--out", tmp_path / "bulk")
    assert run(archive, "hsc-cutout-bulk", *words) == 0
    assert run(archive, "hsc-psf-bulk", *words) == 0
    with tarfile.open(tmp_path / "bulk/hsc-0000.tar") as tar:
        assert tar.extractfile(tar.next()).read() == content
    asked = f"pdr3_wide HSC-R {ra:.6f} {dec:.6f} 38arcsec 38arcsec true true true coadd"
    assert asked.encode() in archive.posted[0]
    assert all(headers["authorization"].startswith("Basic ") for headers in archive.headers)
    for name in ("hsc", "bulk"):
        options = ("--survey", "hsc-wide", "--bands", "r", "--workers", 1, "--out", tmp_path / f"{name}-set")
        assert main(["-q", "prepare", *map(str, (tmp_path / name, *options))]) == 0
    single, bulk = (ImageSet.open(tmp_path / f"{name}-set") for name in ("hsc", "bulk"))
    expected = aperture_magnitude(image / 63.0957, 0.168)
    assert single.catalogue["mag_r"][0] == pytest.approx(expected, abs=0.1)
    np.testing.assert_array_equal(single.read().image, bulk.read().image)


def test_real_legacy_cutout_and_psf_become_an_image_set(archive, shared_data, tmp_path):
    """The pixels are the Legacy Survey's; the file around them is made here in its layout."""
    with h5py.File(shared_data / "observed/legacy-fits/legacy-fits.h5") as file:
        group = file["dr10_dwarf"]
        cube = np.stack([group[band][:] for band in "grz"])
        psfs = [group[f"psf_{i}"][:] for i in range(3)]
    header = sky_header(150.03, 2.03, 0.262, cube.shape[1:], BANDS="grz", SURVEY="LegacySurvey")
    content = fits_bytes(fits.PrimaryHDU(cube, header))
    psf_content = fits_bytes(fits.PrimaryHDU(psfs[0]), *map(fits.ImageHDU, psfs[1:]))
    place = "ra=150.03&dec=2.03&layer=ls-dr10&bands=grz"
    archive.serve({
        f"/viewer/fits-cutout?{place}&pixscale=0.262&size=256": content,
        f"/viewer/coadd-psf/?{place}": psf_content,
    })  # fmt: skip
    Table({"ra": [150.03], "dec": [2.03], "name": ["dwarf"]}).write(tmp_path / "targets.ecsv")
    for name, written, wanted in (
        ("legacy-fits", "dwarf.fits", content), ("legacy-psf", "dwarf-psf.fits", psf_content),
    ):  # fmt: skip
        words = ("--targets", tmp_path / "targets.ecsv", "--out", tmp_path / "legacy")
        assert run(archive, name, *words) == 0
        assert (tmp_path / "legacy" / written).read_bytes() == wanted
    options = ("--survey", "legacy-decals", "--bands", "grz", "--workers", 1, "--out", tmp_path / "set")
    assert main(["-q", "prepare", *map(str, (tmp_path / "legacy", *options))]) == 0
    row = ImageSet.open(tmp_path / "set").catalogue[0]
    expected = [aperture_magnitude(plane, 0.262) for plane in cube]
    np.testing.assert_allclose([row[f"mag_{band}"] for band in "grz"], expected, atol=0.1)


def test_targets_without_a_position_are_left_out_and_counted(server, tmp_path, caplog):
    """One masked row of a catalogue is one row, not the end of the run."""
    (tmp_path / "t.csv").write_text("ra,dec,name\n200.1,36.9,a\n,36.9,b\n10.2,NULL,c\n20.2,-3.9,d\n")
    words = ("legacy-fits", "--targets", tmp_path / "t.csv", "--bands", "grz", "--out", tmp_path / "o")
    assert main(["fetch", *map(str, words), "--base", server.base, "--rate", "1000", "--dry-run"]) == 0
    assert "t.csv: 2 of 4 rows have no position" in caplog.text
    (tmp_path / "t.csv").write_text("ra,dec\n,1\n")
    assert main(["fetch", *map(str, words), "--base", server.base]) == 2


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "ra,dec\n", "t.csv: a table without rows"),
        ("t.csv", "", "t.csv: a table without rows"),
        ("t.xlsx", "PK", "its ending tells no form; ECSV, CSV, TSV, FITS, VOTable and Parquet are read"),
    ],
)
def test_tables_without_rows_or_of_unknown_form_are_named(tmp_path, capsys, name, text, said):
    """Right is an error: nothing would be fetched, and all would seem well."""
    (tmp_path / name).write_text(text)
    words = ("legacy-fits", "--targets", tmp_path / name, "--bands", "grz", "--out", tmp_path / "o")
    assert main(["fetch", *map(str, words), "--dry-run"]) == 2
    assert said in capsys.readouterr().err


def test_targets_between_tabs(server, tmp_path, capsys):
    (tmp_path / "t.tsv").write_text("ra\tdec\n200.1\t36.9\n")
    words = ("legacy-fits", "--targets", tmp_path / "t.tsv", "--bands", "grz", "--out", tmp_path / "o")
    assert run(server, *words) == 0
    assert parse_qs(urlsplit(server.paths[0]).query)["ra"] == ["200.1"]
