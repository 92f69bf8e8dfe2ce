"""Workflows that start from the archives: complete as written, and run to the report on real files."""

import io
import json
import tarfile
import tomllib
from typing import get_args

import h5py
import numpy as np
import pytest
import tomli_w
from astropy.io import fits
from astropy.table import Table

from simcompare.archives.services import archive_url, sdss_galaxy_query
from simcompare.cli import main
from simcompare.commands.planning.workflow import plan_workflow, read_workflow
from simcompare.commands.workflows.init import recipe
from simcompare.comparison.report_table import read_comparison
from simcompare.images.image_set import ImageSet
from simcompare.pages import sections
from simcompare.settings import InitSettings

FIELD = "observed/sdss-field-000094-1-0012"
HERE = "http://here"
M31_ANALOGUES = (417175, 420815, 433516)  # of Illustris-1
RECIPES = list(get_args(get_args(InitSettings.model_fields["recipe"].annotation)[0]))


@pytest.fixture(autouse=True)
def few_figures(monkeypatch):
    """Leave out figures that other tests draw."""
    for name in ("draw_scores", "draw_properties", "draw_checks"):
        monkeypatch.setattr(sections, name, lambda *_: None)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_leaves_nothing_to_fill_in(tmp_path, capsys, monkeypatch, name):
    """Every file that a step reads comes from a step before, and the dry run counts it all."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--recipe", name, "w.toml"]) == 0
    assert "simcompare run w.toml --dry-run" in (tmp_path / "w.toml").read_text()
    steps = plan_workflow(read_workflow("w.toml"))
    assert (steps[0].verb, steps[-1].verb) == ("fetch", "report")
    made = []
    for step in steps:
        values = [getattr(step.settings, key) for key in step.settings.path_names() if key != "out"]
        for value in values:
            for path in value if isinstance(value, list) else [value]:
                shipped = path is None or str(path) in ("sdss-r", "sdss-r-twins")
                assert shipped or any(folder in (path, *path.parents) for folder in made), (step.verb, path)
        made.append(step.folder)
    capsys.readouterr()
    assert main(["run", "w.toml", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(steps) + 3
    assert all(int(line.split()[1].replace(",", "")) > 0 for line in lines[1 : 1 + len(steps)])
    assert lines[-2].startswith("left to do")
    assert [path.name for path in tmp_path.iterdir()] == ["w.toml"]


def test_an_unknown_recipe_and_a_file_that_is_there_are_refused(tmp_path, capsys):
    assert main(["init", "--recipe", "eagle", str(tmp_path / "a.toml")]) == 2
    assert "sdss-tng" in capsys.readouterr().err
    assert main(["init", "--recipe", "camels", "--all", str(tmp_path / "a.toml")]) == 2
    assert "leave out --all" in capsys.readouterr().err


def field_catalogue(shared_data):
    """What SkyServer gives, of the galaxies that SDSS found in a field; their redshifts are made up."""
    photo = Table.read(shared_data / FIELD / "photoObj-000094-1-0012.fits.gz", hdu=1)
    bright = photo["PETROFLUX"][:, 2] > 10 ** (0.4 * (22.5 - 20.3))
    photo = photo[(photo["OBJC_TYPE"] == 3) & (photo["NCHILD"] == 0) & bright]
    lines = ["#Table1", "objid,ra,dec,run,rerun,camcol,field,petroMag_r,z,logMass"]
    for i, row in enumerate(photo):
        place = f"{row['RA']:.6f},{row['DEC']:.6f},94,301,1,12"
        magnitude = 22.5 - 2.5 * np.log10(row["PETROFLUX"][2])
        lines.append(f"{i + 1},{place},{magnitude:.3f},{0.03 + 1e-4 * i:.4f},{9.6 + 0.01 * i:.2f}")
    return "\n".join(lines).encode()


def listed(*numbers):
    """Answer of the TNG site to a search."""
    return json.dumps({"count": len(numbers), "next": None, "results": [{"id": n} for n in numbers]}).encode()


def test_sdss_tng_runs_from_the_archives_to_the_report(archive, shared_data, tmp_path, monkeypatch, capsys):
    """Frame, PSF and catalogue of a real field, cut-outs of TNG100 and Illustris; of TNG50 there are none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TNG_API_KEY", "key")
    assert main(["init", "--recipe", "sdss-tng", "w.toml"]) == 0
    content = tomllib.loads((tmp_path / "w.toml").read_text())
    for section in ("fetch", "mock"):
        for name in [name for name in content[section] if name.lower().startswith("tng50")]:
            del content[section][name]
    content["compare"] |= {"generations": "Illustris,TNG100", "bootstrap": 200}
    content |= {"workers": 1, "out": "run", "size": 32}
    content["train"]["epochs"] = 1
    field, folder = shared_data / FIELD, shared_data / "simulated"
    psf, frame = "psField-000094-1-0012.fit", "frame-r-000094-1-0012.fits.bz2"
    sql = sdss_galaxy_query((0.03, 0.055), 9.5, 80000)
    served = {
        archive_url("sdss-catalogue", base=HERE, sql=sql): field_catalogue(shared_data),
        f"/dr17/eboss/photo/redux/301/94/objcs/1/{psf}": (field / f"{psf}.gz").read_bytes(),
        f"/dr17/eboss/photoObj/frames/301/94/1/{frame}": (field / frame).read_bytes(),
    }
    for name, simulation, snapshot, pattern, numbers in (
        ("tng100", "TNG100-1", 99, "tng100_sub565261_z0/cutout_stars_{}.hdf5", (565261,)),
        ("illustris", "Illustris-1", 135, "illustris1_snap135_m31_analogs/cutout_{}.hdf5", M31_ANALOGUES),
    ):
        where = {"simulation": simulation, "snapshot": snapshot}
        served[archive_url("tng-subhalos", base=HERE, **where, limit=20000)] = listed(*numbers)
        for number in numbers:
            address = archive_url("tng-cutout", base=HERE, **where, subhalo=number)
            served[address] = (folder / pattern.format(number)).read_bytes()
        for each in (name, f"{name}-list"):
            content["fetch"][each]["field"] = [f"{key}={value}" for key, value in where.items()]
        listing = content["fetch"][name]["targets"].rpartition("/")[0]
        content["fetch"][name]["targets"] = f"{listing}/{simulation}-{snapshot:03d}.json"
    archive.serve(served)
    for entry in content["fetch"].values():
        entry |= {"base": archive.base, "rate": 1000.0}
    (tmp_path / "w.toml").write_text(tomli_w.dumps(content))
    assert main(["-q", "run", "w.toml"]) == 0
    assert (tmp_path / "run/comparison/report.html").is_file()
    real = ImageSet.open(tmp_path / "run/real").catalogue
    assert len(real) > 20
    assert np.isfinite(real["stellar_mass"]).all()
    assert np.median(real["catalogue_separation"]) < 0.5
    counts = {row["dataset"]: row["n_galaxies"] for row in read_comparison(tmp_path / "run/comparison")}
    assert (counts["TNG100"], counts["Illustris"]) == (1, 3)
    asked = len(archive.paths)
    assert main(["-q", "run", "w.toml", "--dry-run"]) == 0
    steps = capsys.readouterr().out.splitlines()
    assert sum(" done " in line for line in steps) >= 15
    assert main(["-q", "run", "w.toml"]) == 0
    assert len(archive.paths) == asked  # nothing is fetched twice
    zanisi = plan_workflow(tomllib.loads(recipe("zanisi21", tmp_path / "z.toml")))[-2].settings.population
    scores = [str(path) for path in (tmp_path / "run/scores").iterdir()]
    words = ["--population", zanisi, "--bootstrap", "200", "--out", "paper"]
    assert main(["-q", "compare", *scores, *words]) == 0
    bins = Table.read(tmp_path / "paper/tables/population_bins.ecsv")
    assert set(bins["property"]) == {"stellar_mass", "half_light_radius_kpc", "sersic_index"}
    content["fetch"]["sdss-catalogue"]["redshift"] = [0.02, 0.03]
    (tmp_path / "w.toml").write_text(tomli_w.dumps(content))
    assert main(["-q", "run", "w.toml"]) == 2
    assert "galaxies.csv answers another query" in capsys.readouterr().err


