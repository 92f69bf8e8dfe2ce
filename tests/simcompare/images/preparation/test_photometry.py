"""Measurements against galaxies whose answers are known in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import brentq

from simcompare.images.preparation.deblending import _squared_radius, turned
from simcompare.images.preparation.photometry import (
    RESAMPLED_CORRELATION,
    Sky,
    _flags,
    _largest_ellipse,
    _touches_edge,
    combined_light,
    growth_curve,
    light_radius,
    magnitude,
    measure_shape,
    petrosian_radius,
)
from simcompare.images.stamps import FLAGS


def exponential(scale_length, axis_ratio=1.0, angle=0.0, size=129, flux=1000.0, centre=None, oversampling=5):
    """Exponential disc integrated over pixels."""
    centre = centre or ((size - 1) / 2, (size - 1) / 2)
    axis = (np.arange(size * oversampling) + 0.5) / oversampling - 0.5
    x, y = axis - centre[0], (axis - centre[1])[:, None]
    major = x * np.cos(angle) + y * np.sin(angle)
    minor = (y * np.cos(angle) - x * np.sin(angle)) / axis_ratio
    image = np.exp(-np.hypot(major, minor) / scale_length)
    image = image.reshape(size, oversampling, size, oversampling).mean(axis=(1, 3))
    return image * flux / (2 * np.pi * scale_length**2 * axis_ratio)


def test_magnitude_of_a_nanomaggy():
    assert magnitude(1.0) == 22.5
    assert magnitude(100.0) == 17.5
    assert np.isnan(magnitude(-1.0))


def test_growth_curve_keeps_flux_and_area():
    image = exponential(4.0)
    radius, flux, area = growth_curve(image, (64, 64))
    assert flux[-1] == pytest.approx(image.sum(), rel=1e-12)
    assert area[-1] == pytest.approx(image.size, rel=1e-12)
    assert np.interp(10, radius, area) == pytest.approx(np.pi * 100, rel=0.01)


@pytest.mark.parametrize(("axis_ratio", "angle"), [(1.0, 0.0), (0.6, 0.5), (0.35, 2.0)])
def test_exponential_disc_has_its_half_light_radius_shape_and_flux(axis_ratio, angle):
    image = exponential(4.0, axis_ratio, angle)
    shape = measure_shape(image, image > 0.001 * image.max(), (64, 64))
    assert shape.axis_ratio == pytest.approx(axis_ratio, abs=0.02)
    if axis_ratio < 1:
        assert np.mod(shape.position_angle, np.pi) == pytest.approx(angle, abs=0.02)
    # Twice the Petrosian radius holds 99 % of an exponential's light.
    assert shape.half_light_radius == pytest.approx(1.678 * 4.0, rel=0.02)
    assert shape.aperture == 2 * shape.petrosian_radius
    assert not shape.truncated


def test_petrosian_radius_of_an_exponential():
    def within(r):
        return 1 - (1 + r) * np.exp(-r)

    def ratio(r):
        local = (within(1.25 * r) - within(0.8 * r)) / (1.25**2 - 0.8**2)
        return local / within(r)

    exact = 6.0 * brentq(lambda r: ratio(r) - 0.2, 1, 10)
    assert petrosian_radius(*growth_curve(exponential(6.0), (64, 64))) == pytest.approx(exact, rel=0.01)


def test_light_radius_interpolates():
    assert light_radius(np.array([0.0, 1, 2]), np.array([0.0, 1, 3]), 0.5, 4.0) == 1.5


def test_galaxy_larger_than_its_image_is_marked():
    image = exponential(30.0, size=65)
    shape = measure_shape(image, np.ones_like(image, bool), (32, 32))
    assert shape.truncated
    assert shape.aperture <= 32.6


@pytest.mark.parametrize(
    ("axis_ratio", "angle"), [(1.0, 0.0), (0.4, 0.0), (0.4, 0.5), (0.3, 1.4), (0.5, 2.5)]
)
@pytest.mark.parametrize("centre", [(32, 32), (20, 32), (45.5, 32), (32, 15.2), (32, 50), (12, 14), (52, 49)])
def test_largest_ellipse_touches_the_nearest_edge(axis_ratio, angle, centre):
    """Drawn as a curve, for galaxies inclined and off-centre on every side."""
    n_y, n_x = 65, 71
    a = _largest_ellipse((n_y, n_x), centre, axis_ratio, angle)
    t = np.linspace(0, 2 * np.pi, 200_001)
    x = centre[0] + a * (np.cos(t) * np.cos(angle) - axis_ratio * np.sin(t) * np.sin(angle))
    y = centre[1] + a * (np.cos(t) * np.sin(angle) + axis_ratio * np.sin(t) * np.cos(angle))
    room = min(x.min() + 0.5, n_x - 0.5 - x.max(), y.min() + 0.5, n_y - 0.5 - y.max())
    assert room == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("angle", "is_truncated"), [(0.0, False), (0.5 * np.pi, True)])
def test_an_inclined_galaxy_ends_at_the_edge_of_a_narrow_image(angle, is_truncated):
    image = exponential(4.0, 0.35, angle, size=129)[44:85]
    shape = measure_shape(image, image > 0.001 * image.max(), (64, 20))
    assert shape.truncated == is_truncated
    reach = 20.5 / np.hypot(np.sin(angle), shape.axis_ratio * np.cos(angle))
    assert shape.aperture == pytest.approx(min(reach, 2 * shape.petrosian_radius), rel=0.01)


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1, 2.2, 2.9])
def test_elliptical_distance_is_that_of_the_inverse_covariance(angle):
    """Of a tilted Gaussian, by numpy's inverse of its covariance."""
    y, x = np.indices((81, 81))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    covariance = turn @ np.diag([49.0, 9.0]) @ turn.T
    offset = np.stack([x - 38.0, y - 41.0], axis=-1)
    expected = np.einsum("yxi,ij,yxj->yx", offset, np.linalg.inv(covariance), offset)
    found = _squared_radius(np.exp(-expected / 2), (38.0, 41.0))
    assert found == pytest.approx(expected, rel=2e-3, abs=1e-9)


