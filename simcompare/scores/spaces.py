"""Coordinates of every image in spaces where distance means something, kept beside the scores."""

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mocks.checked_hdf5 import open_contained
from simcompare.models.density import context_of
from simcompare.runs.files import atomic_hdf5, read_rows
from simcompare.runs.ledger import check_hash
from simcompare.scores.encoders import Encoder
from simcompare.scores.features import Components

__all__ = ["open_spaces", "write_spaces"]

MOST_FITTED = 1000  # real images that the components are fitted to
LEAST_LEARNED = 20  # learned real images that the components are fitted to; of fewer, held-out ones serve
FITTED = "fitted"  # dataset of the file: whether a held-out galaxy served to fit the components


def write_spaces(
    path: str | os.PathLike,
    sets: Sequence[Any],
    reference: str,
    model: Any,
    *,
    embedding: Encoder | None = None,
    n_components: int = 16,
    batch_size: int = 128,
) -> None:
    """Write coordinates of all images along the principal components of the real ones, batch after batch.

    Parameters
    ----------
    path : path-like
        HDF5 file to make: one dataset a space, float32, shape (n of all sets, n_components or fewer):
        ``pixels`` (asinh of pixels over five times the typical noise), ``latents``, ``embedding``. NaN where
        a pixel is not finite. Beside them ``fitted``, whether the galaxy of an image is held out and served
        to fit the components, so that no test may use it.
    sets : sequence of ImageSet
        In the order of the score table.
    reference : str
        Data set of real galaxies; the components are fitted to at most 1000 of its images that a model has
        learned from, evenly spread. Of fewer than 20 such images, half of the held-out galaxies serve.
    model : FlowModel or any density
        Its latents are a space when it has any.
    embedding : callable, optional
        From images to vectors: the space ``embedding``.
    n_components : int
    batch_size : int

    Raises
    ------
    ValueError
        When the real images are too few.
    OSError
        As `simcompare.runs.files.atomic_hdf5`.
    """
    real = next((images for images in sets if images.name == reference), None)
    if real is None or len(real) < 3:
        raise ValueError(f"components need at least 3 images of {reference!r} among the image sets.")
    pool, fitted_galaxies = _to_fit(real)
    if len(pool) < 3:
        raise ValueError(f"components need at least 3 images of {reference!r}; {len(pool)} can be spared.")
    chosen = real.subset(pool[np.unique(np.linspace(0, len(pool) - 1, MOST_FITTED).astype(int))])
    makers = _makers(chosen, model, embedding)
    blocks = list(_vectors(chosen, makers, model, batch_size))
    fitted = [np.concatenate(rows) for rows in zip(*blocks, strict=True)]
    fitted = [rows[np.isfinite(rows).all(axis=1)] for rows in fitted]
    if min(map(len, fitted)) < 3:
        raise ValueError(f"features of the images of {reference!r} under this model are not finite.")
    components = [Components.fit(rows, n_components) for rows in fitted]
    del blocks, fitted
    total, start = sum(map(len, sets)), 0
    with atomic_hdf5(path) as file:
        for name, axes in zip(makers, components, strict=True):
            shape = (total, len(axes.spread))
            chunks = (min(total, 1024), shape[1])
            file.create_dataset(name, shape, np.float32, chunks=chunks, compression=4)
        file.create_dataset(FITTED, (total,), bool)
        for images in sets:
            first = start
            for vectors in _vectors(images, makers, model, batch_size):
                stop = start + len(vectors[0])
                for name, axes, rows in zip(makers, components, vectors, strict=True):
                    file[name][start:stop] = axes(rows)
                start = stop
            if fitted_galaxies.size:
                file[FITTED][first:start] = np.isin(_words(images, "galaxy_id"), fitted_galaxies)


def _to_fit(real: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images to fit the components to, and the names of held-out galaxies among theirs."""
    learned = np.flatnonzero(_words(real, "split") != "test")
    if len(learned) >= LEAST_LEARNED:
        return learned, np.zeros(0, str)
    galaxy = _words(real, "galaxy_id")
    names = np.unique(galaxy)  # the same half whatever the order, or what else is there
    half = names[np.argsort([zlib.crc32(name.encode()) for name in names], kind="stable")[: len(names) // 2]]
    return np.flatnonzero(np.isin(galaxy, half)), half


def _words(images: Any, column: str) -> np.ndarray:
    """Text of a column of the catalogue, which is read file by file."""
    parts = [images.slab(start, start + 1024).catalogue[column] for start in range(0, len(images), 1024)]
    return np.concatenate([np.asarray(part).astype(str) for part in parts])


def _makers(real: Any, model: Any, embedding: Encoder | None) -> dict[str, Callable]:
    """Functions from images and context to vectors, by name of the space."""
    # Of a few images at a time, as their catalogues are read file by file.
    parts = [real.slab(start, start + 128).catalogue for start in range(0, len(real), 128)]
    noise = [
        np.nanmedian(np.concatenate([np.asarray(part[f"sky_sigma_{band}"], float) for part in parts]))
        for band in real.bands
    ]
    soft = 5 * np.array(noise)[:, None, None]
    makers = {"pixels": lambda images, context: np.arcsinh(images / soft)}
    if hasattr(model, "latents"):
        makers["latents"] = lambda images, context: np.asarray(model.latents(images, context))
    if embedding is not None:
        makers["embedding"] = lambda images, context: np.asarray(embedding(images), float)
    return makers


def _vectors(
    images: Any, makers: Mapping[str, Callable], model: Any, batch_size: int
) -> Iterator[list[np.ndarray]]:
    """Vectors of a set in every space, batch after batch; NaN where a pixel is not finite."""
    names = getattr(model, "context_names", ())
    for start in range(0, len(images), batch_size):
        batch = images.slab(start, start + batch_size)
        stack = batch.read()
        context = context_of(batch.catalogue, names) if names else None
        usable = np.isfinite(stack.image).all(axis=(1, 2, 3))
        filled = np.where(
            usable[:, None, None, None], stack.image, stack.image[usable][:1] if usable.any() else 0
        )
        vectors = [make(filled, context).reshape(len(filled), -1) for make in makers.values()]
        yield [np.where(usable[:, None], each, np.nan) for each in vectors]


@dataclass(frozen=True, eq=False)
class _Tested:
    """Coordinates of the images that a test may use; NaN for galaxies that the components were fitted to."""

    coordinates: h5py.Dataset
    fitted: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.coordinates.shape

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        rows = read_rows(self.coordinates, index) if np.size(index) else np.zeros((0, self.shape[1]))
        return np.where(self.fitted[index][:, None], np.nan, rows)


@contextmanager
def open_spaces(path: str | os.PathLike) -> Iterator[dict[str, Any]]:
    """Open what `write_spaces` wrote, to be read in parts; empty where there is no file.

    Rows of galaxies that served to fit the components are NaN: a test of them would find them nearer to the
    components than any others.

    Raises
    ------
    ValueError
        When the file does not say which these are, as one of before does not.
    """
    if not Path(path).is_file():
        yield {}
        return
    check_hash(Path(path))
    with open_contained(path) as file:
        if FITTED not in file:
            raise ValueError(
                f"{path} does not say which galaxies its components were fitted to, for an older version "
                "made it; delete it and compare again."
            )
        fitted = file[FITTED][:]
        spaces = {name: each for name, each in file.items() if name != FITTED}
        yield {name: _Tested(each, fitted) for name, each in spaces.items()} if fitted.any() else spaces
