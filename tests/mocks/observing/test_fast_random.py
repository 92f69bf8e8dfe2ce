import numpy as np
import pytest
from scipy.stats import chisquare, poisson

from mocks import stream
from mocks.observing import fast_random as draws


@pytest.mark.parametrize("mean", [0.003, 0.7, 9.9, 10.0, 14.2, 60.0, 729.0, 1e5])
def test_counts_follow_the_poisson_distribution(mean):
    n = 400000
    found = draws.poisson(np.full((n // 10, 10), mean), stream(1, str(mean)))
    assert found.shape == (n // 10, 10)
    assert (found == np.floor(found)).all()
    low, high = poisson.ppf([3e-5, 1 - 3e-5], mean)
    edges = np.unique(np.floor(np.linspace(low, high, 50)))
    expected = np.diff([0, *poisson.cdf(edges, mean), 1]) * n
    observed, _ = np.histogram(found, [-np.inf, *(edges + 0.5), np.inf])
    enough = expected > 5
    assert (
        chisquare(
            [*observed[enough], observed[~enough].sum() + 5],
            [*expected[enough], expected[~enough].sum() + 5],
            sum_check=False,
        ).pvalue
        > 1e-3
    )


def test_shares_of_counts_are_exact():
    """The two probabilities whose difference the sampler weighs, against SciPy's."""
    from scipy.stats import norm

    for mean in (10.0, 31.4, 2000.0):
        count = np.floor(mean + np.sqrt(mean) * np.linspace(-3, 5, 60))
        share = np.array([draws._excess(k, mean, 1.0, 0.0) for k in count])
        assert share == pytest.approx(poisson.pmf(count, mean), rel=1e-9)
        both = np.array([draws._excess(k, mean, 0.0, 0.0) for k in count])
        edges = (np.stack([count, count + 1]) - mean) / np.sqrt(mean)
        assert share - both == pytest.approx(np.diff(norm.cdf(edges), axis=0)[0], abs=1e-10)


def test_normal_deviates_are_those_of_numpy():
    assert (draws.standard_normal((3, 5), stream(1)) == stream(1).standard_normal((3, 5))).all()


def test_no_light_takes_no_random_numbers():
    rng = stream(2)
    assert (draws.poisson(np.zeros((4, 4)), rng) == 0).all()
    assert rng.random() == stream(2).random()


@pytest.mark.parametrize("mean", [-1.0, np.nan, np.inf])
def test_means_that_are_none_are_refused(mean):
    with pytest.raises(ValueError, match="finite and not negative"):
        draws.poisson(np.array([1.0, mean]), stream(1))
