"""Tables beside the headline: at fixed nuisance, matched, typical, and in other spaces."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.comparison import headline_score, nuisance_columns
from simcompare.features import compare_features, morphology_features
from simcompare.matching import match, matched_difference
from simcompare.nuisance import adjusted_differences
from simcompare.typicality import add_typicality, batch_typicality

__all__ = ["FurtherTable", "further_tables", "match_all"]

logger = logging.getLogger(__name__)

_DELTA = tuple(f"delta_matched{end}" for end in ("", "_low", "_high", "_error"))
_UNKNOWN = (*_DELTA, "imbalance_before", "imbalance_after")


@dataclass(frozen=True, eq=False)
class FurtherTable:
    """One table of the report.

    Parameters
    ----------
    name : str
        File name without ending.
    title, note : str
        What it is, and how to read it or why it is empty.
    table : Table or None
        None where it could not be made; `note` says why.
    """

    name: str
    title: str
    note: str
    table: Table | None


def further_tables(
    scores: Table,
    reference: str,
    seed: int,
    *,
    spaces: Mapping[str, np.ndarray] | None = None,
    match_in: tuple[str, ...] | None = None,
    n_bootstrap: int = 500,
) -> list[FurtherTable]:
    """Make every table that the scores allow.

    Parameters
    ----------
    scores : Table
        Score table of all data sets.
    reference : str
        Data set of real galaxies.
    seed : int
    spaces : mapping of str to ndarray, shape (len(scores), d), optional
        Features for the two-sample tests besides the shape measurements of the catalogue.
    match_in : tuple of str, optional
        Columns of the matched samples; default: nuisances that vary in the reference.
    n_bootstrap : int

    Returns
    -------
    list of FurtherTable
        In the order of the report. A table that the data do not allow has its reason in `note`.
    """
    columns = _usable(scores, reference)
    match_in = match_in or tuple(columns)
    rng = {name: stream(seed, "analysis", name) for name in ("adjusted", "typical", "batch")}

    def typical() -> Table:
        marked = add_typicality(scores, reference, rng["typical"], columns=columns)
        return batch_typicality(marked, reference, rng["batch"])

    def in_spaces() -> Table:
        found = dict(spaces or {})
        if not found:
            found["morphology"] = morphology_features(scores)[0]
        return compare_features(scores, reference, found, seed)

    jobs: list[tuple[str, str, str, Callable[[], Table]]] = [
        (
            "adjusted", "Difference at equal nuisance",
            f"Score of real galaxies fitted as a function of {', '.join(columns)}; data set minus fit, nats.",
            lambda: adjusted_differences(
                scores, reference, rng["adjusted"], columns=columns, n_bootstrap=n_bootstrap
            ),
        ),
        (
            "matched", "Matched samples",
            f"Each galaxy paired with a real one in {', '.join(match_in)}; imbalance is the largest "
            "difference of means in real standard deviations, below 0.1 is customary.",
            lambda: match_all(scores, reference, match_in, seed, n_bootstrap=n_bootstrap),
        ),
        (
            "typicality", "Typicality of whole data sets",
            "Mean standardised residual among real galaxies of like nuisance, and the share of images with a "
            "two-sided p-value below 0.05 (0.05 expected).", typical,
        ),
        (
            "features", "Tests without a likelihood",
            "One view per galaxy. Above null_95 the samples differ; the reference's halves are the null.",
            in_spaces,
        ),
    ]  # fmt: skip
    tables = []
    for name, title, note, make in jobs:
        try:
            tables.append(FurtherTable(name, title, note, make()))
        except ValueError as error:
            logger.warning("no table '%s': %s", name, error)
            tables.append(FurtherTable(name, title, f"Not made: {error}", None))
    return tables


def _usable(scores: Table, reference: str) -> list[str]:
    """Nuisances that are finite and vary among real galaxies and are known of every data set."""
    dataset = np.asarray(scores["dataset"])
    usable = []
    for name in nuisance_columns(scores):
        values = np.asarray(scores[name], float)
        real = values[(dataset == reference) & np.isfinite(values)]
        known = all(np.isfinite(values[dataset == each]).any() for each in set(dataset.tolist()))
        if known and real.size > 1 and np.ptp(real) > 0:
            usable.append(name)
    return usable


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
    for name in sorted(set(np.asarray(scores["dataset"]).tolist()) - {reference}):
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
            score=headline_score(scores),
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
