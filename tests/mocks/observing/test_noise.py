from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import correlate2d

from mocks import ConditionsBank, draw_conditions, load_survey, stream
from mocks.observing.noise import (
    correlate,
    correlated_noise,
    measure_correlation,
    sigma_from_aperture_depth,
    sigma_from_point_depth,
)
from mocks.observing.observe import add_noise
from mocks.observing.psf import effective_psf, gaussian_psf

KERNEL = np.outer([0.25, 0.5, 0.25], [0.2, 0.6, 0.2])
TABLE = correlate2d(KERNEL, KERNEL) / np.sum(KERNEL**2)


def test_noise_has_the_correlation_asked_for():
    rng = stream(1)
    noise = np.stack([correlated_noise((48, 56), TABLE, rng) for _ in range(300)])
    assert noise.std() == pytest.approx(1, rel=0.01)
    found = measure_correlation(noise, 4)
    assert np.abs(found[2:7, 2:7] - TABLE).max() < 0.01
    assert np.abs(found[[0, 1, 7, 8]]).max() < 0.01
    # Opposite edges are strangers.
    edge = np.mean(noise[:, 0] * noise[:, -1])
    assert abs(edge) < 4 / np.sqrt(300 * 56 / 3)


def test_measured_template_is_reproduced():
    """Template -> correlation -> noise -> correlation, with a template of resampled white noise."""
    rng = stream(2)
    white = rng.normal(size=(200, 66, 66))
    template = (white[:, 1:-1, 1:-1] + 0.5 * white[:, 1:-1, 2:] + 0.3 * white[:, 2:, 1:-1])[:, :64, :64]
    table = measure_correlation(template, 5)
    again = measure_correlation(np.stack([correlated_noise((64, 64), table, rng) for _ in range(200)]), 5)
    error = 2 * np.sqrt(2 / (200 * 64 * 64))
    assert np.abs(again - table).max() < 4 * error
    holes = template.copy()
    holes[:, 10:20, 30:40] = np.nan
    assert np.abs(measure_correlation(holes, 5) - table).max() < 4 * error


@pytest.mark.parametrize("diameter", [2.0, 4.0, 8.0])
def test_aperture_depth_gives_the_aperture_noise(diameter):
    """Fluxes of blank circular apertures scatter by the limit over n sigma."""
    sigma = sigma_from_aperture_depth(25.0, diameter, 0.2)
    rng = stream(3)
    side = 2 * int(diameter / 0.2)
    grid = np.hypot(*(np.indices((side, side)) - side / 2 + 0.5)) * 0.2 <= diameter / 2
    flux = np.array([(sigma * rng.normal(size=(side, side)))[grid].sum() for _ in range(3000)])
    assert 22.5 - 2.5 * np.log10(5 * flux.std()) == pytest.approx(25.0, abs=0.06)
    with pytest.raises(ValueError, match="diameter"):
        sigma_from_aperture_depth(25.0, 0, 0.2)


def test_point_depth_gives_signal_to_noise_five():
    psf = effective_psf("moffat", 4.0, 41)
    sigma = sigma_from_point_depth(24.0, psf)
    flux = 10 ** (-0.4 * (24.0 - 22.5))
    assert flux * np.sqrt(np.sum(psf**2)) / sigma == pytest.approx(5)


def test_bad_tables_are_refused():
    with pytest.raises(ValueError, match="odd side"):
        correlated_noise((8, 8), np.ones((4, 4)), stream(1))
    with pytest.raises(ValueError, match="wider than"):
        measure_correlation(np.zeros((3, 8, 8)), 5)


def test_a_camera_in_whole_counts_can_correlate_its_pixels():
    """Read-out that mixes 2 % of the neighbour along a row; noise and quantum stay."""
    table = np.zeros((3, 3))
    table[1] = 0.02, 1, 0.02
    state = replace(draw_conditions("sdss", ("r",), stream(6)), faint=None, sky_level=None, sky_gradient=None)
    state = replace(state, noise_correlation=table)
    noise = np.stack([add_noise(np.zeros((1, 64, 64)), state, stream(7, i))[0] for i in range(150)])
    found = measure_correlation(noise, 1)
    error = 1 / np.sqrt(noise.size)
    assert found[1, 2] == pytest.approx(0.02, abs=4 * error)
    assert found[2, 1] == pytest.approx(0, abs=4 * error)
    assert noise.std() == pytest.approx(state.sky_sigma[0], rel=0.01)
    counts = noise[0] / state.nanomaggies_per_count[0]
    assert np.abs(counts - counts[0, 0] - np.rint(counts - counts[0, 0])).max() < 1e-6


