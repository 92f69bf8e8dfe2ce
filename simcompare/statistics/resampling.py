"""Random resamples of galaxies, some at a time."""

from collections.abc import Iterator

import numpy as np

__all__ = ["BLOCK", "blocks", "resampled_counts", "resampled_means", "resamples"]

BLOCK = 1_000_000  # resampled weights held at once: 8 MB, whatever the sample


def resampled_counts(n_galaxies: int, n_bootstrap: int, rng: np.random.Generator) -> np.ndarray:
    """How often each galaxy is drawn in each resample, shape (n_bootstrap, n_galaxies)."""
    drawn = rng.integers(n_galaxies, size=(n_bootstrap, n_galaxies))
    drawn += n_galaxies * np.arange(n_bootstrap)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_bootstrap * n_galaxies).reshape(n_bootstrap, n_galaxies)


def resamples(n_galaxies: int, n_bootstrap: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield what `resampled_counts` gives row by row, of which some are in memory."""
    for n in blocks(n_bootstrap, n_galaxies, BLOCK // 8):  # drawing and counting take two copies
        yield from resampled_counts(n_galaxies, n, rng)


def resampled_means(values: np.ndarray, size: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means of rows drawn with replacement.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
    size : int
        Rows drawn each time.
    n_draws : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_draws, ...)
    """
    row = size * values[:1].size
    drawn = (rng.integers(len(values), size=(n, size)) for n in blocks(n_draws, row))
    return np.concatenate([values[index].mean(axis=1) for index in drawn])


def blocks(n: int, row: int, most: int | None = None) -> Iterator[int]:
    """Divide n rows of the given length into blocks of so many numbers, 8 MB by default.

    Yields
    ------
    int
        Rows of each block.
    """
    step = max(1, (most or BLOCK) // max(row, 1))
    for start in range(0, n, step):
        yield min(step, n - start)
