"""Real galaxy images: readers of what surveys give out, and their preparation into an image set."""

from simcompare.observed.formats import FORMATS, Format, files_of, read_stamps, recognise
from simcompare.observed.pictures import PICTURE_BANDS
from simcompare.observed.places import read_places
from simcompare.observed.properties import read_properties
from simcompare.observed.sample import Reading, Sample, prepare_observed, prepare_sample

__all__ = [
    "FORMATS",
    "PICTURE_BANDS",
    "Format",
    "Reading",
    "Sample",
    "files_of",
    "prepare_observed",
    "prepare_sample",
    "read_places",
    "read_properties",
    "read_stamps",
    "recognise",
]
