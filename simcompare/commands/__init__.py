"""The verbs of the command line, one a file; only here a run folder is opened."""
