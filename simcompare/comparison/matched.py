"""Every data set against its matched real galaxies, against the others, and against its own volume."""

import numpy as np
from astropy.table import Table, vstack
from scipy import stats

from mocks.streams import stream
from simcompare.comparison.matching import match, matched_difference, mean_of_views
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import UNKNOWN
from simcompare.statistics.significance import adjust_p_values

__all__ = ["balance_all", "contrasts", "match_all"]


def match_all(scores: Scores, columns: tuple[str, ...], seed: int, *, n_bootstrap: int = 500) -> Table:
    """Match every data set with real galaxies and give the differences.

    Returns
    -------
    Table
        ``dataset``, ``n_pairs``, ``n_galaxies``, ``delta_matched`` with ``_low``, ``_high``, ``_error``,
        ``imbalance_before``, ``imbalance_after``, ``note``: why a data set could not be matched.
    """
    rows = []
    for name in scores.others:
        row = {"dataset": name, "n_pairs": 0, "n_galaxies": 0} | UNKNOWN.columns("delta_matched")
        row |= {"imbalance_before": np.nan, "imbalance_after": np.nan, "note": ""}
        try:
            pairs = match(scores, name, columns)
        except ValueError as error:
            rows.append(row | {"note": str(error)})
            continue
        delta = matched_difference(scores, pairs, stream(seed, name, "matched"), n_bootstrap=n_bootstrap)
        rows.append(
            row
            | {
                "n_pairs": len(pairs),
                "n_galaxies": pairs.n_first,
                **delta.columns("delta_matched"),
                "imbalance_before": float(np.abs(pairs.balance["difference_before"]).max()),
                "imbalance_after": float(np.abs(pairs.balance["difference_after"]).max()),
            }
        )
    table = Table(rows=rows)
    table.meta = {"columns": list(columns), "reference": scores.reference}
    return table


def balance_all(scores: Scores, columns: tuple[str, ...]) -> Table:
    """Balance of every matched sample.

    Parameters
    ----------
    scores, columns
        As for `match_all`.

    Returns
    -------
    Table
        `simcompare.comparison.matching.balance` of every data set that can be matched, with ``dataset``,
        ``n_pairs``.

    Raises
    ------
    ValueError
        When none can be matched.
    """
    tables, reasons = [], []
    for name in scores.others:
        try:
            pairs = match(scores, name, columns)
        except ValueError as error:
            reasons.append(str(error))
            continue
        table = pairs.balance.copy()
        table.add_column(np.full(len(table), name), name="dataset", index=0)
        table.add_column(np.full(len(table), len(pairs)), name="n_pairs", index=1)
        tables.append(table)
    if not tables:
        raise ValueError(reasons[0] if reasons else "there is one data set only.")
    return vstack(tables)


def contrasts(scores: Scores, columns: tuple[str, ...], seed: int, *, n_bootstrap: int = 500) -> Table:
    """Compare every two simulations with each other, in pairs of matched galaxies.

    Parameters
    ----------
    scores : Scores
    columns : tuple of str
        What galaxies are paired in.
    seed : int
    n_bootstrap : int

    Returns
    -------
    Table
        ``first``, ``second``, ``n_pairs``, ``delta`` (first minus second, nats) with ``_low``, ``_high``,
        ``_error``; ``p_value`` of Student's paired test and ``p_holm``; ``note``: why there are none.

    Raises
    ------
    ValueError
        When there are fewer than two simulations.
    """
    rows = []
    for first, second in scores.pairs_of_simulations():
        row = {"first": first, "second": second, "n_pairs": 0} | UNKNOWN.columns("delta")
        row |= {"p_value": np.nan, "note": ""}
        try:
            pairs = match(scores.with_reference(second), first, columns)
        except ValueError as error:
            rows.append(row | {"note": str(error)})
            continue
        delta = matched_difference(
            scores, pairs, stream(seed, first, second, "contrast"), n_bootstrap=n_bootstrap
        )
        ours, theirs = (mean_of_views(scores, side) for side in (pairs.first, pairs.second))
        p_value = stats.ttest_rel(ours, theirs, nan_policy="omit").pvalue if len(pairs) > 1 else np.nan
        rows.append(row | {"n_pairs": len(pairs), **delta.columns("delta"), "p_value": float(p_value)})
    table = Table(rows=rows)
    table["p_holm"] = adjust_p_values(table["p_value"])
    table.meta = {"columns": list(columns)}
    return table
