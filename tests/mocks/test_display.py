"""What a notebook shows of the records."""

import base64
import io
import re
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import NDData, VarianceUncertainty
from PIL import Image

from mocks import MASK_BITS, load_survey, mock_galaxy, stream, view_matrix
from mocks.display import facts_table, grey_picture, png_bytes, rows_table
from mocks.observing.wcs import tangent_wcs
from mocks.toys import toy_galaxy

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def galaxy():
    return toy_galaxy("toy-1", stream(1, "display"), subhalo_id=7, gas=True)


@pytest.fixture(scope="module")
def cutout(galaxy):
    made = mock_galaxy(galaxy, "sdss", "gri", seed=1, redshift=0.05, size=40)
    made.mask[1, 3, 4] = MASK_BITS["saturated"]
    return made


@pytest.fixture
def pyplot():
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_records_say_what_they_are_in_a_line(galaxy, cutout):
    assert re.fullmatch(
        r"<Galaxy toy-1-099-7: redshift 0, stars [\d,]+, gas [\d,]+, stellar mass [\d.e+]+ Msun, "
        r"half-mass radius [\d.]+ kpc>",
        repr(galaxy),
    )
    assert repr(cutout) == (
        "<Cutout toy-1-099-7 sdss: g,r,i, 40 x 40 pixels of 0.396 arcsec, nanomaggies per pixel>"
    )
    assert repr(load_survey("hsc-wide")) == "<Survey hsc-wide: g,r,i,z,y, 0.168 arcsec per pixel>"


def test_what_is_shown_is_escaped():
    assert facts_table("<b>", {"a<": "&"}) == (
        "<table><caption>&lt;b&gt;</caption><tr><th style='text-align:left'>a&lt;</th>"
        "<td style='text-align:left'>&amp;</td></tr></table>"
    )
    assert rows_table("t", ["<"], [[1.5]]) == (
        "<table><caption>t</caption><tr><th>&lt;</th></tr><tr><td>1.5</td></tr></table>"
    )


def test_the_thumbnail_of_a_cutout_is_its_picture(cutout):
    shown = cutout._repr_html_()
    encoded = re.search(r"src='data:image/png;base64,([^']+)'", shown)[1]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    np.testing.assert_array_equal(picture[::-1], cutout.picture("irg"))
    assert f"{cutout.metadata['magnitude']['r']:.2f} AB mag" in shown
    assert "screen" in shown


def test_tables_of_surveys_and_galaxies(galaxy):
    shown = load_survey("sdss")._repr_html_()
    assert shown.count("<tr>") == 1 + 5
    assert "<td>sdss2010-r</td><td>28.24</td><td>1.36</td>" in shown
    assert "toy galaxy" in galaxy._repr_html_()


def test_grey_is_fixed_by_the_noise_alone():
    """Black two noises below zero, white at two hundred, whatever else is in the image."""
    levels = grey_picture(np.array([[-2.0, 0.0, 200.0, 1e9, np.nan]]) * 0.03, 0.03)[0]
    assert levels[0] == 0
    assert (
        levels[1] == levels[4] == round(255 * np.arcsinh(2 / 3) / (np.arcsinh(2 / 3) + np.arcsinh(200 / 3)))
    )
    assert levels[2] == levels[3] == 255
    assert png_bytes(np.zeros((4, 4), np.uint8)).startswith(b"\x89PNG")


def test_plots_return_their_axes(galaxy, cutout, pyplot):
    ax = cutout.plot()
    assert ax.get_xlabel() == "x [arcsec]"
    assert ax.images[0].get_extent() == pytest.approx([-7.92, 7.92, -7.92, 7.92])
    assert ax.images[0].get_array().shape == (40, 40, 3)
    own = pyplot.subplots()[1]
    assert cutout.plot("r", ax=own) is own
    assert own.images[0].get_array().shape == (40, 40)
    with pytest.raises(ValueError, match="bands are g, r; give one or three of g, r, i"):
        cutout.picture("gr")
    with pytest.raises(ValueError, match="bands are z; give"):
        cutout.plot("z")
    ax = galaxy.plot()
    assert ax.get_ylabel() == "y [kpc]"
    assert ax is not galaxy.plot(view_matrix("edge-on", galaxy))


