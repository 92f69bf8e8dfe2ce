"""Data sets held against a reference: one row for each."""
