"""``simcompare twins``: smooth Sersic twins of real galaxies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simcompare.images.build import Images, make_parts
from simcompare.images.image_set import LINEAR_UNIT, ImageSet
from simcompare.images.parts import collect_stamps
from simcompare.kinds import Kind
from simcompare.runs.folder import open_run
from simcompare.runs.time_limit import Watch
from simcompare.settings import TwinsSettings
from simcompare.synthetic.twins import twin_stamps

__all__ = ["make_twins", "messages"]


_TWINS_PER_PART = 50


@dataclass(frozen=True)
class _TwinsTask:
    """Galaxies of one part of the twins."""

    images: ImageSet
    parents: str
    source: Path
    seed: int
    sky: str


def make_twins(settings: TwinsSettings) -> ImageSet:
    """Make the smooth Sersic twins of an image set, in the same splits as their parents.

    Returns
    -------
    ImageSet
        Of kind ``"twins"``, also in ``settings.out``, with ``failures.ecsv`` of galaxies without one.

    Raises
    ------
    FileNotFoundError, ValueError
        For a missing image set, or when no galaxy has a twin.
    """
    with open_run(settings.out, "twins", settings, [settings.images]) as run:
        images = ImageSet.open(settings.images)
        if images.unit != LINEAR_UNIT or not images.pixel_scale:
            raise ValueError(
                f"{settings.images}: twins need fluxes in pixels of one scale; these are {images.unit}, "
                f"pixel scale {images.pixel_scale or 'various'}."
            )
        done = run.ledger(images.files)
        if done.is_of_other():
            raise ValueError(
                f"the images in {settings.images} have changed since {run.folder} was made; choose another "
                "--out, or delete the folder to start again."
            )
        done.record()
        tasks = [
            _TwinsTask(
                images.slab(start, start + _TWINS_PER_PART),
                images.name,
                settings.images,
                settings.seed,
                settings.sky,
            )
            for start in range(0, len(images), _TWINS_PER_PART)
        ]
        description = {
            "name": f"Sersic twins of {images.name}",
            "kind": Kind.TWINS,
            "survey": images.survey_record,
            "bands": images.bands,
            "pixel_scale": images.pixel_scale,
            "preparation": images.preparation,
            "provenance": {"settings": settings.of_result(), "parents": images.name},
        }
        return make_parts(run, _make_twins, tasks, description)


def _make_twins(task: _TwinsTask, watch: Watch) -> Images:
    """Twins of the galaxies of one part."""
    with watch("images"):
        stamps, failures = twin_stamps(task.images, task.seed, task.sky)
    failures = tuple({"source": str(task.source), **failure} for failure in failures)
    if not stamps:
        return Images(None, None, failures)
    stack, catalogue = collect_stamps(stamps)
    catalogue["dataset"] = f"Sersic twins of {task.parents}"
    return Images(stack, catalogue, failures)


def messages(settings: TwinsSettings, images: ImageSet) -> Iterator[str]:
    """Report what was made."""
    yield f"{len(images)} Sersic twins in {settings.out}"
