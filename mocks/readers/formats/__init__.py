"""One file for each simulation or format."""
