"""The headline: how much of real galaxies' structure each data set has, and whether it differs from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.comparison.structure_null import N_DRAWS, known_equal
from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.scores.structure import ALWAYS, STRUCTURE, Structure, learn_structure
from simcompare.statistics.known_equal import fails_its_null
from simcompare.statistics.significance import adjust_claims
from simcompare.statistics.structure import LEAST_REFERENCE, StructureTest

__all__ = [
    "MOST_EXTRAPOLATED",
    "SEEN",
    "SIGNIFICANCE",
    "UNRANKED",
    "Verdict",
    "half_row",
    "learn_again",
    "structure_rows",
    "verdict_of",
    "verdict_of_part",
    "with_verdicts",
]

SIGNIFICANCE = 0.05
"""Of the p-value after Holm's correction below which a data set is said to differ from real galaxies."""
MOST_EXTRAPOLATED = 0.5
"""Share of galaxies outside the reference's range of brightness and size beyond which none is ranked."""
MOST_WITHOUT_APERTURE = 0.1  # share of the reference scored on whole images that needs no note
SEEN = 0.5
"""A fraction whose interval reaches below this and above 1 has decided nothing."""
SURROUNDINGS = "surroundings_ratio"


class Verdict(StrEnum):
    """What the structure of a data set allows to be said; one rule decides, see `with_verdicts`."""

    SMOOTHER = "smoother than real"
    CLUMPIER = "clumpier than real"
    CONSISTENT = "no difference found"
    UNDECIDED = "cannot tell"
    EXTRAPOLATED = "outside the reference's range"
    SINGLE = "single galaxy"
    INVALID = "the test fails on equal sets"
    UNKNOWN = "no structure score"


UNRANKED = (Verdict.SINGLE, Verdict.EXTRAPOLATED, Verdict.INVALID)
"""Verdicts of data sets that stand below the ranking."""


@dataclass(frozen=True, eq=False)
class _Learned:
    """The reference of the headline and that of the sky around the galaxies; a note where there is none."""

    structure: Structure | None
    surroundings: Structure | None
    note: str


def _learn(scores: Scores, seed: int, conditions: Sequence[str] = ()) -> _Learned:
    structures = {}
    for column in (STRUCTURE, SURROUNDINGS):
        try:
            structures[column] = learn_structure(scores, stream(seed, "structure folds"), column, conditions)
        except ValueError as error:
            return _Learned(None, None, str(error))
    notes = []
    if not structures[STRUCTURE].has_twins:
        notes.append(
            f"fewer than {LEAST_REFERENCE} held-out real galaxies have a scored Sersic twin: there is a "
            "p-value, but no structure fraction; score the twins too"
        )
    notes += _without_aperture(scores.reference_sample())
    return _Learned(structures[STRUCTURE], structures[SURROUNDINGS], "; ".join(notes))


def _without_aperture(real: Scores) -> list[str]:
    """Say of how many real galaxies the whole image is judged, as it is where no aperture is known."""
    if "petrosian_radius" not in real:
        return []
    unknown = real.galaxies[~np.isfinite(real.numbers("petrosian_radius"))]
    n, total = np.unique(unknown).size, real.n_galaxies
    if n <= MOST_WITHOUT_APERTURE * total:
        return []
    return [
        f"{n} of {total} held-out real galaxies have no Petrosian radius within their images and are scored "
        "with the sky around them: use larger images, or read the result as one on the whole image"
    ]


def learn_again(scores: Scores, about: Mapping[str, Any]) -> Structure | None:
    """Learn what the headline was made with; None where there is no structure score.

    Parameters
    ----------
    scores : Scores
        Of all data sets.
    about : mapping
        From `structure_rows`; ``meta["structure"]`` of a comparison.
    """
    return _learn(scores, about["seed"], about["conditions"][len(ALWAYS) :]).structure


