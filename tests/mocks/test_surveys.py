import importlib
import logging
import re
import tomllib

import numpy as np
import pytest

from mocks import SURVEYS, load_survey
from mocks.filters import load_filter
from mocks.observing.psf import effective_psf
from mocks.surveys import _plugins, surveys


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


@pytest.mark.parametrize("name", SURVEYS)
def test_every_number_that_moves_a_magnitude_has_a_source(name):
    survey = load_survey(name)
    key = tomllib.loads(SURVEYS[name].read_text())["pixel_scale"]["reference"]
    sources = {"pixel_scale": survey.references[key]}
    for band in survey.bands.values():
        sources |= {f"{band.name}.{key}": band.references[key] for key in ("zeropoint", "gain")}
    for place, text in sources.items():
        assert len(text) > 20, place
        assert not text.startswith("our choice"), place  # it would be assumed, and to be said in that list
    assert all(len(text) > 20 for text in survey.assumed)
    assert survey.assumed


def test_assumptions_are_sentences(tmp_path):
    path = tmp_path / "mine.toml"
    text = SURVEYS["sdss"].read_text()
    path.write_text(text.replace("assumed = [", "assumed = [1, "))
    with pytest.raises(ValueError, match=r"mine.toml: .*number assumed = 1 has no reference"):
        load_survey(path)
    path.write_text(text.replace("assumed = [", 'assumed = "all"\nothers = ['))
    with pytest.raises(ValueError, match=r"mine.toml: assumed is 'all'; write a list of sentences"):
        load_survey(path)


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
    with pytest.raises(ValueError, match="choose from"):
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


def own_file(folder, name="mine", **changes):
    """Survey file of a user: SDSS under another name, with other lines in place of some."""
    text = SURVEYS["sdss"].read_text().replace('name = "sdss"', f'name = "{name}"', 1)
    for line, other in changes.values():
        assert line in text
        text = text.replace(line, other, 1)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_a_survey_file_keeps_its_text_and_ours_do_not(tmp_path):
    path = own_file(tmp_path)
    survey = load_survey(path)
    assert survey.text == path.read_text()
    assert survey.source == str(path)
    assert load_survey("sdss").text == ""
    assert load_survey(str(SURVEYS["sdss"])).text == ""
    path.write_text(path.read_text().replace("value = 0.396", "value = 0.5", 1))
    assert load_survey(path).pixel_scale == 0.5  # as it is now, not as it was


