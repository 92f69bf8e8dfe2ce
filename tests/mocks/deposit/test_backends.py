import itertools
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.interpolate import BSpline

from mocks import stream
from mocks.deposit import backends, neighbours, particles
from mocks.deposit.kernel import kernel_share
from mocks.deposit.pyramid import COEFFICIENTS, INTEGRALS, level_shapes
from mocks.dust import columns

SIZES = [0.01, 0.3, 1.0, 2.4, 2.41, 5.5, 5.51, 11.0, 11.1, 50.0, 1e4]


@pytest.fixture(autouse=True)
def untold(monkeypatch):
    """Neither the environment nor an earlier failure names a backend."""
    monkeypatch.delenv(backends.VARIABLE, raising=False)
    monkeypatch.setattr(backends, "_failures", [])


def particles_of(h, n_band, shape):
    """Particles of one size (None: of all sizes) within an image, over its edges and far outside."""
    rng = stream(1, str(h), n_band)
    x, y = rng.uniform(-0.3, 1.3, (2, 400)) * np.array(shape[::-1])[:, None]
    x[:6], y[:3], y[3:6] = (0, shape[1], 1e7) * 2, 0, shape[0]
    return (
        x,
        y,
        rng.lognormal(1, 1.5, 400) if h is None else np.full(400, h),
        rng.uniform(0, 2, (n_band, 400)),
    )


@pytest.mark.parametrize("backend", particles.BACKENDS)
@pytest.mark.parametrize("h", [0.0, *SIZES, None])
@pytest.mark.parametrize(("n_band", "shape"), [(1, (40, 31)), (3, (17, 64))])
def test_backends_draw_the_same_image(backend, h, n_band, shape):
    x, y, h, flux = particles_of(h, n_band, shape)
    image = particles.deposit(x, y, h, flux, shape, backend=backend)
    other = particles.deposit(x, y, h, flux, shape, backend="plain")
    assert image.shape == (n_band, *shape)
    assert image.max() > 0
    np.testing.assert_allclose(image, other, rtol=1e-11, atol=1e-13 * other.max())


@pytest.mark.parametrize("backend", particles.BACKENDS)
@pytest.mark.parametrize("h", [0.5, 2.0, 5.0, 20.0])
def test_every_backend_draws_the_kernel(backend, h):
    """Against the integral over pixels; the stamps put a few per cent of one particle a pixel off."""
    image = particles.deposit([22.3], [21.8], [h], [[2.0]], (44, 45), backend=backend)[0]
    exact = 2 * kernel_share(22.3, 21.8, h, (44, 45))
    assert np.abs(image - exact).sum() < 0.06 * exact.sum()
    assert image.sum() == pytest.approx(exact.sum(), rel=1e-9)


@pytest.mark.parametrize("backend", particles.BACKENDS)
def test_every_backend_takes_no_particles_and_refuses_bad_ones(backend):
    assert (particles.deposit([], [], [], np.zeros((2, 0)), (5, 6), backend=backend) == 0).all()
    with pytest.raises(ValueError, match="y of the particles holds numbers that are not finite"):
        particles.deposit([1.0], [np.nan], [1.0], [[1.0]], (5, 5), backend=backend)


def test_weights_of_the_pyramid_are_those_of_the_quadratic_spline():
    """Of scipy's B-spline: what half-pixels hold of it, and its own refinement."""
    spline, half = BSpline.basis_element([-1.5, -0.5, 0.5, 1.5]), np.arange(-1.5, 1.6, 0.5)
    near, centre, far = INTEGRALS
    held = [spline.integrate(a, b) for a, b in itertools.pairwise(half)]
    np.testing.assert_allclose(held, [far, near, centre, centre, near, far])
    near, centre, far = COEFFICIENTS
    x = np.linspace(-1.49, 1.49, 50)
    fine = [2 * spline(np.clip(2 * x - shift, -1.5, 1.5)) for shift in (-1.5, -0.5, 0.5, 1.5)]
    assert far == 0
    np.testing.assert_allclose(np.dot([near, centre, centre, near], fine), spline(x), atol=1e-12)


@pytest.mark.parametrize("backend", neighbours.BACKENDS)
@pytest.mark.parametrize("k", [1, 7, 32])
def test_backends_find_the_same_neighbours(backend, k):
    rng = stream(2, k)
    clumps = [rng.normal(rng.normal(size=3), 10.0**-i, (150, 3)) for i in range(5)]
    position = np.concatenate([*clumps, np.zeros((50, 3))])
    brute = np.sort(np.linalg.norm(position[:, None] - position, axis=2), axis=1)[:, k]
    found = neighbours.neighbour_distances(position, k, backend=backend)
    np.testing.assert_allclose(found, brute, rtol=1e-12)


