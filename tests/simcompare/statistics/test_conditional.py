"""Mean and spread of the score of real galaxies given how well they are seen."""

import numpy as np

from simcompare.statistics.conditional import fit_conditional


def test_two_conditions_are_as_least_squares_has_them():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 3))
    truth = np.array([0.5, 1.0, -0.5, 2.0, 0.3, -0.8, 0.6])
    scale = 0.5 * np.subtract(*np.quantile(x, [0.84, 0.16], axis=0))
    u = (np.clip(x, *np.quantile(x, [0.02, 0.98], axis=0)) - np.median(x, axis=0)) / scale
    above = np.where(u[:, :2] > 1, u[:, :2] - 1, 0)
    terms = np.column_stack([np.ones(5000), u, above, above.prod(axis=1)])
    fit = fit_conditional(terms @ truth + rng.normal(size=5000), x)
    np.testing.assert_allclose(fit.mean, truth, atol=0.15)
    assert fit.log_spread.shape == (3,)
    np.testing.assert_allclose(fit.log_spread, 0, atol=0.06)


def test_a_galaxy_outside_any_condition_is_outside():
    x = np.random.default_rng(1).normal(size=(100, 3))
    fit = fit_conditional(x[:, 0], x)
    inside = np.median(x, axis=0)
    far = inside + np.array([0, 0, 9.0])
    assert list(fit.is_outside(np.array([inside, far]))) == [False, True]
    z = fit.z(np.zeros(2), np.array([far, [*inside[:2], fit.high[2]]]))
    assert z[0] == z[1]  # held at the edge
