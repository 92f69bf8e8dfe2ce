"""Ready-made idealised images: units, scales and flux."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits

from mocks import ObservingConditions, load_survey, observe, stream
from mocks.observing.psf import gaussian_psf
from mocks.readers import (
    examine,
    fit_to_survey,
    ideal_image_from_array,
    is_ideal_image,
    open_snapshot,
    read_ideal_image,
)


def disc(n=60, flux=100.0):
    """Exponential disc of a known flux."""
    y, x = np.indices((n, n)) - (n - 1) / 2
    image = np.exp(-np.hypot(x, y) / 5.0)
    return flux * image / image.sum()


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("nanomaggy", 1.0),
        ("maggy", 1e-9),
        ("Jy", 3631e-9),
        ("nJy/pixel", 3631.0),
        ("uJy", 3.631),
        ("nanomaggies/arcsec^2", 1 / 0.25),
        ("MJy/sr", 3631e-9 / 0.25 * (180 * 3600 / np.pi) ** 2 / 1e6),
        ("AB mag/arcsec2", None),
    ],
)
def test_every_unit_gives_the_same_flux(unit, factor):
    flux = disc()
    data = 22.5 - 2.5 * np.log10(flux / 0.25) if factor is None else flux * factor
    ideal = ideal_image_from_array(data, ["r"], unit=unit, pixel_scale=0.5)
    assert ideal.image.shape == (1, 60, 60)
    assert ideal.image[0] == pytest.approx(flux, rel=1e-9)


def test_ab_zero_point_of_counts():
    # a source of AB 24.22 gives one count per second
    ideal = ideal_image_from_array(
        np.full((1, 1, 1), 1.0), ["g"], unit="counts/s", pixel_scale=1.0, zeropoints=[24.22]
    )
    assert 22.5 - 2.5 * np.log10(ideal.image.sum()) == pytest.approx(24.22)


def test_inf_is_no_light():
    magnitudes = np.array([[20.0, np.inf], [np.inf, np.inf]])
    ideal = ideal_image_from_array(magnitudes, ["g"], unit="AB mag/arcsec2", pixel_scale=2.0)
    assert ideal.image.sum() == pytest.approx(10 ** (-0.4 * (20.0 - 22.5)) * 4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "erg"}, "unit 'erg' is not known as one of an image .*known: nanomaggy"),
        ({"unit": "counts/s"}, "need zeropoints"),
        ({"pixel_scale": 0.0}, "must be positive"),
        ({"bands": ["g", "r"]}, "for 2 bands"),
        ({"image": -disc()}, "is it noiseless"),
        ({"image": np.full((3, 3), np.nan)}, "9 pixels are not finite"),
        ({"image": np.ma.masked_less(disc(), 1e-3)}, "pixels are masked"),
        ({"image": disc() * u.Unit("MJy/sr")}, "the image is in MJy / sr, but the unit stated is"),
        ({"image": np.stack([disc(), 0 * disc()]), "bands": "gr"}, "no light at all in r"),
        ({"image": np.stack([disc(), disc()]), "bands": "gg"}, "each band once"),
        ({"unit": "W/m2/sr"}, "wavelengths="),
    ],
)
def test_wrong_arrays_are_refused(change, message):
    given = {"image": disc(), "bands": ["r"], "unit": "nanomaggy", "pixel_scale": 0.5} | change
    with pytest.raises(ValueError, match=message):
        ideal_image_from_array(given.pop("image"), given.pop("bands"), **given)


@pytest.mark.parametrize("pixel_scale", [0.05, 0.6 * 0.132, 1.7 * 0.132, 2 * 0.132, 0.396, 1.3])
def test_fitting_to_a_survey_keeps_flux_and_size(pixel_scale):
    survey = load_survey("sdss")
    ideal = ideal_image_from_array(disc(101), ["r"], unit="nanomaggy", pixel_scale=pixel_scale)
    fitted = fit_to_survey(ideal, survey, 400)
    assert fitted.image.sum() == pytest.approx(100.0, rel=1e-9)
    assert fitted.image.min() >= 0
    assert fitted.flux_outside == pytest.approx(0.0, abs=1e-6)
    assert fitted.pixel_scale == pytest.approx(0.396 / 3)
    assert fitted.size == (400, 400)

    def spread(image, scale):
        x = (np.arange(image.shape[-1]) - (image.shape[-1] - 1) / 2) * scale
        profile = image[0].sum(axis=0) / image[0].sum()
        return np.sqrt((profile * x**2).sum()), (profile * x).sum()

    before, after = spread(ideal.image, pixel_scale), spread(fitted.image, fitted.pixel_scale)
    assert after[1] == pytest.approx(0.0, abs=1e-9)
    assert after[0] == pytest.approx(np.hypot(before[0], 0.396 / 3 / np.sqrt(12)), rel=0.01)


def seen(pixel_scale, offset=(0.5, 0.5), **changes):
    """See a Gaussian of four survey pixels, given in pixels of a scale, through one of three."""
    survey = load_survey("sdss")
    side = 2 * round(14 * 0.396 / pixel_scale) + 1
    light = gaussian_psf(4 * 0.396 / pixel_scale, side)[None]
    ideal = ideal_image_from_array(light, ["r"], unit="nanomaggy", pixel_scale=pixel_scale)
    fitted = replace(fit_to_survey(ideal, survey, 64, offset=offset), **changes)
    conditions = ObservingConditions(("r",), (gaussian_psf(3.0, 31),), [3 * 0.396], [0.1], [200.0], [0.0])
    stages = observe(fitted, survey, conditions, stream(1), keep_stages=True).stages
    return stages["blurred"][0]


@pytest.mark.parametrize(("pixel_scale", "error"), [(0.1, 1e-3), (0.25, 1e-3), (0.396, 5e-3)])
def test_the_pixels_of_a_ready_made_image_blur_nothing(pixel_scale, error):
    """Gaussians of four and three pixels make one of five, integrated over the survey's pixel once.

    Pixels as wide as the survey's that lie on its own are three steps of one height: 0.4 % too sharp.
    """
    expected = gaussian_psf(5.0, 63)
    assert np.abs(seen(pixel_scale)[1:, 1:] - expected).max() < error * expected.max()
    as_before = seen(pixel_scale, source_pixel=0.0)[1:, 1:]
    variance = 25 / (8 * np.log(2)) + 1 / 12
    peak = 1 - variance / (variance + (pixel_scale / 0.396) ** 2 / 6)  # lower with two pixels more
    assert 1 - as_before.max() / expected.max() == pytest.approx(peak, rel=0.15)


def test_pixels_wider_than_the_survey_s_are_left_as_they_are():
    np.testing.assert_array_equal(seen(0.5), seen(0.5, source_pixel=0.0))


def test_light_beyond_the_frame_is_told_and_offsets_shift():
    survey = load_survey("sdss")
    ideal = ideal_image_from_array(disc(101), ["r"], unit="nanomaggy", pixel_scale=0.396)
    small = fit_to_survey(ideal, survey, 16, margin=2)
    assert small.flux_outside[0] + small.image.sum() == pytest.approx(100.0)
    assert small.flux_outside[0] > 10
    shifted = fit_to_survey(ideal, survey, 64, offset=(2.0, 0.0)).image[0]
    centred = fit_to_survey(ideal, survey, 64).image[0]
    assert shifted[6:, :] == pytest.approx(centred[:-6, :], abs=1e-12)


def test_moving_to_another_redshift():
    cosmology, survey = FlatLambdaCDM(H0=70, Om0=0.3), load_survey("sdss")
    ideal = ideal_image_from_array(disc(), ["r"], unit="nanomaggy", pixel_scale=0.2, redshift=0.05)
    moved = fit_to_survey(ideal, survey, 128, redshift=0.1, cosmology=cosmology)
    dimming = (cosmology.luminosity_distance(0.05) / cosmology.luminosity_distance(0.1)).value ** 2
    assert moved.image.sum() == pytest.approx(100.0 * dimming, rel=1e-9)
    assert moved.metadata["k_correction"] == "none"
    unknown = ideal_image_from_array(disc(), ["r"], unit="nanomaggy", pixel_scale=0.2)
    with pytest.raises(ValueError, match="both must be known"):
        fit_to_survey(unknown, survey, 64, redshift=0.1)


def write(path, data, **header):
    fits.HDUList([fits.PrimaryHDU(data, fits.Header(list(header.items())))]).writeto(path)
    return path


def test_fits_cube_with_its_unit_and_scale(tmp_path):
    cube = np.stack([disc(), 2 * disc()])
    header = {
        "BUNIT": "nanomaggy",
        "CDELT1": -0.4 / 3600,
        "CUNIT1": "deg",
        "FILTER0": "SDSS g",
        "FILTER1": "SDSS r",
    }
    path = write(tmp_path / "galaxy_12.fits", cube, **header)
    assert is_ideal_image(path)
    ideal = read_ideal_image(path)
    assert ideal.bands == ("g", "r")
    assert ideal.pixel_scale == pytest.approx(0.4)
    assert ideal.image.sum(axis=(1, 2)) == pytest.approx([100.0, 200.0])
    assert ideal.metadata["subhalo_id"] == 12
    with pytest.raises(ValueError, match="read_ideal_image"):
        open_snapshot(path)
    assert examine(path).ok


def test_untold_unit_scale_and_bands_are_asked_for(tmp_path):
    path = write(tmp_path / "bare.fits", disc())
    with pytest.raises(ValueError, match="pixel size not given"):
        read_ideal_image(path)
    with pytest.raises(ValueError, match="no BUNIT"):
        read_ideal_image(path, pixel_scale=0.4)
    with pytest.raises(ValueError, match="FILTER keywords do not name"):
        read_ideal_image(path, pixel_scale=0.4, unit="nanomaggy")
    ideal = read_ideal_image(path, pixel_scale=0.4, unit="nanomaggy", bands=["i"])
    assert ideal.image.sum() == pytest.approx(100.0)


def test_damaged_fits_is_refused(tmp_path):
    path = write(tmp_path / "cut.fits", disc())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises((OSError, ValueError), match=r"cut\.fits"):
        read_ideal_image(path, pixel_scale=0.4, unit="nanomaggy", bands=["i"])
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_ideal_image(tmp_path / "nowhere.fits")


def test_every_damaged_fits_ends_in_a_clear_error_or_an_image(tmp_path):
    """Fuzz: bytes flipped, files cut; only ValueError and OSError with the file's name leave."""
    header = {"BUNIT": "nanomaggy", "PIXSCALE": 0.4, "FILTER0": "SDSS g", "FILTER1": "SDSS r"}
    path = write(tmp_path / "good_1.fits", np.stack([disc(), 2 * disc()]), **header)
    whole, rng = path.read_bytes(), np.random.default_rng(9)
    for trial in range(60):
        raw = bytearray(whole[: rng.integers(len(whole))] if trial % 3 == 0 else whole)
        for place in rng.integers(0, max(min(len(raw), 800), 1), 3):
            raw[place : place + 1] = bytes([raw[place] ^ 1 << rng.integers(8)]) if raw else b""
        path = tmp_path / f"bad_{trial}.fits"
        path.write_bytes(raw)
        try:
            assert np.isfinite(read_ideal_image(path).image).all()
        except (OSError, ValueError) as error:
            assert path.name in str(error)  # noqa: PT017


