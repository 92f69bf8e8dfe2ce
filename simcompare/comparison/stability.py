"""Does the answer survive another seed, pixel transform, part of the box, or half of the training set."""

from collections.abc import Callable, Mapping

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.scores.structure import Structure
from simcompare.statistics.intervals import Estimate
from simcompare.statistics.means import Clustered, difference_of_means, mean_of

__all__ = ["fraction_stability", "model_null", "order_agreement", "stability"]


def fraction_stability(variants: Mapping[str, Scores], structures: Mapping[str, Structure]) -> Table:
    """Repeat the structure fraction under several models of the same kind.

    Parameters
    ----------
    variants : mapping of str to Scores
        Of the same data sets by name of the variant.
    structures : mapping of str to Structure
        Learned from the real galaxies and their twins under the same variant.

    Returns
    -------
    Table
        As of `stability`, with ``structure_fraction`` and its interval in place of ``delta_mean``; rank 1 is
        nearest to 1, and ``meta["scatter"]`` is that of the fraction.

    Raises
    ------
    ValueError
        As `stability`.
    """

    def of(key: str, name: str) -> Estimate:
        test = structures[key].test(variants[key].sample(name))
        return Estimate(test.fraction, test.low, test.high, test.error)

    return _repeated(variants, of, "structure_fraction", centre=1.0)


def stability(variants: Mapping[str, Scores], seed: int, *, n_bootstrap: int = 1000) -> Table:
    """Repeat the difference of the mean score under several models of the same kind.

    Parameters
    ----------
    variants : mapping of str to Scores
        Of the same data sets by name of the variant: training seeds, pixel transforms, flows trained on
        disjoint halves of the real galaxies.
    seed : int
        The same galaxies are drawn for every variant, so that their differences are not noise.
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

    def of(key: str, name: str) -> Estimate:
        scores = variants[key]
        pair = (scores.clustered(each) for each in (name, scores.named_reference))
        return difference_of_means(*pair, stream(seed, name, "stability"), n_bootstrap=n_bootstrap)

    return _repeated(variants, of, "delta_mean")


def _repeated(
    variants: Mapping[str, Scores],
    of: Callable[[str, str], Estimate],
    column: str,
    *,
    centre: float = 0.0,
) -> Table:
    """Table of one estimate of every data set under every variant, ranked by the distance from a value."""
    if len(variants) < 2:
        raise ValueError(f"stability needs at least two variants, found {', '.join(variants) or 'none'}.")
    first = next(iter(variants.values()))
    for key, scores in variants.items():
        if odd := set(scores.datasets) ^ set(first.datasets):
            raise ValueError(f"variant {key!r} differs in the data sets {', '.join(sorted(odd))}.")
    rows = []
    for key, scores in variants.items():
        estimates = {name: of(key, name) for name in scores.others}
        simulated = [name for name in scores.of_kind(Kind.SIMULATED) if name in estimates]
        order = sorted(simulated, key=lambda name: abs(estimates[name].value - centre))
        rows += [
            {
                "dataset": name,
                "variant": key,
                **each.columns(column),
                "rank": order.index(name) + 1 if name in order else 0,
            }
            for name, each in estimates.items()
        ]
    result = Table(rows=rows)
    ranks = {key: _ranks_of(result, key) for key in variants}
    scatter = {
        name: float(np.std(result[column][result["dataset"] == name], ddof=1)) for name in first.others
    }
    result.meta = {
        "reference": first.reference,
        "scatter": scatter,
        "agreement": order_agreement(np.array(list(ranks.values()))),
        "order_changes": len({tuple(rank) for rank in ranks.values()}) > 1,
    }
    return result


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


def model_null(first: Scores, second: Scores, seed: int, *, n_bootstrap: int = 1000) -> Table:
    """Difference between two flows trained on disjoint halves of the real galaxies.

    Parameters
    ----------
    first, second : Scores
        Of the same images under the two flows.
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
        When the two do not hold the same images in the same order.
    """
    keys = ["dataset", "galaxy_id"]
    if len(first) != len(second) or any(np.any(first[key] != second[key]) for key in keys):
        raise ValueError(
            "the two do not hold scores of the same images in the same order; score one set twice."
        )
    pair = [scores.numbers("log_prob") for scores in (first, second)]
    gap = pair[0] - pair[1]
    rows = []
    for name in sorted(first.datasets, key=lambda name: (name != first.named_reference, name)):
        chosen = first.held_out(name) & np.isfinite(gap)
        if not chosen.any():
            continue
        sample = Clustered.of(gap[chosen], first.galaxies[chosen])
        mean = mean_of(sample, stream(seed, name, "models"), n_bootstrap=n_bootstrap)
        rows.append(
            {
                "dataset": name,
                "n_galaxies": sample.n_galaxies,
                "mean_difference": mean.value,
                "mean_difference_low": mean.low,
                "mean_difference_high": mean.high,
                "scatter": float(sample.means.std(ddof=1)) if sample.n_galaxies > 1 else np.nan,
                "correlation": _correlation(*(values[chosen] for values in pair)),
            }
        )
    return Table(rows=rows)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1]) if first.size > 2 else np.nan
