"""Where each scored image stands among the real ones: typicality, rank, nearest galaxies."""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mocks.checked_hdf5 import open_contained
from mocks.streams import stream
from simcompare.runs.files import read_rows
from simcompare.scores.features import RealGalaxies
from simcompare.scores.joining import stack_scores
from simcompare.scores.nuisance import usable_nuisances
from simcompare.scores.record import Scores
from simcompare.scores.spaces import write_spaces
from simcompare.scores.typicality import Typicality

__all__ = ["MOST_REAL", "SPACES", "place_scores"]

logger = logging.getLogger(__name__)

SPACES = "spaces.h5"
MOST_REAL = 100_000  # real images held in memory; of more, every second one, or fourth, ...

Reader = Callable[[Collection[str] | None], Iterable[Scores]]


def place_scores(
    read: Reader,
    form: Scores,
    sets: Sequence[Any],
    model: Any,
    folder: str | os.PathLike,
    *,
    seed: int,
    neighbours: int = 3,
    embedding: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterator[Scores]:
    """Add typicality, anomaly rank and nearest real galaxies, as far as the numbers allow.

    The scores are read several times, some rows at a time. Memory holds at most `MOST_REAL` real images,
    and one number of every image, for its rank. The division in blocks changes no bit of the result.

    Parameters
    ----------
    read : callable
        Reads all rows anew, as scores of some rows with the named columns (None: with all).
    form : Scores
        Their columns and reference; no rows.
    sets : sequence of ImageSet
        Those that were scored, in any order.
    model : FlowModel
    folder : path-like
        Gets ``spaces.h5``: coordinates of every row, see `simcompare.scores.spaces.write_spaces`.
    seed : int
    neighbours : int
        Nearest real galaxies named for each image.
    embedding : callable, optional
        Further space.

    Returns
    -------
    iterator of Scores
        The blocks of ``read``, with the columns of `simcompare.scores.typicality.add_typicality` and of
        `simcompare.scores.features.RealGalaxies.nearest`, in the latents and, as ``embedding_...``, in the
        embedding.
    """
    names = ["dataset", "galaxy_id", "kind", "split", form.headline, *form.nuisances]
    sizes, real, rows = _real_rows(read([*names, "image_index"]))
    typicality, ranks, near, path = None, {}, {}, Path(folder) / SPACES
    try:
        columns = usable_nuisances(read(names)) or form.nuisances
        typicality = Typicality.fit(real, rows, stream(seed, "typicality"), columns=columns)
        ranks = _ranks(read(names), typicality)
    except ValueError as error:
        logger.warning("typicality skipped: %s", error)
    try:
        write_spaces(path, _in_order(sets, sizes), form.named_reference, model, embedding=embedding)
    except ValueError as error:
        logger.info("feature spaces skipped: %s", error)
    else:
        near = _real_galaxies(path, real, rows, neighbours) if neighbours else {}
    return _placed(read(None), typicality, ranks, near, path)


def _real_rows(blocks: Iterable[Scores]) -> tuple[dict[str, int | None], Scores, np.ndarray]:
    """Size of every data set, None where its rows are not those of an image set, and the real rows."""
    sizes: dict[str, int | None] = {}
    kept, numbers, start, seen, step = [], [], 0, 0, 1
    for block in blocks:
        for name in block.in_order:
            index, first = block["image_index"][block.equals("dataset", name)], sizes.get(name, 0)
            is_next = first is not None and np.array_equal(index, first + np.arange(index.size))
            sizes[name] = first + index.size if is_next else None
        inside = np.flatnonzero(block.equals("dataset", block.named_reference))
        chosen = inside[-seen % step :: step]
        kept.append(block[chosen])
        numbers.append(start + chosen)
        start, seen = start + len(block), seen + inside.size
        while -(-seen // step) > MOST_REAL:
            step *= 2
            kept, numbers = [stack_scores(kept)[::2]], [np.concatenate(numbers)[::2]]
    return sizes, stack_scores(kept), np.concatenate(numbers)


def _ranks(blocks: Iterable[Scores], typicality: Typicality) -> dict[str, np.ndarray]:
    """Anomaly ranks of every data set in the order of its rows."""
    residuals: dict[str, list[np.ndarray]] = {}
    start = 0
    for block in blocks:
        residual = typicality.residual(block, start)
        for name in block.datasets:
            residuals.setdefault(name, []).append(residual[block.equals("dataset", name)])
        start += len(block)
    return {name: typicality.rank(np.concatenate(residuals.pop(name))) for name in list(residuals)}


def _in_order(sets: Sequence[Any], sizes: Mapping[str, int | None]) -> list[Any]:
    """Image sets in the order of the score table."""
    by_name = {images.name: images for images in sets}
    if missing := sorted(set(sizes) - set(by_name)):
        raise ValueError(f"images of {', '.join(missing)} are not available.")
    if changed := [name for name, n in sizes.items() if n != len(by_name[name])]:
        raise ValueError(f"the image sets of {', '.join(changed)} hold other images than were scored.")
    return [by_name[name] for name in sizes]


def _real_galaxies(
    path: Path, real: Scores, rows: np.ndarray, neighbours: int
) -> dict[str, tuple[str, RealGalaxies]]:
    """Space and real galaxies in it, by the prefix of the columns."""
    spaces = {}
    with open_contained(path) as file:
        wanted = {"real": "latents" if "latents" in file else "pixels"}
        wanted |= {"embedding": "embedding"} if "embedding" in file else {}
        for prefix, space in wanted.items():
            try:
                galaxies = RealGalaxies.of(real["galaxy_id"], read_rows(file[space], rows), neighbours)
            except ValueError as error:
                logger.warning("nearest real galaxies skipped: %s", error)
            else:
                spaces[prefix] = space, galaxies
    return spaces


def _placed(
    blocks: Iterable[Scores],
    typicality: Typicality | None,
    ranks: Mapping[str, np.ndarray],
    near: Mapping[str, tuple[str, RealGalaxies]],
    path: Path,
) -> Iterator[Scores]:
    """Blocks with their further columns."""
    start, done = 0, dict.fromkeys(ranks, 0)
    for block in blocks:
        rows = slice(start, start + len(block))
        if typicality is not None:
            block = typicality.mark(block, start)
            rank = np.zeros(len(block), dtype=np.int64)
            for name in block.datasets:
                own = np.flatnonzero(block.equals("dataset", name))
                rank[own] = ranks[name][done[name] : done[name] + own.size]
                done[name] += own.size
            block = block.with_columns(anomaly_rank=rank)
        for prefix, (space, galaxies) in near.items():
            with open_contained(path) as file:
                block = block.with_columns(**galaxies.nearest(block, file[space][rows], prefix))
        start = rows.stop
        yield block
