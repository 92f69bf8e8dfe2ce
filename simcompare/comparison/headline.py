"""From scores to an answer: one row per data set, best first, with errors and doubts."""

import logging
from collections.abc import Sequence

import numpy as np
from astropy.table import Table, hstack
from scipy import stats

from mocks.streams import stream
from simcompare.comparison.structure import UNRANKED, half_row, structure_rows, with_verdicts
from simcompare.comparison.views import unlike_views
from simcompare.kinds import Kind
from simcompare.scores.columns import in_words
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import UNKNOWN, Estimate
from simcompare.statistics.means import difference_of_means
from simcompare.statistics.permutation import permuted_difference
from simcompare.statistics.resampling import blocks
from simcompare.statistics.significance import adjust_p_values, detectable_difference, trend
from simcompare.statistics.two_sample import two_sample

__all__ = [
    "compare",
    "null_splits",
    "real_halves",
    "split_differences",
    "trend_of",
]

logger = logging.getLogger(__name__)

FEW_GALAXIES = 5
MOST_OUTSIDE = 0.05  # tolerated share of images outside the training range
RAISED = 0.02  # rate of each of four cautions for data sets like the reference; of any of them 5 to 10 %
NUISANCE_SHIFT = 0.25  # tolerated difference of medians, in half the reference's 16-84 % range
EXPECTED_OUTSIDE = 0.08  # share of real galaxies beyond the edges of two conditions, 2 % at each of four
PERCENTILES = {"0p15": 0.15, "2p5": 2.5, "97p5": 97.5, "99p85": 99.85}


def compare(
    scores: Scores,
    rng: np.random.Generator,
    *,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
    conditions: Sequence[str] = (),
) -> Table:
    """Compare every data set with held-out real galaxies: its structure, and the mean of its score.

    Parameters
    ----------
    scores : Scores
        Of all data sets, see `simcompare.scores.joining.stack_scores`. Of the reference only held-out rows
        (split "test") are used.
    rng : numpy.random.Generator
        Draws the bootstrap and the halves of the null; one number is taken from it, so that the result
        for one data set does not depend on which others are there.
    n_bootstrap : int
        Resamples of galaxies.
    confidence : float
        Coverage of the intervals.
    conditions : sequence of str
        What real galaxies are to be equal in beside signal-to-noise and resolution: columns, or differences
        of two, as "redshift" and "mag_g-mag_r".

    Returns
    -------
    Table
        One row per data set, that with a structure fraction nearest to 1 first; those outside the reference's
        range, and single galaxies, after the others; then the controls; last the null: one random half of
        the reference against the other. Columns: ``n_images``, ``n_galaxies``; the headline, those of
        `simcompare.comparison.structure.structure_rows` with ``structure_p_holm`` and ``verdict``;
        ``delta_mean``, with the interval and ``p_value`` of a permutation test, and the other statistics of
        `simcompare.statistics.two_sample.two_sample`, each with ``_low``, ``_high``, ``_error``; ``p_holm``
        of ``p_value``; ``min_detectable`` at 80 % power; ``fraction_below_<q>`` and ``fraction_above_<q>``
        the percentiles of the reference; ``delta_log_prob`` with its interval; ``caution``, empty where there
        is no doubt.

    Raises
    ------
    ValueError
        When columns are missing, ids are repeated, the reference is absent or has no held-out galaxy, or a
        data set has no finite score.
    """
    _check(scores)
    seed = int(rng.integers(2**62))
    settings = {"n_bootstrap": n_bootstrap, "confidence": confidence}
    truth = scores.reference_sample()
    rows, names = [], []
    for name in scores.others:
        sample = scores.sample(name)
        if len(sample) == 0:
            logger.warning("%s has no held-out image; it is left out of the comparison", name)
            continue
        rows.append(_row(name, sample, truth, stream(seed, name, "bootstrap"), settings))
        names.append(name)
    structure, about = structure_rows(scores, names, seed, confidence, conditions)
    first, second = real_halves(truth, stream(seed, "halves"))
    if len(first) and len(second):
        name = f"{scores.reference} (half)"
        null = _row(name, first, second, stream(seed, "null", "bootstrap"), settings)
        rows.append(null | {"kind": Kind.NULL})
        structure.add_row(half_row(scores, first, seed, confidence, conditions))
    table = with_verdicts(hstack([Table(rows=rows), structure]))
    table = _ordered(_cautioned(table, about, unlike_views(scores, names)))
    claims = np.asarray(table["kind"]) == Kind.SIMULATED
    table["p_holm"] = adjust_p_values(np.where(claims, table["p_value"], np.nan))
    for name in _nats(table):
        table[name].description = "natural logarithm, nats per image"
    table.meta = {
        "schema": "simcompare.comparison/1",
        "reference": scores.reference,
        "score": scores.headline,
        "confidence": confidence,
        "n_bootstrap": n_bootstrap,
        "n_reference_images": len(truth),
        "n_reference_galaxies": truth.n_galaxies,
        "null": null_splits(truth, stream(seed, "splits")),
        "structure": about,
        **{key: scores.meta[key] for key in ("survey", "bands", "preparation_hash") if key in scores.meta},
    }
    return table


