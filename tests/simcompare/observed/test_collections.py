"""Files with many galaxies: tars of HSC cut-outs, FITS stacks, Parquet; nothing taken on trust."""

import io
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.prepare import Preparation
from simcompare.observed import prepare_observed, read_stamps, recognise


def galaxy(flux=50.0, seed=0, side=90):
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    light = np.exp(-np.hypot(rows, columns) / 4)
    return flux * light / light.sum() + 0.01 * np.random.default_rng(seed).standard_normal((side, side))


def cutout(flux, ra, seed):
    """Image, numbered mask planes without a name, variance: as HSC gives them."""
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = "RA---TAN", "DEC--TAN", ra, 2.03
    header["CRPIX1"] = header["CRPIX2"] = 45.5
    header["CD1_1"], header["CD2_2"] = -0.168 / 3600, 0.168 / 3600
    planes = fits.ImageHDU(np.zeros((90, 90), np.int32))
    planes.header["MP_BAD"], planes.header["MP_SAT"] = 0, 1
    planes.data[5, 5] = 1
    primary = fits.PrimaryHDU()
    primary.header["FLUXMAG0"] = 10 ** (0.4 * 27)
    image = fits.ImageHDU((63.0957 * galaxy(flux, seed)).astype("f4"), header)
    return as_bytes(primary, image, planes, fits.ImageHDU(np.full((90, 90), 1e-4, "f4")))


def as_bytes(*hdus):
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer)
    return buffer.getvalue()


def write_tar(path, files):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def tar(tmp_path):
    images, psfs = {}, {}
    for i in range(3):
        for j, band in enumerate("GI"):
            number = 2 + 2 * i + j
            name = f"arch/{number}-cutout-HSC-{band}-9813-pdr3_wide.fits"
            images[name] = cutout(30 + 10 * j, 150.03 + i, number)
            psf = as_bytes(fits.PrimaryHDU(gaussian_psf(4.0 + j, 43)))
            psfs[f"arch/{number}-psf-calexp-pdr3_wide-HSC-{band}-9813.fits"] = psf
    del psfs["arch/7-psf-calexp-pdr3_wide-HSC-I-9813.fits"]
    images["../../outside.txt"] = b"not read"
    write_tar(tmp_path / "hsc-0000.tar", images)
    write_tar(tmp_path / "hsc-0000-psf.tar", psfs)
    return tmp_path / "hsc-0000.tar"


def test_tar_of_hsc_is_read_without_unpacking(tar, tmp_path):
    assert recognise(tar) == "hsc-tar"
    settings = {"survey": "hsc-wide", "bands": ["i", "g"], "preparation": Preparation(), "name": "HSC"}
    made = prepare_observed([tar], out=tmp_path / "run", **settings)
    table = made.images.catalogue
    assert len(table) == 2
    assert made.rejected["reason"].tolist() == ["no PSF in band i"]
    np.testing.assert_allclose(table["mag_i"], 22.5 - 2.5 * np.log10(40), atol=0.05)
    np.testing.assert_allclose(table["mag_g"], 22.5 - 2.5 * np.log10(30), atol=0.05)
    assert (table["psf_fwhm_i"] > table["psf_fwhm_g"]).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hsc-0000-psf.tar", "hsc-0000.tar", "run"]
    assert not (tmp_path.parent / "outside.txt").exists()


def test_tars_that_cannot_be_used_are_named(tar, tmp_path):
    write_tar(tmp_path / "other.tar", {"a.txt": b"x"})
    write_tar(tmp_path / "other-psf.tar", {"a.txt": b"x"})
    with pytest.raises(ValueError, match=r"other-psf\.tar: no <number>"):
        next(read_stamps(tmp_path / "other.tar", ("i",)))
    (tmp_path / "cut.tar").write_bytes(tar.read_bytes()[:50_000])
    (tmp_path / "cut-psf.tar").write_bytes((tmp_path / "hsc-0000-psf.tar").read_bytes())
    with pytest.raises(ValueError, match=r"cut\.tar: damaged or truncated"):
        list(read_stamps(tmp_path / "cut.tar", ("i",)))
    (tmp_path / "hsc-0000-psf.tar").unlink()
    with pytest.raises(FileNotFoundError, match="fetch hsc-psf-bulk with the same targets"):
        next(read_stamps(tar, ("i",)))


