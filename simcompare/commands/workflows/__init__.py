"""Verbs of a workflow file: write one, run it, or make its jobs for SLURM."""
