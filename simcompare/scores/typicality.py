"""Whether a galaxy, or a whole set, is as likely as real galaxies are: neither less, nor more."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.scores.nuisance import AT_ONCE, Basis, NuisanceModel, is_curved, read_columns
from simcompare.scores.record import Scores
from simcompare.statistics.known_equal import (
    N_DRAWS,
    draws_of,
    fails_its_null,
    known_equal_number,
    share_below,
)
from simcompare.statistics.resampling import resampled_means
from simcompare.statistics.two_sample import Clustered

__all__ = ["Typicality", "add_typicality", "batch_typicality"]

FOLDS = 10
MOST_EXTRAPOLATED = 0.5  # largest share of extrapolated galaxies for a p-value


def add_typicality(
    scores: Scores, rng: np.random.Generator, *, columns: Sequence[str] | None = None
) -> Scores:
    """Give every image a two-sided p-value against held-out real galaxies observed under like conditions.

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
    typicality = Typicality.fit(scores[rows], rows, rng, columns=columns or scores.nuisances)
    scores = typicality.mark(scores)
    rank = np.zeros(len(scores), dtype=np.int64)
    for name in scores.datasets:
        own = scores.equals("dataset", name)
        rank[own] = typicality.rank(scores["score_residual"][own])
    return scores.with_columns(anomaly_rank=rank)


@dataclass(frozen=True, eq=False)
class Typicality:
    """Scores of held-out real galaxies observed under like conditions; others are compared with them.

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
    fitted : Scores
        These galaxies.
    """

    columns: Sequence[str]
    model: NuisanceModel
    rows: np.ndarray
    real: np.ndarray
    fitted: Scores

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
        values, nuisance, curved = values[usable], nuisance[usable], is_curved(columns)
        residual = np.empty(len(values))
        for fold in _folds(real.galaxies[usable], rng):
            left_out = NuisanceModel.fit(nuisance[~fold], values[~fold], curved=curved)
            residual[fold] = left_out.residual(nuisance[fold], values[fold])
        model = NuisanceModel.fit(nuisance, values, curved=curved)
        return cls(columns, model, rows[usable], residual, real[usable])

    def batch_p(self, ours: Clustered, sample: Scores, rng: np.random.Generator, n_draws: int) -> float:
        """Two-sided p-value of the mean residual of some galaxies among real ones.

        As many real galaxies are drawn; to their mean comes the error of the fit, which is that of these
        galaxies' nuisances and larger than a mean's where the fit is made of few.
        """
        real = Clustered.of(self.real, self.fitted.galaxies).means
        drawn = resampled_means(real, ours.means.size, n_draws, rng) - real.mean()
        pulls = self._pulls(sample)
        error = np.sqrt(pulls @ pulls)
        if error > 0:
            # Of a sum of squares of normal numbers (their fourth moments are 3 sigma^4).
            freedom = 3 * (pulls @ pulls) ** 2 / np.sum(pulls**4) - 1
            drawn += error * rng.standard_t(max(freedom, 1.0), n_draws)
        shift = abs(ours.means.mean() - real.mean())
        return float((1 + np.sum(np.abs(drawn) >= shift)) / (n_draws + 1))

    def _pulls(self, sample: Scores) -> np.ndarray:
        """By how much each real galaxy moves the mean residual of a sample, whose galaxies count alike."""
        nuisance = read_columns(sample, self.columns)
        usable = np.isfinite(nuisance).all(axis=1) & np.isfinite(sample.numbers())
        galaxy = np.unique(sample.galaxies[usable], return_inverse=True)[1]
        n_views = np.bincount(galaxy)
        weight = 1 / (n_views[galaxy] * n_views.size)
        real = read_columns(self.fitted, self.columns), self.fitted.numbers()
        pulls = self.model.pulls(*real, nuisance[usable], weight)
        return np.bincount(np.unique(self.fitted.galaxies, return_inverse=True)[1], pulls)

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