@pytest.mark.parametrize("backend", columns.BACKENDS)
@pytest.mark.parametrize("reach", [0.01, 0.3, 2.0, 9.0, None])
def test_backends_find_the_same_columns(backend, reach):
    """Gas of one size, or of all; some beside the stars."""
    rng = stream(3, str(reach))
    stars, gas = rng.normal(0, 2, (150, 3)), rng.normal(0, 3, (400, 3))
    size = np.full(400, reach) if reach else rng.lognormal(-1, 1.5, 400)
    weight = rng.uniform(1, 2, (400, 2))
    found, plain = (
        columns.column_in_front(stars, gas, size, weight, 0.2, backend=name) for name in (backend, "plain")
    )
    assert found.max() > 0
    np.testing.assert_allclose(found, plain, rtol=1e-10, atol=1e-12 * plain.max())


def test_environment_and_argument_name_the_backend(monkeypatch):
    known = {"vector": lambda: "fast", "plain": lambda: "slow"}
    assert backends.compute(known, None) == "fast"
    assert backends.compute(known, "plain") == "slow"
    monkeypatch.setenv(backends.VARIABLE, "plain")
    assert backends.compute(known, None) == "slow"
    assert backends.compute(known, "vector") == "fast"
    monkeypatch.setenv(backends.VARIABLE, "quick")
    with pytest.raises(
        ValueError, match=r"'quick' is unknown; choose from vector, plain .*SIMCOMPARE_KERNELS"
    ):
        backends.compute(known, None)


def test_an_error_that_is_not_the_compilers_is_raised(monkeypatch):
    def wrong():
        raise ValueError("bad numbers")

    with pytest.raises(ValueError, match="bad numbers"):
        backends.compute({"vector": wrong, "plain": lambda: "slow"}, None)
    monkeypatch.setitem(particles.BACKENDS, "vector", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        particles.deposit([1.0], [1.0], [1.0], [[1.0]], (5, 5))


def test_vector_code_that_does_not_compile_gives_way_with_one_line(monkeypatch, caplog):
    def broken(*arguments):
        calls.append(1)
        raise LoweringError("no such instruction\nat line 3")

    from numba.core.errors import LoweringError

    calls, x, y, h, flux = [], *particles_of(3.0, 2, (20, 20))
    monkeypatch.setitem(particles.BACKENDS, "vector", broken)
    with caplog.at_level(logging.WARNING):
        images = [particles.deposit(x, y, h, flux, (20, 20)) for _ in range(3)]
    (record,) = caplog.records
    assert "no such instruction" in record.message
    assert "\n" not in record.message
    assert len(calls) == 1
    assert (images[2] == particles.deposit(x, y, h, flux, (20, 20), backend="plain")).all()
    with pytest.raises(LoweringError):  # who asks for it by name is told
        particles.deposit(x, y, h, flux, (20, 20), backend="vector")


PROGRAM = """
import logging, sys
import numpy as np
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from mocks.deposit import deposit, neighbour_distances
position = np.random.default_rng(1).normal(20, 5, (60, 3))
h = neighbour_distances(position, 8)
print(repr(deposit(position[:, 0], position[:, 1], h, np.ones((1, 60)), (40, 40)).sum()))
"""


def test_without_a_compiler_images_are_still_made():
    """In a process whose numba does not compile: the intrinsics cannot be called."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, total = run.stdout.strip().split("\n")
    assert "plain code is used" in said
    position = np.random.default_rng(1).normal(20, 5, (60, 3))
    h = neighbours.neighbour_distances(position, 8)
    image = particles.deposit(position[:, 0], position[:, 1], h, np.ones((1, 60)), (40, 40))
    assert float(total.removeprefix("np.float64(").rstrip(")")) == pytest.approx(image.sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("widest", "levels"), [(0.1, 1), (5.5, 1), (5.51, 2), (11.0, 2), (11.1, 3), (1e30, 41)]
)
def test_a_level_for_each_factor_of_two_above_the_widest_stamp(widest, levels):
    """Sides halve, rounded up to even, with 10 pixels all around; no more than 41 levels."""
    shapes = level_shapes((40, 31), widest)
    assert len(shapes) == levels
    assert shapes[:3] == [(60, 52), (40, 36), (30, 28)][:levels]
