"""Differences adjusted for nuisance properties."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from scipy.special import ndtr

from simcompare.scores.nuisance import NuisanceModel, Terms, read_columns, ridge
from simcompare.scores.table import galaxies_of, headline_score, nuisance_columns, sample_rows
from simcompare.scores.text_column import words_of
from simcompare.statistics.resampling import blocks, resampled_counts, resamples
from simcompare.statistics.significance import adjust_p_values

__all__ = ["adjusted_differences"]


def adjusted_differences(
    scores: Table,
    reference: str,
    rng: np.random.Generator,
    *,
    columns: Sequence[str] | None = None,
    score: str | None = None,
    n_bootstrap: int = 500,
    confidence: float = 0.95,
) -> Table:
    """Difference of every data set to real galaxies of equal nuisance.

    The score of real galaxies is fitted as a function of the nuisances; the difference is the mean of a data
    set's scores minus what the fit gives for real galaxies at its own nuisances. Fit and mean are
    repeated in every resample of galaxies of both.

    Parameters
    ----------
    scores : Table
        Score table.
    reference : str
        Data set of real galaxies; held-out rows only.
    rng : numpy.random.Generator
    columns : sequence of str, optional
        Nuisances; default: magnitudes, sky noises, seeings and the half-light radius.
    score : str, optional
    n_bootstrap, confidence : int, float

    Returns
    -------
    Table
        ``dataset``, ``n_galaxies``, ``delta_plain``, ``delta_adjusted`` with ``_low``, ``_high``,
        ``_error``; ``p_value`` (normal), ``p_holm``; ``share_extrapolated``, galaxies beyond the 0.5 to 99.5
        percentiles of a nuisance of real galaxies, where the fit is a guess.
    """
    score = score or headline_score(scores)
    columns = list(columns or nuisance_columns(scores))
    x, y = _galaxies(scores[sample_rows(scores, reference)], columns, score)
    if len(y) < 2 * (1 + 2 * len(columns)):
        raise ValueError(
            f"{len(y)} held-out real galaxies are too few to adjust for {len(columns)} nuisances; "
            "name fewer columns."
        )
    edges = np.percentile(x, [0.5, 99.5], axis=0)
    rows = []
    for name in sorted(set(words_of(scores["dataset"])) - {reference}):
        sample = scores[sample_rows(scores, name)]
        if not len(sample):
            continue
        u, v = _galaxies(sample, columns, score)
        value = float(np.mean(v - NuisanceModel.fit(x, y).predict(u)))
        ends, error = np.full(2, np.nan), np.nan
        if len(v) > 1:
            resampled = _resampled_adjusted(x, y, u, v, rng, n_bootstrap)
            ends, error = (
                np.quantile(resampled, [0.5 - confidence / 2, 0.5 + confidence / 2]),
                resampled.std(ddof=1),
            )
        rows.append(
            {
                "dataset": name,
                "n_galaxies": len(v),
                "delta_plain": float(v.mean() - y.mean()),
                "delta_adjusted": value,
                "delta_adjusted_low": ends[0],
                "delta_adjusted_high": ends[1],
                "delta_adjusted_error": error,
                "p_value": float(_two_sided(value / error)) if error > 0 else np.nan,
                "share_extrapolated": float(np.mean(((u < edges[0]) | (u > edges[1])).any(axis=1))),
            }
        )
    table = Table(rows=rows)
    table["p_holm"] = adjust_p_values(table["p_value"])
    table.meta = {"reference": reference, "score": score, "columns": columns, "n_bootstrap": n_bootstrap}
    return table


def _two_sided(z: float) -> float:
    """Two-sided p-value of a normal deviate."""
    return 2 * ndtr(-abs(z))


def _resampled_adjusted(
    x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, rng: np.random.Generator, n_bootstrap: int
) -> np.ndarray:
    """Repeat fit and difference in resamples of both samples."""
    model = NuisanceModel.fit(x, y)
    terms, own = (Terms(each, model.centre, model.scale) for each in (x, u))
    fits = np.array([ridge(terms, y, counts.astype(float)) for counts in resamples(len(y), n_bootstrap, rng)])
    found, done = [], 0
    for n in blocks(n_bootstrap, len(v)):
        ours = resampled_counts(len(v), n, rng).astype(float)
        sums = sum(ours[:, rows] @ part for rows, part in own)
        expected = np.einsum("bt,bt->b", sums, fits[done : done + n])
        found.append((ours @ v - expected) / len(v))
        done += n
    return np.concatenate(found)


def _galaxies(table: Table, columns: Sequence[str], score: str) -> tuple[np.ndarray, np.ndarray]:
    """Nuisances and score, one row per galaxy with all of them finite."""
    values = [read_columns(table, [name])[:, 0] for name in (*columns, score)]
    finite = np.all([np.isfinite(each) for each in values], axis=0)
    codes = np.unique(galaxies_of(table)[finite], return_inverse=True)[1]
    counts = np.bincount(codes)
    *nuisances, means = (np.bincount(codes, each[finite]) / counts for each in values)
    return np.stack(nuisances, axis=1), means
