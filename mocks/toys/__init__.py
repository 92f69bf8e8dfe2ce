"""Toy galaxies and simulations for tests and demonstrations, written in the true file formats."""

from mocks.toys.eagle import write_eagle_extract, write_eagle_snapshot
from mocks.toys.galaxies import TOY_COSMOLOGY, ToyStructure, toy_galaxies, toy_galaxy, toy_structure
from mocks.toys.physics import TOY_GENERATIONS, ToyPhysics
from mocks.toys.ramses import write_ramses_output
from mocks.toys.swift import write_swift_snapshot
from mocks.toys.tng import write_tng_snapshot

__all__ = [
    "TOY_COSMOLOGY",
    "TOY_GENERATIONS",
    "ToyPhysics",
    "ToyStructure",
    "toy_galaxies",
    "toy_galaxy",
    "toy_structure",
    "write_eagle_extract",
    "write_eagle_snapshot",
    "write_ramses_output",
    "write_swift_snapshot",
    "write_tng_snapshot",
]
