"""Whether a galaxy, or a whole set, is as likely as real galaxies are: neither less, nor more."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from simcompare.nuisance import NuisanceModel, read_columns
from simcompare.scoretables import headline_score, nuisance_columns, reference_rows
from simcompare.statistics import galaxy_means

__all__ = ["add_typicality", "batch_typicality"]

FOLDS = 10


def add_typicality(
    scores: Table,
    reference: str,
    rng: np.random.Generator,
    *,
    columns: Sequence[str] | None = None,
    score: str | None = None,
) -> Table:
    """Give every image a two-sided p-value against held-out real galaxies of like nuisance.

    Mean and spread of the score of real galaxies are fitted as functions of the nuisances; an image is ranked
    by its standardised residual among those of the real galaxies. Real galaxies are ranked by fits that
    left them out, so their p-values are uniform.

    Parameters
    ----------
    scores : Table
        Score table.
    reference : str
        Data set of real galaxies; held-out rows only.
    rng : numpy.random.Generator
        Divides the real galaxies into folds.
    columns : sequence of str, optional
        Nuisances; default: magnitudes, sky noises, seeings and the half-light radius.
    score : str, optional
        Default the headline.

    Returns
    -------
    Table
        Copy with ``score_residual``, ``typicality_p`` (two-sided, at least 2 / (n_real + 1)),
        ``too_likely`` (whether the score is on the high side) and ``anomaly_rank`` (1 is the least
        typical of its data set). NaN where score or nuisance is not finite.

    Raises
    ------
    ValueError
        When fewer than 20 held-out real images can be used.

    References
    ----------
    Nalisnick et al. 2019, arXiv:1906.02994 (two-sided typicality of densities).
    """
    score = score or headline_score(scores)
    columns = list(columns or nuisance_columns(scores))
    values = np.asarray(scores[score], float)
    nuisance = read_columns(scores, columns)
    finite = np.isfinite(values) & np.isfinite(nuisance).all(axis=1)
    held_out = np.flatnonzero(reference_rows(scores, reference) & finite)
    if held_out.size < 20:
        raise ValueError(
            f"typicality needs at least 20 held-out real images with finite {score}, {', '.join(columns)}; "
            f"{reference!r} has {held_out.size}."
        )
    residual = np.full(len(scores), np.nan)
    model = NuisanceModel.fit(nuisance[held_out], values[held_out])
    residual[finite] = model.residual(nuisance[finite], values[finite])
    galaxy = np.asarray(scores["galaxy_id"])[held_out].astype(str)
    for fold in _folds(galaxy, rng):
        rest, part = held_out[~fold], held_out[fold]
        left_out = NuisanceModel.fit(nuisance[rest], values[rest])
        residual[part] = left_out.residual(nuisance[part], values[part])
    below, above = _ranks(residual, residual[held_out])
    table = scores.copy()
    table["score_residual"] = residual
    table["typicality_p"] = np.minimum(1.0, 2 * np.minimum(below, above))
    table["too_likely"] = above < below
    table["anomaly_rank"] = _rank_within(np.asarray(scores["dataset"]), table["typicality_p"], residual)
    return table


def _folds(galaxy: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Masks that divide rows at random, all rows of a galaxy on one side."""
    names, codes = np.unique(galaxy, return_inverse=True)
    n_folds = min(FOLDS, len(names))
    fold = rng.permutation(np.arange(len(names)) % n_folds)[codes]
    return [fold == k for k in range(n_folds)]


def _ranks(values: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of real values at or below, and at or above, each value, itself counted once."""
    ordered = np.sort(real)
    below = np.searchsorted(ordered, values, side="right")
    above = ordered.size - np.searchsorted(ordered, values, side="left")
    member = np.isin(values, real)
    total = ordered.size + np.where(member, 0, 1)
    unknown = np.isnan(values)
    ends = [(count + np.where(member, 0, 1)) / total for count in (below, above)]
    return tuple(np.where(unknown, np.nan, end) for end in ends)


def _rank_within(dataset: np.ndarray, p_value: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Place of each row in its data set, 1 for the smallest p-value, then the largest residual."""
    rank = np.zeros(len(dataset), dtype=np.int64)
    for name in np.unique(dataset):
        rows = np.flatnonzero(dataset == name)
        order = np.lexsort((-np.abs(np.nan_to_num(residual[rows])), np.nan_to_num(p_value[rows], nan=2.0)))
        rank[rows[order]] = np.arange(1, rows.size + 1)
    return rank


def batch_typicality(table: Table, reference: str, rng: np.random.Generator, *, n_draws: int = 2000) -> Table:
    """Whether whole data sets are as likely as equally many real galaxies drawn at random.

    Parameters
    ----------
    table : Table
        From `add_typicality`.
    reference : str
    rng : numpy.random.Generator
    n_draws : int
        Random sets of real galaxies.

    Returns
    -------
    Table
        ``dataset``, ``n_galaxies``, ``mean_residual``, ``p_value`` (two-sided: that the mean residual of as
        many real galaxies, itself uncertain by the finite number of them, lies as far from the mean of all),
        ``share_below_5``, share of galaxies with p < 0.05 (0.05 expected).
    """
    held_out = reference_rows(table, reference)
    real = _means(table, held_out)
    rows = []
    for name in sorted(set(np.asarray(table["dataset"]).tolist())):
        chosen = reference_rows(table, name)
        if not np.isfinite(np.asarray(table["score_residual"])[chosen]).any():
            continue
        ours = _means(table, chosen)
        p_value = np.nan
        if name != reference:
            drawn = rng.choice(real, size=(n_draws, ours.size)).mean(axis=1)
            centre = rng.choice(real, size=(n_draws, real.size)).mean(axis=1)
            shift = abs(ours.mean() - real.mean())
            p_value = (1 + np.sum(np.abs(drawn - centre) >= shift)) / (n_draws + 1)
        rare = np.asarray(table["typicality_p"])[chosen]
        rows.append(
            {
                "dataset": name,
                "n_galaxies": ours.size,
                "mean_residual": float(ours.mean()),
                "p_value": float(p_value),
                "share_below_5": float(np.nanmean(rare < 0.05)),
            }
        )
    return Table(rows=rows)


def _means(table: Table, chosen: np.ndarray) -> np.ndarray:
    """Mean residual of each galaxy."""
    galaxy = np.asarray(table["galaxy_id"])[chosen].astype(str)
    return galaxy_means(np.asarray(table["score_residual"])[chosen], galaxy)
