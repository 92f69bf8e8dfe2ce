import h5py
import numpy as np
import pytest
from astropy.io import fits

from mocks import SkyBank, draw_conditions, load_survey, stream
from mocks.observing.noise import measure_correlation
from mocks.observing.observe import add_noise
from mocks.observing.psf import gaussian_psf
from mocks.products import read_fits
from mocks.survey_files.hsc_coadds import hsc_sky_bank, open_coadd, open_psf
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands.mock import make_mocks
from simcompare.settings import MockSettings, SkySettings
from simcompare.synthetic.sky import make_sky_bank

PLANES = {"BAD": 0, "DETECTED": 5, "NO_DATA": 8}


def write_coadd(path, image, mask, variance):
    file = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, name="IMAGE")])
    file.append(fits.ImageHDU(mask.astype(np.int32), name="MASK"))
    file.append(fits.ImageHDU(variance, name="VARIANCE"))
    for name, bit in PLANES.items():
        file["MASK"].header[f"HIERARCH MP_{name}"] = bit
    file.writeto(path)


def toy_coadd(folder, bands="ri", side=160):
    """Blank HSC sky with a band of detected pixels on the left and missing ones on top."""
    mask = np.zeros((side, side))
    mask[:, :40] = 1 << PLANES["DETECTED"]
    mask[-20:] = 1 << PLANES["NO_DATA"]
    for band in bands:
        state = draw_conditions("hsc-wide", (band,), stream(1, band))
        image = add_noise(np.zeros((1, side, side)), state, stream(2, band))[0]
        image[-20:] = np.nan
        variance = np.full((side, side), state.sky_sigma[0] ** 2 * 63.0957**2)
        write_coadd(folder / f"patch-{band}.fits", image * 63.0957, mask, variance)
        psf = np.pad(gaussian_psf(4.0, 41), ((0, 1), (0, 0)))
        fits.PrimaryHDU(psf).writeto(folder / f"patch-{band}-psf.fits")


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    return write_tng_snapshot(tmp_path_factory.mktemp("toy") / "toy-1", toy_galaxies("toy-1", 2, 3))


@pytest.fixture(scope="module")
def bank_file(tmp_path_factory):
    """Synthetic SDSS patches in the form of a bank."""
    state = draw_conditions("sdss", ("g", "r", "i"), stream(1, "bank"))
    image = np.stack([add_noise(np.zeros((3, 48, 48)), state, stream(3, i)) for i in range(4)])
    ones = np.ones((4, 3))
    bank = SkyBank(
        ("g", "r", "i"),
        image.astype(np.float32),
        ones * state.sky_sigma,
        ones * state.sky_level,
        np.broadcast_to(state.psf_stack(), (4, 3, 41, 41)),
        ones * state.psf_fwhm,
        ones * state.electrons_per_nanomaggy,
        ones * state.nanomaggies_per_count,
        np.array([f"toy {i}" for i in range(4)]),
    )
    path = tmp_path_factory.mktemp("bank") / "sky.h5"
    bank.save(path)
    return path


def test_coadd_gives_sky_away_from_its_mask_planes(tmp_path):
    toy_coadd(tmp_path)
    bank = make_sky_bank(
        SkySettings(
            inputs=[tmp_path], out=tmp_path / "sky.h5", survey="hsc-wide", bands="ri", size=24, clear=None
        )
    )
    assert bank.bands == ("r", "i")
    assert len(bank) >= 8
    for place in bank.origin:
        row, column = (int(place.split()[i]) for i in (2, 4))
        assert column >= 40
        assert row + 24 <= 140
    expected = [draw_conditions("hsc-wide", (band,), stream(1, band)).sky_sigma[0] for band in "ri"]
    assert bank.sky_sigma[0] == pytest.approx(expected, rel=0.05)
    assert bank.psf_fwhm[0] / 0.168 == pytest.approx(4.1, abs=0.1)
    assert (SkyBank.load(tmp_path / "sky.h5").image == bank.image).all()


