"""From a simulation snapshot to the image a survey would have taken."""

from mocks.conditions import ConditionsBank, ObservingConditions, draw_conditions
from mocks.galaxy import Galaxy, Gas, Stars
from mocks.ideal import IdealImage
from mocks.observe import MASK_BITS, Cutout, observe
from mocks.psf import measure_fwhm, psf_from_image
from mocks.streams import stream
from mocks.surveys import SURVEYS, Band, Survey, load_survey

__all__ = [
    "MASK_BITS",
    "SURVEYS",
    "Band",
    "ConditionsBank",
    "Cutout",
    "Galaxy",
    "Gas",
    "IdealImage",
    "ObservingConditions",
    "Stars",
    "Survey",
    "draw_conditions",
    "load_survey",
    "measure_fwhm",
    "observe",
    "psf_from_image",
    "stream",
]
