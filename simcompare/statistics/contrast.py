"""Differences of weighted means that share a reference: variances, degrees of freedom, ratios, p-values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from simcompare.statistics.intervals import Estimate

__all__ = [
    "Contrast",
    "Fraction",
    "cauchy_combination",
    "combine_fractions",
    "own_variance",
    "ratio_bounds",
    "weighted_mean",
]

PRIOR = 0.7  # galaxies' worth of the reference's spread in that of pairs: 5 % of false alarms at few


@dataclass(frozen=True, eq=False)
class Contrast:
    """Difference of means, its variance from own galaxies, and how far each galaxy of the reference moved it.

    Parameters
    ----------
    difference : float
    own, own_freedom : float
        Variance from the galaxies of the data sets, and its degrees of freedom.
    influence : ndarray, shape (m,)
        Of each galaxy of the reference.
    parts : ndarray, shape (k, 2), optional
        Variances that add up to ``own``, each with its freedom; default: one.
    """

    difference: float
    own: float
    own_freedom: float
    influence: np.ndarray
    parts: np.ndarray | None = None

    @property
    def variance(self) -> float:
        """Of the difference."""
        return np.array([self.own, self.influence @ self.influence]).sum()

    @property
    def freedom(self) -> float:
        """Degrees of freedom by Welch and Satterthwaite."""
        real = self.influence @ self.influence
        # Of a sum of squares of normal numbers with unlike variances (their fourth moments are 3 sigma^4).
        freedom = 3 * real**2 / np.sum(self.influence**4) - 1 if real > 0 else np.inf
        own = np.array([[self.own, self.own_freedom]]) if self.parts is None else self.parts
        parts, degrees = np.append(own[:, 0], real), np.append(own[:, 1], freedom)
        total = parts.sum()
        return total**2 / np.sum(parts**2 / degrees) if total > 0 else np.nan

    @property
    def p_value(self) -> float:
        """Two-sided, by Student's t."""
        if not self.variance > 0:
            return np.nan if np.isnan(self.variance) else float(self.difference == 0)
        return float(2 * stats.t.sf(abs(self.difference) / np.sqrt(self.variance), self.freedom))


@dataclass(frozen=True, eq=False)
class Fraction:
    """Structure fraction of a data set, and where its error comes from.

    Parameters
    ----------
    value : float
    own, own_freedom : float
        Variance from its own galaxies, and degrees of freedom of that.
    influence : ndarray, shape (m,)
        By how much each galaxy of the reference moved the value: two data sets share this error.
    """

    value: float
    own: float
    own_freedom: float
    influence: np.ndarray


def combine_fractions(
    fractions: Sequence[Fraction], coefficients: Sequence[float], confidence: float = 0.95
) -> tuple[Estimate, float]:
    """Give a sum of fractions of data sets that share the reference but no galaxy, as their difference.

    Parameters
    ----------
    fractions : sequence of Fraction
    coefficients : sequence of float
        One for each, as (1, -1) for a difference.
    confidence : float

    Returns
    -------
    Estimate
        The sum, and its interval by Student's t (Welch-Satterthwaite).
    float
        Two-sided p-value of a sum of 0.
    """
    coefficients = np.asarray(coefficients, float)
    contrast = Contrast(
        float(coefficients @ [each.value for each in fractions]),
        coefficients**2 @ [each.own for each in fractions],
        np.nan,
        coefficients @ np.array([each.influence for each in fractions]),
        np.array(
            [[c * c * each.own, each.own_freedom] for c, each in zip(coefficients, fractions, strict=True)]
        ),
    )
    error = float(np.sqrt(contrast.variance))
    reach = float(stats.t.ppf(0.5 + confidence / 2, contrast.freedom)) * error
    return Estimate(
        contrast.difference, contrast.difference - reach, contrast.difference + reach, error
    ), contrast.p_value


def own_variance(spread: float, spread_real: float, n: float, n_galaxies: int) -> tuple[float, float]:
    """Variance of the mean difference of ``n`` pairs' worth, and its degrees of freedom."""
    # The spread of few pairs is chance: hold it a little towards that of real galaxies.
    freedom = n - 1 + PRIOR
    pooled = (PRIOR * spread_real**2 + (n - 1) * spread**2) / freedom if n_galaxies > 1 else np.nan
    return pooled / n, freedom


def weighted_mean(z: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Weighted mean, spread about it (NaN for one galaxy), and number of equal galaxies worth as much."""
    share = weight / weight.sum()
    mean = float(share @ z)
    n = float(1 / (share @ share))
    spread = np.sqrt(share**2 @ (z - mean) ** 2 * n * n / (n - 1)) if len(z) > 1 else np.nan
    return mean, float(spread), n


def ratio_bounds(difference: float, distance: float, a: float, b: float, c: float) -> tuple[float, float]:
    """Ratios r with ``(difference - r distance)^2 <= a - 2 r b + r^2 c``, infinite where unbounded."""
    square, linear, constant = distance**2 - c, difference * distance - b, difference**2 - a
    root = linear**2 - square * constant
    if not square > 0 or root < 0:
        return -np.inf, np.inf
    return (linear - np.sqrt(root)) / square, (linear + np.sqrt(root)) / square


def cauchy_combination(p_values: list[float]) -> float:
    """One p-value from several that may depend on each other.

    References
    ----------
    Liu & Xie 2020, JASA 115, 393, eq. 1.
    """
    p_values = np.clip(np.asarray(p_values, dtype=float), 1e-300, 1 - 1e-15)
    with np.errstate(over="ignore"):
        terms = np.where(p_values < 1e-15, 1 / (np.pi * p_values), np.tan((0.5 - p_values) * np.pi))
    return float(stats.cauchy.sf(terms.mean()))
