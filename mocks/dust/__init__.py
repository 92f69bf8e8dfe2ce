"""Treatments of dust, behind one registry."""
