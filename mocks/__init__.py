"""From a simulation snapshot to the image a survey would have taken."""

from mocks.conditions import ConditionsBank, ObservingConditions, draw_conditions
from mocks.galaxy import Galaxy, Gas, Stars
from mocks.ideal import IdealImage
from mocks.observe import MASK_BITS, Cutout, observe
from mocks.psf import measure_fwhm, psf_from_image
from mocks.readers import SIMULATIONS, Snapshot, open_snapshot, recognise
from mocks.streams import stream
from mocks.surveys import SURVEYS, Band, Survey, load_survey

__all__ = [
    "MASK_BITS",
    "SIMULATIONS",
    "SURVEYS",
    "Band",
    "ConditionsBank",
    "Cutout",
    "Galaxy",
    "Gas",
    "IdealImage",
    "ObservingConditions",
    "Snapshot",
    "Stars",
    "Survey",
    "draw_conditions",
    "load_survey",
    "measure_fwhm",
    "observe",
    "open_snapshot",
    "psf_from_image",
    "recognise",
    "stream",
]