def structure_rows(
    scores: Scores, names: list[str], seed: int, confidence: float = 0.95, conditions: Sequence[str] = ()
) -> tuple[Table, dict]:
    """Compare the structure of data sets with that of held-out real galaxies.

    Parameters
    ----------
    scores : Scores
        Of all data sets, the twins of the real galaxies among them.
    names : list of str
        Data sets, a row for each.
    seed : int
        Of the folds and of the draws of real galaxies.
    confidence : float
    conditions : sequence of str
        Further ones, see `simcompare.scores.structure.conditions_of`.

    Returns
    -------
    rows : Table
        ``structure_fraction`` with ``_low`` and ``_high``; ``structure_z``, ``structure_z_weighted`` and its
        ``_error``; ``structure_p``; ``n_structure``, galaxies that could be scored; ``share_extrapolated``
        of them; ``surroundings_z`` and ``surroundings_p``, the same test of the sky around the galaxies;
        ``structure_false_alarms``, the rate at which as many real galaxies would get p < 0.05, and
        ``structure_null_low``, ``_high``, between which 95 % of their fractions lie. Blank sky has no
        galaxies, so nothing of this.
    about : dict
        ``n_reference``, ``n_twins``; ``seed`` of the folds; ``conditions``; ``nulls``, what sets of as many
        real galaxies get, see `simcompare.comparison.structure_null.KnownEqual.summary`; ``note``, which says
        what is missing; ``snr``, the range of signal-to-noise of the real galaxies (2nd to 98th percentile).
    """
    learned = _learn(scores, seed, conditions)
    nulls: dict[int, dict] = {}
    rows, without_galaxies = [], scores.of_kind(Kind.CONTROL)
    for name in names:
        row = _empty_row()
        if learned.structure is not None and name not in without_galaxies:
            row |= _row(learned, scores.sample(name), confidence)
            n = row["n_structure"]
            if n > 1 and n not in nulls:
                nulls[n] = _null(scores, n, seed, conditions)
            null = nulls.get(n, {})
            row["structure_false_alarms"] = null.get("false_alarms", np.nan)
            for end in ("low", "high"):
                row[f"structure_null_{end}"] = null.get(f"fraction_{end}", np.nan)
        rows.append(row)
    about = {"note": learned.note, "n_reference": 0, "n_twins": 0, "seed": seed}
    about |= {"conditions": [*ALWAYS, *conditions]}
    drawn = {null["n_galaxies"]: null for null in nulls.values() if null}
    about["nulls"] = [drawn[n] for n in sorted(drawn)]
    if learned.structure is not None:
        reference = learned.structure.reference
        about |= {"n_reference": len(reference.z), "n_twins": int(np.isfinite(reference.z_twin).sum())}
        about["snr"] = [float(10 ** end[0]) for end in (reference.model.low, reference.model.high)]
    return Table(rows=rows, names=list(_empty_row())), about


def _null(scores: Scores, n: int, seed: int, conditions: Sequence[str]) -> dict:
    """Draw sets of n real galaxies and say what they get; empty where there are too few."""
    null = known_equal(scores, n, stream(seed, "false alarms", n), conditions=conditions)
    return {} if null is None else null.summary(stream(seed, "null ends", n))


def half_row(
    scores: Scores, half: Scores, seed: int, confidence: float = 0.95, conditions: Sequence[str] = ()
) -> dict[str, float | int]:
    """Compare one half of the real galaxies with the other, as `structure_rows` holds a data set.

    Parameters
    ----------
    scores : Scores
        Of all data sets.
    half : Scores
        Rows of the reference that are not to be learned from.
    seed : int
    confidence : float
    conditions : sequence of str
    """
    rest = scores[~(scores.held_out(scores.named_reference) & np.isin(scores.galaxies, half.galaxies))]
    learned = _learn(rest, seed, conditions)
    if learned.structure is None:
        return _empty_row()
    return _empty_row() | _row(learned, half, confidence)


