"""Two-sample tests on vectors of features: classifier, kernel, energy, sliced transport, each with a null.

Rows are galaxies, one view each, so that labels can be exchanged under the null. Tests whose cost grows
with the square of the number are made on a random subset, and say so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from simcompare.statistics.permutation import permuted_p_value
from simcompare.statistics.resampling import BLOCK

__all__ = [
    "AT_ONCE",
    "LARGEST_SQUARE",
    "Sample",
    "TestResult",
    "classifier_test",
    "distances",
    "energy_test",
    "kernel_test",
    "sliced_test",
    "subset",
]

PAIRS = 250_000  # distances held at once: 2 MB
MEDIAN_BINS = 4096
LARGEST_SQUARE = 2000  # rows of each sample in tests of quadratic cost
FOLDS = 5
AT_ONCE = 16_384  # rows of features projected
WAVES = 256  # random Fourier features of the classifier


class Sample(Protocol):
    """Features, shape (n, d): an array, or what gives rows of one by numbers and slices."""

    shape: tuple[int, int]

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class TestResult:
    """One two-sample test.

    Parameters
    ----------
    name : str
    value : float
        Statistic.
    low, high : float
        95 % interval of the statistic; NaN where the test gives none.
    p_value : float
        That exchanged labels give as large a value, see
        `simcompare.statistics.permutation.permuted_p_value`.
    null_95 : float
        Value that 95 % of exchanged labels stay below.
    n_first, n_second : int
        Rows used.
    note : str
        What was left out, if anything.
    """

    __test__ = False  # not a class of tests, whatever its name

    name: str
    value: float
    low: float
    high: float
    p_value: float
    null_95: float
    n_first: int
    n_second: int
    note: str = ""


def classifier_test(
    first: Sample, second: Sample, rng: np.random.Generator, *, n_permutations: int = 200
) -> TestResult:
    """How well a classifier tells the samples apart on rows it has not seen (area under the ROC curve).

    Parameters
    ----------
    first, second : Sample, shape (n, d) and (m, d)
        Standardised features, one row per galaxy.
    rng : numpy.random.Generator
        Draws subset, folds, features and exchanged labels.
    n_permutations : int

    Returns
    -------
    TestResult
        Value 0.5 when the samples cannot be told apart.

    Notes
    -----
    Regularised least squares on the features and on random Fourier features of a Gaussian kernel of their
    median distance. The fit is linear in the labels, so that one matrix serves all exchanged labels. Samples
    are cut to equal number. The interval is that of Hanley and McNeil, widened as exchanged labels scatter
    more than theirs: folds share their training rows, so predictions are not independent.

    References
    ----------
    Lopez-Paz & Oquab 2017, arXiv:1610.06545; Rahimi & Recht 2007 (random features).
    """
    n = min(len(first), len(second), LARGEST_SQUARE)
    rows = np.concatenate([subset(first, n, rng), subset(second, n, rng)])
    label = np.repeat([1.0, -1.0], n)
    labels = np.column_stack([label, *(rng.permutation(label) for _ in range(n_permutations))])
    predicted = _cross_predicted(_random_features(rows, rng), labels, rng.permutation(2 * n) % min(FOLDS, n))
    area = _areas(predicted, labels)
    error = _area_error(area[0], n) * max(1.0, float(area[1:].std()) / _area_error(0.5, n))
    note = "" if n == max(len(first), len(second)) else f"{n} rows of each sample, drawn at random"
    return TestResult(
        "classifier AUC",
        float(area[0]),
        float(max(area[0] - 1.96 * error, 0.0)),
        float(min(area[0] + 1.96 * error, 1.0)),
        permuted_p_value(area[0], area[1:]),
        float(np.quantile(area[1:], 0.95)),
        n,
        n,
        note,
    )


def distances(points: np.ndarray, members: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, for some points at a time, the number of the first and the distances to all members, (k, m)."""
    for start in range(0, len(points), PAIRS // len(members)):
        yield start, cdist(points[start : start + PAIRS // len(members)], members)


def subset(rows: Sample, n: int, rng: np.random.Generator) -> np.ndarray:
    """At most n rows, drawn at random."""
    return rows[:] if len(rows) <= n else rows[np.sort(rng.choice(len(rows), n, replace=False))]


def _random_features(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One, the features themselves, and waves of a Gaussian kernel of the median distance."""
    sample = rows[rng.choice(len(rows), min(len(rows), 200), replace=False)]
    width = np.median(cdist(sample, sample)[np.triu_indices(len(sample), 1)]) or 1.0
    frequency = rng.normal(size=(rows.shape[1], WAVES)) / width
    waves = np.cos(rows @ frequency + rng.uniform(0, 2 * np.pi, WAVES)) * np.sqrt(2 / WAVES)
    return np.concatenate([np.ones((len(rows), 1)), 0.1 * rows, waves], axis=1)


def _cross_predicted(features: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Predictions for every row by a fit without its fold, for every column of labels."""
    predicted = np.zeros_like(labels)
    for k in np.unique(fold):
        train, test = features[fold != k], features[fold == k]
        pull = 1e-3 * np.sqrt(len(train))
        if len(train) < features.shape[1]:  # the same fit by the smaller matrix
            gram = train @ train.T + pull * np.eye(len(train))
            predicted[fold == k] = test @ (train.T @ np.linalg.solve(gram, labels[fold != k]))
        else:
            normal = train.T @ train + pull * np.eye(features.shape[1])
            predicted[fold == k] = test @ np.linalg.solve(normal, train.T @ labels[fold != k])
    return predicted


def _areas(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Areas under the ROC curves of some columns of predictions and labels."""
    ranks = stats.rankdata(predicted, axis=0)
    n_first = (labels > 0).sum(axis=0)
    above = (ranks * (labels > 0)).sum(axis=0) - 0.5 * n_first * (n_first + 1)
    return above / (n_first * (len(labels) - n_first))


def _area_error(area: float, n: int) -> float:
    """Give the standard error of the area for n rows of each sample (Hanley & McNeil 1982, eq. 1)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n - 1) * (q1 + q2 - 2 * area**2)
    return float(np.sqrt(max(variance, 0.0)) / n)


def kernel_test(
    first: Sample, second: Sample, rng: np.random.Generator, *, n_permutations: int = 500
) -> TestResult:
    """Maximum mean discrepancy, squared and unbiased, with a Gaussian kernel of the median distance.

    Parameters
    ----------
    first, second, rng, n_permutations
        As for `classifier_test`.

    Returns
    -------
    TestResult
        Value about 0 when the distributions are equal.

    References
    ----------
    Gretton et al. 2012, JMLR 13, 723, equation 3.
    """
    return _pairwise("MMD squared", first, second, rng, n_permutations, _gaussian_kernel)


def energy_test(
    first: Sample, second: Sample, rng: np.random.Generator, *, n_permutations: int = 500
) -> TestResult:
    """Energy distance, unbiased.

    Parameters
    ----------
    first, second, rng, n_permutations
        As for `classifier_test`.

    Returns
    -------
    TestResult
        Value about 0 when the distributions are equal.

    References
    ----------
    Szekely & Rizzo 2013, J. Stat. Plan. Inference 143, 1249.
    """
    return _pairwise("energy distance", first, second, rng, n_permutations, lambda rows: np.negative)


def _gaussian_kernel(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Kernel of the median distance of some rows, as a function of distance."""
    width = _median_distance(rows) or 1.0
    return lambda distance: np.exp(-0.5 * (distance / width) ** 2)


def _median_distance(rows: np.ndarray) -> float:
    """Find the median distance of all pairs without holding them: first its bin, then its place in that."""
    n_pairs = len(rows) * (len(rows) - 1) // 2
    middle = np.array([(n_pairs - 1) // 2, n_pairs // 2])
    most = 2 * cdist(rows[:1], rows).max() * (1 + 1e-9)  # by the triangle inequality

    def upper() -> Iterator[np.ndarray]:
        for start, distance in distances(rows, rows):
            yield distance[np.arange(len(rows)) > np.arange(start, start + len(distance))[:, None]]

    below = np.cumsum(sum(np.histogram(part, MEDIAN_BINS, (0, most))[0] for part in upper()))
    first, last = np.searchsorted(below, middle, side="right")
    low, high = np.array([first, last + 1]) * (most / MEDIAN_BINS)
    margin = most * 1e-12  # a value on an edge may have been counted on its other side
    near, n_below = [], 0
    for part in upper():
        n_below += int(np.sum(part < low - margin))
        near.append(part[(part >= low - margin) & (part <= high + margin)])
    return float(np.sort(np.concatenate(near))[middle - n_below].mean())


def _pairwise(name: str, first: Sample, second: Sample, rng, n_permutations: int, kernel) -> TestResult:
    """Mean similarity within the samples minus that between them, with its null."""
    ours, real = subset(first, LARGEST_SQUARE, rng), subset(second, LARGEST_SQUARE, rng)
    n, m = len(ours), len(real)
    rows = np.concatenate([ours, real])
    similarity = kernel(rows)
    members = np.empty((n + m, 1 + n_permutations))
    members[:, 0] = np.repeat([1.0, 0.0], [n, m])
    for k in range(n_permutations):
        members[:, k + 1] = rng.permutation(members[:, 0])
    total, within, between = 0.0, 0.0, 0.0
    for start, distance in distances(rows, rows):
        part = similarity(distance)
        np.fill_diagonal(part[:, start:], 0)
        toward, own = part @ members, members[start : start + len(part)]
        total += part.sum()
        within = within + np.einsum("ij,ij->j", own, toward)
        between = between + np.einsum("ij,ij->j", 1 - own, toward)
    values = within / (n * (n - 1)) + (total - within - 2 * between) / (m * (m - 1)) - 2 * between / (n * m)
    used = n < len(first) or m < len(second)
    return TestResult(
        name,
        float(values[0]),
        np.nan,
        np.nan,
        permuted_p_value(values[0], values[1:]),
        float(np.quantile(values[1:], 0.95)),
        n,
        m,
        f"{n} and {m} rows drawn at random" if used else "",
    )


def sliced_test(
    first: Sample,
    second: Sample,
    rng: np.random.Generator,
    *,
    n_directions: int = 64,
    n_permutations: int = 200,
) -> TestResult:
    """Sliced Wasserstein distance: mean transport distance over random directions.

    Parameters
    ----------
    first, second, rng, n_permutations
        As for `classifier_test`.
    n_directions : int

    Returns
    -------
    TestResult
        In spreads of the reference. All rows are used for the value; the null uses at most 2000 of each
        sample, and is compared with the value of the same subset.

    References
    ----------
    Rabin et al. 2012, Lecture Notes in Computer Science 6667, 435.
    """
    directions = rng.normal(size=(first.shape[1], n_directions))
    directions /= np.linalg.norm(directions, axis=0)
    # Projected, sorted and joined rows are held at once.
    n_parts = int(np.clip(3 * n_directions * max(len(first), len(second)) / BLOCK, 4, n_directions))
    some = np.array_split(directions, n_parts, axis=1)
    gaps = [_quantile_gap(_projected(first, part), _projected(second, part)) for part in some]
    value = float(np.abs(np.concatenate(gaps, axis=1)).mean())
    ours, real = subset(first, LARGEST_SQUARE, rng), subset(second, LARGEST_SQUARE, rng)
    rows = np.concatenate([ours, real]) @ directions
    is_first = np.arange(len(rows)) < len(ours)
    subset_value, null = _permuted_distances(rows, is_first, rng, n_permutations)
    used = len(ours) < len(first) or len(real) < len(second)
    return TestResult(
        "sliced Wasserstein",
        value,
        np.nan,
        np.nan,
        permuted_p_value(subset_value, null),
        float(np.quantile(null, 0.95)),
        len(first),
        len(second),
        f"null from {len(ours)} and {len(real)} rows drawn at random" if used else "",
    )


def _projected(rows: Sample, directions: np.ndarray) -> np.ndarray:
    """Coordinates along directions, shape (n, n_directions)."""
    starts = range(0, len(rows), AT_ONCE)
    return np.concatenate([rows[start : start + AT_ONCE] @ directions for start in starts])


def _permuted_distances(
    rows: np.ndarray, is_first: np.ndarray, rng: np.random.Generator, n_permutations: int
) -> tuple[float, np.ndarray]:
    """Mean over columns of the area between distribution functions, and the same for exchanged labels."""
    rows = np.ascontiguousarray(rows.T)  # sums run along memory
    order = np.argsort(rows, axis=1)
    steps = np.diff(np.take_along_axis(rows, order, axis=1), axis=1)
    order = np.ascontiguousarray(order[:, :-1])
    n, m = is_first.sum(), (~is_first).sum()

    def distance(chosen: np.ndarray) -> float:
        gap = np.cumsum(np.where(chosen, 1 / n, -1 / m)[order], axis=1)
        return float(np.einsum("ij,ij->", np.abs(gap, out=gap), steps) / len(rows))

    return distance(is_first), np.array([distance(rng.permutation(is_first)) for _ in range(n_permutations)])


def _quantile_gap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Difference between quantile functions, column by column."""
    levels = (np.arange(200) + 0.5) / 200
    return _quantiles(first, levels) - _quantiles(second, levels)


def _quantiles(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles of each column, by linear interpolation."""
    ordered = np.sort(values, axis=0)
    place = np.clip(levels * len(ordered) - 0.5, 0, len(ordered) - 1)
    low = place.astype(int)
    high = np.minimum(low + 1, len(ordered) - 1)
    part = (place - low)[:, None]
    return ordered[low] * (1 - part) + ordered[high] * part