def test_frames_are_of_a_kind_that_is_known(tmp_path):
    line = 'frames = "sdss-frame"'
    assert load_survey("sdss").frames == "sdss-frame"
    assert load_survey("hsc-deep").frames == load_survey("hsc-wide").frames == "hsc-coadd"
    assert load_survey(own_file(tmp_path, frames=(line, ""))).frames is None
    with pytest.raises(
        ValueError, match=r"mine\.toml: frames is 'plates'; write one of sdss-frame, hsc-coadd"
    ):
        load_survey(own_file(tmp_path, frames=(line, 'frames = "plates"')))


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A distribution outside the package with one good survey and some that must be left out."""
    own_file(tmp_path)
    (tmp_path / "survey_plugin.py").write_text(
        "from pathlib import Path\nMINE = Path(__file__).with_name('mine.toml')\nWRONG = 3\n"
    )
    info = tmp_path / "survey_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: survey-plugin\nVersion: 1.0\n")
    names = {"mine": "MINE", "wrong": "WRONG", "lost": "NONE", "sdss": "MINE", "misnamed": "MINE"}
    lines = [f"{name} = survey_plugin:{entry}" for name, entry in names.items()]
    (info / "entry_points.txt").write_text("\n".join(["[simcompare.surveys]", *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    _plugins.cache_clear()
    yield
    _plugins.cache_clear()


def test_plugins_join_the_surveys(plugins, caplog):
    with caplog.at_level(logging.WARNING):
        assert set(surveys()) == {"mine", "misnamed", *SURVEYS}
    assert sorted(record.args[0] for record in caplog.records) == ["lost", "sdss", "wrong"]
    mine = load_survey("mine")
    assert (mine.name, mine.pixel_scale) == ("mine", 0.396)
    assert mine.text  # travels with images, which others open without the plug-in
    with pytest.raises(ValueError, match=r"mine\.toml: its name is 'mine', but it is offered as 'misnamed'"):
        load_survey("misnamed")
    with pytest.raises(ValueError, match="choose from mine, misnamed, des"):
        load_survey("no-such-survey")


ABSURD = {
    "pixel_scale": ("value = 0.396", "-1", "0", "nan", "inf", "1e9", '"0.4"', "true", "[0.4]", "{}"),
    "psf.size": ("value = 41", "-1", "1e6", "40", "41.5", '"41"'),
    "psf.parameters.wing_ratio": ("value = 2.0", "-1", "nan", "1e300"),
    "correlation.seeing": ("value = 0.87", "-0.1", "1.1", "nan"),
    "band.u.zeropoint": ("value = 27.5305", "nan", "1e3", '"x"', "[27.5, 27.5]"),
    "band.u.gain": ("value = [1.62, 1.595, 1.59, 1.6, 1.47, 2.17]", "0", "[]", "[1, 1, 1, 1, 1, nan]"),
    "band.u.seeing": ("value = 1.551", "0", "-1.5", "nan", "[1.5]"),
    "band.u.seeing.scatter": ("scatter = 0.243", "-0.1", "nan", '"x"', "true"),
    "band.u.sky_sigma": ("value = 23.872", "nan", "-5", "1e300"),
    "band.u.depth": ("value = 22.06", "nan", "99"),
    "name": ('name = "sdss"', "5", '""', r'"a\nb"'),
    "psf.model": ('model = "double-gaussian"', "5", '""'),
    "integer_counts": ("integer_counts = true", "5", '"no"'),
}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "line", "value"),
    [(place, line, value) for place, (line, *values) in ABSURD.items() for value in values],
)
def test_absurd_values_of_a_survey_are_refused_where_they_stand(tmp_path, place, line, value):
    text = SURVEYS["sdss"].read_text()
    assert line in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(line, f"{line.partition('=')[0]}= {value}", 1))
    with pytest.raises(ValueError, match=rf"mine\.toml: (the number )?{re.escape(place)} (is|=)") as error:
        load_survey(path)
    assert len(str(error.value).splitlines()) == 1


def with_noise(tmp_path, entry):
    """SDSS with the noise of one band told in another way."""
    text, name = SURVEYS["sdss"].read_text(), tmp_path / "mine.toml"
    start = text.index("[band.r.sky_sigma]")
    end = text.index("[", start + 1)
    name.write_text(
        f'{text[:start]}[band.r.sky_sigma]\n{entry}\nscatter = 0.05\nreference = "realsim"\n{text[end:]}'
    )
    return name


def test_noise_told_by_the_depth_of_point_sources(tmp_path):
    """A point source at the depth then has a signal-to-noise of 5, with its PSF as weight."""
    survey = load_survey(with_noise(tmp_path, 'value = 23.0\nunit = "mag, 5 sigma point source"'))
    band = survey.bands["r"]
    fwhm = band.seeing / survey.pixel_scale
    psf = effective_psf(survey.psf_model, fwhm, survey.psf_size, **survey.psf_parameters)
    noise = band.sky_sigma / np.sqrt(np.sum(psf**2))
    assert 10 ** (0.4 * (22.5 - 23.0)) / noise == pytest.approx(5.0, rel=1e-9)


def test_noise_told_by_the_depth_in_an_aperture(tmp_path):
    """The noise of an aperture is that of a pixel times the root of its pixels."""
    survey = load_survey(with_noise(tmp_path, 'value = 24.0\nunit = "mag, 5 sigma aperture"\ndiameter = 2.0'))
    pixels = np.pi / survey.pixel_scale**2
    expected = 10 ** (0.4 * (22.5 - 24.0)) / 5 / np.sqrt(pixels)
    assert survey.bands["r"].sky_sigma == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("entry", "said"),
    [('value = 24.0\nunit = "mag, 5 sigma aperture"', "has no 'diameter'"),
     ('value = 24.0\nunit = "mag, 5 sigma aperture"\ndiameter = 0', "sky_sigma.diameter is 0"),
     ('value = 24.0\nunit = "mag, 3 sigma"', "and depths: 'mag, 5 sigma point source'"),
     ('value = -5\nunit = "mag, 5 sigma point source"', "must be a number from 0 to 50")],
)  # fmt: skip
def test_depths_that_tell_no_noise_are_refused(tmp_path, entry, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        load_survey(with_noise(tmp_path, entry))


@pytest.mark.parametrize(
    "rows", ["[]", "[[0.5]]", "[[1, nan]]", "[[1, 2]]", "[1, 0.5]", "[[1], [1, 2]]", '"x"']
)
def test_absurd_correlations_of_noise_are_refused(tmp_path, rows):
    path = tmp_path / "mine.toml"
    text = SURVEYS["sdss"].read_text()
    path.write_text(f'{text}\n[noise.correlation]\nvalue = {rows}\nreference = "ours"\n')
    with pytest.raises(ValueError, match=r"mine\.toml"):
        load_survey(path)