def test_bad_coadds_are_refused(tmp_path):
    toy_coadd(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_coadd(tmp_path / "none.fits")
    with pytest.raises(ValueError, match="not an HSC coadd"):
        open_coadd(tmp_path / "patch-r-psf.fits")
    paths = {band: tmp_path / f"patch-{band}.fits" for band in "ri"}
    with pytest.raises(ValueError, match="no PSF image of band i"):
        hsc_sky_bank(paths, {"r": gaussian_psf(4, 41)}, 24, 4, stream(1))
    fits.PrimaryHDU(np.full((9, 9), np.nan)).writeto(tmp_path / "nan.fits")
    with pytest.raises(ValueError, match=r"nan\.fits"):
        open_psf(tmp_path / "nan.fits")
    with pytest.raises(ValueError, match="there are no corrected frames of SDSS"):
        make_sky_bank(SkySettings(inputs=[tmp_path], out=tmp_path / "sky.h5"))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        make_sky_bank(SkySettings(inputs=[tmp_path / "none"], out=tmp_path / "sky.h5"))


def test_zero_point_of_a_coadd_is_stated_or_said(tmp_path, caplog):
    toy_coadd(tmp_path)
    path = tmp_path / "patch-r.fits"
    assumed = open_coadd(path).image[0, 0]
    assert "no FLUXMAG0; the zero point 27 of HSC's pipeline is assumed" in caplog.text
    with fits.open(path, mode="update") as file:
        file[0].header["FLUXMAG0"] = 10 ** (0.4 * 25)
    assert open_coadd(path).image[0, 0] / assumed == pytest.approx(10**0.8, rel=1e-5)
    with fits.open(path, mode="update") as file:
        file["IMAGE"].header["FLUXMAG0"] = 10 ** (0.4 * 27)
    with pytest.raises(ValueError, match=r"patch-r\.fits: FLUXMAG0 is 1e\+10 and 6\.30957e\+10"):
        open_coadd(path)


def test_mocks_in_real_sky_with_all_products(toys, bank_file, tmp_path):
    out = tmp_path / "run"
    options = ["--redshift", "0.05", "--size", "32", "--bands", "gri", "--workers", "1", "--name", "toy-1"]
    products = ["--sky", str(bank_file), "--stages", "--rgb", "irg", "--dust", "screen:tau_old=0.5"]
    assert main(["mock", str(toys), "--out", str(out), *options, *products]) == 0
    written = sorted((out / "fits").glob("*.fits"))
    assert len(written) == len(list((out / "rgb").glob("*.png"))) == 2
    cutout = read_fits(written[0])
    assert cutout["metadata"]["conditions"].startswith("real sky, toy")
    assert cutout["metadata"]["dust"] == "screen:tau_old=0.5"
    # The image is the blurred galaxy on a patch of the bank, in whole counts of it.
    bank = SkyBank.load(bank_file)
    row = int(cutout["metadata"]["conditions"].split()[-1])
    sky = bank.image[row][:, 4:-4, 4:-4]
    added = (cutout["image"] - sky) / bank.nanomaggies_per_count[row][:, None, None]
    assert np.abs(added - np.rint(added)).max() < 1e-3
    assert (cutout["image"] - sky).sum() == pytest.approx(cutout["blurred"].sum(), rel=0.1)
    assert {"ideal", "variance", "mask", "psf"} <= set(cutout)


def test_a_bank_that_does_not_fit_is_refused(toys, bank_file, tmp_path):
    for changes, words in (({"size": 64, "bands": "r"}, "patches of 48 pixels"), ({"bands": "rz"}, "in gri")):
        usual = {"name": "toy-1", "redshift": 0.05, "size": 32, "workers": 1}
        with pytest.raises(ValueError, match=words):
            make_mocks(MockSettings(inputs=[toys], out=tmp_path / "run", sky=bank_file, **(usual | changes)))
    with pytest.raises(ValueError, match="dust 'fog' is unknown"):
        make_mocks(MockSettings(inputs=[toys], out=tmp_path / "run", dust="fog"))
    with pytest.raises(ValueError, match="not an option with a number"):
        make_mocks(MockSettings(inputs=[toys], out=tmp_path / "run", dust="screen:tau_old=much"))


def test_a_folder_of_real_frames_becomes_a_bank(shared_data, tmp_path, caplog):
    """A field that cannot be read is skipped and named."""
    good = "frame-r-004510-4-0030.fits.bz2"
    (tmp_path / good).symlink_to(shared_data / "observed" / "sdss-frames" / good)
    (tmp_path / "frame-r-005112-4-0345.fits").write_bytes(b"cut")
    settings = SkySettings(inputs=[tmp_path], out=tmp_path / "sky.h5", bands="r", size=48, per_field=60)
    bank = make_sky_bank(settings)
    assert len(bank) == 60
    assert all(name.startswith("SDSS 004510-4-0030") for name in bank.origin)
    assert "skipped SDSS 005112-4-0345" in caplog.text
    # Stars of the field give the PSF: psf.h5 of that folder has 0.9 to 1.1 arcsec.
    assert np.all((bank.psf_fwhm > 0.85) & (bank.psf_fwhm < 1.25))


def test_real_hsc_cutout_is_a_coadd(shared_data, tmp_path):
    """Real pixels and mask in the pipeline's layout: noise of blank pixels against the variance plane."""
    with h5py.File(shared_data / "observed" / "hsc-misc" / "hsc-misc.h5") as file:
        group = file["massive_galaxy/s18a_r_9071"]
        image, mask, variance, psf = (group[name][:] for name in ("image", "mask", "variance", "psf"))
    write_coadd(tmp_path / "field-r.fits", image, mask, variance)
    bank = hsc_sky_bank(
        {"r": tmp_path / "field-r.fits"}, {"r": psf / psf.sum()}, 32, 40, stream(1), clear=None
    )
    assert len(bank) >= 10
    predicted = np.sqrt(np.median(variance)) / 63.0957
    assert bank.sky_sigma[0, 0] / predicted == pytest.approx(1.0, abs=0.25)
    table = load_survey("hsc-wide").noise_correlation
    found = measure_correlation(bank.image[:, 0].astype(float), 3)
    # The survey file's table is the mean of four cut-outs, this one of them; its error is 0.02.
    assert np.abs(found[3, 3:] - table[3, 3:]).max() < 0.04
    assert np.abs(found[3:, 3] - table[3:, 3]).max() < 0.04
