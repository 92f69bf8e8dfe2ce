"""Sky, places, holes and the bounds of objects, against closed forms and loops."""

import numpy as np
import pytest

from simcompare.images.preparation.segmentation import (
    Objects,
    _is_flank,
    _label_at,
    _mean_profile,
    fill_pixels,
    find_objects,
    locate_target,
    pixel_noise,
    sky_level,
    sky_statistics,
)


def blob(side, x, y, sigma, peak=1.0):
    row, column = np.indices((side, side))
    return peak * np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))


def test_noise_is_the_median_difference_of_good_pixels_side_by_side():
    """Differences 1, 2, 3 and 100; a bad pixel takes away the two it has a part in."""
    image, good = np.array([[0.0, 1.0, 3.0, 6.0, 106.0]]), np.ones((1, 5), bool)
    assert pixel_noise(image, good) == pytest.approx(1.4826 * 2.5 / np.sqrt(2))
    good[0, 4] = False
    assert pixel_noise(image, good) == pytest.approx(1.4826 * 2 / np.sqrt(2))
    assert pixel_noise(image[:, :1], good[:, :1]) == 0
    assert pixel_noise(image.T, good.T) == 0  # along rows alone


def test_level_is_the_median_within_three_times_the_noise_of_the_low_quarter():
    values = np.concatenate([np.linspace(-1, 1, 101), np.full(90, 3.9), np.full(90, 80.0)])
    good = np.ones((1, values.size), bool)
    assert sky_level(values[None], good, 1.0) == pytest.approx(np.median(values[values < 3]))
    assert sky_level(values[None], good, 1e-9) == np.percentile(values, 25)  # no pixel is that near


@pytest.mark.parametrize("axis", [0, 1])
def test_slow_light_is_taken_off_by_a_mean_over_four_pixels(axis):
    """Of a wave of 32 pixels a Gaussian of 4 leaves 1 - exp(-2 pi^2 4^2 / 32^2)."""
    wave = np.sin(2 * np.pi * np.arange(256) / 32)
    image = np.broadcast_to(wave, (256, 256)) if axis else np.broadcast_to(wave[:, None], (256, 256))
    level, sigma, correlation = sky_statistics(0.7 + image, np.ones((256, 256), bool))
    left = (1 - np.exp(-2 * np.pi**2 / 64)) * np.sin(np.pi / 4)  # the median of a sine's size
    assert level == pytest.approx(0.7, abs=1e-9)
    assert sigma == pytest.approx(1.4826 * left / np.sqrt(1 - 3 / (64 * np.pi)), rel=0.02)
    assert correlation > 0.95


def test_correlation_needs_fifty_pairs_of_sky():
    image = np.random.default_rng(0).normal(size=(20, 20))
    sky = np.zeros((20, 20), bool)
    sky[3, 1:16] = sky[4, 1:16] = True  # 14 pairs along each row, 15 across
    assert np.isnan(sky_statistics(image, sky)[2])
    sky[4, 16], sky[3, 16], sky[5, 1:3] = True, True, True  # six more
    assert np.isfinite(sky_statistics(image, sky)[2]) == (2 * 15 + 16 + 1 + 2 >= 50)
    sky[5, 3] = True
    assert np.isfinite(sky_statistics(image, sky)[2])


def test_correlation_along_rows_and_columns_counts_alike():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(300, 301))
    rows = (noise[:, 1:] + noise[:, :-1]) / np.sqrt(2)  # 0.5 along rows, none across
    whole = np.ones(rows.shape, bool)
    assert sky_statistics(rows, whole)[2] == pytest.approx(0.25, abs=0.03)
    assert sky_statistics(rows.T, whole.T)[2] == pytest.approx(0.25, abs=0.03)


def test_a_round_target_is_found_where_it_is():
    for x, y in ((30.3, 27.8), (25.5, 33.1)):
        found = locate_target(blob(61, x, y, 2.5), (28.0, 30.0), 6.0)
        assert found == pytest.approx((x, y), abs=0.02)


