"""Preparation: nothing interpolated, neighbours gone, arms kept, lattice gone, same alone and in a batch."""

import numpy as np
import pytest

from mocks.observing.psf import gaussian_psf
from simcompare.images.parts import collect_stamps
from simcompare.images.preparation.prepare import (
    Preparation,
    _crop,
    _measure_sky,
    _Work,
    preparation_stream,
    prepare_stamp,
)
from simcompare.images.preparation.segmentation import (
    Objects,
    correlated_noise,
    pixel_noise,
    sky_level,
    sky_statistics,
)
from simcompare.images.stamps import FLAGS, MASK_BITS, RawStamp, RejectedStampError
from simcompare.observed.lattice import camera_quantum

SIGMA = 0.025
QUANTUM = 0.005
PREPARATION = Preparation()


def blob(size, x, y, flux, sigma, axis_ratio=1.0):
    row, column = np.indices((size, size))
    image = np.exp(-((column - x) ** 2 + ((row - y) / axis_ratio) ** 2) / (2 * sigma**2))
    return flux * image / image.sum()


def make_stamp(size=96, x=47.0, y=49.0, flux=40.0, seed=0, lights=(), bands=("r",), **changes):
    rng = np.random.default_rng(seed)
    image = blob(size, x, y, flux, 3.0) + sum(
        (blob(size, *light) for light in lights), np.zeros((size, size))
    )
    image = image + SIGMA * rng.standard_normal((len(bands), size, size))
    image = QUANTUM * np.rint(image / QUANTUM)
    psf = np.array([gaussian_psf(3.0, 31)] * len(bands))
    settings = {
        "image": image,
        "psf": psf,
        "pixel_scale": 0.396,
        "bands": bands,
        "galaxy_id": f"toy-{seed}",
        "quantum": np.full(len(bands), QUANTUM),
        "electrons": np.full(len(bands), 900.0),
    }
    return RawStamp(**(settings | changes))


def prepare(stamp, preparation=PREPARATION, seed=1):
    return prepare_stamp(stamp, preparation, preparation_stream(seed, stamp.galaxy_id))


def has(prepared, flag):
    return bool(prepared.row["flags"] & FLAGS[flag])


def test_target_is_moved_to_the_middle_by_whole_pixels():
    stamp = make_stamp(x=45.3, y=50.2)
    prepared = prepare(stamp, Preparation(dither=False))
    assert prepared.image.shape == (1, 64, 64)
    np.testing.assert_array_equal(prepared.image[0], stamp.image[0, 18:82, 13:77].astype(np.float32))
    assert prepared.row["centre_x"] == pytest.approx(32.3, abs=0.1)
    assert prepared.row["centre_y"] == pytest.approx(32.2, abs=0.1)
    assert not has(prepared, "off_centre")


def test_position_tells_the_target_from_a_brighter_neighbour():
    stamp = make_stamp(lights=[(70, 70, 400.0, 3.0)])
    prepared = prepare(stamp)
    assert prepared.row["mag_r"] == pytest.approx(22.5 - 2.5 * np.log10(40), abs=0.03)


def test_stamp_without_room_to_move_is_off_centre():
    assert has(prepare(make_stamp(size=64, x=29.0, y=32.0), PREPARATION), "off_centre")


def test_sky_and_light_are_measured():
    rows = [prepare(make_stamp(seed=seed)).row for seed in range(20)]
    # The camera's rounding and the dither each add a twelfth of a squared count.
    expected = np.sqrt(SIGMA**2 + 2 * QUANTUM**2 / 12)
    assert np.mean([row["sky_sigma_r"] for row in rows]) == pytest.approx(expected, rel=0.01)
    assert np.mean([row["sky_level_r"] for row in rows]) == pytest.approx(0, abs=0.1 * SIGMA)
    assert np.mean([row["mag_r"] for row in rows]) == pytest.approx(22.5 - 2.5 * np.log10(40), abs=0.01)
    # Half of a Gaussian's light lies within 1.1774 sigma; noise makes the ellipse longer and thinner.
    round_radius = [row["half_light_radius"] * np.sqrt(row["axis_ratio"]) for row in rows]
    assert np.mean(round_radius) == pytest.approx(1.1774 * 3.0 * 0.396, rel=0.02)
    assert np.mean([row["psf_fwhm_r"] for row in rows]) == pytest.approx(np.hypot(3, 0.68) * 0.396, rel=0.01)
    assert np.abs([row["noise_correlation"] for row in rows]).max() < 0.06


