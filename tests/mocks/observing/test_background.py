from dataclasses import replace

import numpy as np
import pytest

from mocks import draw_conditions, load_survey, stream
from mocks.observing.background import FaintSources, faint_field, faint_sources, residual_sky
from mocks.observing.psf import gaussian_psf

PSF = gaussian_psf(3.0, 21)


def test_undetected_sources_have_the_mean_and_variance_of_their_counts():
    """Campbell's theorem: the variance is density times squared flux times the sum of the squared PSF."""
    faint = FaintSources(np.array([3.0]), np.array([23.0]), 0.3, 3.0, 0.4)
    fields = np.array([faint_field((60, 60), faint, (PSF,), stream(1, i))[0] for i in range(120)])
    magnitude = np.linspace(23, 26, 3001)
    density = 3.0 * 10 ** (0.3 * (magnitude - 22)) * (0.4 / 60) ** 2
    flux = 10 ** (-0.4 * (magnitude - 22.5))
    variance = np.trapezoid(density * flux**2, magnitude) * np.sum(PSF**2)
    assert fields.var() == pytest.approx(variance, rel=0.05)
    mean = np.trapezoid(density * flux, magnitude)
    assert fields.mean() == pytest.approx(0, abs=0.03 * mean)
    assert fields.min() == pytest.approx(-mean, rel=1e-3)


def test_a_faint_source_is_in_all_bands_with_the_colour_of_the_counts():
    survey = load_survey("sdss")
    faint = faint_sources(survey, ("g", "r"))
    field = faint_field((200, 200), faint, (PSF, PSF), stream(2))
    zero = field - field.min(axis=(1, 2), keepdims=True)
    colour = 2.5 * np.log10(zero[1].sum() / zero[0].sum())
    assert colour == pytest.approx(np.log10(2.09 / 0.96) / 0.34, abs=0.01)
    assert np.corrcoef(zero[0].ravel(), zero[1].ravel())[0, 1] > 0.99
    # Nothing that would be found in either band.
    assert faint.brightest == pytest.approx([survey.bands[band].depth for band in "gr"])
    peak = zero.max(axis=(1, 2)) / PSF.max()
    assert (22.5 - 2.5 * np.log10(peak) > faint.brightest - 1).all()


def test_surveys_without_counts_have_no_undetected_sources():
    assert faint_sources(load_survey("hsc-wide"), ("r",)) is None
    assert faint_sources(load_survey("sdss"), ("r", "z")) is None


def test_left_over_sky_is_an_offset_and_a_slope():
    sky = residual_sky((5, 7), np.array([1.0, -2.0]), np.array([[0.1, 0.0], [0.0, 0.2]]))
    assert sky.mean(axis=(1, 2)) == pytest.approx([1.0, -2.0])
    assert sky[0, :, 3] == pytest.approx(1 + 0.1 * np.arange(-2, 3))
    assert sky[1, 2] == pytest.approx(-2 + 0.2 * np.arange(-3, 4))


def test_left_over_sky_scatters_as_the_survey_file_says():
    survey = load_survey("sdss")
    states = [draw_conditions(survey, ("g", "r"), stream(3, i)) for i in range(120)]
    level = np.array([state.sky_level / state.sky_sigma for state in states])
    assert level.std(axis=0) == pytest.approx(survey.residual_level, rel=0.2)
    assert np.corrcoef(level[:, 0], level[:, 1])[0, 1] == pytest.approx(survey.residual_correlation, abs=0.25)
    slope = np.array([state.sky_gradient / state.sky_sigma[:, None] for state in states])
    assert slope.std() == pytest.approx(survey.residual_gradient, rel=0.15)
    with pytest.raises(ValueError, match="sky_gradient"):
        replace(states[0], sky_gradient=np.zeros(3))