def _check(scores: Scores) -> None:
    """Refuse scores that cannot be compared, with the reason."""
    missing = [name for name in ("dataset", "galaxy_id", "split", scores.headline) if name not in scores]
    if missing:
        raise ValueError(
            f"the scores lack {', '.join(missing)}; they have {', '.join(scores.colnames)}. "
            "Score image sets with simcompare, or add the columns."
        )
    names, reference = scores.datasets, scores.named_reference
    if reference not in names:
        raise ValueError(f"reference {reference!r} is not among the data sets: {', '.join(names)}.")
    keys = [name for name in ("dataset", "galaxy_id", "view", "orientation") if name in scores]
    codes = scores.row_codes(keys)
    repeated = np.bincount(codes) > 1
    if repeated.any():
        first = scores[np.flatnonzero(repeated[codes])[:1]]
        raise ValueError(
            f"{repeated.sum()} images appear more than once "
            f"(first: {', '.join(str(first[name][0]) for name in keys)}); "
            "score each image set once, or give views different numbers."
        )
    if not scores.held_out(reference).any():
        raise ValueError(
            f"reference {reference!r} has no held-out row (split 'test'); a model must be tested on galaxies "
            "that it was not trained on."
        )
    finite = np.isfinite(scores.numbers())
    for name in names:
        rows_of = scores.held_out(name)
        if rows_of.any() and not (rows_of & finite).any():
            raise ValueError(f"data set {name!r} has no finite {scores.headline} in {rows_of.sum()} images.")


