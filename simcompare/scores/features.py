"""Vectors that describe galaxies, for tests and neighbours that need no likelihood."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from scipy.linalg import eigh
from scipy.spatial import cKDTree

__all__ = ["MORPHOLOGY", "Components", "RealGalaxies", "morphology_features"]

MORPHOLOGY = (
    "half_light_radius",
    "axis_ratio",
    "concentration",
    "asymmetry",
    "smoothness",
    "gini",
    "m20",
)


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
