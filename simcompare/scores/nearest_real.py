"""The real galaxies that are nearest to each scored image, as rows of the same scores."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from simcompare.scores.record import Scores

__all__ = ["NearestReal", "nearest_real"]

_STORED = {"real": "in the latents of the flow", "embedding": "in the embedding"}
_MEASURED = ("snr", "half_light_radius")  # compared by their logarithm, beside the first magnitude
_BY_MEASUREMENT = "in signal-to-noise, half-light radius and magnitude"


@dataclass(frozen=True, eq=False)
class NearestReal:
    """Rows of the nearest real galaxies.

    Parameters
    ----------
    rows : ndarray of int, shape (n, k)
        Nearest first; -1 where there is none.
    space : str
        Where the distance is measured, to follow "nearest real galaxies"; empty where it cannot be.
    """

    rows: np.ndarray
    space: str


def nearest_real(scores: Scores, k: int = 3) -> NearestReal:
    """Find the nearest real galaxies of each image among the rows.

    The neighbours that scoring stored are used where there are any: those in the latents of the flow, else
    those in the embedding. Without them, distances are Euclidean in log10 signal-to-noise, log10 half-light
    radius and magnitude, each over its standard deviation among the held-out real galaxies.

    Parameters
    ----------
    scores : Scores
    k : int
        Number of neighbours.

    Returns
    -------
    NearestReal
        A galaxy is never its own neighbour; of several views the first stands for the galaxy.
    """
    none = np.full((len(scores), k), -1)
    if scores.reference is None:
        return NearestReal(none, "")
    real = np.flatnonzero(scores.equals("dataset", scores.reference))
    if not real.size:
        return NearestReal(none, "")
    for prefix, space in _STORED.items():
        names = [f"{prefix}_twin_{place}" for place in range(1, k + 1)]
        names = [name for name in names if name in scores]
        if names:
            first = dict(zip(scores["galaxy_id"][real][::-1], real[::-1], strict=True))
            for place, name in enumerate(names):
                none[:, place] = [first.get(galaxy, -1) for galaxy in scores[name]]
            return NearestReal(none, space)
    return _by_measurement(scores, k)


def _by_measurement(scores: Scores, k: int) -> NearestReal:
    """Nearest held-out real galaxies in brightness and size."""
    rows = np.full((len(scores), k), -1)
    magnitude = next((name for name in scores.colnames if name.startswith("mag_")), None)
    if magnitude is None or any(name not in scores for name in _MEASURED):
        return NearestReal(rows, "")
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.column_stack([*(np.log10(scores.numbers(name)) for name in _MEASURED),
                                  scores.numbers(magnitude)])  # fmt: skip
    known = np.isfinite(places).all(axis=1)
    real = np.flatnonzero(known & scores.held_out(scores.reference))
    _, first = np.unique(scores["galaxy_id"][real], return_index=True)
    real = real[np.sort(first)]
    if real.size < 2:
        return NearestReal(rows, "")
    spread = places[real].std(axis=0)
    places = places / np.where(spread > 0, spread, 1.0)
    _, index = cKDTree(places[real]).query(places[known], k=list(range(1, min(k + 1, real.size) + 1)))
    found = real[index]
    own = scores["galaxy_id"][found] == scores["galaxy_id"][known][:, None]
    own &= scores.equals("dataset", scores.reference)[known][:, None]
    order = np.argsort(own, axis=1, kind="stable")[:, :k]  # a galaxy itself goes last
    found = np.where(np.take_along_axis(own, order, 1), -1, np.take_along_axis(found, order, 1))
    rows[np.flatnonzero(known)[:, None], np.arange(found.shape[1])] = found
    return NearestReal(rows, _BY_MEASUREMENT)
