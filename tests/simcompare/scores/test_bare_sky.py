"""Bare sky against scipy's normal density, pixel by pixel and scale by scale."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from simcompare.images.image_set import LINEAR_UNIT
from simcompare.models.density import SKY
from simcompare.scores.bare_sky import SkyDensity, with_sky


def test_density_is_that_of_noise_about_the_level_at_every_scale():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 2, 8, 8))
    level, sigma = rng.normal(size=(3, 2)), rng.uniform(0.3, 2, (3, 2))
    sky = SkyDensity(("g", "r"), n_scales=3)
    assert sky.context_names == ("sky_level_g", "sky_level_r", "sky_sigma_g", "sky_sigma_r")
    context = np.concatenate([level, sigma], axis=1)
    exact = stats.norm.logpdf(images, level[:, :, None, None], sigma[:, :, None, None])
    np.testing.assert_allclose(sky.map(images, context), exact.sum(axis=1))
    np.testing.assert_allclose(sky.log_prob(images, context), exact.sum(axis=(1, 2, 3)))
    budget = sky.budget(images, context)
    # Details of the finest scale by hand: half of the differences in blocks of 2 x 2.
    unit = (images - level[:, :, None, None]) / sigma[:, :, None, None]
    a, b, c, d = unit[..., ::2, ::2], unit[..., ::2, 1::2], unit[..., 1::2, ::2], unit[..., 1::2, 1::2]
    details = np.stack([a - b + c - d, a + b - c - d, a - b - c + d]) / 2
    terms = stats.norm.logpdf(details) - np.log(sigma)[None, :, :, None, None]
    np.testing.assert_allclose(budget[:, 0], terms.sum(axis=(0, 2, 3, 4)))
    assert budget.shape == (3, 3)
    np.testing.assert_allclose(budget.sum(axis=1), exact.sum(axis=(1, 2, 3)))
    alone = SkyDensity(("g", "r")).budget(images, context)
    np.testing.assert_allclose(alone[:, 0], exact.sum(axis=(1, 2, 3)))


@pytest.mark.parametrize(("unit", "names", "n_scales"), [(LINEAR_UNIT, ("a", "b"), 2), (LINEAR_UNIT, (), 1)])
def test_sky_joins_backgrounds_of_fluxes(unit, names, n_scales):
    images, model = SimpleNamespace(unit=unit, bands=("r",)), SimpleNamespace(scale_names=names)
    found = with_sky({"twins": model}, images, model)
    assert set(found) == {"twins", SKY}
    assert found[SKY].n_scales == n_scales
    assert with_sky({}, images, model) == {}
    assert set(with_sky({"twins": model}, SimpleNamespace(unit="8-bit"), model)) == {"twins"}
