"""Units of pixels: read whole, or refused; the right factor from first principles."""

import numpy as np
import pytest

from simcompare.observed.units import is_counts, nanomaggies_per_unit

SCALE = 0.396


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("nanomaggy", 1),
        ("nanomaggies per pixel", 1),
        ("nanomaggy per pixel (AB zero point 22.5 mag)", 1),
        ("10*nanomaggy", 10),
        ("1e-9 maggy", 1),
        ("nanomaggy/arcsec^2", SCALE**2),
        ("nanomaggy arcsec-2", SCALE**2),
        ("coadd flux, AB zero point 27.0", 10**-1.8),
        ("zero point 2.7e1", 10**-1.8),
        ("coadd flux, AB zero point 30.0 (DES convention; not stated in the repository)", 1e-3),
        # AB 0 is 3631 Jy; a nanomaggy is 3.631e-6 Jy.
        ("Jy", 1 / 3.631e-6),
        ("mJy", 1e-3 / 3.631e-6),
        ("MJy", 1e6 / 3.631e-6),
        ("uJy", 1 / 3.631),
        ("microJansky", 1 / 3.631),
        ("nJy / pix", 1e-3 / 3.631),
        ("MJy/sr", 1e6 * (SCALE * np.pi / 180 / 3600) ** 2 / 3.631e-6),
        ("erg/s/cm2/Hz", 1e23 / 3.631e-6),
    ],
)
def test_a_unit_gives_its_nanomaggies(unit, expected):
    assert nanomaggies_per_unit(unit, pixel_scale=SCALE) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        ("", "no stated unit"),
        ("DN", "state nanomaggies or an AB zero point"),
        ("1/nanomaggy^2", "inverse variance"),
        ("nanomaggy^2", "it is a variance"),
        ("nanomaggy*s", "cannot be turned into nanomaggies"),
        ("Vega nanomaggies", "must be AB"),
        ("Vega zero point 27", "must be AB"),
        ("mjy", r"write mJy \(milli\) or MJy \(mega\)"),
        ("mag/arcsec2", "cannot be turned into nanomaggies"),
        ("Jy/beam", "cannot be turned into nanomaggies"),
        ("zero point 27 or so", "not a known unit of flux"),
        ("coadd flux, AB zero point 27.0 unless a group says otherwise", "not a known unit of flux"),
        ("nanomaggy (per arcsec^2)", "the remark 'per arcsec.2' is not understood"),
        ("flux, mag = -2.5 log10(flux) + 0", "not a known unit of flux"),
        ("27.0", "cannot be turned into nanomaggies"),
        ("zero point 1e99", "not a zero point"),
        ("nanomaggy, zero point 27", "contradict each other: a value of one is AB 27.00 and 22.50"),
    ],
)
def test_what_is_not_understood_whole_is_refused(unit, why):
    with pytest.raises(ValueError, match=why) as error:
        nanomaggies_per_unit(unit, where="a.fits", pixel_scale=SCALE)
    assert str(error.value).startswith("a.fits: pixels in ")


def test_zero_point_beside_a_unit_must_agree():
    assert nanomaggies_per_unit("nJy", 31.4) == pytest.approx(1e-3 / 3.631, rel=1e-6)
    assert nanomaggies_per_unit("counts / s", 25.0) == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"AB 27\.00 and 22\.50"):
        nanomaggies_per_unit("nanomaggy", 27.0)
    with pytest.raises(ValueError, match="surface brightness needs the pixel scale"):
        nanomaggies_per_unit("MJy/sr")


def test_counts_are_told_from_fluxes():
    assert all(map(is_counts, ("ADU", "counts/s", "electron", "flux", "DN")))
    assert not any(map(is_counts, ("nanomaggy", "uJy", "mag", "10 adu")))


def test_a_zero_point_of_ab_magnitudes_in_words():
    assert nanomaggies_per_unit("AB mag zero point 30") == pytest.approx(1e-3)
    assert nanomaggies_per_unit("AB magnitude zeropoint = 25 mag AB") == pytest.approx(0.1)
