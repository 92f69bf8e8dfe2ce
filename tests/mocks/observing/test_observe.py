from dataclasses import replace

import numpy as np
import pytest

from mocks import IdealImage, draw_conditions, load_survey, observe, stream
from mocks.observing.cutout import MASK_BITS
from mocks.observing.observe import _centres, add_noise, add_to_sky, bin_pixels
from mocks.observing.psf import effective_psf

BANDS = ("g", "r", "i")


def conditions(survey="sdss", bands=BANDS):
    """Noise alone: no undetected sources, no left-over sky."""
    state = draw_conditions(survey, bands, stream(5, survey))
    return replace(state, faint=None, sky_level=None, sky_gradient=None)


def uniform(flux, side=400, survey="sdss", bands=BANDS):
    image = np.ones((len(bands), side, side)) * np.reshape(flux, (-1, 1, 1))
    return IdealImage(image, load_survey(survey).pixel_scale, bands)


@pytest.mark.parametrize("survey", ["sdss", "hsc-wide"])
def test_blank_sky_has_the_noise_drawn(survey):
    state = conditions(survey)
    cutout = observe(uniform(0.0, survey=survey), survey, state, stream(1))
    n = cutout.image[0].size
    for image, sigma in zip(cutout.image, state.sky_sigma, strict=True):
        assert image.std() == pytest.approx(sigma, rel=4 / np.sqrt(2 * n))
        assert image.mean() == pytest.approx(0, abs=4 * sigma / np.sqrt(n))
    assert np.allclose(cutout.variance, state.sky_sigma[:, None, None] ** 2)
    assert not cutout.mask.any()


def test_photon_transfer():
    """Variance against mean of flat fields: slope one over electrons per nanomaggy, intercept the sky's."""
    state = conditions()
    levels = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
    mean, variance = [], []
    for level in levels:
        image = add_noise(np.full((3, 400, 400), level), state, stream(2, str(level)))
        mean.append(image.mean(axis=(1, 2)))
        variance.append(image.var(axis=(1, 2)))
    for band in range(3):
        slope, intercept = np.polyfit(np.array(mean)[:, band], np.array(variance)[:, band], 1)
        assert slope == pytest.approx(1 / state.electrons_per_nanomaggy[band], rel=0.02)
        assert np.array(variance)[0, band] == pytest.approx(state.sky_sigma[band] ** 2, rel=0.02)
        assert intercept == pytest.approx(state.sky_sigma[band] ** 2, rel=0.1)


def test_variance_plane_is_the_variance():
    state = conditions()
    flux = np.zeros((3, 60, 60))
    flux[:, 20:40, 20:40] = 2.0
    ideal = IdealImage(flux, 0.396, BANDS)
    cutout = observe(ideal, "sdss", state, stream(3), keep_stages=True)
    stack = np.stack([add_noise(cutout.stages["blurred"], state, stream(3, i)) for i in range(200)])
    ratio = stack.var(axis=0) / cutout.variance
    assert ratio.mean(axis=(1, 2)) == pytest.approx(1, abs=0.01)
    assert ratio[:, 25:35, 25:35].mean() == pytest.approx(1, abs=0.02)


def test_sdss_pixels_are_whole_counts_and_hsc_are_not():
    state = conditions()
    image = add_noise(np.zeros((3, 50, 50)), state, stream(4))
    for band in range(3):
        counts = (image[band] - image[band, 0, 0]) / state.nanomaggies_per_count[band]
        assert np.abs(counts - np.rint(counts)).max() < 1e-6
    coadd = add_noise(np.zeros((3, 50, 50)), conditions("hsc-wide"), stream(4))
    assert len(np.unique(coadd)) > 7000


def test_flux_survives_psf_binning_and_noise():
    state = conditions()
    image = np.zeros((3, 360, 360))
    image[:, 150:210, 150:210] = stream(1, "light").uniform(0, 0.5, size=(3, 60, 60))
    ideal = IdealImage(image, 0.396 / 3, BANDS, oversampling=3, margin=10)
    cutout = observe(ideal, "sdss", state, stream(6), keep_stages=True)
    total = image.sum(axis=(1, 2))
    assert cutout.image.shape == (3, 100, 100)
    assert np.allclose(cutout.stages["ideal"].sum(axis=(1, 2), dtype=float), total, rtol=1e-6)
    assert np.allclose(cutout.stages["blurred"].sum(axis=(1, 2), dtype=float), total, rtol=1e-6)
    noise = np.sqrt(cutout.variance.sum(axis=(1, 2), dtype=float))
    assert (np.abs(cutout.image.sum(axis=(1, 2), dtype=float) - total) < 4 * noise).all()


