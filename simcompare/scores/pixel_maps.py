"""Where in each image the likelihood arises: maps of nats per pixel, in shards of bounded size."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from mocks.checked_hdf5 import open_contained
from simcompare.models.density import Density, bound, context_of
from simcompare.runs.files import atomic_hdf5
from simcompare.runs.names import file_name

__all__ = ["SHARD", "read_map", "write_maps"]

SHARD = 512  # images per file: 16 MB for two maps of 64 x 64 pixels


def write_maps(
    images: Any,
    densities: Mapping[str, Density],
    folder: str | os.PathLike,
    *,
    batch_size: int = 64,
    symmetries: bool = True,
) -> list[Path]:
    """Write the per-pixel log-likelihood of every image under every density.

    Each pixel's map is averaged over the same orientations as the score, so that its sum over the image is
    the score; the map of a ratio is the difference of two maps. Shards that exist are kept.

    Parameters
    ----------
    images : ImageSet
    densities : mapping of str to Density
        By name; each with a method ``map(images, context)``, shape (n, y, x) [nats].
    folder : path-like
        Gets ``<dataset>-<number>.h5``: one dataset by density, float32, and ``image_index``.
    batch_size : int
        Images at once.
    symmetries : bool
        Average over the eight orientations.

    Raises
    ------
    ValueError
        When a density has no maps.
    """
    without = [name for name, density in densities.items() if not hasattr(density, "map")]
    if without:
        raise ValueError(
            f"no likelihood map for {', '.join(without)}: only wavelet flows give nats per pixel."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contexts = {
        name: context_of(images.catalogue, getattr(density, "context_names", ()))
        for name, density in densities.items()
    }
    paths = []
    for start in range(0, len(images), SHARD):
        path = folder / f"{file_name(images.name)}-{start // SHARD:04d}.h5"
        paths.append(path)
        if path.is_file():
            continue
        rows = range(start, min(start + SHARD, len(images)))
        with atomic_hdf5(path) as file:
            file.attrs.update(dataset=images.name, unit="nats per pixel, bands summed")
            file["image_index"] = np.array(rows)
            shape = (len(rows), *images.image_shape[1:])
            targets = {
                name: file.create_dataset(name, shape, "f4", chunks=(1, *shape[1:]), compression=1)
                for name in densities
            }
            for first in range(start, rows.stop, batch_size):
                part = slice(first, min(first + batch_size, rows.stop))
                stack = images.read(part).image
                for name, density in densities.items():
                    context = None if contexts[name] is None else contexts[name][part]
                    inside = slice(part.start - start, part.stop - start)
                    own = images.catalogue[part]
                    targets[name][inside] = _mean_map(density, stack, context, symmetries, own)
    return paths


def _mean_map(
    density: Density, stack: np.ndarray, context: np.ndarray | None, symmetries: bool, catalogue: Table
) -> np.ndarray:
    """Map of each image, mean over orientations, each turned back."""
    usable = np.isfinite(stack).all(axis=(1, 2, 3))
    result = np.full((len(stack), *stack.shape[2:]), np.nan)
    if not usable.any():
        return result
    context = None if context is None else context[usable]
    density = bound(density, catalogue[usable])
    from flows import symmetry  # torch: two seconds that readers of maps need not wait

    symmetries = symmetries and not getattr(density, "is_symmetric", False)
    views = symmetry.symmetries(stack[usable]) if symmetries else [stack[usable]]
    maps = [symmetry.undo_symmetry(np.asarray(density.map(view, context)), k) for k, view in enumerate(views)]
    result[usable] = np.mean(maps, axis=0)
    return result


def read_map(folder: str | os.PathLike, dataset: str, image_index: int) -> dict[str, np.ndarray]:
    """Read the maps of one image.

    Parameters
    ----------
    folder : path-like
        ``maps`` of a score run.
    dataset : str
    image_index : int
        As in the score table.

    Returns
    -------
    dict of str to ndarray, shape (y, x)
        By name of the density [nats per pixel].

    Raises
    ------
    FileNotFoundError
        When there is no such shard.
    """
    path = Path(folder) / f"{file_name(dataset)}-{image_index // SHARD:04d}.h5"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; score with --maps, and name a data set scored there."
        )
    with open_contained(path) as file:
        return {name: file[name][image_index % SHARD] for name in file if name != "image_index"}
