"""Whether a galaxy, or a whole set, is as likely as real galaxies are: neither less, nor more."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.scores.nuisance import AT_ONCE, NuisanceModel, read_columns
from simcompare.scores.record import Scores
from simcompare.statistics.resampling import resampled_means

__all__ = ["Typicality", "add_typicality", "batch_typicality"]

FOLDS = 10


def add_typicality(
    scores: Scores, rng: np.random.Generator, *, columns: Sequence[str] | None = None
) -> Scores:
    """Give every image a two-sided p-value against held-out real galaxies of like nuisance.

    Mean and spread of the headline of real galaxies are fitted as functions of the nuisances; an image is
    ranked by its standardised residual among those of the real galaxies. Real galaxies are ranked by fits
    that left them out, so their p-values are uniform.

    Parameters
    ----------
    scores : Scores
        Of the reference only held-out rows are used.
    rng : numpy.random.Generator
        Divides the real galaxies into folds.
    columns : sequence of str, optional
        Nuisances; default: magnitudes, sky noises, seeings and the half-light radius.

    Returns
    -------
    Scores
        With ``score_residual``, ``typicality_p`` (two-sided, at least 2 / (n_real + 1)),
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
    rows = np.flatnonzero(scores.equals("dataset", scores.named_reference))
    found = Typicality.fit(scores[rows], rows, rng, columns=columns or scores.nuisances)
    scores = found.mark(scores)
    rank = np.zeros(len(scores), dtype=np.int64)
    for name in scores.datasets:
        own = scores.equals("dataset", name)
        rank[own] = found.rank(scores["score_residual"][own])
    return scores.with_columns(anomaly_rank=rank)


@dataclass(frozen=True, eq=False)
class Typicality:
    """What held-out real galaxies of like nuisance score; others are held against it, some at a time.

    Parameters
    ----------
    columns : sequence of str
        Nuisances.
    model : NuisanceModel
        Of all held-out real galaxies.
    rows : ndarray of int, shape (n_real,)
        Where these stand among all scores, increasing.
    real : ndarray, shape (n_real,)
        Their residuals from fits that left them out.
    """

    columns: Sequence[str]
    model: NuisanceModel
    rows: np.ndarray
    real: np.ndarray

    @classmethod
    def fit(
        cls, real: Scores, rows: np.ndarray, rng: np.random.Generator, *, columns: Sequence[str]
    ) -> "Typicality":
        """Fit the rows of the reference.

        Parameters
        ----------
        real : Scores
            Rows of the reference.
        rows : ndarray of int, shape (len(real),)
            Where they stand among all scores.
        rng, columns
            As for `add_typicality`, which also tells what is raised.
        """
        values, nuisance = real.numbers(), read_columns(real, columns)
        usable = real.held_out(real.named_reference)
        usable = usable & np.isfinite(values) & np.isfinite(nuisance).all(axis=1)
        if usable.sum() < 20:
            raise ValueError(
                f"typicality needs at least 20 held-out real images with finite {real.headline}, "
                f"{', '.join(columns)}; {real.reference!r} has {usable.sum()}."
            )
        values, nuisance = values[usable], nuisance[usable]
        residual = np.empty(len(values))
        for fold in _folds(real.galaxies[usable], rng):
            left_out = NuisanceModel.fit(nuisance[~fold], values[~fold])
            residual[fold] = left_out.residual(nuisance[fold], values[fold])
        return cls(columns, NuisanceModel.fit(nuisance, values), rows[usable], residual)

    def residual(self, block: Scores, start: int) -> np.ndarray:
        """Standardised residuals of the rows of scores from number ``start`` on; NaN where unknown."""
        residual = np.full(len(block), np.nan)
        for first in range(0, len(block), AT_ONCE):
            part = block[first : first + AT_ONCE]
            values, nuisance = part.numbers(), read_columns(part, self.columns)
            rows = np.flatnonzero(np.isfinite(values) & np.isfinite(nuisance).all(axis=1))
            residual[first + rows] = self.model.residual(nuisance[rows], values[rows])
        inside = slice(*np.searchsorted(self.rows, [start, start + len(block)]))
        residual[self.rows[inside] - start] = self.real[inside]
        return residual

    def mark(self, block: Scores, start: int = 0) -> Scores:
        """Give these rows the columns of `add_typicality` but the rank; the others are not copied."""
        residual = self.residual(block, start)
        p_value, too_likely = np.empty(residual.size), np.empty(residual.size, dtype=bool)
        for first in range(0, residual.size, AT_ONCE):
            part = slice(first, first + AT_ONCE)
            below, above = self._shares(residual[part])
            p_value[part] = np.minimum(1.0, 2 * np.minimum(below, above))
            too_likely[part] = above < below
        return block.with_columns(score_residual=residual, typicality_p=p_value, too_likely=too_likely)

    def rank(self, residual: np.ndarray) -> np.ndarray:
        """Place of each row in its data set, 1 for the smallest p-value, then the largest residual."""
        p_value = np.nan_to_num(np.minimum(1.0, 2 * np.minimum(*self._shares(residual))), nan=2.0)
        order = np.lexsort((-np.abs(np.nan_to_num(residual)), p_value))
        rank = np.empty(len(residual), dtype=np.int64)
        rank[order] = np.arange(1, rank.size + 1)
        return rank

    @cached_property
    def _ordered(self) -> np.ndarray:
        """Residuals of the real galaxies in increasing order."""
        return np.sort(self.real)

    def _shares(self, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of real residuals at or below, and at or above, each one, itself counted once."""
        first, last = (np.searchsorted(self._ordered, residual, side=side) for side in ("left", "right"))
        other = np.where(last > first, 0, 1)
        total = np.where(np.isnan(residual), np.nan, self._ordered.size + other)
        return (last + other) / total, (self._ordered.size - first + other) / total


def _folds(galaxy: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Masks that divide rows at random, all rows of a galaxy on one side."""
    names, codes = np.unique(galaxy, return_inverse=True)
    n_folds = min(FOLDS, len(names))
    fold = rng.permutation(np.arange(len(names)) % n_folds)[codes]
    return [fold == k for k in range(n_folds)]


def batch_typicality(scores: Scores, seed: int, *, n_draws: int = 2000) -> Table:
    """Whether whole data sets are as likely as equally many real galaxies drawn at random.

    Parameters
    ----------
    scores : Scores
        From `add_typicality`.
    seed : int
        Each data set has a stream of its own.
    n_draws : int
        Random sets of real galaxies.

    Returns
    -------
    Table
        ``dataset``, ``n_galaxies``, ``mean_residual``, ``p_value`` (two-sided: that the mean residual of as
        many real galaxies, itself uncertain by the finite number of them, lies as far from the mean of all),
        ``share_below_5``, share of galaxies with p < 0.05 (0.05 expected).
    """
    real = scores.clustered(scores.named_reference, "score_residual").means
    rows = []
    for name in scores.datasets:
        chosen = scores.held_out(name)
        if not np.isfinite(scores["score_residual"][chosen]).any():
            continue
        ours = scores.clustered(name, "score_residual").means
        p_value = np.nan
        if name != scores.reference:
            rng = stream(seed, name, "batch typicality")
            drawn = resampled_means(real, ours.size, n_draws, rng)
            centre = resampled_means(real, real.size, n_draws, rng)
            shift = abs(ours.mean() - real.mean())
            p_value = (1 + np.sum(np.abs(drawn - centre) >= shift)) / (n_draws + 1)
        rare = scores["typicality_p"][chosen]
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
