"""Means of scores, and their differences, when the galaxy, not the image, is the unit.

Arrays in, numbers out; numpy and scipy alone. Several views of one galaxy are not independent, so every
galaxy carries the same total weight, shared by its views, and the bootstrap draws whole galaxies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from simcompare.statistics.intervals import Estimate, welch_freedom
from simcompare.statistics.resampling import blocks, resampled_counts

__all__ = [
    "MOST_UNITS",
    "Clustered",
    "bootstrap_means",
    "difference_of_means",
    "galaxy_means",
    "mean_of",
]

LEAST_VARIANCE = (
    1e-4  # least variance of a resample's mean over the sample's: one galaxy drawn n times has none
)
MOST_UNITS = 4000  # galaxies resampled one by one; more are resampled in as many random groups


@dataclass(frozen=True, eq=False)
class Clustered:
    """Finite values in increasing order and the galaxy that each belongs to.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Sorted values, all finite.
    codes : ndarray of int, shape (n,)
        Index of the galaxy of each value, 0 to `n_galaxies - 1`.
    weights : ndarray, shape (n,)
        One over the number of values of that galaxy.
    n_galaxies : int
        Number of galaxies.
    """

    values: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    n_galaxies: int

    @classmethod
    def of(cls, values: ArrayLike, galaxy: ArrayLike) -> "Clustered":
        """Group values by galaxy, leaving out what is not finite.

        Parameters
        ----------
        values : array_like, shape (n,)
            One value per image.
        galaxy : array_like, shape (n,)
            Name or number of the galaxy of each image.

        Raises
        ------
        ValueError
            When the two differ in length or no value is finite.
        """
        values, galaxy = np.asarray(values, dtype=float), np.asarray(galaxy)
        if values.shape != galaxy.shape or values.ndim != 1:
            raise ValueError(
                f"values have shape {values.shape} and galaxies {galaxy.shape}; "
                "give one galaxy name for each value."
            )
        finite = np.isfinite(values)
        if not finite.any():
            raise ValueError(f"none of the {values.size} values is finite; there is nothing to compare.")
        _, codes = np.unique(galaxy[finite], return_inverse=True)
        order = np.lexsort((codes, values[finite]))
        codes = codes[order]
        views = np.bincount(codes)
        return cls(values[finite][order], codes, 1.0 / views[codes], views.size)

    @property
    def means(self) -> np.ndarray:
        """Mean value of each galaxy, shape (n_galaxies,)."""
        return np.bincount(self.codes, self.weights * self.values)


def galaxy_means(values: ArrayLike, galaxy: ArrayLike) -> np.ndarray:
    """Mean finite value of each galaxy, in sorted order of their names.

    Parameters
    ----------
    values, galaxy : array_like, shape (n,)
        One value and one galaxy name per image.

    Returns
    -------
    ndarray, shape (n_galaxies,)
    """
    return Clustered.of(values, galaxy).means


def difference_of_means(
    simulated: Clustered,
    reference: Clustered,
    rng: np.random.Generator,
    *,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Difference of two means with its interval; `two_sample` for this number alone.

    Parameters
    ----------
    simulated, reference : Clustered
        The two samples.
    rng : numpy.random.Generator
        Draws the galaxies.
    n_bootstrap, confidence : int, float
        Number of resamples and coverage of the interval.

    Returns
    -------
    Estimate
        Simulated minus reference.

    Notes
    -----
    The interval holds both Student's (Welch) and the studentised bootstrap's over galaxies [1]_: the first
    is right for few galaxies, the second for skewed scores, and for many they agree. Of 8 galaxies against
    100 it covers in 96 % of normal and 92 % of exponential populations, of 60 against 200 in 95 to 96 %.

    References
    ----------
    .. [1] Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 12.
    """
    value = float(simulated.means.mean() - reference.means.mean())
    if min(simulated.n_galaxies, reference.n_galaxies) < 2:
        return Estimate(value, *3 * [np.nan])
    ours, real = simulated.means, reference.means
    error = float(np.sqrt(ours.var(ddof=1) / ours.size + real.var(ddof=1) / real.size))
    moments = None
    if error > 0 and max(ours.size, real.size) <= MOST_UNITS:
        (mean, variance), (other, other_variance) = (
            _resampled_moments(each, rng, n_bootstrap) for each in (ours, real)
        )
        moments = mean - other, variance + other_variance
    return _studentised(value, error, welch_freedom(ours, real), moments, confidence)


def mean_of(
    sample: Clustered, rng: np.random.Generator, *, n_bootstrap: int = 2000, confidence: float = 0.95
) -> Estimate:
    """Mean over galaxies with its interval, for instance of paired differences.

    Parameters
    ----------
    sample : Clustered
    rng, n_bootstrap, confidence
        As for `difference_of_means`, whose interval it is too.
    """
    means = sample.means
    value = float(means.mean())
    if means.size < 2:
        return Estimate(value, *3 * [np.nan])
    error = float(np.sqrt(means.var(ddof=1) / means.size))
    moments = None
    if error > 0 and means.size <= MOST_UNITS:
        moments = _resampled_moments(means, rng, n_bootstrap)
    return _studentised(value, error, welch_freedom(means), moments, confidence)


def _studentised(
    value: float,
    error: float,
    freedom: float,
    moments: tuple[np.ndarray, np.ndarray] | None,
    confidence: float,
) -> Estimate:
    """Student's interval, widened to hold that of resamples whose means and variances are given."""
    reach = float(stats.t.ppf(0.5 + confidence / 2, freedom) * error)
    ends = [value - reach, value + reach]
    if moments is not None:
        mean, variance = moments
        spread = np.sqrt(np.maximum(variance, LEAST_VARIANCE * error**2))
        unit = np.quantile((mean - value) / spread, [0.5 - confidence / 2, 0.5 + confidence / 2])
        ends = [min(ends[0], value - unit[1] * error), max(ends[1], value - unit[0] * error)]
    return Estimate(value, *map(float, ends), error)


def _resampled_moments(
    means: np.ndarray, rng: np.random.Generator, n_bootstrap: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each resample of galaxies, and the variance of that mean, each of shape (n_bootstrap,)."""
    centred, mean, square = means - means.mean(), [], []
    for n in blocks(n_bootstrap, means.size):
        counts = resampled_counts(means.size, n, rng) / means.size
        mean.append(counts @ centred)
        square.append(counts @ centred**2)
    mean, square = np.concatenate(mean), np.concatenate(square)
    return mean + means.mean(), np.maximum(square - mean**2, 0) / (means.size - 1)


def bootstrap_means(sample: Clustered, rng: np.random.Generator, n_bootstrap: int) -> np.ndarray:
    """Means of resamples of the galaxies of one sample, shape (n_bootstrap,)."""
    sums, sizes = sample.means, np.ones(sample.n_galaxies)
    if sample.n_galaxies > MOST_UNITS:
        group = rng.permutation(np.arange(sample.n_galaxies) % MOST_UNITS)
        sums, sizes = np.bincount(group, sums), np.bincount(group)
    means = []
    for n in blocks(n_bootstrap, sums.size):
        counts = resampled_counts(sums.size, n, rng)
        means.append((counts @ sums) / (counts @ sizes))
    return np.concatenate(means)
