"""Fields under the eight symmetries of the square, and convolutions that commute with them."""

import numpy as np
import pytest
import torch

from flows.densities import haar
from flows.densities.fields import FIELDS, MATRICES, Layout, TiedConvolution
from flows.symmetry import N_SYMMETRIES, apply_symmetry

DETAIL = Layout(("vector", "xy"), 2, 2)
HIDDEN = Layout(("axes", "diagonals"), 2, 2)


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def turned(layout: Layout, planes: torch.Tensor, number: int) -> torch.Tensor:
    """Planes of an image that was turned."""
    matrix = torch.as_tensor(layout.matrices[number], dtype=torch.float64)
    return torch.einsum("ab,nbyx->nayx", matrix, apply_symmetry(planes, number))


def test_matrices_move_coordinates_as_the_images_move():
    y, x = np.mgrid[-1:2, -1:2]
    for number, matrix in enumerate(MATRICES):
        image = np.zeros((3, 3))
        image[1 + 1, 1 + 0] = 1  # light at x = 0, y = 1
        moved = apply_symmetry(image, number)
        np.testing.assert_array_equal(matrix @ [0, 1], [(moved * x).sum(), (moved * y).sum()])


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_multiplies_as_the_symmetries_do(name):
    """The matrix of two symmetries one after the other is the product of theirs."""
    for first in range(N_SYMMETRIES):
        for second in range(N_SYMMETRIES):
            both = (MATRICES[second] @ MATRICES[first] == MATRICES).all((1, 2)).argmax()
            product = FIELDS[name][second] @ FIELDS[name][first]
            np.testing.assert_array_equal(FIELDS[name][both], product)


@pytest.mark.parametrize("number", range(N_SYMMETRIES))
def test_haar_details_are_a_vector_and_a_diagonal_difference(number):
    images = normal(2, 2, 8, 8)
    coarse, detail = haar.split(images)
    turned_coarse, turned_detail = haar.split(apply_symmetry(images, number))
    torch.testing.assert_close(turned_coarse, apply_symmetry(coarse, number))
    torch.testing.assert_close(turned_detail, turned(DETAIL, detail, number))


@pytest.mark.parametrize("number", range(N_SYMMETRIES))
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("inputs", "outputs"), [(DETAIL, HIDDEN), (HIDDEN, DETAIL), (HIDDEN, HIDDEN)])
def test_tied_convolutions_commute_with_the_symmetries(inputs, outputs, kernel, number):
    layer = TiedConvolution(inputs, outputs, kernel, lag=0).double()
    if layer.bias is not None:
        layer.bias.data += torch.arange(1.0, len(layer.bias) + 1)
    planes = normal(2, inputs.channels, 6, 6)
    found = layer(turned(inputs, planes, number))
    torch.testing.assert_close(found, turned(outputs, layer(planes), number))
    assert layer(planes).std() > 1e-3


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "n_weights", "n_biases"),
    [
        (("scalar",), ("scalar",), 3, 3, 1),  # middle, edges, corners
        (("scalar",), ("vector",), 3, 2, 0),  # along the axis: beside it and at the corners
        (("scalar",), ("xy",), 3, 1, 0),  # the corners, with signs
        (("scalar",), ("x2-y2",), 3, 1, 0),  # the edges, with signs
        (("vector",), ("xy",), 1, 0, 0),
        (("axes",), ("axes",), 1, 3, 1),  # itself, the opposite one, the two across
    ],
)
def test_free_weights_are_those_that_one_counts_by_hand(inputs, outputs, kernel, n_weights, n_biases):
    if n_weights == 0:
        with pytest.raises(ValueError, match="no linear map from fields vector to xy"):
            TiedConvolution(Layout(inputs), Layout(outputs), kernel)
        return
    layer = TiedConvolution(Layout(inputs), Layout(outputs), kernel)
    assert len(layer.weight) == n_weights
    assert (0 if layer.bias is None else len(layer.bias)) == n_biases


@pytest.mark.parametrize("lag", [0, 1])
def test_no_band_sees_one_after_it(lag):
    layer = TiedConvolution(DETAIL, HIDDEN, 3, lag=lag).double()
    planes = normal(1, DETAIL.channels, 4, 4).requires_grad_()
    for band in range(2):
        rows = torch.as_tensor(HIDDEN.band == band)
        (seen,) = torch.autograd.grad(layer(planes)[:, rows].square().sum(), planes)
        for other in range(2):
            is_seen = bool(seen[:, DETAIL.band == other].abs().max() > 0)
            assert is_seen == (band - other >= lag)
