"""The likelihood ratio inside a galaxy's aperture, and that of the sky around it."""

from collections.abc import Mapping, Sequence

import numpy as np

from simcompare.images.aperture import APERTURE_RADII, GEOMETRY, aperture_weights

__all__ = ["APERTURE_RADII", "GEOMETRY", "aperture_columns", "aperture_weights"]


def aperture_columns(whole: np.ndarray, inside: np.ndarray, bands: Sequence[str]) -> Mapping[str, np.ndarray]:
    """Columns of a score table from the ratio's terms.

    The coarsest scale, which holds brightness more than structure, is left out.

    Parameters
    ----------
    whole, inside : ndarray, shape (n, n_scales, band)
        Log-likelihood ratio by scale and band, of the image and inside the aperture [nats].
    bands : sequence of str

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``aperture_ratio``, the same by scale (``_scale_<k>``, k = 0 the finest) and, of several bands, by
        band (``_band_<name>``); ``surroundings_ratio``, the part outside the aperture, with its scales.
    """
    inside, outside = inside[:, :-1], (whole - inside)[:, :-1]
    columns = {}
    for name, terms in (("aperture_ratio", inside), ("surroundings_ratio", outside)):
        columns[name] = terms.sum(axis=(1, 2))
        columns |= {f"{name}_scale_{k}": terms[:, k].sum(axis=1) for k in range(terms.shape[1])}
    if len(bands) > 1:
        columns |= {
            f"aperture_ratio_band_{band}": inside[:, :, i].sum(axis=1) for i, band in enumerate(bands)
        }
    return columns
