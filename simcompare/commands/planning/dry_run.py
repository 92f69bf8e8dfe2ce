"""What a command would do before it does it: how many images, how much disk, about how long."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import h5py

from flows import TrainingConfig
from mocks import load_survey
from mocks.checked_hdf5 import open_contained
from mocks.survey_files.sdss_frames import FRAME_NAME
from simcompare.commands.planning.changes import stale_steps
from simcompare.commands.planning.table import COMMANDS
from simcompare.commands.planning.workflow import caution_of_views, plan_workflow, read_workflow
from simcompare.commands.prepare import preparation_of
from simcompare.data.shipped import count_folds, ensemble_members
from simcompare.images.image_set import ImageSet
from simcompare.observed.formats import files_of, recognise
from simcompare.runs.tables import read_ecsv
from simcompare.runs.tasks import available_cores
from simcompare.scores.files import count_rows, scores_file
from simcompare.settings import (
    FAILURES,
    CompareSettings,
    MockSettings,
    PrepareSettings,
    ReportSettings,
    ScoreSettings,
    Settings,
    TrainSettings,
    TwinsSettings,
)
from simcompare.synthetic.sky import MOST_FIELDS, MOST_PATCHES, PER_FIELD
from simcompare.synthetic.targets import select_targets

__all__ = ["Estimate", "count_stamps", "estimate", "estimate_workflow", "summary"]

logger = logging.getLogger(__name__)

# Seconds of one core, measured with the demo and with SDSS stamps of 64 pixels in one band on a 2-core
# machine; a first use adds about 30 s for compiling.
_PER_MOCK = 0.3
_PER_STAMP = 0.06
_PER_TWIN = 0.3
_PER_FRAME = 2.5  # cutting its sky
_PSF_BYTES = 8 * 45**2  # one patch of sky in one band
_PER_VALUE_AND_EPOCH = 4e-6
_PER_VALUE_AND_LOOK = 1.5e-6
_PER_COMPARE = 12.0
_PER_RESAMPLE_AND_IMAGE = 1e-6
_PER_REPORT = 40.0

_BYTES_PER_VALUE = 6  # image and variance in single precision and a mask, compressed
_BYTES_PER_ROW = 3000  # PSF and catalogue
_SCORE_BYTES_PER_ROW = 800
_MODEL_BYTES = 3e6
_REPORT_BYTES = 15e6
_GALAXIES_PER_FRAME = 10


@dataclass(frozen=True)
class Shape:
    """Images of a set that is there, or will be.

    Parameters
    ----------
    n : int
    n_values : int
        Pixel values of one image, all bands counted.
    """

    n: int
    n_values: int


class Work(NamedTuple):
    """What a command would do if nothing were done.

    Parameters
    ----------
    n_images : int
    bytes : float
        On disk.
    seconds : float
        On this machine's cores.
    """

    n_images: int
    bytes: float
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What one command would make.

    Parameters
    ----------
    verb : str
    folder : pathlib.Path
    n_images : int
        At most; images that cannot be used are left out when they are met.
    bytes : float
        On disk.
    seconds : float
        On this machine's cores, to a factor of about 3.
    done : bool
        Whether the products are there already.
    """

    verb: str
    folder: Path
    n_images: int
    bytes: float
    seconds: float
    done: bool


def estimate(settings: Settings, coming: dict[Path, Shape] | None = None) -> Estimate:
    """Estimate one command.

    Parameters
    ----------
    settings : Settings
        Of a command that the table gives an estimate.
    coming : dict of pathlib.Path to Shape, optional
        Image sets that earlier commands will have made; this command's own is added.

    Raises
    ------
    FileNotFoundError, ValueError
        For inputs that are missing or cannot be read, or a command without an estimate.
    """
    coming = {} if coming is None else coming
    command = next(each for each in COMMANDS.values() if each.settings is type(settings))
    if not command.work:
        known = ", ".join(verb for verb, each in COMMANDS.items() if each.work)
        raise ValueError(f"'{command.verb}' has no estimate; these have one: {known}.")
    work = command.find(command.work)(settings, coming)
    folder = Path(getattr(settings, command.folder))
    done, count = False, work.n_images
    if command.verb == "fetch":
        done = not count
    elif command.product:
        done = (folder / command.product).exists()
    elif (on_disk := _made(folder)) and sum(on_disk) >= count:
        done, count = True, on_disk[0]
        coming[folder] = replace(coming[folder], n=count)
    return Estimate(command.verb, folder, count, work.bytes, work.seconds, done)


