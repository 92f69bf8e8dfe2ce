"""What is an image of nothing, a clump of a galaxy, a neighbour: each with its right answer."""

import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter

from mocks import draw_conditions, load_survey, stream
from mocks.ideal import IdealImage
from mocks.observing import observe
from mocks.observing.psf import gaussian_psf
from simcompare.images.preparation.detection import (
    DETECTION_SNR,
    _smoothed_noise,
    detection_snr,
    is_brighter_than_noise,
    is_sharper_than,
    is_trail,
    stands_out,
)
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.preparation.segmentation import correlated_noise
from simcompare.images.stamps import FLAGS, RawStamp

SIGMA = 0.025


def blob(x, y, flux, sigma, axis_ratio=1.0, side=96):
    row, column = np.indices((side, side))
    image = np.exp(-((column - x) ** 2 + ((row - y) / axis_ratio) ** 2) / (2 * sigma**2))
    return flux * image / image.sum()


def prepare(*lights, seed=0, position=None):
    image = sum(blob(*light) for light in lights) + SIGMA * np.random.default_rng(seed).standard_normal(
        (96, 96)
    )
    stamp = RawStamp(
        image=image[None], psf=gaussian_psf(3.3, 31)[None], pixel_scale=0.396, bands=("r",),
        galaxy_id=f"toy-{seed}", position=position,
    )  # fmt: skip
    return prepare_stamp(stamp, Preparation(), preparation_stream(1, stamp.galaxy_id))


def is_undetected(prepared):
    return bool(prepared.row["flags"] & FLAGS["undetected"])


@pytest.mark.parametrize(("survey", "bands"), [("sdss", "r"), ("sdss", "gri"), ("hsc-wide", "gri")])
def test_blank_mocks_are_undetected(survey, bands):
    data, preparation = load_survey(survey), Preparation()
    found = 0
    for k in range(40):
        conditions = draw_conditions(data, tuple(bands), stream(k, "c"))
        margin = max(map(len, conditions.psf)) // 2
        side = preparation.window + 2 * margin
        blank = IdealImage(
            image=np.zeros((len(bands), side, side)),
            pixel_scale=data.pixel_scale,
            bands=tuple(bands),
            margin=margin,
        )
        stamp = RawStamp.from_cutout(observe(blank, data, conditions, stream(k, "n")), f"blank-{k}", {})
        found += not is_undetected(prepare_stamp(stamp, preparation, preparation_stream(0, stamp.galaxy_id)))
    assert found == 0


def _gradient(slope):
    def sky(shape, rng):
        y, x = np.indices(shape) - 48
        angle = rng.uniform(0, 2 * np.pi)
        return rng.normal(size=shape) + slope * (x * np.cos(angle) + y * np.sin(angle))

    return sky


def _correlated(length, share=1.0):
    def sky(shape, rng):
        smooth = gaussian_filter(rng.normal(size=shape), length, mode="wrap")
        return np.sqrt(1 - share**2) * rng.normal(size=shape) + share * smooth / smooth.std()

    return sky


def _step(shape, rng):
    return rng.normal(size=shape) + 2.0 * (np.arange(shape[1]) > 48)


def _cosmic_ray(peak):
    """A track of one to eight pixels, through the middle."""

    def sky(shape, rng):
        image, angle = rng.normal(size=shape), rng.uniform(0, np.pi)
        for step in np.arange(0, rng.uniform(1, 8), 0.5):
            image[round(48 + step * np.sin(angle)), round(48 + step * np.cos(angle))] = peak
        return image

    return sky


def _trail(peak):
    """Of a satellite, wider than the PSF."""

    def sky(shape, rng):
        (y, x), angle = np.indices(shape) - 48, rng.uniform(0, np.pi)
        across = x * np.sin(angle) - y * np.cos(angle)
        return rng.normal(size=shape) + peak * np.exp(-(across**2) / 8)

    return sky