def test_fits_stack_states_everything(tmp_path):
    path = tmp_path / "stack.fits"
    header = fits.Header({"BANDS": "gr", "PIXSCALE": 0.2, "MAGZERO": 25.0, "PSF_FWHM": 0.8})
    images = np.stack([[galaxy(50, i), galaxy(80, 10 + i)] for i in range(3)]).astype("f4")
    places = fits.BinTableHDU(Table({"RA": [1.0, 2.0, 3.0], "DEC": [4.0, 5.0, 6.0]}))
    fits.HDUList([fits.PrimaryHDU(images, header), places]).writeto(path)
    assert recognise(path) == "fits-stack"
    stamps = list(read_stamps(path, ("r",)))
    assert [(stamp.ra, stamp.dec, stamp.pixel_scale) for stamp in stamps][1] == (2.0, 5.0, 0.2)
    assert stamps[0].image.sum() == pytest.approx(8, rel=0.1)
    for card in ("PSF_FWHM", "PIXSCALE"):
        with fits.open(path, mode="update") as hdus:
            del hdus[0].header[card]
        with pytest.raises(ValueError, match={"PSF_FWHM": "no PSF", "PIXSCALE": "PIXSCALE is missing"}[card]):
            next(read_stamps(path, ("r",)))


def test_psfs_may_come_an_image_a_band(tmp_path):
    header = fits.Header({"BANDS": "grz", "SURVEY": "LegacySurvey"})
    header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 45.5, "CRPIX2": 45.5})
    header.update({"CD1_1": -0.262 / 3600, "CD2_2": 0.262 / 3600})
    cube = np.stack([galaxy(flux) for flux in (20.0, 30.0, 40.0)])
    fits.PrimaryHDU(cube, header).writeto(tmp_path / "a.fits")
    psfs = [gaussian_psf(width, 31) for width in (3.0, 4.0, 5.0)]
    hdus = [fits.PrimaryHDU(psfs[0]), *(fits.ImageHDU(psf) for psf in psfs[1:])]
    fits.HDUList(hdus).writeto(tmp_path / "a-psf.fits")
    stamp = next(read_stamps(tmp_path / "a.fits", ("z", "g")))
    np.testing.assert_allclose(stamp.psf, [psfs[2], psfs[0]], atol=1e-6)
    np.testing.assert_allclose(stamp.image.sum(axis=(1, 2)), [40, 20], rtol=0.1)


@pytest.mark.parametrize("structure_of_lists", [True, False])
def test_parquet_of_the_multimodal_universe(tmp_path, structure_of_lists):
    rows = []
    for i in range(3):
        planes = [
            {
                "band": f"hsc-{band}", "flux": (63.0957 * galaxy(30.0, i)).tolist(),
                "psf_fwhm": 0.7, "scale": 0.168, "mask": np.ones((90, 90), bool).tolist(),
            }
            for band in "gri"
        ]  # fmt: skip
        lists = {name: [each[name] for each in planes] for name in planes[0]}
        image = lists if structure_of_lists else planes
        rows.append({"object_id": f"o{i}", "ra": 10.03 + i, "dec": 2.03, "image": image})
    path = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert recognise(path) == "multimodal-parquet"
    stamps = list(read_stamps(path, ("r",), units="AB zero point 27"))
    assert [stamp.galaxy_id for stamp in stamps] == ["o0", "o1", "o2"]
    assert stamps[0].image.sum() == pytest.approx(30, rel=0.1)
    with pytest.raises(ValueError, match="no stated unit"):
        next(read_stamps(path, ("r",)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged or not Parquet"):
        next(read_stamps(path, ("r",), units="nmgy"))
