"""Fitting a density to images: the loop, its augmentation, several processes."""
