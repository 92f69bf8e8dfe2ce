"""The middle of every score of every data set, and how far it is from that of real galaxies."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from scipy import stats

from mocks.streams import stream
from simcompare.scores.columns import Use, column_of, derived_columns, names_for
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import UNKNOWN, Estimate
from simcompare.statistics.means import Clustered, difference_of_means

__all__ = ["every_score", "score_columns"]


def score_columns(form: Scores) -> list[str]:
    """Columns that `every_score` reads: scores, and what scores are made of.

    Parameters
    ----------
    form : Scores
        Rows are not needed.
    """
    derived = derived_columns(form.colnames).values()
    needs = [name for column in derived if column.uses & Use.SCORE for name in column.needs]
    return [*names_for(Use.SCORE, form.colnames), *needs]


def every_score(scores: Scores, seed: int, *, n_bootstrap: int = 500, confidence: float = 0.95) -> Table:
    """Summarise each score in the held-out galaxies of each data set.

    Parameters
    ----------
    scores : Scores
        Scores are the columns that `simcompare.scores.columns.COLUMNS` lists with ``Use.SCORE``.
    seed : int
        Each data set and score has its own stream.
    n_bootstrap, confidence : int, float

    Returns
    -------
    Table
        One row for each score and data set, the reference first: ``column``, ``score`` (its label), ``unit``,
        ``dataset``, ``n_galaxies``; ``median`` of the means of galaxies over their views, with the exact
        interval of order statistics [1]_; ``delta_mean``, mean minus that of the reference, with the interval
        of `simcompare.statistics.means.difference_of_means`. Scores that are nowhere finite have no row.

    References
    ----------
    .. [1] Conover 1999, Practical Nonparametric Statistics, section 3.2.
    """
    scores, reference = scores.derived(), scores.named_reference
    names = [reference, *(name for name in scores.in_order if name != reference)]
    rows = []
    for column in names_for(Use.SCORE, scores.colnames):
        samples = _samples(scores, column, names)
        known = column_of(column)
        for name, sample in samples.items():
            row = {"column": column, "score": known.label, "unit": known.unit, "dataset": name}
            row |= {"n_galaxies": sample.n_galaxies} | _median(sample.means, confidence).columns("median")
            delta = UNKNOWN
            if name != reference and reference in samples:
                rng = stream(seed, "every score", column, name)
                settings = {"n_bootstrap": n_bootstrap, "confidence": confidence}
                delta = difference_of_means(sample, samples[reference], rng, **settings)
            rows.append(row | delta.columns("delta_mean"))
    if not rows:
        raise ValueError("no score is finite.")
    table = Table(rows=rows)
    table.remove_column("median_error")
    return table


def _samples(scores: Scores, column: str, names: Sequence[str]) -> dict[str, Clustered]:
    """Held-out values of a column by data set, of those that have a finite one."""
    finite = np.isfinite(scores.numbers(column))
    kept = [name for name in names if (scores.held_out(name) & finite).any()]
    return {name: scores.clustered(name, column) for name in kept}


def _median(values: np.ndarray, confidence: float) -> Estimate:
    """Median with its interval; without one where the galaxies are too few."""
    ends = stats.quantile_test(values).confidence_interval(confidence)
    return Estimate(float(np.median(values)), float(ends.low), float(ends.high), np.nan)
