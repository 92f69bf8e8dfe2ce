"""Tests without a likelihood: features of data sets held against the reference."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.scores.record import Scores
from simcompare.statistics.feature_tests import (
    classifier_test,
    coverage,
    energy_test,
    kernel_test,
    sliced_test,
)
from simcompare.statistics.rows import Rows, standardise
from simcompare.statistics.significance import adjust_p_values

__all__ = ["compare_features"]


_TESTS = (classifier_test, kernel_test, energy_test, sliced_test)


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
        open HDF5 file, or what else `simcompare.statistics.rows.Rows` takes.
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
