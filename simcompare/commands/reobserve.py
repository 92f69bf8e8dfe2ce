"""``simcompare reobserve``: observe real images again with another survey."""

import logging
from collections.abc import Iterator
from operator import attrgetter

from mocks import load_survey
from simcompare.images.build import make_parts
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation
from simcompare.kinds import Kind
from simcompare.observed import files_of
from simcompare.runs.folder import open_run
from simcompare.settings import ReobserveSettings
from simcompare.synthetic.assumptions import assumptions
from simcompare.synthetic.reobserved import COSMOLOGY, Task, observe_file

__all__ = ["make_reobserved", "messages"]


logger = logging.getLogger(__name__)


def make_reobserved(settings: ReobserveSettings) -> ImageSet:
    """Observe real galaxies again, with the PSF, pixels and noise of another survey or from farther away.

    Returns
    -------
    ImageSet
        Of kind ``"simulated"``, also in ``settings.out``; ``failures.ecsv`` says which galaxies cannot be
        observed so, and why.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing or unknown inputs, or when no galaxy can be observed so.
    """
    survey = load_survey(settings.survey)
    survey.select(settings.filters)
    conditions = [settings.conditions] if settings.conditions else []
    inputs = [*settings.inputs, *conditions, *([survey.source] if survey.text else [])]
    with open_run(settings.out, "reobserve", settings, inputs) as run:
        preparation = Preparation(size=settings.size)
        if settings.conditions:
            preparation = ImageSet.open(settings.conditions).preparation
        name = settings.name or f"{survey.name.upper()} reobserved"
        tasks = [
            Task(path, settings, preparation, name) for path in files_of(settings.inputs, settings.filters)
        ]
        assumed = assumptions(survey)
        if settings.redshift is not None:
            distances = f"H0 = {COSMOLOGY.H0.value:g}, Omega_m = {COSMOLOGY.Om0:g}"
            assumed += (f"assumed: distances of {distances}, k-correction {settings.k_correction:g} mag",)
        description = {
            "name": name,
            "kind": Kind.SIMULATED,
            "survey": survey,
            "bands": settings.filters,
            "pixel_scale": preparation.pixel_scale_of(survey.pixel_scale),
            "preparation": preparation,
            "provenance": {"settings": settings.of_result(), "assumed": assumed},
        }
        for sentence in assumed:
            logger.info(sentence)
        return make_parts(run, observe_file, tasks, description, attrgetter("sources"))


def messages(settings: ReobserveSettings, images: ImageSet) -> Iterator[str]:
    """Report what was made."""
    yield f"{len(images)} images of {images.name} in {settings.out}"
