"""Structure of galaxies at given brightness and resolution: a z-score, a fraction, and their errors.

The likelihood ratio of a galaxy grows with how much of its structure can be seen. It is therefore compressed
and held against real galaxies of equal signal-to-noise and resolution, and a data set is held against these
and their smooth twins: `fit_reference` learns both once, `StructureReference.test` judges a data set.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = [
    "LEAST_REFERENCE",
    "SOFTENING",
    "ConditionalScore",
    "Separation",
    "StructureReference",
    "StructureTest",
    "cauchy_combination",
    "compress",
    "fit_conditional",
    "fit_reference",
]

SOFTENING = 3.0
"""Ratio beyond which the compressed score grows like its logarithm [nats]."""
LEAST_REFERENCE = 20
"""Fewest real galaxies from which mean and spread are learned."""
RIDGE_MEAN, RIDGE_SPREAD = 1.0, 3.0  # pull on the coefficients, in galaxies
CLIP = 6.0  # largest absolute z: no galaxy carries a data set
FOLDS = 5
PRIOR = 0.7  # galaxies' worth of the reference's spread in that of a data set: 5 % of false alarms at few
LEAST_WEIGHT = 0.15  # faint galaxies keep a say
WINSOR = (0.02, 0.98)  # quantiles of the reference at which conditions are held
FLOOR = 0.2  # of the mean absolute residual, added before the logarithm


def compress(ratio: np.ndarray) -> np.ndarray:
    """Likelihood ratio on a scale that no single bright galaxy rules: ``asinh(ratio / 3 nats)``."""
    return np.arcsinh(np.asarray(ratio, dtype=float) / SOFTENING)


@dataclass(frozen=True, eq=False)
class ConditionalScore:
    """Mean and spread of the compressed ratio of real galaxies, given how well they are seen.

    Parameters
    ----------
    centre, scale : ndarray, shape (2,)
        Median and half the 16-84 % range of the conditions.
    low, high : ndarray, shape (2,)
        Range within which conditions are held.
    mean, log_spread : ndarray, shapes (4,) and (3,)
        Coefficients of 1, x1, x2 and (mean only) x1^2 - 1 in standardised conditions.
    influence : ndarray, shape (m, 4)
        By how much each real galaxy moved ``mean``; summed in squares, its covariance.
    """

    centre: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    log_spread: np.ndarray
    influence: np.ndarray

    def standardised(self, conditions: np.ndarray) -> np.ndarray:
        """Conditions within the reference's range, in its units, shape (n, 2)."""
        return (np.clip(conditions, self.low, self.high) - self.centre) / self.scale

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
        """By how much each z falls as a coefficient of ``mean`` grows, shape (n, 4)."""
        terms = _terms(self.standardised(conditions))
        return terms / np.exp(terms[:, :3] @ self.log_spread)[:, None]


def _terms(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x[:, 0], x[:, 1], x[:, 0] ** 2 - 1])


