"""Light of stellar populations, behind one registry."""

from mocks.filters import Filter, load_filter
from mocks.light.base import StellarPopulation
from mocks.light.grid import GridPopulation, SpectralGrid, read_grid, write_grid
from mocks.light.registry import POPULATIONS, stellar_population

__all__ = [
    "POPULATIONS",
    "Filter",
    "GridPopulation",
    "SpectralGrid",
    "StellarPopulation",
    "load_filter",
    "read_grid",
    "stellar_population",
    "write_grid",
]