def test_real_skirt_images_of_illustris(shared_data):
    """Zero points by the counts of AB 0 that the images' author gives (TNG data forum, topic 304)."""
    folder = shared_data / "simulated" / "illustris1_skirt_sdss_snap135"
    counts = np.array([2.40238e10, 2.3826e10, 1.59001e10, 2.66542e9])
    for path in sorted(folder.glob("*.fits")):
        ideal = read_ideal_image(path)
        assert ideal.bands == ("g", "r", "i", "z")
        assert ideal.pixel_scale == 0.396
        expected = -2.5 * np.log10(fits.getdata(path).astype(float).sum(axis=(1, 2)) / counts)
        assert 22.5 - 2.5 * np.log10(ideal.image.sum(axis=(1, 2))) == pytest.approx(expected, abs=1e-3)
        assert any("zero points not stored" in note for note in ideal.metadata["notes"])
        g, r, *_ = 22.5 - 2.5 * np.log10(ideal.image.sum(axis=(1, 2)))
        distance = FlatLambdaCDM(H0=70.4, Om0=0.2726).distmod(ideal.metadata["redshift"]).value
        assert -22.5 < r - distance < -18.5
        assert 0.4 < g - r < 0.9


def test_real_realsim_images(shared_data):
    folder = shared_data / "simulated" / "realsim_merger_skirt_sdss"
    ideal = read_ideal_image([folder / f"photo_{b}_CNN_G2G3_e-orbit_1_214_i0_total.fits.gz" for b in "gri"])
    assert ideal.bands == ("g", "r", "i")
    assert ideal.pixel_scale == pytest.approx(0.1081, abs=1e-3)  # 97.66 pc at redshift 0.046
    assert np.isfinite(ideal.image).all()
    g, r, i = 22.5 - 2.5 * np.log10(ideal.image.sum(axis=(1, 2)))
    assert 14.5 < r < 15.5
    assert g > r > i
