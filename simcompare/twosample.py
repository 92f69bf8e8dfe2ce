"""Two-sample tests on vectors of features: classifier, kernel, energy, sliced transport, each with a null.

Rows are galaxies, one view each, so that labels can be exchanged under the null. Tests whose cost grows
with the square of the number are made on a random subset, and say so.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

__all__ = [
    "TestResult",
    "classifier_test",
    "coverage",
    "energy_test",
    "kernel_test",
    "sliced_test",
    "standardise",
]

LARGEST_SQUARE = 2000  # rows of each sample in tests of quadratic cost
FOLDS = 5
WAVES = 256  # random Fourier features of the classifier


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
        Share of exchanged labels that give as large a value.
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


def standardise(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring features to zero median and unit spread of the second sample, without far outliers.

    Parameters
    ----------
    first, second : ndarray, shape (n, d) and (m, d)
        Features; rows that are not finite are left out. `second` is the reference.

    Returns
    -------
    tuple of two ndarray
    """
    kept = [np.asarray(each, float)[np.isfinite(each).all(axis=1)] for each in (first, second)]
    if first.shape[1] != second.shape[1] or min(map(len, kept)) < 2:
        raise ValueError(
            f"two-sample tests need the same features and two finite rows of each sample; found shapes "
            f"{np.shape(first)} and {np.shape(second)}, finite rows {len(kept[0])} and {len(kept[1])}."
        )
    low, middle, high = np.percentile(kept[1], [16, 50, 84], axis=0)
    spread = np.where(high > low, 0.5 * (high - low), 1.0)
    return tuple(np.clip((each - middle) / spread, -6, 6) for each in kept)


def classifier_test(
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator, *, n_permutations: int = 200
) -> TestResult:
    """How well a classifier tells the samples apart on rows it has not seen (area under the ROC curve).

    Parameters
    ----------
    first, second : ndarray, shape (n, d) and (m, d)
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
    rows = np.concatenate([_subset(first, n, rng), _subset(second, n, rng)])
    label = np.repeat([1.0, -1.0], n)
    labels = np.column_stack([label, *(rng.permutation(label) for _ in range(n_permutations))])
    predicted = _cross_predicted(_random_features(rows, rng), labels, rng.permutation(2 * n) % min(FOLDS, n))
    area = np.array([_area(predicted[:, k], labels[:, k]) for k in range(labels.shape[1])])
    error = _area_error(area[0], n) * max(1.0, float(area[1:].std()) / _area_error(0.5, n))
    note = "" if n == max(len(first), len(second)) else f"{n} rows of each sample, drawn at random"
    return TestResult(
        "classifier AUC",
        float(area[0]),
        float(max(area[0] - 1.96 * error, 0.0)),
        float(min(area[0] + 1.96 * error, 1.0)),
        _p_value(area[0], area[1:]),
        float(np.quantile(area[1:], 0.95)),
        n,
        n,
        note,
    )


def _subset(rows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """At most n rows, drawn at random."""
    return rows if len(rows) <= n else rows[np.sort(rng.choice(len(rows), n, replace=False))]


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
        normal = train.T @ train + 1e-3 * len(train) * np.eye(features.shape[1]) / np.sqrt(len(train))
        predicted[fold == k] = test @ np.linalg.solve(normal, train.T @ labels[fold != k])
    return predicted


def _area(predicted: np.ndarray, label: np.ndarray) -> float:
    """Area under the ROC curve."""
    ranks = stats.rankdata(predicted)
    n_first = int((label > 0).sum())
    n_second = label.size - n_first
    return (ranks[label > 0].sum() - 0.5 * n_first * (n_first + 1)) / (n_first * n_second)


def _area_error(area: float, n: int) -> float:
    """Give the standard error of the area for n rows of each sample (Hanley & McNeil 1982, eq. 1)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n - 1) * (q1 + q2 - 2 * area**2)
    return float(np.sqrt(max(variance, 0.0)) / n)


def _p_value(value: float, null: np.ndarray) -> float:
    """Share of null values at least as large, the observed one counted."""
    return float((1 + np.sum(null >= value)) / (1 + null.size))