def _row(learned: _Learned, sample: Scores, confidence: float) -> dict[str, float | int]:
    """Judge one sample by what was learned."""
    sky = learned.surroundings.test(sample, confidence)
    return {
        **_tested(learned.structure.test(sample, confidence)),
        "surroundings_z": sky.z,
        "surroundings_p": sky.p_value,
        "n_structure": learned.structure.n_galaxies(sample),
        "share_extrapolated": learned.structure.extrapolated(sample),
    }


def _empty_row() -> dict[str, float | int]:
    numbers = (
        "structure_fraction", "structure_fraction_low", "structure_fraction_high", "structure_z",
        "structure_z_weighted", "structure_z_error", "structure_p", "surroundings_z", "surroundings_p",
        "share_extrapolated", "structure_false_alarms", "structure_null_low", "structure_null_high",
    )  # fmt: skip
    return dict.fromkeys(numbers, np.nan) | {"n_structure": 0}


def _tested(test: StructureTest) -> dict[str, float]:
    return {
        "structure_fraction": test.fraction,
        "structure_fraction_low": test.low,
        "structure_fraction_high": test.high,
        "structure_z": test.z,
        "structure_z_weighted": test.z_weighted,
        "structure_z_error": test.error,
        "structure_p": test.p_value,
    }


def with_verdicts(table: Table) -> Table:
    """Add ``structure_p_holm``, over the simulations, and the ``verdict`` of each row.

    A data set differs from real galaxies where ``structure_p_holm`` is below 0.05; the sign of
    ``structure_z_weighted`` says which way. Where it is not, nothing is found; unless the interval of the
    fraction reaches below one half: then such a set could lack half of the structure unseen. A test that
    finds sets of real galaxies to differ far more often than in 5 % of draws says nothing.

    Parameters
    ----------
    table : Table
        With ``kind`` and the columns of `structure_rows`.
    """
    table = table.copy()
    kinds = np.asarray(table["kind"]).astype(str)
    table["structure_p_holm"] = adjust_claims(table["structure_p"], kinds == Kind.SIMULATED)
    table["verdict"] = [str(_verdict(row)) for row in table]
    return table


def _verdict(row: Table.Row) -> Verdict:
    if fails_its_null(row["structure_false_alarms"], N_DRAWS):
        return Verdict.INVALID
    return verdict_of(
        int(row["n_structure"]), row["share_extrapolated"], row["structure_p_holm"],
        row["structure_z_weighted"], row["structure_fraction_low"],
    )  # fmt: skip


def verdict_of(n: int, share_extrapolated: float, p_holm: float, z_weighted: float, low: float) -> Verdict:
    """Say what the structure of some galaxies shows: the one rule of headline and bins.

    Parameters
    ----------
    n : int
        Galaxies with a score.
    share_extrapolated : float
        Of them outside the reference's range.
    p_holm, z_weighted, low : float
        Corrected p-value, weighted mean z less that of real galaxies, lower bound of the fraction.
    """
    if n == 0:
        return Verdict.UNKNOWN
    if n == 1:
        return Verdict.SINGLE
    if share_extrapolated > MOST_EXTRAPOLATED:
        return Verdict.EXTRAPOLATED
    if p_holm < SIGNIFICANCE:
        return Verdict.CLUMPIER if z_weighted > 0 else Verdict.SMOOTHER
    # low is NaN without twins: nobody knows what would be seen
    return Verdict.CONSISTENT if low >= SEEN else Verdict.UNDECIDED


def verdict_of_part(row: Table.Row) -> Verdict:
    """Say what one bin, scale or band shows, by the same rule.

    Parameters
    ----------
    row : Row
        With ``n_galaxies``, ``share_extrapolated``, ``p_holm``, ``structure_z_weighted`` and
        ``structure_fraction_low``.
    """
    return verdict_of(
        int(row["n_galaxies"]), row["share_extrapolated"], row["p_holm"], row["structure_z_weighted"],
        row["structure_fraction_low"],
    )  # fmt: skip
