import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mocks import IdealImage, draw_conditions, observe, stream
from mocks.products import cutout_wcs, lupton_rgb, read_fits, write_fits


def cutout():
    image = np.zeros((2, 60, 60))
    image[:, 30, 30] = 40.0
    state = draw_conditions("sdss", "gr", stream(1))
    ideal = IdealImage(image, 0.396, ("g", "r"), metadata={"redshift": 0.05, "subhalo_id": 7})
    return observe(ideal, "sdss", state, stream(2), keep_stages=True)


def test_everything_written_is_read_again(tmp_path):
    made = cutout()
    path = tmp_path / "galaxy.fits"
    write_fits(path, made, ra=180.0, dec=30.0)
    read = read_fits(path)
    for name in ("image", "variance", "mask"):
        assert (read[name] == getattr(made, name)).all()
    assert read["psf"] == pytest.approx(made.psf, abs=1e-7)
    assert (read["blurred"] == made.stages["blurred"]).all()
    assert read["bands"] == ("g", "r")
    assert read["metadata"]["subhalo_id"] == 7
    with fits.open(path) as file:
        header = file["SCI", 2].header
        assert header["BUNIT"] == "nanomaggy"
        assert header["SKYSIG"] == pytest.approx(made.conditions.sky_sigma[1])
        sky = WCS(header).pixel_to_world(29.5, 29.5)
        assert sky.separation(SkyCoord(180, 30, unit="deg")).arcsec < 1e-3
        assert file["MASK", 1].header["BIT1"] == 2


def test_one_pixel_is_one_pixel_scale():
    wcs = cutout_wcs(cutout())
    first, second = wcs.pixel_to_world([29.5, 29.5], [29.5, 30.5])
    assert first.separation(second).arcsec == pytest.approx(0.396)
    assert wcs.pixel_to_world(0, 29.5).ra.deg > 0  # east is left


def test_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_fits(tmp_path / "none.fits")
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "other.fits")
    with pytest.raises(OSError, match="not a cutout"):
        read_fits(tmp_path / "other.fits")


def test_stretch_is_fixed_and_keeps_colour():
    rng = stream(3)
    image = np.abs(rng.normal(size=(3, 20, 20))) * 0.05
    picture = lupton_rgb(image)
    assert picture.shape == (20, 20, 3)
    assert picture.dtype == np.uint8
    # A bright neighbour does not change the other pixels.
    brighter = image.copy()
    brighter[:, 0, 0] = 100.0
    assert (lupton_rgb(brighter)[1:] == picture[1:]).all()
    # Brighter is never darker, and a saturated pixel keeps its ratios of colour.
    ramp = np.outer([1.0, 0.5, 0.25], np.logspace(-3, 3, 50))[:, None]
    shown = lupton_rgb(ramp)[0].astype(int)
    assert (np.diff(shown[:, 0]) >= 0).all()
    assert shown[-1].tolist() == [255, 128, 64]
    assert lupton_rgb(np.zeros((3, 4, 4))).max() == 0
    with pytest.raises(ValueError, match="three bands"):
        lupton_rgb(image[:2])
    with pytest.raises(ValueError, match="finite"):
        lupton_rgb(image * np.nan)
