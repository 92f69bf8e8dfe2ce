"""Products made file by file: every file is finished once, whatever stops the run."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from astropy.table import Table

from simcompare.images.image_set import ImageSet, Stack, part_path, write_part
from simcompare.runs.folder import Run
from simcompare.runs.ledger import content_hash, read_record, write_record
from simcompare.runs.progress import track
from simcompare.runs.tasks import available_cores, run_tasks
from simcompare.runs.time_limit import Watch

__all__ = ["Images", "make_files", "make_parts"]

logger = logging.getLogger(__name__)

_TIMEOUT = 3600.0  # s, to read one of our own files


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


def make_files(
    run: Run,
    write: Callable[[Path, object, Watch], Mapping | None],
    paths: Sequence[Path],
    tasks: Sequence,
    *,
    gpu: bool = False,
) -> list[dict]:
    """Write the files that are not finished yet, where the run's settings say: here or on a cluster.

    A file counts as finished when its record, a JSON file beside it, names the hash of what lies there; see
    `simcompare.runs.ledger`.

    Parameters
    ----------
    run : Run
        Its settings give ``workers`` and may give ``scheduler`` and ``timeout``.
    write : callable
        Importable function of (path, task, watch) that writes the file, or not when there is nothing to
        write; what it returns is kept in the record. See `simcompare.runs.time_limit.Watch`.
    paths, tasks : sequence
        Files and what each is made from; small and picklable.
    gpu : bool
        Whether a worker needs a GPU.

    Returns
    -------
    list of dict
        Record of each file: its ``sha256``, None where nothing was written, and what `write` returned.
    """
    todo = [pair for pair in zip(paths, tasks, strict=True) if not _is_finished(pair[0])]
    if len(todo) < len(tasks):
        logger.info("%d of %d parts are finished already", len(tasks) - len(todo), len(tasks))
    settings = run.settings
    finish = partial(_finish_file, write, getattr(settings, "timeout", _TIMEOUT))
    work = run_tasks(
        finish, todo, settings.workers or available_cores(), scheduler=settings.scheduler, gpu=gpu
    )
    for _ in track(work, f"{run.verb}: parts", total=len(todo)):
        pass
    return [read_record(path) for path in paths]


def make_parts(
    run: Run,
    make: Callable[[object, Watch], Images],
    tasks: Sequence,
    description: Mapping,
) -> ImageSet:
    """Make the parts of an image set, skipping those already finished.

    Failures are kept in the records of the parts, so that a resumed run lists them all.

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
    if all(record["sha256"] is None for record in records):
        reason = failures[0]["reason"] if failures else "nothing was selected"
        raise ValueError(f"no image could be made in {run.folder}; the first reason: {reason}")
    return ImageSet.open(run.folder)


def _is_finished(path: Path) -> bool:
    """Whether the file and its record are there and agree."""
    record = read_record(path)
    if record.get("sha256") is None:
        return bool(record) and not path.exists()
    return path.is_file() and content_hash(path) == record["sha256"]


def _finish_file(write: Callable, timeout: float, task: tuple[Path, object]) -> None:
    """Write one file and its record."""
    path, subject = task
    with Watch(path.with_suffix(".reading"), timeout) as watch:
        write_record(path, write(path, subject, watch) or {})


def _write_part(make: Callable, description: dict, path: Path, task: object, watch: Watch) -> dict:
    """Make the images of one part and write them."""
    images = make(task, watch)
    if images.stack is not None:
        write_part(path, images.stack, images.catalogue, **description)
    else:
        path.unlink(missing_ok=True)
    return {"failures": list(images.failures)}
