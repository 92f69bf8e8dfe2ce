"""Differences adjusted for nuisance properties."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from scipy.special import ndtr

from mocks.streams import stream
from simcompare.scores.nuisance import NuisanceModel, Terms, is_curved, read_columns, ridge
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import Estimate, percentile_interval
from simcompare.statistics.resampling import blocks, resampled_counts, resamples
from simcompare.statistics.significance import adjust_p_values

__all__ = ["adjusted_differences"]


def adjusted_differences(
    scores: Scores,
    seed: int,
    *,
    columns: Sequence[str] | None = None,
    n_bootstrap: int = 500,
    confidence: float = 0.95,
) -> Table:
    """Difference of every data set to real galaxies of equal nuisance, in the headline.

    The score of real galaxies is fitted as a function of the nuisances; the difference is the mean of a data
    set's scores minus what the fit gives for real galaxies at its own nuisances. Fit and mean are
    repeated in every resample of galaxies of both.

    Parameters
    ----------
    scores : Scores
        Of the reference only held-out rows are used.
    seed : int
        Each data set has a stream of its own.
    columns : sequence of str, optional
        Nuisances; default: magnitudes, sky noises, seeings and the half-light radius.
    n_bootstrap, confidence : int, float

    Returns
    -------
    Table
        ``dataset``, ``n_galaxies``, ``delta_plain``, ``delta_adjusted`` with ``_low``, ``_high``,
        ``_error``; ``p_value`` (normal), ``p_holm``; ``share_extrapolated``, galaxies beyond the 0.5 to 99.5
        percentiles of a nuisance of real galaxies, where the fit is a guess.
    """
    columns = list(columns or scores.nuisances)
    x, y = _galaxies(scores.reference_sample(), columns)
    if len(y) < 2 * (1 + 2 * len(columns)):
        raise ValueError(
            f"{len(y)} held-out real galaxies are too few to adjust for {len(columns)} nuisances; "
            "name fewer columns."
        )
    edges, model = np.percentile(x, [0.5, 99.5], axis=0), NuisanceModel.fit(x, y, curved=is_curved(columns))
    rows = []
    for name in scores.others:
        sample = scores.sample(name)
        if not len(sample):
            continue
        u, v = _galaxies(sample, columns)
        if not len(v):  # no image has both a score and nuisances
            continue
        value = float(np.mean(v - model.predict(u)))
        delta = Estimate(value, *3 * [np.nan])
        if len(v) > 1:
            resampled = _resampled_adjusted(
                model, (x, y), (u, v), stream(seed, name, "adjusted"), n_bootstrap
            )
            delta = percentile_interval(value, resampled, 0.5 - confidence / 2)
        rows.append(
            {
                "dataset": name,
                "n_galaxies": len(v),
                "delta_plain": float(v.mean() - y.mean()),
                **delta.columns("delta_adjusted"),
                "p_value": float(_two_sided(value / delta.error)) if delta.error > 0 else np.nan,
                "share_extrapolated": float(np.mean(((u < edges[0]) | (u > edges[1])).any(axis=1))),
            }
        )
    table = Table(rows=rows)
    table["p_holm"] = adjust_p_values(table["p_value"])
    table.meta = {
        "reference": scores.reference,
        "score": scores.headline,
        "columns": columns,
        "n_bootstrap": n_bootstrap,
    }
    return table


def _two_sided(z: float) -> float:
    """Two-sided p-value of a normal deviate."""
    return 2 * ndtr(-abs(z))


def _resampled_adjusted(
    model: NuisanceModel, real: tuple, ours: tuple, rng: np.random.Generator, n_bootstrap: int
) -> np.ndarray:
    """Repeat fit and difference in resamples of both samples, each its nuisances and scores."""
    (x, y), (u, v) = real, ours
    terms, own = (Terms(each, model.basis) for each in (x, u))
    fits = np.array([ridge(terms, y, counts.astype(float)) for counts in resamples(len(y), n_bootstrap, rng)])
    resampled, done = [], 0
    for n in blocks(n_bootstrap, len(v)):
        counts = resampled_counts(len(v), n, rng).astype(float)
        sums = sum(counts[:, rows] @ part for rows, part in own)
        expected = np.einsum("bt,bt->b", sums, fits[done : done + n])
        resampled.append((counts @ v - expected) / len(v))
        done += n
    return np.concatenate(resampled)


def _galaxies(scores: Scores, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Nuisances and headline, one row per galaxy with all of them finite."""
    values = [read_columns(scores, [name])[:, 0] for name in (*columns, scores.headline)]
    finite = np.all([np.isfinite(each) for each in values], axis=0)
    codes = np.unique(scores.galaxies[finite], return_inverse=True)[1]
    counts = np.bincount(codes)
    *nuisances, means = (np.bincount(codes, each[finite]) / counts for each in values)
    return np.stack(nuisances, axis=1), means