def test_neighbours_are_replaced_by_sky():
    prepared = prepare(make_stamp(lights=[(66, 60, 80.0, 1.5), (20, 20, 20.0, 1.5)]))
    filled = prepared.mask[0] == MASK_BITS["neighbour"]
    assert has(prepared, "neighbours_filled")
    assert not has(prepared, "blend")
    assert filled[60 - 17, 66 - 15]
    values = prepared.image[0][filled]
    assert values.std() == pytest.approx(SIGMA, rel=0.12)
    assert abs(values.mean()) < 0.25 * SIGMA
    keeping = prepare(make_stamp(lights=[(66, 60, 80.0, 1.5)]), Preparation(neighbours="keep"))
    assert not has(keeping, "neighbours_filled")
    assert keeping.image.max() > 4


def test_noise_alone_is_not_taken_for_neighbours():
    filled = [has(prepare(make_stamp(seed=seed)), "neighbours_filled") for seed in range(60)]
    assert np.sum(filled) <= 1


def test_touching_neighbour_is_deblended_and_the_far_side_put_in_its_place():
    alone, pair = make_stamp(), make_stamp(lights=[(58.0, 49.0, 30.0, 1.5)])
    prepared = prepare(pair)
    assert has(prepared, "blend")
    assert prepared.row["mag_r"] == pytest.approx(prepare(alone).row["mag_r"], abs=0.05)
    difference = prepared.image - prepare(alone).image
    assert np.abs(difference).max() < 8 * SIGMA


def test_arms_and_clumps_stay_with_their_galaxy():
    clumps = [(47 + dx, 49 + dy, 3.0, 1.2) for dx, dy in ((5, 2), (-5, -2), (-3, 5), (3, -5))]
    prepared = prepare(make_stamp(flux=100.0, lights=clumps))
    assert not has(prepared, "neighbours_filled")
    assert prepared.row["mag_r"] == pytest.approx(22.5 - 2.5 * np.log10(112), abs=0.02)


def test_given_masks_and_missing_pixels_are_filled():
    stamp = make_stamp()
    image = stamp.image.copy()
    image[0, 60:64, 30:34] = np.nan
    mask = np.zeros((96, 96), dtype=np.uint8)
    mask[49, 52] = 2
    image[0, 49, 52] = 1e6
    mask[20:30, 20:30] = 1
    image[0, 20:30, 20:30] = 0
    prepared = prepare(make_stamp(image=image, mask=mask))
    assert np.isfinite(prepared.image).all()
    assert has(prepared, "bad_pixels_filled")
    assert prepared.image.max() < 2
    assert prepared.row["mag_r"] == pytest.approx(prepare(stamp).row["mag_r"], abs=0.02)


def test_dither_takes_the_lattice_away():
    stamp = make_stamp()
    good = np.ones((96, 96), dtype=bool)
    quantum, coherence = camera_quantum(stamp.image[0], good, 0.003, 0.008)
    assert quantum == pytest.approx(QUANTUM, rel=1e-3)
    assert coherence > 0.99
    image = prepare(stamp).image[0]
    assert camera_quantum(image, np.ones_like(image, bool), 0.003, 0.008)[1] < 0.1
    assert np.abs(image - prepare(stamp, Preparation(dither=False)).image[0]).max() <= QUANTUM / 2 + 1e-6


def test_interpolated_pixels_are_noticed():
    rng = np.random.default_rng(3)
    noise = SIGMA * rng.standard_normal((1, 97, 97))
    shifted = 0.25 * (noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1] + noise[:, :-1, :-1])
    stamp = make_stamp(image=shifted + blob(96, 47.0, 49.0, 40.0, 3.0), quantum=None)
    assert has(prepare(stamp), "resampled")
    assert not has(prepare(make_stamp()), "resampled")


def test_same_galaxy_alone_and_in_a_batch_is_bit_identical():
    together = [prepare(make_stamp(seed=seed)) for seed in range(4)]
    alone = prepare(make_stamp(seed=2))
    for name in ("image", "variance", "mask", "psf"):
        np.testing.assert_array_equal(getattr(together[2], name), getattr(alone, name))
    assert together[2].row == alone.row
    other = prepare(make_stamp(seed=2), seed=7)
    assert (other.image != alone.image).any()


def test_input_is_not_altered():
    stamp = make_stamp()
    before = stamp.image.copy()
    prepare(stamp)
    np.testing.assert_array_equal(stamp.image, before)


def test_variance_is_sky_and_shot_noise():
    prepared = prepare(make_stamp(flux=400.0))
    peak = prepared.image[0, 32, 32]
    sky = prepared.row["sky_sigma_r"]
    assert prepared.variance[0, 32, 32] == pytest.approx(sky**2 + peak / 900, rel=1e-3)
    assert np.median(prepared.variance) == pytest.approx(sky**2, rel=0.01)


