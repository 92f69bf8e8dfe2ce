import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from mocks import Galaxy, Stars
from mocks.dust.registry import DUST, dust_model
from mocks.dust.screens import calzetti_curve, cardelli_curve
from mocks.filters import load_filter

PIVOTS = np.array([load_filter(f"sdss2010-{band}").pivot for band in "ugriz"])


def galaxy(ages):
    n = len(ages)
    stars = Stars(np.zeros((n, 3)), np.ones(n), np.ones(n), np.array(ages, float), np.full(n, 0.02))
    return Galaxy("toy", 1, 1, 0.1, FlatLambdaCDM(70, 0.3), stars)


def attenuation(dust, ages=(0.005, 5.0)):
    return -2.5 * np.log10(dust.transmission(galaxy(ages), np.eye(3), PIVOTS))


@pytest.mark.parametrize("name", DUST)
def test_every_dust_lets_part_of_the_light_through(name):
    share = dust_model(name).transmission(galaxy([0.001, 1.0, 9.0]), np.eye(3), PIVOTS)
    assert share.shape == (5, 3)
    assert ((share > 0) & (share <= 1)).all()
    assert (np.diff(share, axis=0) >= 0).all()  # redder light passes more easily


def test_screen_of_charlot_and_fall():
    """Attenuations in g, r, i of old and young stars, computed independently."""
    young, old = attenuation(dust_model("screen"))[1:4].T
    assert old == pytest.approx([0.364, 0.301, 0.263], abs=2e-3)
    assert young == pytest.approx([1.215, 1.002, 0.875], abs=4e-3)


def test_calzetti_curve():
    assert calzetti_curve(PIVOTS) == pytest.approx([1.505, 1.177, 0.880, 0.694, 0.545], abs=0.015)
    assert calzetti_curve(5500.0) == pytest.approx(1, abs=0.005)
    assert attenuation(dust_model("calzetti", a_v=0.5))[1] == pytest.approx(0.5 * calzetti_curve(PIVOTS[1]))
    with pytest.raises(ValueError, match="1200 to 22000"):
        calzetti_curve(30000.0)


def test_no_dust_and_vanishing_dust_are_the_identity():
    assert (attenuation(dust_model("none")) == 0).all()
    assert np.allclose(attenuation(dust_model("screen", tau_young=0, tau_old=0)), 0)
    assert np.allclose(attenuation(dust_model("calzetti", a_v=0)), 0)


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match="choose from none, screen"):
        dust_model("smoke")
    with pytest.raises(ValueError, match="does not take these options"):
        dust_model("none", tau_old=1)
    with pytest.raises(ValueError, match="neither may be negative"):
        dust_model("screen", tau_old=-1)
    with pytest.raises(ValueError, match="may not be negative"):
        dust_model("calzetti", a_v=-1)


def test_milky_way_curve_has_the_values_of_another_code_from_ultraviolet_to_infrared():
    """CCM89 of dust_extinction, R_V = 3.1, at inverse microns of its own tests: all four branches."""
    x = np.array([8.0, 7.0, 6.0, 5.0, 4.6, 4.0, 3.0, 2.78, 2.27, 1.82, 1.43, 1.11, 0.8, 0.63, 0.46])
    expected = [
        3.33685933, 2.77962453, 2.52195399, 2.84252644, 3.18598916, 2.31531711, 1.64254927, 1.56880904,
        1.32257836, 1.0, 0.75125994, 0.4780346, 0.28206957, 0.19200814, 0.11572348,
    ]  # fmt: skip
    np.testing.assert_allclose(cardelli_curve(1e4 / x), expected, rtol=1e-6)


@pytest.mark.parametrize("wavelength", [[1240.0, 5000.0], [5000.0, 34000.0], [1000.0], [40000.0]])
def test_one_wavelength_beyond_the_milky_way_law_is_refused(wavelength):
    with pytest.raises(ValueError, match="holds from 1250 to 33000 Angstrom"):
        cardelli_curve(np.array(wavelength))
