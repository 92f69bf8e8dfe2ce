"""Whether a difference is more than chance: tests, their number, their power, and trends."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from simcompare.statistics.intervals import Estimate, percentile_interval, welch_freedom
from simcompare.statistics.means import Clustered, bootstrap_means

__all__ = ["adjust_claims", "adjust_p_values", "detectable_difference", "trend", "welch"]


def welch(simulated: Clustered, reference: Clustered) -> float:
    """Two-sided p-value of equal means, galaxies being independent.

    Parameters
    ----------
    simulated, reference : Clustered
        The two samples.

    Returns
    -------
    float
        NaN where a sample has one galaxy; 1 where all galaxies are equal.
    """
    first, second = simulated.means, reference.means
    if min(first.size, second.size) < 2:
        return np.nan
    scale = max(np.abs(first).max(), np.abs(second).max(), np.finfo(float).tiny)
    if max(np.ptp(first), np.ptp(second)) < 1e-12 * scale:
        return 1.0 if abs(first.mean() - second.mean()) < 1e-12 * scale else 0.0
    if min(np.ptp(first), np.ptp(second)) < 1e-12 * scale:  # no spread in one sample: scipy would warn
        moments = [(each.mean(), each.std(ddof=1), each.size) for each in (first, second)]
        return float(stats.ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False).pvalue)
    return float(stats.ttest_ind(first, second, equal_var=False).pvalue)


def detectable_difference(
    simulated: Clustered, reference: Clustered, *, significance: float = 0.05, power: float = 0.8
) -> float:
    """Smallest difference of means that samples like these reveal.

    Parameters
    ----------
    simulated, reference : Clustered
        The two samples, of which the number and the spread of galaxies are used.
    significance : float
        Two-sided rate of false alarms.
    power : float
        Probability of finding a difference of the returned size.

    Returns
    -------
    float
        In the unit of the values; NaN where a sample has one galaxy.
    """
    first, second = simulated.means, reference.means
    if min(first.size, second.size) < 2:
        return np.nan
    error = np.sqrt(first.var(ddof=1) / first.size + second.var(ddof=1) / second.size)
    freedom = welch_freedom(first, second)
    return float((stats.t.ppf(1 - significance / 2, freedom) + stats.t.ppf(power, freedom)) * error)


def adjust_p_values(p_values: ArrayLike, method: str = "holm") -> np.ndarray:
    """Correct p-values for the number of tests.

    Parameters
    ----------
    p_values : array_like, shape (n,)
        NaN stands for a test that could not be made, and stays.
    method : {"holm", "bh"}
        Holm's step-down control of any false alarm, or Benjamini and Hochberg's of their rate.

    Returns
    -------
    ndarray, shape (n,)
    """
    p_values = np.asarray(p_values, dtype=float)
    is_finite = np.isfinite(p_values)
    adjusted = np.full(p_values.shape, np.nan)
    if not is_finite.any():
        return adjusted
    if method == "bh":
        adjusted[is_finite] = stats.false_discovery_control(p_values[is_finite])
    elif method == "holm":
        order = np.argsort(p_values[is_finite])
        stepped = np.maximum.accumulate(p_values[is_finite][order] * np.arange(is_finite.sum(), 0, -1))
        adjusted[np.flatnonzero(is_finite)[order]] = np.minimum(stepped, 1.0)
    else:
        raise ValueError(f"unknown correction {method!r}; choose 'holm' or 'bh'.")
    return adjusted


def adjust_claims(p_values: ArrayLike, claims: np.ndarray) -> np.ndarray:
    """Correct the p-values of claims for their number by Holm; others, such as those of controls, stay.

    Parameters
    ----------
    p_values : array_like, shape (n,)
    claims : ndarray of bool, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
    """
    p_values = np.asarray(p_values, dtype=float)
    return np.where(claims, adjust_p_values(np.where(claims, p_values, np.nan)), p_values)


def trend(
    samples: list[Clustered], rng: np.random.Generator, *, n_bootstrap: int = 2000, confidence: float = 0.95
) -> dict[str, float | Estimate]:
    """Test whether samples named in an order (generations of a simulation) increase along it.

    Parameters
    ----------
    samples : list of Clustered
        At least two samples, in the order that is claimed to be one of improvement.
    rng : numpy.random.Generator
        Draws the galaxies of the bootstrap.
    n_bootstrap, confidence : int, float
        Number of resamples and coverage of the interval.

    Returns
    -------
    dict
        `tau`: Kendall's rank correlation of galaxy means with the order, whose test is the
        Jonckheere-Terpstra test; `p_value`: one-sided, for an increase; `slope`: Estimate of the
        straight-line change of the mean per step, every sample weighing the same.
    """
    if len(samples) < 2:
        raise ValueError(f"a trend needs at least two samples, found {len(samples)}.")
    means = [sample.means for sample in samples]
    order = np.repeat(np.arange(len(samples)), [m.size for m in means])
    tau, p_value = stats.kendalltau(order, np.concatenate(means), alternative="greater")
    steps = np.arange(len(samples)) - (len(samples) - 1) / 2
    steps = steps / (steps**2).sum()
    value = float(steps @ [m.mean() for m in means])
    if min(m.size for m in means) < 2:
        return {"tau": float(tau), "p_value": float(p_value), "slope": Estimate(value, *3 * [np.nan])}
    slopes = steps @ np.array([bootstrap_means(sample, rng, n_bootstrap) for sample in samples])
    slope = percentile_interval(value, slopes, 0.5 - confidence / 2)
    return {"tau": float(tau), "p_value": float(p_value), "slope": slope}