def batch_typicality(
    scores: Scores,
    seed: int,
    *,
    columns: Sequence[str] | None = None,
    n_draws: int = 2000,
    n_null: int = N_DRAWS,
) -> Table:
    """Whether whole data sets are as likely as equally many real galaxies drawn at random.

    Parameters
    ----------
    scores : Scores
        From `add_typicality`.
    seed : int
        Each data set has a stream of its own.
    columns : sequence of str, optional
        Nuisances that `add_typicality` had.
    n_draws : int
        Random sets of real galaxies.
    n_null : int
        Sets known to be equal that the false alarms are counted in.

    Returns
    -------
    Table
        ``dataset``, ``n_galaxies``, ``mean_residual``, ``p_value`` (two-sided: that the mean residual of as
        many real galaxies lies as far from that of all, with the error of the fit to their finite number),
        ``share_below_5``, share of galaxies with p < 0.05 (0.05 expected); ``share_extrapolated``, of
        galaxies beyond the 2nd to 98th percentiles of a nuisance of real galaxies; ``false_alarms``, rate at
        which as many real galaxies, compared with the others, get p < 0.05; ``note``. No p-value where more
        than half are extrapolated, or where the false alarms are significantly more than 5 %.
    """
    columns = list(columns or scores.nuisances)
    truth = scores.reference_sample()
    rng = stream(seed, "typicality of the reference")
    learned = Typicality.fit(truth, np.arange(len(truth)), rng, columns=columns)
    n_real = truth.n_galaxies
    basis = Basis.of(_finite(truth, columns), is_curved(columns))
    rates: dict[int, float] = {}
    rows = []
    for name in scores.datasets:
        chosen = scores.held_out(name)
        if not np.isfinite(scores["score_residual"][chosen]).any():
            continue
        ours = scores.clustered(name, "score_residual")
        p_value, rate, note = np.nan, np.nan, ""
        nuisance = _finite(scores[chosen], columns)
        extrapolated = float(((nuisance < basis.low) | (nuisance > basis.high)).any(axis=1).mean())
        if name != scores.reference:
            rng = stream(seed, name, "batch typicality")
            p_value = learned.batch_p(ours, scores[chosen], rng, n_draws)
            n = known_equal_number(ours.means.size, n_real)
            if n not in rates:
                rng = stream(seed, "typicality of equal sets", n)
                rates[n] = _false_alarms(scores, columns, draws_of(n, n_real, rng, n_null), rng)
            rate = rates[n]
            if extrapolated > MOST_EXTRAPOLATED:
                p_value, note = np.nan, "outside the reference's range"
            elif fails_its_null(rate, n_null):
                p_value, note = np.nan, "fails on sets known to be equal"
        rare = scores["typicality_p"][chosen]
        rows.append(
            {
                "dataset": name,
                "n_galaxies": ours.means.size,
                "mean_residual": float(ours.means.mean()),
                "p_value": float(p_value),
                "share_below_5": float(np.nanmean(rare < 0.05)),
                "share_extrapolated": extrapolated,
                "false_alarms": rate,
                "note": note,
            }
        )
    return Table(rows=rows)


def _finite(scores: Scores, columns: Sequence[str]) -> np.ndarray:
    """Nuisances of the rows that have them all, shape (n, n_columns)."""
    nuisance = read_columns(scores, columns)
    return nuisance[np.isfinite(nuisance).all(axis=1)]


def _false_alarms(
    scores: Scores,
    columns: Sequence[str],
    draws: Iterator[tuple[np.ndarray, np.ndarray]],
    rng: np.random.Generator,
) -> float:
    """Rate at which real galaxies, compared with a fit to others, get p < 0.05."""
    known = scores.reference_sample()
    known = known[np.isfinite(known.numbers()) & np.isfinite(read_columns(known, columns)).all(axis=1)]
    galaxies = np.unique(known.galaxies)

    def p_of(drawn: np.ndarray, others: np.ndarray) -> float:
        ours, rest = (known[np.isin(known.galaxies, galaxies[which])] for which in (drawn, others))
        learned = Typicality.fit(rest, np.arange(len(rest)), rng, columns=columns)
        residual = learned.model.residual(read_columns(ours, columns), ours.numbers())
        return learned.batch_p(Clustered.of(residual, ours.galaxies), ours, rng, 500)

    return share_below(p_of, draws)
