"""What the SDSS camera does to light: gain, dark variance, calibration, and the noise they predict."""

import numpy as np

__all__ = [
    "BANDS",
    "PIXEL_SCALE",
    "dark_variance",
    "electrons_per_nanomaggy",
    "gain",
    "mean_gain",
    "sky_noise",
]

BANDS = "ugriz"
PIXEL_SCALE = 0.396

# Calibration of the r band [nanomaggies per count]: what fields have, and what most have.
QUANTUM_RANGE = (0.003, 0.008)
TYPICAL_QUANTUM = 0.005

# Electrons per count, by camera column (1-6) and band (ugriz); SDSS data model, "frame", DR8 and later.
# Column 2 in u changed its electronics at run 1100. Column 2 in i: 5.195 as psField files have it and the sky
# noise of real frames asks for; the data model prints 6.565.
_GAIN = np.array([
    [1.62, 3.32, 4.71, 5.165, 4.745],
    [1.595, 3.855, 4.6, 5.195, 5.155],
    [1.59, 3.845, 4.72, 4.86, 4.885],
    [1.6, 3.995, 4.76, 4.885, 4.775],
    [1.47, 4.05, 4.725, 4.64, 3.48],
    [2.17, 4.035, 4.895, 4.76, 4.69],
])  # fmt: skip

# Read-out and dark variance [counts^2], same source; for runs after 1500 where the two differ.
_DARK_VARIANCE = np.array([
    [9.61, 15.6025, 1.8225, 7.84, 0.81],
    [12.6025, 1.44, 1.0, 6.25, 1.0],
    [8.7025, 1.3225, 1.3225, 4.6225, 1.0],
    [12.6025, 1.96, 1.3225, 7.5625, 12.6025],
    [9.3025, 1.1025, 0.81, 7.84, 2.1025],
    [7.0225, 1.8225, 0.9025, 5.0625, 1.21],
])  # fmt: skip


def gain(run: int, camcol: int, band: str) -> float:
    """Electrons per count of one CCD."""
    if (camcol, band) == (2, "u") and run > 1100:
        return 1.825
    return float(_GAIN[camcol - 1, BANDS.index(band)])


def mean_gain(band: str) -> float:
    """Electrons per count, mean of the six camera columns, for images of unknown column."""
    return float(_GAIN[:, BANDS.index(band)].mean())


def dark_variance(run: int, camcol: int, band: str) -> float:
    """Variance of read-out and dark current of one CCD [counts^2]."""
    early = {(2, "i"): 5.76, (4, "i"): 6.25, (4, "z"): 9.61, (5, "z"): 1.8225}
    if run < 1500 and (camcol, band) in early:
        return early[camcol, band]
    return float(_DARK_VARIANCE[camcol - 1, BANDS.index(band)])


def electrons_per_nanomaggy(run: int, camcol: int, band: str, nanomaggies_per_count: float) -> float:
    """Electrons that one nanomaggy of light gives."""
    return gain(run, camcol, band) / nanomaggies_per_count


def sky_noise(run: int, camcol: int, band: str, nanomaggies_per_count, sky_counts):
    """Noise of a pixel of blank sky.

    Parameters
    ----------
    run, camcol : int
        Of the observation; the camera column is 1 to 6.
    band : str
        One of ``ugriz``.
    nanomaggies_per_count : float or ndarray
        Calibration.
    sky_counts : float or ndarray
        Sky that the pipeline took off [counts].

    Returns
    -------
    float or ndarray
        Standard deviation [nanomaggies per pixel].

    References
    ----------
    SDSS data model, ``frame``: variance = counts / gain + dark variance, in counts^2.
    """
    variance = sky_counts / gain(run, camcol, band) + dark_variance(run, camcol, band)
    return nanomaggies_per_count * np.sqrt(variance)
