"""How a score depends on brightness, size, noise and seeing, and what is left at fixed nuisance."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.table import Table

from simcompare.scores.record import Scores
from simcompare.statistics.conditional import ConditionRange

__all__ = ["Basis", "NuisanceModel", "Terms", "is_curved", "read_columns", "ridge", "usable_nuisances"]

AT_ONCE = 16_384  # rows whose terms are held
RIDGE = 1.0  # penalty of the coefficients, in rows of unit variance: keeps few galaxies from running wild


def read_columns(table: Table | Scores, columns: Sequence[str]) -> np.ndarray:
    """Columns of a table as an array.

    Parameters
    ----------
    table : Table or Scores
    columns : sequence of str

    Returns
    -------
    ndarray, shape (n, len(columns))

    Raises
    ------
    ValueError
        When one is missing, naming those there are.
    """
    missing = [name for name in columns if name not in table.colnames]
    if missing:
        raise ValueError(f"no column {', '.join(missing)} in the table; it has {', '.join(table.colnames)}.")
    return np.stack([np.asarray(table[name], float) for name in columns], axis=1)


def is_curved(columns: Sequence[str]) -> np.ndarray:
    """Whether a score is fitted by a parabola in each nuisance; in the seeing by a line, shape (n_columns,).

    Few reference sets sample the tails of the seeing, and a parabola runs away there.
    """
    return np.array([not name.startswith("psf_fwhm") for name in columns], dtype=bool)


@dataclass(frozen=True, eq=False)
class Basis(ConditionRange):
    """How nuisances enter a fit.

    Parameters
    ----------
    centre, scale, low, high : ndarray, shape (n_columns,)
        Of the nuisances, see `ConditionRange`.
    curved : ndarray of bool, shape (n_columns,)
        Whether its square enters too.
    """

    curved: np.ndarray

    @classmethod
    def of(cls, nuisance: np.ndarray, curved: np.ndarray) -> "Basis":
        """Take centre, scale and range of the nuisances of real galaxies, shape (n, n_columns)."""
        # The percentile rounds otherwise than the median in the last digit; stored numbers are by it.
        return replace(super().of(nuisance, curved), centre=np.percentile(nuisance, 50, axis=0))


@dataclass(frozen=True, eq=False)
class NuisanceModel:
    """Mean and spread of a score as functions of nuisances, constant beyond the range of real galaxies.

    Parameters
    ----------
    basis : Basis
    mean, log_spread : ndarray, shape (n_terms,)
        Coefficients of the mean and of the logarithm of the mean absolute residual.
    """

    basis: Basis
    mean: np.ndarray
    log_spread: np.ndarray

    @classmethod
    def fit(
        cls, nuisance: np.ndarray, score: np.ndarray, *, curved: np.ndarray | None = None
    ) -> "NuisanceModel":
        """Fit to galaxies.

        Parameters
        ----------
        nuisance : ndarray, shape (n, n_columns)
        score : ndarray, shape (n,)
        curved : ndarray of bool, shape (n_columns,), optional
            From `is_curved`; default: all.
        """
        curved = np.ones(nuisance.shape[1], dtype=bool) if curved is None else curved
        basis, weight = Basis.of(nuisance, curved), np.ones(len(score))
        terms = Terms(nuisance, basis)
        mean = ridge(terms, score, weight)
        residual = np.abs(score - terms @ mean)
        floor = 1e-3 * residual.mean() + 1e-12
        log_spread = ridge(terms, np.log(residual + floor), weight, 1 + nuisance.shape[1])
        return cls(basis, mean, log_spread)

    def predict(self, nuisance: np.ndarray) -> np.ndarray:
        """Mean score at these nuisances, shape (n,)."""
        return Terms(nuisance, self.basis) @ self.mean

    def residual(self, nuisance: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Score minus its mean, in units of its spread at these nuisances, shape (n,)."""
        residuals = np.empty(len(score))
        for rows, terms in Terms(nuisance, self.basis):
            # Not `@`, which rounds a row differently in other company.
            log_spread = np.einsum("nt,t->n", terms[:, : len(self.log_spread)], self.log_spread)
            residuals[rows] = (score[rows] - np.einsum("nt,t->n", terms, self.mean)) / np.exp(log_spread)
        return residuals

    def pulls(
        self, nuisance: np.ndarray, score: np.ndarray, others: np.ndarray, weight: np.ndarray
    ) -> np.ndarray:
        """By how much each galaxy of the fit moves the mean residual of other galaxies, shape (n,).

        Parameters
        ----------
        nuisance, score : ndarray, shapes (n, n_columns) and (n,)
            That the mean was fitted to.
        others : ndarray, shape (k, n_columns)
            Nuisances of the other galaxies.
        weight : ndarray, shape (k,)
            Of each in the mean; sum 1.
        """
        slope = np.zeros(len(self.mean))
        for rows, terms in Terms(others, self.basis):
            slope -= (weight[rows] / np.exp(terms[:, : len(self.log_spread)] @ self.log_spread)) @ terms
        fitted = Terms(nuisance, self.basis)
        inverse = np.linalg.inv(sum(terms.T @ terms for _, terms in fitted) + _penalty(len(self.mean)))
        shifts = np.empty(len(score))
        for rows, terms in fitted:
            leverage = np.einsum("nt,tu,nu->n", terms, inverse, terms)
            left_out = (score[rows] - terms @ self.mean) / (1 - np.minimum(leverage, 0.99))
            shifts[rows] = left_out * (terms @ (inverse @ slope))
        return shifts


@dataclass(frozen=True, eq=False)
class Terms:
    """One, each nuisance and some of their squares, shape (n, n_terms), made for some rows at a time."""

    nuisance: np.ndarray
    basis: Basis

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        basis = self.basis
        for start in range(0, len(self.nuisance), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            unit = basis.standardised(self.nuisance[rows])
            yield (
                rows,
                np.concatenate([np.ones((len(unit), 1)), unit, unit[:, basis.curved] ** 2 - 1], axis=1),
            )

    def __matmul__(self, coefficients: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(terms @ coefficients for _, terms in self)])


def ridge(terms: Terms, values: np.ndarray, weight: np.ndarray, n_terms: int | None = None) -> np.ndarray:
    """Weighted least squares in the first terms, with a small penalty on all but the constant."""
    normal = right = 0.0
    for rows, part in terms:
        part = part[:, :n_terms]
        normal = normal + part.T @ (weight[rows, None] * part)
        right = right + part.T @ (weight[rows] * values[rows])
    return np.linalg.solve(normal + _penalty(len(normal)), right)


def _penalty(n_terms: int) -> np.ndarray:
    """Pull on all coefficients but the constant."""
    penalty = RIDGE * np.eye(n_terms)
    penalty[0, 0] = 0
    return penalty


def usable_nuisances(blocks: Iterable[Scores]) -> list[str]:
    """Nuisances that vary among real galaxies and are known of every data set.

    Parameters
    ----------
    blocks : iterable of Scores
        In one piece or in several of the same columns.
    """
    datasets, known_of, low, high = set(), {}, {}, {}
    for block in blocks:
        datasets |= set(block.datasets)
        is_real = block.equals("dataset", block.named_reference)
        for name in block.nuisances:
            values = block.numbers(name)
            finite = np.isfinite(values)
            known_of[name] = known_of.get(name, set()) | set(block[finite].datasets)
            real = values[finite & is_real]
            low[name] = real.min(initial=low.get(name, np.inf))
            high[name] = real.max(initial=high.get(name, -np.inf))
    return [name for name, known in known_of.items() if known == datasets and high[name] > low[name]]
