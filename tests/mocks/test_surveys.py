import numpy as np
import pytest

from mocks import SURVEYS, load_survey
from mocks.filters import load_filter
from mocks.observing.psf import effective_psf


@pytest.mark.parametrize("name", SURVEYS)
def test_every_survey_is_complete_and_sourced(name):
    survey = load_survey(name)
    assert survey.name == name
    assert 0.02 < survey.pixel_scale < 1
    assert survey.psf_size % 2 == 1
    wavelengths = [load_filter(band.filter).pivot for band in survey.bands.values()]
    assert wavelengths == sorted(wavelengths)
    for band in survey.bands.values():
        assert 0 < band.sky_sigma < 1
        assert 0.1 < band.seeing < 2
        assert 20 < band.depth < 29
        assert (band.electrons_per_nanomaggy > 1).all()
        assert {"zeropoint", "gain", "sky_sigma", "seeing", "depth"} <= set(band.references)


@pytest.mark.parametrize("name", SURVEYS)
def test_quoted_depth_agrees_with_sky_noise_and_seeing(name):
    """A point source at the quoted depth has a signal-to-noise near 5 in an optimal aperture."""
    survey = load_survey(name)
    for band in survey.bands.values():
        psf = effective_psf(
            survey.psf_model, band.seeing / survey.pixel_scale, survey.psf_size, **survey.psf_parameters
        )
        noise = band.sky_sigma / np.sqrt(np.sum(psf**2))
        assert 22.5 - 2.5 * np.log10(5 * noise) == pytest.approx(band.depth, abs=0.4)


def test_sdss_numbers():
    survey = load_survey("sdss")
    counts = [round(band.counts_per_nanomaggy, 1) for band in survey.bands.values()]
    assert counts == pytest.approx([102.8, 261.9, 197.3, 148.2, 31.3], rel=2e-3)
    sigma = [band.sky_sigma for band in survey.bands.values()]
    assert sigma == pytest.approx([0.0443, 0.0175, 0.0277, 0.0465, 0.179], rel=5e-3)
    assert all(len(band.gain) == 6 for band in survey.bands.values())


def test_sdss_noise_follows_from_gain_and_sky():
    """The frame recipe with the mean sky gives the quoted noise to 0.2 mag."""
    sky = {"u": 22.30, "g": 22.01, "r": 20.86, "i": 20.36, "z": 19.18}  # mag / arcsec2
    for band in load_survey("sdss").bands.values():
        counts = 10 ** (0.4 * (22.5 - sky[band.name])) * 0.396**2 * band.counts_per_nanomaggy
        sigma = np.sqrt(counts / np.mean(band.gain) + np.mean(band.dark_variance)) / band.counts_per_nanomaggy
        assert 2.5 * abs(np.log10(sigma / band.sky_sigma)) < 0.2


def test_unknown_survey_and_band():
    with pytest.raises(ValueError, match="known are"):
        load_survey("no-such-survey")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_survey("missing.toml")
    with pytest.raises(ValueError, match="has no band"):
        load_survey("sdss").select(["g", "y"])


def test_number_without_reference_is_refused(tmp_path):
    text = SURVEYS["sdss"].read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert load_survey(path) == load_survey("sdss")
    path.write_text(text.replace('value = 0.396\nunit = "arcsec"\nreference = "frame"', "value = 0.396"))
    with pytest.raises(ValueError, match=r"mine.toml.*pixel_scale.* has no reference"):
        load_survey(path)
    path.write_text(text.replace('reference = "law"', 'reference = "hearsay"'))
    with pytest.raises(ValueError, match="cites 'hearsay'"):
        load_survey(path)
    path.write_text(text.replace("[band.g.depth]", "[band.g.reach]"))
    with pytest.raises(ValueError, match=r"band.g.depth is missing"):
        load_survey(path)
    path.write_text(text.replace('unit = "mag / arcsec2"', 'unit = "Jy"'))
    with pytest.raises(ValueError, match="unit 'Jy'"):
        load_survey(path)
    path.write_text("pixel_scale = [")
    with pytest.raises(ValueError, match="not a TOML file"):
        load_survey(path)
