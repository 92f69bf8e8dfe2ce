"""Vectors that describe galaxies, for tests and neighbours that need no likelihood."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from scipy.linalg import eigh
from scipy.spatial import cKDTree

from mocks.streams import stream
from simcompare.scores.table import first_views, reference_rows
from simcompare.scores.text_column import words_of
from simcompare.statistics.feature_tests import (
    classifier_test,
    coverage,
    energy_test,
    kernel_test,
    sliced_test,
)
from simcompare.statistics.rows import Rows, standardise
from simcompare.statistics.significance import adjust_p_values

__all__ = [
    "MORPHOLOGY",
    "Components",
    "RealGalaxies",
    "compare_features",
    "image_features",
    "morphology_features",
]

MORPHOLOGY = (
    "half_light_radius",
    "axis_ratio",
    "concentration",
    "asymmetry",
    "smoothness",
    "gini",
    "m20",
)
_TESTS = (classifier_test, kernel_test, energy_test, sliced_test)


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of real galaxies.

    Parameters
    ----------
    mean : ndarray, shape (n_dim,)
    axes : ndarray, shape (n_components, n_dim)
        Orthonormal, most variance first.
    spread : ndarray, shape (n_components,)
        Standard deviation along each.
    """

    mean: np.ndarray
    axes: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, rows: np.ndarray, n_components: int = 16) -> "Components":
        """Find the components of rows, shape (n, n_dim)."""
        rows = np.asarray(rows, dtype=np.float64)
        mean = rows.mean(axis=0)
        centred = rows - mean
        # The small side's matrix has the same leading components and costs a fraction of the whole SVD.
        kept = min(n_components, len(rows) - 1, rows.shape[1])
        if len(rows) < rows.shape[1]:
            values, left = eigh(centred @ centred.T, subset_by_index=[len(rows) - kept, len(rows) - 1])
            axes = left.T @ centred
            axes /= np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), np.finfo(float).tiny)
        else:
            values, right = eigh(centred.T @ centred, subset_by_index=[len(mean) - kept, len(mean) - 1])
            axes = right.T
        spread = np.sqrt(np.maximum(values[::-1], 0) / (len(rows) - 1))
        return cls(mean, axes[::-1], np.where(spread > 1e-9 * spread[0], spread, np.inf))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Coordinates along the components in units of the spread of real galaxies, (n, n_components)."""
        return (np.asarray(rows, dtype=np.float64) - self.mean) @ self.axes.T / self.spread


def image_features(
    images: Any, embed: Callable[[np.ndarray, slice], np.ndarray], *, batch_size: int = 256
) -> np.ndarray:
    """Describe every image of a set by a vector, batch after batch.

    Parameters
    ----------
    images : ImageSet
    embed : callable
        From images (n, band, y, x) and their rows in the set to vectors (n, d): softened pixels, the
        latents of a flow, or any encoder.
    batch_size : int

    Returns
    -------
    ndarray, shape (len(images), d)
    """
    blocks, done = [], 0
    for stack in images.batches(batch_size):
        rows = slice(done, done + len(stack.image))
        blocks.append(np.asarray(embed(stack.image, rows), dtype=float).reshape(len(stack.image), -1))
        done = rows.stop
    return np.concatenate(blocks)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shape measurements of a table as rows of features, sizes by their logarithm.

    Parameters
    ----------
    scores : Table
    names : list of str
        Its columns.
    """

    scores: Table
    names: list[str]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return len(self.scores), len(self.names)

    def __getitem__(self, rows) -> np.ndarray:
        """Features of some rows, shape (k, d)."""
        values = np.stack([np.asarray(self.scores[name][rows], float) for name in self.names], axis=-1)
        for k, name in enumerate(self.names):
            if name.endswith("radius"):
                with np.errstate(divide="ignore", invalid="ignore"):
                    values[..., k] = np.log10(values[..., k])
        return values


def morphology_features(scores: Table) -> Shapes:
    """Collect the shape measurements that are finite for most images.

    Parameters
    ----------
    scores : Table

    Returns
    -------
    Shapes

    Raises
    ------
    ValueError
        When the table has none of them.
    """
    names = [
        name
        for name in MORPHOLOGY
        if name in scores.colnames and np.mean(np.isfinite(np.asarray(scores[name], float))) > 0.5
    ]
    if not names:
        raise ValueError(f"the table has none of the shape measurements {', '.join(MORPHOLOGY)}.")
    return Shapes(scores, names)