def real_halves(truth: Scores, rng: np.random.Generator) -> tuple[Scores, Scores]:
    """Divide scores at random into two halves that share no galaxy.

    Parameters
    ----------
    truth : Scores
    rng : numpy.random.Generator
    """
    galaxy = truth.galaxies
    names = np.unique(galaxy)
    chosen = np.isin(galaxy, rng.permutation(names)[: len(names) // 2])
    return truth[chosen], truth[~chosen]


def null_splits(truth: Scores, rng: np.random.Generator, *, n_splits: int = 200) -> dict[str, float]:
    """Compare real galaxies with real galaxies in many random halves.

    Parameters
    ----------
    truth : Scores
        Held-out rows of the reference.
    rng : numpy.random.Generator
    n_splits : int
        Number of random divisions by galaxy.

    Returns
    -------
    dict
        ``n_splits``; ``delta_95``, the absolute difference of means that 95 % of the splits stay below
        [nats]; ``share_significant``, the share with p < 0.05 (expected 0.05); ``uniformity_p``, the
        Kolmogorov-Smirnov p-value of uniform p-values. NaN where there are fewer than four galaxies.
    """
    means = truth.clustered().means
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
    half, draws = means.size // 2, []
    for n in blocks(n_splits, means.size):
        shuffled = rng.permuted(np.tile(means, (n, 1)), axis=1)
        first, second = shuffled[:, :half], shuffled[:, half:]
        p_values = np.full(n, np.nan)
        if half > 1:
            p_values = stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue
        draws.append((first.mean(axis=1) - second.mean(axis=1), p_values))
    return tuple(map(np.concatenate, zip(*draws, strict=True)))


def _row(name: str, sample: Scores, truth: Scores, rng: np.random.Generator, settings: dict) -> dict:
    """One row of the comparison."""
    ours, real = sample.clustered(), truth.clustered()
    row = {
        "dataset": name,
        "kind": sample[:1].words("kind")[0] if "kind" in sample else Kind.SIMULATED,
        "n_images": len(sample),
        "n_galaxies": ours.n_galaxies,
        "n_not_finite": len(sample) - ours.values.size,
        "fraction_outside_domain": float(np.mean(_outside(sample))),
        "mean": float(ours.means.mean()),
        "median": float(np.median(ours.means)),
    }
    for key, estimate in two_sample(ours, real, rng, **settings).items():
        row |= estimate.columns(key)
    delta, row["p_value"] = permuted_difference(ours.means, real.means, rng, settings["confidence"])
    row |= delta.columns("delta_mean")
    row["min_detectable"] = detectable_difference(ours, real)
    values, weights = ours.values, ours.weights / ours.weights.sum()
    for label, percentile in PERCENTILES.items():
        limit = np.percentile(real.values, percentile)
        beyond = values < limit if percentile < 50 else values > limit
        row[f"fraction_{'below' if percentile < 50 else 'above'}_{label}"] = float(weights @ beyond)
    raw = UNKNOWN
    if sample.headline != "log_prob" and "log_prob" in sample:
        pair = (each.clustered(column="log_prob") for each in (sample, truth))
        raw = difference_of_means(*pair, rng, **settings)
    row |= raw.columns("delta_log_prob")
    row["caution"] = "; ".join(_cautions(sample, truth, row, raw))
    return row


def _outside(scores: Scores) -> np.ndarray:
    if "outside_domain" not in scores:
        return np.zeros(len(scores), bool)
    return scores["outside_domain"] > 0


def _cautions(sample: Scores, truth: Scores, row: dict, raw: Estimate) -> list[str]:
    """Reasons not to trust a row, in words."""
    doubts = []
    for count, whose in ((row["n_galaxies"], "this data set"), (truth.n_galaxies, "the reference")):
        if count == 1:
            doubts.append(f"a single galaxy in {whose}: no interval")
        elif count < FEW_GALAXIES:
            doubts.append(f"only {count} galaxies in {whose}")
    if row["n_not_finite"]:
        doubts.append(f"{row['n_not_finite']} scores are not finite and left out")
    n, n_real = row["n_galaxies"], truth.n_galaxies
    n_outside = int(np.rint(row["fraction_outside_domain"] * n))
    # Real galaxies may lie outside too, where a flow has learned from few fields.
    expected = min(max(MOST_OUTSIDE, float(_outside(truth).mean())), 0.99)
    chance = stats.betabinom.sf(n_outside - 1, n, expected * n_real, (1 - expected) * n_real)
    if n_outside and chance < RAISED:
        doubts.append(f"{row['fraction_outside_domain']:.0%} of images outside the model's training range")
    doubts += _unequal_nuisance(sample, truth)
    if sample.headline == "log_prob":
        doubts.append("no background model: a raw log-likelihood rewards smooth and faint images")
    elif (row["delta_mean_low"] > 0 and raw.high < 0) or (row["delta_mean_high"] < 0 and raw.low > 0):
        doubts.append("raw log-likelihood says the opposite")
    return doubts


def _unequal_nuisance(sample: Scores, truth: Scores) -> list[str]:
    """Nuisances in which a data set differs from the reference, in words."""
    unlike, p_values = [], []
    for name in truth.nuisances:
        ours, real = (each.clustered(column=name).means for each in (sample, truth))
        if not len(ours) or not len(real):
            continue
        low, middle, high = np.percentile(real, [16, 50, 84])
        spread = max(0.5 * (high - low), 1e-6 * abs(middle))
        is_large = abs(np.median(ours) - middle) > NUISANCE_SHIFT * spread
        unlike.append((is_large, f"{in_words([name])} {np.median(ours):.3g} (real {middle:.3g})"))
        p_values.append(stats.mannwhitneyu(ours, real).pvalue if np.ptp([*ours, *real]) > 0 else 1.0)
    # Chance alone raises it for one in twenty data sets like the reference.
    surprising = adjust_p_values(p_values) < RAISED
    unequal = [
        text for (is_large, text), is_odd in zip(unlike, surprising, strict=True) if is_large and is_odd
    ]
    return [f"medians differ from those of real galaxies: {', '.join(unequal)}"] if unequal else []


def _cautioned(table: Table, about: dict, views: dict[str, str]) -> Table:
    """Add the doubts that come from the structure score, and from views that simulations do not share."""
    texts = []
    # The edges are those of a finite reference: of another one more or fewer galaxies lie beyond.
    expected = 1 - (1 - EXPECTED_OUTSIDE) ** (len(about["conditions"]) / 2)
    a, b = expected * about["n_reference"], (1 - expected) * about["n_reference"]
    for row in table:
        doubts = [str(row["caution"])] if row["caution"] else []
        n = int(row["n_structure"])
        outside = int(np.rint(np.nan_to_num(row["share_extrapolated"]) * n))
        if outside and stats.betabinom.sf(outside - 1, n, a, b) < RAISED:
            doubts.append(
                f"{row['share_extrapolated']:.0%} of galaxies outside the brightness or size of real ones"
            )
        if row["surroundings_p"] < RAISED and row["kind"] == Kind.SIMULATED:
            doubts.append(
                f"the sky around galaxies differs from that of real images (p {row['surroundings_p']:.2g})"
            )
        doubts += filter(None, [views.get(str(row["dataset"]))])
        texts.append("; ".join(doubts))
    table["caution"] = texts
    return table


def _ordered(table: Table) -> Table:
    """Put simulations first, the nearest to real structure on top; then controls, then the null."""
    rank = {Kind.SIMULATED: 0, Kind.NULL: 2}
    kind = np.array([rank.get(kind, 1) for kind in table["kind"]])
    fraction = np.asarray(table["structure_fraction"], float)
    mean = np.abs(np.asarray(table["delta_mean"], float))
    distance = np.where(np.isfinite(fraction), np.abs(fraction - 1), mean)
    single = np.asarray(table["n_galaxies"]) < 2
    unranked = np.isin(np.asarray(table["verdict"]), UNRANKED) | single
    return table[np.lexsort((np.asarray(table["dataset"]), distance, single, unranked, kind))]


def _nats(table: Table) -> list[str]:
    stems = ("mean", "median", "delta_", "wasserstein", "min_detectable")
    return [name for name in table.colnames if name.startswith(stems)]


def trend_of(
    scores: Scores, order: Sequence[str], rng: np.random.Generator, *, n_bootstrap: int = 2000
) -> dict[str, float | Estimate | list[str]]:
    """Test whether generations of simulations approach higher scores in the stated order.

    Parameters
    ----------
    scores : Scores
    order : sequence of str
        Data sets, oldest first.
    rng : numpy.random.Generator
    n_bootstrap : int

    Returns
    -------
    dict
        `simcompare.statistics.significance.trend` and the ``order``.
    """
    unknown = [name for name in order if name not in scores.datasets]
    if unknown:
        raise ValueError(f"trend over unknown data sets {unknown}; there are {', '.join(scores.datasets)}.")
    samples = [scores.clustered(name) for name in order]
    return {"order": list(order), **trend(samples, rng, n_bootstrap=n_bootstrap)}
