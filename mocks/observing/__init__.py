"""What telescope, sky and camera do to an ideal image."""

from mocks.observing.conditions import ConditionsBank, ObservingConditions, draw_conditions
from mocks.observing.noise import sigma_from_aperture_depth, sigma_from_point_depth
from mocks.observing.observe import MASK_BITS, Cutout, observe
from mocks.observing.psf import PSF_MODELS
from mocks.observing.psf_images import measure_fwhm, psf_from_image
from mocks.observing.reobserve import RealImage, redshifted, reobserve
from mocks.observing.sky_bank import SkyBank
from mocks.observing.sky_check import SkyCheck, blank_sky_check

__all__ = [
    "MASK_BITS",
    "PSF_MODELS",
    "ConditionsBank",
    "Cutout",
    "ObservingConditions",
    "RealImage",
    "SkyBank",
    "SkyCheck",
    "blank_sky_check",
    "draw_conditions",
    "measure_fwhm",
    "observe",
    "psf_from_image",
    "redshifted",
    "reobserve",
    "sigma_from_aperture_depth",
    "sigma_from_point_depth",
]
