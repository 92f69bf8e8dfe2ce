"""Fields of the sky: galaxies observed together share seeing, sky and PSF, and so part of their score."""

import numpy as np
from scipy.spatial import cKDTree

from simcompare.statistics.contrast import weighted_mean

__all__ = ["group_fields", "join_fields", "shared_fields", "variance_of_fields"]

RADIUS = 0.5
"""Galaxies within this of the first one of a field belong to it [deg]."""
CHORD = 2 * np.sin(np.radians(RADIUS) / 2)
LEAST_FIELDS = 5  # with two galaxies or more, to tell how much fields differ
LARGEST_SHARE = 0.9  # of the variance of z, at most, is that between fields


def group_fields(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Group galaxies by the field they are in.

    A field is all galaxies within 0.5 degrees of the southernmost one that is not yet in a field.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees (ICRS); NaN, as for simulated galaxies, is a field of its own.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    places, known = _places(ra, dec)
    fields = np.arange(len(ra)) + len(ra)  # no two alike, and none of those below
    if not len(known):
        return fields
    tree, free = cKDTree(places), np.ones(len(known), dtype=bool)
    for number, first in enumerate(np.argsort(places[:, 2], kind="stable")):
        if free[first]:
            near = np.array(tree.query_ball_point(places[first], CHORD))
            near = near[free[near]]
            free[near], fields[known[near]] = False, number
    return fields


def join_fields(
    ra: np.ndarray, dec: np.ndarray, ra_real: np.ndarray, dec_real: np.ndarray, fields_real: np.ndarray
) -> np.ndarray:
    """Group the galaxies of a data set; fields shared with the reference keep its numbers.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Degrees; NaN is a field of its own.
    ra_real, dec_real, fields_real : ndarray, shape (m,)
        Of the reference, from `group_fields`.

    Returns
    -------
    ndarray of int, shape (n,)
        Field of the nearest real galaxy within 0.5 degrees; the others as `group_fields` gives them.
    """
    fields = group_fields(ra, dec) + fields_real.max(initial=-1) + 1
    places, known = _places(ra, dec)
    places_real, known_real = _places(ra_real, dec_real)
    distance, nearest = cKDTree(places_real).query(places)
    near = distance <= CHORD
    fields[known[near]] = fields_real[known_real[nearest[near]]]
    return fields


def _places(ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give unit vectors of the known positions, shape (k, 3), and their rows."""
    ra, dec = (np.radians(np.asarray(each, dtype=float)) for each in (ra, dec))
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    ra, dec = ra[known], dec[known]
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]), known


def variance_of_fields(residual: np.ndarray, weight: np.ndarray, fields: np.ndarray) -> float:
    """Variance of z between fields, from the products of all pairs of galaxies in one field.

    Each field counts by the weight of its galaxies. 0 where fewer than five fields hold two galaxies.

    Parameters
    ----------
    residual : ndarray, shape (m,)
        z less its mean.
    weight : ndarray, shape (m,)
        Positive.
    fields : ndarray of int, shape (m,)
    """
    _, place, count = np.unique(fields, return_inverse=True, return_counts=True)
    many = count > 1
    if many.sum() < LEAST_FIELDS:
        return 0.0
    total = lambda values: np.bincount(place, values)[many]  # noqa: E731
    product, pairs, by = weight * residual, total(weight) ** 2 - total(weight**2), total(weight)
    between = np.sum((total(product) ** 2 - total(product**2)) / by) / np.sum(pairs / by)
    _, spread, _ = weighted_mean(residual, weight)
    return float(np.clip(between, 0.0, LARGEST_SHARE * spread**2))


def shared_fields(
    weight: np.ndarray, fields: np.ndarray, weight_real: np.ndarray, fields_real: np.ndarray
) -> float:
    """By what the variance between fields counts in a difference of weighted means.

    1 over the number of fields that a data set is spread over, less what the reference has of the same ones.

    Parameters
    ----------
    weight, fields : ndarray, shape (n,)
        Of a data set.
    weight_real, fields_real : ndarray, shape (m,)
        Of the reference.
    """
    names, place = np.unique(fields, return_inverse=True)
    share = np.bincount(place, weight / weight.sum())
    both = np.isin(fields_real, names)
    share -= np.bincount(
        np.searchsorted(names, fields_real[both]), weight_real[both] / weight_real.sum(), len(names)
    )
    return float(share @ share)
