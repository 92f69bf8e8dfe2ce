"""Differences between two samples of scores when the galaxy, not the image, is the unit.

Arrays in, numbers out; numpy and scipy alone. Several views of one galaxy are not independent, so every
galaxy carries the same total weight, shared by its views, and the bootstrap draws whole galaxies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse, stats

from simcompare.statistics.intervals import (
    FINAL,
    Estimate,
    expanded_tail,
    norm_interval,
    percentile_interval,
    student_factor,
    welch_freedom,
    wider,
)
from simcompare.statistics.resampling import blocks, resampled_counts, resamples

__all__ = [
    "Clustered",
    "bootstrap_means",
    "difference_of_means",
    "galaxy_means",
    "ks_statistic",
    "mean_of",
    "two_sample",
]

DEALT = 8_000_000  # numbers in the resamples of one sample that are drawn before those of the other
MOST_POINTS = 1024  # distinct values kept apart in resamples; the estimates themselves use all
LEAST_VARIANCE = 1e-4  # of a resample's mean, in that of the sample: one galaxy drawn every time has none
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


def two_sample(
    simulated: Clustered,
    reference: Clustered,
    rng: np.random.Generator,
    *,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """Compare two samples by location, rank and shape, each with a cluster-bootstrap interval.

    Parameters
    ----------
    simulated, reference : Clustered
        The two samples.
    rng : numpy.random.Generator
        Draws the galaxies of each resample.
    n_bootstrap : int
        Number of resamples.
    confidence : float
        Coverage of the intervals.

    Returns
    -------
    dict of str to Estimate
        `delta_mean` and `delta_median` (simulated minus reference, in the unit of the values), `auc`
        (probability that a simulated value is lower than a reference one, ties counted half), `ks`
        (largest difference of the two distribution functions), `cramer_von_mises` (integral of their
        squared difference over the even mixture, 0 to 1/3), `wasserstein` (mean transport distance, in
        the unit of the values), `overlap` (shared area of the two histograms, 0 to 1).

    Notes
    -----
    `delta_mean` has the interval of `difference_of_means`; `delta_median` and `auc` have percentile
    intervals, stretched as much as Student's is against the normal for these galaxies. The others are
    norms of the difference of two distributions, which noise can only increase. Their intervals reach
    as far as the norm of the noise in the resamples, beyond which, by the triangle inequality, the
    truth cannot lie; they cover at least at the stated rate. Resamples gather values in at most 1024
    cells of equal number, save for the mean, and more than 4000 galaxies in 4000 random groups, which
    serve as the units.
    """
    grid = _Grid.of(simulated, reference)
    once = [np.ones((1, sample.n_galaxies)) for sample in (simulated, reference)]
    density, other = grid.densities(*once)
    half = 0.5 * (density + other)[0]
    places = {name: float(value[0]) for name, value in grid.locations(*once).items()}
    shapes = {name: float(value[0]) for name, value in grid.distances(density - other, half).items()}
    if min(simulated.n_galaxies, reference.n_galaxies) < 2:
        unknown = 3 * [np.nan]
        estimates = {name: Estimate(value, *unknown) for name, value in (places | shapes).items()}
        return estimates | {name: rule(estimates[name]) for name, rule in FINAL.items()}
    resampled, noise = _resampled(simulated, reference, rng, n_bootstrap)
    settings = {"n_bootstrap": n_bootstrap, "confidence": confidence}
    mean = difference_of_means(simulated, reference, rng, **settings)
    tail = expanded_tail(simulated.means, reference.means, confidence)
    factor = student_factor(simulated.means, reference.means, confidence)
    estimates = {"delta_mean": mean}
    estimates |= {
        name: wider(percentile_interval(places[name], resampled[name], 0.5 - confidence / 2), factor, limits)
        for name, limits in (("delta_median", (-np.inf, np.inf)), ("auc", (0.0, 1.0)))
    }
    estimates |= {
        name: norm_interval(value, noise[name], 1 - 2 * tail, confidence) for name, value in shapes.items()
    }
    return estimates | {name: rule(estimates[name]) for name, rule in FINAL.items()}


def _resampled(
    simulated: Clustered, reference: Clustered, rng: np.random.Generator, n_bootstrap: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Locations in resamples of galaxies, and norms of what the resamples add to the difference."""
    grid = _Grid.of(simulated, reference, MOST_POINTS, rng)
    density, other = grid.densities(*(np.ones((1, size)) for size in grid.n_units))
    observed, mixture = density - other, 0.5 * (density + other)[0]
    resampled, noise = [], []
    row = 4 * grid.points.size + sum(grid.n_units)
    for n in blocks(n_bootstrap, row, DEALT):
        dealt = [_dealt(size, n, rng) for size in grid.n_units]
        stop = 0
        for step in blocks(n, row):
            start, stop = stop, stop + step
            counts = [each[start:stop].astype(float) for each in dealt]
            density, other = grid.densities(*counts)
            resampled.append(grid.locations(*counts, densities=(density, other)))
            noise.append(grid.distances(density - other - observed, mixture))
    return _joined(resampled), _joined(noise)


