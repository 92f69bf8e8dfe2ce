"""Tests without a likelihood: features of data sets held against the reference."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import h5py
import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.runs.files import read_rows
from simcompare.scores.record import Scores
from simcompare.statistics.coverage import coverage
from simcompare.statistics.feature_tests import (
    AT_ONCE,
    classifier_test,
    energy_test,
    kernel_test,
    sliced_test,
)
from simcompare.statistics.significance import adjust_p_values

__all__ = ["Rows", "compare_features", "standardise"]

_TESTS = (classifier_test, kernel_test, energy_test, sliced_test)


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


def standardise(first: Rows | np.ndarray, second: Rows | np.ndarray) -> tuple[Rows, Rows]:
    """Bring features to zero median and unit spread of the second sample, without far outliers.

    Parameters
    ----------
    first, second : Rows or ndarray, shape (n, d) and (m, d)
        Features; rows that are not finite are left out. `second` is the reference.

    Returns
    -------
    tuple of two Rows
    """
    kept = []
    for sample in (first, second):
        rows = sample if isinstance(sample, Rows) else Rows(sample, np.arange(len(sample)))
        finite = [np.isfinite(block).all(axis=1) for block in rows.blocks()]
        kept.append(Rows(rows.values, rows.index[np.concatenate([np.zeros(0, bool), *finite])]))
    if first.shape[1] != second.shape[1] or min(map(len, kept)) < 2:
        raise ValueError(
            f"two-sample tests need the same features and two finite rows of each sample; found shapes "
            f"{first.shape} and {second.shape}, finite rows {len(kept[0])} and {len(kept[1])}."
        )
    columns = (np.concatenate([block[:, k] for block in kept[1].blocks()]) for k in range(second.shape[1]))
    low, middle, high = np.transpose([np.percentile(column, [16, 50, 84]) for column in columns])
    spread = np.where(high > low, 0.5 * (high - low), 1.0)
    return tuple(Rows(each.values, each.index, middle, spread) for each in kept)


def compare_features(
    scores: Scores,
    spaces: Mapping[str, Any],
    seed: int,
    *,
    n_permutations: int = 200,
) -> Table:
    """Test every data set against held-out real galaxies in several spaces of features.

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

    Returns
    -------
    Table
        ``dataset``, ``space``, ``test``, ``value``, ``low``, ``high``, ``null_95``, ``p_value``, ``p_holm``
        (over all rows but the null), ``n_galaxies``, ``n_reference``, ``note``. One view per galaxy. Rows
        of data set "<reference> (half)" are the null: one half of the real galaxies against the other.
    """
    halves = _first_views(scores, scores.named_reference)
    galaxy = stream(seed, "feature halves").permutation(halves)
    first_half, second_half = galaxy[: len(galaxy) // 2], galaxy[len(galaxy) // 2 :]
    null = f"{scores.reference} (half)"
    samples = {name: (_first_views(scores, name), halves) for name in scores.others} | {
        null: (first_half, second_half)
    }
    rows = []
    for space, values in spaces.items():
        if values.shape[0] != len(scores):
            raise ValueError(f"space {space!r} has {values.shape[0]} rows for {len(scores)} images.")
        for name, (ours, real) in samples.items():
            if min(len(ours), len(real)) < 4:
                continue
            pair = standardise(Rows(values, ours), Rows(values, real))
            for test in _TESTS:
                rng = stream(seed, space, name, test.__name__)
                result = asdict(test(*pair, rng, n_permutations=n_permutations))
                result["test"] = result.pop("name")
                result["n_galaxies"], result["n_reference"] = result.pop("n_first"), result.pop("n_second")
                rows.append({"dataset": name, "space": space} | result)
            rows += _coverage_rows(name, space, *pair, stream(seed, space, name, "coverage"))
    columns = [
        "dataset",
        "space",
        "test",
        "value",
        "low",
        "high",
        "null_95",
        "p_value",
        "n_galaxies",
        "n_reference",
        "note",
    ]
    table = Table(rows=rows, names=columns)
    claims = np.asarray(table["dataset"]) != null
    table["p_holm"] = adjust_p_values(np.where(claims, table["p_value"], np.nan))
    table.meta = {
        "reference": scores.reference,
        "n_permutations": n_permutations,
        "unit": "one view per galaxy",
    }
    return table


def _first_views(scores: Scores, dataset: str) -> np.ndarray:
    """Row of the first view of every galaxy of a data set."""
    return scores.first_views(np.flatnonzero(scores.held_out(dataset)))


def _coverage_rows(
    name: str, space: str, ours: np.ndarray, real: np.ndarray, rng: np.random.Generator
) -> list:
    """Coverage both ways as rows, where galaxies are enough."""
    if len(ours) <= 5 or len(real) <= 11:
        return []
    found = coverage(ours, real, rng)
    expected = found.pop("real_inside_real")[0]
    return [
        {
            "dataset": name, "space": space, "test": test.replace("_", " "), "value": value, "low": low,
            "high": high, "null_95": np.nan, "p_value": np.nan, "n_galaxies": len(ours),
            "n_reference": len(real), "note": f"real inside real: {expected:.2f}",
        }
        for test, (value, low, high) in found.items()
    ]  # fmt: skip
