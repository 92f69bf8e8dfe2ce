"""``simcompare mock``: observe simulated galaxies as a survey would."""

import logging
from collections.abc import Iterator
from operator import attrgetter

from mocks import dust_model, load_survey, stellar_population
from simcompare.images.build import make_parts
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.splits import TEST_ALONE
from simcompare.kinds import Kind
from simcompare.runs.folder import open_run
from simcompare.settings import MockSettings
from simcompare.synthetic.assumptions import assumptions
from simcompare.synthetic.fields import pixels_of, radii_of
from simcompare.synthetic.mocks import Task, lost_light, make_images, nebular_light, sky_file
from simcompare.synthetic.targets import select_targets

__all__ = ["make_mocks", "messages"]


logger = logging.getLogger(__name__)


_IMAGES_PER_PART = 100


def make_mocks(
    settings: MockSettings,
    *,
    kind: str = Kind.SIMULATED,
    dataset: str | None = None,
    fractions: tuple[float, float, float] = TEST_ALONE,
) -> ImageSet:
    """Observe the galaxies of a simulation.

    Parameters
    ----------
    settings : MockSettings
    kind : str
        Kind of the image set; a toy survey calls its mocks ``"observed"``.
    dataset : str, optional
        Name of the data set; default: that of the simulation.
    fractions : tuple of float
        Shares of train, validation and test; simulated galaxies are all for testing.

    Returns
    -------
    ImageSet
        Also in ``settings.out``, with ``failures.ecsv`` when galaxies were left out.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing, unknown or mixed inputs, or when no galaxy is left.
    """
    survey = load_survey(settings.survey)
    survey.select(settings.filters)
    survey.select(tuple(settings.rgb or settings.filters))
    dust_model(settings.dust), stellar_population(settings.population)
    others = filter(None, [settings.conditions, settings.real_sky])
    inputs = [*settings.inputs, *others, *([survey.source] if survey.text else [])]
    with open_run(settings.out, "mock", settings, inputs) as run:
        targets, simulation = select_targets(settings)
        settings = settings.model_copy(update={"size": pixels_of(settings, targets)})
        preparation = _preparation(settings)
        sky = sky_file(settings, run.folder, preparation.window)
        name = dataset or simulation
        step = max(1, _IMAGES_PER_PART // len(settings.directions))
        tasks = [
            Task(tuple(targets[start : start + step]), settings, preparation, name, fractions, sky)
            for start in range(0, len(targets), step)
        ]
        has_particles = not all(target.is_image for target in targets)
        light = (settings.population, settings.dust) if has_particles else ()
        assumed = assumptions(survey, *light)
        for sentence in assumed:
            logger.info(sentence)
        logger.info("%d galaxies of %s in %d views", len(targets), simulation, len(settings.directions))
        description = {
            "name": name,
            "kind": kind,
            "survey": survey,
            "bands": settings.filters,
            "pixel_scale": preparation.pixel_scale_of(survey.pixel_scale),
            "preparation": preparation,
            "provenance": {
                "settings": settings.of_result(),
                "sky": str(settings.real_sky or "synthetic"),
                "is_toy": simulation.startswith("toy"),
                "assumed": assumed,
            },
        }
        images = make_parts(run, make_images, tasks, description, attrgetter("sources"))
        if gas := nebular_light(images):
            logger.info(gas)
        if lost := lost_light(images):
            logger.warning(lost)
        return images


def _preparation(settings: MockSettings) -> Preparation:
    """How the mocks are prepared: as the real images they borrow their conditions from, if any."""
    if settings.conditions is None:
        return Preparation(size=settings.size, half_mass_radii=radii_of(settings))
    if radii_of(settings):
        raise ValueError(
            f"{settings.conditions} holds real images, whose field is not in half-mass radii; leave "
            "--field-of-view out, and prepare them with --radii for fields in Petrosian radii."
        )
    preparation = ImageSet.open(settings.conditions).preparation
    if preparation.size != settings.size:
        raise ValueError(
            f"{settings.conditions} holds images of {preparation.size} pixels; use --size {preparation.size}."
        )
    return preparation


def messages(settings: MockSettings, images: ImageSet) -> Iterator[str]:
    """Report what was made."""
    yield f"{len(images)} images of {images.name} in {settings.out}"
