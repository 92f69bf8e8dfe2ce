"""Real images observed again: flux, noise, seeing and redshift of what comes out, from the command line."""

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mocks.observing.psf import gaussian_psf
from simcompare.cli import main
from simcompare.images.image_set import ImageSet
from simcompare.observed.formats import read_stamps
from simcompare.synthetic.reobserved import COSMOLOGY, real_image

DIAMETER = COSMOLOGY.angular_diameter_distance


def run(*arguments):
    return main([str(each) for each in ("--quiet", *arguments)])


def write_stack(path, n=4, side=161, sigma=0.004, constant=0.0):
    """Round galaxies of 6 arcsec and 18 mag, under 0.7 arcsec of seeing on pixels of 0.2 arcsec."""
    light = 63.1 * gaussian_psf(np.hypot(6.0, 0.7) / 0.2, side)
    psf = gaussian_psf(3.5, 25) + constant
    with h5py.File(path, "w") as file:
        noise = sigma * np.random.default_rng(1).standard_normal((n, 1, side, side))
        file["image"], file["psf"] = (light + 0.02 + noise).astype("f4"), (psf / psf.sum())[None]
        file.attrs.update(bands="r", pixel_scale_arcsec=0.2, units="nanomaggy")
    return path


def test_a_deep_image_becomes_one_of_sdss(tmp_path):
    """The old sky level is gone, flux stays, noise and seeing are those drawn; runs repeat bit by bit."""
    path = write_stack(tmp_path / "deep.h5")
    assert run("reobserve", path, "--out", tmp_path / "a", "--workers", 1) == 0
    images = ImageSet.open(tmp_path / "a")
    assert (images.kind, images.survey, images.pixel_scale) == ("simulated", "sdss", 0.396)
    assert images.catalogue["mag_r"] == pytest.approx(np.full(4, 18.0), abs=0.08)
    assert images.catalogue["sky_sigma_r"] == pytest.approx(np.full(4, 0.0277), rel=0.4)
    assert set(images.catalogue["split"]) == {"test"}
    seeing = np.asarray(images.catalogue["psf_fwhm_r"])
    assert np.ptp(seeing) > 0.02
    radius = np.hypot(6.0, seeing) / 2
    assert images.catalogue["half_light_radius"] == pytest.approx(radius, rel=0.1)
    assert run("reobserve", path, "--out", tmp_path / "b", "--workers", 1) == 0
    first, again = (next(ImageSet.open(tmp_path / each).batches(4)).image for each in "ab")
    assert (first == again).all()


def test_a_psf_with_a_background_is_mended(tmp_path):
    """A constant that holds a fifth of the PSF's light would make fluxes as much too large."""
    path = write_stack(tmp_path / "deep.h5", constant=-0.2 / 625)
    assert run("reobserve", path, "--out", tmp_path / "a", "--workers", 1) == 0
    assert ImageSet.open(tmp_path / "a").catalogue["mag_r"] == pytest.approx(np.full(4, 18.0), abs=0.08)


def test_what_cannot_be_observed_is_listed(tmp_path, capsys):
    small = write_stack(tmp_path / "small.h5", side=101)
    shallow = write_stack(tmp_path / "shallow.h5", sigma=0.1)
    (tmp_path / "broken.h5").write_bytes(small.read_bytes()[:3000])
    good = write_stack(tmp_path / "good.h5")
    paths = (small, shallow, tmp_path / "broken.h5", good)
    assert run("reobserve", *paths, "--out", tmp_path / "a", "--workers", 1) == 3
    reasons = Table.read(tmp_path / "a" / "failures.ecsv")["reason"].tolist()
    for words in ("spans 20.2 arcsec", "not deep enough", "damaged or truncated"):
        assert any(words in reason for reason in reasons)
    assert len(ImageSet.open(tmp_path / "a")) == 4
    assert run("reobserve", good, "--out", tmp_path / "b", "--redshift", 0.1, "--workers", 1) == 2
    assert "give --own-redshift" in capsys.readouterr().err


