"""Tests made on sets known to be equal: how often they raise an alarm, and when that is too often."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

__all__ = ["N_DRAWS", "SIGNIFICANCE", "draws_of", "fails_its_null", "known_equal_number", "share_below"]

SIGNIFICANCE = 0.05
"""p-value below which a test raises an alarm."""
N_DRAWS = 40
"""Sets that are drawn; the rate of false alarms is then known to 3 %."""
SURE = 0.01  # chance at which a test that keeps its 5 % is said to fail
MOST_GALAXIES = 300  # largest number of galaxies that sets are drawn from
LEAST_LEFT = 20


def known_equal_number(n: int, n_reference: int) -> int:
    """Galaxies in a set like one of ``n``: as many, or what the reference can spare; 0 for none."""
    n_reference = min(n_reference, MOST_GALAXIES)
    n = min(n, n_reference // 2)
    return n if n > 1 and n_reference - n >= LEAST_LEFT else 0


def draws_of(
    n: int, n_reference: int, rng: np.random.Generator, n_draws: int = N_DRAWS
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Divide real galaxies at random into a set and the others, many times.

    Parameters
    ----------
    n : int
        From `known_equal_number`.
    n_reference : int
        Of more than 300 galaxies 300 are drawn first.
    rng : numpy.random.Generator
    n_draws : int

    Yields
    ------
    drawn, others : ndarray of int
        Numbers of the galaxies, which share none.
    """
    pool = rng.permutation(n_reference)[:MOST_GALAXIES]
    for _ in range(n_draws if n else 0):
        order = rng.permutation(pool)
        yield np.sort(order[:n]), np.sort(order[n:])


def share_below(p_of: Callable[..., float], draws: Iterator[tuple[np.ndarray, np.ndarray]]) -> float:
    """Share of draws in which a test gets p < 0.05; NaN where there is none."""
    p_values = [p_of(*draw) for draw in draws]
    return float(np.mean(np.array(p_values) < SIGNIFICANCE)) if p_values else np.nan


def fails_its_null(rate: float, n_draws: int = N_DRAWS) -> bool:
    """Whether a rate of false alarms is more than a test of 5 % has by chance in 1 % of cases."""
    return bool(np.isfinite(rate) and stats.binom.sf(round(rate * n_draws) - 1, n_draws, SIGNIFICANCE) < SURE)
