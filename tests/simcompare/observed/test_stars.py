"""The PSF of the stars in an image: known ones are found again, galaxies are not taken for stars."""

import numpy as np
import pytest

from mocks.observing.psf_images import measure_fwhm
from simcompare.observed.stars import star_psf

SIGMA, ELECTRONS = 0.03, 900.0


def _source(x, y, fwhm, beta, peak, shape=(120, 120)):
    rows, columns = np.indices(shape)
    squared = (rows - y) ** 2 + (columns - x) ** 2
    return peak * (1 + 4 * (2 ** (1 / beta) - 1) * squared / fwhm**2) ** -beta


def _observed(light, rng):
    return light + rng.normal(0, np.sqrt(SIGMA**2 + light / ELECTRONS))


def _psf(image):
    return star_psf(image, np.ones(image.shape, bool), 0.396, ELECTRONS, brightest=200.0)


def test_width_of_stars_comes_back():
    rng = np.random.default_rng(1)
    light = _source(30.3, 40.7, 2.6, 3.0, 5.0) + _source(80.5, 91.2, 2.6, 3.0, 2.0)
    psf = _psf(_observed(light, rng))
    assert psf.shape == (41, 41)
    assert psf.sum() == pytest.approx(1)
    assert measure_fwhm(psf) == pytest.approx(2.6, rel=0.02)
    assert np.unravel_index(psf.argmax(), psf.shape) == (20, 20)


def test_wider_sources_beside_a_star_are_left_out():
    rng = np.random.default_rng(2)
    light = _source(30.3, 40.7, 2.6, 3.0, 8.0) + _source(80.5, 91.2, 3.4, 3.0, 20.0)
    assert measure_fwhm(_psf(_observed(light, rng))) == pytest.approx(2.6, rel=0.03)


@pytest.mark.parametrize(
    "light",
    [
        np.zeros((120, 120)),
        _source(60, 60, 8.0, 3.0, 5.0),  # a galaxy
        _source(60, 60, 2.6, 3.0, 300.0),  # saturated
        _source(60, 60, 2.6, 3.0, 0.3),  # faint
        _source(3, 60, 2.6, 3.0, 5.0),  # at the edge
    ],
    ids=["nothing", "galaxy", "saturated", "faint", "edge"],
)
def test_without_a_star_there_is_no_psf(light):
    assert _psf(_observed(light, np.random.default_rng(3))) is None


def test_stars_on_the_galaxy_are_not_used():
    image = _observed(_source(60, 60, 2.6, 3.0, 5.0), np.random.default_rng(4))
    usable = np.ones(image.shape, bool)
    usable[62:, 62:] = False
    assert star_psf(image, usable, 0.396, ELECTRONS, brightest=200.0) is None
