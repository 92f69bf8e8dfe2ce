import numpy as np
import pytest

from mocks import stream
from mocks.deposit.kernel import _cells, _factors, cubic_spline, kernel_share, stamps
from mocks.deposit.particles import deposit

SIZES = [0.0, 0.01, 0.1, 0.3, 0.5, 1.0, 1.49, 1.51, 3.4, 3.6, 7.4, 7.6, 14.0, 16.0, 31.0, 50.0]


def test_kernel_has_unit_integral():
    q = np.linspace(0, 1, 20001)
    assert np.trapezoid(2 * np.pi * q * cubic_spline(q), q) == pytest.approx(1, abs=1e-7)
    assert cubic_spline(1.0) == 0


def test_exact_share_agrees_with_brute_force():
    """Pixel integrals against a million samples of the kernel."""
    grid = (np.arange(1000) + 0.5) / 1000 * 2 - 1
    weight = cubic_spline(np.hypot(grid[:, None], grid))
    x, y = 5.37 + 2.2 * grid, 4.81 + 2.2 * grid
    brute, _, _ = np.histogram2d(
        np.repeat(y, 1000), np.tile(x, 1000), bins=(np.arange(11), np.arange(12)), weights=weight.ravel()
    )
    exact = kernel_share(5.37, 4.81, 2.2, (10, 11))
    assert np.abs(exact - brute / weight.sum()).max() < 4e-3 * exact.max()
    assert exact.sum() == pytest.approx(1)


@pytest.mark.parametrize("h", SIZES)
def test_light_is_kept_at_every_size(h):
    rng = stream(1, str(h))
    x, y = rng.uniform(140, 160, size=(2, 50))
    flux = rng.uniform(1, 2, size=(3, 50))
    image = deposit(x, y, np.full(50, h), flux, (300, 290))
    assert image.sum(axis=(1, 2)) == pytest.approx(flux.sum(axis=1), rel=1e-12)
    assert (image >= 0).all()


def test_stamps_sum_to_one():
    for stamp in stamps():
        p, q = stamp.table.reshape(-1, 2, stamp.side).sum(axis=2).T
        assert np.allclose([p, q], np.sqrt(0.5), rtol=1e-12)
        assert (stamp.table >= 0).all()


def test_the_two_factors_of_the_kernel_misplace_four_thousandths_of_its_light():
    """Any one product of functions along the axes misplaces 0.02."""
    p, q = _factors()
    kernel = _cells(len(p))
    assert np.abs(np.outer(p, q) + np.outer(q, p) - kernel).sum() / 2 < 0.004


def test_a_hundred_thousand_equal_stars_in_one_pixel_keep_their_light():
    """Also more particles than are drawn at a time: all of them are the sum of two halves."""
    x, y, h = np.full((3, 100000), np.array([[5.2], [6.7], [0.0]]))
    flux = np.full((1, 100000), 0.1)
    image = deposit(x, y, h, flux, (12, 11))
    assert image.sum() == pytest.approx(10000, rel=1e-11)
    parts = slice(30000), slice(30000, None)
    halves = sum(deposit(x[part], y[part], h[part], flux[:, part], (12, 11)) for part in parts)
    assert np.allclose(image, halves, rtol=1e-12)


@pytest.mark.parametrize("h", SIZES[1::2])
def test_image_is_the_pixel_integral(h):
    """Particles of one size against the exact integral of their kernels: light misplaced, peak, place."""
    rng = stream(2, str(h))
    x, y = rng.normal(64, 6, size=(2, 300))
    flux = rng.uniform(1, 2, size=(1, 300))
    image = deposit(x, y, np.full(300, h), flux, (128, 128))[0]
    exact = sum(flux[0, i] * kernel_share(x[i], y[i], h, (128, 128), 96) for i in range(300))
    misplaced = np.abs(image - exact).sum() / exact.sum()
    assert misplaced < 0.05  # a crowd of particles brings it below 0.01, see below
    assert image.max() == pytest.approx(exact.max(), rel=0.1)
    offset = [np.sum(np.indices(image.shape)[i] * (image - exact)) / exact.sum() for i in (0, 1)]
    assert np.abs(offset).max() < max(0.01, 2e-3 * h)