@pytest.mark.parametrize(
    ("sky", "most"),
    [
        *[(_gradient(slope), 0) for slope in (0.05, 0.2, 0.5, 2.0)],
        *[(_correlated(length), 0) for length in (1, 2, 4, 8)],
        *[(_correlated(length, 0.4), 0) for length in (3, 6)],
        (_step, 0),
        *[(_cosmic_ray(peak), 0) for peak in (5, 7, 15, 60)],
        *[(_trail(peak), 0) for peak in (3, 30)],
    ],
)
def test_skies_of_every_kind_are_undetected(sky, most):
    """Thirty skies each: gradients, correlated noise, a step between two exposures, cosmic rays, trails."""
    passed = 0
    for seed in range(30):
        stamp = RawStamp(
            image=SIGMA * sky((96, 96), np.random.default_rng(seed))[None], psf=gaussian_psf(3.3, 31)[None],
            pixel_scale=0.396, bands=("r",), galaxy_id=f"sky-{seed}",
        )  # fmt: skip
        passed += not is_undetected(
            prepare_stamp(stamp, Preparation(), preparation_stream(0, stamp.galaxy_id))
        )
    assert passed <= most


def test_a_gradient_does_not_change_the_signal_to_noise():
    """Nor is light lost to it: the same as without, for galaxies above a steep one."""
    y, x = np.indices((96, 96)) - 47.5
    for flux, width in ((2.0, 2.0), (20.0, 6.0)):
        light = blob(48, 48, flux, width)
        plain = detection_snr(light, SIGMA, 0.0, (48, 48))
        tilted = detection_snr(light + 0.5 * SIGMA * (x - 2 * y), SIGMA, 0.0, (48, 48))
        assert tilted == pytest.approx(plain, rel=0.02)


def test_a_point_source_is_not_sharper_than_one_and_a_pixel_is():
    """The PSF wherever its peak lies in a pixel, at signal-to-noise 20 to 2000; a single pixel as bright."""
    rng, psf = np.random.default_rng(3), gaussian_psf(2.4, 31)
    for flux in (20, 200, 2000):
        for _ in range(50):
            x, y = rng.uniform(47.5, 48.5, 2)
            star = blob(x, y, flux, 2.4 / 2.3548) + rng.normal(size=(96, 96))
            assert not is_sharper_than(psf, star, 1.0, (x, y))
        pixel = rng.normal(size=(96, 96))
        pixel[48, 48] += flux
        assert is_sharper_than(psf, pixel, 1.0, (48, 48))


def test_a_track_is_sharper_than_a_point_source_in_any_direction():
    """Five pixels of 7 sigma along a row, a column, both diagonals; the same smoothed by the PSF is not."""
    psf, steps = gaussian_psf(3.3, 31), np.arange(-2, 3)
    for along in ((0, 1), (1, 0), (1, 1), (1, -1)):
        track = np.zeros((96, 96))
        track[48 + steps * along[0], 48 + steps * along[1]] = 7.0
        noise = np.random.default_rng(1).normal(size=(96, 96))
        assert is_sharper_than(psf, track + noise, 1.0, (48, 48))
        assert not is_sharper_than(psf, 10 * convolve(track, psf) + noise, 1.0, (48, 48))


def test_an_edge_on_disc_is_no_trail():
    """A sheet of light that falls by e over a third of the image's half; a straight line does not fall."""
    y, x = np.indices((96, 96)) - 48
    for angle in np.linspace(0, np.pi, 7):
        along, across = x * np.cos(angle) + y * np.sin(angle), x * np.sin(angle) - y * np.cos(angle)
        line = np.exp(-(across**2) / 8)
        assert is_trail(line, (48, 48))
        assert not is_trail(line * np.exp(-np.abs(along) / 16), (48, 48))
    assert not is_trail(np.ones((96, 96)), (48, 48))