def test_margin_brings_light_in_from_outside():
    state = conditions()
    image = np.zeros((3, 60, 60))
    image[:, :, 8] = 1.0  # two pixels outside the final image
    ideal = IdealImage(image, 0.396, BANDS, margin=10)
    blurred = observe(ideal, "sdss", state, stream(1), keep_stages=True).stages["blurred"]
    assert (blurred[:, 20, 0] > 0.02).all()


def test_same_seed_same_bits_and_other_seed_other_noise():
    state, ideal = conditions(), uniform(0.1, 200)
    first, again = (observe(ideal, "sdss", state, stream(1, "a")).image for _ in range(2))
    other = observe(ideal, "sdss", state, stream(1, "b")).image
    assert (first == again).all()

    def inner(image):  # where no light is lost over the edge
        return image[30:-30, 30:-30].ravel()

    for band in range(3):
        assert abs(np.corrcoef(inner(first[band]), inner(other[band]))[0, 1]) < 4 / 140
    assert abs(np.corrcoef(inner(first[0]), inner(first[1]))[0, 1]) < 4 / 140


@pytest.mark.parametrize(("survey", "band"), [("sdss", "r"), ("hsc-wide", "i")])
def test_depth_from_empty_apertures(survey, band):
    """Noise of optimal point-source fluxes at a thousand blank places gives the survey file's depth.

    That of SDSS is also the 22.7 that is quoted everywhere; that of HSC-Wide follows from exposure and sky,
    its noise from measured pixel variances.
    """
    data = load_survey(survey)
    row = data.bands[band]
    state = conditions(survey, (band,))
    psf = effective_psf(data.psf_model, row.seeing / data.pixel_scale, 41, **data.psf_parameters)
    state = replace(state, psf=(psf,), psf_fwhm=[row.seeing], sky_sigma=[row.sky_sigma], read_sigma=None)
    noise = add_noise(np.zeros((1, 41 * 32, 41 * 32)), state, stream(9))[0]
    places = noise.reshape(32, 41, 32, 41).swapaxes(1, 2).reshape(-1, 41, 41)
    flux = np.einsum("nij,ij->n", places, psf) / np.sum(psf**2)
    depth = 22.5 - 2.5 * np.log10(5 * flux.std())
    assert depth == pytest.approx(row.depth, abs=0.15)


def test_binning_keeps_sum_and_place():
    image = stream(1).uniform(size=(2, 12, 18))
    binned = bin_pixels(image, 3)
    assert binned.shape == (2, 4, 6)
    assert binned[1, 2, 5] == pytest.approx(image[1, 6:9, 15:18].sum())
    with pytest.raises(ValueError, match="blocks of 5"):
        bin_pixels(image, 5)


def test_wrong_grid_or_band_is_refused():
    state = conditions()
    with pytest.raises(ValueError, match=r"needs 0\.396"):
        observe(IdealImage(np.zeros((3, 20, 20)), 0.2, BANDS), "sdss", state, stream(1))
    with pytest.raises(ValueError, match="not z"):
        observe(uniform(0, 20, bands=("g", "r", "z")), "sdss", state, stream(1))
    with pytest.raises(ValueError, match="not finite"):
        IdealImage(np.full((3, 20, 20), np.nan), 0.396, BANDS)
    with pytest.raises(ValueError, match="does not divide"):
        IdealImage(np.zeros((3, 20, 20)), 0.396, BANDS, oversampling=3)


def test_left_over_sky_is_added():
    state = replace(conditions(), sky_level=np.array([0.05, -0.02, 0.0]))
    cutout = observe(uniform(0.0), "sdss", state, stream(7))
    error = state.sky_sigma / 400
    assert np.allclose(cutout.image.mean(axis=(1, 2)), state.sky_level, atol=4 * error)
    assert np.allclose(state.select("i").sky_level, 0)


