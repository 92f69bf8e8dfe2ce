"""The structure score: what each galaxy's aperture ratio is among real galaxies observed equally well."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simcompare.kinds import Kind
from simcompare.scores.columns import column_of
from simcompare.scores.record import Scores
from simcompare.statistics.conditional import compress
from simcompare.statistics.contrast import Fraction
from simcompare.statistics.fields import group_fields, join_fields
from simcompare.statistics.structure import (
    LEAST_REFERENCE,
    StructureReference,
    StructureTest,
    fit_reference,
)

__all__ = [
    "ALWAYS",
    "CONDITIONS",
    "STRUCTURE",
    "Structure",
    "condition_columns",
    "conditions_of",
    "learn_structure",
]

STRUCTURE = "aperture_ratio"
"""Column that the structure score is made from."""
ALWAYS = ("snr", "resolution")
"""Conditions that always count: signal-to-noise, and half-light radius over PSF FWHM."""
CONDITIONS = ("snr", "half_light_radius")
"""Columns that these are made from, beside ``psf_fwhm_<band>``."""


def condition_columns(conditions: Sequence[str]) -> list[str]:
    """Columns that further conditions are made from: "mag_g-mag_r" is a difference of two."""
    return [name.strip() for each in conditions for name in each.split("-") if each not in ALWAYS]


def conditions_of(scores: Scores, further: Sequence[str] = ()) -> np.ndarray:
    """How well each image shows its galaxy, and what else real galaxies are to be equal in.

    Parameters
    ----------
    scores : Scores
        With the columns ``snr``, ``half_light_radius`` and ``psf_fwhm_<band>``, of which the mean is taken.
    further : sequence of str
        Columns, or differences of two, as the colour "mag_g-mag_r"; those that span decades by their
        logarithm.

    Returns
    -------
    ndarray, shape (n, 2 + len(further))
        log10 of signal-to-noise, log10 of half-light radius over PSF FWHM, and the further ones; NaN where
        one is not known or, of a logarithm, not positive.

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
        seen = list(np.log10([scores.numbers("snr"), scores.numbers("half_light_radius") / fwhm]))
        seen += [_condition(scores, name) for name in further]
    return np.where(np.isfinite(seen), seen, np.nan).T


def _condition(scores: Scores, name: str) -> np.ndarray:
    """Values of a further condition, shape (n,)."""
    columns = condition_columns([name])
    if absent := [each for each in columns if each not in scores or scores.is_text(each)]:
        raise ValueError(
            f"the condition {name!r} needs the column {', '.join(absent)}, which the scores do not have as "
            "numbers; name a column of the catalogues, or a difference of two as 'mag_g-mag_r'."
        )
    if len(columns) > 2:
        raise ValueError(f"the condition {name!r} has more than two columns; give a column or a difference.")
    values = [scores.numbers(each) for each in columns]
    if len(values) == 2:
        return values[0] - values[1]
    return np.log10(values[0]) if column_of(name).is_logarithmic else values[0]


@dataclass(frozen=True, eq=False)
class _Galaxies:
    """Means over the views of each galaxy of some rows that can be scored."""

    names: np.ndarray  # (g,), numbers of the galaxies
    rows: np.ndarray  # (g,), where each stands first
    values: np.ndarray  # (g,)
    conditions: np.ndarray  # (g, k)


def _galaxies(scores: Scores, values: np.ndarray, further: Sequence[str]) -> _Galaxies:
    """Average values, and conditions, over views; rows where one is not finite are left out."""
    conditions = conditions_of(scores, further)
    usable = np.isfinite(values) & np.isfinite(conditions).all(axis=1)
    rows = np.flatnonzero(usable)
    names, first, place = np.unique(scores.galaxies[rows], return_index=True, return_inverse=True)
    n_views = np.bincount(place, minlength=len(names))
    mean = lambda column: np.bincount(place, column[rows], len(names)) / n_views  # noqa: E731
    seen = np.column_stack([mean(each) for each in conditions.T])
    return _Galaxies(names, rows[first], mean(values), seen)


