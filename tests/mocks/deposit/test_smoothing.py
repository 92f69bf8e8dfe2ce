from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from mocks import stream
from mocks.deposit.smoothing import smoothing_lengths, with_smoothing_lengths
from mocks.toys import toy_galaxy


@pytest.mark.parametrize("n", [40, 900])
def test_length_is_the_distance_to_the_32nd_other_particle(n):
    position = stream(1, n).normal(size=(n, 3))
    brute = np.sort(np.linalg.norm(position[:, None] - position, axis=2), axis=1)[:, 32]
    assert smoothing_lengths(position) == pytest.approx(brute, rel=1e-5)


def clustered(rng):
    """Clumps of sizes over six decades, a sparse halo and 300 copies of one place."""
    clumps = [rng.normal(rng.normal(0, 1, 3), 10.0**-i, (300, 3)) for i in range(7)]
    return np.concatenate([*clumps, rng.normal(0, 100, (200, 3)), np.full((300, 3), 0.5)])


def line(rng):
    """No extent at all along two axes."""
    return np.stack([rng.uniform(size=500), np.zeros(500), np.zeros(500)], axis=1)


def lattice(rng):
    """Many equal distances."""
    return np.stack(np.meshgrid(*[np.arange(9.0)] * 3), axis=-1).reshape(-1, 3)


@pytest.mark.parametrize("make", [clustered, line, lattice])
@pytest.mark.parametrize("k", [1, 5, 32])
def test_length_is_exact_however_particles_lie(make, k):
    position = make(stream(2, make.__name__))
    tree = cKDTree(position).query(position, k=[k + 1])[0][:, 0]
    assert smoothing_lengths(position, k) == pytest.approx(tree, rel=1e-13, abs=0)


def test_length_does_not_depend_on_order():
    position = stream(3).normal(size=(700, 3))
    order = stream(4).permutation(700)
    assert (smoothing_lengths(position[order]) == smoothing_lengths(position)[order]).all()


def test_few_particles_and_coincident_ones():
    assert smoothing_lengths(np.zeros((1, 3))).tolist() == [0]
    assert smoothing_lengths(np.array([[0.0, 0, 0], [3, 4, 0]])).tolist() == [5, 5]
    assert (smoothing_lengths(np.zeros((100, 3))) == 0).all()


def test_positions_must_be_finite():
    with pytest.raises(ValueError, match="not finite"):
        smoothing_lengths(np.full((5, 3), np.nan))


def test_a_galaxy_keeps_its_own_lengths_and_gets_those_it_lacks():
    galaxy = toy_galaxy("toy-1", stream(1, "lengths"))
    bare = replace(galaxy, stars=replace(galaxy.stars, smoothing_length=None))
    found = with_smoothing_lengths(bare)
    np.testing.assert_array_equal(found.stars.smoothing_length, smoothing_lengths(bare.stars.position))
    assert with_smoothing_lengths(found) is found


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_bad_position_among_many_is_refused(bad):
    position = np.random.default_rng(0).normal(size=(60, 3))
    position[59, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        smoothing_lengths(position)
