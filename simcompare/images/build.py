"""Products made file by file: every file is finished once, whatever stops the run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from astropy.table import Table

from simcompare.images.image_set import ImageSet, Stack, part_path, write_part
from simcompare.images.notes import count_notes, join_notes
from simcompare.runs.folder import Run
from simcompare.runs.products import make_files
from simcompare.runs.time_limit import Watch

__all__ = ["Images", "make_parts"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Images:
    """What one task made.

    Parameters
    ----------
    stack : Stack, optional
        Prepared images; None when all failed.
    catalogue : Table, optional
        One row per image.
    failures : tuple of dict
        ``source``, ``galaxy_id`` and ``reason`` of what could not be made.
    notes : tuple of (level, text)
        What was assumed or is doubtful, for each galaxy, with levels as in `logging`.
    """

    stack: Stack | None
    catalogue: Table | None
    failures: tuple[dict, ...] = ()
    notes: tuple[tuple[int, str], ...] = ()


def make_parts(
    run: Run,
    make: Callable[[object, Watch], Images],
    tasks: Sequence,
    description: Mapping,
) -> ImageSet:
    """Make the parts of an image set, skipping those already finished.

    Failures and notes are kept in the records of the parts, so that a resumed run lists them all.

    Parameters
    ----------
    run : Run
        Run folder.
    make : callable
        Importable function from a task and a `Watch` to `Images`.
    tasks : sequence
        One per part; small and picklable.
    description : mapping
        Keywords of `simcompare.images.image_set.write_part` that all parts share: name, kind, survey, ...

    Returns
    -------
    ImageSet

    Raises
    ------
    ValueError
        When not a single image could be made.
    """
    paths = [part_path(run.folder, number) for number in range(len(tasks))]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    records = make_files(run, partial(_write_part, make, dict(description)), paths, tasks)
    failures = [row for record in records for row in record["failures"]]
    run.write_failures(failures)
    for count, level, first in join_notes(record.get("notes", {}) for record in records).values():
        logger.log(level, "%s%s", first, f" (and {count - 1} more such notes)" if count > 1 else "")
    if all(record["sha256"] is None for record in records):
        reason = failures[0]["reason"] if failures else "nothing was selected"
        raise ValueError(f"no image could be made in {run.folder}; the first reason: {reason}")
    return ImageSet.open(run.folder)


def _write_part(make: Callable, description: dict, path: Path, task: object, watch: Watch) -> dict:
    """Make the images of one part and write them."""
    images = make(task, watch)
    if images.stack is not None:
        write_part(path, images.stack, images.catalogue, **description)
    else:
        path.unlink(missing_ok=True)
    return {"failures": list(images.failures), "notes": count_notes(images.notes)}