def _sky(scores: Scores, galaxies: _Galaxies) -> np.ndarray:
    """Right ascension and declination of galaxies, shape (g, 2); NaN where not known."""
    unknown = np.full(len(galaxies.rows), np.nan)
    return np.column_stack(
        [scores.numbers(name)[galaxies.rows] if name in scores else unknown for name in ("ra", "dec")]
    )


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
    places : ndarray, shape (m, 2)
        Their right ascension and declination [deg]; NaN where not known.
    further : tuple of str
        Conditions beside signal-to-noise and resolution.
    """

    column: str
    reference: StructureReference
    galaxies: np.ndarray
    places: np.ndarray
    further: tuple[str, ...] = ()

    @property
    def has_twins(self) -> bool:
        """Whether a structure fraction can be given."""
        return self.reference.separation is not None

    def z(self, scores: Scores) -> np.ndarray:
        """Give every image its standard score, shape (n,); NaN where there is none.

        A held-out galaxy of the reference has one from a fit that has not seen it, the mean of its views.
        """
        conditions = conditions_of(scores, self.further)
        model = self.reference.model
        z = model.z(compress(scores.numbers(self.column)), conditions)
        if scores.reference is not None:
            own = np.flatnonzero(scores.held_out(scores.reference) & np.isfinite(z))
            names = scores[own]["galaxy_id"]
            place = np.minimum(np.searchsorted(self.galaxies, names), len(self.galaxies) - 1)
            known = self.galaxies[place] == names
            z[own[known]] = self.reference.z[place[known]]
        return z

    def test(
        self, scores: Scores, confidence: float = 0.95, *, among: np.ndarray | None = None
    ) -> StructureTest:
        """Compare the galaxies of some rows with the reference.

        Parameters
        ----------
        scores : Scores
            Rows of one data set, or of a part of it.
        confidence : float
        among : ndarray of str, optional
            Names of the real galaxies that they are compared with; default: all.

        Returns
        -------
        StructureTest
            NaN throughout where no galaxy can be scored, or no real one is left.
        """
        own, real = self._judged(scores), self._marked(among)
        if not len(own.names) or (real is not None and not real.any()):
            return StructureTest(*[np.nan] * 7)
        fields = self._fields(scores, own)
        return self.reference.test(own.values, own.conditions, confidence, fields=fields, among=real)

    def test_pairs(self, scores: Scores, rows: np.ndarray, partners: np.ndarray) -> StructureTest:
        """Compare galaxies with the one real galaxy that each is paired with, views of each averaged.

        Parameters
        ----------
        scores : Scores
            Of all data sets.
        rows, partners : ndarray of int, shape (n_pairs,)
            A row of each galaxy, and one of its real partner.
        """
        names = scores["dataset"][rows[0]], scores["dataset"][partners[0]]
        sides = []
        for name, chosen in zip(names, (rows, partners), strict=True):
            sample = scores.sample(name)
            values = self.z(sample) if name == scores.reference else None
            own = self._judged(sample, values)
            places = np.searchsorted(own.names, scores.galaxies[chosen])
            places = np.minimum(places, len(own.names) - 1)
            sides.append((own, places, own.names[places] == scores.galaxies[chosen]))
        known = sides[0][2] & sides[1][2]
        if not known.any():
            return StructureTest(*[np.nan] * 7)
        (ours, i, _), (real, j, _) = sides
        return self.reference.test_pairs(
            ours.values[i[known]], ours.conditions[i[known]], real.values[j[known]], real.conditions[j[known]]
        )

    def fraction(self, scores: Scores, among: np.ndarray | None = None) -> Fraction | None:
        """Give the structure fraction of some rows, to be compared with that of others; None without one."""
        own, real = self._judged(scores), self._marked(among)
        if not len(own.names) or (real is not None and not real.any()):
            return None
        fields = self._fields(scores, own)
        return self.reference.fraction(own.values, own.conditions, fields=fields, among=real)

    def fraction_parts(self, scores: Scores) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Names of the galaxies of some rows, in order, and what each adds to the fraction.

        Parameters
        ----------
        scores : Scores

        Returns
        -------
        names, above, below : ndarray, shape (n_galaxies,)
            See `StructureReference.parts`.
        """
        own = self._judged(scores)
        return (scores[own.rows]["galaxy_id"], *self.reference.parts(own.values, own.conditions))

    def extrapolated(self, scores: Scores) -> float:
        """Share of the galaxies of some rows outside the reference's range of brightness and resolution."""
        own = _galaxies(scores, scores.numbers(self.column), self.further)
        return float(self.reference.model.is_outside(own.conditions).mean()) if len(own.names) else np.nan

    def n_galaxies(self, scores: Scores) -> int:
        """Count the galaxies of some rows that can be scored."""
        return len(_galaxies(scores, scores.numbers(self.column), self.further).names)

    def _judged(self, scores: Scores, z: np.ndarray | None = None) -> _Galaxies:
        """Average z, and conditions, over the views of each galaxy."""
        if z is None:
            conditions = conditions_of(scores, self.further)
            z = self.reference.model.z(compress(scores.numbers(self.column)), conditions)
        return _galaxies(scores, z, self.further)

    def _fields(self, scores: Scores, own: _Galaxies) -> np.ndarray:
        """Field of the sky of each galaxy, shape (g,), numbered as those of the reference."""
        return join_fields(*_sky(scores, own).T, *self.places.T, self.reference.fields)

    def _marked(self, names: np.ndarray | None) -> np.ndarray | None:
        """Mark some real galaxies, shape (m,)."""
        return None if names is None else np.isin(self.galaxies, names)


