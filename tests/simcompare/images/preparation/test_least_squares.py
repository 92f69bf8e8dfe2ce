"""Weights by hand, and minima at bounds against scipy's linear solver."""

import numpy as np
import pytest
from scipy import optimize
from scipy.ndimage import gaussian_filter

from simcompare.images.preparation.least_squares import fit_within, pixel_weights


def test_weights_are_inverse_errors_of_the_smoothed_variance():
    variance = np.random.default_rng(0).uniform(1, 3, (20, 20))
    mask = np.zeros((20, 20), np.uint8)
    mask[3, 4], mask[10, 1] = 1, 128
    found = pixel_weights(variance, mask)
    assert found[3, 4] == found[10, 1] == 0
    known = mask == 0
    np.testing.assert_allclose(found[known] ** -2, gaussian_filter(variance, 1.5)[known])


@pytest.mark.parametrize("target", [(0.3, -0.4), (2.0, -0.4), (-5.0, 5.0), (0.3, 0.9999)])
def test_minimum_within_bounds_is_that_of_the_linear_solver_and_no_trial_leaves_them(target):
    """Bounds at -1 and 1: a step of the derivative that would cross the upper one goes the other way."""
    rng = np.random.default_rng(1)
    design = rng.normal(size=(30, 2))
    data = design @ np.array(target) + 0.1 * rng.normal(size=30)
    lower, upper, tried = np.full(2, -1.0), np.full(2, 1.0), []

    def residual(parameters):
        tried.append(parameters.copy())
        return data - design @ parameters

    found = fit_within(residual, np.array([3.0, 0.0]), lower, upper, np.array([0.02, 0.05]), 60)
    exact = optimize.lsq_linear(design, data, (lower, upper))
    assert found.x == pytest.approx(exact.x, abs=2e-3)
    assert found.cost == pytest.approx(exact.cost, rel=1e-3)
    assert np.abs(tried).max() <= 1
    assert tried[0].tolist() == [0.999, 0.0]
    assert fit_within(residual, np.zeros(2), lower, upper, np.array([0.02, 0.05]), 1).status == 0


def test_derivatives_are_right_on_a_curve():
    """Decay and height of an exponential, in noise that has none."""
    x = np.linspace(0, 3, 40)
    data = 2.5 * np.exp(-0.7 * x)
    found = fit_within(
        lambda p: data - p[0] * np.exp(-p[1] * x), np.array([1.0, 2.0]), np.zeros(2), np.full(2, 9.0),
        np.full(2, 1e-3), 40,
    )  # fmt: skip
    assert found.x == pytest.approx([2.5, 0.7], rel=2e-3)
    assert found.nfev < 20  # with a wrong derivative it would wander