def test_the_place_of_a_lopsided_target_balances_the_light_in_its_window():
    """Weights of 1.5 times the smoothing of 1.2, up to 6 pixels; light smoothed by that."""
    image = blob(61, 30, 30, 1.5) + blob(61, 33.5, 28.5, 2.5, 0.5)
    x, y = locate_target(image, (30.0, 30.0), 5.0)
    row, column = np.indices(image.shape)
    smooth = blob(61, 30, 30, np.hypot(1.5, 1.2), 1 / (1 + 1.44 / 2.25))
    smooth += blob(61, 33.5, 28.5, np.hypot(2.5, 1.2), 0.5 / (1 + 1.44 / 6.25))
    distance2 = (column - x) ** 2 + (row - y) ** 2
    light = smooth * np.exp(-distance2 / (2 * 1.8**2)) * (distance2 < 36)
    assert ((column - x) * light).sum() / light.sum() == pytest.approx(0, abs=0.01)
    assert ((row - y) * light).sum() / light.sum() == pytest.approx(0, abs=0.01)
    assert x > 30.1


def test_the_peak_is_sought_within_its_radius():
    image = blob(61, 20, 30, 1.5) + blob(61, 34, 30, 1.5, 1.5)
    assert locate_target(image, (23.0, 30.0), 9.9) == pytest.approx((20, 30), abs=0.1)
    assert locate_target(image, (23.0, 30.0), 11.0) == pytest.approx((34, 30), abs=0.1)
    assert locate_target(np.zeros((9, 9)) - 1, (4.0, 5.0), 0.5) == (4, 5)


def test_a_flank_is_far_from_its_peak_and_faint_beside_it():
    """More than 4 pixels, less than 0.4 of the height."""
    light = np.full((20, 20), -np.inf)
    light[10, 10], light[10, 15], light[13, 10] = 0.39, 1.0, 1.1
    light[13, 10] = -np.inf
    assert _is_flank(light, (10.2, 9.9))
    light[10, 10] = 0.41
    assert not _is_flank(light, (10.2, 9.9))
    near = np.full((20, 20), -np.inf)
    near[10, 10], near[13, 12] = 0.1, 1.0
    assert not _is_flank(near, (10.0, 10.0))  # 3.6 pixels
    assert _is_flank(near, (9.5, 9.5)) == (near[10, 10] < 0.4)  # 4.3 pixels; the pixel is rounded to


def test_the_label_is_that_of_the_pixel_or_the_commonest_within_two():
    labels = np.zeros((9, 9), int)
    assert _label_at(labels, 4, 4) == 0
    labels[2, 4], labels[6, 3:6] = 3, 2
    assert _label_at(labels, 4, 4) == 2
    labels[4, 4] = 7
    assert _label_at(labels, 4, 4) == 7
    corner = np.zeros((9, 9), int)
    corner[0, 2], corner[2, 2], corner[8, 6] = 5, 5, 4
    assert (_label_at(corner, 0, 0), _label_at(corner, 8, 8)) == (5, 4)
    assert _label_at(corner, 0, 5) == 0  # three pixels away
    for edge in ((0, 0), (0, 1), (1, 0)):
        first = np.zeros((9, 9), int)
        first[edge] = 6
        assert _label_at(first, 2, 2) == _label_at(first, 1, 1) == 6
        assert _label_at(first[:2, :2], 1, 1) == 6


def test_the_mean_profile_is_the_median_of_rings():
    rng = np.random.default_rng(2)
    image, good = rng.normal(size=(15, 17)), rng.uniform(size=(15, 17)) < 0.7
    row, column = np.indices(image.shape)
    ring = np.round(np.hypot(column - 8.2, row - 6.9)).astype(int)
    found = _mean_profile(image, good, (8.2, 6.9))
    known = {
        r: np.median(image[good & (ring == r)])
        for r in range(ring.max() + 1)
        if (good & (ring == r)).sum() > 2
    }
    for r, value in known.items():
        assert (found[ring == r] == value).all()
    for r in set(range(ring.max() + 1)) - set(known):
        np.testing.assert_allclose(found[ring == r], np.interp(r, list(known), list(known.values())))
    assert (_mean_profile(image, np.zeros_like(good), (8.2, 6.9)) == 0).all()


def filled(level, sky_sigma, electrons=None, holes=None, correlation=0.0, side=80):
    image = np.full((side, side), level)
    if holes is None:
        holes = np.zeros((side, side), bool)
        holes[10:70, 50:76] = True
    image[holes] = -99.0
    rng = np.random.default_rng(3)
    middle = ((side - 1) / 2, (side - 1) / 2)
    return fill_pixels(image, holes, middle, sky_sigma, electrons, rng, correlation), holes


