"""Families of densities, one a file, behind one registry."""
