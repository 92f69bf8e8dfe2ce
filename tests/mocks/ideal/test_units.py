"""Units of images: whole or refused, by numbers computed from their definitions."""

import numpy as np
import pytest

from mocks.filters import load_filter
from mocks.ideal.units import nanomaggies, parse_unit

SR = (180 * 3600 / np.pi) ** 2  # arcsec^2
JY = 1e9 / 3631  # nanomaggies
LIGHT = 299792458.0  # m/s
WAVELENGTH = 6176.0  # Angstrom
W_PER_M2_UM = JY * 1e26 * (WAVELENGTH * 1e-10) ** 2 / LIGHT * 1e6  # f_nu = f_lambda lambda^2 / c


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nanomaggy", 1),
        ("Nanomaggies", 1),
        ("nmgy/pixel", 1),
        ("10*nanomaggy", 10),
        ("1e-9 maggy", 1),
        ("mJy", JY * 1e-3),
        ("MJy", JY * 1e6),
        ("MJy/pix", JY * 1e6),
        ("JY/PIXEL", JY),
        ("erg/s/cm2/Hz", JY * 1e23),
        ("W/m2/um", W_PER_M2_UM),
        ("erg/s/cm2/A", W_PER_M2_UM * 1e-3 / 1e-4),
        ("W/m2", JY * 1e26 / (LIGHT / (WAVELENGTH * 1e-10))),
    ],
)
def test_flux_in_a_pixel(text, expected):
    assert parse_unit(text).nanomaggies(0.2, WAVELENGTH) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "per_arcsec2"),
    [
        ("nanomaggy/arcsec^2", 1),
        ("MJy/sr", JY * 1e6 / SR),
        ("MJy sr-1", JY * 1e6 / SR),
        ("W/m2/micron/sr", W_PER_M2_UM / SR),
        ("W m-2 um-1 sr-1", W_PER_M2_UM / SR),
        ("W/m3/sr", W_PER_M2_UM * 1e-6 / SR),
        ("W/m2/arcsec2", JY * 1e26 / (LIGHT / (WAVELENGTH * 1e-10))),
        ("W/m2/Hz/sr", JY * 1e26 / SR),
    ],
)
def test_surface_brightness(text, per_arcsec2):
    assert parse_unit(text).nanomaggies(0.2, WAVELENGTH) == pytest.approx(per_arcsec2 * 0.04, rel=1e-6)


NONE = "1/nanomaggy^2|2.7e1||1|m|mag|Vega mag/arcsec2|MJY|mjy|Jy/beam|adu|counts|solLum/pc2|W/m2/sr um-1"


@pytest.mark.parametrize(
    "text", [*NONE.split("|"), "nanomaggy nanomaggy", "nanomaggy/arcsec", "Jy per pixel"]
)
def test_what_is_no_unit_of_an_image_is_refused(text):
    with pytest.raises(ValueError, match="is not known as one of an image"):
        parse_unit(text)


def test_milli_is_not_mega_and_the_refusal_says_so():
    assert parse_unit("MJy").nanomaggies(1) / parse_unit("mJy").nanomaggies(1) == pytest.approx(1e9)
    with pytest.raises(ValueError, match="is mJy or MJy meant"):
        parse_unit("MJY/SR")


def test_assumptions_are_said():
    pixels = np.full((1, 2, 2), 20.0)
    assert nanomaggies(pixels, "mag/arcsec2", 1.0)[1] == ("magnitudes without a system: AB assumed",)
    assert nanomaggies(pixels, "AB mag/arcsec2", 1.0)[1] == ()
    assert "lambda F_lambda assumed" in nanomaggies(pixels, "W/m2", 1.0, wavelengths=[6176.0])[1][0]


def test_flat_f_nu_has_no_colour_in_any_unit_per_wavelength():
    """One source of 1 Jy in three bands, its density per wavelength computed at each pivot."""
    pivots = [load_filter(f"sdss2010-{band}").pivot for band in "gri"]
    density = np.array([1e-26 * LIGHT / (pivot * 1e-10) ** 2 * 1e-6 for pivot in pivots])[:, None, None]
    flux, _ = nanomaggies(density, "W/m2/micron", 0.3, wavelengths=pivots)
    assert flux.ravel() == pytest.approx(np.full(3, JY), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "per_second"), [("ct/s", 1.0), ("counts/s", 1.0), ("ct/min", 1 / 60), ("kct/s", 1e3)]
)
def test_rates_of_counts_need_their_zero_points(text, per_second):
    known = parse_unit(text)
    assert (known.kind, known.is_surface) == ("counts", False)
    pixels = np.array([[[3.0]], [[5.0]]])
    found, _ = nanomaggies(pixels, text, 1.0, zeropoints=[22.5, 25.0])
    assert found.ravel() == pytest.approx([3 * per_second, 5 * per_second / 10])
    with pytest.raises(ValueError, match="counts per second need zeropoints="):
        nanomaggies(pixels, text, 1.0)
    with pytest.raises(ValueError, match="is not known as one of an image"):
        parse_unit("ct s")