def test_shot_noise_on_correlated_sky_keeps_the_flux_and_adds_its_variance():
    """Of a coadd: mean flux, and sky variance plus flux over gain."""
    state = conditions("hsc-wide", ("r",))
    flux = np.full((1, 64, 64), 3.0)
    stack = np.stack([add_noise(flux, state, stream(8, i)) for i in range(60)])
    assert stack.mean() == pytest.approx(3.0, rel=1e-3)
    expected = state.sky_sigma[0] ** 2 + 3.0 / state.electrons_per_nanomaggy[0]
    assert stack.var() == pytest.approx(expected, rel=0.03)


def test_a_source_in_real_sky_keeps_its_flux_its_shot_noise_and_the_middle_of_the_patch():
    """A patch larger by three rows and five columns; without light it comes back bit by bit."""
    state = conditions("sdss", ("r",))
    sky = np.random.default_rng(0).normal(size=(1, 63, 65))
    dark = add_to_sky(np.zeros((1, 60, 60)), sky, state, stream(1))
    np.testing.assert_array_equal(dark, sky[:, 1:61, 2:62])
    flux = np.full((1, 60, 60), 2.0)
    light = np.stack([add_to_sky(flux, sky, state, stream(9, i)) - dark for i in range(80)])
    gain, quantum = state.electrons_per_nanomaggy[0], state.nanomaggies_per_count[0]
    assert light.mean() == pytest.approx(2.0, rel=1e-3)
    assert light.var() == pytest.approx(2.0 / gain + quantum**2 / 6, rel=0.03)
    counts = light / quantum
    assert np.abs(counts - np.rint(counts)).max() < 1e-6
    with pytest.raises(ValueError, match="too small"):
        add_to_sky(np.zeros((1, 64, 60)), sky, state, stream(1))


def test_objects_of_a_real_patch_are_masked_where_they_lie():
    """A bright square off the middle of a patch that is larger on every side."""
    sky = np.random.default_rng(1).normal(0, 0.01, (1, 70, 80))
    sky[:, 20:26, 50:56] += 1.0
    cutout = observe(uniform(0.0, 60, bands=("r",)), "sdss", conditions(bands=("r",)), stream(2), sky=sky)
    rows, columns = np.nonzero(cutout.mask[0])
    assert (rows.mean(), columns.mean()) == pytest.approx((22.5 - 5, 52.5 - 10), abs=1.5)
    assert (cutout.mask[0, 15:21, 40:46] == MASK_BITS["other object"]).all()
    assert (cutout.mask > 0).mean() < 0.1


@pytest.mark.parametrize("oversampling", [1, 2, 3, 4, 5])
def test_sampled_pixels_are_the_mean_of_their_central_fine_pixels(oversampling):
    """In place of the sum: one fine pixel of an odd number, four of an even one, by loops."""
    k = oversampling
    image = np.random.default_rng(2).uniform(size=(1, 8 * k, 6 * k))
    ideal = IdealImage(image, 0.396 / k, ("r",), oversampling=k)
    found = bin_pixels(_centres(ideal), k)[0]
    for y in range(8):
        for x in range(6):
            block = image[0, y * k : (y + 1) * k, x * k : (x + 1) * k]
            middle = block[(k - 1) // 2 : k // 2 + 1, (k - 1) // 2 : k // 2 + 1]
            assert found[y, x] == pytest.approx(k**2 * middle.mean())


def test_the_variance_plane_of_a_survey_that_states_too_little_noise():
    """Sky variance by the survey's own factor, and the light's over the gain."""
    survey = replace(load_survey("hsc-wide"), sigma_over_variance=1.25)
    state = conditions("hsc-wide", ("r",))
    cutout = observe(uniform(0.5, 100, "hsc-wide", ("r",)), survey, state, stream(3))
    middle = cutout.variance[0, 50, 50]
    expected = (state.sky_sigma[0] / 1.25) ** 2 + 0.5 / state.electrons_per_nanomaggy[0]
    assert middle == pytest.approx(expected, rel=2e-3)