def test_camels_runs_from_its_archive_to_the_report(archive, shared_data, tmp_path, monkeypatch):
    """One box: snapshot and catalogue of ten galaxies, against the real galaxies that come with us."""
    monkeypatch.chdir(tmp_path)
    content = tomllib.loads(recipe("camels", tmp_path / "w.toml"))
    content["fetch"] = {name: entry for name, entry in content["fetch"].items() if name.endswith("-0")}
    content["mock"] = {"CV_0": content["mock"]["CV_0"] | {"min_stellar_mass": 0.0}}
    content["compare"]["bootstrap"] = 200
    content["workers"] = 1
    box, files = "/Sims/IllustrisTNG/L25n256/CV/CV_0", shared_data / "simulated/camels_tng_cv0_snap086"
    archive.serve({
        f"{box}/snapshot_086.hdf5": (files / "camels_snap.hdf5").read_bytes(),
        f"{box}/groups_086.hdf5": (files / "camels_subhalo.hdf5").read_bytes(),
    })  # fmt: skip
    for entry in content["fetch"].values():
        entry["base"] = archive.base
    (tmp_path / "w.toml").write_text(tomli_w.dumps(content))
    assert main(["-q", "run", "w.toml"]) in (0, 3)  # 3: of ten galaxies some are too faint
    assert (tmp_path / "camels/comparison/report.html").is_file()
    rows = read_comparison(tmp_path / "camels/comparison")
    assert rows.meta["structure"]["n_reference"] > 500
    assert 5 <= rows[rows["dataset"] == "CV_0"]["n_galaxies"][0] <= 10


def fits_bytes(*hdus):
    """Content of a FITS file."""
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(buffer)
    return buffer.getvalue()


