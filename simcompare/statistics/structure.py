"""Structure of data sets at given brightness and resolution: a mean z, a fraction, and their errors.

A data set is compared with real galaxies observed equally well, and with their smooth twins:
`fit_reference` learns both once, `StructureReference.test` judges a data set.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from simcompare.statistics.conditional import ConditionalScore, fit_conditional, ridge
from simcompare.statistics.contrast import (
    Contrast,
    Fraction,
    cauchy_combination,
    own_variance,
    ratio_bounds,
    weighted_mean,
)
from simcompare.statistics.fields import shared_fields, variance_of_fields

__all__ = [
    "LEAST_REFERENCE",
    "Separation",
    "StructureReference",
    "StructureTest",
    "fit_reference",
]

LEAST_REFERENCE = 20
"""Fewest real galaxies from which mean and spread are learned."""
FOLDS = 5
LEAST_WEIGHT = 0.15  # faint galaxies keep a say


@dataclass(frozen=True, eq=False)
class Separation:
    """Distance in z between real galaxies and their smooth twins: linear in signal-to-noise and resolution.

    Parameters
    ----------
    coefficients : ndarray, shape (3,)
        Constant and slopes in the first two standardised conditions.
    influence : ndarray, shape (m, 3)
        By how much each galaxy of the reference moved them; 0 for one without a twin.
    """

    coefficients: np.ndarray
    influence: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Give the expected separation, also the weight of a galaxy, shape (n,); never below 0.15.

        Parameters
        ----------
        x : ndarray, shape (n, k)
            Standardised conditions.
        """
        return np.maximum(LEAST_WEIGHT, _line(x) @ self.coefficients)


