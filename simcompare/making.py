"""Image sets made part by part: every part is finished once, whatever stops the run."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from astropy.table import Table

from simcompare.engine import available_cores, run_tasks
from simcompare.files import sha256, write_text
from simcompare.imageset import ImageSet, Stack, part_path, write_part
from simcompare.progress import track
from simcompare.runs import Run

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
    """

    stack: Stack | None
    catalogue: Table | None
    failures: tuple[dict, ...] = ()


def make_parts(
    run: Run,
    make: Callable[[object], Images],
    tasks: Sequence,
    description: Mapping,
    workers: int = 0,
) -> ImageSet:
    """Make the parts of an image set, skipping those already finished.

    A part counts as finished when its record, ``images/part-xxxx.json``, names the hash of the part
    that lies beside it. Failures are kept in the record, so that a resumed run lists them all.

    Parameters
    ----------
    run : Run
        Run folder.
    make : callable
        Importable function from a task to `Images`.
    tasks : sequence
        One per part; small and picklable.
    description : mapping
        Keywords of `simcompare.imageset.write_part` that all parts share: name, kind, survey, ...
    workers : int
        Processes; 0 takes all cores.

    Returns
    -------
    ImageSet

    Raises
    ------
    ValueError
        When not a single image could be made.
    """
    todo = [
        (number, task) for number, task in enumerate(tasks) if not _is_finished(part_path(run.folder, number))
    ]
    if len(todo) < len(tasks):
        logger.info("%d of %d parts are finished already", len(tasks) - len(todo), len(tasks))
    finish = partial(_finish_part, make, run.folder, dict(description))
    work = run_tasks(finish, todo, workers or available_cores())
    for _ in track(work, f"{run.verb}: parts", total=len(todo)):
        pass
    records = [_record_path(part_path(run.folder, number)) for number in range(len(tasks))]
    failures = [row for path in records for row in json.loads(path.read_text(encoding="utf-8"))["failures"]]
    run.write_failures(failures)
    if not any(part_path(run.folder, number).exists() for number in range(len(tasks))):
        reason = failures[0]["reason"] if failures else "nothing was selected"
        raise ValueError(f"no image could be made in {run.folder}; the first reason: {reason}")
    return ImageSet.open(run.folder)


def _record_path(part: Path) -> Path:
    """Record beside a part."""
    return part.with_suffix(".json")


def _is_finished(part: Path) -> bool:
    """Whether the part and its record are there and agree."""
    record = _record_path(part)
    if not record.is_file():
        return False
    expected = json.loads(record.read_text(encoding="utf-8"))["sha256"]
    return expected is None or (part.is_file() and sha256(part) == expected)


def _finish_part(make: Callable, folder: Path, description: dict, numbered_task: tuple) -> int:
    """Make one part, write it and its record; return its number."""
    number, task = numbered_task
    part = part_path(folder, number)
    part.parent.mkdir(parents=True, exist_ok=True)
    images = make(task)
    digest = None
    if images.stack is not None:
        write_part(part, images.stack, images.catalogue, **description)
        digest = sha256(part)
    record = {"sha256": digest, "failures": list(images.failures)}
    write_text(_record_path(part), json.dumps(record, indent=1))
    return number