def kernel_test(
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator, *, n_permutations: int = 500
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
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator, *, n_permutations: int = 500
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
    return _pairwise("energy distance", first, second, rng, n_permutations, np.negative)


def _gaussian_kernel(distance: np.ndarray) -> np.ndarray:
    """Kernel of the median distance."""
    width = np.median(distance[np.triu_indices(len(distance), 1)]) or 1.0
    return np.exp(-0.5 * (distance / width) ** 2)


def _pairwise(
    name: str, first: np.ndarray, second: np.ndarray, rng, n_permutations: int, kernel
) -> TestResult:
    """Mean similarity within the samples minus that between them, with its null."""
    ours, real = _subset(first, LARGEST_SQUARE, rng), _subset(second, LARGEST_SQUARE, rng)
    n, m = len(ours), len(real)
    rows = np.concatenate([ours, real])
    similarity = kernel(cdist(rows, rows))
    np.fill_diagonal(similarity, 0)
    member = np.repeat([1.0, 0.0], [n, m])
    members = np.column_stack([member, *(rng.permutation(member) for _ in range(n_permutations))])
    total = similarity.sum()
    toward = similarity @ members
    within = np.einsum("ij,ij->j", members, toward)
    between = toward.sum(axis=0) - within
    values = within / (n * (n - 1)) + (total - within - 2 * between) / (m * (m - 1)) - 2 * between / (n * m)
    used = n < len(first) or m < len(second)
    return TestResult(
        name,
        float(values[0]),
        np.nan,
        np.nan,
        _p_value(values[0], values[1:]),
        float(np.quantile(values[1:], 0.95)),
        n,
        m,
        f"{n} and {m} rows drawn at random" if used else "",
    )


def sliced_test(
    first: np.ndarray,
    second: np.ndarray,
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
        sample, and is held against the value of the same subset.

    References
    ----------
    Rabin et al. 2012, Lecture Notes in Computer Science 6667, 435.
    """
    directions = rng.normal(size=(first.shape[1], n_directions))
    directions /= np.linalg.norm(directions, axis=0)
    some = np.array_split(directions, 4, axis=1)  # of many galaxies a few at a time
    gaps = [_quantile_gap(first @ part, second @ part) for part in some]
    value = float(np.abs(np.concatenate(gaps, axis=1)).mean())
    ours, real = _subset(first, LARGEST_SQUARE, rng), _subset(second, LARGEST_SQUARE, rng)
    rows = np.concatenate([ours, real]) @ directions
    subset_value = _sliced(rows[: len(ours)], rows[len(ours) :])
    null = np.empty(n_permutations)
    for k in range(n_permutations):
        order = rng.permutation(len(rows))
        null[k] = _sliced(rows[order[: len(ours)]], rows[order[len(ours) :]])
    used = len(ours) < len(first) or len(real) < len(second)
    return TestResult(
        "sliced Wasserstein",
        value,
        np.nan,
        np.nan,
        _p_value(subset_value, null),
        float(np.quantile(null, 0.95)),
        len(first),
        len(second),
        f"null from {len(ours)} and {len(real)} rows drawn at random" if used else "",
    )


def _sliced(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over columns of the distance between quantile functions."""
    return float(np.abs(_quantile_gap(first, second)).mean())


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


def coverage(
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
    *,
    neighbours: int = 5,
    n_bootstrap: int = 500,
) -> dict[str, tuple[float, float, float]]:
    """Share of each sample that lies where the other one has members.

    Parameters
    ----------
    first, second : ndarray, shape (n, d) and (m, d)
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
    ours = _subset(first, n, rng)
    order = rng.permutation(len(second))
    real, other = second[order[:n]], second[order[n : 2 * n]]
    pairs = {
        "simulated_inside_real": (ours, real),
        "real_inside_simulated": (real, ours),
        "real_inside_real": (other, real),
    }
    result = {}
    for name, (points, members) in pairs.items():
        own = np.sort(cdist(members, members), axis=1)[:, neighbours]
        inside = (cdist(points, members) <= own).any(axis=1).astype(float)
        share = rng.choice(inside, size=(n_bootstrap, n)).mean(axis=1)
        low, high = np.quantile(share, [0.025, 0.975])
        result[name] = (float(inside.mean()), float(low), float(high))
    return result
