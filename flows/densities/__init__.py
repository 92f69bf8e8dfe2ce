"""Families of densities, one per file, behind one registry."""

from flows.densities.registry import ARCHITECTURES, make_density

__all__ = ["ARCHITECTURES", "make_density"]
