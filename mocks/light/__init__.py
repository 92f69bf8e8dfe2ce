"""Light of stellar populations, behind one registry."""