def test_bands_are_prepared_together():
    stamp = make_stamp(bands=("g", "r", "i"))
    prepared = prepare(stamp)
    assert prepared.image.shape == (3, 64, 64)
    assert {"mag_g", "mag_r", "mag_i", "sky_sigma_i", "psf_fwhm_g"} <= set(prepared.row)
    stack, table = collect_stamps([prepared, prepare(make_stamp(bands=("g", "r", "i"), seed=1))])
    assert stack.image.shape == (2, 3, 64, 64)
    assert str(table["mag_g"].unit) == "mag"
    assert str(table["half_light_radius"].unit) == "arcsec"


def test_psf_is_brought_to_one_side():
    wide = make_stamp(psf=np.array([gaussian_psf(3.0, 51)]))
    narrow = make_stamp(psf=np.array([gaussian_psf(3.0, 11)]))
    for stamp in (wide, narrow):
        psf = prepare(stamp).psf
        assert psf.shape == (1, 31, 31)
        assert psf.sum() == pytest.approx(1, rel=1e-6)
        assert np.unravel_index(psf.argmax(), psf.shape) == (0, 15, 15)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: image[:, :40, :], "smaller than the cut"),
        (lambda image: 0 * image, "missing or constant"),
        (lambda image: np.nan * image, "pixels are bad"),
        (lambda image: 0 * image + 1, "missing or constant"),
        (lambda image: np.where(image > 0.3, image, 0), "no noise"),
        (lambda image: np.where(np.indices(image.shape)[1] < 40, np.nan, image), "pixels are bad"),
        (
            lambda image: np.where(np.hypot(*(np.indices(image.shape)[1:] - 47.5)) < 6, np.nan, image),
            "centre is bad",
        ),
    ],
)
def test_unusable_images_are_rejected_with_a_reason(spoil, reason):
    stamp = make_stamp()
    with pytest.raises(RejectedStampError, match=reason):
        prepare(make_stamp(image=spoil(stamp.image)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"problem": "row 7 of the table is damaged"}, "row 7 of the table is damaged"),
        ({"ra": 400.0, "dec": 10.0}, "400"),
        ({"ra": 40.0, "dec": -91.0}, "-91"),
        ({"position": (96.2, 49.0)}, r"x 96\.2, y 49\.0, outside the image"),
        ({"position": (47.0, -0.8)}, "outside the image"),
        ({"psf": -gaussian_psf(3.0, 31)[None]}, "PSF in r"),
    ],
)
def test_recorded_problems_and_impossible_places_are_rejected(changes, reason):
    with pytest.raises(RejectedStampError, match=reason):
        prepare(make_stamp(**changes))


@pytest.mark.parametrize(("x", "y"), [(29.0, 32.0), (35.5, 32.0), (32.0, 28.5), (32.0, 35.5)])
def test_off_centre_is_seen_on_every_side(x, y):
    prepared = prepare(make_stamp(size=64, x=x, y=y))
    assert has(prepared, "off_centre")
    assert (prepared.row["centre_x"], prepared.row["centre_y"]) == pytest.approx((x, y), abs=0.2)
    assert not has(prepare(make_stamp(size=64, x=32.4, y=31.6)), "off_centre")


def test_the_noisiest_band_counts_least():
    """A galaxy of signal-to-noise 30 in one band stays one beside a band a hundred times as noisy."""
    stamp = make_stamp(bands=("r", "i"), flux=8.0)
    image = stamp.image.copy()
    image[1] = 100 * SIGMA * np.random.default_rng(3).standard_normal((96, 96))
    for order in (slice(None), slice(None, None, -1)):
        found = prepare(make_stamp(bands=("r", "i"), image=image[order]))
        alone = prepare(make_stamp(image=image[:1]))
        assert not has(found, "undetected")
        assert found.row["snr"] == pytest.approx(alone.row["snr"], rel=0.05)
        assert found.row["half_light_radius"] == pytest.approx(alone.row["half_light_radius"], rel=0.05)
        assert found.row["detection_snr"] == pytest.approx(alone.row["detection_snr"], rel=0.05)


