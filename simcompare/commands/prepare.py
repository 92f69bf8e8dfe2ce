"""Run folders of real images and of their Sersic twins."""

import logging
from collections.abc import Iterator

from mocks import load_survey, stream
from mocks.survey_files.sdss_frames import FRAME_NAME
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.preparation.sample import Sample
from simcompare.images.splits import TEST_ALONE
from simcompare.kinds import Kind
from simcompare.observed import (
    PICTURE_BANDS,
    Reading,
    files_of,
    prepare_sample,
    read_places,
    read_properties,
)
from simcompare.runs.folder import Run, open_run
from simcompare.runs.tasks import available_cores
from simcompare.settings import SKY_FILE, PrepareSettings, SkySettings
from simcompare.synthetic.assumptions import assumptions
from simcompare.synthetic.sky import MOST_FIELDS, MOST_PATCHES, PER_FIELD, field_files, make_sky_bank

__all__ = ["make_image_set", "messages", "preparation_of", "sky_beside_galaxies"]

logger = logging.getLogger(__name__)


def preparation_of(settings: PrepareSettings, pixel_scale: float) -> Preparation:
    """Make the preparation that the settings of a command ask for.

    Parameters
    ----------
    settings : PrepareSettings
    pixel_scale : float
        Of the survey [arcsec]; a side in arcsec becomes the nearest number of pixels.
    """
    return Preparation(
        size=round(settings.arcsec / pixel_scale) if settings.arcsec else settings.size,
        neighbours=settings.neighbours,
        domain=settings.domain,
        petrosian_radii=settings.radii or 0.0,
    )


def reading_of(settings: PrepareSettings) -> Reading:
    """How images are read and taken."""
    names = ("match_radius", "every", "kind", "scheduler", "timeout")
    return Reading(
        units=settings.units or "",
        places=read_places(settings.catalogue) if settings.catalogue else None,
        properties=[read_properties(path) for path in settings.properties],
        workers=settings.workers or available_cores(),
        **{name: getattr(settings, name) for name in names},
    )


def make_image_set(settings: PrepareSettings) -> ImageSet:
    """Prepare real survey images into an image set.

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
    if settings.kind == Kind.SIMULATED:
        fractions = TEST_ALONE
    preparation = preparation_of(settings, survey.pixel_scale)
    catalogue = [settings.catalogue] if settings.catalogue else []
    inputs = [*settings.inputs, *catalogue, *settings.properties, *([survey.source] if survey.text else [])]
    with open_run(settings.out, "prepare", settings, inputs) as run:
        bands = PICTURE_BANDS if settings.domain == "8-bit" else settings.filters
        common = Sample(settings.name or survey.name.upper(), preparation, survey, settings.seed, fractions)
        sample = prepare_sample(
            files_of(settings.inputs, bands), common, bands, settings.out, reading_of(settings)
        )
        columns = ("source", "galaxy_id", "reason", "kind")
        run.write_failures({name: row[name] for name in columns} for row in sample.rejected)
        for reason, count in sample.reasons.items():
            logger.info("left out %d: %s", count, reason)
        if settings.domain == "linear" and settings.kind == Kind.OBSERVED:
            for sentence in assumptions(survey):
                logger.info(sentence)
            logger.info("assumed: no Galactic extinction; fluxes are as the survey gives them")
            sky_beside_galaxies(settings, run, sample.images.preparation.window)
    return sample.images


def sky_beside_galaxies(settings: PrepareSettings, run: Run, window: int) -> None:
    """Keep sky of the SDSS frames whose galaxies are prepared, for mocks compared with them.

    The bank goes into the run folder, where ``mock --conditions`` finds it. Nothing is done when no input is
    a frame; frames without free sky are warned of.

    Parameters
    ----------
    settings : PrepareSettings
    run : Run
    window : int
        Side of the patches [pixels].
    """
    fields = {}
    for path in field_files([path for path in settings.inputs if path.exists()]):  # the run may have lost one
        if match := FRAME_NAME.search(path.name):
            fields.setdefault(match.groups()[1:4], path)
    done = run.ledger(path for _, path in sorted(fields.items()))
    if not fields or done.has(SKY_FILE):
        return
    names = sorted(fields)
    chosen = stream(settings.seed, "sky fields").permutation(len(names))[:MOST_FIELDS]
    wanted = SkySettings(
        inputs=[fields[names[i]] for i in chosen],
        out=run.folder / SKY_FILE,
        survey=settings.survey,
        bands=settings.bands,
        size=window,
        per_field=min(PER_FIELD, -(-MOST_PATCHES // len(chosen))),
        seed=settings.seed,
    )
    try:
        bank = make_sky_bank(wanted)
    except (ValueError, OSError) as error:
        logger.warning("no sky kept for mocks: %s", error)
        return
    done.record(SKY_FILE)
    logger.info("kept %d sky patches of %d fields for mocks", len(bank), len(chosen))


def messages(settings: PrepareSettings, images: ImageSet) -> Iterator[str]:
    """Report what was made."""
    yield f"{len(images)} images of {images.name} in {settings.out}"