def _ridge(terms: np.ndarray, values: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with all but the constant pulled to 0, and how far each row moved the coefficients."""
    pull = penalty * np.eye(terms.shape[1])
    pull[0, 0] = 0
    inverse = np.linalg.pinv(terms.T @ terms + pull)  # of conditions that are all alike too
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
    conditions : ndarray, shape (m, 2)
        log10 of signal-to-noise, and of half-light radius over PSF FWHM.

    Returns
    -------
    ConditionalScore
    """
    conditions = np.asarray(conditions, dtype=float)
    centre = np.median(conditions, axis=0)
    scale = 0.5 * np.subtract(*np.quantile(conditions, [0.84, 0.16], axis=0))
    scale = np.where(scale > 0, scale, 1.0)  # all alike: nothing depends on this condition
    low, high = np.quantile(conditions, WINSOR, axis=0)
    terms = _terms((np.clip(conditions, low, high) - centre) / scale)
    mean, influence = _ridge(terms, compressed, RIDGE_MEAN)
    residual = compressed - terms @ mean
    size = np.abs(residual) + FLOOR * np.abs(residual).mean()
    log_spread, _ = _ridge(terms[:, :3], np.log(np.maximum(size, np.finfo(float).tiny)), RIDGE_SPREAD)
    # The mean of ln |residual| lies below ln of the spread; one factor gives z unit variance.
    spread = (residual / np.exp(terms[:, :3] @ log_spread)).std()
    log_spread[0] += np.log(spread) if spread > 0 else 0.0
    return ConditionalScore(centre, scale, low, high, mean, log_spread, influence)


@dataclass(frozen=True, eq=False)
class Separation:
    """Distance in z between real galaxies and their smooth twins, a line in log signal-to-noise.

    Parameters
    ----------
    coefficients : ndarray, shape (2,)
        Constant and slope in the first standardised condition.
    influence : ndarray, shape (m, 2)
        By how much each galaxy of the reference moved them; 0 for one without a twin.
    """

    coefficients: np.ndarray
    influence: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Give the expected separation, also the weight of a galaxy, shape (n,); never below 0.15."""
        return np.maximum(LEAST_WEIGHT, self.coefficients[0] + self.coefficients[1] * x)


@dataclass(frozen=True)
class StructureTest:
    """A data set held against real galaxies and their twins.

    Parameters
    ----------
    fraction, low, high : float
        Structure fraction and its interval: 1 as structured as real galaxies, 0 as their smooth twins. The
        bounds are infinite where the data allow no bound; NaN for one galaxy, or without twins.
    z, z_weighted, error : float
        Mean z of the galaxies less that of the reference, unweighted and weighted by the expected
        separation; standard error of the latter.
    p_value : float
        That both are 0, combined; NaN for one galaxy.
    """

    fraction: float
    low: float
    high: float
    z: float
    z_weighted: float
    error: float
    p_value: float


@dataclass(frozen=True, eq=False)
class StructureReference:
    """Real galaxies and their twins, ready to judge data sets.

    Parameters
    ----------
    model : ConditionalScore
        Fitted to all real galaxies.
    conditions : ndarray, shape (m, 2)
    z : ndarray, shape (m,)
        Each from a fit that has not seen the galaxy.
    z_twin : ndarray, shape (m,)
        Of their twins, NaN where there is none.
    separation : Separation or None
        None without twins.
    """

    model: ConditionalScore
    conditions: np.ndarray
    z: np.ndarray
    z_twin: np.ndarray
    separation: Separation | None

    def weight(self, conditions: np.ndarray) -> np.ndarray:
        """Weight of each galaxy: what real structure is worth at its signal-to-noise, shape (n,)."""
        x = self.model.standardised(conditions)[:, 0]
        return np.ones(len(x)) if self.separation is None else self.separation(x)

    def test(self, z: np.ndarray, conditions: np.ndarray, confidence: float = 0.95) -> StructureTest:
        """Judge the galaxies of a data set.

        The errors are those of the data set, of the reference's own galaxies, of the mean that was learned
        from them (which counts where a data set has other conditions), and of the twins. The interval is
        Fieller's: all fractions f for which the mean z does not differ from that of real galaxies plus f - 1
        separations, by Student's t.

        Parameters
        ----------
        z : ndarray, shape (n,)
            Of each galaxy, the mean over its views.
        conditions : ndarray, shape (n, 2)
            The same.
        confidence : float

        Returns
        -------
        StructureTest

        References
        ----------
        Fieller 1954, JRSS B 16, 175; Liu & Xie 2020, JASA 115, 393 (combination of p-values).
        """
        weight = self.weight(conditions)
        weighted = self._contrast(z, conditions, weight, self.weight(self.conditions))
        plain = self._contrast(z, conditions, np.ones(len(z)), np.ones(len(self.z)))
        fraction = low = high = np.nan
        if self.separation is not None:
            share = weight / weight.sum()
            distance = share @ weight
            fraction = 1 + weighted.difference / distance
            if len(z) > 1:
                at = np.array([1.0, share @ self.model.standardised(conditions)[:, 0]])
                moved = self.separation.influence @ at
                t = stats.t.ppf(0.5 + confidence / 2, weighted.freedom) ** 2
                bounds = _ratio_bounds(
                    weighted.difference,
                    distance,
                    t * weighted.variance,
                    t * (weighted.influence @ moved),
                    t * (moved @ moved),
                )
                low, high = 1 + bounds[0], 1 + bounds[1]
        p_value = cauchy_combination([weighted.p_value, plain.p_value]) if len(z) > 1 else np.nan
        error = float(np.sqrt(weighted.variance))
        return StructureTest(fraction, low, high, plain.difference, weighted.difference, error, p_value)

    def _contrast(
        self, z: np.ndarray, conditions: np.ndarray, weight: np.ndarray, weight_real: np.ndarray
    ) -> "_Contrast":
        """Weighted mean of a data set minus that of the reference, with all errors."""
        mean, spread, n = _weighted_mean(z, weight)
        mean_real, spread_real, _ = _weighted_mean(self.z, weight_real)
        # The spread of few galaxies is chance: hold it a little towards that of real galaxies.
        freedom = n - 1 + PRIOR
        pooled = (PRIOR * spread_real**2 + (n - 1) * spread**2) / freedom if len(z) > 1 else np.nan
        slopes = (weight / weight.sum()) @ self.model.slopes(conditions)
        slopes_real = (weight_real / weight_real.sum()) @ self.model.slopes(self.conditions)
        real = (weight_real / weight_real.sum()) * (self.z - mean_real)
        influence = -real - self.model.influence @ (slopes - slopes_real)
        parts = np.array([pooled / n, influence @ influence])
        # Of a sum of squares of normal numbers with unlike variances (their fourth moments are 3 sigma^4).
        freedom_real = 3 * parts[1] ** 2 / np.sum(influence**4) - 1 if parts[1] > 0 else np.inf
        degrees = np.array([freedom, freedom_real])
        total = parts.sum()
        welch = total**2 / np.sum(parts**2 / degrees) if total > 0 else np.nan
        return _Contrast(mean - mean_real, total, welch, influence)


@dataclass(frozen=True, eq=False)
class _Contrast:
    """Difference of two means, its variance and degrees of freedom, and the reference's influence on it."""

    difference: float
    variance: float
    freedom: float
    influence: np.ndarray

    @property
    def p_value(self) -> float:
        """Two-sided, by Student's t."""
        if not self.variance > 0:
            return np.nan if np.isnan(self.variance) else float(self.difference == 0)
        return float(2 * stats.t.sf(abs(self.difference) / np.sqrt(self.variance), self.freedom))


def _weighted_mean(z: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Weighted mean, spread about it (NaN for one galaxy), and number of equal galaxies worth as much."""
    share = weight / weight.sum()
    mean = float(share @ z)
    n = float(1 / (share @ share))
    spread = np.sqrt(share**2 @ (z - mean) ** 2 * n * n / (n - 1)) if len(z) > 1 else np.nan
    return mean, float(spread), n


def _ratio_bounds(difference: float, distance: float, a: float, b: float, c: float) -> tuple[float, float]:
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


def fit_reference(
    compressed: np.ndarray,
    conditions: np.ndarray,
    twin_compressed: np.ndarray,
    twin_conditions: np.ndarray,
    rng: np.random.Generator,
) -> StructureReference:
    """Learn what real galaxies and their twins score.

    Parameters
    ----------
    compressed : ndarray, shape (m,)
        Of real galaxies that no flow has seen.
    conditions : ndarray, shape (m, 2)
        log10 of signal-to-noise, and of half-light radius over PSF FWHM.
    twin_compressed, twin_conditions : ndarray, shapes (m,) and (m, 2)
        Of the smooth twin of each, NaN where there is none.
    rng : numpy.random.Generator
        Deals the galaxies into five folds.

    Returns
    -------
    StructureReference

    Raises
    ------
    ValueError
        For fewer than 20 galaxies.
    """
    n = len(compressed)
    if n < LEAST_REFERENCE:
        raise ValueError(
            f"the reference has {n} galaxies with an aperture score, signal-to-noise and size; the structure "
            f"score needs {LEAST_REFERENCE}."
        )
    z, z_twin = np.empty(n), np.full(n, np.nan)
    has_twin = np.isfinite(twin_compressed) & np.isfinite(twin_conditions).all(axis=1)
    for rows in np.array_split(rng.permutation(n), FOLDS):
        others = np.setdiff1d(np.arange(n), rows)
        fit = fit_conditional(compressed[others], conditions[others])
        z[rows] = fit.z(compressed[rows], conditions[rows])
        twins = rows[has_twin[rows]]
        z_twin[twins] = fit.z(twin_compressed[twins], twin_conditions[twins])
    model = fit_conditional(compressed, conditions)
    separation = None
    if has_twin.sum() >= LEAST_REFERENCE:
        x = model.standardised(conditions)[has_twin, 0]
        influence = np.zeros((n, 2))
        line, influence[has_twin] = _ridge(np.column_stack([np.ones(len(x)), x]), (z - z_twin)[has_twin], 0.0)
        separation = Separation(line, influence)
    return StructureReference(model, conditions, z, z_twin, separation)
