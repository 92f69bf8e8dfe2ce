"""Tests without a likelihood: features of data sets compared with the reference."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from astropy.table import Table
from scipy.spatial import cKDTree

from mocks.streams import stream
from simcompare.kinds import Kind
from simcompare.runs.files import read_rows
from simcompare.scores.record import Scores
from simcompare.statistics.coverage import coverage_tests, nearest_test
from simcompare.statistics.feature_tests import (
    AT_ONCE,
    Sample,
    TestResult,
    classifier_test,
    energy_test,
    kernel_test,
    sliced_test,
)
from simcompare.statistics.known_equal import (
    N_DRAWS,
    SIGNIFICANCE,
    draws_of,
    fails_its_null,
    known_equal_number,
)
from simcompare.statistics.significance import adjust_p_values

__all__ = ["Finding", "Rows", "compare_features", "standardise"]

_TESTS = (classifier_test, kernel_test, energy_test, sliced_test)
LEAST_POWER = 0.5
LEAST_GALAXIES = 4
LEAST_UNIT = 20  # learned real galaxies that give the units; of fewer the samples do
DEFECT = 0.5  # shift of the first feature, in spreads, where no twins are scored
NULL_PERMUTATIONS = 99  # for each of the many tests on equal sets


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of features that are read and standardised when they are asked for.

    Parameters
    ----------
    values : array_like, shape (n, d)
        Array, dataset of an open HDF5 file, or anything else that gives rows by their numbers.
    index : ndarray of int, shape (m,)
        Those meant.
    middle, spread : ndarray, shape (d,), optional
        What is subtracted, and what is divided by.
    """

    values: Any
    index: np.ndarray
    middle: np.ndarray | None = None
    spread: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return self.index.size, self.values.shape[1]

    def __len__(self) -> int:
        return self.index.size

    def __getitem__(self, item) -> np.ndarray:
        """Rows, shape (k, d), of which no value is farther than 6 from zero once they are standardised."""
        index = self.index[item]
        is_file = isinstance(self.values, h5py.Dataset) and index.size
        rows = np.asarray(read_rows(self.values, index) if is_file else self.values[index], float)
        return rows if self.middle is None else np.clip((rows - self.middle) / self.spread, -6, 6)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all rows, some at a time."""
        for start in range(0, len(self), AT_ONCE):
            yield self[start : start + AT_ONCE]


def standardise(first: Sample, second: Sample, unit: Sample | None = None) -> tuple[Rows, Rows]:
    """Bring features to zero median and unit spread of a third sample, without far outliers.

    Median and spread of one of the two that are compared would tell it from the other.

    Parameters
    ----------
    first, second : Rows or ndarray, shape (n, d) and (m, d)
        Features; rows that are not finite are left out.
    unit : Rows or ndarray, shape (k, d), optional
        Whose median is 0, and half of whose 16-84 % range is 1; default: the two together.
    """
    kept = [_finite(sample) for sample in (first, second)]
    if first.shape[1] != second.shape[1] or min(map(len, kept)) < 2:
        raise ValueError(
            f"two-sample tests need the same features and two finite rows of each sample; found shapes "
            f"{first.shape} and {second.shape}, finite rows {len(kept[0])} and {len(kept[1])}."
        )
    units = kept if unit is None else [_finite(unit)]
    columns = (
        np.concatenate([block[:, k] for sample in units for block in sample.blocks()])
        for k in range(second.shape[1])
    )
    low, middle, high = np.transpose([np.percentile(column, [16, 50, 84]) for column in columns])
    spread = np.where(high > low, 0.5 * (high - low), 1.0)
    return tuple(Rows(each.values, each.index, middle, spread) for each in kept)


def _finite(sample: Sample) -> Rows:
    """Rows of which all features are finite."""
    rows = sample if isinstance(sample, Rows) else Rows(sample, np.arange(len(sample)))
    finite = [np.isfinite(block).all(axis=1) for block in rows.blocks()]
    return Rows(rows.values, rows.index[np.concatenate([np.zeros(0, bool), *finite])])


class Finding(StrEnum):
    """What a test allows to be said."""

    DIFFERS = "differs"
    NOTHING = "no difference found"
    BLIND = "cannot see"
    INVALID = "fails on equal sets"
    NULL = ""


def compare_features(
    scores: Scores,
    spaces: Mapping[str, Any],
    seed: int,
    *,
    n_permutations: int = 499,
    n_draws: int = N_DRAWS,
) -> Table:
    """Test every data set against held-out real galaxies in several spaces of features.

    The features must not be learned from the galaxies that are tested, see
    `simcompare.scores.spaces.write_spaces`. Their units are those of real galaxies that a model has learned
    from, where there are 20, else of the two samples together. Where a data set has galaxies of the
    reference, as their twins are, each galaxy is used in one of the two samples.

    Parameters
    ----------
    scores : Scores
        Says data set, galaxy and split of each row.
    spaces : mapping of str to array_like, shape (len(scores), d)
        Features by the name of their space, e.g. "pixels", "latents", "morphology": arrays, datasets of an
        open HDF5 file, or what else `Rows` takes.
    seed : int
    n_permutations : int
        Exchanged labels of each null.
    n_draws : int
        Sets of real galaxies, and of defective ones, that each test is tried on.

    Returns
    -------
    Table
        ``dataset``, ``space``, ``test``, ``value``, ``low``, ``high``, ``null_95``, ``p_value``, ``p_holm``
        (over all rows but the null), ``false_alarms``, rate at which as many real galaxies, compared with
        the others, get p < 0.05; ``power``, the same of ``defect``; ``n_drawn``, galaxies in each of these
        sets, fewer than the data set has where the reference cannot spare as many; ``finding``, of `Finding`:
        a test that fails on equal sets has no p-value, one with a power below 0.5 "cannot see";
        ``n_galaxies``, ``n_reference``, ``note``. One view per galaxy. Rows of data set "<reference> (half)"
        are the null: one half of the real galaxies against the other.
    """
    null = f"{scores.reference} (half)"
    samples = _pairs(scores, null, seed)
    rows = []
    for space, values in spaces.items():
        if values.shape[0] != len(scores):
            raise ValueError(f"space {space!r} has {values.shape[0]} rows for {len(scores)} images.")
        trial = _Trial(scores, space, values, seed, n_draws)
        for name, pair in samples.items():
            if min(map(len, pair)) < LEAST_GALAXIES:
                continue
            ours, theirs = standardise(*(Rows(values, each) for each in pair), trial.unit)
            for result in _results(ours, theirs, (seed, space, name), n_permutations, trial.known):
                row = {"dataset": name, "space": space, "test": result.name}
                rows.append(row | _columns(result) | trial.of(result.name, len(ours)))
    names = (
        "dataset", "space", "test", "value", "low", "high", "null_95", "p_value", "false_alarms", "power",
        "defect", "n_drawn", "n_galaxies", "n_reference", "note",
    )  # fmt: skip
    table = _with_findings(Table(rows=rows, names=names), null, n_draws)
    table.meta = {
        "reference": scores.reference,
        "n_permutations": n_permutations,
        "n_draws": n_draws,
        "unit": "one view per galaxy",
    }
    return table


def _first_views(scores: Scores, dataset: str) -> np.ndarray:
    """Row of the first view of every galaxy of a data set."""
    return scores.first_views(np.flatnonzero(scores.held_out(dataset)))


def _pairs(scores: Scores, null: str, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rows of each data set and of the real galaxies it is compared with; under `null`, two real halves."""
    real = _first_views(scores, scores.named_reference)
    galaxy = stream(seed, "feature halves").permutation(real)
    pairs = {
        name: _disjoint(scores, _first_views(scores, name), real, stream(seed, name, "shared galaxies"))
        for name in scores.others
    }
    return pairs | {null: (galaxy[: len(galaxy) // 2], galaxy[len(galaxy) // 2 :])}


def _disjoint(
    scores: Scores, ours: np.ndarray, real: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Leave each galaxy that both samples have to one of them, by half."""
    shared = rng.permutation(np.intersect1d(scores.galaxies[ours], scores.galaxies[real]))
    half = len(shared) // 2
    return (
        ours[~np.isin(scores.galaxies[ours], shared[:half])],
        real[~np.isin(scores.galaxies[real], shared[half:])],
    )


def _results(
    ours: Sample, real: Sample, key: tuple, n_permutations: int, known: cKDTree | None
) -> Iterator[TestResult]:
    """All tests of two standardised samples."""
    for test in _TESTS:
        yield test(ours, real, stream(*key, test.__name__), n_permutations=n_permutations)
    yield from coverage_tests(ours, real, stream(*key, "coverage"))
    if known is not None:
        yield nearest_test(ours, real, known)


def _columns(result: TestResult) -> dict[str, float | int | str]:
    row = asdict(result)
    row.pop("name")
    return row | {"n_galaxies": row.pop("n_first"), "n_reference": row.pop("n_second")}


@dataclass(frozen=True, eq=False)
class _Trial:
    """False alarms and power of the tests in one space."""

    scores: Scores
    space: str
    values: Any
    seed: int
    n_draws: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rates", {})

    @cached_property
    def unit(self) -> Rows | None:
        """Real galaxies that give the units, none of them tested."""
        scores = self.scores
        of_reference = scores.equals("dataset", scores.named_reference)
        rows = scores.first_views(np.flatnonzero(of_reference & ~scores.held_out(scores.named_reference)))
        unit = Rows(self.values, rows)
        n_finite = sum(int(np.isfinite(block).all(axis=1).sum()) for block in unit.blocks())
        return unit if n_finite >= LEAST_UNIT else None

    @cached_property
    def known(self) -> cKDTree | None:
        """Real galaxies that give the units, to be near to; None where they are too few."""
        return None if self.unit is None else cKDTree(standardise(self.unit, self.unit, self.unit)[0][:])

    @cached_property
    def real(self) -> np.ndarray:
        """Rows of the real galaxies that can be tested."""
        rows = _first_views(self.scores, self.scores.named_reference)
        return rows[np.isfinite(Rows(self.values, rows)[:]).all(axis=1)]

    @cached_property
    def twins(self) -> np.ndarray:
        """Rows of the real galaxies and of their twins, shape (2, n); n is 0 where there are too few."""
        scores, real = self.scores, self.real
        pairs = [np.zeros((2, 0), int)]
        for name in scores.of_kind(Kind.TWINS):
            rows = _first_views(scores, name)
            rows = rows[np.isfinite(Rows(self.values, rows)[:]).all(axis=1)]
            _, i, j = np.intersect1d(scores.galaxies[real], scores.galaxies[rows], return_indices=True)
            pairs.append(np.stack([real[i], rows[j]]))
        return max(pairs, key=lambda pair: pair.shape[1] if pair.shape[1] >= 2 * LEAST_UNIT else 0)

    def of(self, test: str, n: int) -> dict[str, float | str]:
        """Give false alarms, power and defect of a test for a data set of n galaxies."""
        has_twins = self.twins.shape[1] > 0
        n = known_equal_number(n, self.twins.shape[1] if has_twins else len(self.real))
        if n not in self._rates:
            self._rates[n] = self._tried(n)
        equal, defective = self._rates[n]
        defect = "Sersic twins" if has_twins else f"first feature + {DEFECT} spread"
        return {
            "false_alarms": equal.get(test, np.nan),
            "power": defective.get(test, np.nan),
            "defect": defect if n else "",
            "n_drawn": n,
        }

    def _tried(self, n: int) -> tuple[dict[str, float], dict[str, float]]:
        """Rates of p < 0.05 by test, of equal and of defective sets of n galaxies."""
        pool = self.twins if self.twins.shape[1] else np.stack([self.real, self.real])
        values = [Rows(self.values, rows)[:] for rows in pool]
        if not self.twins.shape[1] and n:
            unit = values[0] if self.unit is None else self.unit[:]
            low, high = np.nanpercentile(unit[:, 0], [16, 84])
            values[1][:, 0] += DEFECT * 0.5 * (high - low)
        rates = []
        for k in (0, 1):
            alarms: dict[str, list[bool]] = {}
            rng = stream(self.seed, self.space, "equal sets", n)
            for i, (drawn, others) in enumerate(draws_of(n, pool.shape[1], rng, self.n_draws)):
                pair = standardise(values[k][drawn], values[0][others], self.unit)
                key = (self.seed, self.space, "equal sets", n, i)
                for result in _results(*(each[:] for each in pair), key, NULL_PERMUTATIONS, self.known):
                    alarms.setdefault(result.name, []).append(result.p_value < SIGNIFICANCE)
            rates.append({name: float(np.mean(each)) for name, each in alarms.items()})
        return tuple(rates)


def _with_findings(table: Table, null: str, n_draws: int) -> Table:
    """Add corrected p-values and findings; a test that fails on equal sets keeps no p-value."""
    fails = np.array([fails_its_null(rate, n_draws) for rate in table["false_alarms"]], dtype=bool)
    claims = np.asarray(table["dataset"]) != null
    table["p_value"] = np.where(fails, np.nan, np.asarray(table["p_value"], float))
    table["p_holm"] = adjust_p_values(np.where(claims, table["p_value"], np.nan))
    findings = []
    for row, is_claim, is_invalid in zip(table, claims, fails, strict=True):
        if is_invalid:
            findings.append(Finding.INVALID)
        elif not is_claim:
            findings.append(Finding.NULL)
        elif row["p_holm"] < SIGNIFICANCE:
            findings.append(Finding.DIFFERS)
        else:
            findings.append(Finding.NOTHING if row["power"] >= LEAST_POWER else Finding.BLIND)
    table["finding"] = [str(each) for each in findings]
    return table
