"""How much of a mean difference is carried by other numbers in which two samples differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simcompare.statistics.conditional import fit_conditional, ridge
from simcompare.statistics.resampling import resampled_counts
from simcompare.statistics.structure import StructureReference, fit_reference

__all__ = ["Carried", "Galaxies", "LearnedNumbers", "learn_numbers"]

RIDGE_SHARE = 1.0  # pull on the coefficients, in galaxies


@dataclass(frozen=True, eq=False)
class Galaxies:
    """Galaxies of one sample.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Standard score.
    numbers : ndarray, shape (n, k)
        What may carry its difference.
    conditions : ndarray, shape (n, c)
        How well each is seen, as of `simcompare.statistics.conditional.fit_conditional`.
    """

    score: np.ndarray
    numbers: np.ndarray
    conditions: np.ndarray

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: np.ndarray) -> "Galaxies":
        return Galaxies(self.score[rows], self.numbers[rows], self.conditions[rows])


@dataclass(frozen=True)
class Carried:
    """One number.

    Parameters
    ----------
    difference, error : float
        Mean of the sample less that of the reference, at equal conditions, in spreads of the reference.
    p_value : float
        That it is 0.
    carried, carried_error : float
        Part of the difference in the score that goes with it.
    share, low, high : float
        That part over the whole difference, with its 95 % interval.
    """

    difference: float
    error: float
    p_value: float
    carried: float
    carried_error: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class LearnedNumbers:
    """Numbers of reference galaxies at given conditions, and how the score goes with them.

    Parameters
    ----------
    galaxies : Galaxies
    references : sequence of StructureReference
        One for each number.
    """

    galaxies: Galaxies
    references: Sequence[StructureReference]

    def p_values(self, sample: Galaxies) -> np.ndarray:
        """Test that each number of a sample is that of the reference, shape (k,)."""
        return np.array([test.p_value for test in self._tests(sample)])

    def _tests(self, sample: Galaxies):
        for reference, values in zip(self.references, sample.numbers.T, strict=True):
            yield reference.test(reference.model.z(values, sample.conditions), sample.conditions)

    def decompose(self, sample: Galaxies, rng: np.random.Generator, n_bootstrap: int = 300) -> list[Carried]:
        """Divide the difference of the mean score among the numbers.

        The score of the reference is fitted linearly by all numbers together, each at equal conditions; the
        coefficient times the difference of a number is what it carries (Oaxaca 1973, Blinder 1973, with the
        coefficients of the reference). What is left goes with none of them. Galaxies of both are resampled
        for the errors of parts and shares, and everything is fitted again.

        Parameters
        ----------
        sample : Galaxies
            Two or more.
        rng : numpy.random.Generator
        n_bootstrap : int

        References
        ----------
        Oaxaca 1973, Int. Econ. Rev. 14, 693; Blinder 1973, J. Hum. Resour. 8, 436.
        """
        real = self.galaxies
        tests = list(self._tests(sample))
        parts, total = _parts(real, sample)
        counts = [resampled_counts(len(each), n_bootstrap, rng) for each in (real, sample)]
        drawn = []
        for of_real, of_sample in zip(*counts, strict=True):
            again = [
                each[np.repeat(np.arange(len(each)), n)] for each, n in ((real, of_real), (sample, of_sample))
            ]
            drawn.append(_parts(*again))
        drawn_parts = np.array([each for each, _ in drawn])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = drawn_parts / np.array([whole for _, whole in drawn])[:, None]
        low, high = np.nanquantile(shares, [0.025, 0.975], axis=0)
        errors, whole = drawn_parts.std(axis=0, ddof=1), total or np.nan
        rows = np.column_stack([parts, errors, parts / whole, low, high]).tolist()
        return [
            Carried(test.z_weighted, test.error, test.p_value, *row)
            for test, row in zip(tests, rows, strict=True)
        ]


def _parts(real: Galaxies, sample: Galaxies) -> tuple[np.ndarray, float]:
    """Find what each number carries, shape (k,), and the whole difference of the score."""
    models = [fit_conditional(values, real.conditions) for values in real.numbers.T]
    ours, theirs = (
        np.column_stack(
            [model.z(values, each.conditions) for model, values in zip(models, each.numbers.T, strict=True)]
        )
        for each in (sample, real)
    )
    coefficients, _ = ridge(np.column_stack([np.ones(len(theirs)), theirs]), real.score, RIDGE_SHARE)
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    return coefficients[1:] * difference, float(sample.score.mean() - real.score.mean())


def learn_numbers(galaxies: Galaxies, rng: np.random.Generator) -> LearnedNumbers:
    """Learn the numbers of the reference at given conditions.

    Parameters
    ----------
    galaxies : Galaxies
    rng : numpy.random.Generator
        Deals the galaxies into folds.

    Raises
    ------
    ValueError
        For fewer than 20 galaxies.
    """
    unknown = np.full(len(galaxies), np.nan), np.full(galaxies.conditions.shape, np.nan)
    references = [fit_reference(values, galaxies.conditions, *unknown, rng) for values in galaxies.numbers.T]
    return LearnedNumbers(galaxies, references)
