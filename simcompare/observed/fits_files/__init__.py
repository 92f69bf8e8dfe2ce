"""Readers of what surveys give out as FITS: cut-outs, stacks, tars; headers, masks and names of files."""

from simcompare.observed.fits_files.cutouts import read_fits_cutout
from simcompare.observed.fits_files.images import is_fits
from simcompare.observed.fits_files.stacks import is_fits_stack, read_fits_stack
from simcompare.observed.fits_files.tars import is_tar, read_hsc_tar

__all__ = ["is_fits", "is_fits_stack", "is_tar", "read_fits_cutout", "read_fits_stack", "read_hsc_tar"]