def _made(folder: Path) -> tuple[int, int] | None:
    """Count the images of a set that are there, and those that failed; None before the first."""
    if not list((folder / "images").glob("part-*.h5")):
        return None
    failures = folder / FAILURES
    return len(ImageSet.open(folder)), len(read_ecsv(failures)) if failures.is_file() else 0


def work_of_mock(settings: MockSettings, coming: dict[Path, Shape]) -> Work:
    """Work of ``mock``."""
    there = [path for path in settings.inputs if _expected(path, coming) is None]
    n = sum(_expected(path, coming) or 0 for path in settings.inputs) * len(settings.directions)
    if there:
        targets, _ = select_targets(settings.model_copy(update={"inputs": there}))
        n += sum(1 if target.is_image else len(settings.directions) for target in targets)
    shape = Shape(n, len(settings.filters) * settings.size**2)
    coming[settings.out] = shape
    return Work(n, _set_bytes(shape), n * _PER_MOCK / _cores(settings.workers))


def work_of_prepare(settings: PrepareSettings, coming: dict[Path, Shape]) -> Work:
    """Work of ``prepare``."""
    expected = [_expected(path, coming) for path in settings.inputs]
    there = [path for path, n in zip(settings.inputs, expected, strict=True) if n is None]
    files = files_of(there, settings.filters) if there else []
    n = sum(count_stamps(path) for path in files) + sum(n or 0 for n in expected)
    n = -(-n // settings.every)
    n_bands = 3 if settings.domain == "8-bit" else len(settings.filters)
    preparation = preparation_of(settings, load_survey(settings.survey).pixel_scale)
    shape = Shape(n, n_bands * preparation.size**2)
    coming[settings.out] = shape
    fields = sum(FRAME_NAME.search(path.name) is not None for path in files)
    fields += sum(n or 0 for n in expected) if settings.catalogue else 0
    patches = min(fields * PER_FIELD, MOST_PATCHES)
    sky = patches * n_bands * (4 * preparation.window**2 + _PSF_BYTES)
    seconds = n * n_bands * _PER_STAMP + min(fields, MOST_FIELDS) * n_bands * _PER_FRAME
    return Work(n, _set_bytes(shape) + sky, seconds)


def work_of_twins(settings: TwinsSettings, coming: dict[Path, Shape]) -> Work:
    """Work of ``twins``."""
    shape = coming[settings.out] = _shape(settings.images, coming)
    return Work(shape.n, _set_bytes(shape), shape.n * _PER_TWIN / _cores(settings.workers))


def work_of_train(settings: TrainSettings, coming: dict[Path, Shape]) -> Work:
    """Work of ``train``."""
    shape = _shape(settings.images, coming)
    epochs = settings.epochs or TrainingConfig().epochs
    seconds = shape.n * shape.n_values * epochs * _PER_VALUE_AND_EPOCH
    if settings.minutes is not None:
        seconds = min(seconds, 60 * settings.minutes)
    return Work(shape.n, settings.members * _MODEL_BYTES, settings.members * seconds)


def work_of_score(settings: ScoreSettings, coming: dict[Path, Shape]) -> Work:
    """Work of ``score``."""
    shapes = [_shape(path, coming) for path in settings.images]
    n = sum(shape.n for shape in shapes)
    backgrounds = [settings.background] if settings.background else []
    models = [*ensemble_members(settings.model, settings.ensemble), *backgrounds]
    flows = sum(map(count_folds, models)) + len(settings.versus)
    looks = (8 if settings.symmetries else 1) * flows * (2 if settings.maps else 1)
    seconds = sum(shape.n * shape.n_values for shape in shapes) * looks * _PER_VALUE_AND_LOOK
    coming[settings.out] = Shape(n, 0)
    return Work(n, n * _SCORE_BYTES_PER_ROW, seconds)


def work_of_compare(settings: CompareSettings, coming: dict[Path, Shape]) -> Work:
    """Work of ``compare``."""
    n = sum(coming[path].n if path in coming else _rows(path) for path in settings.scores)
    coming[settings.out] = Shape(n, 0)
    seconds = _PER_COMPARE + n * settings.bootstrap * _PER_RESAMPLE_AND_IMAGE
    return Work(n, n * _SCORE_BYTES_PER_ROW, seconds)


def work_of_report(settings: ReportSettings, coming: dict[Path, Shape]) -> Work:
    """Work of ``report``."""
    n = coming[settings.run].n if settings.run in coming else _rows(settings.run)
    return Work(n, _REPORT_BYTES, _PER_REPORT)


def _expected(path: Path, coming: dict[Path, Shape]) -> int | None:
    """Galaxies of a file or folder to be fetched, or in a folder to be fetched; None where it is there."""
    numbers = [coming[each].n for each in (path, *path.parents) if each in coming]
    return numbers[0] if numbers else None


def _cores(workers: int) -> int:
    """Count the processes that will run."""
    return workers or available_cores()


def _set_bytes(shape: Shape) -> float:
    """Disk of an image set."""
    return shape.n * (shape.n_values * _BYTES_PER_VALUE + _BYTES_PER_ROW)


def _shape(folder: Path, coming: dict[Path, Shape]) -> Shape:
    """Shape of an image set, there already or to come."""
    if folder in coming:
        return coming[folder]
    images = ImageSet.open(folder)
    n_bands, n_y, n_x = images.image_shape
    return Shape(len(images), n_bands * n_y * n_x)


def _rows(folder: Path) -> int:
    """Count the rows of a score table."""
    return count_rows(scores_file(folder))


def count_stamps(path: str | Path) -> int:
    """Count the galaxies of a file of real images without reading pixels.

    Parameters
    ----------
    path : path-like
        Of any format that `simcompare.observed.formats.recognise` knows.

    Returns
    -------
    int
        Exact for stacks, groups and folders; for a frame, in which galaxies are yet to be found, a guess.
    """
    path = Path(path)
    kind = recognise(path)
    if path.is_dir():
        return sum(item.suffix.lower() in (".jpg", ".jpeg", ".png") for item in path.rglob("*"))
    if FRAME_NAME.search(path.name) is not None:
        return _GALAXIES_PER_FRAME
    if not h5py.is_hdf5(path):
        return 1
    with open_contained(path) as file:
        if kind == "picture-stack" and "offset" in file:
            return len(file["offset"]) - 1
        for name in ("image", "image_array", "objects", "spec_hosts"):
            if name in file:
                return len(file[name])
    return 1


def estimate_workflow(path: str | Path, overrides: Sequence[str] = ()) -> list[Estimate]:
    """Estimate every step of a workflow file.

    Parameters
    ----------
    path, overrides
        As for `simcompare.commands.workflows.run.run_workflow`.
    """
    coming: dict[Path, Shape] = {}
    steps = plan_workflow(read_workflow(path, overrides), str(path))
    if caution := caution_of_views(steps):
        logger.warning("%s", caution)
    stale = stale_steps(steps)
    estimates = [estimate(step.settings, coming) for step in steps]
    return [replace(each, done=each.done and each.folder not in stale) for each in estimates]


def summary(estimates: Sequence[Estimate]) -> str:
    """Say the estimates in a table of text, with their sum."""
    rows = [("step", "images", "disk", "time", "folder")]
    for each in estimates:
        time = "done" if each.done else _time(each.seconds)
        rows.append((each.verb, f"{each.n_images:,}", _disk(each.bytes), time, str(each.folder)))
    if len(estimates) > 1:
        left = [each for each in estimates if not each.done]
        size, seconds = sum(each.bytes for each in left), sum(each.seconds for each in left)
        rows.append(("left to do", "", _disk(size), _time(seconds), ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{verb:<{widths[0]}}  {n:>{widths[1]}}  {disk:>{widths[2]}}  {time:>{widths[3]}}  {folder}".rstrip()
        for verb, n, disk, time, folder in rows
    ]
    note = "Counts are upper limits: what cannot be used is left out. Times are within a factor of about 3."
    return "\n".join([*lines, note])


def _disk(size: float) -> str:
    """Size in a unit that suits it."""
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 else f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def _time(seconds: float) -> str:
    """Time in a unit that suits it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
