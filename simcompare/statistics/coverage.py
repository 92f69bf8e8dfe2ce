"""Whether two samples lie where the other has members."""

import numpy as np

from simcompare.statistics.feature_tests import LARGEST_SQUARE, Sample, distances, subset

__all__ = ["coverage"]


def coverage(
    first: Sample,
    second: Sample,
    rng: np.random.Generator,
    *,
    neighbours: int = 5,
    n_bootstrap: int = 500,
) -> dict[str, tuple[float, float, float]]:
    """Share of each sample that lies where the other one has members.

    Parameters
    ----------
    first, second : Sample, shape (n, d) and (m, d)
        Standardised features of simulated and of real galaxies.
    rng : numpy.random.Generator
    neighbours : int
        A member occupies the ball that reaches its k-th nearest fellow.
    n_bootstrap : int
        Resamples of the rows whose share is taken.

    Returns
    -------
    dict of str to (value, low, high)
        ``simulated_inside_real``, ``real_inside_simulated``, and ``real_inside_real``: what one half of the
        real galaxies reaches for the other, the value to expect of a perfect simulation of that number.

    References
    ----------
    Kynkaanniemi et al. 2019, arXiv:1904.06991 (precision and recall).
    """
    n = min(len(first), len(second) // 2, LARGEST_SQUARE)
    if n <= neighbours:
        raise ValueError(
            f"coverage with {neighbours} neighbours needs more than {neighbours} simulated and twice as many "
            f"real rows; found {len(first)} and {len(second)}."
        )
    ours = subset(first, n, rng)
    order = rng.permutation(len(second))
    real, other = second[order[:n]], second[order[n : 2 * n]]
    pairs = {
        "simulated_inside_real": (ours, real),
        "real_inside_simulated": (real, ours),
        "real_inside_real": (other, real),
    }
    result = {}
    for name, (points, members) in pairs.items():
        reach = [np.partition(each, neighbours)[:, neighbours] for _, each in distances(members, members)]
        own = np.concatenate(reach)
        inside = np.concatenate([(each <= own).any(axis=1) for _, each in distances(points, members)])
        inside = inside.astype(float)
        share = rng.choice(inside, size=(n_bootstrap, n)).mean(axis=1)
        low, high = np.quantile(share, [0.025, 0.975])
        result[name] = (float(inside.mean()), float(low), float(high))
    return result
