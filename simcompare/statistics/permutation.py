"""Difference of two means by permutation: exact for galaxies drawn from one population, however skewed."""

import numpy as np
from scipy import stats

from simcompare.statistics.intervals import Estimate

__all__ = ["permuted_difference", "permuted_p_value"]

N_PERMUTATIONS = 4999
MOST_GALAXIES = 2000  # beyond it means are normal, and Welch's interval is as good
AT_ONCE = 2_000_000  # numbers permuted at a time
STEPS = 40  # halvings in the search for a bound
LEAST_P = 1e-7  # three moments of some hundred values say no more about a tail
LEAST_REACHED = 10  # permuted values beyond the observed one from which their share is a p-value


def permuted_difference(
    ours: np.ndarray, real: np.ndarray, rng: np.random.Generator, confidence: float = 0.95
) -> tuple[Estimate, float]:
    """Difference of the means of two samples of galaxies, with an interval that holds for few of them.

    The interval holds every shift for which the permutation test does not reject; for two samples of one
    population it covers as often as it says, at any number.

    Parameters
    ----------
    ours, real : ndarray, shapes (n,) and (m,)
        One value for each galaxy.
    rng : numpy.random.Generator
    confidence : float

    Returns
    -------
    difference : Estimate
        Of the means, first minus second; no bounds for one galaxy.
    p_value : float
        Two-sided; NaN for one galaxy. Beyond 2000 galaxies interval and p-value are Welch's.

    References
    ----------
    Pitman 1937, Suppl. JRSS 4, 119.
    """
    n, m = len(ours), len(real)
    difference = float(ours.mean() - real.mean())
    if min(n, m) < 2:
        return Estimate(difference, np.nan, np.nan, np.nan), np.nan
    error = float(np.sqrt(ours.var(ddof=1) / n + real.var(ddof=1) / m))
    if n + m > MOST_GALAXIES:
        test = stats.ttest_ind(ours, real, equal_var=False)
        bounds = test.confidence_interval(confidence)
        return Estimate(difference, float(bounds.low), float(bounds.high), error), float(test.pvalue)
    values = np.concatenate([ours, real])
    is_ours = np.arange(n + m) < n
    sums, counts = [], []  # galaxies dealt to the first sample: sum of values, number of ours
    step = max(1, AT_ONCE // (n + m))
    for start in range(0, N_PERMUTATIONS, step):
        deals = min(step, N_PERMUTATIONS - start)
        chosen = np.argsort(rng.random((deals, n + m)), axis=1)[:, :n]
        sums.append(values[chosen].sum(axis=1))
        counts.append(is_ours[chosen].sum(axis=1))
    sums, counts = np.concatenate(sums), np.concatenate(counts)

    def p_of(shift: float) -> float:
        """p-value where our galaxies were shifted by so much."""
        dealt = sums - shift * counts
        total = values.sum() - shift * n
        permuted = dealt / n - (total - dealt) / m
        reached = np.abs(permuted) >= abs(difference - shift) * (1 - 1e-12)
        return float((1 + reached.sum()) / (1 + N_PERMUTATIONS))

    far = 12 * error + 2 * np.ptp(values) / np.sqrt(n)
    bounds = []
    for side in (-1, 1):
        inside, outside = 0.0, far
        while p_of(difference + side * outside) > 1 - confidence and outside < 1e6 * far:
            outside *= 2
        for _ in range(STEPS):
            middle = 0.5 * (inside + outside)
            if p_of(difference + side * middle) > 1 - confidence:
                inside = middle
            else:
                outside = middle
        bounds.append(difference + side * outside)
    return Estimate(difference, bounds[0], bounds[1], error), p_of(0.0)


def permuted_p_value(value: float, permuted: np.ndarray) -> float:
    """One-sided p-value of a statistic, far below one over the number of permutations too.

    The share of permuted values that reach it, itself counted, where ten or more do; else the tail of the
    Pearson III distribution of their mean, variance and skewness (normal, where the skewness is negative),
    at most that share of ten, and never below 1e-7.

    Parameters
    ----------
    value : float
    permuted : ndarray, shape (n,)
        The statistic for exchanged labels.

    References
    ----------
    Josse, Pages & Husson 2008, Comp. Stat. Data Anal. 53, 82 (Pearson III); Knijnenburg et al. 2009,
    Bioinformatics 25, i161 (when to take a tail).
    """
    reached, n = int(np.sum(permuted >= value)), len(permuted)
    spread = permuted.std(ddof=1) if n > 1 else 0.0
    if reached >= LEAST_REACHED or n < 2 * LEAST_REACHED or not spread > 0:
        return (1 + reached) / (1 + n)
    skewness = max(float(stats.skew(permuted, bias=False)), 0.0)
    tail = float(stats.pearson3.sf((value - permuted.mean()) / spread, skewness))
    return float(np.clip(tail, LEAST_P, (1 + LEAST_REACHED) / (1 + n)))
