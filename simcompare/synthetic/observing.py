"""The one loop that makes synthetic images: read what there is, observe it, prepare it, list what failed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mocks import ConditionsBank, SkyBank
from simcompare.images.build import Images, Source
from simcompare.images.image_set import ImageSet
from simcompare.images.notes import collect_log
from simcompare.images.parts import collect_stamps
from simcompare.images.stamps import PreparedStamp, RejectedStampError
from simcompare.runs.failures import FailureKind, may_pass
from simcompare.runs.files import file_state
from simcompare.runs.ledger import check_hash
from simcompare.runs.time_limit import Watch
from simcompare.synthetic.conditions import conditions_bank

__all__ = ["Found", "Make", "Source", "observe_all", "read_bank"]

Make = Callable[[], PreparedStamp]
"""Makes one image, or raises ValueError with the reason why there is none."""


@dataclass(frozen=True, eq=False)
class Found:
    """One galaxy as it was read.

    Parameters
    ----------
    galaxy_id : str
    galaxy : Galaxy, IdealImage or RawStamp
    notes : tuple of (level, text)
        What is assumed or doubtful about it, with levels as in `logging`.
    """

    galaxy_id: str
    galaxy: Any
    notes: tuple[tuple[int, str], ...] = ()


def observe_all(
    sources: Iterable[Source],
    read: Callable[[Any], Iterable[Found]],
    observe: Callable[[str, Any], Iterable[tuple[str, Make]]],
    watch: Watch,
) -> Images:
    """Observe all that is in some sources.

    Parameters
    ----------
    sources : iterable of Source
    read : callable
        The galaxies of an item.
    observe : callable
        From name and content of a galaxy to its images: what to call each in a failure, and what makes it.
        What `mocks` warns of meanwhile is noted, not printed galaxy by galaxy.
    watch : Watch
        Gives up a source that cannot be read in time.

    Returns
    -------
    Images
        In the order of the sources; what could not be read or made is among the failures.
    """
    stamps, failures, notes = [], [], []
    for source in sources:
        try:
            with watch(str(source.item)):
                galaxies = list(read(source.item))
        except (ValueError, OSError, MemoryError) as error:
            failures.append(_failure(source, error) | {"is_unread": True})
            continue
        for each in galaxies:
            notes += each.notes
            for image, make in observe(each.galaxy_id, each.galaxy):
                try:
                    with collect_log("mocks", notes):
                        stamps.append(make())
                except (ValueError, MemoryError) as error:
                    failures.append(_failure(source, error, each.galaxy_id, image))
    collected = collect_stamps(stamps) if stamps else (None, None)
    return Images(*collected, tuple(failures), tuple(notes))


def _failure(source: Source, error: Exception, galaxy_id: str = "", image: str = "") -> dict:
    """Say what could not be made of a source, why, and whether to try again."""
    reason = str(error) or type(error).__name__
    failure = {
        "source": source.path,
        "galaxy_id": galaxy_id or source.galaxy_id,
        "reason": f"{image}: {reason}" if image else reason,
    }
    if isinstance(error, RejectedStampError):
        return failure | {"kind": FailureKind.LEFT_OUT}
    mark = source.mark()
    kind = FailureKind.MAY_PASS if mark is None or may_pass(error) else FailureKind.INPUT
    return failure | {"kind": kind, "name": source.name, "mark": mark}


def read_bank(conditions: Path | None, sky: Path | None) -> ConditionsBank | SkyBank | None:
    """Read what conditions are drawn from, once per process, and again when its files have changed.

    Parameters
    ----------
    conditions : path, optional
        Image set of real galaxies.
    sky : path, optional
        File of a bank of real sky; it goes before the image set.

    Returns
    -------
    ConditionsBank or SkyBank, optional
        None stands for the survey file.
    """
    if sky is not None:
        return _sky_in_state(sky, file_state(sky))
    if conditions is None:
        return None
    parts = Path(conditions) / "images"
    return _conditions_in_state(conditions, file_state(parts if parts.is_dir() else conditions))


@lru_cache(maxsize=4)
def _sky_in_state(path: Path, _state: tuple) -> SkyBank:
    """Read a bank of sky."""
    check_hash(path)
    return SkyBank.load(path)


@lru_cache(maxsize=4)
def _conditions_in_state(path: Path, _state: tuple) -> ConditionsBank:
    """Measure the conditions of an image set."""
    return conditions_bank(ImageSet.open(path))
