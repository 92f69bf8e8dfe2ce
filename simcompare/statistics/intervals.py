"""Confidence intervals: what a resampled statistic allows to be said, also of few galaxies."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

__all__ = [
    "FINAL",
    "UNKNOWN",
    "Estimate",
    "expanded_tail",
    "norm_interval",
    "percentile_interval",
    "student_factor",
    "welch_freedom",
    "wider",
]


@dataclass(frozen=True)
class Estimate:
    """One number with its uncertainty.

    `low` and `high` bound the confidence interval and `error` is the standard error (of a distance: an upper
    bound of it); all three are NaN where a sample has fewer than two galaxies.
    """

    value: float
    low: float
    high: float
    error: float

    def columns(self, name: str) -> dict[str, float]:
        """Cells of a table: the value under this name, the rest with ``_low``, ``_high``, ``_error``."""
        return {
            name: self.value,
            f"{name}_low": self.low,
            f"{name}_high": self.high,
            f"{name}_error": self.error,
        }


UNKNOWN = Estimate(*4 * [float("nan")])


def welch_freedom(*samples: np.ndarray) -> float:
    """Degrees of freedom of a mean, or of the difference of two (Welch-Satterthwaite)."""
    n = np.array([sample.size for sample in samples])
    part = np.array([sample.var(ddof=1) for sample in samples]) / n
    if part.sum() == 0:
        return float(n.min() - 1)
    return float(part.sum() ** 2 / (part**2 / (n - 1)).sum())


def expanded_tail(simulated: np.ndarray, reference: np.ndarray, confidence: float) -> float:
    """Tail probability whose percentile interval has the width of Student's t for these galaxies.

    Parameters
    ----------
    simulated, reference : ndarray, shapes (n,) and (m,)
        Means of galaxies, two or more of the reference; one galaxy alone is taken as two.
    confidence : float

    References
    ----------
    Hesterberg 2015, The American Statistician 69, 371, section 3.2 (expanded percentile).
    """
    if simulated.size < 2:
        simulated = np.repeat(simulated, 2)
    freedom = welch_freedom(simulated, reference)
    t = stats.t.ppf(0.5 - confidence / 2, freedom)
    return float(special.ndtr(t * np.sqrt((freedom + 1) / freedom)))


def percentile_interval(value: float, resampled: np.ndarray, tail: float) -> Estimate:
    """Confidence interval of a statistic that noise does not push to one side."""
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), float(resampled.std(ddof=1)))


def student_factor(simulated: np.ndarray, reference: np.ndarray, confidence: float) -> float:
    """How much wider Student's interval of the mean is than the bootstrap's, which knows no lost freedom."""
    variances = [each.var() / each.size for each in (simulated, reference)]
    if not sum(variances):
        return 1.0
    lost = sum(v * n.size / (n.size - 1) for v, n in zip(variances, (simulated, reference), strict=True))
    level = 0.5 + confidence / 2
    t = stats.t.ppf(level, welch_freedom(simulated, reference))
    return float(t / stats.norm.ppf(level) * np.sqrt(lost / sum(variances)))


def wider(estimate: Estimate, factor: float, limits: tuple[float, float]) -> Estimate:
    """Stretch an interval about its value, within the limits of the statistic."""
    low = max(limits[0], estimate.value - factor * max(estimate.value - estimate.low, 0))
    high = min(limits[1], estimate.value + factor * max(estimate.high - estimate.value, 0))
    return Estimate(estimate.value, low, high, estimate.error)


def norm_interval(value: float, noise: np.ndarray, level: float, confidence: float) -> Estimate:
    """Confidence interval of a norm: by the triangle inequality it is off by at most that of the noise."""
    reach = float(np.quantile(noise, level))
    error = float(reach / stats.norm.ppf(0.5 + confidence / 2))
    return Estimate(value, max(value - reach, 0.0), value + reach, error)


def _squared(root: Estimate) -> Estimate:
    """Cramer-von Mises distance from its square root."""
    error = 2 * max(root.value, root.error) * root.error
    return Estimate(root.value**2, root.low**2, min(root.high**2, 1 / 3), error)


def _complement(variation: Estimate) -> Estimate:
    """Overlap from the total variation of the binned densities."""
    return Estimate(
        1 - variation.value, max(1 - variation.high, 0.0), min(1 - variation.low, 1.0), variation.error
    )


def _at_most_one(estimate: Estimate) -> Estimate:
    """Lower the upper limit to what a difference of probabilities can reach."""
    return Estimate(estimate.value, estimate.low, min(estimate.high, 1.0), estimate.error)


# From the norm that is resampled to the distance that is reported.
FINAL = {"ks": _at_most_one, "cramer_von_mises": _squared, "overlap": _complement}
