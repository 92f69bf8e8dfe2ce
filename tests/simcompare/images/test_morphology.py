"""Morphology of galaxies whose numbers are known, and against statmorph."""

import numpy as np
import pytest
from astropy.table import Table
from scipy.ndimage import label

from simcompare.images.morphology import (
    MORPHOLOGY,
    _asymmetry_about,
    _galaxy_pixels,
    _gini,
    _m20,
    measure_morphology,
    morphology_columns,
)

SIDE, CENTRE, RADIUS = 64, (31.3, 32.1), 14.0


def disc(scale=5.0, flux=1000.0, centre=CENTRE):
    """Exponential disc that its sampling resolves."""
    y, x = np.indices((SIDE, SIDE))
    r = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + 4)
    image = np.exp(-r / scale)
    return flux * image / image.sum()


def spot(centre, flux):
    """Point source of sigma 1.5 pixels."""
    y, x = np.indices((SIDE, SIDE))
    return flux / (2 * np.pi * 2.25) * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / 4.5)


def measured(image, sigma=1e-6, **how):
    return measure_morphology(image, np.full(image.shape, sigma**2), CENTRE, RADIUS, **how)


def test_a_symmetric_galaxy_has_no_asymmetry_wherever_its_centre_lies():
    for centre in (CENTRE, (31.5, 31.5), (31.9, 32.4)):  # the last is found, half a pixel off
        assert measured(disc(centre=centre)).asymmetry == pytest.approx(0, abs=0.01)


def test_the_asymmetry_of_a_companion_is_its_share_of_the_light():
    """A half turn changes the light of a companion and of its mirror place: 2 f over 2 (1 + f)."""
    lopsided = disc() + spot((CENTRE[0] + 9, CENTRE[1]), 100.0)
    inside = measured(lopsided, axis_ratio=1.0).asymmetry
    assert inside == pytest.approx(100 / (disc()[_ellipse()].sum() + 100), rel=0.05)


def _ellipse():
    y, x = np.indices((SIDE, SIDE))
    return np.hypot(x - CENTRE[0], y - CENTRE[1]) <= 1.5 * RADIUS


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_noise_adds_no_asymmetry(sigma):
    rng = np.random.default_rng(1)
    found = [measured(disc() + sigma * rng.normal(size=(SIDE, SIDE)), sigma).asymmetry for _ in range(40)]
    # The least over the centre lies a little below 0; without the correction it would be 0.1 and 0.4.
    assert -0.03 < np.mean(found) < 0.005


def test_gini_and_m20_of_known_light():
    assert _gini(np.arange(1.0, 400)) == pytest.approx(1 / 3)  # of 1, 2, ..., n whatever n is
    assert _gini(np.eye(1, 50)[0]) == pytest.approx(1)
    assert _gini(np.ones(50)) == pytest.approx(0)
    y, x = np.indices((301, 301))
    gaussian = np.exp(-((x - 150) ** 2 + (y - 150) ** 2) / (2 * 25**2))
    u = -np.log(0.8)  # r^2 / 2 sigma^2 that holds a fifth of the light
    expected = np.log10(1 - (1 + u) * np.exp(-u))
    assert _m20(gaussian, np.ones(gaussian.shape, bool)) == pytest.approx(expected, abs=2e-3)


def test_turned_and_mirrored_galaxies_have_the_same_numbers():
    image = disc() + spot((CENTRE[0] + 6, CENTRE[1] + 3), 80.0)
    first = measured(image, axis_ratio=0.7, position_angle=0.3)
    turned = measure_morphology(
        np.rot90(image),
        np.full(image.shape, 1e-12),
        (CENTRE[1], SIDE - 1 - CENTRE[0]),
        RADIUS,
        0.7,
        0.3 - np.pi / 2,
    )
    for name in ("asymmetry", "gini", "m20"):
        assert getattr(turned, name) == pytest.approx(getattr(first, name), rel=0.02, abs=2e-3)


def test_against_statmorph():
    statmorph = pytest.importorskip("statmorph")
    rng, ours, theirs = np.random.default_rng(2), [], []
    for k in range(12):
        image = disc(3 + 0.3 * k) + spot((CENTRE[0] + 4 + 0.3 * k, CENTRE[1] - 3), 10.0 * k)
        image += 0.03 * rng.normal(size=image.shape)
        segment = _ellipse().astype(int)
        other = statmorph.SourceMorphology(image, segment, 1, weightmap=np.full(image.shape, 0.03))
        found = measure_morphology(
            image, np.full(image.shape, 9e-4), CENTRE, other.rpetro_ellip, 1 - other.ellipticity_asymmetry,
            other.orientation_asymmetry,
        )  # fmt: skip
        ours.append((found.gini, found.m20, found.asymmetry))
        theirs.append((other.gini, other.m20, other.asymmetry))
    ours, theirs = np.array(ours), np.array(theirs)
    np.testing.assert_allclose(ours[:, :2], theirs[:, :2], atol=0.05)
    assert np.corrcoef(ours[:, 2], theirs[:, 2])[0, 1] > 0.9


