"""From raw particle arrays to a galaxy: units, times, geometry, groups."""