def test_real_spirals_moved_to_twice_their_redshift(shared_data, tmp_path):
    """SDSS galaxies seen by SDSS from 0.08: fainter within a smaller radius, as the cosmology says."""
    source = shared_data / "observed" / "sdss-r-spirals" / "sdss-r-spirals.h5"
    with h5py.File(source) as old, h5py.File(tmp_path / "spirals.h5", "w") as new:
        new.attrs.update(old.attrs)
        large = [name for name, item in old["objects"].items() if min(item["image"].shape) > 170]
        for name in large[:5]:
            old.copy(old["objects"][name], new, f"objects/{name}")
    options = ("--bands", "r", "--redshift", 0.08, "--workers", 1)
    assert run("reobserve", tmp_path / "spirals.h5", *options, "--out", tmp_path / "far") == 0
    images = ImageSet.open(tmp_path / "far")
    stack, catalogue = next(images.batches(9)), images.catalogue
    assert (catalogue["redshift"] == 0.08).all()
    raws = {raw.galaxy_id: raw for raw in read_stamps(tmp_path / "spirals.h5", ("r",))}
    ratios = []
    for image, row in zip(stack.image[:, 0], catalogue, strict=True):
        old = real_image(raws[row["galaxy_id"]])
        redshifts = [row["true_redshift"], 0.08]
        away, across = (f(redshifts).value for f in (COSMOLOGY.luminosity_distance, DIAMETER))
        expected = np.array([1, (away[0] / away[1]) ** 2 * 1.08 / (1 + redshifts[0])])
        sums = [
            _within(each, scale, 10.0 * across[0] / at)
            for each, scale, at in zip((old.image[0], image), (old.pixel_scale, 0.396), across, strict=True)
        ]
        ratios.append(sums[1] / sums[0] / expected[1])
    assert len(ratios) == 5
    assert np.median(ratios) == pytest.approx(1, abs=0.03)
    assert np.ptp(catalogue["psf_fwhm_r"]) > 0


def _within(image, pixel_scale, radius):
    """Flux within a radius [arcsec] of the middle."""
    offset = np.indices(image.shape) - (np.array(image.shape) - 1)[:, None, None] / 2
    return image[np.hypot(*offset) * pixel_scale < radius].sum()


def test_a_real_hsc_coadd_becomes_an_sdss_image(shared_data, tmp_path):
    """The middle of a field of HSC-Wide: its flux in 6 arcsec stays, and the sky gets the noise of SDSS."""
    with h5py.File(shared_data / "observed" / "hsc-misc" / "hsc-misc.h5") as file:
        group = file["massive_galaxy/s18a_r_9071"]
        image, psf = group["image"][:], group["psf"][:]
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0})
    header.update({"CRPIX1": 224.5, "CRPIX2": 233.5, "CD1_1": -0.168 / 3600, "CD2_2": 0.168 / 3600})
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(image, header, name="IMAGE")]
    fits.HDUList(hdus).writeto(tmp_path / "massive-r.fits")
    fits.PrimaryHDU(psf).writeto(tmp_path / "massive-r-psf.fits")
    options = ("--bands", "r", "--units", "zero point 27", "--workers", 1)
    assert run("reobserve", tmp_path / "massive-r.fits", "--out", tmp_path / "run", *options) == 0
    images = ImageSet.open(tmp_path / "run")
    stack, row = next(images.batches(1)), images.catalogue[0]
    assert row["sky_sigma_r"] == pytest.approx(0.0277, rel=0.5)
    assert 0.8 < row["psf_fwhm_r"] < 2.5
    assert stack.image.shape == (1, 1, 64, 64)
    old = _within(image, 0.168, 6.0) / 63.0957
    assert _within(stack.image[0, 0], 0.396, 6.0) == pytest.approx(old, rel=0.05)


def test_what_is_assumed_is_said(tmp_path, caplog):
    path = write_stack(tmp_path / "deep.h5", n=1)
    with caplog.at_level("INFO"):
        wanted = ["--redshift", 0.06, "--own-redshift", 0.05, "--workers", 1]
        assert main([str(x) for x in ("reobserve", path, "--out", tmp_path / "a", *wanted)]) == 0
    assert "assumed of sdss: magnitudes of the survey are AB" in caplog.text
    assert "assumed: distances of H0 = 70, Omega_m = 0.3, k-correction 0 mag" in caplog.text
