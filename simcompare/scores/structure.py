"""The structure score: what each galaxy's aperture ratio is among real galaxies seen as well as it is."""

from dataclasses import dataclass

import numpy as np

from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.statistics.structure import (
    StructureReference,
    StructureTest,
    compress,
    fit_reference,
)

__all__ = ["STRUCTURE", "Structure", "conditions_of", "learn_structure"]

STRUCTURE = "aperture_ratio"
"""Column that the structure score is made from."""
CONDITIONS = ("snr", "half_light_radius")


def conditions_of(scores: Scores) -> np.ndarray:
    """How well each image shows its galaxy: log10 of signal-to-noise, and of half-light radius over PSF FWHM.

    Parameters
    ----------
    scores : Scores
        With the columns ``snr``, ``half_light_radius`` and ``psf_fwhm_<band>``, of which the mean is taken.

    Returns
    -------
    ndarray, shape (n, 2)
        NaN where one of them is not known or not positive.

    Raises
    ------
    ValueError
        When a column is missing.
    """
    widths = [name for name in scores.colnames if name.startswith("psf_fwhm_")]
    missing = [name for name in CONDITIONS if name not in scores] + ["psf_fwhm_<band>"] * (not widths)
    if missing:
        raise ValueError(
            f"the structure score needs the columns {', '.join(missing)}; score images that 'simcompare "
            "prepare' or 'simcompare mock' made."
        )
    fwhm = np.mean([scores.numbers(name) for name in widths], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.log10([scores.numbers("snr"), scores.numbers("half_light_radius") / fwhm]).T
    return np.where(np.isfinite(seen), seen, np.nan)


@dataclass(frozen=True, eq=False)
class _Galaxies:
    """Means over the views of each galaxy of some rows that can be scored."""

    names: np.ndarray  # (g,), numbers of the galaxies
    rows: np.ndarray  # (g,), where each stands first
    compressed: np.ndarray  # (g,)
    conditions: np.ndarray  # (g, 2)


def _galaxies(scores: Scores, values: np.ndarray) -> _Galaxies:
    """Average values, and conditions, over views; rows where one is not finite are left out."""
    conditions = conditions_of(scores)
    usable = np.isfinite(values) & np.isfinite(conditions).all(axis=1)
    rows = np.flatnonzero(usable)
    names, first, place = np.unique(scores.galaxies[rows], return_index=True, return_inverse=True)
    n_views = np.bincount(place, minlength=len(names))
    mean = lambda column: np.bincount(place, column[rows], len(names)) / n_views  # noqa: E731
    seen = np.column_stack([mean(each) for each in conditions.T])
    return _Galaxies(names, rows[first], mean(values), seen)


@dataclass(frozen=True, eq=False)
class Structure:
    """Real galaxies and their twins, and what any scores are among them.

    Parameters
    ----------
    column : str
        That is scored: `STRUCTURE`, one of its scales or bands, or the surroundings.
    reference : StructureReference
    galaxies : ndarray of str
        Names of its galaxies, in order.
    """

    column: str
    reference: StructureReference
    galaxies: np.ndarray

    @property
    def has_twins(self) -> bool:
        """Whether a structure fraction can be given."""
        return self.reference.separation is not None

    def z(self, scores: Scores) -> np.ndarray:
        """Give every image its standard score, shape (n,); NaN where there is none.

        A held-out galaxy of the reference has one from a fit that has not seen it, the mean of its views.
        """
        conditions = conditions_of(scores)
        model = self.reference.model
        z = model.z(compress(scores.numbers(self.column)), conditions)
        if scores.reference is not None:
            own = np.flatnonzero(scores.held_out(scores.reference) & np.isfinite(z))
            names = scores[own]["galaxy_id"]
            place = np.minimum(np.searchsorted(self.galaxies, names), len(self.galaxies) - 1)
            known = self.galaxies[place] == names
            z[own[known]] = self.reference.z[place[known]]
        return z

    def test(self, scores: Scores, confidence: float = 0.95) -> StructureTest:
        """Hold the galaxies of some rows against the reference.

        Parameters
        ----------
        scores : Scores
            Rows of one data set, or of a part of it.
        confidence : float

        Returns
        -------
        StructureTest
            NaN throughout where no galaxy can be scored.
        """
        own = _galaxies(
            scores, self.reference.model.z(compress(scores.numbers(self.column)), conditions_of(scores))
        )
        if not len(own.names):
            return StructureTest(*[np.nan] * 7)
        return self.reference.test(own.compressed, own.conditions, confidence)

    def extrapolated(self, scores: Scores) -> float:
        """Share of the galaxies of some rows outside the reference's range of brightness and resolution."""
        own = _galaxies(scores, scores.numbers(self.column))
        return float(self.reference.model.is_outside(own.conditions).mean()) if len(own.names) else np.nan

    def n_galaxies(self, scores: Scores) -> int:
        """Count the galaxies of some rows that can be scored."""
        return len(_galaxies(scores, scores.numbers(self.column)).names)


def learn_structure(scores: Scores, rng: np.random.Generator, column: str = STRUCTURE) -> Structure:
    """Learn from the held-out real galaxies, and from their twins where these are scored too.

    Parameters
    ----------
    scores : Scores
        Of all data sets; twins are the rows of kind "twins" with the names of real galaxies.
    rng : numpy.random.Generator
        Deals the galaxies into folds.
    column : str

    Returns
    -------
    Structure

    Raises
    ------
    ValueError
        When the column is missing, as in scores of before it, or fewer than 20 galaxies can be used.
    """
    if column not in scores:
        raise ValueError(
            f"the scores have no {column}: they were made by an older version, without a background model or "
            "from images without a Petrosian radius; score the images again."
        )
    real = scores.reference_sample()
    own = _galaxies(real, compress(real.numbers(column)))
    twin_values = np.full(len(own.names), np.nan)
    twin_conditions = np.full((len(own.names), 2), np.nan)
    for name in scores.of_kind(Kind.TWINS):
        sample = scores.sample(name)
        twins = _galaxies(sample, compress(sample.numbers(column)))
        _, i, j = np.intersect1d(own.names, twins.names, return_indices=True)
        fresh = np.isnan(twin_values[i])
        twin_values[i[fresh]] = twins.compressed[j[fresh]]
        twin_conditions[i[fresh]] = twins.conditions[j[fresh]]
    reference = fit_reference(own.compressed, own.conditions, twin_values, twin_conditions, rng)
    return Structure(column, reference, real[own.rows]["galaxy_id"])
