"""Particles onto pixels: smoothing lengths, kernels, exact deposit."""

import mocks.compiled  # noqa: F401  before any module below imports numba
from mocks.deposit.neighbours import neighbour_distances
from mocks.deposit.particles import deposit
from mocks.deposit.smoothing import smoothing_lengths, with_smoothing_lengths

__all__ = ["deposit", "neighbour_distances", "smoothing_lengths", "with_smoothing_lengths"]
