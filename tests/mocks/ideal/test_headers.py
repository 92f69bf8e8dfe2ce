"""What headers of images tell: pixel sizes by any matrix, bands, units and zero points that must agree."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.io import fits

from mocks.ideal import band_groups, read_ideal_image
from mocks.ideal.bands import parse_bands
from mocks.ideal.headers import SKIRT_ZEROPOINTS
from mocks.ideal.scale import _scale, pixel_scale_of
from mocks.readers import examine, examine_all, read_image

SIDE = 0.1  # arcsec
SKY = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
ARCSEC = {"CUNIT1": "arcsec", "CUNIT2": "arcsec"}
NONE = {"PIXSCALE": None}
C, S = (f(1.0) * SIDE / 3600 for f in (np.cos, np.sin))


def disc(n=40, flux=100.0):
    y, x = np.indices((n, n)) - (n - 1) / 2
    image = np.exp(-np.hypot(x, y) / 5.0)
    return flux * image / image.sum()


def write(path, data, *tables, **cards):
    usual = {"BUNIT": "nanomaggy", "FILTER": "SLOAN_SDSS.r", "PIXSCALE": SIDE}
    header = {name: value for name, value in (usual | cards).items() if value is not None}
    image = fits.PrimaryHDU(data, fits.Header(list(header.items())))
    fits.HDUList([image, *tables]).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize(
    "matrix",
    [
        {"CDELT1": SIDE, "CDELT2": SIDE, "CUNIT1": "arcsec", "CUNIT2": "arcsec"},
        {"CDELT1": SIDE / 60, "CDELT2": SIDE / 60, "CUNIT1": "arcmin", "CUNIT2": "arcmin"},
        {"CDELT1": SIDE / 206264.806247, "CDELT2": SIDE / 206264.806247, "CUNIT1": "rad", "CUNIT2": "rad"},
        {"CDELT1": SIDE * 1e3, "CDELT2": SIDE * 1e3, "CUNIT1": "mas", "CUNIT2": "mas"},
        {"CDELT1": SIDE, "CDELT2": SIDE / 60, "CUNIT1": "arcsec", "CUNIT2": "arcmin"},
        {"CDELT1": -SIDE / 3600, "CDELT2": SIDE / 3600, **SKY},
        {"CDELT1": -SIDE / 3600, "CDELT2": SIDE / 3600, "CROTA2": 33.0, **SKY},
        {"CD1_1": -C, "CD1_2": S, "CD2_1": S, "CD2_2": C, **SKY},
        {"CD1_1": 0.0, "CD1_2": SIDE / 3600, "CD2_1": SIDE / 3600, "CD2_2": 0.0, **SKY},
        {"PC1_1": -SIDE / 3600, "PC2_2": SIDE / 3600, "CDELT1": 1.0, "CDELT2": 1.0, **SKY},
        {
            "PC1_1": 0.8,
            "PC1_2": -0.6,
            "PC2_1": 0.6,
            "PC2_2": 0.8,
            "CDELT1": SIDE / 3600,
            "CDELT2": SIDE / 3600,
            **SKY,
        },
    ],
)
def test_every_matrix_of_a_tenth_of_an_arcsec(matrix, tmp_path):
    path = write(tmp_path / "x.fits", disc(), PIXSCALE=None, **matrix)
    assert read_ideal_image(path).pixel_scale == pytest.approx(SIDE, rel=1e-6)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"redshift": 0.1}, "redshift 0.1 as given, not 0.05 as in REDSHIFT"),
        ({"unit": "uJy"}, "unit uJy as given, not nanomaggy as in BUNIT"),
        ({"pixel_scale": 0.2}, "pixels of 0.2 arcsec as given, not 0.1 arcsec by PIXSCALE"),
        ({"bands": "g"}, "band g as given, not r as in the filter name SLOAN_SDSS.r"),
        ({"redshift": 0.05, "unit": "nanomaggy", "pixel_scale": 0.1, "bands": "r"}, None),
    ],
)
def test_a_header_that_is_overruled_is_said(stated, said, tmp_path):
    path = write(tmp_path / "x.fits", disc(), REDSHIFT="0.05")  # words that are a number count as one
    notes = read_ideal_image(path, **stated).metadata["notes"]
    assert (said in notes) if said else notes == ()


def test_parsecs_need_a_redshift_and_the_assumed_cosmology_is_said(tmp_path):
    cards = {"PIXSCALE": None, "CDELT1": 97.65625, "CTYPE1": "pc", "CDELT2": 97.65625, "CTYPE2": "pc"}
    ideal = read_ideal_image(write(tmp_path / "x.fits", disc(), REDSHIFT=0.046, **cards))
    distance = FlatLambdaCDM(70, 0.3).angular_diameter_distance(0.046).to_value("pc")
    assert ideal.pixel_scale == pytest.approx(97.65625 / distance * 206264.806, rel=1e-6)
    assert "cosmology not stored: H0 = 70, Omega_m = 0.3 assumed" in ideal.metadata["notes"][0]
    with pytest.raises(ValueError, match="pixel size not given"):
        read_ideal_image(write(tmp_path / "y.fits", disc(), **cards))


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        (NONE | ARCSEC | {"CDELT1": SIDE, "CDELT2": 2 * SIDE}, "0.1 by 0.2 arcsec.*not square"),
        (NONE | SKY | {"CD1_1": C, "CD1_2": C, "CD2_1": 0.0, "CD2_2": C}, "not square"),
        (NONE | SKY | {"CD1_1": 0.0, "CD2_2": 0.0}, "x.fits"),
        (ARCSEC | {"CDELT1": SIDE * 2, "CDELT2": SIDE * 2}, "0.1 arcsec by PIXSCALE and 0.2 arcsec"),
        ({"PIXSCALE": 0.0}, "usual: "),
        ({"PIXSCALE": 396.0}, "usual: "),
        ({"PIXSCALE": None, "CDELT1": 0.396, "CDELT2": 0.396}, "degrees assumed; usual: "),
        ({"PIXSCALE": None, "CDELT1": 1.0, "CUNIT1": "Hz"}, "not an angle"),
        ({"REDSHIFT": 0.05, "USE_Z": 0.06}, "USE_Z = 0.06 and REDSHIFT = 0.05 disagree"),
        ({"REDSHIFT": -3.0}, "redshift is -3"),
        ({"MAGZERO": 27.0}, "AB zero point 22.500, a card has 27"),
        ({"BSOFTEN": 10.0, "BOFFSET": 1.0}, "packed by asinh"),
        ({"BUNIT": "1/nanomaggy^2"}, "not known as one of an image"),
        ({"BUNIT": "counts/s"}, "need zeropoints"),
    ],
)
def test_contradictions_are_refused_with_both_values(cards, message, tmp_path):
    path = write(tmp_path / "x.fits", disc(), **cards)
    with pytest.raises(ValueError, match=message):
        read_ideal_image(path)
    assert not examine(path).ok


def test_a_zero_point_that_agrees_is_no_contradiction_and_one_for_counts_is_used(tmp_path):
    assert read_ideal_image(write(tmp_path / "x.fits", disc(), MAGZERO=22.5)).image.sum() == pytest.approx(
        100
    )
    ideal = read_ideal_image(write(tmp_path / "y.fits", disc(), BUNIT="counts/s", MAGZERO=25.0))
    assert ideal.image.sum() == pytest.approx(100 * 10 ** (-0.4 * (25.0 - 22.5)))
    assert "zero points [25.0] from the header" in ideal.metadata["notes"]


def test_zero_points_of_the_skirt_sites_are_for_their_files_alone(tmp_path):
    cards = {"BUNIT": "counts/s/pixel", "FILTER": None}
    ours = {f"FILTER{i}": f"sloan/sdss_{band}" for i, band in enumerate("griz")}
    ideal = read_ideal_image(write(tmp_path / "a.fits", np.stack([disc()] * 4), **cards, **ours))
    magnitudes = 22.5 - 2.5 * np.log10(ideal.image.sum(axis=(1, 2)))
    assert magnitudes == pytest.approx([25.952 - 5, 25.943 - 5, 25.503 - 5, 23.564 - 5])
    assert list(SKIRT_ZEROPOINTS) == list("griz")
    with pytest.raises(ValueError, match="need zeropoints"):
        read_ideal_image(write(tmp_path / "b.fits", disc(), BUNIT="counts/s", FILTER="SDSS r"))


@pytest.mark.parametrize(
    "text", ["gri", "g,r,i", "g r i", '["g", "r", "i"]', ["g", "r", "i"], "['g','r','i']"]
)
def test_band_lists(text):
    assert parse_bands(text) == ("g", "r", "i")


def test_cube_without_filter_cards_is_read_as_the_user_states(tmp_path):
    path = write(tmp_path / "x.fits", np.stack([disc(), disc(), disc()]), FILTER=None, BUNIT="MJy/sr")
    with pytest.raises(ValueError, match="FILTER keywords do not name the bands"):
        read_ideal_image(path)
    for options in ({"bands": "g,r,i"}, {"bands": "gri", "unit": "nanomaggy", "pixel_scale": 0.2}):
        ideal = read_image([path], options)
        assert ideal.bands == ("g", "r", "i")
    assert ideal.image.sum() == pytest.approx(300)
    assert examine(path, bands="gri").ok
    for wrong, message in (("gr", "for 2 bands"), ("griz", "for 4 bands"), ("ggr", "each band once")):
        with pytest.raises(ValueError, match=message):
            read_ideal_image(path, bands=wrong)
    with pytest.raises(ValueError, match="images have no option colour; they have bands, unit"):
        read_image([path], {"colour": "red"})


def test_wavelengths_by_the_table_of_skirt_and_a_wrong_order_is_found(tmp_path):
    """lambda F_lambda of 1 Jy at 4702, 6176 and 7490 Angstrom, as SKIRT writes cubes by default."""
    metres = np.array([4702.0, 6176.0, 7490.0]) * 1e-10
    cube = np.stack([disc(flux=1e-26 * 299792458.0 / each) for each in metres])
    column = fits.Column("GRID_POINTS", "D", unit="micron", array=metres * 1e6)
    table = fits.BinTableHDU.from_columns([column], name="Z-axis coordinate values")
    path = write(tmp_path / "x.fits", cube, table, FILTER=None, BUNIT="W/m2")
    flux = read_ideal_image(path, bands="gri").image.sum(axis=(1, 2))
    assert flux == pytest.approx(np.full(3, 1e9 / 3631), rel=1e-6)
    named = {f"FILTER{i}": f"SDSS_{band}" for i, band in enumerate("igr")}
    with pytest.raises(ValueError, match="planes in another order"):
        read_ideal_image(write(tmp_path / "y.fits", cube, table, FILTER=None, BUNIT="W/m2", **named))
    stated = read_ideal_image(path, bands="gri", wavelengths=[4702, 6176, 7490]).image.sum(axis=(1, 2))
    assert stated == pytest.approx(flux, rel=1e-9)


def test_errors_beside_the_light_are_not_read_for_it(tmp_path):
    header = fits.Header([("BUNIT", "nanomaggy"), ("FILTER", "SDSS r"), ("PIXSCALE", SIDE)])
    parts = [
        fits.ImageHDU(np.full((40, 40), 7.0), header, name="ERR"),
        fits.ImageHDU(disc(), header, name="SCI"),
    ]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "x.fits")
    assert read_ideal_image(tmp_path / "x.fits").image.sum() == pytest.approx(100)


def test_one_file_for_each_band_is_one_image(tmp_path):
    for number in (7, 8):
        for band, flux in zip("gri", (1.0, 2.0, 3.0), strict=True):
            write(tmp_path / f"photo_{band}_{number}.fits", disc(flux=flux * number), FILTER=None)
    write(tmp_path / "cube_9.fits", np.stack([disc()] * 2), FILTER0="SDSS g", FILTER1="SDSS r", FILTER=None)
    groups = band_groups(sorted(tmp_path.glob("*.fits")))
    assert [len(group) for group in groups] == [1, 3, 3]
    ideal = read_ideal_image(groups[1])
    assert ideal.bands == ("g", "i", "r")
    assert ideal.image.sum(axis=(1, 2)) == pytest.approx([7, 21, 14])
    assert ideal.metadata["subhalo_id"] == 7
    assert any("by the names of the files" in note for note in ideal.metadata["notes"])
    assert [each.ok for each in examine_all(tmp_path)] == [True] * 3


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"CUNIT1": "klyr", "CUNIT2": "klyr"}, r"i\.fits: CUNIT is klyr, no known unit"),
        ({"CDELT1": "0.1"}, r"i\.fits: card CDELT1 is the text '0\.1'"),
    ],
)
def test_pixel_sizes_in_no_unit_or_as_text(cards, said):
    header = fits.Header({"CDELT1": 0.1, "CDELT2": 0.1, "CUNIT1": "arcsec", "CUNIT2": "arcsec"} | cards)
    with pytest.raises(ValueError, match=said):
        pixel_scale_of([header], 0.05, None, "i.fits")


@pytest.mark.parametrize(
    ("cards", "how"),
    [
        ({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}, "the matrix in deg"),
        ({"CUNIT1": "deg", "CUNIT2": "deg"}, "the matrix in deg"),
        ({}, "the matrix, degrees assumed"),
    ],
)
def test_degrees_are_assumed_only_where_nothing_says_so(cards, how):
    header = fits.Header({"NAXIS": 2, "CDELT1": SIDE / 3600, "CDELT2": SIDE / 3600} | cards)
    side, told = _scale(header, None, None, "x.fits")
    assert side == pytest.approx(SIDE)
    assert told == how


def test_planes_numbered_from_one(tmp_path):
    filters = {"FILTER1": "SDSS_g", "FILTER2": "SDSS_r", "FILTER": None}
    path = write(tmp_path / "x.fits", np.stack([disc(), disc(flux=200.0)]), **filters)
    ideal = read_ideal_image(path)
    assert ideal.bands == ("g", "r")
    assert ideal.image.sum(axis=(1, 2)) == pytest.approx([100.0, 200.0], rel=1e-6)


@pytest.mark.parametrize(("unit", "said"), [("mJy", 0), ("MJy", 1), ("1e-18 mJy", 1)])
def test_magnitudes_that_no_galaxy_has_are_said(unit, said, tmp_path):
    """16.40 AB mag in mJy is -6.10 in MJy, and 61.40 in the last."""
    path = write(tmp_path / "x.fits", disc(flux=1.0), BUNIT=unit)
    warnings = [each.message for each in examine(path).findings if each.level == "warning"]
    assert len(warnings) == said
    assert all("magnitude" in text and "mJy for MJy" in text for text in warnings)


@pytest.mark.parametrize(("sides", "expected"), [((0.1, 0.1), 0.1), ((0.1, 0.1008), 0.1004)])
def test_pixels_that_are_nearly_square_have_the_side_of_their_area(sides, expected):
    header = fits.Header({"NAXIS": 2, "CDELT1": sides[0] / 3600, "CDELT2": sides[1] / 3600, **SKY})
    assert _scale(header, None, None, "x.fits")[0] == pytest.approx(expected, rel=1e-5)
