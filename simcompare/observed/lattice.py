"""The camera's counts in calibrated pixels: found, or found missing."""

import numpy as np

__all__ = ["camera_quantum"]


def camera_quantum(image: np.ndarray, good: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Flux of one camera count, from the spacing of the values that pixels take.

    Differences of adjacent pixels are whole multiples of the count, since the sky that was taken off varies
    little from pixel to pixel; their histogram is periodic, and its Fourier transform shows the frequency.

    Parameters
    ----------
    image : ndarray, shape (y, x)
        Calibrated flux.
    good : ndarray of bool, shape (y, x)
        Pixels to use.
    low, high : float
        Range to search, in the unit of the image.

    Returns
    -------
    quantum : float
        In the unit of the image.
    coherence : float
        1 when all differences are whole multiples, near 0 for pixels that were interpolated.
    """
    both = good[:, 1:] & good[:, :-1] & np.isfinite(image[:, 1:]) & np.isfinite(image[:, :-1])
    difference = (image[:, 1:] - image[:, :-1])[both].astype(float)
    # Calibration varies along a row by 1e-3, so only small differences keep in step with the lattice.
    difference = difference[np.abs(difference) < 30 * low]
    if difference.size < 100:
        return 0.5 * (low + high), 0.0
    # Bins of a fiftieth of the count, zero-padded until frequencies are known to 1e-4.
    width, n = low / 50, 2**18
    histogram = np.bincount(np.rint(difference / width).astype(int) + 1500, minlength=3001)
    power = np.abs(np.fft.rfft(histogram, n)) / difference.size
    frequency = np.fft.rfftfreq(n, width)
    searched = np.flatnonzero((frequency > 1 / high) & (frequency < 1 / low))
    best = searched[np.argmax(power[searched])]
    return float(1 / frequency[best]), float(power[best])