def test_what_cannot_be_measured_is_not_a_number():
    found = measure_morphology(disc(), np.ones((SIDE, SIDE)), CENTRE, np.nan)
    assert np.isnan([found.asymmetry, found.gini, found.m20]).all()
    assert np.isnan(measured(np.where(_ellipse(), np.nan, 0.0)).gini)


def test_columns_of_a_stack_are_those_of_its_galaxies():
    """Two bands are taken together with the weights of their noise, and the sky's level is taken off."""
    image = np.stack([disc() + 3.0, 2 * disc() - 1.0])[None]
    rows = Table(
        {
            "centre_x": [CENTRE[0]], "centre_y": [CENTRE[1]], "petrosian_radius": [RADIUS * 0.4],
            "axis_ratio": [1.0], "position_angle": [0.0], "sky_level_g": [3.0], "sky_level_r": [-1.0],
            "sky_sigma_g": [0.1], "sky_sigma_r": [0.1],
        }
    )  # fmt: skip
    found = morphology_columns(image, np.full(image.shape, 1e-12), rows, ("g", "r"), 0.4)
    alone = measured(1.5 * disc())
    assert tuple(found) == MORPHOLOGY
    assert found["measured_gini"][0] == pytest.approx(alone.gini, rel=1e-6)
    assert found["measured_m20"][0] == pytest.approx(alone.m20, rel=1e-6)
    image += 7.0  # of a set whose level has been taken off already nothing is taken
    level = np.array([10.0, 6.0])[None, :, None, None]
    again = morphology_columns(
        image - level, np.full(image.shape, 1e-12), rows, ("g", "r"), 0.4, is_subtracted=True
    )
    assert again["measured_gini"][0] == pytest.approx(alone.gini, rel=1e-6)


def test_one_bad_pixel_far_off_is_no_measurement():
    for light, variance in ((np.nan, 1.0), (0.0, np.nan), (0.0, np.inf)):
        images = disc(), np.full((SIDE, SIDE), 1e-12)
        images[0][1, 1] += light
        images[1][1, 1] *= variance
        found = measure_morphology(*images, CENTRE, RADIUS)
        assert np.isnan([found.asymmetry, found.gini, found.m20]).all()


@pytest.mark.parametrize("centre", [(31.0, 33.0), (30.5, 33.0), (30.5, 32.5)])
def test_the_asymmetry_of_noise_is_that_of_each_pixel_and_its_mirror_place(centre):
    """Light that a half turn leaves alone, and noise that is strong in one corner: a loop over pixels."""
    y, x = np.indices((SIDE, SIDE))
    r = np.hypot(x - centre[0], y - centre[1])
    light, inside = np.exp(-((r / 6) ** 2)), r <= 12
    variance = 1e-4 * np.exp((2 * x + y) / 20)
    by_noise = sum(
        np.sqrt(2 / np.pi * (variance[j, i] + variance[int(2 * centre[1]) - j, int(2 * centre[0]) - i]))
        for j, i in zip(*np.nonzero(inside), strict=True)
    )
    found = _asymmetry_about(light, variance, centre, inside)
    assert found == pytest.approx(-by_noise / (2 * light[inside].sum()), rel=1e-6)


def test_the_pixels_of_a_galaxy_are_those_of_light_blurred_by_a_fifth_of_its_radius():
    """Two Gaussians, whose blur is known: the nearer companion is joined, the farther one is not."""
    radius, blur = 14.0, 0.2 * 14.0
    y, x = np.indices((SIDE, SIDE))

    def gaussians(extra, distance):
        image = np.zeros((SIDE, SIDE))
        for flux, sigma, at in ((100.0, 4.5, 0.0), (30.0, 1.0, distance)):
            total = sigma**2 + extra
            r2 = (x - 31.0 - at) ** 2 + (y - 32.0) ** 2
            image += flux / (2 * np.pi * total) * np.exp(-r2 / (2 * total))
        return image

    r = np.hypot(x - 31.0, y - 32.0)
    for distance, holds in ((16.0, True), (25.0, False)):
        found = _galaxy_pixels(gaussians(0.0, distance), r, radius, (31.0, 32.0))
        smooth = gaussians(blur**2, distance)
        above = smooth >= smooth[np.abs(r - radius) <= 0.7].mean()
        regions, _ = label(above)
        expected = regions == regions[32, 31]
        assert expected[32, 31 + int(distance)] == holds
        assert (found != expected).sum() <= 4
