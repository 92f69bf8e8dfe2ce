import numpy as np
import pytest

from mocks import stream
from mocks.smoothing import smoothing_lengths


@pytest.mark.parametrize("n", [40, 900])
def test_length_is_the_distance_to_the_32nd_other_particle(n):
    position = stream(1, n).normal(size=(n, 3))
    brute = np.sort(np.linalg.norm(position[:, None] - position, axis=2), axis=1)[:, 32]
    assert smoothing_lengths(position) == pytest.approx(brute, rel=1e-5)


def test_few_particles_and_coincident_ones():
    assert smoothing_lengths(np.zeros((1, 3))).tolist() == [0]
    assert smoothing_lengths(np.array([[0.0, 0, 0], [3, 4, 0]])).tolist() == [5, 5]
    assert (smoothing_lengths(np.zeros((100, 3))) == 0).all()


def test_positions_must_be_finite():
    with pytest.raises(ValueError, match="not finite"):
        smoothing_lengths(np.full((5, 3), np.nan))
