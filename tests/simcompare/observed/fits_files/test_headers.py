"""Headers: coordinates in every frame and orientation, zero points that contradict, compressed pixels."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from mocks.survey_files import open_frame
from simcompare.observed import read_stamps
from simcompare.observed.fits_files.headers import linear_pixels, sky_frame, stated_unit

SHAPE = (90, 91)


def header(scale=0.4, turn=0.0, ctype=("RA---TAN", "DEC--TAN"), value=(150.05, 2.03), parity=-1, **cards):
    """Header of an image whose middle shows the reference value."""
    made = fits.Header()
    made["CTYPE1"], made["CTYPE2"] = ctype
    made["CRVAL1"], made["CRVAL2"] = value
    made["CRPIX1"], made["CRPIX2"] = 46.0, 45.5
    size, cos, sin = scale / 3600, np.cos(turn), np.sin(turn)
    made["CD1_1"], made["CD1_2"] = parity * size * cos, size * sin
    made["CD2_1"], made["CD2_2"] = -parity * size * sin, size * cos
    made.update(cards)
    return made


@pytest.mark.parametrize(
    ("ctype", "value", "cards", "frame"),
    [
        (("RA---TAN", "DEC--TAN"), (150.05, 2.03), {}, "icrs"),
        (("GLON-TAN", "GLAT-TAN"), (236.05, 42.03), {}, "galactic"),
        (("RA---TAN", "DEC--TAN"), (150.05, 2.03), {"RADESYS": "FK4", "EQUINOX": 1950.0}, "fk4"),
        (("RA---TAN", "DEC--TAN"), (150.05, 2.03), {"RADESYS": "FK5", "EQUINOX": 2000.0}, "fk5"),
    ],
)
def test_places_are_icrs_whatever_the_frame(ctype, value, cards, frame):
    true = SkyCoord(*value, unit="deg", frame=frame).icrs
    scale, ra, dec, _ = sky_frame(header(ctype=ctype, value=value, **cards), SHAPE, "a.fits")
    assert (ra, dec) == (pytest.approx(true.ra.deg, abs=1e-7), pytest.approx(true.dec.deg, abs=1e-7))
    assert scale == pytest.approx(0.4, rel=1e-6)


def test_declination_may_come_first():
    _, ra, dec, frame = sky_frame(
        header(ctype=("DEC--TAN", "RA---TAN"), value=(2.05, 50.03)), SHAPE, "a.fits"
    )
    assert (ra, dec) == (pytest.approx(50.03), pytest.approx(2.05))
    # Declination falls along x, right ascension grows along y: north is to the left, east above.
    assert frame.north_angle == pytest.approx(90, abs=1e-6)
    np.testing.assert_allclose(frame.matrix, [[0, 1], [-1, 0]], atol=1e-6)


@pytest.mark.parametrize(("turn", "parity"), [(0.0, -1), (0.7, -1), (-2.5, -1), (1.2, 1)])
def test_orientation_is_that_of_the_matrix(turn, parity):
    made = header(turn=turn, parity=parity)
    _, ra, dec, frame = sky_frame(made, SHAPE, "a.fits")
    wcs, middle = WCS(made), SkyCoord(ra, dec, unit="deg")
    for x, y in ((0, 0), (90, 0), (0, 89)):
        east, north = 0.4 * frame.matrix @ (x - frame.x, y - frame.y)
        offset = middle.spherical_offsets_to(wcs.pixel_to_world(x, y).icrs)
        assert [each.to_value("arcsec") for each in offset] == pytest.approx([east, north], abs=1e-3)
    assert frame.parity == parity


@pytest.mark.parametrize(
    "cards",
    [
        {"PC1_1": -1 / 9000, "PC2_2": 1 / 9000, "CDELT1": 1.0, "CDELT2": 1.0},
        {"CDELT1": -0.4, "CDELT2": 0.4, "CUNIT1": "arcsec", "CUNIT2": "arcsec"},
        {"CDELT1": -0.4 / 60, "CDELT2": 0.4 / 60, "CUNIT1": "arcmin", "CUNIT2": "arcmin"},
        {"CDELT1": -1 / 9000, "CDELT2": 1 / 9000, "CROTA2": 33.0},
    ],
)
def test_scale_by_every_spelling(cards):
    made = header()
    for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        del made[key]
    if "CUNIT1" in cards:
        factor = {"arcsec": 3600, "arcmin": 60}[cards["CUNIT1"]]
        made["CRVAL1"], made["CRVAL2"] = 150.05 * factor, 2.03 * factor
    made.update(cards)
    scale, ra, dec, _ = sky_frame(made, SHAPE, "a.fits")
    assert (scale, ra, dec) == (pytest.approx(0.4), pytest.approx(150.05), pytest.approx(2.03))


@pytest.mark.parametrize(
    ("cards", "why"),
    [
        ({"CD1_1": -0.8 / 3600}, r"not square, 0\.8 by 0\.4 arcsec"),
        ({"CD1_2": 0.2 / 3600}, "not square"),  # skewed
        ({"CD1_1": 0.0}, "a.fits: .+"),
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, "no celestial coordinates"),
        ({"CUNIT1": "furlong"}, "a.fits: .+"),
        ({"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}, "its axes are ELON-TAN and ELAT-TAN; ICRS, FK5"),
    ],
)
def test_coordinates_that_cannot_be_used_are_refused(cards, why):
    with pytest.raises(ValueError, match=why):
        sky_frame(header(**cards), SHAPE, "a.fits")


def test_corner_of_a_real_frame(shared_data):
    """A galaxy cut from a frame knows where its corner lies, to a hundredth of an arcsecond."""
    path = shared_data / "observed" / "sdss-frames" / "frame-r-005112-4-0345.fits.bz2"
    frame = open_frame(path)
    stamp = next(read_stamps(path, ("r",)))
    column, row = map(int, stamp.metadata["source_index"].split(","))
    corner = frame.wcs.pixel_to_world(column - 80, row - 80)
    offset = SkyCoord(stamp.ra, stamp.dec, unit="deg").spherical_offsets_to(corner)
    expected = 0.396 * stamp.sky_frame.matrix @ (-stamp.sky_frame.x, -stamp.sky_frame.y)
    assert [each.to_value("arcsec") for each in offset] == pytest.approx(list(expected), abs=0.02)
    assert abs(stamp.sky_frame.north_angle % 90) > 1  # it is turned indeed


@pytest.mark.parametrize(
    ("cards", "why"),
    [
        ({"BUNIT": "nanomaggy", "MAGZERO": 27.0}, "contradict each other"),
        ({"MAGZERO": 27.0, "FLUXMAG0": 10 ** (0.4 * 25)}, r"MAGZERO 27\.000, FLUXMAG0 25\.000"),
        ({"MAGZERO": (26.0, "[Vega mag]")}, "MAGZERO is not AB"),
        ({"MAGZERO": 26.0, "MAGSYS": "VEGAMAG"}, "zero points are VEGAMAG"),
        ({"MAGZERO": "unknown"}, "not a number"),
        ({"BUNIT": "adu", "MAGZERO": 22.5, "ZEROPT": 25.0}, r"MAGZERO 22\.500, ZEROPT 25\.000"),
    ],
)
def test_contradicting_cards_are_refused(cards, why):
    with pytest.raises(ValueError, match=why):
        stated_unit(header(**cards), "", "a.fits")


def test_units_of_the_user_serve_where_the_header_has_counts_alone():
    assert stated_unit(header(BUNIT="adu"), "zero point 27", "a.fits") == pytest.approx(10**-1.8)
    assert stated_unit(header(BUNIT="nanomaggy"), "zero point 27", "a.fits") == 1
    assert stated_unit(header(BUNIT="adu", MAGZPT=25.0), "", "a.fits") == pytest.approx(0.1)


def test_compressed_pixels_become_fluxes_again():
    flux = np.array([[-3.0, 0.0], [5.0, 2e4]])
    cards = {"BSOFTEN": 12.5, "BOFFSET": 1.5}
    # The inverse as Pan-STARRS writes it: 2.5 log10(e) asinh((flux - offset) / (2 softening)).
    stored = 2.5 * np.log10(np.e) * np.arcsinh((flux - 1.5) / 25.0)
    np.testing.assert_allclose(linear_pixels(stored, cards, "a.fits"), flux, rtol=1e-12)
    with pytest.raises(ValueError, match="the other of BSOFTEN and BOFFSET is missing"):
        linear_pixels(stored, {"BSOFTEN": 12.5}, "a.fits")


@pytest.mark.parametrize(("card", "value"), [("CRVAL1", "150.05"), ("CRPIX2", "45.5"), ("CD1_1", "-1e-4")])
def test_coordinates_written_as_text_are_no_zeros(card, value):
    """Right is 150.05; wcslib takes a text for nothing, and puts the galaxy at 0."""
    with pytest.raises(ValueError, match=rf"a\.fits: card {card} is the text '{value}'"):
        sky_frame(header(**{card: value}), SHAPE, "a.fits")


def test_what_astropy_says_of_each_header_is_not_repeated(caplog):
    """A page about SIP terms without -SIP, at each reading."""
    distorted = header(A_ORDER=2, B_ORDER=2, A_2_0=1e-5, B_0_2=1e-5)
    with caplog.at_level("INFO", logger="astropy"):
        scale, ra, dec, _ = sky_frame(distorted, SHAPE, "a.fits")
    assert not caplog.messages
    assert (scale, ra, dec) == pytest.approx((0.4, 150.05, 2.03), rel=1e-6)


def test_compressed_pixels_in_a_unit_contradict_it():
    """A file that was made linear, and has kept the cards: 10 mag too bright if both are believed."""
    cards = {"BSOFTEN": 1.0, "BOFFSET": 0.0, "BUNIT": "nanomaggy"}
    with pytest.raises(ValueError, match=r"a\.fits: BUNIT says nanomaggy, BSOFTEN and BOFFSET say inverse"):
        linear_pixels(np.ones((3, 3)), cards, "a.fits")
