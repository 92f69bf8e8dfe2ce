"""Does the answer survive another seed, pixel transform, part of the box, or half of the training set."""

from collections.abc import Mapping

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.scores.table import galaxies_of, headline_score, reference_rows
from simcompare.scores.text_column import words_of
from simcompare.statistics.two_sample import Clustered, difference_of_means

__all__ = ["clustered_sample", "model_null", "order_agreement", "stability"]


def stability(
    variants: Mapping[str, Table],
    reference: str,
    seed: int,
    *,
    score: str | None = None,
    n_bootstrap: int = 1000,
) -> Table:
    """Repeat the headline difference under several models of the same kind.

    Parameters
    ----------
    variants : mapping of str to Table
        Score tables of the same data sets by name of the variant: training seeds, pixel transforms, flows
        trained on disjoint halves of the real galaxies.
    reference : str
        Data set of real galaxies.
    seed : int
        The same galaxies are drawn for every variant, so that their differences are not noise.
    score : str, optional
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``variant``, ``delta_mean`` with ``_low``, ``_high``, ``_error``, ``rank`` (1: least
        absolute difference within the variant, simulations only, 0 for controls). ``meta["scatter"]``:
        standard deviation over variants of each data set's difference [nats]; ``meta["agreement"]``, see
        `order_agreement`; ``meta["order_changes"]``: whether the order of simulations depends on the variant.

    Raises
    ------
    ValueError
        When there are fewer than two variants or they hold other data sets.
    """
    if len(variants) < 2:
        raise ValueError(f"stability needs at least two variants, found {', '.join(variants) or 'none'}.")
    names = {key: frozenset(np.asarray(table["dataset"]).tolist()) for key, table in variants.items()}
    first = next(iter(names.values()))
    for key, found in names.items():
        if found != first:
            raise ValueError(f"variant {key!r} differs in the data sets {', '.join(sorted(found ^ first))}.")
    rows = []
    for key, table in variants.items():
        column = score or headline_score(table)
        real = clustered_sample(table, reference, column)
        deltas = {
            name: difference_of_means(
                clustered_sample(table, name, column),
                real,
                stream(seed, name, "stability"),
                n_bootstrap=n_bootstrap,
            )
            for name in sorted(first - {reference})
        }
        simulated = [name for name in deltas if _kind(table, name) == "simulated"]
        order = sorted(simulated, key=lambda name: abs(deltas[name].value))
        rows += [
            {
                "dataset": name,
                "variant": key,
                "delta_mean": delta.value,
                "delta_mean_low": delta.low,
                "delta_mean_high": delta.high,
                "delta_mean_error": delta.error,
                "rank": order.index(name) + 1 if name in order else 0,
            }
            for name, delta in deltas.items()
        ]
    result = Table(rows=rows)
    ranks = {key: _ranks_of(result, key) for key in variants}
    scatter = {
        name: float(np.std(result["delta_mean"][result["dataset"] == name], ddof=1))
        for name in sorted(first - {reference})
    }
    result.meta = {
        "reference": reference,
        "scatter": scatter,
        "agreement": order_agreement(np.array(list(ranks.values()))),
        "order_changes": len({tuple(rank) for rank in ranks.values()}) > 1,
    }
    return result


def _kind(table: Table, dataset: str) -> str:
    """Kind of a data set, simulated where the table does not say."""
    if "kind" not in table.colnames:
        return "simulated"
    return str(table["kind"][np.asarray(table["dataset"]) == dataset][0])


def clustered_sample(table: Table, dataset: str, column: str) -> Clustered:
    """Scores of the usable rows of a data set."""
    rows = reference_rows(table, dataset)
    return Clustered.of(np.asarray(table[column], float)[rows], galaxies_of(table)[rows])


def _ranks_of(result: Table, variant: str) -> list[int]:
    """Ranks of the simulations in one variant, in order of their names."""
    rows = result[(np.asarray(result["variant"]) == variant) & (np.asarray(result["rank"]) > 0)]
    rows.sort("dataset")
    return [int(rank) for rank in rows["rank"]]


def order_agreement(ranks: np.ndarray) -> float:
    """Kendall's coefficient of concordance of several rankings.

    Parameters
    ----------
    ranks : ndarray, shape (n_rankings, n_items)

    Returns
    -------
    float
        1 when all rank alike, about 0 for random orders; NaN for fewer than two items.
    """
    n_rankings, n_items = ranks.shape
    if n_items < 2:
        return np.nan
    total = ranks.sum(axis=0)
    deviation = ((total - total.mean()) ** 2).sum()
    return float(12 * deviation / (n_rankings**2 * (n_items**3 - n_items)))


def model_null(first: Table, second: Table, reference: str, seed: int, *, n_bootstrap: int = 1000) -> Table:
    """Difference between two flows trained on disjoint halves of the real galaxies.

    Parameters
    ----------
    first, second : Table
        Scores of the same images under the two flows.
    reference : str
    seed : int
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``n_galaxies``, ``mean_difference`` of log_prob (first minus second) with ``_low``,
        ``_high``; ``scatter`` over galaxies; ``correlation`` of the two log_prob. For held-out real galaxies
        the mean should be consistent with zero: what it is not is the price of finite training.

    Raises
    ------
    ValueError
        When the tables do not hold the same images in the same order.
    """
    keys = ["dataset", "galaxy_id"]
    if len(first) != len(second) or any(np.any(first[key] != second[key]) for key in keys):
        raise ValueError(
            "the two score tables do not hold the same images in the same order; score one set twice."
        )
    gap = np.asarray(first["log_prob"], float) - np.asarray(second["log_prob"], float)
    rows = []
    for name in sorted(words_of(first["dataset"]), key=lambda name: (name != reference, name)):
        chosen = reference_rows(first, name) & np.isfinite(gap)
        if not chosen.any():
            continue
        sample = Clustered.of(gap[chosen], galaxies_of(first)[chosen])
        zero = Clustered.of(np.zeros(2), np.arange(2))
        mean = difference_of_means(sample, zero, stream(seed, name, "models"), n_bootstrap=n_bootstrap)
        pair = [np.asarray(table["log_prob"], float)[chosen] for table in (first, second)]
        rows.append(
            {
                "dataset": name,
                "n_galaxies": sample.n_galaxies,
                "mean_difference": mean.value,
                "mean_difference_low": mean.low,
                "mean_difference_high": mean.high,
                "scatter": float(sample.means.std(ddof=1)) if sample.n_galaxies > 1 else np.nan,
                "correlation": float(np.corrcoef(*pair)[0, 1]) if chosen.sum() > 2 else np.nan,
            }
        )
    return Table(rows=rows)
