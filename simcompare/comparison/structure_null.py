"""What real galaxies get from the structure test where they are scored as a data set of the user's size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from scipy import stats

from simcompare.comparison.report_table import FurtherTable
from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.scores.structure import STRUCTURE, learn_structure
from simcompare.statistics.known_equal import SIGNIFICANCE
from simcompare.statistics.structure import LEAST_REFERENCE, StructureTest

__all__ = ["N_DRAWS", "KnownEqual", "known_equal", "null_table"]

N_DRAWS = 200
MOST_REAL = 1000  # galaxies from which known-equal sets are drawn
ENDS = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class KnownEqual:
    """Sets of real galaxies, each compared with the others.

    Parameters
    ----------
    n_galaxies, n_reference : int
        In each set, and of those that it is compared with.
    tests : tuple of StructureTest
        One for each set.
    """

    n_galaxies: int
    n_reference: int
    tests: tuple[StructureTest, ...]

    def of(self, name: str) -> np.ndarray:
        """Give one number of every test, shape (n_sets,)."""
        return np.array([getattr(test, name) for test in self.tests], float)

    @property
    def rate(self) -> float:
        """Share of sets that get p < 0.05."""
        return float(np.mean(self.of("p_value") < SIGNIFICANCE))

    def summary(self, rng: np.random.Generator) -> dict[str, float | int]:
        """Describe what is expected of a data set without any difference.

        Parameters
        ----------
        rng : numpy.random.Generator
            Resamples the sets.

        Returns
        -------
        dict
            ``n_galaxies``, ``n_reference``, ``n_sets``; ``false_alarms`` with its exact 95 % interval;
            ``fraction`` and ``z``, medians of the structure fraction and of the weighted z, with the range of
            95 % of the sets as ``_low``, ``_high``; ``fraction_end_error``, ``z_end_error``, by how much its
            ends are uncertain for the number of sets; ``holds_1``, share of intervals that hold 1.
        """
        n = len(self.tests)
        interval = stats.binomtest(round(self.rate * n), n).proportion_ci(0.95)
        low, high = self.of("low"), self.of("high")
        row = {"n_galaxies": self.n_galaxies, "n_reference": self.n_reference, "n_sets": n}
        row |= {
            "false_alarms": self.rate,
            "false_alarms_low": float(interval.low),
            "false_alarms_high": float(interval.high),
        }
        for name, column in (("fraction", "fraction"), ("z", "z_weighted")):
            values = self.of(column)
            drawn = np.quantile(values[rng.integers(n, size=(500, n))], ENDS, axis=1)
            row[name] = float(np.median(values))
            row[f"{name}_low"], row[f"{name}_high"] = map(float, np.quantile(values, ENDS))
            row[f"{name}_end_error"] = float(np.sqrt(drawn.var(axis=1).mean()))
        row["holds_1"] = float(np.mean((low <= 1) & (high >= 1))) if np.isfinite(row["fraction"]) else np.nan
        return row


def known_equal(
    scores: Scores,
    n: int,
    rng: np.random.Generator,
    *,
    conditions: Sequence[str] = (),
) -> KnownEqual | None:
    """Draw sets of real galaxies and compare each with the other real ones.

    Parameters
    ----------
    scores : Scores
    n : int
        Galaxies drawn; of a small reference as many as leave half of it.
    rng : numpy.random.Generator
    conditions : sequence of str

    Returns
    -------
    KnownEqual or None
        None where fewer than 20 real galaxies would be left.
    """
    is_twin = np.any([scores.held_out(name) for name in scores.of_kind(Kind.TWINS)], axis=0)
    known = scores[scores.held_out(scores.named_reference) | is_twin]
    is_real = known.held_out(known.named_reference)
    names = rng.permutation(np.unique(known.galaxies[is_real]))[:MOST_REAL]
    n = min(n, len(names) // 2)
    if n < 2 or len(names) - n < LEAST_REFERENCE:
        return None
    known, is_real = (each[np.isin(known.galaxies, names)] for each in (known, is_real))
    tests = []
    for _ in range(N_DRAWS):
        drawn = is_real & np.isin(known.galaxies, rng.permutation(names)[:n])
        try:
            structure = learn_structure(known[~drawn], rng, STRUCTURE, conditions)
        except ValueError:
            return None
        tests.append(structure.test(known[drawn]))
    return KnownEqual(n, len(names) - n, tuple(tests))


def null_table(about: Mapping[str, Any]) -> FurtherTable:
    """Table of the nulls of a comparison, one row for each number of galaxies.

    Parameters
    ----------
    about : mapping
        ``meta["structure"]`` of a comparison.
    """
    rows = about.get("nulls") or []
    note = (
        "Random sets of as many real galaxies as a data set has, compared with the other real ones: what a "
        "data set without any difference gets. Ranges hold 95% of the sets, with the error of their "
        "ends. All sets come from the same real galaxies, and are compared with fewer than the data sets are."
    )
    if not rows:
        return FurtherTable("structure_null", _TITLE, "Not made: the real galaxies are too few.", None)
    return FurtherTable("structure_null", _TITLE, note, Table(rows=rows))


_TITLE = "Real galaxies scored as a data set"
