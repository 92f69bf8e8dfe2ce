"""Readers of simulation outputs; all return the same `mocks.Galaxy`."""

from mocks.ideal.arrays import ideal_image_from_array
from mocks.ideal.files import is_ideal_image, read_ideal_image
from mocks.ideal.fit import fit_to_survey
from mocks.readers.base import Fingerprint, Format, Snapshot
from mocks.readers.centring import centre_on_light, centred_on
from mocks.readers.companions import companion_radius, companions_problem, with_companions
from mocks.readers.examination import Examination, Finding, examine, examine_all
from mocks.readers.hdf5.headers import RUNS
from mocks.readers.inputs import grouped, members, parse_options, read_image
from mocks.readers.particles.arrays import galaxy_from_arrays
from mocks.readers.registry import SIMULATIONS, formats, open_snapshot, recognise
from mocks.readers.selection import aperture_radius, cut_aperture, evaluate, parse_aperture, select

__all__ = [
    "RUNS",
    "SIMULATIONS",
    "Examination",
    "Finding",
    "Fingerprint",
    "Format",
    "Snapshot",
    "aperture_radius",
    "centre_on_light",
    "centred_on",
    "companion_radius",
    "companions_problem",
    "cut_aperture",
    "evaluate",
    "examine",
    "examine_all",
    "fit_to_survey",
    "formats",
    "galaxy_from_arrays",
    "grouped",
    "ideal_image_from_array",
    "is_ideal_image",
    "members",
    "open_snapshot",
    "parse_aperture",
    "parse_options",
    "read_ideal_image",
    "read_image",
    "recognise",
    "select",
    "with_companions",
]
