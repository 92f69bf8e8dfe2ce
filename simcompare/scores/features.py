"""Vectors that describe galaxies, for tests and neighbours that need no likelihood."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from scipy.spatial import cKDTree

from simcompare.scores.columns import COLUMNS, Use, column_of, in_words, names_for
from simcompare.scores.record import Scores

__all__ = ["Components", "RealGalaxies", "morphology_features", "shape_columns"]


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


@dataclass(frozen=True, eq=False)
class Shapes:
    """Shape measurements of a table as rows of features, sizes by their logarithm.

    Parameters
    ----------
    scores : Scores
    names : list of str
        Its columns.
    """

    scores: Scores
    names: list[str]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return len(self.scores), len(self.names)

    def __getitem__(self, rows) -> np.ndarray:
        """Features of some rows, shape (k, d)."""
        values = np.stack([self.scores.numbers(name)[rows] for name in self.names], axis=-1)
        for k, name in enumerate(self.names):
            if column_of(name).is_logarithmic:
                with np.errstate(divide="ignore", invalid="ignore"):
                    values[..., k] = np.log10(values[..., k])
        return values


def shape_columns(names: Iterable[str]) -> list[str]:
    """Choose the shape measurements among columns."""
    return [name for name in names_for(Use.SHAPE, names) if name in COLUMNS]


def morphology_features(scores: Scores) -> Shapes:
    """Collect the shape measurements that are finite for most images.

    Raises
    ------
    ValueError
        When the table has none of them.
    """
    columns = shape_columns(scores.colnames)
    names = [name for name in columns if np.mean(np.isfinite(scores.numbers(name))) > 0.5]
    if not names:
        raise ValueError(
            f"the scores have none of the shape measurements ({in_words(shape_columns(COLUMNS))})."
        )
    return Shapes(scores, names)


@dataclass(frozen=True, eq=False)
class RealGalaxies:
    """Real galaxies in a space in which distances mean something; neighbours are found some rows at a time.

    Parameters
    ----------
    galaxy : ndarray of str, shape (n_real,)
        Galaxy of each image, learned ones too.
    tree : cKDTree
        Of their coordinates.
    n_asked : int
        Neighbours looked up, with the views of the galaxy itself, which may not be named.
    n_neighbours : int
        Neighbours named.
    """

    galaxy: np.ndarray
    tree: cKDTree
    n_asked: int
    n_neighbours: int

    @classmethod
    def of(cls, galaxy: np.ndarray, features: np.ndarray, n_neighbours: int = 3) -> "RealGalaxies":
        """Gather the images with finite coordinates.

        Parameters
        ----------
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
                f"{galaxy.size} real images have finite features; more than {n_neighbours} are needed."
            )
        most_views = int(np.unique(galaxy, return_counts=True)[1].max())
        n_asked = min(n_neighbours + most_views, galaxy.size)
        return cls(galaxy, cKDTree(features[finite]), n_asked, n_neighbours)

    def nearest(self, scores: Scores, features: np.ndarray, prefix: str = "real") -> dict[str, np.ndarray]:
        """Find those that are most like each image.

        Parameters
        ----------
        scores : Scores
            Says data set and galaxy of each row, and which data set these are.
        features : ndarray, shape (len(scores), d)
        prefix : str
            Of the columns' names.

        Returns
        -------
        dict of str to ndarray
            For each row: ``real_twin_<k>`` (galaxy_id), ``real_distance_<k>``, k = 1 the nearest; empty and
            NaN where coordinates are not finite.
        """
        finite = np.isfinite(features).all(axis=1)
        distance, index = self.tree.query(np.where(finite[:, None], features, 0.0), k=self.n_asked)
        same = self.galaxy[index] == scores["galaxy_id"][:, None]
        same &= scores.equals("dataset", scores.named_reference)[:, None]
        order = np.argsort(np.where(same, np.inf, distance), axis=1, kind="stable")
        columns = {}
        for k in range(self.n_neighbours):
            chosen, away = (
                np.take_along_axis(x, order[:, k : k + 1], axis=1)[:, 0] for x in (index, distance)
            )
            columns[f"{prefix}_twin_{k + 1}"] = np.where(finite, self.galaxy[chosen], "")
            columns[f"{prefix}_distance_{k + 1}"] = np.where(finite, away, np.nan)
        return columns
