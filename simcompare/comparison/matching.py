"""Compare like with like: matched samples, their balance, and results in bins of a property."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from astropy.table import Table
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from simcompare.scores.nuisance import read_columns
from simcompare.scores.table import first_views, galaxies_of, headline_score, reference_rows, row_codes
from simcompare.scores.text_column import words_of
from simcompare.statistics.intervals import Estimate
from simcompare.statistics.two_sample import Clustered, difference_of_means, ks_statistic

__all__ = ["Match", "balance", "compare_in_bins", "match", "matched_difference", "mean_of_views"]

LOGARITHMIC = ("stellar_mass", "star_formation_rate", "specific_", "half_light_radius", "half_mass_radius")
NEAREST = 32  # candidates of each galaxy of a large sample
MOST_CANDIDATES = 500_000  # pairs held at once
LARGEST_OPTIMAL = 4e6  # pairs for which the optimal assignment is found; above it the nearest free one


@dataclass(frozen=True, eq=False)
class Match:
    """Pairs of galaxies of two data sets that are alike in some columns.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_pairs,)
        Rows of the score table, one image per galaxy.
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


def match(
    scores: Table, dataset: str, reference: str, columns: Sequence[str], *, caliper: float = 0.25
) -> Match:
    """Pair galaxies of a data set with held-out real galaxies, each used once.

    Parameters
    ----------
    scores : Table
        Score table.
    dataset, reference : str
        Data sets.
    columns : sequence of str
        Catalogue columns; masses, rates and sizes are compared by their logarithm.
    caliper : float
        Largest difference of a pair in any column, in standard deviations of the real galaxies.

    Returns
    -------
    Match
        As many pairs as possible and, among those, nearest in sum (for large samples: nearest free one).

    Raises
    ------
    ValueError
        When a column is missing or has no finite value, or no pair is close enough.
    """
    columns = list(columns)
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
            f"{', '.join(columns)}; widen the caliper or match in fewer columns."
        )
    first, second = rows[0][pairs[:, 0]], rows[1][pairs[:, 1]]
    named = Table({name: scores[name] for name in columns}, copy=False)
    table = balance(*(named[chosen] for chosen in (*rows, first, second)), columns)
    return Match(first, second, tuple(columns), rows[0].size, rows[1].size, table)


def _one_per_galaxy(scores: Table, dataset: str, columns: Sequence[str]) -> np.ndarray:
    """Row of the first view of each galaxy with finite columns."""
    rows = np.flatnonzero(reference_rows(scores, dataset))
    finite = np.isfinite(_transformed(scores, columns, rows)).all(axis=1)
    return first_views(scores, rows[finite])


