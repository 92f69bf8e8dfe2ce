"""Images without noise made by others: SKIRT files, FITS cubes, arrays."""