def test_other_objects_do_not_count_as_noise_and_peaks_of_noise_do():
    """Two touching objects of 100 sigma are one; a peak of four sigma may be noise."""
    light = np.random.default_rng(2).normal(size=(96, 96))
    objects = np.zeros((96, 96), dtype=bool)
    objects[10:15, 10:15] = objects[15:18, 15:18] = objects[60:63, 60:63] = True
    light[objects] = 4.0
    light[12, 12] = 100.0
    bright = is_brighter_than_noise(light, objects, ~objects)
    assert bright[10:18, 10:18].sum() == 34 == bright.sum()
    assert not is_brighter_than_noise(light, objects, np.zeros_like(objects)).any()


def test_bright_neighbours_leave_the_signal_to_noise_of_a_galaxy():
    """Three neighbours of a thousand sigma with wide halos: the signal-to-noise alone, within a fifth."""
    galaxy = (48, 48, 6.0, 2.5)
    alone = prepare(galaxy).row["detection_snr"]
    crowd = prepare(galaxy, (12, 20, 600.0, 4.0), (80, 16, 600.0, 4.0), (84, 84, 600.0, 4.0))
    assert not is_undetected(crowd)
    assert crowd.row["detection_snr"] == pytest.approx(alone, rel=0.2)


def test_a_galaxy_that_fills_the_image_stands_out_and_noise_of_its_size_does_not():
    """An exponential disc whose scale is a fifth of the image; noise correlated over a tenth of it."""
    y, x = np.indices((64, 64)) - 32
    assert stands_out(np.exp(-np.hypot(x, y) / 13), (32, 32))
    for seed in range(20):
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=(64, 64)), 6)
        row, column = np.unravel_index(noise[28:37, 28:37].argmax(), (9, 9))
        assert not stands_out(noise, (28 + column, 28 + row))


def test_signal_to_noise_of_a_point_source_is_that_of_its_matched_filter():
    """Of a Gaussian as wide as the filter: flux / (2 sqrt(pi) width sigma)."""
    for width in (1.2, 2.4, 4.8):
        light = blob(48, 48, 1.0, width)
        expected = 1 / (2 * np.sqrt(np.pi) * width * SIGMA)
        assert detection_snr(light, SIGMA, np.nan, (48.2, 47.9)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("x", "y"), [(46, 48), (50, 48), (48, 46), (48, 50)])
def test_light_is_looked_for_one_pixel_about_the_place(x, y):
    """Of a Gaussian two pixels away on either side, what the widest filter holds one pixel from its peak."""
    light = blob(48, 48, 1.0, 2.0)
    expected = max(
        2 * np.sqrt(np.pi) * width / SIGMA / (2 * np.pi * (4 + width**2)) * np.exp(-1 / (2 * (4 + width**2)))
        for width in (1.2, 2.4, 4.8)
    )
    assert detection_snr(light, SIGMA, 0.0, (x, y)) == pytest.approx(expected, rel=0.01)


def test_light_is_looked_for_at_the_edge_of_an_image():
    light = blob(0, 1, 1.0, 2.0)
    assert detection_snr(light, SIGMA, 0.0, (0, 0)) == detection_snr(light.T, SIGMA, 0.0, (0, 0)) > 0


@pytest.mark.parametrize("rho", [0.0, 0.2, 0.45, 0.7, 0.9])
@pytest.mark.parametrize("width", [1.2, 2.4, 4.8])
def test_smoothed_noise_is_the_root_of_the_summed_squares_of_its_weights(width, rho):
    """Weights (a, 1, a) along both axes, smoothed by the Gaussian; correlations above 0.7 count as 0.7."""
    true = min(rho, 0.7)
    a = (1 - np.sqrt(1 - 2 * true**2)) / (2 * true) if rho else 0.0
    axis = np.array([a, 1, a]) / np.sqrt(1 + 2 * a**2)
    weights = np.zeros((61, 61))
    weights[30, 30] = 1
    weights = gaussian_filter(convolve(weights, np.outer(axis, axis), mode="constant"), width)
    assert _smoothed_noise(width, rho) == pytest.approx(np.sqrt((weights**2).sum()), rel=0.01)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5])
