"""Bulge and disc: what was put in comes out, and where one profile fails two serve."""

from dataclasses import replace

import numpy as np
import pytest

from mocks.observing.psf import effective_psf
from simcompare.images.preparation.bulge_disc import fit_bulge_disc
from simcompare.images.preparation.sersic import SersicProfile, fit_sersic, observed_model

PSF = effective_psf("double-gaussian", 3.3, 31)
DISC = SersicProfile(32.3, 31.6, 400.0, 9.0, 1.0, 0.5, 0.7)
BULGE = SersicProfile(32.3, 31.6, 150.0, 2.0, 2.0, 0.9, 0.2)
START = SersicProfile(32, 32, 1, 6.0, 1.5, 0.7, 0.5)


def _image(sigma, seed=1):
    light = observed_model(DISC, 64, PSF) + observed_model(BULGE, 64, PSF)
    variance = sigma**2 + light / 1000
    return light + np.random.default_rng(seed).normal(0, np.sqrt(variance)), variance, np.zeros((64, 64)), PSF


def test_both_components_come_back():
    fit = fit_bulge_disc(*_image(0.002), START)
    assert fit.flag == 0
    assert fit.reduced_chi2 == pytest.approx(1, abs=0.1)
    assert fit.flux == pytest.approx(550, rel=0.02)
    assert fit.profile.radius == pytest.approx(9.0, rel=0.02)
    assert fit.profile.index == 1
    assert fit.bulge.radius == pytest.approx(2.0, rel=0.1)
    assert fit.bulge.index == pytest.approx(2.0, rel=0.15)
    assert fit.bulge.flux / fit.flux == pytest.approx(150 / 550, rel=0.08)


def test_a_single_profile_fits_it_worse():
    given = _image(0.02)
    one, two = fit_sersic(*given, START), fit_bulge_disc(*given, START)
    assert two.reduced_chi2 < one.reduced_chi2 - 0.1


def test_a_disc_alone_gets_no_bulge():
    light = observed_model(DISC, 64, PSF)
    image = light + np.random.default_rng(3).normal(0, 0.02, light.shape)
    fit = fit_bulge_disc(image, np.full(light.shape, 0.02**2), np.zeros(light.shape), PSF, START)
    assert abs(fit.bulge.flux) < 0.03 * fit.flux or fit.bulge.radius > 4
    np.testing.assert_allclose(fit.model, light, atol=0.02)


def test_an_image_without_light_is_flagged():
    for image in (np.zeros((64, 64)), np.full((64, 64), -1.0)):
        fit = fit_bulge_disc(image, np.ones((64, 64)), np.zeros((64, 64)), PSF, START)
        assert fit.flag & 8
        assert fit.profile.flux == fit.bulge.flux == 0
        assert (fit.model == 0).all()


def test_a_bulge_smaller_than_a_pixel_comes_back_and_one_at_its_bound_is_flagged():
    """Without noise; an index of 11 is beyond the range, its radius within the image."""
    variance, mask = np.full((64, 64), 1e-4), np.zeros((64, 64))
    for bulge, flag in ((replace(BULGE, radius=0.8, index=1.0), 0), (replace(BULGE, index=11.0), 2)):
        light = observed_model(DISC, 64, PSF) + observed_model(bulge, 64, PSF)
        fit = fit_bulge_disc(light, variance, mask, PSF, START)
        assert fit.flag == flag
        if not flag:
            assert fit.bulge.radius == pytest.approx(0.8, rel=0.1)