def test_galaxy_has_one_per_cent_of_its_light_misplaced():
    """Disc and bulge with smoothing lengths from 0.5 to 100 pixels against the exact pixel integral."""
    rng = stream(5)
    radius = np.concatenate([rng.gamma(2, 10, 3000), np.abs(rng.standard_cauchy(1000))])
    angle = rng.uniform(0, 2 * np.pi, 4000)
    x, y = 64 + radius * np.cos(angle), 64 + radius * np.sin(angle)
    h = 0.5 + 3 * (radius / 20) ** 1.5
    flux = rng.lognormal(0, 1, 4000)
    image = deposit(x, y, h, flux, (128, 128))[0]
    near = h < 100
    exact = sum(flux[i] * kernel_share(x[i], y[i], h[i], (128, 128), 64) for i in np.flatnonzero(near))
    image -= deposit(x[~near], y[~near], h[~near], flux[~near], (128, 128))[0]
    assert np.abs(image - exact).sum() / exact.sum() < 0.01
    assert image.max() == pytest.approx(exact.max(), rel=0.01)


def test_straddling_particle_loses_only_its_outside_share():
    for h in (0.8, 2.0, 6.0, 20.0, 70.0):
        image = deposit([0.3], [20.1], [h], [[1.0]], (40, 40))
        assert image.sum() == pytest.approx(kernel_share(0.3, 20.1, h, (40, 40)).sum(), abs=0.02)


def test_image_does_not_depend_on_how_far_the_grid_goes_on():
    """Odd sides, even ones and other levels of the pyramid: the corner that both have is the same."""
    rng = stream(6)
    x, y, h = rng.uniform(0, 30, 300), rng.uniform(0, 30, 300), rng.lognormal(1.5, 1.2, 300)
    flux = rng.uniform(1, 2, size=(2, 300))
    whole = deposit(x, y, h, flux, (64, 64))
    for shape in ((31, 37), (32, 33), (57, 40)):
        image = deposit(x, y, h, flux, shape)
        assert image.shape == (2, *shape)
        assert np.allclose(image, whole[:, : shape[0], : shape[1]], rtol=1e-12, atol=1e-12)


def test_particles_far_outside_leave_nothing():
    image = deposit([-100.0, 500, 20], [20.0, 20, -9], [3.0, 30, 5], np.ones((1, 3)), (40, 40))
    assert (image == 0).all()


def test_bands_share_places_and_scale_with_flux():
    rng = stream(3)
    x, y, h = rng.uniform(5, 45, 200), rng.uniform(5, 45, 200), rng.lognormal(0.5, 1, 200)
    flux = rng.uniform(size=200)
    image = deposit(x, y, h, np.stack([flux, 3 * flux]), (50, 50))
    assert np.allclose(image[1], 3 * image[0], rtol=1e-12)


def test_exponential_disc_keeps_its_half_light_radius():
    rng = stream(4)
    n, scale = 40000, 8.0
    radius = rng.gamma(2, scale, n)
    angle = rng.uniform(0, 2 * np.pi, n)
    x, y = 150 + radius * np.cos(angle), 150 + radius * np.sin(angle)
    image = deposit(x, y, np.full(n, 1.0), np.ones((1, n)), (300, 300))[0]
    distance = np.hypot(*(np.indices(image.shape) + 0.5 - 150))
    order = np.argsort(distance.ravel())
    growth = np.cumsum(image.ravel()[order])
    half = distance.ravel()[order][np.searchsorted(growth, n / 2)]
    assert half == pytest.approx(1.678 * scale, rel=0.01)


def test_bad_particles_are_refused():
    with pytest.raises(ValueError, match="do not match"):
        deposit([1.0], [1.0, 2.0], [1.0], [[1.0]], (5, 5))
    with pytest.raises(ValueError, match="flux of the particles holds numbers that are not finite"):
        deposit([1.0], [1.0], [1.0], [[np.nan]], (5, 5))
    with pytest.raises(ValueError, match="x of the particles holds numbers that are not finite"):
        deposit([np.inf, -np.inf], [1.0, 1.0], [1.0, 1.0], [[1.0, 1.0]], (5, 5))
    with pytest.raises(ValueError, match="negative"):
        deposit([1.0], [1.0], [-1.0], [[1.0]], (5, 5))
    assert deposit([], [], [], np.zeros((2, 0)), (5, 6)).shape == (2, 5, 6)


@pytest.mark.parametrize("name", ["x", "y", "h", "flux"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_number_among_many_is_refused(name, bad):
    """One of a hundred, last: its light would go missing in silence."""
    values = {each: np.full(100, 2.0) for each in ("x", "y", "h")} | {"flux": np.ones((3, 100))}
    values[name][..., -1] = bad
    words = "negative" if name == "h" and bad == -np.inf else f"{name} of the particles .* not finite"
    with pytest.raises(ValueError, match=words):
        deposit(**values, shape=(5, 5))
    values[name][..., -1] = 2.0
    assert deposit(**values, shape=(5, 5)).shape == (3, 5, 5)