def tar_bytes(files):
    """Content of a tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def hsc_answers(path, places):
    """Cut-outs and PSFs in i as the bulk service sends them: real pixels in files made here in its layout."""
    cutouts, psfs = {}, {}
    with h5py.File(path) as file:
        groups = [group for group in file["objects"].values() if min(group["image"].shape[1:]) >= 34]
        assert len(groups) >= len(places)
        for line, (group, (ra, dec)) in enumerate(zip(groups, places, strict=False), start=2):
            image, weight = group["image"][2], group["weight"][2]
            header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec})
            header["CRPIX2"], header["CRPIX1"] = ((side + 1) / 2 for side in image.shape)
            header["CD1_1"], header["CD2_2"] = -0.168 / 3600, 0.168 / 3600
            header["FLUXMAG0"] = 10 ** (0.4 * 27)
            variance = 1 / np.where(weight > 0, weight, np.median(weight[weight > 0]))
            planes = fits.Header({"MP_BAD": 0, "MP_SAT": 1, "MP_CR": 3, "HIERARCH MP_NO_DATA": 8})
            cutouts[f"arch-1/{line}-cutout-HSC-I-9813-pdr3_wide.fits"] = fits_bytes(
                fits.ImageHDU(image, header, "IMAGE"),
                fits.ImageHDU(np.zeros(image.shape, np.int32), planes, "MASK"),
                fits.ImageHDU(variance.astype("f4"), name="VARIANCE"),
            )
            psfs[f"arch-1/{line}-psf-calexp-pdr3_wide-HSC-I-9813.fits"] = fits_bytes(
                fits.ImageHDU(group["psf"][2])
            )
    return tar_bytes(cutouts), tar_bytes(psfs)


def test_hsc_tng_runs_from_bulk_tars_to_the_report(archive, shared_data, tmp_path, monkeypatch):
    """HSC's pixels come as tars, and flow, mocks of hsc-wide, scores and report follow from one file."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("TNG_API_KEY", "key"), ("SSP_PDR_USR", "me"), ("SSP_PDR_PWD", "secret")):
        monkeypatch.setenv(name, value)
    places = [(150.05 + 0.1 * i, 2.05 + 0.1 * (i % 3)) for i in range(80)]
    content = tomllib.loads(recipe("hsc-tng", tmp_path / "w.toml"))
    for section in ("fetch", "mock"):
        content[section] = {
            name: entry for name, entry in content[section].items() if not name.lower().startswith("tng50")
        }
    content["compare"] = {"bootstrap": 200}
    content |= {"workers": 1, "size": 32}
    content["prepare"] |= {"train": 0.5, "validation": 0.3}
    content["train"]["epochs"] = 1
    where = {"simulation": "TNG100-1", "snapshot": 99}
    content["fetch"]["tng100-list"]["field"] = [f"{key}={value}" for key, value in where.items()]
    content["fetch"]["tng100"] |= {
        "field": content["fetch"]["tng100-list"]["field"],
        "targets": "{out}/files/tng100-list/TNG100-1-099.json",
    }
    stars = shared_data / "simulated/tng100_sub565261_z0/cutout_stars_565261.hdf5"
    cutouts, psfs = hsc_answers(shared_data / "observed/hsc-cosmos-blends/hsc-cosmos-blends.h5", places)
    sql = sdss_galaxy_query((0.08, 0.12), 10.0, 20000, (129.0, 226.0, -1.5, 4.5))
    rows = ["objid,ra,dec,z,logMass"]
    rows += [f"{i},{ra:.6f},{dec:.6f},0.1,{10 + 0.01 * i}" for i, (ra, dec) in enumerate(places)]
    archive.serve({
        archive_url("sdss-catalogue", base=HERE, sql=sql): "\n".join(rows).encode(),
        archive_url("tng-subhalos", base=HERE, **where, log_stellar_mass=10.0, limit=20000): listed(565261),
        archive_url("tng-cutout", base=HERE, **where, subhalo=565261): stars.read_bytes(),
        "/das_cutout/pdr3/cgi-bin/cutout": cutouts,
        "/psf/pdr3/cgi/getpsf?bulk=on": psfs,
    })  # fmt: skip
    for entry in content["fetch"].values():
        entry |= {"base": archive.base, "rate": 1000.0}
    (tmp_path / "w.toml").write_text(tomli_w.dumps(content))
    assert main(["-q", "run", "w.toml"]) in (0, 3)
    assert (tmp_path / "hsc-tng/comparison/report.html").is_file()
    real = ImageSet.open(tmp_path / "hsc-tng/real")
    assert len(real) >= 25
    assert (real.survey, real.bands) == ("hsc-wide", ("i",))
    assert real.pixel_scale == pytest.approx(0.168)
    assert np.isfinite(real.catalogue["stellar_mass"]).all()
    mocks = ImageSet.open(tmp_path / "hsc-tng/mocks/TNG100").catalogue
    assert mocks["psf_fwhm_i"][0] == pytest.approx(np.median(real.catalogue["psf_fwhm_i"]), rel=0.1)
    assert {"HSC-WIDE (half)", "TNG100"} <= set(read_comparison(tmp_path / "hsc-tng/comparison")["dataset"])
