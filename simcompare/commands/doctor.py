"""``simcompare doctor``: look at a simulation's files before a long run."""

from collections.abc import Iterator

from mocks.readers import Examination, examine_all, parse_options
from mocks.surveys import load_survey
from simcompare.settings import DoctorSettings, MockSettings
from simcompare.synthetic.assumptions import assumptions

__all__ = ["examine", "messages"]


def examine(settings: DoctorSettings) -> list[Examination]:
    """Look at a snapshot, or at each file of a folder: what is there, what is missing, if it can be used.

    Raises
    ------
    FileNotFoundError, ValueError
        For a path or a survey that does not exist, or an option that the reader does not have.
    """
    load_survey(settings.survey)
    options = {"min_stellar_mass": settings.min_stellar_mass} | parse_options(settings.reader)
    return examine_all(settings.path, settings.simulation, **options)


def messages(settings: DoctorSettings, examinations: list[Examination]) -> Iterator[str]:
    """Say what was found, and what is assumed of the survey that is to observe it, of light and of dust.

    Raises
    ------
    ValueError
        At the end, when something cannot be used.
    """
    yield "\n\n".join(map(str, examinations))
    usual = MockSettings.model_fields
    light = [usual[name].default for name in ("population", "dust")]
    are_images = all(examination.format == "ideal image" for examination in examinations)
    bad = sum(not examination.ok for examination in examinations)
    if bad < len(examinations):
        yield from assumptions(load_survey(settings.survey), *([] if are_images else light))
    if bad:
        raise ValueError(f"{bad} of {len(examinations)} cannot be used; see above.")
