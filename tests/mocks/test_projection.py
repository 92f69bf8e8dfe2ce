from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from mocks import Galaxy, Stars, mock_galaxy, stream
from mocks.light.base import StellarPopulation
from mocks.projection import Scene, _Light, _light, kpc_per_arcsec, project
from mocks.views import VIEWS, named_views, random_view, view_matrix

COSMOLOGY = FlatLambdaCDM(70, 0.3)


class OneNanomaggy(StellarPopulation):
    """Every star one nanomaggy in every band, whatever it is."""

    name = "one"

    def absolute_flux(self, stars, filters, redshift):
        raise NotImplementedError

    def apparent_flux(self, stars, filters, redshift, cosmology):
        return np.ones((len(filters), len(stars)))


def disc(n=4000, scale=3.0):
    """Thin exponential disc in the x-y plane, turning about +z."""
    rng = stream(1, "disc")
    radius, angle = rng.gamma(2, scale, n), rng.uniform(0, 2 * np.pi, n)
    position = np.stack([radius * np.cos(angle), radius * np.sin(angle), rng.normal(0, 0.1, n)], axis=1)
    velocity = 200 * np.stack([-np.sin(angle), np.cos(angle), np.zeros(n)], axis=1)
    mass = np.full(n, 1e6)
    stars = Stars(position, mass, 1.7 * mass, rng.uniform(0.1, 12, n), np.full(n, 0.02), velocity)
    return Galaxy("toy", 99, 7, 0.0, COSMOLOGY, stars)


@pytest.mark.parametrize("view", VIEWS)
def test_named_views_are_rotations(view):
    matrix = view_matrix(view, disc())
    assert np.allclose(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)


def test_views_look_where_they_say():
    galaxy = disc()
    for view, axis in zip("xyz", np.eye(3), strict=True):
        assert np.allclose(view_matrix(view)[2], axis)
    tilted = random_view(stream(2))
    stars = replace(
        galaxy.stars, position=galaxy.stars.position @ tilted.T, velocity=galaxy.stars.velocity @ tilted.T
    )
    turned = replace(galaxy, stars=stars)
    spin = tilted[:, 2]
    assert np.allclose(view_matrix("face-on", turned)[2], spin, atol=1e-2)
    assert np.allclose(view_matrix("edge-on", turned)[1], spin, atol=1e-2)
    thickness = np.std(stars.position @ view_matrix("edge-on", turned)[1])
    assert thickness == pytest.approx(0.1, rel=0.1)


def test_random_views_fill_the_sphere():
    rng = stream(3)
    views = np.array([random_view(rng) for _ in range(3000)])
    assert np.allclose(views @ views.transpose(0, 2, 1), np.eye(3))
    for row in (0, 2):
        assert np.abs(views[:, row].mean(axis=0)).max() < 4 / np.sqrt(3 * 3000)
        # The cosine to any axis is uniform between -1 and 1.
        assert np.sort(views[:, row, 2]) == pytest.approx(np.linspace(-1, 1, 3000), abs=0.06)
    assert (random_view(stream(4)) == random_view(stream(4))).all()


# Longitude and latitude [deg] of pixels of a sphere of 192, by astropy-healpix 1.1 (ring order).
HEALPIX = {
    0: (45.0, 78.28414761), 5: (67.5, 66.44353569), 30: (146.25, 41.8103149), 100: (281.25, 0.0),
    150: (315.0, -30.0), 191: (315.0, -78.28414761),
}  # fmt: skip


@pytest.mark.parametrize("number", HEALPIX)
def test_healpix_views_look_from_the_pixels_centres(number):
    longitude, latitude = np.deg2rad(HEALPIX[number])
    across = np.cos(latitude)
    towards = [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)]
    matrix = view_matrix(f"healpix:{number}/192")
    assert matrix[2] == pytest.approx(np.array(towards), abs=1e-9)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert matrix[0, 2] == pytest.approx(0, abs=1e-12)  # the box's z axis is up
    assert matrix[1, 2] > 0


@pytest.mark.parametrize("count", [12, 48, 768])
def test_healpix_views_share_the_sphere_equally(count):
    views = named_views(f"healpix:{count}")
    assert len(set(views)) == len(views) == count
    towards = np.array([view_matrix(view)[2] for view in views])
    assert towards.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)
    assert towards.T @ towards / count == pytest.approx(np.eye(3) / 3, abs=0.04)
    nearest = np.sort(np.arccos(np.clip(towards @ towards.T, -1, 1)), axis=1)[:, 1]
    assert nearest.min() > 0.7 * np.sqrt(4 * np.pi / count)


@pytest.mark.parametrize(
    "text", ["healpix:7", "healpix", "healpix:0", "healpix:108", "healpix:12,healpix:12"]
)
def test_what_is_no_healpix_is_refused(text):
    with pytest.raises(ValueError, match="healpix"):
        named_views(text)


