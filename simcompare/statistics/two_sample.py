"""Differences between two samples by location, rank and shape, galaxies being the unit."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from simcompare.statistics.intervals import (
    FINAL,
    Estimate,
    expanded_tail,
    norm_interval,
    percentile_interval,
    student_factor,
    wider,
)
from simcompare.statistics.means import MOST_UNITS, Clustered, difference_of_means
from simcompare.statistics.resampling import blocks, resamples

__all__ = ["ks_statistic", "two_sample"]

DEALT = 8_000_000  # numbers in the resamples of one sample that are drawn before those of the other
MOST_POINTS = 1024  # distinct values kept apart in resamples; the estimates themselves use all


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
