"""Starlight as the snapshot itself gives it: rest-frame magnitudes per particle."""

import numpy as np

from mocks.galaxy import Stars
from mocks.light.base import StellarPopulation

__all__ = ["SnapshotPopulation"]

REDSHIFT_LIMIT = 0.05
"""Beyond it the missing k-correction exceeds about 0.1 mag in g."""


class SnapshotPopulation(StellarPopulation):
    """The simulation's own AB magnitudes (Illustris and TNG: g r i z), without k-correction.

    Parameters
    ----------
    allow_any_redshift : bool
        Accept redshifts above 0.05, where the missing k-correction is no longer small.

    References
    ----------
    The stored magnitudes are BC03 with Padova 1994 tracks and a Chabrier IMF, dust-free, at rest:
    Nelson et al. 2019, ComAC 6, 2 (data release), field ``GFM_StellarPhotometrics``.
    """

    name = "snapshot"
    k_correction = "none"
    assumed = ("magnitudes at rest are those at the redshift of the mock",)

    def __init__(self, allow_any_redshift: bool = False):
        self.allow_any_redshift = allow_any_redshift

    def absolute_flux(self, stars: Stars, filters: tuple[str, ...], redshift: float) -> np.ndarray:
        """Flux of each particle at 10 pc, shape (band, n) [maggies].

        Raises
        ------
        ValueError
            Without stored magnitudes, for bands other than g, r, i, z, or beyond redshift 0.05.
        """
        if stars.photometry is None:
            raise ValueError(
                "the snapshot holds no photometry of its stars; choose another stellar population."
            )
        if redshift > REDSHIFT_LIMIT and not self.allow_any_redshift:
            raise ValueError(
                f"snapshot photometry has no k-correction and is refused at redshift {redshift:.4g} (limit "
                f"{REDSHIFT_LIMIT}); pass allow_any_redshift=True or choose another stellar population."
            )
        bands = [name.rsplit("-", 1)[-1] for name in filters]
        # U, B, V and K of the snapshot are Vega magnitudes of another system: never mixed in.
        known = [band for band in "griz" if band in stars.photometry]
        unknown = [band for band in bands if band not in known]
        if unknown:
            raise ValueError(
                f"snapshot photometry has AB bands {', '.join(known)}, not {', '.join(unknown)}."
            )
        return 10 ** (-0.4 * np.array([np.asarray(stars.photometry[band], float) for band in bands]))