def test_views_can_be_mixed():
    assert named_views("z,healpix:12,random:2")[-3:] == ("healpix:11/12", "random", "random")
    with pytest.raises(ValueError, match="write healpix:3/12"):
        view_matrix("healpix:three")


@pytest.mark.parametrize("view", VIEWS)
def test_flux_is_the_same_from_every_side(view):
    galaxy = disc()
    ideal = project(galaxy, "sdss", "gri", Scene(0.05, view, 300, OneNanomaggy(), "none"))
    assert ideal.image.sum(axis=(1, 2)) == pytest.approx(np.full(3, 4000), rel=1e-6)
    assert ideal.flux_outside == pytest.approx(np.zeros(3), abs=4e-3)
    assert ideal.size == (300, 300)


def test_light_beyond_the_stamp_is_reported():
    galaxy = disc()
    ideal = project(galaxy, "sdss", "r", Scene(0.05, "z", 20, OneNanomaggy(), "none"), margin=0)
    half_side = 10 * 0.396 * kpc_per_arcsec(0.05, COSMOLOGY)
    inside = (np.abs(galaxy.stars.position[:, :2]) < half_side).all(axis=1).sum()
    assert ideal.image.sum() + ideal.flux_outside[0] == pytest.approx(4000, rel=1e-9)
    assert ideal.image.sum() == pytest.approx(inside, rel=0.02)


def test_place_size_and_offset():
    """One star 5 kpc to the right appears 5 kpc to the right, at the angular-diameter distance."""
    galaxy = disc()
    stars = galaxy.stars.select(np.array([0]))
    stars = replace(stars, position=np.array([[5.0, 0, 0]]), smoothing_length=np.array([0.5]))
    ideal = project(
        replace(galaxy, stars=stars),
        "sdss",
        "r",
        Scene(0.05, "z", 64, OneNanomaggy(), "none"),
        margin=4,
        offset=(1.0, -2.0),
    )
    scale = COSMOLOGY.kpc_proper_per_arcmin(0.05).value / 60 * 0.396  # kpc per survey pixel
    grid = (np.arange(72 * 3) + 0.5) / 3 - 36
    assert ideal.image[0].sum(0) @ grid == pytest.approx(5 / scale - 2, abs=0.03)
    assert ideal.image[0].sum(1) @ grid == pytest.approx(1.0, abs=0.03)
    assert kpc_per_arcsec(0.05, COSMOLOGY) == pytest.approx(scale / 0.396)


def test_angular_size_follows_distance():
    galaxy = disc()
    width = []
    for redshift in (0.05, 0.2):
        image = project(galaxy, "sdss", "r", Scene(redshift, "z", 200, OneNanomaggy(), "none")).image[0]
        grid = (np.arange(len(image)) + 0.5 - len(image) / 2) / 3
        width.append(np.sqrt(image.sum(0) @ grid**2 / image.sum()))
    distance = COSMOLOGY.angular_diameter_distance([0.05, 0.2]).value
    assert width[0] / width[1] == pytest.approx(distance[1] / distance[0], rel=5e-3)


def test_bands_are_registered():
    ideal = project(disc(), "sdss", "ugriz", Scene(0.05, "face-on", 128, dust="none"))
    grid = np.arange(ideal.image.shape[1]) / 3
    total = ideal.image.sum(axis=(1, 2))
    for axis in (1, 2):
        centre = ideal.image.sum(axis=axis) @ grid / total
        assert np.ptp(centre) < 0.6  # colours differ between stars; the grid does not
    flat = project(disc(), "sdss", "ugriz", Scene(0.05, "face-on", 128, OneNanomaggy(), "none")).image
    assert np.allclose(flat, flat[0])


def test_dust_and_population_are_recorded():
    plain = project(disc(), "sdss", "gr", Scene(0.05, "z", dust="none"))
    dusty = project(disc(), "sdss", "gr", Scene(0.05, "z"))
    assert dusty.metadata["dust"] == "screen"
    assert plain.metadata["population"] == "bc03"
    assert plain.metadata["attenuation"] == pytest.approx({"g": 0.0, "r": 0.0}, abs=1e-12)
    # Old stars: 0.30 mag at 5500 A and 0.36 in g, here at rest 4481 and 5884 A.
    assert dusty.metadata["attenuation"]["g"] == pytest.approx(1.0857 * 0.3 * (4481 / 5500) ** -0.7, abs=0.03)
    difference = np.array([dusty.metadata["magnitude"][b] - plain.metadata["magnitude"][b] for b in "gr"])
    assert difference == pytest.approx(list(dusty.metadata["attenuation"].values()), abs=1e-9)


def test_total_magnitude_is_that_of_the_stars():
    galaxy = disc()
    ideal = project(galaxy, "sdss", "r", Scene(0.03, "z", 600))
    magnitude = 22.5 - 2.5 * np.log10(ideal.image.sum() + ideal.flux_outside[0])
    assert magnitude == pytest.approx(ideal.metadata["magnitude"]["r"], abs=1e-6)