def _dealt(n_units: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """As `resampled_counts`, in small numbers: units are at most `MOST_UNITS`."""
    counts = np.empty((n, n_units), dtype=np.uint16)
    for k, row in enumerate(resamples(n_units, n, rng)):
        counts[k] = row
    return counts


def _joined(blocks: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Values of all blocks by name."""
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


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

    Returns
    -------
    Estimate
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


@dataclass(frozen=True, eq=False)
class _Units:
    """What is resampled of one sample: galaxies, or groups of them where they are very many."""

    density: sparse.csr_array  # weight at each point of the grid, shape (point, unit)
    sums: np.ndarray  # sum over galaxies of their mean values
    sizes: np.ndarray  # number of galaxies

    @classmethod
    def of(cls, sample: Clustered, points: np.ndarray, group: np.ndarray) -> "_Units":
        unit = group[sample.codes]
        point = np.searchsorted(points, sample.values, side="right") - 1
        shape = (points.size, int(group.max()) + 1)
        density = sparse.csr_array((sample.weights, (point, unit)), shape=shape)
        return cls(density, np.bincount(unit, sample.weights * sample.values), np.bincount(group))


@dataclass(frozen=True, eq=False)
class _Grid:
    """Distinct pooled values, the units of both samples upon them, and the bins of the overlap."""

    points: np.ndarray
    units: tuple[_Units, _Units]
    edges: np.ndarray  # index in `points` of the first value of each histogram bin

    @classmethod
    def of(
        cls,
        simulated: Clustered,
        reference: Clustered,
        most_points: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> "_Grid":
        """With a generator, at most `MOST_UNITS` random groups of galaxies stand for single ones."""
        pooled = np.concatenate([simulated.values, reference.values])
        points = np.unique(pooled)
        if most_points is not None and points.size > most_points:
            points = np.unique(np.quantile(pooled, np.linspace(0, 1, most_points), method="nearest"))
        units = []
        for sample in (simulated, reference):
            group = np.arange(sample.n_galaxies)
            if rng is not None and sample.n_galaxies > MOST_UNITS:
                group = rng.permutation(group % MOST_UNITS)
            units.append(_Units.of(sample, points, group))
        n_bins = int(np.clip(np.ceil(2 * min(simulated.n_galaxies, reference.n_galaxies) ** (1 / 3)), 4, 40))
        low, high = np.quantile(pooled, [0.005, 0.995])  # the outer bins are open: an outlier costs nothing
        inner = np.linspace(low, high, n_bins + 1)[1:-1]
        edges = np.unique(np.concatenate([[0], np.searchsorted(points, inner)]))
        return cls(points, tuple(units), edges[edges < points.size])

    @property
    def n_units(self) -> tuple[int, int]:
        """Number of units of each sample."""
        return tuple(unit.sizes.size for unit in self.units)

    def densities(self, simulated: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probability of each point in both samples for counts of their units, shape (resample, unit)."""
        return tuple(
            np.ascontiguousarray((unit.density @ counts.T).T) / (counts @ unit.sizes)[:, None]
            for unit, counts in zip(self.units, (simulated, reference), strict=True)
        )

    def locations(
        self, simulated: np.ndarray, reference: np.ndarray, densities: tuple | None = None
    ) -> dict[str, np.ndarray]:
        """Statistics that compare places, for each row of the counts, shape (resample, unit)."""
        density, other = densities or self.densities(simulated, reference)
        lower = np.cumsum(density, axis=1)
        last = self.points.size - 1
        middle, other_middle = (
            self.points[np.minimum((f < 0.5 - 1e-12).sum(axis=1), last)]
            for f in (lower, np.cumsum(other, axis=1))
        )
        mean, other_mean = (
            (counts @ unit.sums) / (counts @ unit.sizes)
            for unit, counts in zip(self.units, (simulated, reference), strict=True)
        )
        return {
            "delta_mean": mean - other_mean,
            "delta_median": middle - other_middle,
            "auc": np.einsum("ij,ij->i", other, lower - 0.5 * density),
        }

    def distances(self, difference: np.ndarray, mixture: np.ndarray) -> dict[str, np.ndarray]:
        """Norms of a difference of two densities, shape (resample, point); zero where they agree."""
        gap = np.cumsum(difference, axis=1)
        return {
            "ks": np.abs(gap).max(axis=1),
            "cramer_von_mises": np.sqrt(np.einsum("ij,ij,j->i", gap, gap, mixture)),
            "wasserstein": np.abs(gap[:, :-1]) @ np.diff(self.points),
            "overlap": 0.5 * np.abs(np.add.reduceat(difference, self.edges, axis=1)).sum(axis=1),
        }


def ks_statistic(first: np.ndarray, second: np.ndarray) -> float:
    """Largest distance between two empirical distributions.

    Without the p-value that scipy computes beside it, which divides by zero for one galaxy against one.

    Parameters
    ----------
    first, second : ndarray, shapes (n,) and (m,)
        At least one value each.

    Returns
    -------
    float
        0 to 1.
    """
    grid = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(x), grid, side="right") / len(x) for x in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())
