"""Products made file by file: every file is finished once, whatever stops the run."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from astropy.table import Table

from simcompare.images.image_set import ImageSet, Stack, part_path, write_part
from simcompare.images.notes import count_notes, join_notes
from simcompare.runs.failures import FailureKind
from simcompare.runs.files import fingerprint, sha256
from simcompare.runs.folder import Run
from simcompare.runs.ledger import read_record
from simcompare.runs.products import make_files
from simcompare.runs.time_limit import Watch

__all__ = ["Images", "Source", "make_parts"]

logger = logging.getLogger(__name__)

_MOST_HASHED = 256 * 2**20  # bytes of a source whose content is remembered


@dataclass(frozen=True)
class Source:
    """What is read in one go: a simulated galaxy, or a file of real ones.

    Parameters
    ----------
    item : Target or pathlib.Path
        What it is read from.
    path : str
        How ``failures.ecsv`` names the file.
    galaxy_id : str
        How it names the galaxy, where that is known before it is read.
    files : tuple of str
        Files and folders that it is read from.
    state : str
        What changes when they do; default: hashes of the files.
    """

    item: Any
    path: str
    galaxy_id: str = ""
    files: tuple[str, ...] = ()
    state: str = ""

    @property
    def name(self) -> str:
        """Name among all sources of a run."""
        return f"{self.galaxy_id} of {Path(self.path).name}"

    def mark(self) -> str | None:
        """Hash of its content by which a change is noticed; None for what is not there."""
        try:
            if not all(map(os.path.exists, self.files)):
                return None
            return self.state or " ".join(map(fingerprint, self.files))
        except OSError:
            return None


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
        ``source``, ``galaxy_id``, ``reason`` and ``kind`` of what could not be made, see
        `simcompare.runs.failures.FailureKind`; ``name`` and ``mark`` of the `Source`, and ``is_unread`` where
        nothing of it could be read.
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
    sources: Callable[[Any], Iterable[Source]] = lambda task: (),
) -> ImageSet:
    """Make the parts of an image set, skipping those already finished.

    Failures and notes are kept in the records of the parts, so that a resumed run lists them all. A part is
    made again when a failure in it may have passed, or when a file has changed that it was made from.

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
    sources : callable
        What a task reads.

    Raises
    ------
    ValueError
        When not a single image could be made, or galaxies that are made already are no longer among the
        inputs.
    """
    paths = [part_path(run.folder, number) for number in range(len(tasks))]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    _refuse_lost_inputs(run.folder, {source.name for task in tasks for source in sources(task)})
    write = partial(_write_part, make, dict(description), sources)
    records = make_files(run, write, paths, tasks, is_current=partial(_is_current, sources))
    for path in set(_recorded_parts(run.folder)) - set(
        paths
    ):  # of inputs that could not be read and are gone
        path.with_suffix(".json").unlink()
    failures = [row for record in records for row in record["failures"]]
    run.write_failures(failures)
    for count, level, first in join_notes(record.get("notes", {}) for record in records).values():
        logger.log(level, "%s%s", first, f" (and {count - 1} more such notes)" if count > 1 else "")
    if all(record["sha256"] is None for record in records):
        reason = failures[0]["reason"] if failures else "nothing was selected"
        raise ValueError(f"no image could be made in {run.folder}; the first reason: {reason}")
    return ImageSet.open(run.folder)


def _recorded_parts(folder: Path) -> list[Path]:
    """Parts that have a record, whether or not there are images in them."""
    first = part_path(folder, 0)
    return sorted(path.with_suffix(first.suffix) for path in first.parent.glob("part-*.json"))


def _is_current(sources: Callable, record: dict, task: object) -> bool:
    """Whether a part was made from the same galaxies, and another try would fail in the same way."""
    marks = {source.name: source.mark for source in sources(task)}
    if record.get("sources", []) != list(marks):
        return False
    for failure in record["failures"]:
        kind, name = failure.get("kind"), failure.get("name")
        if kind == FailureKind.MAY_PASS:
            return False
        if kind == FailureKind.INPUT and name in marks and failure.get("mark") != marks[name]():
            return False
    read, now = record.get("files", {}), _contents(sources(task))
    changed = sorted(name for name, content in now.items() if read.get(name, content) != content)
    if changed:
        logger.warning("%s has changed; images of %d galaxies are made again", changed[0], len(marks))
    return not changed


def _contents(sources: Iterable[Source]) -> dict[str, str]:
    """Hashes of the files that sources are read from, by name; of folders where they are small."""
    found = {}
    for path in map(Path, sorted({file for source in sources for file in source.files})):
        members = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
        states = [member.stat() for member in members]
        if sum(state.st_size for state in states) > _MOST_HASHED:
            continue
        for member, state in zip(members, states, strict=True):
            key = str(member), state.st_size, state.st_mtime_ns, state.st_ctime_ns
            found[member.relative_to(path.parent).as_posix()] = _hash_once(*key)
    return found


@lru_cache(maxsize=10_000)
def _hash_once(path: str, *_state: int) -> str:
    """SHA-256 of a file in the state that it has."""
    return sha256(path)


def _refuse_lost_inputs(folder: Path, wanted: set[str]) -> None:
    """Raise when galaxies whose images are there would be lost."""
    for path in _recorded_parts(folder):
        record = read_record(path)
        unread = {each["name"] for each in record.get("failures", ()) if each.get("is_unread")}
        lost = [name for name in record.get("sources", ()) if name not in wanted | unread]
        if lost:
            raise ValueError(
                f"{folder} holds images of {len(lost)} galaxies in {path.name} that are no longer among the "
                f"inputs, the first {lost[0]}; bring them back, or choose another --out."
            )


def _write_part(
    make: Callable, description: dict, sources: Callable, path: Path, task: object, watch: Watch
) -> dict:
    """Make the images of one part and write them."""
    read = _contents(sources(task))
    images = make(task, watch)
    if images.stack is not None:
        write_part(path, images.stack, images.catalogue, **description)
    else:
        path.unlink(missing_ok=True)
    return {
        "failures": list(images.failures),
        "notes": count_notes(images.notes),
        "sources": [source.name for source in sources(task)],
        "files": read,
    }