@pytest.mark.parametrize("centre", [(3.0, 2.0), (2.4, 3.6), (0.0, 0.0), (5.0, 4.0), (1.0, 4.0)])
def test_an_image_is_turned_about_any_centre_and_zero_beyond(centre):
    """Pixel by pixel; six columns and five rows."""
    image = np.random.default_rng(0).uniform(1, 2, (5, 6))
    found = turned(image, centre)
    for y in range(5):
        for x in range(6):
            far_x, far_y = round(2 * centre[0] - x), round(2 * centre[1] - y)
            inside = 0 <= far_x < 6 and 0 <= far_y < 5
            assert found[y, x] == (image[far_y, far_x] if inside else 0.0)


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_an_isophote_touches_the_edge_on_any_side(side):
    target = np.zeros((9, 8), bool)
    target[3:6, 3:5] = True
    assert not _touches_edge(target)
    edge = {"top": (8, 4), "bottom": (0, 4), "left": (4, 0), "right": (4, 7)}[side]
    target[edge] = True
    assert _touches_edge(target)
    beside = np.zeros((9, 8), bool)
    beside[1:8, 1:7] = True
    assert not _touches_edge(beside)


SOUND = {"centre_x": 32.0, "centre_y": 32.0, "half_light_radius": 3.0, "snr": 50.0, "noise_correlation": 0.0}


@pytest.mark.parametrize(
    ("change", "level", "raised"),
    [
        ({}, (0.012, -0.04), set()),  # 0.48 and 0.4 of the noise
        ({}, (0.013, 0.0), {"background"}),
        ({}, (0.0, -0.051), {"background"}),
        ({"centre_x": 32.99, "centre_y": 31.01}, (0, 0), set()),
        ({"centre_x": 33.01}, (0, 0), {"off_centre"}),
        ({"centre_y": 30.99}, (0, 0), {"off_centre"}),
        ({"half_light_radius": 1.49}, (0, 0), {"small"}),
        ({"half_light_radius": 1.5}, (0, 0), set()),
        ({"half_light_radius": np.nan}, (0, 0), {"small"}),
        ({"snr": 9.9}, (0, 0), {"faint"}),
        ({"snr": 10.0}, (0, 0), set()),
        ({"snr": np.nan}, (0, 0), {"faint", "undetected"}),
        ({"snr": 0.1}, (0, 0), {"faint"}),
        ({"snr": -0.1}, (0, 0), {"faint", "undetected"}),
        ({"half_light_radius": 0.38}, (0, 0), {"small"}),  # a quarter of the PSF's width is 0.375
        ({"half_light_radius": 0.37}, (0, 0), {"small", "undetected"}),
        ({"noise_correlation": RESAMPLED_CORRELATION + 0.01}, (0, 0), {"resampled"}),
        ({"noise_correlation": RESAMPLED_CORRELATION - 0.01}, (0, 0), set()),
    ],
)
def test_flags_are_raised_beyond_their_bounds(change, level, raised):
    """Of two bands with noise of 0.025 and 0.1, a PSF of 1.5 arcsec."""
    sky = Sky(np.array(level), np.array([0.025, 0.1]), np.zeros(2))
    target = np.zeros((64, 64), bool)
    target[20:40, 20:40] = True
    stamp, shape = SimpleNamespace(resampled=False), SimpleNamespace(truncated=False)
    found = _flags(SOUND | change, stamp, target, shape, sky, 1.5, 32)
    assert {name for name, bit in FLAGS.items() if found & bit} == raised
    told = _flags(SOUND | change, SimpleNamespace(resampled=True), None, shape, sky, 1.5, 32)
    assert {name for name, bit in FLAGS.items() if told & bit} == raised | {"resampled", "undetected"}


def test_sky_of_several_bands_is_weighted_by_its_noise():
    """Weights 16 / 17 and 1 / 17 of noise 1 and 4; a correlation that is not known does not count."""
    sky = Sky(np.array([1.0, 2.0]), np.array([1.0, 4.0]), np.array([0.3, np.nan]))
    assert sky.combined_sigma == pytest.approx(np.sqrt(16 / 17))
    assert sky.mean_correlation == 0.3
    assert np.isnan(Sky(np.zeros(1), np.ones(1), np.array([np.nan])).mean_correlation)
    image = np.stack([np.full((2, 2), 3.0), np.full((2, 2), 19.0)])
    np.testing.assert_allclose(combined_light(image, sky), (16 * 2 + 17) / 17)
