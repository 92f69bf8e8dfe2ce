"""Coordinates of every image in spaces where distance means something, kept beside the scores."""

import importlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from simcompare.features import Components
from simcompare.files import atomic_hdf5
from simcompare.scoring import context_of

__all__ = ["Embedding", "describe", "find_embedding", "read_spaces", "write_spaces"]

logger = logging.getLogger(__name__)

Embedding = Callable[[np.ndarray], np.ndarray]

MOST_FITTED = 1000  # real images that the components are fitted to


def find_embedding(name: str) -> Embedding:
    """Import an embedding by its name.

    Parameters
    ----------
    name : str
        ``"module:function"``; the function takes images (n, band, y, x) and returns vectors (n, d).

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        When the name is not of this form, or names nothing callable.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise ValueError(f"embedding is {name!r}; name it as 'module:function'.")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        raise ValueError(f"embedding {name!r}: {error}; put its folder on PYTHONPATH.") from error
    if not callable(found):
        raise ValueError(f"embedding {name!r}: {module} holds no function {function!r}.")
    return found


def describe(
    sets: Sequence[Any],
    reference: str,
    model: Any,
    *,
    embedding: Embedding | None = None,
    n_components: int = 16,
    batch_size: int = 128,
) -> dict[str, np.ndarray]:
    """Coordinates of all images along the principal components of the real ones.

    Parameters
    ----------
    sets : sequence of ImageSet
        In the order of the score table.
    reference : str
        Data set of real galaxies; the components are fitted to at most 1000 of its images, evenly spread.
    model : FlowModel or any density
        Its latents are a space when it has any.
    embedding : callable, optional
        From images to vectors: the space ``embedding``.
    n_components : int
    batch_size : int

    Returns
    -------
    dict of str to ndarray, shape (n of all sets, n_components or fewer)
        ``pixels`` (asinh of pixels over five times the typical noise), ``latents``, ``embedding``. NaN where
        a pixel is not finite.
    """
    real = next((images for images in sets if images.name == reference), None)
    if real is None or len(real) < 3:
        raise ValueError(f"components need at least 3 images of {reference!r} among the image sets.")
    chosen = real.subset(np.unique(np.linspace(0, len(real) - 1, MOST_FITTED).astype(int)))
    makers = _makers(chosen, model, embedding)
    components = {
        name: Components.fit(rows[np.isfinite(rows).all(axis=1)], n_components)
        for name, make in makers.items()
        for rows in [_rows(chosen, make, model, batch_size)]
    }
    found = {}
    for name, make in makers.items():
        blocks = [_rows(images, make, model, batch_size, components[name]) for images in sets]
        found[name] = np.concatenate(blocks).astype(np.float32)
    return found


def _makers(real: Any, model: Any, embedding: Embedding | None) -> dict[str, Callable]:
    """Functions from images and context to vectors, by name of the space."""
    noise = [np.nanmedian(np.asarray(real.catalogue[f"sky_sigma_{band}"], float)) for band in real.bands]
    soft = 5 * np.array(noise)[:, None, None]
    makers = {"pixels": lambda images, context: np.arcsinh(images / soft)}
    if hasattr(model, "latents"):
        makers["latents"] = lambda images, context: np.asarray(model.latents(images, context))
    if embedding is not None:
        makers["embedding"] = lambda images, context: np.asarray(embedding(images), float)
    return makers


def _rows(images: Any, make: Callable, model: Any, batch_size: int, components=None) -> np.ndarray:
    """Vectors of a whole set, or their components, batch after batch; NaN where a pixel is not finite."""
    names = getattr(model, "context_names", ())
    blocks = []
    for start in range(0, len(images), batch_size):
        batch = images.slab(start, start + batch_size)
        stack = batch.read()
        context = context_of(batch.catalogue, names) if names else None
        usable = np.isfinite(stack.image).all(axis=(1, 2, 3))
        filled = np.where(
            usable[:, None, None, None], stack.image, stack.image[usable][:1] if usable.any() else 0
        )
        vectors = make(filled, context).reshape(len(filled), -1)
        block = vectors if components is None else components(vectors)
        blocks.append(np.where(usable[:, None], block, np.nan))
    return np.concatenate(blocks)


def write_spaces(spaces: Mapping[str, np.ndarray], path: str | os.PathLike) -> None:
    """Write coordinates as HDF5, one dataset a space, rows as in the score table."""
    with atomic_hdf5(path) as file:
        for name, values in spaces.items():
            file.create_dataset(name, data=np.asarray(values, np.float32), compression=4)


def read_spaces(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read what `write_spaces` wrote; empty where there is no file."""
    if not Path(path).is_file():
        return {}
    with h5py.File(path, "r") as file:
        return {name: file[name][:].astype(float) for name in file}