def test_the_plot_of_a_galaxy_holds_its_mass(galaxy, pyplot):
    """Surface density times area is the mass of the stars in the square."""
    ax = galaxy.plot(radius=10.0)
    density = ax.images[0].get_array().filled(0)
    inside = (np.abs(galaxy.stars.position[:, :2]) < 10).all(axis=1)
    assert density.sum() * (20 / 128) ** 2 == pytest.approx(galaxy.stars.mass[inside].sum(), rel=1e-9)


def test_nddata_goes_out_and_comes_back(cutout):
    cube = cutout.to_nddata(ra=150.0, dec=2.0)
    assert isinstance(cube, NDData)
    np.testing.assert_array_equal((cube.data * cube.unit).to_value(u.nmgy), cutout.image)
    assert isinstance(cube.uncertainty, VarianceUncertainty)
    np.testing.assert_array_equal(cube.uncertainty.array, cutout.variance)
    assert np.argwhere(cube.mask).tolist() == [[1, 3, 4]]
    np.testing.assert_array_equal(cube.psf, cutout.psf)
    assert cube.meta["bands"] == ("g", "r", "i")
    assert cube.meta["redshift"] == 0.05
    band = cutout.to_nddata("r", ra=150.0, dec=2.0)
    np.testing.assert_array_equal(band.data, cutout.image[1])
    assert band.meta["bands"] == ("r",)
    assert band.psf.shape == cutout.psf.shape[1:]
    with pytest.raises(ValueError, match="has the bands g, r, i, not z"):
        cutout.to_nddata("z")


def test_world_coordinates_of_nddata(cutout):
    """The middle is where it was put, a pixel is the pixel scale, north is up and east left."""
    band = cutout.to_nddata("r", ra=150.0, dec=60.0)
    middle = band.wcs.pixel_to_world(19.5, 19.5)
    assert (middle.ra.deg, middle.dec.deg) == pytest.approx((150, 60))
    east, north = band.wcs.pixel_to_world(18.5, 19.5), band.wcs.pixel_to_world(19.5, 20.5)
    assert middle.separation(east).arcsec == pytest.approx(0.396, rel=1e-6)
    assert east.ra > middle.ra
    assert north.dec.deg - middle.dec.deg == pytest.approx(0.396 / 3600, rel=1e-6)
    place, number = cutout.to_nddata(ra=150.0, dec=60.0).wcs.pixel_to_world(19.5, 19.5, 2)
    assert place.separation(middle).arcsec < 1e-6
    assert float(getattr(number, "value", number)) == pytest.approx(2)


def test_bands_of_a_cube_are_counted_from_zero():
    wcs = tangent_wcs((3, 20, 31), 0.4, 150.0, 2.0)
    ra, dec, band = wcs.pixel_to_world_values([15, 15], [9.5, 9.5], [0, 2])
    assert band == pytest.approx([0, 2])
    assert (ra[0], dec[0]) == pytest.approx((150.0, 2.0))


def test_without_a_place_a_cutout_lies_at_the_origin(cutout):
    wcs = cutout.to_nddata("r").wcs
    assert wcs.pixel_to_world_values(19.5, 19.5) == pytest.approx((0.0, 0.0))


def test_pictures_have_three_bands_or_one(cutout):
    """The reddest band is red; of two bands the first is shown in grey."""
    assert cutout.picture().shape == (40, 40, 3)
    np.testing.assert_array_equal(cutout.picture(), cutout.picture("irg"))
    two = replace(
        cutout, bands=("g", "r"), image=cutout.image[:2], variance=cutout.variance[:2], mask=cutout.mask[:2],
        psf=cutout.psf[:2],
    )  # fmt: skip
    np.testing.assert_array_equal(two.picture(), cutout.picture("g"))
    assert two.picture().shape == (40, 40)


def test_bits_of_masks_are_those_of_files_already_written():
    assert MASK_BITS == {"no data": 1, "saturated": 2, "other object": 4}
