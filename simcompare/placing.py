"""Where each scored image stands among the real ones: typicality, rank, nearest galaxies."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table, hstack

from mocks.streams import stream
from simcompare.analysis import usable_nuisances
from simcompare.features import nearest_real
from simcompare.spaces import describe, write_spaces
from simcompare.typicality import add_typicality

__all__ = ["SPACES", "coordinates_of", "place_scores"]

logger = logging.getLogger(__name__)

SPACES = "spaces.h5"


def place_scores(
    scores: Table,
    sets: Sequence[Any],
    reference: str,
    model: Any,
    folder: str | os.PathLike,
    *,
    seed: int,
    neighbours: int = 3,
    embedding: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Table:
    """Add typicality, anomaly rank and nearest real galaxies, as far as the numbers allow.

    Parameters
    ----------
    scores : Table
    sets : sequence of ImageSet
        Those that were scored, in any order.
    reference : str
        Data set of real galaxies.
    model : FlowModel
    folder : path-like
        Gets ``spaces.h5``: coordinates of every row, see `simcompare.spaces.describe`.
    seed : int
    neighbours : int
        Nearest real galaxies named for each image.
    embedding : callable, optional
        Further space.

    Returns
    -------
    Table
        Copy with the columns of `simcompare.typicality.add_typicality` and of
        `simcompare.features.nearest_real`, in the latents and, as ``embedding_...``, in the embedding.
    """
    meta = scores.meta
    try:
        columns = usable_nuisances(scores, reference)
        scores = add_typicality(scores, reference, stream(seed, "typicality"), columns=columns)
    except ValueError as error:
        logger.warning("no typicality: %s", error)
    try:
        spaces = coordinates_of(scores, sets, reference, model, embedding)
    except ValueError as error:
        logger.info("no spaces of features: %s", error)
        return scores
    write_spaces(spaces, Path(folder) / SPACES)
    wanted = {"real": spaces.get("latents", spaces["pixels"])}
    if "embedding" in spaces:
        wanted["embedding"] = spaces["embedding"]
    for prefix, coordinates in wanted.items() if neighbours else ():
        try:
            found = nearest_real(scores, reference, coordinates, n_neighbours=neighbours, prefix=prefix)
        except ValueError as error:
            logger.warning("no nearest real galaxies: %s", error)
            continue
        scores = scores[[name for name in scores.colnames if name not in found.colnames]]
        scores = hstack([scores, found], metadata_conflicts="silent")
    scores.meta = meta
    return scores


def coordinates_of(
    scores: Table,
    sets: Sequence[Any],
    reference: str,
    model: Any,
    embedding: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Coordinates of every row of a score table.

    Parameters
    ----------
    scores, sets, reference, model, embedding
        As for `place_scores`.

    Returns
    -------
    dict of str to ndarray, shape (len(scores), n_components)

    Raises
    ------
    ValueError
        When a data set of the table has no image set, or the real images are too few.
    """
    found = describe(sets, reference, model, embedding=embedding)
    starts = dict(zip((images.name for images in sets), np.cumsum([0, *map(len, sets)]), strict=False))
    rows = _rows(scores, starts)
    return {name: values[rows] for name, values in found.items()}


def _rows(scores: Table, starts: Mapping[str, int]) -> np.ndarray:
    """Position of every row of the table in all image sets, one after the other."""
    dataset = np.asarray(scores["dataset"]).astype(str)
    if missing := sorted(set(dataset.tolist()) - set(starts)):
        raise ValueError(f"the image sets of {', '.join(missing)} are not there.")
    return np.array([starts[name] for name in dataset]) + np.asarray(scores["image_index"], dtype=int)
