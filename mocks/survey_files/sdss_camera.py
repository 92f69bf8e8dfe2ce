"""What the SDSS camera does to light: gain, dark variance, calibration."""

import numpy as np

from mocks.surveys import load_survey

__all__ = [
    "BANDS",
    "PIXEL_SCALE",
    "dark_variance",
    "electrons_per_nanomaggy",
    "gain",
    "mean_gain",
]

BANDS = "ugriz"
PIXEL_SCALE = 0.396

# Calibration of the r band [nanomaggies per count]: what fields have, and what most have.
QUANTUM_RANGE = (0.003, 0.008)
TYPICAL_QUANTUM = 0.005

# Read-out and dark variance [counts^2] of runs before 1500, where it is not the survey file's; same source.
_EARLY_DARK_VARIANCE = {(2, "i"): 5.76, (4, "i"): 6.25, (4, "z"): 9.61, (5, "z"): 1.8225}


def gain(run: int, camcol: int, band: str) -> float:
    """Electrons per count of one CCD."""
    if (camcol, band) == (2, "u") and run > 1100:
        return 1.825
    return float(load_survey("sdss").bands[band].gain[camcol - 1])


def mean_gain(band: str) -> float:
    """Electrons per count, mean of the six camera columns, for images of unknown column."""
    return float(np.mean(load_survey("sdss").bands[band].gain))


def dark_variance(run: int, camcol: int, band: str) -> float:
    """Variance of read-out and dark current of one CCD [counts^2]."""
    if run < 1500 and (camcol, band) in _EARLY_DARK_VARIANCE:
        return _EARLY_DARK_VARIANCE[camcol, band]
    return float(load_survey("sdss").bands[band].dark_variance[camcol - 1])


def electrons_per_nanomaggy(run: int, camcol: int, band: str, nanomaggies_per_count: float) -> float:
    """Electrons that one nanomaggy of light gives."""
    return gain(run, camcol, band) / nanomaggies_per_count
