"""PSFs made of stated numbers: the numbers come back."""

import numpy as np
import pytest
from astropy.io import fits

from mocks.observing.psf_images import measure_fwhm
from mocks.survey_files.sdss_psf import read_psfield
from simcompare.observed.stated_psf import effective_width, header_psf, mixture_psf


def test_effective_width_of_a_gaussian_is_its_fwhm():
    # 0.663 sqrt(4 pi) = 2.350 against 2.355 of the FWHM.
    offset = np.arange(-30, 31)
    gaussian = np.exp(-(offset**2 + offset[:, None] ** 2) / (2 * 3.0**2))
    assert effective_width(gaussian) == pytest.approx(2.355 * 3, rel=0.005)


@pytest.mark.parametrize("width", [1.05, 1.3, 1.6])
def test_psf_of_a_header_has_its_effective_width(width):
    psf = header_psf(width, 0.396)
    assert psf.sum() == pytest.approx(1)
    assert effective_width(psf) * 0.396 == pytest.approx(width, rel=1e-3)
    # A Moffat profile of exponent 3 has 0.663 sqrt(3.778) = 1.289 times its FWHM; pixels make it less peaked.
    assert measure_fwhm(psf) * 0.396 == pytest.approx(width / 1.289, rel=0.06)


def test_psf_of_a_header_resembles_the_field_s_own(shared_data):
    ratios = []
    for path in sorted((shared_data / "observed" / "sdss-frames").glob("psField*")):
        with fits.open(path) as file:
            width = float(file[6].data["psf_width"][0][2])
        own = [read_psfield(path, "r", row, column) for row in (100, 1400) for column in (100, 1900)]
        ratios.append(measure_fwhm(header_psf(width, 0.396)) / np.mean([measure_fwhm(psf) for psf in own]))
    assert len(ratios) == 5
    assert np.mean(ratios) == pytest.approx(1, abs=0.04)
    assert np.ptp(ratios) < 0.2


def test_mixture_has_the_moments_of_its_gaussians():
    amplitudes, variances = [0.6, 0.3, 0.1], [2.0, 6.0, 20.0]
    means = [0.3, -0.2, 0.3, -0.2, 0.3, -0.2]
    psf = mixture_psf(
        [*amplitudes, *means, *[value for variance in variances for value in (variance, variance, 0)]], 81
    )
    offset = np.arange(81) - 40
    column, row = psf.sum(axis=0), psf.sum(axis=1)
    assert (column @ offset, row @ offset) == pytest.approx((0.3, -0.2), abs=1e-3)
    assert column @ (offset - 0.3) ** 2 == pytest.approx(0.6 * 2 + 0.3 * 6 + 0.1 * 20, rel=1e-3)
    single = mixture_psf([1, 0, 0, *[0] * 6, 4, 9, 1, *[1, 1, 0] * 2])
    y, x = np.indices(single.shape) - 20
    assert [(single * q).sum() for q in (x * x, y * y, x * y)] == pytest.approx([4, 9, 1], rel=1e-3)


def test_mixtures_that_are_none_are_refused():
    with pytest.raises(ValueError, match="18 finite numbers"):
        mixture_psf(np.ones(12))
    with pytest.raises(ValueError, match="which no Gaussian has"):
        mixture_psf([1, 0, 0, *[0] * 6, *[1, 1, 2] * 3])


@pytest.mark.parametrize("width", [0, -1, -9999, np.nan, np.inf])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match=f"psf_width is {width} arcsec; it must be positive"):
        header_psf(width, 0.396)


@pytest.mark.parametrize("width", [0.1, 30.0])
def test_a_width_that_no_image_of_a_psf_has_is_refused(width):
    with pytest.raises(ValueError, match=rf"psf_width is {width:g} arcsec, .* 41 by 41 pixels has is"):
        header_psf(width, 0.396)
    assert effective_width(header_psf(8.0, 0.396)) * 0.396 == pytest.approx(8.0, rel=0.01)