def compare_features(
    scores: Table,
    reference: str,
    spaces: Mapping[str, Any],
    seed: int,
    *,
    n_permutations: int = 200,
) -> Table:
    """Test every data set against held-out real galaxies in several spaces of features.

    Parameters
    ----------
    scores : Table
        Says data set, galaxy and split of each row.
    reference : str
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
    halves = _first_views(scores, reference)
    galaxy = stream(seed, "feature halves").permutation(halves)
    first_half, second_half = galaxy[: len(galaxy) // 2], galaxy[len(galaxy) // 2 :]
    names = sorted(set(words_of(scores["dataset"])) - {reference})
    null = f"{reference} (half)"
    samples = {name: (_first_views(scores, name), halves) for name in names} | {
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
    table.meta = {"reference": reference, "n_permutations": n_permutations, "unit": "one view per galaxy"}
    return table


def _first_views(scores: Table, dataset: str) -> np.ndarray:
    """Row of the first view of every galaxy of a data set."""
    rows = np.flatnonzero(reference_rows(scores, dataset))
    return first_views(scores, rows)


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


@dataclass(frozen=True, eq=False)
class RealGalaxies:
    """Real galaxies in a space in which distances mean something; neighbours are found some rows at a time.

    Parameters
    ----------
    reference : str
        Their data set.
    galaxy : ndarray of str, shape (n_real,)
        Galaxy of each image, learned ones too.
    tree : cKDTree
        Of their coordinates.
    n_asked : int
        Neighbours looked up, with the views of the galaxy itself, which may not be named.
    n_neighbours : int
        Neighbours named.
    """

    reference: str
    galaxy: np.ndarray
    tree: cKDTree
    n_asked: int
    n_neighbours: int

    @classmethod
    def of(
        cls, reference: str, galaxy: np.ndarray, features: np.ndarray, n_neighbours: int = 3
    ) -> "RealGalaxies":
        """Gather the images with finite coordinates.

        Parameters
        ----------
        reference : str
        galaxy : array of str, shape (n,)
        features : ndarray, shape (n, d)
            E.g. from `Components`.
        n_neighbours : int

        Raises
        ------
        ValueError
            When they are too few.
        """
        finite = np.isfinite(features).all(axis=1)
        galaxy = np.asarray(galaxy).astype(str)[finite]
        if galaxy.size <= n_neighbours:
            raise ValueError(
                f"{reference!r} has {galaxy.size} rows with finite features; more than {n_neighbours} are "
                "needed."
            )
        most_views = int(np.unique(galaxy, return_counts=True)[1].max())
        n_asked = min(n_neighbours + most_views, galaxy.size)
        return cls(reference, galaxy, cKDTree(features[finite]), n_asked, n_neighbours)

    def nearest(self, scores: Table, features: np.ndarray, prefix: str = "real") -> Table:
        """Find those that are most like each image.

        Parameters
        ----------
        scores : Table
            Says data set and galaxy of each row.
        features : ndarray, shape (len(scores), d)
        prefix : str
            Of the columns' names.

        Returns
        -------
        Table
            For each row: ``real_twin_<k>`` (galaxy_id), ``real_distance_<k>``, k = 1 the nearest; empty and
            NaN where coordinates are not finite.
        """
        finite = np.isfinite(features).all(axis=1)
        distance, index = self.tree.query(np.where(finite[:, None], features, 0.0), k=self.n_asked)
        same = self.galaxy[index] == np.asarray(scores["galaxy_id"]).astype(str)[:, None]
        same &= (np.asarray(scores["dataset"]) == self.reference)[:, None]
        order = np.argsort(np.where(same, np.inf, distance), axis=1, kind="stable")
        table = Table()
        for k in range(self.n_neighbours):
            chosen, away = (
                np.take_along_axis(x, order[:, k : k + 1], axis=1)[:, 0] for x in (index, distance)
            )
            table[f"{prefix}_twin_{k + 1}"] = np.where(finite, self.galaxy[chosen], "")
            table[f"{prefix}_distance_{k + 1}"] = np.where(finite, away, np.nan)
        return table
