"""Whether samples lie where the other one has members: precision and recall, each with an exact test."""

from collections.abc import Iterator

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from simcompare.statistics.feature_tests import AT_ONCE, LARGEST_SQUARE, Sample, TestResult, distances, subset

__all__ = ["coverage_tests", "nearest_test"]

NEIGHBOURS = 5


def coverage_tests(
    first: Sample, second: Sample, rng: np.random.Generator, *, neighbours: int = NEIGHBOURS
) -> list[TestResult]:
    """Share of each sample that lies where the other one has members, compared with that sample's own share.

    One half of a sample marks where it has members; the share of the other sample inside is compared with
    that of the other half. Given the first half, galaxies of both are exchangeable where the samples are
    equal, so that Fisher's test of the two shares is exact.

    Parameters
    ----------
    first, second : Rows or ndarray, shape (n, d) and (m, d)
        Standardised features of simulated and of real galaxies.
    rng : numpy.random.Generator
    neighbours : int
        A member occupies the ball that reaches its k-th nearest fellow.

    Returns
    -------
    list of TestResult
        ``simulated inside real`` and ``real inside simulated``, with Wilson's interval; the note says the
        share that is expected of equal samples. A sample of which one half holds no more than
        ``neighbours`` rows marks nothing: then its test is missing.

    References
    ----------
    Kynkaanniemi et al. 2019, arXiv:1904.06991 (precision and recall).
    """
    some = [subset(rows, LARGEST_SQUARE, rng) for rows in (first, second)]
    results = []
    for name, points, own, label in (
        ("simulated inside real", some[0], some[1], "real inside real"),
        ("real inside simulated", some[1], some[0], "simulated inside simulated"),
    ):
        order = rng.permutation(len(own))
        members, rest = own[order[: len(own) // 2]], own[order[len(own) // 2 :]]
        if len(members) <= neighbours:
            continue
        tree = cKDTree(members)
        reach = tree.query(members, k=neighbours + 1)[0][:, -1]
        inside = [_inside(each, members, reach) for each in (points, rest)]
        counts = [[each.sum(), (~each).sum()] for each in inside]
        interval = stats.binomtest(int(inside[0].sum()), len(points)).proportion_ci(method="wilson")
        results.append(
            TestResult(
                name,
                float(inside[0].mean()),
                float(interval.low),
                float(interval.high),
                float(stats.fisher_exact(counts).pvalue),
                np.nan,
                len(some[0]),
                len(some[1]),
                f"{label}: {inside[1].mean():.2f}",
            )
        )
    return results


def _inside(points: np.ndarray, members: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Whether each point lies in the ball of a member."""
    return np.concatenate([(each <= reach).any(axis=1) for _, each in distances(points, members)])


def nearest_test(first: Sample, second: Sample, known: cKDTree) -> TestResult:
    """Whether a sample lies as near to real galaxies, of which none is tested, as other real ones do.

    Parameters
    ----------
    first, second : Rows or ndarray, shape (n, d) and (m, d)
        Standardised features of simulated and of held-out real galaxies.
    known : cKDTree
        Of real galaxies that a model has learned from, in the same coordinates.

    Returns
    -------
    TestResult
        ``near real galaxies``: share of the first no farther from the nearest than 95 % of the second, with
        Wilson's interval; p-value of equal distances (Mann-Whitney).
    """
    ours, real = (
        np.concatenate([known.query(block)[0] for block in _blocks(sample)]) for sample in (first, second)
    )
    near = ours <= np.quantile(real, 0.95)
    interval = stats.binomtest(int(near.sum()), len(near)).proportion_ci(method="wilson")
    p_value = float(stats.mannwhitneyu(ours, real).pvalue) if np.ptp([*ours, *real]) > 0 else 1.0
    ends = float(interval.low), float(interval.high)
    return TestResult(
        "near real galaxies", float(near.mean()), *ends, p_value, np.nan, len(ours), len(real), "real: 0.95"
    )


def _blocks(sample: Sample) -> Iterator[np.ndarray]:
    """Rows some at a time."""
    for start in range(0, len(sample), AT_ONCE):
        yield sample[start : start + AT_ONCE]