def learn_structure(
    scores: Scores, rng: np.random.Generator, column: str = STRUCTURE, further: Sequence[str] = ()
) -> Structure:
    """Learn from the held-out real galaxies, and from their twins where these are scored too.

    Parameters
    ----------
    scores : Scores
        Of all data sets; twins are the rows of kind "twins" with the names of real galaxies.
    rng : numpy.random.Generator
        Deals the galaxies into folds.
    column : str
    further : sequence of str
        Conditions beside signal-to-noise and resolution, see `conditions_of`.

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
    own = _galaxies(real, compress(real.numbers(column)), further)
    _refuse_unknown(real, further, len(own.names))
    twin_values = np.full(len(own.names), np.nan)
    twin_conditions = np.full((len(own.names), 2 + len(further)), np.nan)
    for name in scores.of_kind(Kind.TWINS):
        sample = scores.sample(name)
        twins = _galaxies(sample, compress(sample.numbers(column)), further)
        _, i, j = np.intersect1d(own.names, twins.names, return_indices=True)
        fresh = np.isnan(twin_values[i])
        twin_values[i[fresh]] = twins.values[j[fresh]]
        twin_conditions[i[fresh]] = twins.conditions[j[fresh]]
    places = _sky(real, own)
    fields = group_fields(*places.T)
    reference = fit_reference(own.values, own.conditions, twin_values, twin_conditions, rng, fields)
    return Structure(column, reference, real[own.rows]["galaxy_id"], places, tuple(further))


def _refuse_unknown(real: Scores, further: Sequence[str], n_left: int) -> None:
    """Raise where a further condition leaves too few real galaxies."""
    for name in further:
        n_known = int(np.isfinite(_condition(real, name)).sum())
        if n_left < LEAST_REFERENCE and n_known < LEAST_REFERENCE:
            raise ValueError(
                f"the condition {name!r} is known of {n_known} of the {len(real)} held-out images of "
                f"{real.reference}; {LEAST_REFERENCE} galaxies are needed. Leave it out, or give the real "
                "galaxies this column."
            )