def _transformed(table: Table, columns: Sequence[str], rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Columns of some rows, those that span decades by their logarithm."""
    values = np.concatenate([read_columns(table, [name])[rows] for name in columns], axis=1)
    for k, name in enumerate(columns):
        if name.startswith(LOGARITHMIC):
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
    found, most = [np.zeros((3, 0))], np.inf
    for start in range(0, len(rows), MOST_CANDIDATES // NEAREST):
        part = rows[start : start + MOST_CANDIDATES // NEAREST]
        k = np.arange(1, min(NEAREST, tree.n) + 1)
        distance, index = tree.query(ours[part], k=k, p=np.inf, distance_upper_bound=caliper)
        near = np.isfinite(distance) & (distance >= least) & (distance < most)
        found.append(np.stack([np.repeat(part, near.sum(axis=1)), index[near], distance[near]]))
        total = np.concatenate(found, axis=1)
        if total.shape[1] > MOST_CANDIDATES:
            # Pairs of one distance stay together, lest their order change.
            cut = np.partition(total[2], MOST_CANDIDATES)[MOST_CANDIDATES]
            if cut > least:
                total, most = total[:, total[2] < cut], cut
        found = [total]
    first, second, distance = found[0]
    return first.astype(np.int64), second.astype(np.int64), distance, most


def balance(
    ours: Table, real: Table, matched_ours: Table, matched_real: Table, columns: Sequence[str]
) -> Table:
    """How alike two samples are in each column, before and after matching.

    Parameters
    ----------
    ours, real : Table
        Samples before matching.
    matched_ours, matched_real : Table
        Samples after matching.
    columns : sequence of str

    Returns
    -------
    Table
        ``column``; ``difference_before`` and ``difference_after`` of the means, in standard deviations of
        the real galaxies before matching (below 0.1 is customary); ``ks_before``, ``ks_after``.
    """
    before = [_transformed(table, columns) for table in (ours, real)]
    after = [_transformed(table, columns) for table in (matched_ours, matched_real)]
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
    scores: Table,
    pairs: Match,
    rng: np.random.Generator,
    *,
    score: str | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Mean difference of the score in matched pairs, pairs resampled.

    Parameters
    ----------
    scores : Table
        The table that was matched.
    pairs : Match
    rng : numpy.random.Generator
    score : str, optional
        Default the headline. A galaxy counts with the mean over its views.
    n_bootstrap, confidence : int, float

    Returns
    -------
    Estimate
        Data set minus reference.
    """
    score = score or headline_score(scores)
    difference = mean_of_views(scores, pairs.first, score) - mean_of_views(scores, pairs.second, score)
    difference = difference[np.isfinite(difference)]
    if not difference.size:
        return Estimate(*4 * [np.nan])
    pairs, zero = (Clustered.of(values, np.arange(values.size)) for values in (difference, np.zeros(2)))
    return difference_of_means(pairs, zero, rng, n_bootstrap=n_bootstrap, confidence=confidence)


def mean_of_views(scores: Table, rows: np.ndarray, score: str) -> np.ndarray:
    """Mean finite score over all views of the galaxies of some rows, shape (len(rows),)."""
    codes = row_codes(scores, ["dataset", "galaxy_id"])
    values = np.asarray(scores[score], float)
    finite = np.isfinite(values)
    total = np.bincount(codes[finite], values[finite], minlength=codes.max() + 1)
    count = np.bincount(codes[finite], minlength=codes.max() + 1)
    with np.errstate(invalid="ignore"):
        return (total / count)[codes[rows]]


def compare_in_bins(
    scores: Table,
    reference: str,
    column: str,
    edges: Sequence[float],
    rng: np.random.Generator,
    *,
    score: str | None = None,
    n_bootstrap: int = 1000,
    least: int = 5,
) -> Table:
    """Difference of means to real galaxies in bins of a column.

    Parameters
    ----------
    scores, reference
        Score table and data set of real galaxies.
    column : str
    edges : sequence of float
        Increasing limits of the bins.
    rng : numpy.random.Generator
    score : str, optional
    n_bootstrap : int
    least : int
        Fewest galaxies of either sample for which a difference is given.

    Returns
    -------
    Table
        ``dataset``, ``low``, ``high``, ``n_galaxies``, ``n_reference``, ``delta_mean`` with ``_low``,
        ``_high``, ``_error``; NaN where galaxies are too few.
    """
    score = score or headline_score(scores)
    place = np.asarray(read_columns(scores, [column])[:, 0])
    finite = np.isfinite(np.asarray(scores[score], float))
    galaxy = galaxies_of(scores)
    rows = []
    for name in sorted(set(words_of(scores["dataset"])) - {reference}):
        for low, high in pairwise(edges):
            inside = (place >= low) & (place < high) & finite
            samples = [np.flatnonzero(reference_rows(scores, each) & inside) for each in (name, reference)]
            counts = [np.unique(galaxy[chosen]).size for chosen in samples]
            delta = Estimate(*4 * [np.nan])
            if min(counts) >= least:
                groups = [Clustered.of(np.asarray(scores[score])[c], galaxy[c]) for c in samples]
                delta = difference_of_means(*groups, rng, n_bootstrap=n_bootstrap)
            rows.append(
                {
                    "dataset": name,
                    "low": low,
                    "high": high,
                    "n_galaxies": counts[0],
                    "n_reference": counts[1],
                    "delta_mean": delta.value,
                    "delta_mean_low": delta.low,
                    "delta_mean_high": delta.high,
                    "delta_mean_error": delta.error,
                }
            )
    table = Table(rows=rows)
    table.meta = {"column": column, "reference": reference, "score": score}
    return table