@dataclass(frozen=True)
class StructureTest:
    """A data set compared with real galaxies and their twins.

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
    conditions : ndarray, shape (m, k)
    z : ndarray, shape (m,)
        Each from a fit that has not seen the galaxy.
    z_twin : ndarray, shape (m,)
        Of their twins, NaN where there is none.
    separation : Separation or None
        None without twins.
    fields : ndarray of int, shape (m,)
        Field of the sky that each galaxy is in, see `simcompare.statistics.fields.group_fields`.
    """

    model: ConditionalScore
    conditions: np.ndarray
    z: np.ndarray
    z_twin: np.ndarray
    separation: Separation | None
    fields: np.ndarray

    def weight(self, conditions: np.ndarray) -> np.ndarray:
        """Weight of each galaxy: the separation expected at its brightness and resolution, shape (n,)."""
        x = self.model.standardised(conditions)
        return np.ones(len(x)) if self.separation is None else self.separation(x)

    def test(
        self,
        z: np.ndarray,
        conditions: np.ndarray,
        confidence: float = 0.95,
        *,
        fields: np.ndarray | None = None,
        among: np.ndarray | None = None,
    ) -> StructureTest:
        """Judge the galaxies of a data set.

        The errors are those of the data set, of the reference's own galaxies, of the mean that was learned
        from them (which counts where a data set has other conditions), and of the twins. The first is that of
        as many real galaxies instead of the data set's own scatter: galaxies that are more alike, such as
        spirals only, are not known better for that. Real galaxies of few fields share seeing and sky, and
        count for less where the reference shows that fields differ. The interval is Fieller's: all fractions
        f for which the mean z does not differ from that of real galaxies plus f - 1 separations, by Student's
        t.

        Parameters
        ----------
        z : ndarray, shape (n,)
            Of each galaxy, the mean over its views.
        conditions : ndarray, shape (n, k)
            The same.
        confidence : float
        fields : ndarray of int, shape (n,), optional
            Field of the sky of each galaxy, numbered as those of the reference; default: each its own, as
            for simulated galaxies.
        among : ndarray of bool, shape (m,), optional
            Real galaxies whose mean z counts, as those of one bin; default: all. Mean, spread and separation
            are learned from all.

        Returns
        -------
        StructureTest

        References
        ----------
        Fieller 1954, JRSS B 16, 175; Liu & Xie 2020, JASA 115, 393 (combination of p-values).
        """
        weight = self.weight(conditions)
        weighted = self._contrast(z, conditions, weight, self.weight(self.conditions), fields, among)
        plain = self._contrast(z, conditions, np.ones(len(z)), np.ones(len(self.z)), fields, among)
        return self._test(weighted, plain, weight, conditions, confidence)

    def test_pairs(
        self,
        z: np.ndarray,
        conditions: np.ndarray,
        z_real: np.ndarray,
        conditions_real: np.ndarray,
        confidence: float = 0.95,
    ) -> StructureTest:
        """Judge galaxies against the one real galaxy that each is paired with.

        Parameters
        ----------
        z, z_real : ndarray, shape (n,)
            Of each galaxy and of its partner.
        conditions, conditions_real : ndarray, shape (n, k)
        confidence : float

        Returns
        -------
        StructureTest
            As of `test`; the error is that of the differences of pairs.
        """
        weight = self.weight(0.5 * (conditions + conditions_real))
        both = z, conditions, z_real, conditions_real
        weighted, plain = self._paired(*both, weight), self._paired(*both, np.ones(len(z)))
        return self._test(weighted, plain, weight, conditions, confidence)

    def parts(self, z: np.ndarray, conditions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Divide the fraction among galaxies, so that any selection or resample of them has one.

        Parameters
        ----------
        z, conditions
            As of `test`.

        Returns
        -------
        above, below : ndarray, shape (n,)
            The fraction of some galaxies is 1 plus the sum of the first over that of the second.
        """
        weight, real = self.weight(conditions), self.weight(self.conditions)
        return weight * (z - real @ self.z / real.sum()), weight**2

    def fraction(
        self,
        z: np.ndarray,
        conditions: np.ndarray,
        *,
        fields: np.ndarray | None = None,
        among: np.ndarray | None = None,
    ) -> Fraction | None:
        """Give the structure fraction with what is needed to hold it against that of another data set.

        Parameters
        ----------
        z, conditions, fields, among
            As of `test`.

        Returns
        -------
        Fraction or None
            None without twins, for one galaxy, or where real galaxies and twins are not told apart.
        """
        weight = self.weight(conditions)
        if self.separation is None or len(z) < 2:
            return None
        contrast = self._contrast(z, conditions, weight, self.weight(self.conditions), fields, among)
        distance, moved = self._distance(weight, conditions)
        if distance**2 <= stats.norm.ppf(0.975) ** 2 * (moved @ moved):
            return None
        ratio = contrast.difference / distance
        influence = (contrast.influence - ratio * moved) / distance
        return Fraction(1 + ratio, contrast.own / distance**2, contrast.own_freedom, influence)

    def _test(
        self,
        weighted: Contrast,
        plain: Contrast,
        weight: np.ndarray,
        conditions: np.ndarray,
        confidence: float,
    ) -> StructureTest:
        """Fraction, interval and p-value from a weighted and an unweighted difference."""
        n = len(weight)
        fraction = low = high = np.nan
        if self.separation is not None:
            distance, moved = self._distance(weight, conditions)
            fraction = 1 + weighted.difference / distance
            if n > 1:
                t = stats.t.ppf(0.5 + confidence / 2, weighted.freedom) ** 2
                bounds = ratio_bounds(
                    weighted.difference,
                    distance,
                    t * weighted.variance,
                    t * (weighted.influence @ moved),
                    t * (moved @ moved),
                )
                low, high = 1 + bounds[0], 1 + bounds[1]
        p_value = cauchy_combination([weighted.p_value, plain.p_value]) if n > 1 else np.nan
        error = float(np.sqrt(weighted.variance))
        return StructureTest(fraction, low, high, plain.difference, weighted.difference, error, p_value)

    def _distance(self, weight: np.ndarray, conditions: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean separation of some galaxies, and by how much each galaxy of the reference moved it."""
        share = weight / weight.sum()
        at = share @ _line(self.model.standardised(conditions))
        return share @ weight, self.separation.influence @ at

    def _contrast(
        self,
        z: np.ndarray,
        conditions: np.ndarray,
        weight: np.ndarray,
        weight_real: np.ndarray,
        fields: np.ndarray | None,
        among: np.ndarray | None,
    ) -> Contrast:
        """Weighted mean of a data set minus that of the reference, with all errors."""
        mean_real, spread, n_real = weighted_mean(self.z, weight_real)
        between = variance_of_fields(self.z - mean_real, weight_real, self.fields)
        if among is not None:
            weight_real = weight_real * among
        mean, _, n = weighted_mean(z, weight)
        mean_real, _, _ = weighted_mean(self.z, weight_real)
        slopes = (weight / weight.sum()) @ self.model.slopes(conditions)
        slopes_real = (weight_real / weight_real.sum()) @ self.model.slopes(self.conditions)
        real = (weight_real / weight_real.sum()) * (self.z - mean_real)
        influence = -real - self.model.influence @ (slopes - slopes_real)
        own = spread**2 / n if len(z) > 1 else np.nan
        if fields is not None:
            own += between * (shared_fields(weight, fields, weight_real, self.fields) - 1 / n)
        return Contrast(mean - mean_real, own, n_real - 1, influence)

    def _paired(
        self,
        z: np.ndarray,
        conditions: np.ndarray,
        z_real: np.ndarray,
        conditions_real: np.ndarray,
        weight: np.ndarray,
    ) -> Contrast:
        """Weighted mean of the differences of pairs."""
        mean, spread, n = weighted_mean(z - z_real, weight)
        slopes = self.model.slopes(conditions) - self.model.slopes(conditions_real)
        influence = -self.model.influence @ ((weight / weight.sum()) @ slopes)
        own, freedom = own_variance(spread, np.sqrt(2) * self.z.std(), n, len(z))
        return Contrast(mean, own, freedom, influence)


def _line(x: np.ndarray) -> np.ndarray:
    """One, and the first two standardised conditions, shape (n, 3)."""
    return np.column_stack([np.ones(len(x)), x[:, :2]])


def fit_reference(
    compressed: np.ndarray,
    conditions: np.ndarray,
    twin_compressed: np.ndarray,
    twin_conditions: np.ndarray,
    rng: np.random.Generator,
    fields: np.ndarray | None = None,
) -> StructureReference:
    """Learn what real galaxies and their twins score.

    Parameters
    ----------
    compressed : ndarray, shape (m,)
        Of real galaxies that no flow has seen.
    conditions : ndarray, shape (m, k)
        log10 of signal-to-noise, log10 of half-light radius over PSF FWHM, and any others.
    twin_compressed, twin_conditions : ndarray, shapes (m,) and (m, k)
        Of the smooth twin of each, NaN where there is none.
    rng : numpy.random.Generator
        Deals the galaxies into five folds.
    fields : ndarray of int, shape (m,), optional
        Field of the sky that each real galaxy is in; default: each in its own.

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
        terms = _line(model.standardised(conditions)[has_twin])
        influence = np.zeros((n, terms.shape[1]))
        line, influence[has_twin] = ridge(terms, (z - z_twin)[has_twin], 0.0)
        separation = Separation(line, influence)
    fields = np.arange(n) if fields is None else fields
    return StructureReference(model, conditions, z, z_twin, separation, fields)
