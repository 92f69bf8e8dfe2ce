"""From scores to an answer: one row per data set, best first, with errors and doubts."""

import logging
from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from scipy import stats

from mocks.streams import stream
from simcompare.scores.table import (
    galaxies_of,
    headline_score,
    nuisance_columns,
    reference_rows,
    row_codes,
    sample_rows,
)
from simcompare.scores.text_column import words_of
from simcompare.statistics.intervals import Estimate
from simcompare.statistics.resampling import blocks
from simcompare.statistics.significance import adjust_p_values, detectable_difference, trend, welch
from simcompare.statistics.two_sample import Clustered, difference_of_means, two_sample

__all__ = [
    "NULL_KIND",
    "compare",
    "null_splits",
    "real_halves",
    "split_differences",
    "trend_of",
]

logger = logging.getLogger(__name__)

NULL_KIND = "null"
FEW_GALAXIES = 5
MOST_OUTSIDE = 0.05  # share of images outside the model's training range that is let pass
NUISANCE_SHIFT = 0.25  # difference of medians, in half the reference's 16-84 % range, that is let pass
PERCENTILES = {"0p15": 0.15, "2p5": 2.5, "97p5": 97.5, "99p85": 99.85}


def compare(
    scores: Table,
    reference: str,
    rng: np.random.Generator,
    *,
    score: str | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> Table:
    """Hold every data set against held-out real galaxies.

    Parameters
    ----------
    scores : Table
        Score table of all data sets, see `stack_scores`.
    reference : str
        Data set of real galaxies. Only its held-out rows (split "test") are used.
    rng : numpy.random.Generator
        Draws the bootstrap and the halves of the null; one number is taken from it, so that the result
        for one data set does not depend on which others are there.
    score : str, optional
        Column to compare; default `headline_score`.
    n_bootstrap : int
        Resamples of galaxies.
    confidence : float
        Coverage of the intervals.

    Returns
    -------
    Table
        One row per data set, best (least absolute difference of the mean) first, single galaxies, which have
        no interval, after the others; then the controls; last
        the null: one random half of the reference against the other. Columns: ``n_images``,
        ``n_galaxies``, ``delta_mean`` and the other statistics of
        `simcompare.statistics.two_sample.two_sample`, each with ``_low``, ``_high``, ``_error``; ``p_value``
        and ``p_holm``; ``min_detectable`` at 80 % power; ``fraction_below_<q>`` and ``fraction_above_<q>``
        the percentiles of the reference; ``delta_log_prob`` with its interval; ``caution``, empty where there
        is no doubt.

    Raises
    ------
    ValueError
        When columns are missing, ids are repeated, the reference is absent or has no held-out galaxy, or a
        data set has no finite score.
    """
    score = score or headline_score(scores)
    _check(scores, reference, score)
    seed = int(rng.integers(2**62))
    settings = {"n_bootstrap": n_bootstrap, "confidence": confidence}
    truth = scores[sample_rows(scores, reference)]
    names = sorted(set(words_of(scores["dataset"])) - {reference})
    rows = []
    for name in names:
        sample = scores[sample_rows(scores, name)]
        if len(sample) == 0:
            logger.warning("%s has no held-out image; it is left out of the comparison", name)
            continue
        rows.append(_row(name, sample, truth, score, stream(seed, name, "bootstrap"), settings))
    first, second = real_halves(truth, stream(seed, "halves"))
    if len(first) and len(second):
        null = _row(f"{reference} (half)", first, second, score, stream(seed, "null", "bootstrap"), settings)
        rows.append(null | {"kind": NULL_KIND})
    table = _ordered(Table(rows=rows))
    claims = np.asarray(table["kind"]) == "simulated"
    table["p_holm"] = adjust_p_values(np.where(claims, table["p_value"], np.nan))
    for name in _nats(table):
        table[name].description = "natural logarithm, nats per image"
    table.meta = {
        "schema": "simcompare.comparison/1",
        "reference": reference,
        "score": score,
        "confidence": confidence,
        "n_bootstrap": n_bootstrap,
        "n_reference_images": len(truth),
        "n_reference_galaxies": int(np.unique(galaxies_of(truth)).size),
        "null": null_splits(truth, stream(seed, "splits"), score=score),
        **{key: scores.meta[key] for key in ("survey", "bands", "preparation_hash") if key in scores.meta},
    }
    return table


def _check(scores: Table, reference: str, score: str) -> None:
    """Refuse score tables that cannot be compared, with the reason."""
    missing = [name for name in ("dataset", "galaxy_id", "split", score) if name not in scores.colnames]
    if missing:
        raise ValueError(
            f"the score table lacks {', '.join(missing)}; it has {', '.join(scores.colnames)}. "
            "Score image sets with simcompare, or add the columns."
        )
    names = words_of(scores["dataset"])
    if reference not in names:
        raise ValueError(f"reference {reference!r} is not among the data sets: {', '.join(names)}.")
    keys = [name for name in ("dataset", "galaxy_id", "view", "orientation") if name in scores.colnames]
    codes = row_codes(scores, keys)
    repeated = np.bincount(codes) > 1
    if repeated.any():
        first = np.argmax(codes == np.argmax(repeated))
        raise ValueError(
            f"{repeated.sum()} images appear more than once "
            f"(first: {', '.join(str(scores[name][first]) for name in keys)}); "
            "score each image set once, or give views different numbers."
        )
    held_out = reference_rows(scores, reference)
    if not held_out.any():
        raise ValueError(
            f"reference {reference!r} has no held-out row (split 'test'); a model must be judged on galaxies "
            "that it has not learned."
        )
    finite = np.isfinite(np.asarray(scores[score], float))
    for name in names:
        rows_of = reference_rows(scores, name)
        if rows_of.any() and not (rows_of & finite).any():
            raise ValueError(f"data set {name!r} has no finite {score} in {rows_of.sum()} images.")


def real_halves(truth: Table, rng: np.random.Generator) -> tuple[Table, Table]:
    """Divide a table at random into two halves that share no galaxy.

    Parameters
    ----------
    truth : Table
        Rows with ``galaxy_id``.
    rng : numpy.random.Generator

    Returns
    -------
    tuple of two Table
    """
    galaxy = galaxies_of(truth)
    names = np.unique(galaxy)
    chosen = np.isin(galaxy, rng.permutation(names)[: len(names) // 2])
    return truth[chosen], truth[~chosen]


def null_splits(
    truth: Table, rng: np.random.Generator, *, score: str = "log_likelihood_ratio", n_splits: int = 200
) -> dict[str, float]:
    """Hold real galaxies against real galaxies in many random halves.

    Parameters
    ----------
    truth : Table
        Held-out rows of the reference.
    rng : numpy.random.Generator
    score : str
        Column compared.
    n_splits : int
        Number of random divisions by galaxy.

    Returns
    -------
    dict
        ``n_splits``; ``delta_95``, the absolute difference of means that 95 % of the splits stay below
        [nats]; ``share_significant``, the share with p < 0.05 (expected 0.05); ``uniformity_p``, the
        Kolmogorov-Smirnov p-value of uniform p-values. NaN where there are fewer than four galaxies.
    """
    means = _clustered(truth, score).means
    if means.size < 4:
        return {"n_splits": 0} | dict.fromkeys(("delta_95", "share_significant", "uniformity_p"), np.nan)
    delta, p_values = split_differences(means, rng, n_splits)
    return {
        "n_splits": n_splits,
        "delta_95": float(np.quantile(np.abs(delta), 0.95)),
        "share_significant": float(np.mean(p_values < 0.05)),
        "uniformity_p": float(stats.kstest(p_values, "uniform").pvalue),
    }


def split_differences(
    means: np.ndarray, rng: np.random.Generator, n_splits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divide galaxies at random into halves, many times.

    Parameters
    ----------
    means : ndarray, shape (n_galaxies,)
        Mean score of each, of two galaxies or more.
    rng : numpy.random.Generator
    n_splits : int

    Returns
    -------
    delta, p_value : ndarray, shape (n_splits,)
        Difference of the means of the halves, and its p-value, NaN for fewer than four galaxies.
    """
    half, found = means.size // 2, []
    for n in blocks(n_splits, means.size):
        shuffled = rng.permuted(np.tile(means, (n, 1)), axis=1)
        first, second = shuffled[:, :half], shuffled[:, half:]
        p_values = np.full(n, np.nan)
        if half > 1:
            p_values = stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue
        found.append((first.mean(axis=1) - second.mean(axis=1), p_values))
    return tuple(map(np.concatenate, zip(*found, strict=True)))


def _row(
    name: str, sample: Table, truth: Table, score: str, rng: np.random.Generator, settings: dict
) -> dict:
    """One row of the comparison."""
    ours, real = _clustered(sample, score), _clustered(truth, score)
    estimates = two_sample(ours, real, rng, **settings)
    row = {
        "dataset": name,
        "kind": str(sample["kind"][0]) if "kind" in sample.colnames else "simulated",
        "n_images": len(sample),
        "n_galaxies": ours.n_galaxies,
        "n_not_finite": len(sample) - ours.values.size,
        "fraction_outside_domain": float(np.mean(_outside(sample))),
        "mean": float(ours.means.mean()),
        "median": float(np.median(ours.means)),
    }
    for key, estimate in estimates.items():
        row |= _flat(key, estimate)
    row["p_value"] = welch(ours, real)
    row["min_detectable"] = detectable_difference(ours, real)
    values, weights = ours.values, ours.weights / ours.weights.sum()
    for label, percentile in PERCENTILES.items():
        limit = np.percentile(real.values, percentile)
        beyond = values < limit if percentile < 50 else values > limit
        row[f"fraction_{'below' if percentile < 50 else 'above'}_{label}"] = float(weights @ beyond)
    raw = Estimate(*4 * [np.nan])
    if score != "log_prob" and "log_prob" in sample.colnames:
        raw = difference_of_means(
            _clustered(sample, "log_prob"), _clustered(truth, "log_prob"), rng, **settings
        )
    row |= _flat("delta_log_prob", raw)
    row["caution"] = "; ".join(_cautions(sample, truth, row, score, raw))
    return row


def _clustered(table: Table, score: str) -> Clustered:
    return Clustered.of(np.asarray(table[score], float), galaxies_of(table))


def _flat(name: str, estimate: Estimate) -> dict[str, float]:
    return {
        name: estimate.value,
        f"{name}_low": estimate.low,
        f"{name}_high": estimate.high,
        f"{name}_error": estimate.error,
    }


def _outside(table: Table) -> np.ndarray:
    if "outside_domain" not in table.colnames:
        return np.zeros(len(table), bool)
    return np.asarray(table["outside_domain"]) > 0


def _cautions(sample: Table, truth: Table, row: dict, score: str, raw: Estimate) -> list[str]:
    """Reasons not to trust a row, in words."""
    doubts = []
    n_real = np.unique(galaxies_of(truth)).size
    for count, whose in ((row["n_galaxies"], "this data set"), (n_real, "the reference")):
        if count == 1:
            doubts.append(f"a single galaxy in {whose}: no interval")
        elif count < FEW_GALAXIES:
            doubts.append(f"only {count} galaxies in {whose}")
    if row["n_not_finite"]:
        doubts.append(f"{row['n_not_finite']} scores are not finite and left out")
    if row["fraction_outside_domain"] > MOST_OUTSIDE:
        doubts.append(f"{row['fraction_outside_domain']:.0%} of images outside the model's training range")
    doubts += _unequal_nuisance(sample, truth)
    if score == "log_prob":
        doubts.append("no background model: a raw log-likelihood rewards smooth and faint images")
    elif (row["delta_mean_low"] > 0 and raw.high < 0) or (row["delta_mean_high"] < 0 and raw.low > 0):
        doubts.append("raw log-likelihood says the opposite")
    if row["delta_mean_low"] > 0 and row["kind"] == "simulated":
        doubts.append("likelier than real galaxies, which is a defect too")
    return doubts


def _unequal_nuisance(sample: Table, truth: Table) -> list[str]:
    """Nuisances in which a data set differs from the reference, in words."""
    unequal = []
    for name in nuisance_columns(truth):
        ours, real = (np.asarray(table[name], float) for table in (sample, truth))
        ours, real = ours[np.isfinite(ours)], real[np.isfinite(real)]
        if not len(ours) or not len(real):
            continue
        low, middle, high = np.percentile(real, [16, 50, 84])
        spread = max(0.5 * (high - low), 1e-6 * abs(middle))
        if abs(np.median(ours) - middle) > NUISANCE_SHIFT * spread:
            unequal.append(f"{name} {np.median(ours):.3g} (real {middle:.3g})")
    return [f"unequal median nuisance: {', '.join(unequal)}"] if unequal else []


def _ordered(table: Table) -> Table:
    """Put simulations first, best on top, those without an interval below; then controls, then the null."""
    rank = {"simulated": 0, NULL_KIND: 2}
    kind = np.array([rank.get(kind, 1) for kind in table["kind"]])
    size = np.abs(np.asarray(table["delta_mean"], float))
    no_interval = ~np.isfinite(np.asarray(table["delta_mean_low"], float))
    return table[np.lexsort((np.asarray(table["dataset"]), size, no_interval, kind))]


def _nats(table: Table) -> list[str]:
    stems = ("mean", "median", "delta_", "wasserstein", "min_detectable")
    return [name for name in table.colnames if name.startswith(stems)]


def trend_of(
    scores: Table, order: Sequence[str], rng: np.random.Generator, *, n_bootstrap: int = 2000
) -> dict[str, float | Estimate | list[str]]:
    """Test whether generations of simulations approach higher scores in the stated order.

    Parameters
    ----------
    scores : Table
        Score table.
    order : sequence of str
        Data sets, oldest first.
    rng : numpy.random.Generator
    n_bootstrap : int

    Returns
    -------
    dict
        `simcompare.statistics.significance.trend` and the ``order``.
    """
    names = set(words_of(scores["dataset"]))
    unknown = [name for name in order if name not in names]
    if unknown:
        raise ValueError(f"trend over unknown data sets {unknown}; there are {', '.join(sorted(names))}.")
    score = headline_score(scores)
    samples = [_clustered(scores[sample_rows(scores, name)], score) for name in order]
    return {"order": list(order), **trend(samples, rng, n_bootstrap=n_bootstrap)}