def test_where_a_galaxy_leaves_little_sky_the_survey_s_zero_is_taken():
    """Below half of the pixels their level is the galaxy's own halo."""
    noise = SIGMA * np.random.default_rng(0).standard_normal((1, 96, 96))
    for width, peak, level in ((12.0, 1.0, 0.0), (3.0, 1.0, 0.3)):
        light = blob(96, 47.5, 47.5, 2 * np.pi * width**2 * peak, width)
        row = prepare(make_stamp(image=0.3 + light + noise, quantum=None)).row
        assert row["sky_level_r"] == pytest.approx(level, abs=0.1 * SIGMA)
        assert row["sky_sigma_r"] == pytest.approx(SIGMA, rel=0.07)


@pytest.mark.parametrize("free", [0.02, 0.3, 0.7])
def test_what_is_taken_for_the_sky_where_there_is_little(free):
    """Pixels right of the galaxy are sky of level 0.4; with too few, the noise of all pixels is taken."""
    image = np.random.default_rng(1).normal(0.4, SIGMA, (1, 100, 100))
    target = np.zeros((100, 100), bool)
    target[:, : 96 - int(100 * free)] = True  # the sky begins four pixels further
    work = _Work(image, np.zeros((1, 100, 100), bool), np.zeros((100, 100), bool), False, np.zeros(1))
    sky = _measure_sky(work, np.array([7.0]), Objects(target, np.zeros_like(target), blended=False))
    assert sky.level[0] == pytest.approx(0.4 if free == 0.7 else 0.0, abs=0.1 * SIGMA)
    assert sky.sigma[0] == (7.0 if free == 0.02 else pytest.approx(SIGMA, rel=0.05))
    assert np.isnan(sky.correlation[0]) == (free == 0.02)


def test_blank_sky_is_undetected():
    assert has(prepare(make_stamp(flux=0.0)), "undetected")


def test_saturated_pixels_are_flagged():
    mask = np.zeros((96, 96), dtype=np.uint8)
    mask[49, 47] = 4
    assert has(prepare(make_stamp(mask=mask)), "saturated")


def test_sky_estimates_hold_up_against_a_galaxy_that_fills_the_image():
    rng = np.random.default_rng(5)
    image = blob(96, 47.5, 47.5, 2000.0, 20.0) + SIGMA * rng.standard_normal((96, 96))
    good = np.ones_like(image, dtype=bool)
    noise = pixel_noise(image, good)
    assert noise == pytest.approx(SIGMA, rel=0.05)
    assert sky_level(image, good, noise) < 0.2
    level, sigma, correlation = sky_statistics(SIGMA * rng.standard_normal((96, 96)), good)
    assert sigma == pytest.approx(SIGMA, rel=0.03)
    assert abs(level) < 0.05 * SIGMA
    assert abs(correlation) < 0.05


def test_holes_on_both_sides_are_filled_with_the_light_around():
    stamp = make_stamp(flux=2000.0)
    mask = np.zeros((96, 96), dtype=np.uint8)
    mask[45:54, 54:61] = 1
    mask[45:54, 34:41] = 1
    prepared = prepare(make_stamp(flux=2000.0, image=np.where(mask, 0, stamp.image), mask=mask))
    whole = prepare(stamp)
    holes = prepared.mask[0] > 0
    assert holes.sum() >= 126
    assert prepared.image[0][holes].sum() == pytest.approx(whole.image[0][holes].sum(), rel=0.5)
    assert prepared.image[0][holes].min() > -5 * SIGMA


def test_cut_in_radii_spans_as_many_radii_of_every_galaxy():
    scaled = Preparation(size=32, petrosian_radii=6.0)
    small, large = (
        prepare(make_stamp(size=161, x=80.0, y=80.0, flux=flux, image=image), scaled)
        for flux, image in ((100.0, smooth_galaxy(2.5)), (100.0, smooth_galaxy(5.0)))
    )
    for prepared in (small, large):
        assert prepared.image.shape == (1, 32, 32)
        assert prepared.image.sum() == pytest.approx(100, rel=0.02)
        assert prepared.row["mag_r"] == pytest.approx(22.5 - 2.5 * np.log10(100), abs=0.02)
        side = 32 * prepared.row["pixel_scale"]
        assert side == pytest.approx(6 * prepared.row["petrosian_radius"], rel=0.03)
        corner = prepared.image[0, :6].std()
        assert corner == pytest.approx(prepared.row["sky_sigma_r"], rel=0.2)
    assert large.row["pixel_scale"] == pytest.approx(2 * small.row["pixel_scale"], rel=0.05)
    # Seen in radii, the two are one galaxy.
    assert np.abs(small.image - large.image).max() < 0.06 * small.image.max()


def smooth_galaxy(sigma):
    rng = np.random.default_rng(5)
    return (blob(161, 80.0, 80.0, 100.0, sigma) + 0.003 * rng.standard_normal((161, 161)))[None]


