"""From a simulation snapshot to the image a survey would have taken."""

from mocks.galaxy import Galaxy, Gas, Stars
from mocks.streams import stream

__all__ = ["Galaxy", "Gas", "Stars", "stream"]
