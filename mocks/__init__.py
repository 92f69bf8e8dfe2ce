"""From a simulation snapshot to the image a survey would have taken."""

from mocks.deposit.smoothing import smoothing_lengths, with_smoothing_lengths
from mocks.dust.registry import DUST, dust_model
from mocks.dust.screens import Dust
from mocks.galaxy import Galaxy, Gas, Stars
from mocks.ideal.record import IdealImage
from mocks.light.base import StellarPopulation
from mocks.light.registry import POPULATIONS, stellar_population
from mocks.observing.conditions import ConditionsBank, ObservingConditions, draw_conditions
from mocks.observing.observe import MASK_BITS, Cutout, observe
from mocks.observing.psf import measure_fwhm, psf_from_image
from mocks.observing.reobserve import RealImage, redshifted, reobserve
from mocks.observing.sky_bank import SkyBank
from mocks.observing.sky_check import SkyCheck, blank_sky_check
from mocks.pipeline import draw_state, mock_galaxy
from mocks.products import lupton_rgb, read_fits, write_fits
from mocks.projection import VIEWS, Scene, project, random_view, view_matrix
from mocks.readers import SIMULATIONS, Snapshot, open_snapshot, recognise
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
    "RealImage",
    "Scene",
    "SkyBank",
    "SkyCheck",
    "Snapshot",
    "Stars",
    "StellarPopulation",
    "Survey",
    "blank_sky_check",
    "draw_conditions",
    "draw_state",
    "dust_model",
    "load_survey",
    "lupton_rgb",
    "measure_fwhm",
    "mock_galaxy",
    "observe",
    "open_snapshot",
    "project",
    "psf_from_image",
    "random_view",
    "read_fits",
    "recognise",
    "redshifted",
    "reobserve",
    "smoothing_lengths",
    "stellar_population",
    "stream",
    "view_matrix",
    "with_smoothing_lengths",
    "write_fits",
]
