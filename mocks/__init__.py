"""From a simulation snapshot to the image a survey would have taken."""

from mocks.conditions import ConditionsBank, ObservingConditions, draw_conditions
from mocks.dust import DUST, Dust, dust_model
from mocks.galaxy import Galaxy, Gas, Stars
from mocks.ideal import IdealImage
from mocks.light import StellarPopulation
from mocks.light_populations import POPULATIONS, stellar_population
from mocks.observe import MASK_BITS, Cutout, observe
from mocks.pipeline import mock_galaxy
from mocks.projection import VIEWS, project, random_view, view_matrix
from mocks.psf import measure_fwhm, psf_from_image
from mocks.readers import SIMULATIONS, Snapshot, open_snapshot, recognise
from mocks.sky import SkyBank
from mocks.sky_check import SkyCheck, blank_sky_check
from mocks.smoothing import smoothing_lengths
from mocks.streams import stream
from mocks.surveys import SURVEYS, Band, Survey, load_survey

__all__ = [
    "DUST",
    "MASK_BITS",
    "POPULATIONS",
    "SIMULATIONS",
    "SURVEYS",
    "VIEWS",
    "Band",
    "ConditionsBank",
    "Cutout",
    "Dust",
    "Galaxy",
    "Gas",
    "IdealImage",
    "ObservingConditions",
    "SkyBank",
    "SkyCheck",
    "Snapshot",
    "Stars",
    "StellarPopulation",
    "Survey",
    "blank_sky_check",
    "draw_conditions",
    "dust_model",
    "load_survey",
    "measure_fwhm",
    "mock_galaxy",
    "observe",
    "open_snapshot",
    "project",
    "psf_from_image",
    "random_view",
    "recognise",
    "smoothing_lengths",
    "stellar_population",
    "stream",
    "view_matrix",
]