def test_correlation_along_rows_scatters_between_images_and_bands():
    """Each band of each image draws its own, with the mean and scatter of the bank, or of the survey file."""
    table = np.zeros((2, 5, 5))
    table[:, 2, 2], table[1, 2, 1], table[1, 2, 3] = 1, 0.1, 0.1
    ones = np.ones((1, 2))
    psf = np.broadcast_to(gaussian_psf(3.0, 21), (1, 2, 21, 21))
    scatter = np.array([0.0, 0.03])
    measured = {"noise_correlation": table, "row_scatter": scatter}
    bank = ConditionsBank(("g", "r"), psf, 1.2 * ones, 0.02 * ones, **measured)
    states = [draw_conditions("sdss", "gr", stream(1, i), bank) for i in range(400)]
    drawn = np.stack([state.noise_correlation for state in states])
    assert (drawn[:, 0] == table[0]).all()
    assert drawn[:, 1, 2, 1].mean() == pytest.approx(0.1, abs=0.005)
    assert drawn[:, 1, 2, 3].std() == pytest.approx(0.03, rel=0.15)
    states = [draw_conditions("sdss", "r", stream(2, i)) for i in range(200)]
    noise = np.stack([add_noise(np.zeros((1, 48, 48)), replace(s, faint=None), stream(3, i))[0]
                      for i, s in enumerate(states)])  # fmt: skip
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    along = np.mean(noise[:, :, 1:] * noise[:, :, :-1], axis=(1, 2)) / noise.var(axis=(1, 2))
    across = np.mean(noise[:, 1:] * noise[:, :-1], axis=(1, 2)) / noise.var(axis=(1, 2))
    survey = load_survey("sdss")
    assert along.mean() == pytest.approx(survey.row_correlation, abs=0.008)
    assert np.sqrt(along.var() - across.var()) == pytest.approx(survey.row_scatter, rel=0.2)
    assert draw_conditions("lsst", "r", stream(1)).noise_correlation is None


@pytest.mark.parametrize("survey", ["hsc-wide", "hsc-deep"])
def test_survey_noise_is_correlated_as_its_file_says(survey):
    data = load_survey(survey)
    assert data.noise_correlation is not None
    state = draw_conditions(survey, ("r",), stream(4))
    noise = np.stack([add_noise(np.zeros((1, 64, 64)), state, stream(5, i))[0] for i in range(200)])
    found = measure_correlation(noise, 2)
    lag = len(data.noise_correlation) // 2
    assert found[2, 3] == pytest.approx(data.noise_correlation[lag, lag + 1], abs=0.01)
    assert found[3, 2] == pytest.approx(data.noise_correlation[lag + 1, lag], abs=0.01)
    assert noise.std() == pytest.approx(state.sky_sigma[0], rel=0.01)


def test_correlation_needs_patches_one_pixel_wider_than_both_lags():
    patches = np.random.default_rng(0).normal(size=(4000, 5, 5))
    assert measure_correlation(patches, 2).shape == (5, 5)
    with pytest.raises(ValueError, match="wider than 4"):
        measure_correlation(patches[:, :4], 2)


def test_correlation_is_counted_over_pairs_of_good_pixels():
    """By loops, patches with holes and unequal sides; the mean's share per pixel is given back."""
    rng = np.random.default_rng(9)
    patches = rng.normal(3.0, 1.0, (3, 8, 10)).cumsum(axis=2)
    patches[0, 2, 3:6], patches[2, 7, 9] = np.nan, np.nan
    good = np.isfinite(patches)
    residual = (
        patches - np.array([each[use].mean() for each, use in zip(patches, good, strict=True)])[:, None, None]
    )
    expected = np.zeros((5, 5))
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            products = [
                residual[n, y, x] * residual[n, y + dy, x + dx]
                for n, y, x in np.argwhere(good)
                if 0 <= y + dy < 8 and 0 <= x + dx < 10 and good[n, y + dy, x + dx]
            ]
            expected[2 + dy, 2 + dx] = np.mean(products)
    expected += expected.sum() / (good.sum() / 3)
    found = measure_correlation(patches, 2)
    np.testing.assert_allclose(found, expected / expected[2, 2])
    np.testing.assert_allclose(found, found[::-1, ::-1])


def test_correlated_pixels_come_from_a_kernel_whose_autocorrelation_is_the_table():
    """Of one lit pixel; a lopsided table that is the autocorrelation of (1, 0.5; 0.3, 0)."""
    kernel = np.array([[1.0, 0.5], [0.3, 0.0]])
    table = np.zeros((3, 3))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            shifted = np.zeros((4, 4))
            shifted[1 + dy : 3 + dy, 1 + dx : 3 + dx] = kernel
            table[1 + dy, 1 + dx] = (shifted[1:3, 1:3] * kernel).sum()
    table /= table[1, 1]
    field = np.zeros((12, 15))
    field[0, 0] = 1
    answer = correlate(field, table)
    power = np.abs(np.fft.fft2(answer)) ** 2
    auto = np.fft.ifft2(power).real
    assert auto[0, 0] == pytest.approx(1)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            assert auto[dy, dx] == pytest.approx(table[1 + dy, 1 + dx], abs=1e-9)
    assert np.abs(auto[2:-1, 2:-1]).max() < 1e-9


def test_negative_powers_are_clipped_and_the_variance_stays():
    table = np.zeros((3, 3))
    table[1] = 0.9, 1.0, 0.9  # no noise has this
    field = np.random.default_rng(10).normal(size=(200, 201))
    assert correlate(field, table).std() == pytest.approx(1, abs=0.02)


def test_noise_of_a_depth_by_hand():
    """20th magnitude is 10 nanomaggies. Point source: 2 per sigma times the root of the sum of squares."""
    psf = np.array([[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]])
    assert sigma_from_point_depth(20.0, psf) == pytest.approx(2 * 0.5)
    assert sigma_from_point_depth(20.0, psf, 10.0) == pytest.approx(0.5)
    assert sigma_from_aperture_depth(20.0, 2.0, 0.5) == pytest.approx(2 / np.sqrt(4 * np.pi))
    assert sigma_from_aperture_depth(20.0, 2.0, 0.5, 2.0) == pytest.approx(5 / np.sqrt(4 * np.pi))
