"""Products of a run made in parallel tasks, each whole or absent."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from simcompare.runs.files import sha256
from simcompare.runs.folder import Run
from simcompare.runs.ledger import read_record, write_record
from simcompare.runs.progress import track
from simcompare.runs.tasks import available_cores, run_tasks
from simcompare.runs.time_limit import Watch

__all__ = ["make_files"]


logger = logging.getLogger(__name__)


_TIMEOUT = 3600.0  # s, to read one of our own files


def make_files(
    run: Run,
    write: Callable[[Path, object, Watch], Mapping | None],
    paths: Sequence[Path],
    tasks: Sequence,
    *,
    gpu: bool = False,
    is_current: Callable[[dict, object], bool] = lambda record, task: True,
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
    is_current : callable
        Function of the record of a file and its task: whether the file still counts as finished.

    Returns
    -------
    list of dict
        Record of each file: its ``sha256``, None where nothing was written, and what `write` returned.
    """
    finished = {
        path
        for path, task in zip(paths, tasks, strict=True)
        if _is_finished(path) and is_current(read_record(path), task)
    }
    todo = [pair for pair in zip(paths, tasks, strict=True) if pair[0] not in finished]
    if finished:
        logger.info("%d of %d parts are finished already", len(finished), len(tasks))
    for path in finished:  # its run may have been killed just then
        _journal(path).unlink(missing_ok=True)
    settings = run.settings
    finish = partial(_finish_file, write, getattr(settings, "timeout", _TIMEOUT))
    work = run_tasks(
        finish, todo, settings.workers or available_cores(), scheduler=settings.scheduler, gpu=gpu
    )
    for _ in track(work, f"{run.verb}: parts", total=len(todo)):
        pass
    return [read_record(path) for path in paths]


def _journal(path: Path) -> Path:
    """Journal of the readings for a file while it is made."""
    return path.with_suffix(".reading")


def _is_finished(path: Path) -> bool:
    """Whether the file and its record are there and agree."""
    record = read_record(path)
    if record.get("sha256") is None:
        return bool(record) and not path.exists()
    return path.is_file() and sha256(path) == record["sha256"]  # size and time outlive a copy's damage


def _finish_file(write: Callable, timeout: float, task: tuple[Path, object]) -> None:
    """Write one file and its record."""
    path, subject = task
    with Watch(_journal(path), timeout) as watch:
        write_record(path, write(path, subject, watch) or {})
