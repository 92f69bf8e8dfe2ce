"""What a score is for real galaxies observed equally well: mean and spread given conditions.

The likelihood ratio of a galaxy grows with how much of its structure can be seen. It is compressed and held
against real galaxies of equal conditions: signal-to-noise, resolution, and further columns on request.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["CLIP", "SOFTENING", "ConditionRange", "ConditionalScore", "compress", "fit_conditional", "ridge"]

SOFTENING = 3.0
"""Ratio beyond which the compressed score grows like its logarithm [nats]."""
CLIP = 6.0
"""Largest absolute z: no galaxy carries a data set."""
RIDGE = 3.0  # pull on the coefficients, in galaxies
BEND = 1.0  # of signal-to-noise and resolution, in their scales above the median: beyond it structure shows
WINSOR = (0.02, 0.98)  # quantiles of the reference at which conditions are held
FLOOR = 0.2  # in mean absolute residuals, added before the logarithm


def compress(ratio: np.ndarray) -> np.ndarray:
    """Likelihood ratio on a scale that no single bright galaxy rules: ``asinh(ratio / 3 nats)``."""
    return np.arcsinh(np.asarray(ratio, dtype=float) / SOFTENING)


@dataclass(frozen=True, eq=False)
class ConditionRange:
    """Where the conditions of real galaxies lie; beyond, nothing is extrapolated.

    Parameters
    ----------
    centre, scale : ndarray, shape (k,)
        Median and half the 16-84 % range of the conditions.
    low, high : ndarray, shape (k,)
        Range within which conditions are held: quantiles `WINSOR`.
    """

    centre: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, conditions: np.ndarray, *further) -> "ConditionRange":
        """Measure it on real galaxies, shape (n, k); with what else a class of its own kind holds."""
        lowest, low, high, highest = np.quantile(conditions, [WINSOR[0], 0.16, 0.84, WINSOR[1]], axis=0)
        scale = np.where(high > low, 0.5 * (high - low), 1.0)  # all alike: nothing depends on this condition
        return cls(np.median(conditions, axis=0), scale, lowest, highest, *further)

    def standardised(self, conditions: np.ndarray) -> np.ndarray:
        """Conditions within the reference's range, in its units, shape (n, k)."""
        return (np.clip(conditions, self.low, self.high) - self.centre) / self.scale


@dataclass(frozen=True, eq=False)
class ConditionalScore(ConditionRange):
    """Mean and spread of the compressed ratio of real galaxies, given how well they are seen.

    Parameters
    ----------
    centre, scale, low, high : ndarray, shape (k,)
        Of the conditions, see `ConditionRange`.
    mean, log_spread : ndarray, shapes (k + 4,) and (3,)
        Coefficients of 1, x1, x2 and (mean only) all further conditions, h1, h2 and h1 h2, where x are the
        standardised conditions and h = max(x - 1, 0).
    influence : ndarray, shape (m, k + 4)
        By how much each real galaxy moved ``mean``; summed in squares, its covariance.
    """

    mean: np.ndarray
    log_spread: np.ndarray
    influence: np.ndarray

    def is_outside(self, conditions: np.ndarray) -> np.ndarray:
        """Whether a galaxy lies beyond the reference's range, so that its z is extrapolated, shape (n,)."""
        conditions = np.asarray(conditions)
        return ((conditions < self.low) | (conditions > self.high)).any(axis=1)

    def z(self, compressed: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        """Turn scores into standard ones: mean 0 and spread 1 for real galaxies, clipped at 6, shape (n,)."""
        terms = _terms(self.standardised(conditions))
        spread = np.exp(terms[:, :3] @ self.log_spread)
        return np.clip((compressed - terms @ self.mean) / spread, -CLIP, CLIP)

    def slopes(self, conditions: np.ndarray) -> np.ndarray:
        """By how much each z falls as a coefficient of ``mean`` grows, shape (n, k + 4)."""
        terms = _terms(self.standardised(conditions))
        return terms / np.exp(terms[:, :3] @ self.log_spread)[:, None]


def _terms(x: np.ndarray) -> np.ndarray:
    bent = np.maximum(x[:, :2] - BEND, 0)
    return np.column_stack([np.ones(len(x)), x, bent, bent[:, 0] * bent[:, 1]])


def ridge(terms: np.ndarray, values: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit by least squares, all but the constant pulled to 0.

    Parameters
    ----------
    terms : ndarray, shape (m, t)
        The first is the constant.
    values : ndarray, shape (m,)
    penalty : float
        In rows.

    Returns
    -------
    coefficients : ndarray, shape (t,)
    influence : ndarray, shape (m, t)
        How far each row moved them.
    """
    pull = penalty * np.eye(terms.shape[1])
    pull[0, 0] = 0
    inverse = np.linalg.pinv(terms.T @ terms + pull)  # also where all conditions are alike
    coefficients = inverse @ (terms.T @ values)
    leverage = np.einsum("ij,jk,ik->i", terms, inverse, terms)
    residual = (values - terms @ coefficients) / (1 - np.minimum(leverage, 0.99))  # as if left out
    return coefficients, (terms @ inverse) * residual[:, None]


def fit_conditional(compressed: np.ndarray, conditions: np.ndarray) -> ConditionalScore:
    """Learn mean and spread of real galaxies given their conditions.

    Parameters
    ----------
    compressed : ndarray, shape (m,)
        From `compress`.
    conditions : ndarray, shape (m, k)
        log10 of signal-to-noise, log10 of half-light radius over PSF FWHM, and any others, which move the
        mean alone.
    """
    conditions = np.asarray(conditions, dtype=float)
    reference = ConditionRange.of(conditions)
    terms = _terms(reference.standardised(conditions))
    mean, influence = ridge(terms, compressed, RIDGE)
    residual = compressed - terms @ mean
    size = np.abs(residual) + FLOOR * np.abs(residual).mean()
    log_spread, _ = ridge(terms[:, :3], np.log(np.maximum(size, np.finfo(float).tiny)), RIDGE)
    # The mean of ln |residual| lies below ln of the spread; one factor gives z unit variance.
    spread = (residual / np.exp(terms[:, :3] @ log_spread)).std()
    log_spread[0] += np.log(spread) if spread > 0 else 0.0
    return ConditionalScore(**vars(reference), mean=mean, log_spread=log_spread, influence=influence)
