"""Compare like with like: matched samples, their balance, and results in bins of a property."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from astropy.table import Table
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from mocks.streams import stream
from simcompare.scores.columns import column_of, in_words
from simcompare.scores.nuisance import read_columns
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import UNKNOWN, Estimate
from simcompare.statistics.means import Clustered, difference_of_means, mean_of
from simcompare.statistics.two_sample import ks_statistic

__all__ = ["Match", "balance", "compare_in_bins", "match", "matched_difference", "mean_of_views"]

NEAREST = 32  # candidates of each galaxy of a large sample
MOST_CANDIDATES = 500_000  # pairs held at once
LARGEST_OPTIMAL = 4e6  # pairs for which the optimal assignment is found; above it the nearest free one


@dataclass(frozen=True, eq=False)
class Match:
    """Pairs of galaxies of two data sets that are alike in some columns.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_pairs,)
        Rows of the scores, one image per galaxy.
    columns : tuple of str
        What was matched in.
    n_first, n_second : int
        Galaxies of each data set before matching; the effective number is that of the pairs.
    balance : Table
        How alike the samples are before and after, see `balance`.
    """

    first: np.ndarray
    second: np.ndarray
    columns: tuple[str, ...]
    n_first: int
    n_second: int
    balance: Table

    def __len__(self) -> int:
        return len(self.first)


def match(scores: Scores, dataset: str, columns: Sequence[str], *, caliper: float = 0.25) -> Match:
    """Pair galaxies of a data set with held-out galaxies of the reference, each used once.

    Parameters
    ----------
    scores : Scores
    dataset : str
        Data set.
    columns : sequence of str
        Catalogue columns; masses, rates and sizes are compared by their logarithm.
    caliper : float
        Largest difference of a pair in any column, in standard deviations of the reference's galaxies.

    Returns
    -------
    Match
        As many pairs as possible and, among those, nearest in sum (for large samples: nearest free one).

    Raises
    ------
    ValueError
        When a column is missing or has no finite value, or no pair is close enough.
    """
    columns, reference = list(columns), scores.named_reference
    rows = [_one_per_galaxy(scores, name, columns) for name in (dataset, reference)]
    for name, chosen in zip((dataset, reference), rows, strict=True):
        if not chosen.size:
            raise ValueError(
                f"{name!r} has no galaxy with finite {', '.join(columns)}; match in other columns."
            )
    values = [_transformed(scores, columns, chosen) for chosen in rows]
    spread = values[1].std(axis=0)
    unit = [each / np.where(spread > 0, spread, 1.0) for each in values]
    pairs = (
        _optimal(*unit, caliper)
        if rows[0].size * rows[1].size <= LARGEST_OPTIMAL
        else _greedy(*unit, caliper)
    )
    if not len(pairs):
        raise ValueError(
            f"no galaxy of {dataset!r} is within {caliper} standard deviations of one of {reference!r} in "
            f"{in_words(columns)}; widen the caliper or match in fewer columns."
        )
    first, second = rows[0][pairs[:, 0]], rows[1][pairs[:, 1]]
    kept = replace(scores, columns={name: scores.columns[name] for name in columns})
    table = balance(*(kept[chosen] for chosen in (*rows, first, second)), columns)
    return Match(first, second, tuple(columns), rows[0].size, rows[1].size, table)


def _one_per_galaxy(scores: Scores, dataset: str, columns: Sequence[str]) -> np.ndarray:
    """Row of the first view of each galaxy with finite columns."""
    rows = np.flatnonzero(scores.held_out(dataset))
    finite = np.isfinite(_transformed(scores, columns, rows)).all(axis=1)
    return scores.first_views(rows[finite])


def _transformed(
    scores: Scores, columns: Sequence[str], rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """Columns of some rows, those that span decades by their logarithm."""
    values = np.concatenate([read_columns(scores, [name])[rows] for name in columns], axis=1)
    for k, name in enumerate(columns):
        if column_of(name).is_logarithmic:
            with np.errstate(divide="ignore", invalid="ignore"):
                values[:, k] = np.log10(values[:, k])
    return values


def _optimal(ours: np.ndarray, real: np.ndarray, caliper: float) -> np.ndarray:
    """Most pairs within the caliper, of least total distance, shape (n_pairs, 2)."""
    close, square = np.ones((len(ours), len(real)), bool), np.zeros((len(ours), len(real)))
    for column, other in zip(ours.T, real.T, strict=True):
        gap = np.abs(column[:, None] - other)
        close &= gap <= caliper
        square += gap**2
    first, second = linear_sum_assignment(np.where(close, np.sqrt(square, out=square), 1e6))
    kept = close[first, second]
    return np.stack([first[kept], second[kept]], axis=1)


def _greedy(ours: np.ndarray, real: np.ndarray, caliper: float) -> np.ndarray:
    """Each galaxy with the nearest one still free, closest pairs first, shape (n_pairs, 2)."""
    tree, least, pairs = cKDTree(real), -np.inf, []
    free = np.ones(len(ours), bool), np.ones(len(real), bool)
    while least < np.inf and free[1].any():
        first, second, distance, least = _candidates(ours, tree, np.flatnonzero(free[0]), caliper, least)
        for k in np.argsort(distance, kind="stable"):
            i, j = first[k], second[k]
            if free[0][i] and free[1][j]:
                free[0][i] = free[1][j] = False
                pairs.append((i, j))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _candidates(
    ours: np.ndarray, tree: cKDTree, rows: np.ndarray, caliper: float, least: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Closest pairs of the next distance on, in the order of their rows, and where the next ones begin."""
    pairs, most = [np.zeros((3, 0))], np.inf
    for start in range(0, len(rows), MOST_CANDIDATES // NEAREST):
        part = rows[start : start + MOST_CANDIDATES // NEAREST]
        k = np.arange(1, min(NEAREST, tree.n) + 1)
        distance, index = tree.query(ours[part], k=k, p=np.inf, distance_upper_bound=caliper)
        near = np.isfinite(distance) & (distance >= least) & (distance < most)
        pairs.append(np.stack([np.repeat(part, near.sum(axis=1)), index[near], distance[near]]))
        total = np.concatenate(pairs, axis=1)
        if total.shape[1] > MOST_CANDIDATES:
            # Pairs of one distance stay together, so that their order does not change.
            cut = np.partition(total[2], MOST_CANDIDATES)[MOST_CANDIDATES]
            if cut > least:
                total, most = total[:, total[2] < cut], cut
        pairs = [total]
    first, second, distance = pairs[0]
    return first.astype(np.int64), second.astype(np.int64), distance, most


def balance(
    ours: Scores, real: Scores, matched_ours: Scores, matched_real: Scores, columns: Sequence[str]
) -> Table:
    """How alike two samples are in each column, before and after matching.

    Parameters
    ----------
    ours, real : Scores
        Samples before matching.
    matched_ours, matched_real : Scores
        Samples after matching.
    columns : sequence of str

    Returns
    -------
    Table
        ``column``; ``difference_before`` and ``difference_after`` of the means, in standard deviations of
        the real galaxies before matching (below 0.1 is customary); ``ks_before``, ``ks_after``.
    """
    before = [_transformed(each, columns) for each in (ours, real)]
    after = [_transformed(each, columns) for each in (matched_ours, matched_real)]
    spread = before[1].std(axis=0)
    rows = []
    for k, name in enumerate(columns):
        row = {"column": name}
        for label, pair in (("before", before), ("after", after)):
            first, second = pair[0][:, k], pair[1][:, k]
            row[f"difference_{label}"] = float((first.mean() - second.mean()) / (spread[k] or 1.0))
            row[f"ks_{label}"] = ks_statistic(first, second)
        rows.append(row)
    return Table(rows=rows)


def matched_difference(
    scores: Scores,
    pairs: Match,
    rng: np.random.Generator,
    *,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Mean difference of the headline in matched pairs, pairs resampled.

    A galaxy counts with the mean over its views.

    Parameters
    ----------
    scores : Scores
        Those that were matched.
    pairs : Match
    rng : numpy.random.Generator
    n_bootstrap, confidence : int, float

    Returns
    -------
    Estimate
        Data set minus reference.
    """
    difference = mean_of_views(scores, pairs.first) - mean_of_views(scores, pairs.second)
    difference = difference[np.isfinite(difference)]
    if not difference.size:
        return UNKNOWN
    sample = Clustered.of(difference, np.arange(difference.size))
    return mean_of(sample, rng, n_bootstrap=n_bootstrap, confidence=confidence)


def mean_of_views(scores: Scores, rows: np.ndarray) -> np.ndarray:
    """Mean finite headline over all views of the galaxies of some rows, shape (len(rows),)."""
    codes, values = scores.row_codes(["dataset", "galaxy_id"]), scores.numbers()
    finite = np.isfinite(values)
    total = np.bincount(codes[finite], values[finite], minlength=codes.max() + 1)
    count = np.bincount(codes[finite], minlength=codes.max() + 1)
    with np.errstate(invalid="ignore"):
        return (total / count)[codes[rows]]


def compare_in_bins(
    scores: Scores,
    column: str,
    edges: Sequence[float],
    seed: int,
    *,
    n_bootstrap: int = 1000,
    least: int = 5,
) -> Table:
    """Difference of the mean headline to real galaxies in bins of a column.

    Parameters
    ----------
    scores : Scores
    column : str
    edges : sequence of float
        Increasing limits of the bins.
    seed : int
        Each bin of each data set has a stream of its own.
    n_bootstrap : int
    least : int
        Fewest galaxies of either sample for which a difference is given.

    Returns
    -------
    Table
        ``dataset``, ``low``, ``high``, ``n_galaxies``, ``n_reference``, ``delta_mean`` with ``_low``,
        ``_high``, ``_error``; NaN where galaxies are too few.
    """
    place, values = read_columns(scores, [column])[:, 0], scores.numbers()
    galaxy, finite = scores.galaxies, np.isfinite(values)
    reference = scores.named_reference
    rows = []
    for name in scores.others:
        for number, (low, high) in enumerate(pairwise(edges)):
            inside = (place >= low) & (place < high) & finite
            samples = [np.flatnonzero(scores.held_out(each) & inside) for each in (name, reference)]
            counts = [np.unique(galaxy[chosen]).size for chosen in samples]
            delta = UNKNOWN
            if min(counts) >= least:
                groups = [Clustered.of(values[chosen], galaxy[chosen]) for chosen in samples]
                delta = difference_of_means(
                    *groups, stream(seed, name, "bins", number), n_bootstrap=n_bootstrap
                )
            rows.append(
                {
                    "dataset": name,
                    "low": low,
                    "high": high,
                    "n_galaxies": counts[0],
                    "n_reference": counts[1],
                    **delta.columns("delta_mean"),
                }
            )
    table = Table(rows=rows)
    table.meta = {"column": column, "reference": reference, "score": scores.headline}
    return table
