"""Where each scored image stands among the real ones: typicality, rank, nearest galaxies."""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table, hstack, vstack

from mocks.checked_hdf5 import open_contained
from mocks.streams import stream
from simcompare.runs.files import read_rows
from simcompare.scores.features import RealGalaxies
from simcompare.scores.nuisance import usable_nuisances
from simcompare.scores.spaces import write_spaces
from simcompare.scores.table import headline_score, nuisance_columns
from simcompare.scores.typicality import Typicality

__all__ = ["MOST_REAL", "SPACES", "place_scores"]

logger = logging.getLogger(__name__)

SPACES = "spaces.h5"
MOST_REAL = 100_000  # real images held in memory; of more, every second one, or fourth, ...

Reader = Callable[[Collection[str] | None], Iterable[Table]]


def place_scores(
    read: Reader,
    form: Table,
    sets: Sequence[Any],
    reference: str,
    model: Any,
    folder: str | os.PathLike,
    *,
    seed: int,
    neighbours: int = 3,
    embedding: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Iterator[Table]:
    """Add typicality, anomaly rank and nearest real galaxies, as far as the numbers allow.

    The scores are read several times, some rows at a time. Memory holds at most `MOST_REAL` real images,
    and one number of every image, for its rank. The division in blocks changes no bit of the result.

    Parameters
    ----------
    read : callable
        Reads all rows anew, as tables of some rows with the named columns (None: with all).
    form : Table
        The columns of the scores.
    sets : sequence of ImageSet
        Those that were scored, in any order.
    reference : str
        Data set of real galaxies.
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
    iterator of Table
        The blocks of ``read``, with the columns of `simcompare.scores.typicality.add_typicality` and of
        `simcompare.scores.features.RealGalaxies.nearest`, in the latents and, as ``embedding_...``, in the
        embedding.
    """
    nuisances = nuisance_columns(form)
    names = ["dataset", "galaxy_id", "kind", "split", headline_score(form), *nuisances]
    sizes, real, rows = _real_rows(read([*names, "image_index"]), reference)
    typicality, ranks, near, path = None, {}, {}, Path(folder) / SPACES
    try:
        columns = usable_nuisances(read(names), reference) or nuisances
        rng = stream(seed, "typicality")
        typicality = Typicality.fit(real, rows, reference, rng, columns=columns)
        ranks = _ranks(read(names), typicality)
    except ValueError as error:
        logger.warning("no typicality: %s", error)
    try:
        write_spaces(path, _in_order(sets, sizes), reference, model, embedding=embedding)
    except ValueError as error:
        logger.info("no spaces of features: %s", error)
    else:
        near = _real_galaxies(path, reference, real, rows, neighbours) if neighbours else {}
    return _placed(read(None), typicality, ranks, near, path)


def _real_rows(blocks: Iterable[Table], reference: str) -> tuple[dict[str, int | None], Table, np.ndarray]:
    """Size of every data set, None where its rows are not those of an image set, and the real rows."""
    sizes: dict[str, int | None] = {}
    kept, numbers, start, seen, step = [], [], 0, 0, 1
    for block in blocks:
        dataset = np.asarray(block["dataset"])
        for name in dict.fromkeys(dataset.tolist()):
            index, first = np.asarray(block["image_index"])[dataset == name], sizes.get(name, 0)
            is_next = first is not None and np.array_equal(index, first + np.arange(index.size))
            sizes[name] = first + index.size if is_next else None
        inside = np.flatnonzero(dataset == reference)
        chosen = inside[-seen % step :: step]
        kept.append(block[chosen])
        numbers.append(start + chosen)
        start, seen = start + len(block), seen + inside.size
        while -(-seen // step) > MOST_REAL:
            step *= 2
            kept, numbers = [vstack(kept)[::2]], [np.concatenate(numbers)[::2]]
    return sizes, vstack(kept, metadata_conflicts="silent"), np.concatenate(numbers)


def _ranks(blocks: Iterable[Table], typicality: Typicality) -> dict[str, np.ndarray]:
    """Anomaly ranks of every data set in the order of its rows."""
    residuals: dict[str, list[np.ndarray]] = {}
    start = 0
    for block in blocks:
        dataset, residual = np.asarray(block["dataset"]), typicality.residual(block, start)
        for name in np.unique(dataset).tolist():
            residuals.setdefault(name, []).append(residual[dataset == name])
        start += len(block)
    return {name: typicality.rank(np.concatenate(residuals.pop(name))) for name in list(residuals)}


def _in_order(sets: Sequence[Any], sizes: Mapping[str, int | None]) -> list[Any]:
    """Image sets in the order of the score table."""
    found = {images.name: images for images in sets}
    if missing := sorted(set(sizes) - set(found)):
        raise ValueError(f"the image sets of {', '.join(missing)} are not there.")
    if changed := [name for name, n in sizes.items() if n != len(found[name])]:
        raise ValueError(f"the image sets of {', '.join(changed)} hold other images than were scored.")
    return [found[name] for name in sizes]


def _real_galaxies(
    path: Path, reference: str, real: Table, rows: np.ndarray, neighbours: int
) -> dict[str, tuple[str, RealGalaxies]]:
    """Space and real galaxies in it, by the prefix of the columns."""
    found = {}
    with open_contained(path) as file:
        wanted = {"real": "latents" if "latents" in file else "pixels"}
        wanted |= {"embedding": "embedding"} if "embedding" in file else {}
        for prefix, space in wanted.items():
            try:
                galaxies = RealGalaxies.of(
                    reference, real["galaxy_id"], read_rows(file[space], rows), neighbours
                )
            except ValueError as error:
                logger.warning("no nearest real galaxies: %s", error)
            else:
                found[prefix] = space, galaxies
    return found


def _placed(
    blocks: Iterable[Table],
    typicality: Typicality | None,
    ranks: Mapping[str, np.ndarray],
    near: Mapping[str, tuple[str, RealGalaxies]],
    path: Path,
) -> Iterator[Table]:
    """Blocks with their further columns."""
    start, done = 0, dict.fromkeys(ranks, 0)
    for block in blocks:
        meta, dataset = block.meta, np.asarray(block["dataset"])
        rows = slice(start, start + len(block))
        if typicality is not None:
            block = typicality.mark(block, start)
            rank = np.zeros(len(block), dtype=np.int64)
            for name in np.unique(dataset).tolist():
                own = np.flatnonzero(dataset == name)
                rank[own] = ranks[name][done[name] : done[name] + own.size]
                done[name] += own.size
            block["anomaly_rank"] = rank
        for prefix, (space, galaxies) in near.items():
            with open_contained(path) as file:
                found = galaxies.nearest(block, file[space][rows], prefix)
            kept = block[[name for name in block.colnames if name not in found.colnames]]
            block = hstack([kept, found], metadata_conflicts="silent")
        block.meta = meta
        start = rows.stop
        yield block
