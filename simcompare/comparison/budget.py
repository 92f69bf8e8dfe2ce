"""How much of the structure fraction each step of a mock, and each error in it, is worth."""

from collections.abc import Mapping

import numpy as np
from astropy.table import Table
from scipy import stats

from mocks.streams import stream
from simcompare.comparison.attribution import quadratic_floor
from simcompare.scores.record import Scores
from simcompare.scores.structure import Structure
from simcompare.statistics.intervals import UNKNOWN, Estimate, expanded_tail, percentile_interval
from simcompare.statistics.resampling import resampled_counts

__all__ = ["fraction_floor", "fraction_ladder"]


def _common(
    steps: Mapping[str, Scores], dataset: str, structure: Structure
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Galaxies that all steps have, with numerators and denominators of the fraction, (n_steps, n)."""
    by_step = []
    for name, scores in steps.items():
        parts = structure.fraction_parts(scores.sample(dataset))
        if not len(parts[0]):
            raise ValueError(f"step {name!r} has no galaxy of {dataset!r} with a structure score.")
        by_step.append(parts)
    common = sorted(set(by_step[0][0].tolist()).intersection(*(names.tolist() for names, *_ in by_step[1:])))
    if not common:
        raise ValueError(f"no galaxy of {dataset!r} has a structure score in every step.")
    places = [np.searchsorted(names, common) for names, *_ in by_step]
    above, below = (np.array([each[k][at] for each, at in zip(by_step, places, strict=True)]) for k in (1, 2))
    return np.array(common), above, below


def _fractions(counts: np.ndarray, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Fractions of resamples, shape (n_steps, n_bootstrap)."""
    return 1 + (above @ counts.T) / (below @ counts.T)


def _change(after: int, before: int, drawn: np.ndarray, above: np.ndarray, below: np.ndarray) -> Estimate:
    """Change of the fraction from one step to another, the same galaxies in both."""
    value = above[after].sum() / below[after].sum() - above[before].sum() / below[before].sum()
    n = above.shape[1]
    if n < 2:
        return Estimate(float(value), np.nan, np.nan, np.nan)
    # What each galaxy moves the change by: its spread says how many galaxies' worth of freedom there is.
    moved = [
        above[k] / below[k].sum() - below[k] * above[k].sum() / below[k].sum() ** 2 for k in (after, before)
    ]
    moved = moved[0] - moved[1]
    tail = expanded_tail(moved, moved, 0.95)
    scale = np.sqrt(n / (n - 1))  # resamples of few galaxies scatter too little
    return percentile_interval(float(value), value + scale * (drawn[after] - drawn[before] - value), tail)


def fraction_ladder(
    steps: Mapping[str, Scores], dataset: str, structure: Structure, seed: int, *, n_bootstrap: int = 2000
) -> Table:
    """Divide what a data set differs from real galaxies by over the steps of its observation.

    Parameters
    ----------
    steps : mapping of str to Scores
        Of the same galaxies after each step, in order.
    dataset : str
    structure : Structure
        Of real galaxies and their twins.
    seed : int
    n_bootstrap : int
        Resamples of galaxies, the same for all steps, so that changes are paired.

    Returns
    -------
    Table
        ``step``, ``n_galaxies``; ``change`` of the structure fraction by this step, with ``_low``, ``_high``,
        ``_error`` (that of the first step is its distance from 1, of real galaxies); ``fraction`` after it,
        with the interval of the headline. The changes add up to the last fraction less 1.

    Raises
    ------
    ValueError
        When steps are fewer than two, or share no galaxy with a structure score.
    """
    if len(steps) < 2:
        raise ValueError(f"a ladder needs at least two steps, found {', '.join(steps) or 'none'}.")
    common, above, below = _common(steps, dataset, structure)
    counts = resampled_counts(common.size, n_bootstrap, stream(seed, dataset, "ladder"))
    drawn, rows = _fractions(counts, above, below), []
    for k, (name, scores) in enumerate(steps.items()):
        sample = scores.sample(dataset)
        test = structure.test(sample[np.isin(sample["galaxy_id"], common)])
        error = 0.5 * (test.high - test.low) / stats.norm.ppf(0.975)  # as wide as the headline's interval
        first = Estimate(test.fraction - 1, test.low - 1, test.high - 1, float(error))
        change = _change(k, k - 1, drawn, above, below) if k else first
        rows.append(
            {"step": name, "n_galaxies": common.size, **change.columns("change")}
            | {"fraction": test.fraction, "fraction_low": test.low, "fraction_high": test.high}
        )
    table = Table(rows=rows)
    table.meta = {"dataset": dataset, "score": "structure_fraction"}
    return table


def fraction_floor(
    perturbed: Mapping[str, Mapping[str, Scores]],
    dataset: str,
    structure: Structure,
    seed: int,
    *,
    ingredients: Mapping[str, str],
    weights: Mapping[str, float],
    n_bootstrap: int = 1000,
) -> tuple[Table, float]:
    """Shift of the structure fraction when an ingredient of the mock is wrong, and the floor under any claim.

    Parameters
    ----------
    perturbed : mapping of str to mapping
        By name: scores ``"baseline"`` and, under the same name again, of the same galaxies with one
        ingredient changed.
    dataset : str
    structure : Structure
    seed : int
    ingredients : mapping of str to str
        What of the mock each is about, of which the worst counts.
    weights : mapping of str to float
        How uncertain it really is, in units of the change made.
    n_bootstrap : int

    Returns
    -------
    Table
        ``perturbation``, ``n_galaxies``, ``shift`` of the fraction with ``_low``, ``_high``, ``_error``,
        ``weight``.
    float
        Floor: the quadratic sum, over ingredients, of the largest weighted shift.
    """
    rows = []
    for name, pair in perturbed.items():
        common, above, below = _common(pair, dataset, structure)
        counts = resampled_counts(common.size, n_bootstrap, stream(seed, name, "floor"))
        shift = _change(1, 0, _fractions(counts, above, below), above, below) if common.size else UNKNOWN
        rows.append({"perturbation": name, "n_galaxies": common.size, **shift.columns("shift")})
    table = Table(rows=rows)
    table["weight"] = [weights.get(name, 1.0) for name in perturbed]
    table.meta = {"dataset": dataset, "score": "structure_fraction"}
    return table, quadratic_floor(table, ingredients)