def test_clamped_light_is_counted_and_warned_about_once(caplog):
    galaxy = disc()
    poor = replace(galaxy, stars=replace(galaxy.stars, metallicity=np.zeros(4000)))
    views = [mock_galaxy(poor, "sdss", "r", seed=1, redshift=0.05, view_index=i, size=32) for i in range(3)]
    assert [view.metadata["n_clamped"] for view in views] == [4000] * 3
    assert views[0].metadata["light_clamped"] == pytest.approx(1)
    assert caplog.text.count("100.0 % of the light") == 1
    assert views[0].metadata["light_beyond"] == {"metallicity below 0.0001": pytest.approx(1)}
    assert f"change by {views[0].metadata['edge_effect']:.3f}" in caplog.text


def test_effect_of_the_edge_is_that_of_the_slope_kept_beyond_it():
    """Stars at a third of the poorest metallicity, against a line through the grid's two poorest."""
    galaxy = disc()

    def seen(metallicity):
        stars = replace(galaxy.stars, age=np.full(4000, 3.0), metallicity=np.full(4000, metallicity))
        return project(replace(galaxy, stars=stars), "sdss", "u", Scene(0.05, "z", 32, dust="none")).metadata

    first, second, poor = map(seen, (1e-4 * (1 + 1e-9), 4e-4, 1e-4 / 3))
    slope = (second["magnitude"]["u"] - first["magnitude"]["u"]) / np.log10(4)
    assert poor["edge_effect"] == pytest.approx(abs(slope) * np.log10(3), rel=1e-6)
    assert (first["edge_effect"], first["light_beyond"]) == (0, {})


def test_nebular_share_is_the_light_that_goes_without_gas():
    galaxy = disc()
    young = replace(galaxy, stars=replace(galaxy.stars, age=np.geomspace(1e-3, 0.1, 4000)))
    with_gas = project(young, "sdss", "gr", Scene(0.05, "z", 32, dust="none")).metadata
    without = project(young, "sdss", "gr", Scene(0.05, "z", 32, "bc03:nebular=no", "none")).metadata
    assert without["light_nebular"] == {"g": 0, "r": 0}
    for band in "gr":
        change = 1 - 10 ** (-0.4 * (without["magnitude"][band] - with_gas["magnitude"][band]))
        assert with_gas["light_nebular"][band] == pytest.approx(change, rel=1e-6)
        assert 0.01 < change < 0.9


def test_bad_requests_are_refused():
    galaxy = disc(50)
    with pytest.raises(ValueError, match="positive redshift"):
        project(galaxy, "sdss", "r", Scene(view="z"))
    with pytest.raises(ValueError, match="choose from x, y, z"):
        project(galaxy, "sdss", "r", Scene(0.1, "sideways"))
    with pytest.raises(ValueError, match="needs stellar velocities"):
        view_matrix("face-on", replace(galaxy, stars=replace(galaxy.stars, velocity=None)))
    with pytest.raises(ValueError, match="no angular momentum"):
        view_matrix("face-on", replace(galaxy, stars=replace(galaxy.stars, velocity=np.zeros((50, 3)))))
    with pytest.raises(ValueError, match="has no stars"):
        project(replace(galaxy, stars=galaxy.stars.select(np.zeros(50, bool))), "sdss", "r", Scene(0.1, "z"))


def test_a_random_view_is_drawn_elsewhere_and_unknown_fields_are_named():
    with pytest.raises(ValueError, match="view 'random' is for mock_galaxy"):
        project(disc(50), "sdss", "r", Scene(0.1))
    with pytest.raises(TypeError, match="has no dist; the scene has redshift, view, size"):
        mock_galaxy(disc(50), "sdss", "r", seed=1, dist=3)


def test_light_of_companions_is_counted_without_the_margin():
    light = SimpleNamespace(of_companions=np.zeros((2, 7)))
    image = np.arange(2 * 8 * 10.0).reshape(2, 8, 10)
    expected = [sum(image[band, y, x] for y in range(2, 6) for x in range(2, 8)) for band in (0, 1)]
    found = _Light.record_of_companions(light, ("g", "r"), image, 2)
    assert found == {"n_companion_stars": 7, "companion_flux": dict(zip("gr", expected, strict=True))}


def test_dust_acts_at_the_wavelength_of_rest(monkeypatch):
    """Pivots of g and r over 1 + z, by hand."""
    asked = []

    class Watched:
        name, assumed = "watched", ()

        def transmission(self, galaxy, rotation, wavelength):
            asked.append(wavelength)
            return np.ones((len(wavelength), len(galaxy.stars)))

    monkeypatch.setattr("mocks.projection.dust_model", lambda name: Watched())
    _light(disc(), ("sdss2010-g", "sdss2010-r"), 0.25, np.eye(3), Scene(0.25, "z"))
    assert asked[0] == pytest.approx([4702 / 1.25, 6176 / 1.25], rel=2e-3)
