from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mocks import ConditionsBank, draw_conditions, load_survey, stream
from mocks.observing import conditions
from mocks.observing.psf import gaussian_psf
from mocks.observing.psf_images import measure_fwhm


@pytest.fixture(scope="module")
def draws():
    """Many joint draws; the PSF images are what costs."""
    rng = stream(1, "conditions")
    return [draw_conditions("sdss", "gri", rng) for _ in range(200)]


def test_draws_have_the_survey_mean_and_scatter(draws):
    for i, band in enumerate(load_survey("sdss").select("gri")):
        magnitude = 22.5 - 2.5 * np.log10([draw.sky_sigma[i] / 0.396**2 for draw in draws])
        quoted = 22.5 - 2.5 * np.log10(band.sky_sigma / 0.396**2)
        error = band.sky_sigma_scatter / np.sqrt(len(draws))
        assert magnitude.mean() == pytest.approx(quoted, abs=4 * error)
        assert magnitude.std() == pytest.approx(band.sky_sigma_scatter, rel=0.2)
        fwhm = np.array([draw.psf_fwhm[i] for draw in draws])
        assert fwhm.mean() == pytest.approx(band.seeing, abs=4 * band.seeing_scatter / np.sqrt(len(draws)))
        assert fwhm.std() == pytest.approx(band.seeing_scatter, rel=0.2)


def test_bands_are_drawn_jointly(draws):
    fwhm = np.array([draw.psf_fwhm for draw in draws])
    assert np.corrcoef(fwhm.T)[0, 2] == pytest.approx(load_survey("sdss").seeing_correlation, abs=0.06)


def test_psf_image_has_the_drawn_width(draws):
    for draw in draws[:5]:
        for fwhm, psf in zip(draw.psf_fwhm, draw.psf, strict=True):
            assert measure_fwhm(psf) * 0.396 == pytest.approx(fwhm, rel=0.01)


def test_camera_columns_are_drawn(draws):
    gains = {round(draw.electrons_per_nanomaggy[1] * draw.nanomaggies_per_count[1], 3) for draw in draws}
    assert gains == set(load_survey("sdss").bands["r"].gain)


def bank(n=6):
    widths = np.linspace(2.0, 5.0, n)
    psf = np.stack([[gaussian_psf(w, 31), gaussian_psf(w + 0.5, 31)] for w in widths])
    fwhm = np.stack([widths, widths + 0.5], axis=1) * 0.396
    return ConditionsBank(("g", "r"), psf, fwhm, np.outer(np.linspace(0.02, 0.03, n), [1, 2]), name="real")


def test_bank_rows_are_taken_whole():
    source = bank()
    rows = set()
    for _ in range(40):
        draw = draw_conditions("sdss", "rg", stream(2, len(rows), _), source)
        assert draw.psf_fwhm[0] - draw.psf_fwhm[1] == pytest.approx(0.5 * 0.396)
        assert draw.sky_sigma[0] == pytest.approx(2 * draw.sky_sigma[1])
        row = int(np.argmin(np.abs(source.psf_fwhm[:, 1] - draw.psf_fwhm[0])))
        assert np.allclose(draw.psf[0], source.psf[row, 1])
        assert f"real row {row}" in draw.origin
        rows.add(row)
    assert rows == set(range(6))


def test_coadds_have_no_quantum():
    draw = draw_conditions("hsc-wide", "gri", stream(1))
    assert (draw.nanomaggies_per_count == 0).all()
    assert (draw.read_sigma == 0).all()


def test_bad_conditions_are_refused():
    draw = draw_conditions("sdss", "gr", stream(1))
    with pytest.raises(ValueError, match="below read-out"):
        replace(draw, sky_sigma=draw.read_sigma * 0.5)
    with pytest.raises(ValueError, match=r"psf of band g .*odd"):
        replace(draw, psf=(draw.psf[0][:-1, :-1], draw.psf[1]))
    with pytest.raises(ValueError, match="2 finite numbers"):
        replace(draw, psf_fwhm=np.array([1.0]))
    with pytest.raises(ValueError, match="not i"):
        draw.select("gi")
    with pytest.raises(ValueError, match="not finite and positive"):
        ConditionsBank(("g",), np.ones((2, 1, 3, 3)), np.ones((2, 1)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="not z"):
        draw_conditions("sdss", "gz", stream(1), bank())


@pytest.mark.parametrize("normal", [-3.0, -2.0, -0.7, 0.0, 1.3, 3.0, 8.0])
def test_seeing_is_lognormal_with_the_survey_s_mean_and_scatter(normal, monkeypatch):
    """Every quantile against scipy's distribution; draws are cut at three standard deviations."""
    monkeypatch.setattr(conditions, "_joint_normal", lambda n, *_: np.full(n, normal))
    monkeypatch.setattr(conditions, "effective_psf", lambda *_, **__: gaussian_psf(3.0, 11))
    survey = load_survey("sdss")
    survey = replace(
        survey,
        bands={name: replace(band, seeing_scatter=0.4) for name, band in survey.bands.items()},
    )
    draw = draw_conditions(survey, "gri", stream(1))
    for band, fwhm, sigma in zip(survey.select("gri"), draw.psf_fwhm, draw.sky_sigma, strict=True):
        spread = np.sqrt(np.log(1 + (0.4 / band.seeing) ** 2))
        lognormal = stats.lognorm(s=spread, scale=band.seeing / np.sqrt(1 + (0.4 / band.seeing) ** 2))
        assert lognormal.mean() == pytest.approx(band.seeing)
        assert lognormal.std() == pytest.approx(0.4)
        quantile = stats.norm.cdf(np.clip(normal, -3, 3))
        assert fwhm == pytest.approx(lognormal.ppf(quantile), rel=1e-9)
        assert 2.5 * np.log10(sigma / band.sky_sigma) == pytest.approx(band.sky_sigma_scatter * normal)


def test_noise_below_the_camera_s_own_is_refused_in_any_band():
    """Read-out and quantum in quadrature, a twelfth of its square, are the least that there can be."""
    draw = draw_conditions("sdss", "gr", stream(1))
    camera = np.sqrt(draw.read_sigma**2 + draw.nanomaggies_per_count**2 / 12)
    assert replace(draw, sky_sigma=camera).sky_sigma == pytest.approx(camera)
    for factor in ([1.0, 0.99], [0.99, 1.0]):
        with pytest.raises(ValueError, match="below read-out"):
            replace(draw, sky_sigma=camera * factor)


def test_psfs_of_unlike_sides_are_stacked_about_one_middle():
    draw = draw_conditions("sdss", "gri", stream(1))
    psf = tuple(gaussian_psf(2.0, side) for side in (11, 31, 21))
    stack = replace(draw, psf=psf).psf_stack()
    assert stack.shape == (3, 31, 31)
    for image, small in zip(stack, psf, strict=True):
        edge = (31 - len(small)) // 2
        np.testing.assert_array_equal(image[edge : 31 - edge, edge : 31 - edge], small)
        assert image.sum() == pytest.approx(1)