def test_signal_to_noise_counts_correlated_noise(rho):
    """Of noise alone its highest value does not depend on correlation, as long as that is told."""
    frames = [correlated_noise((64, 64), rho, np.random.default_rng(seed)) for seed in range(300)]
    told = [detection_snr(frame, 1.0, rho, (32, 32)) for frame in frames]
    untold = [detection_snr(frame, 1.0, 0.0, (32, 32)) for frame in frames]
    assert np.mean(told) == pytest.approx(0.93, abs=0.08)
    assert np.max(told) < DETECTION_SNR
    assert np.mean(untold) > (1 + rho) * 0.85


def test_faint_galaxies_are_kept_compact_or_wide():
    # Ten times the noise of the filter that suits each.
    for width in (1.6, 3.0, 6.0):
        flux = 12 * 2 * np.sqrt(np.pi) * width * SIGMA
        assert not any(is_undetected(prepare((47.5, 47.5, flux, width), seed=seed)) for seed in range(5))


def test_an_empty_place_beside_a_bright_object_is_undetected():
    star = (60.0, 47.5, 400.0, 1.5)
    wide = (70.0, 47.5, 4000.0, 6.0)
    for light, x in ((star, 49.0), (wide, 52.0), (wide, 47.5)):
        assert is_undetected(prepare(light, position=(x, 47.5)))
    assert not is_undetected(prepare(star, (48.0, 47.5, 20.0, 2.0), position=(48.0, 47.5)))


def magnitude(flux):
    return 22.5 - 2.5 * np.log10(flux)


@pytest.mark.parametrize(("x", "y", "share"), [(60.0, 47.5, 0.6), (47.5, 62.0, 0.9), (36.0, 40.0, 0.4)])
def test_a_clump_is_not_a_neighbour(x, y, share):
    """Broad light on one side that no saddle divides from the galaxy stays with it."""
    galaxy, clump = (47.5, 47.5, 30.0, 5.0), (x, y, 30.0 * share, 5.0)
    rows = [prepare(galaxy, clump, seed=seed).row for seed in range(4)]
    expected = magnitude(30.0 * (1 + share))
    assert np.mean([row["mag_r"] for row in rows]) == pytest.approx(expected, abs=0.12)
    assert not any(row["flags"] & FLAGS["blend"] for row in rows)


def test_a_touching_star_is_still_a_neighbour():
    prepared = prepare((47.5, 47.5, 60.0, 3.0), (59.0, 47.5, 40.0, 1.4))
    assert prepared.row["flags"] & FLAGS["blend"]
    assert prepared.row["mag_r"] == pytest.approx(magnitude(60.0), abs=0.05)


@pytest.mark.parametrize("star_flux", [300.0, 1500.0])
def test_a_neighbour_opposite_a_bright_star_is_removed_too(star_flux):
    galaxy, star, neighbour = (47.5, 47.5, 300.0, 4.0), (62.5, 47.5, star_flux, 1.4), (32.5, 47.5, 40.0, 1.4)
    alone, crowded = prepare(galaxy), prepare(galaxy, star, neighbour)
    assert crowded.mask[0, 32, 32 - 15] == crowded.mask[0, 32, 32 + 15] == 1
    assert crowded.row["mag_r"] == pytest.approx(magnitude(300.0), abs=0.05)
    assert np.abs(crowded.image - alone.image).max() < 10 * SIGMA


def test_two_arms_alike_stay_with_their_galaxy():
    arms = [(47.5 + dx, 47.5 + dy, 12.0, 2.0) for dx, dy in ((13, 4), (-13, -4))]
    prepared = prepare((47.5, 47.5, 300.0, 5.0), *arms)
    assert not prepared.row["flags"] & FLAGS["neighbours_filled"]
    assert prepared.row["mag_r"] == pytest.approx(magnitude(324.0), abs=0.03)


def test_cosmic_rays_are_narrower_than_any_light():
    """One bright pixel is no galaxy, however bright; a star of the same flux is as wide as the PSF."""
    assert is_undetected(prepare((48.0, 48.0, 20.0, 0.05), position=(48.0, 48.0)))
    assert not is_undetected(prepare((48.0, 48.0, 20.0, 1.4), position=(48.0, 48.0)))
