"""Whether one simulation is preferred to others by more than chance: exchanged labels, and trials."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from simcompare.statistics.known_equal import N_DRAWS, SIGNIFICANCE, fails_its_null
from simcompare.statistics.significance import adjust_p_values

__all__ = ["Preference", "corrected", "design", "findings", "preference_test", "trial_rates"]

N_PERMUTATIONS = 999
LEAST_POWER = 0.5
LEAST_OF_SET = 5  # galaxies of a set in a trial
LEAST_REAL = 20
RIDGE = 1.0


class Preference(StrEnum):
    """What the probabilities of a simulation allow to be said."""

    PREFERRED = "preferred"
    REJECTED = "not preferred"
    NOTHING = "no difference found"
    BLIND = "cannot see"
    INVALID = "fails on equal sets"


def design(x: np.ndarray) -> np.ndarray:
    """One, features and their squares, shape (n, 1 + 2 d)."""
    clipped = np.clip(x, -5, 5)
    return np.concatenate([np.ones((len(x), 1)), clipped, clipped**2 - 1], axis=1)


def _exchanged(label: np.ndarray, galaxy: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Labels exchanged between simulations, shape (n, n_rows); copies of one galaxy exchange theirs alone."""
    _, code, count = np.unique(galaxy, return_inverse=True, return_counts=True)
    group = np.where(count[code] > 1, code, -1)
    ordered = np.lexsort((np.arange(len(label)), group))
    exchanged = np.empty((n, len(label)), dtype=label.dtype)
    for k in range(n):
        exchanged[k, ordered] = label[np.lexsort((rng.random(len(label)), group))]
    return exchanged


def preference_test(
    x: np.ndarray,
    label: np.ndarray,
    galaxy: np.ndarray,
    real: np.ndarray,
    rng: np.random.Generator,
    *,
    n_permutations: int = N_PERMUTATIONS,
) -> tuple[np.ndarray, np.ndarray]:
    """Test whether real galaxies lie where one simulation has more of its galaxies than the others.

    The share of each simulation is fitted to features and their squares (least squares) and averaged over the
    real galaxies. Were the simulations equal, their labels could be exchanged, wherever the real galaxies
    are: the p-value counts exchanges that are as far from chance.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Galaxies of all simulations, one row each.
    label : ndarray of int, shape (n,)
        Simulation of each, 0 to k - 1.
    galaxy : ndarray of str, shape (n,)
        Names; copies of one galaxy in several simulations exchange labels among themselves.
    real : ndarray, shape (m, d)
    rng : numpy.random.Generator
    n_permutations : int

    Returns
    -------
    excess, p_value : ndarray, shape (k,)
        Share of each simulation at the real galaxies less that of chance, and its two-sided p-value.
    """
    terms = design(x)
    pull = RIDGE * np.eye(terms.shape[1])
    pull[0, 0] = 0
    lever = terms @ np.linalg.solve(terms.T @ terms + pull, design(real).mean(axis=0))
    count = int(label.max()) + 1

    def shares(labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels, lever, count) - np.bincount(labels, minlength=count) / len(labels)

    observed = shares(label)
    null = np.array([shares(labels) for labels in _exchanged(label, galaxy, rng, n_permutations)])
    # Equal in exact numbers may differ in the last bits.
    as_far = np.abs(null) >= np.abs(observed) - 1e-12
    return observed, (1 + as_far.sum(axis=0)) / (n_permutations + 1)


def trial_rates(
    real: np.ndarray,
    twins: np.ndarray | None,
    sizes: Sequence[int],
    rng: np.random.Generator,
    n_draws: int = N_DRAWS,
) -> tuple[float, float, int]:
    """Try the test on sets of real galaxies in the place of simulations.

    Parameters
    ----------
    real : ndarray, shape (m, d)
        Held-out real galaxies.
    twins : ndarray, shape (m, d), optional
        Their Sersic twins, NaN where there is none: the defect of which the power is measured.
    sizes : sequence of int
        Galaxies of the simulations.
    rng : numpy.random.Generator
    n_draws : int

    Returns
    -------
    false_alarms, power : float
        Rate at which any of equally many real sets is preferred or rejected, and at which a set of twins
        among them is told; NaN where the real galaxies, or twins, do not suffice.
    n : int
        Galaxies of the largest set drawn.
    """
    k, m = len(sizes), len(real)
    shrunk = min(1.0, m / 2 / sum(sizes))
    numbers = [int(shrunk * size) for size in sizes]
    if min(numbers) < LEAST_OF_SET or m - sum(numbers) < LEAST_REAL:
        return np.nan, np.nan, 0
    label = np.repeat(np.arange(k), numbers)
    names = np.arange(len(label)).astype(str)
    has_twin = np.zeros(m, bool) if twins is None else np.isfinite(twins).all(axis=1)
    alarms, detections = [], []
    for _ in range(n_draws):
        order = rng.permutation(m)
        x, others = real[order[: len(label)]], real[order[len(label) :]]
        alarms.append(_any(x, label, names, others, rng).any())
        first = order[: len(label)][label == 0]
        if has_twin[first].mean() > 0.9:
            x = x.copy()
            x[label == 0] = np.where(has_twin[first][:, None], twins[first], x[label == 0])
            detections.append(_any(x, label, names, others, rng)[0])
    enough = len(detections) > n_draws // 2
    return float(np.mean(alarms)), float(np.mean(detections)) if enough else np.nan, max(numbers)


def corrected(p_value: np.ndarray) -> np.ndarray:
    """Correct p-values for the number of simulations; two make one test: what one gains the other loses."""
    return p_value if len(p_value) == 2 else adjust_p_values(p_value)


def _any(
    x: np.ndarray, label: np.ndarray, names: np.ndarray, real: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Whether each set is preferred or rejected after Holm, shape (k,)."""
    _, p_value = preference_test(x, label, names, real, rng, n_permutations=199)
    return corrected(p_value) < SIGNIFICANCE


def findings(
    excess: np.ndarray, p_holm: np.ndarray, false_alarms: float, power: float, n_draws: int = N_DRAWS
) -> list[str]:
    """Say what the probabilities show; a test that fails on equal sets, or cannot see, finds nothing."""
    if fails_its_null(false_alarms, n_draws):
        return [str(Preference.INVALID)] * len(excess)
    quiet = Preference.NOTHING if power >= LEAST_POWER else Preference.BLIND
    return [
        str((Preference.PREFERRED if more > 0 else Preference.REJECTED) if p < SIGNIFICANCE else quiet)
        for more, p in zip(excess, p_holm, strict=True)
    ]
