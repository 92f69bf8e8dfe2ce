"""Particles onto pixels: smoothing lengths, kernels, exact deposit."""
