import numpy as np
import pytest
import torch

from flows import symmetries
from flows.symmetry import N_SYMMETRIES, apply_symmetry, undo_symmetry

IMAGE = np.array([[[1.0, 2.0], [3.0, 4.0]]])

# Written down by hand: quarter turns against the clock with the first row on top, then each mirrored in x.
BY_HAND = [
    [[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]],
    [[2, 1], [4, 3]], [[4, 2], [3, 1]], [[3, 4], [1, 2]], [[1, 3], [2, 4]],
]  # fmt: skip


def test_the_eight_are_those_drawn_by_hand_for_arrays_and_tensors():
    assert [each[0].tolist() for each in symmetries(IMAGE)] == BY_HAND
    assert [each[0].tolist() for each in symmetries(torch.tensor(IMAGE))] == BY_HAND
    assert all(each.flags["C_CONTIGUOUS"] for each in symmetries(IMAGE))


@pytest.mark.parametrize("number", range(N_SYMMETRIES))
@pytest.mark.parametrize("kind", [np.asarray, torch.tensor])
def test_each_is_undone(number, kind):
    image = kind(np.arange(50.0).reshape(2, 5, 5))
    back = undo_symmetry(apply_symmetry(image, number), number)
    np.testing.assert_array_equal(np.asarray(back), np.asarray(image))