def test_cut_in_radii_that_leaves_the_image_is_refused():
    with pytest.raises(RejectedStampError, match=r"20 Petrosian radii, .* does not fit into 96"):
        prepare(make_stamp(flux=300.0), Preparation(petrosian_radii=20.0))
    with pytest.raises(ValueError, match="positive number for linear"):
        Preparation(petrosian_radii=3.0, domain="8-bit")
    assert Preparation(petrosian_radii=3.0).pixel_scale_of(0.396) == 0
    assert Preparation().pixel_scale_of(0.396) == 0.396


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
def test_correlated_noise_has_its_correlation(rho):
    noise = correlated_noise((400, 400), rho, np.random.default_rng(1))
    assert noise.std() == pytest.approx(1, abs=0.01)
    for pair, expected in (((0, 1), rho), ((1, 0), rho), ((1, 1), rho**2)):
        assert np.mean(noise * np.roll(noise, pair, axis=(0, 1))) == pytest.approx(expected, abs=0.015)


def test_neighbours_in_a_coadd_are_replaced_by_noise_as_correlated_as_its_own():
    products, variances = [], []
    for seed in range(6):
        image = blob(96, 47, 49, 40.0, 3.0) + blob(96, 64, 62, 80.0, 2.5)
        image += SIGMA * correlated_noise((96, 96), 0.4, np.random.default_rng(seed))
        stamp = make_stamp(seed=seed, image=image[None], quantum=None, electrons=None)
        prepared = prepare(stamp)
        assert has(prepared, "resampled")
        filled = prepared.mask[0] == MASK_BITS["neighbour"]
        both = filled[:, 1:] & filled[:, :-1]
        products.append((prepared.image[0][:, 1:] * prepared.image[0][:, :-1])[both])
        variances.append(prepared.image[0][filled] ** 2)
    variance = np.concatenate(variances).mean()
    assert np.sqrt(variance) == pytest.approx(SIGMA, rel=0.1)
    assert np.concatenate(products).mean() / variance == pytest.approx(0.4, abs=0.08)


def test_the_window_has_room_to_centre_the_cut_and_to_shrink_it_by_four():
    assert Preparation(size=64, centring_radius=4.2).window == 64 + 2 * 5
    assert Preparation(size=64, centring_radius=4.2, petrosian_radii=3.0).window == 4 * 64 + 2 * 5


@pytest.mark.parametrize(
    ("position", "first"),
    [((60.0, 50.0), (28, 18)), ((59.5, 49.5), (28, 18)), ((10.0, 95.0), (0, 36)), ((118.0, 3.0), (56, 0))],
)
def test_the_window_is_centred_on_the_target_where_the_image_lets_it(position, first):
    """64 pixels of an image of 120 by 100: half of them before the target's."""
    image = np.arange(12000.0).reshape(1, 100, 120)
    stamp = make_stamp(image=image, variance=image + 1, mask=(image % 7).astype(np.uint8), position=position)
    cut, (x, y) = _crop(stamp, 64), first
    np.testing.assert_array_equal(cut.image[0], image[0, y : y + 64, x : x + 64])
    np.testing.assert_array_equal(cut.variance, cut.image + 1)
    np.testing.assert_array_equal(cut.mask, cut.image % 7)
    assert cut.position == (position[0] - x, position[1] - y)
    small = _crop(make_stamp(image=image, position=position), 110)
    assert small.image.shape == (1, 100, 110)
    for outside in ((-0.6, 50.0), (119.6, 50.0), (60.0, -0.6), (60.0, 99.6)):
        with pytest.raises(RejectedStampError, match="outside the image"):
            _crop(make_stamp(image=image, position=outside), 64)
    for inside in ((-0.4, 50.0), (119.4, 50.0), (60.0, -0.4), (60.0, 99.4)):
        assert _crop(make_stamp(image=image, position=inside), 64).image.shape == (1, 64, 64)


def test_a_bad_place_is_that_of_the_target_wherever_it_is():
    target, middle = np.zeros((96, 96), np.uint8), np.zeros((96, 96), np.uint8)
    target[49:52, 29:32] = 1
    middle[46:50, 46:50] = 1
    place = {"x": 30.0, "y": 50.0, "position": (30.0, 50.0)}  # left of the middle of the window
    with pytest.raises(RejectedStampError, match=r"the cent.* is bad"):
        prepare(make_stamp(mask=target, **place))
    far = make_stamp(x=38.0, y=58.0, mask=middle, position=(38.0, 58.0))
    assert prepare(far).image.shape == (1, 64, 64)
