"""Every data set against its matched real galaxies, against the others, and against its own volume."""

from itertools import combinations

import numpy as np
from astropy.table import Table, vstack
from scipy import stats

from mocks.streams import stream
from simcompare.comparison.matching import match, matched_difference, mean_of_views
from simcompare.scores.table import headline_score
from simcompare.scores.text_column import equals, words_of
from simcompare.statistics.intervals import Estimate
from simcompare.statistics.significance import adjust_p_values

__all__ = ["balance_all", "contrasts", "flat", "match_all", "simulations"]

_ENDS = ("", "_low", "_high", "_error")
_UNKNOWN = (*(f"delta_matched{end}" for end in _ENDS), "imbalance_before", "imbalance_after")


def match_all(
    scores: Table, reference: str, columns: tuple[str, ...], seed: int, *, n_bootstrap: int = 500
) -> Table:
    """Match every data set with real galaxies and give the differences.

    Parameters
    ----------
    scores, reference, seed
        As for `further_tables`.
    columns : tuple of str
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``n_pairs``, ``n_galaxies``, ``delta_matched`` with ``_low``, ``_high``, ``_error``,
        ``imbalance_before``, ``imbalance_after``, ``note``: why a data set could not be matched.
    """
    rows = []
    for name in sorted(set(words_of(scores["dataset"])) - {reference}):
        row = (
            {"dataset": name, "n_pairs": 0, "n_galaxies": 0} | dict.fromkeys(_UNKNOWN, np.nan) | {"note": ""}
        )
        try:
            pairs = match(scores, name, reference, columns)
        except ValueError as error:
            rows.append(row | {"note": str(error)})
            continue
        delta = matched_difference(
            scores,
            pairs,
            stream(seed, name, "matched"),
            n_bootstrap=n_bootstrap,
        )
        rows.append(
            row
            | {
                "n_pairs": len(pairs),
                "n_galaxies": pairs.n_first,
                "delta_matched": delta.value,
                "delta_matched_low": delta.low,
                "delta_matched_high": delta.high,
                "delta_matched_error": delta.error,
                "imbalance_before": float(np.abs(pairs.balance["difference_before"]).max()),
                "imbalance_after": float(np.abs(pairs.balance["difference_after"]).max()),
            }
        )
    table = Table(rows=rows)
    table.meta = {"columns": list(columns), "reference": reference}
    return table


def balance_all(scores: Table, reference: str, columns: tuple[str, ...]) -> Table:
    """Balance of every matched sample.

    Parameters
    ----------
    scores, reference, columns
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
    for name in _others(scores, reference):
        try:
            pairs = match(scores, name, reference, columns)
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


def _others(scores: Table, reference: str) -> list[str]:
    """Names of the data sets but the reference."""
    return sorted(set(words_of(scores["dataset"])) - {reference})


def simulations(scores: Table) -> list[str]:
    """Names of the simulations."""
    rows = equals(scores["kind"], "simulated") if "kind" in scores.colnames else slice(None)
    return words_of(scores["dataset"][rows])


def contrasts(scores: Table, columns: tuple[str, ...], seed: int, *, n_bootstrap: int = 500) -> Table:
    """Hold every two simulations against each other, in pairs of matched galaxies.

    Parameters
    ----------
    scores : Table
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
    names = simulations(scores)
    if len(names) < 2:
        raise ValueError(f"a contrast needs two simulations; found {', '.join(names) or 'none'}.")
    rows = []
    for first, second in combinations(names, 2):
        row = {"first": first, "second": second, "n_pairs": 0} | {f"delta{end}": np.nan for end in _ENDS}
        row |= {"p_value": np.nan, "note": ""}
        try:
            pairs = match(scores, first, second, columns)
        except ValueError as error:
            rows.append(row | {"note": str(error)})
            continue
        delta = matched_difference(
            scores, pairs, stream(seed, first, second, "contrast"), n_bootstrap=n_bootstrap
        )
        score = headline_score(scores)
        ours, theirs = (mean_of_views(scores, side, score) for side in (pairs.first, pairs.second))
        p_value = stats.ttest_rel(ours, theirs, nan_policy="omit").pvalue if len(pairs) > 1 else np.nan
        rows.append(row | {"n_pairs": len(pairs), **flat("delta", delta), "p_value": float(p_value)})
    table = Table(rows=rows)
    table["p_holm"] = adjust_p_values(table["p_value"])
    table.meta = {"columns": list(columns)}
    return table


def flat(name: str, estimate: Estimate) -> dict[str, float]:
    """Columns of one estimate."""
    values = (estimate.value, estimate.low, estimate.high, estimate.error)
    return {f"{name}{end}": value for end, value in zip(_ENDS, values, strict=True)}
