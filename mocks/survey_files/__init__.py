"""Files of SDSS and HSC: frames, coadds, PSFs, camera counts, sky."""

from mocks.survey_files.hsc_coadds import hsc_sky_bank, open_coadd
from mocks.survey_files.sdss_frames import open_frame
from mocks.survey_files.sdss_psf import read_psfield
from mocks.survey_files.sdss_sky import sdss_sky_bank

__all__ = ["hsc_sky_bank", "open_coadd", "open_frame", "read_psfield", "sdss_sky_bank"]
