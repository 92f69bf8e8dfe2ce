"""Run folders of real images and of their Sersic twins."""

import logging
from dataclasses import dataclass
from pathlib import Path

from mocks import load_survey
from simcompare.images.build import Images, make_parts
from simcompare.images.image_set import LINEAR_UNIT, ImageSet
from simcompare.images.parts import collect_stamps
from simcompare.images.preparation.prepare import Preparation
from simcompare.observed import PICTURE_BANDS, files_of, prepare_observed, read_places
from simcompare.runs.folder import open_run
from simcompare.runs.tasks import available_cores
from simcompare.runs.time_limit import Watch
from simcompare.settings import PrepareSettings, TwinsSettings
from simcompare.synthetic.sky import sky_beside_galaxies
from simcompare.synthetic.twins import twin_stamps

__all__ = ["make_image_set", "make_twins", "preparation_of"]

logger = logging.getLogger(__name__)

_TWINS_PER_PART = 50


def preparation_of(settings: PrepareSettings, pixel_scale: float) -> Preparation:
    """Make the preparation that the settings of a command ask for.

    Parameters
    ----------
    settings : PrepareSettings
    pixel_scale : float
        Of the survey [arcsec]; a side in arcsec becomes the nearest number of pixels.

    Returns
    -------
    Preparation
    """
    return Preparation(
        size=round(settings.arcsec / pixel_scale) if settings.arcsec else settings.size,
        neighbours=settings.neighbours,
        domain=settings.domain,
        petrosian_radii=settings.radii or 0.0,
    )


def make_image_set(settings: PrepareSettings) -> ImageSet:
    """Prepare real survey images into an image set.

    Parameters
    ----------
    settings : PrepareSettings

    Returns
    -------
    ImageSet
        Also in ``settings.out``, with ``failures.ecsv`` of the images left out.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing or unknown inputs, or when no image can be used.
    """
    survey = load_survey(settings.survey)
    fractions = (settings.train, settings.validation, 1 - settings.train - settings.validation)
    if settings.kind == "simulated":
        fractions = (0.0, 0.0, 1.0)  # as all mocks: nothing learns from them
    inputs = [*settings.inputs, *([settings.catalogue] if settings.catalogue else [])]
    with open_run(settings.out, "prepare", settings, inputs) as run:
        bands = PICTURE_BANDS if settings.domain == "8-bit" else tuple(settings.bands)
        sample = prepare_observed(
            files_of(settings.inputs, bands),
            survey=survey.name,
            bands=bands,
            preparation=preparation_of(settings, survey.pixel_scale),
            out=settings.out,
            name=settings.name or survey.name.upper(),
            seed=settings.seed,
            fractions=fractions,
            workers=settings.workers or available_cores(),
            scheduler=settings.scheduler,
            timeout=settings.timeout,
            kind=settings.kind,
            every=settings.every,
            units=settings.units or "",
            places=read_places(settings.catalogue) if settings.catalogue else None,
        )
        columns = ("source", "galaxy_id", "reason")
        run.write_failures({name: row[name] for name in columns} for row in sample.rejected)
        for reason, count in sample.reasons.items():
            logger.info("left out %d: %s", count, reason)
        if settings.domain == "linear" and settings.kind == "observed":
            sky_beside_galaxies(settings, run, sample.images.preparation.window)
    return sample.images


@dataclass(frozen=True)
class _TwinsTask:
    """Galaxies of one part of the twins."""

    images: ImageSet
    parents: str
    source: Path
    seed: int


def make_twins(settings: TwinsSettings) -> ImageSet:
    """Make the smooth Sersic twins of an image set, in the same splits as their parents.

    Parameters
    ----------
    settings : TwinsSettings

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
        tasks = [
            _TwinsTask(
                images.slab(start, start + _TWINS_PER_PART), images.name, settings.images, settings.seed
            )
            for start in range(0, len(images), _TWINS_PER_PART)
        ]
        description = {
            "name": f"{images.name} Sersic twins",
            "kind": "twins",
            "survey": images.survey,
            "bands": images.bands,
            "pixel_scale": images.pixel_scale,
            "preparation": images.preparation,
            "provenance": {"settings": settings.of_result(), "parents": images.name},
        }
        return make_parts(run, _make_twins, tasks, description)


def _make_twins(task: _TwinsTask, watch: Watch) -> Images:
    """Twins of the galaxies of one part."""
    with watch("images"):
        stamps, failures = twin_stamps(task.images, task.seed)
    failures = tuple({"source": str(task.source), **failure} for failure in failures)
    if not stamps:
        return Images(None, None, failures)
    stack, catalogue = collect_stamps(stamps)
    catalogue["dataset"] = f"{task.parents} Sersic twins"
    return Images(stack, catalogue, failures)
