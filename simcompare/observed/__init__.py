"""Real galaxy images: readers of what surveys give out, and their preparation into an image set."""

from simcompare.observed.formats import FORMATS, Format, read_stamps, recognise
from simcompare.observed.sample import Sample, prepare_observed

__all__ = ["FORMATS", "Format", "Sample", "prepare_observed", "read_stamps", "recognise"]