def test_holes_get_the_light_of_the_far_side_with_the_noise_of_both():
    found, holes = filled(5.0, 1e-9)
    np.testing.assert_allclose(found, 5.0, atol=1e-7)
    found, holes = filled(5.0, 0.5)
    assert (found[~holes] == 5).all()
    assert found[holes].mean() == pytest.approx(5, abs=4 * 0.5 / np.sqrt(holes.sum()))
    assert found[holes].std() == pytest.approx(0.5, rel=0.06)
    found, holes = filled(5.0, 0.5, electrons=4.0)
    assert found[holes].std() == pytest.approx(np.sqrt(0.25 + 5 / 4), rel=0.06)


def test_light_below_the_noise_of_the_smoothed_sky_is_none():
    """Smoothed by 2 pixels: the noise over 4 sqrt(pi)."""
    limit = 1.0 / (4 * np.sqrt(np.pi))
    for level, kept in ((0.9 * limit, 0.0), (1.1 * limit, 1.1 * limit)):
        found, holes = filled(level, 1.0)
        noise, _ = filled(0.0, 1.0)
        np.testing.assert_allclose((found - noise)[holes], kept, atol=1e-12)


def test_where_both_sides_are_holes_the_median_at_the_distance_serves():
    holes = np.zeros((81, 81), bool)
    holes[30:51, 10:30] = holes[30:51, 51:71] = True
    row, column = np.indices((81, 81))
    image = 100 - np.hypot(column - 40, row - 40)
    found = fill_pixels(
        np.where(holes, np.nan_to_num(-5.0), image), holes, (40.0, 40.0), 1e-9, None, np.random.default_rng(0)
    )
    inner = holes & (np.abs(column - 40) > 14) & (np.abs(column - 40) < 27) & (np.abs(row - 40) < 8)
    assert np.abs(found - image)[inner].max() < 1.0  # rings are a pixel wide


NOISE = 0.1
SMOOTH_NOISE = NOISE / (2 * np.sqrt(np.pi) * 1.2)


def objects_of(*lights):
    """Objects among noiseless Gaussians, the first at the centre."""
    return find_objects(
        sum(blob(81, *light) for light in lights), np.ones((81, 81), bool), NOISE, (40.0, 40.0)
    )


@pytest.mark.parametrize(("height", "is_seen"), [(4.3, False), (4.7, True)])
def test_a_neighbour_stands_four_and_a_half_times_the_noise_high(height, is_seen):
    """After smoothing by 1.2 pixels, which lowers a Gaussian of 2.5 pixels by 1 + 1.2^2 / 2.5^2."""
    peak = height * SMOOTH_NOISE * (1 + 1.44 / 6.25)
    found = objects_of((40, 40, 3.0, 5.0), (65, 60, 2.5, peak))
    assert found.neighbours.any() == is_seen
    assert found.target[40, 40]
    assert not found.blended
    assert not found.is_flank


@pytest.mark.filterwarnings("ignore:No sources were found")
def test_objects_reach_to_one_and_a_half_times_the_noise_and_neighbours_two_pixels_farther():
    found = objects_of((40, 40, 3.0, 5.0), (65, 60, 2.5, 3.0))
    for x, y, sigma, peak, mask, more in (
        (40, 40, 3.0, 5.0, found.target, 0),
        (65, 60, 2.5, 3.0, found.neighbours, 2),
    ):
        wide = np.hypot(sigma, 1.2)
        reach = wide * np.sqrt(2 * np.log(peak * (sigma / wide) ** 2 / (1.5 * SMOOTH_NOISE)))
        assert mask[y, x : x + 15].sum() == int(reach) + 1 + more
        assert mask[y - 15 : y + 1, x].sum() == int(reach) + 1 + more
    assert not (found.target & found.neighbours).any()
    assert objects_of((65, 60, 2.5, 3.0)) is None
    assert find_objects(np.zeros((81, 81)), np.ones((81, 81), bool), NOISE, (40.0, 40.0)) is None


def test_sky_lies_four_pixels_from_any_object():
    target, neighbours = np.zeros((31, 31), bool), np.zeros((31, 31), bool)
    target[15, 10] = neighbours[15, 25] = True
    sky = Objects(target, neighbours, blended=False).sky
    assert sky[15].tolist() == [not (6 <= x <= 14 or 21 <= x <= 29) for x in range(31)]


def test_an_image_without_light_has_no_objects():
    """Nor does photutils warn of it."""
    objects = find_objects(np.zeros((64, 64)), np.ones((64, 64), bool), 1.0, (32, 32), 1.5, 8, 4.5)
    assert objects is None
