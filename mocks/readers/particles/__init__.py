"""From raw particle arrays to a galaxy: units, times, geometry, groups."""

from mocks.readers.particles.arrays import galaxy_from_arrays
from mocks.readers.particles.records import assemble, make_stars

__all__ = ["assemble", "galaxy_from_arrays", "make_stars"]
