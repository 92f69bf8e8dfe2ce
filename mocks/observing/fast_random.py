"""Random numbers for whole images, several times as fast as drawn one by one."""

import numpy as np

from mocks.compiled import njit

__all__ = ["poisson", "standard_normal"]

_FEW = 10.0  # below this mean, counts are drawn by adding up their probabilities


def standard_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw normal deviates, the very numbers of ``rng.standard_normal(shape)``.

    Parameters
    ----------
    shape : tuple of int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape ``shape``
    """
    values = np.empty(shape)
    _fill_normal(values.reshape(-1), rng)
    return values


def poisson(mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw Poisson counts, one for each mean.

    Parameters
    ----------
    mean : ndarray
        Not negative; finite.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape of ``mean``
        Whole numbers, float64.

    Raises
    ------
    ValueError
        For a mean that is negative or not finite.

    Notes
    -----
    A mean of zero takes no random number. Means from 10 on: a normal deviate, rounded down, is nearly always
    kept as it is; what the distributions differ by is made up for by a second draw (algorithm PD). Its one
    approximation, the share of a normal distribution between two whole numbers, is good to two parts in 10^8
    at a mean of 10, better above. Smaller means: by inversion.

    References
    ----------
    Ahrens & Dieter 1982, ACM Transactions on Mathematical Software 8, 163.
    """
    mean = np.ascontiguousarray(mean, float)
    if not (mean.min(initial=0) >= 0 and mean.max(initial=0) < np.inf):
        raise ValueError("means of Poisson counts must be finite and not negative.")
    counts = np.zeros(mean.shape)
    _fill_poisson(mean.reshape(-1), rng, counts.reshape(-1))
    return counts


@njit
def _fill_normal(values, rng):
    for i in range(len(values)):
        values[i] = rng.standard_normal()


@njit
def _fill_poisson(mean, rng, counts):
    """Draw in sweeps over all pixels, each without a branch, and go through the few that are left."""
    for i in range(len(mean)):
        if mean[i] >= _FEW:
            counts[i] = rng.standard_normal()
    left, n_left = np.empty(len(mean), np.int64), 0
    for i in range(len(mean)):
        counts[i] = np.floor(mean[i] + np.sqrt(mean[i]) * counts[i])
    for i in range(len(mean)):  # of counts above the mean there are too few, of those below too many
        left[n_left] = i
        n_left += (mean[i] > 0) & ((counts[i] < np.floor(mean[i] - 1.1484)) | (mean[i] < _FEW))
    for j in range(n_left):
        i = left[j]
        uniform = rng.random()
        if mean[i] < _FEW:
            counts[i] = _invert(mean[i], uniform)
        elif 6 * mean[i] ** 2 * uniform < (mean[i] - counts[i]) ** 3 and (
            counts[i] < 0 or _excess(counts[i], mean[i], uniform, 0.0) < 0
        ):
            while True:  # counts that normal deviates make too seldom
                exponential, uniform = rng.standard_exponential(), 2 * rng.random() - 1
                deviate = 1.8 + np.copysign(exponential, uniform)
                if deviate > -0.6744:
                    counts[i] = np.floor(mean[i] + np.sqrt(mean[i]) * deviate)
                    share = 0.1069 / mean[i] * abs(uniform)
                    if _excess(counts[i], mean[i], 0.0, exponential) >= share:
                        break


@njit
def _invert(mean, uniform):
    """Count at which the summed probabilities exceed a uniform deviate."""
    if uniform < 1 - mean:
        return 0.0
    count, probability = 0, np.exp(-mean)
    while uniform > probability and count < 100:
        uniform -= probability
        count += 1
        probability *= mean / count
    return float(count)


@njit
def _excess(count, mean, uniform, exponent):
    """Poisson probability of a count less (1 - uniform) times that of a normal deviate rounded down to it.

    Both times e^exponent. The normal one is the density in the middle, corrected for the bend over the count.
    """
    if count < _FEW:
        poisson = -mean
        for i in range(1, int(count) + 1):
            poisson += np.log(mean / i)
    else:
        ratio = (mean - count) / count
        stirling = (1 / 12 - (1 / 360 - 1 / (1260 * count**2)) / count**2) / count
        poisson = count * (np.log1p(ratio) - ratio) - np.log(2 * np.pi * count) / 2 - stirling
    x = (count - mean + 0.5) ** 2 / mean
    b1 = 1 / (24 * mean)
    b2 = 0.3 * b1**2
    c3 = b1 * b2 / 7
    c2 = b2 - 15 * c3
    c1 = b1 - 6 * b2 + 45 * c3
    c0 = 1 - b1 + 3 * b2 - 15 * c3
    bend = ((c3 * x + c2) * x + c1) * x + c0
    normal = bend / np.sqrt(2 * np.pi * mean) * np.exp(exponent - x / 2)
    return np.exp(poisson + exponent) - (1 - uniform) * normal
