"""Why a data set has more or less structure: what differs in the morphology of its galaxies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.comparison.structure import SIGNIFICANCE, Verdict
from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.scores.structure import Structure, conditions_of
from simcompare.statistics.decomposition import Galaxies, LearnedNumbers, learn_numbers
from simcompare.statistics.known_equal import (
    N_DRAWS,
    draws_of,
    fails_its_null,
    known_equal_number,
    share_below,
)
from simcompare.statistics.significance import adjust_claims, adjust_p_values
from simcompare.statistics.structure import LEAST_REFERENCE

__all__ = ["NUMBERS", "reasons", "sentences"]

NUMBERS: Mapping[str, tuple[str, str]] = {
    "measured_asymmetry": ("less asymmetric", "more asymmetric"),
    "measured_gini": ("less uneven in their light (Gini coefficient)", "more uneven in their light (Gini)"),
    "measured_m20": ("of lower M20", "of higher M20"),
    "concentration": ("less concentrated", "more concentrated"),
    "sersic_index": ("of lower Sersic index", "of higher Sersic index"),
}
"""Columns that are measured on both sides by the one preparation or `score`, and words for less and more."""
LEAST_GALAXIES = 5
_SIDES = {Verdict.SMOOTHER: -1, Verdict.CLUMPIER: 1}  # sign of the difference of z


def reasons(scores: Scores, structure: Structure, seed: int, *, n_bootstrap: int = 300) -> Table:
    """Divide the difference of the structure score of each data set among morphology numbers.

    Parameters
    ----------
    scores : Scores
        Of all data sets.
    structure : Structure
        Of the headline.
    seed : int
        Each data set has a stream of its own.
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``number``, ``n_galaxies``; ``difference`` of the number to real galaxies observed alike,
        in their spreads, with ``error``, ``p_value`` and ``p_holm`` over numbers and simulations;
        ``carried``, the part of the difference of z that goes with it, with ``carried_error``; ``share`` of
        the whole with ``low``, ``high`` (95 %); ``z_difference``, the whole; ``false_alarms``, rate at which
        as many real galaxies have any number with p below 0.05 after Holm. No p-value where it is too large.

    Raises
    ------
    ValueError
        When a number is not there, or real galaxies are too few.
    """
    missing = [name for name in NUMBERS if name not in scores]
    if missing:
        raise ValueError(f"the scores have no {', '.join(missing)}; score the images again.")
    real = _galaxies(scores.reference_sample(), structure)
    if len(real) < LEAST_REFERENCE:
        raise ValueError(
            f"{len(real)} held-out real galaxies have all of {', '.join(NUMBERS)}, and {LEAST_REFERENCE} "
            "are needed; score the images of real galaxies again."
        )
    learned = learn_numbers(real, stream(seed, "reasons of the reference"))
    rates: dict[int, float] = {}
    rows = []
    for name in scores.others:
        ours = _galaxies(scores.sample(name), structure)
        if len(ours) < LEAST_GALAXIES:
            continue
        n = known_equal_number(len(ours), len(real))
        if n not in rates:
            rates[n] = _false_alarms(real, n, stream(seed, "reasons of equal sets", n))
        is_invalid = fails_its_null(rates[n])
        shares = learned.decompose(ours, stream(seed, name, "reasons"), n_bootstrap)
        for number, carried in zip(NUMBERS, shares, strict=True):
            row = {"dataset": name, "number": number, "n_galaxies": len(ours), **asdict(carried)}
            row |= {"p_value": np.nan} if is_invalid else {}
            whole = float(ours.score.mean() - real.score.mean())
            rows.append(row | {"z_difference": whole, "false_alarms": rates[n]})
    if not rows:
        raise ValueError(f"no data set has {LEAST_GALAXIES} galaxies with all of {', '.join(NUMBERS)}.")
    table = Table(rows=rows)
    claims = np.isin(np.asarray(table["dataset"]), scores.of_kind(Kind.SIMULATED))
    table["p_holm"] = adjust_claims(table["p_value"], claims)
    table.meta = {"reference": scores.reference, "n_reference": len(real)}
    return table


def _galaxies(sample: Scores, structure: Structure) -> Galaxies:
    """Means over the views of each galaxy that has all numbers."""
    numbers = np.column_stack([sample.numbers(name) for name in NUMBERS])
    columns = np.column_stack([structure.z(sample), numbers, conditions_of(sample, structure.further)])
    usable = np.isfinite(columns).all(axis=1)
    galaxy = np.unique(sample.galaxies[usable], return_inverse=True)[1]
    n_views = np.bincount(galaxy)
    means = np.column_stack([np.bincount(galaxy, column) / n_views for column in columns[usable].T])
    return Galaxies(means[:, 0], means[:, 1 : 1 + len(NUMBERS)], means[:, 1 + len(NUMBERS) :])


def _false_alarms(real: Galaxies, n: int, rng: np.random.Generator, n_draws: int = N_DRAWS) -> float:
    """Rate at which real galaxies, compared with the others, differ in any number."""

    def p_of(drawn: np.ndarray, others: np.ndarray) -> float:
        learned: LearnedNumbers = learn_numbers(real[others], rng)
        return float(np.min(adjust_p_values(learned.p_values(real[drawn]))))

    return share_below(p_of, draws_of(n, len(real), rng, n_draws))


def _are_clumps(rows: Table) -> bool:
    """Tell clumps from noise of particles, which leaves the Gini coefficient as it is (docs/trust.md)."""
    gini = rows[np.asarray(rows["number"]) == "measured_gini"]
    return bool(len(gini) and gini["p_holm"][0] < SIGNIFICANCE and gini["difference"][0] < 0)


def sentences(table: Table, verdicts: Mapping[str, str]) -> Sequence[str]:
    """Say what goes with the difference of each data set that differs.

    Parameters
    ----------
    table : Table
        From `reasons`.
    verdicts : mapping of str to str
        `Verdict` of each data set, as the headline has it.
    """
    lines = []
    for name, verdict in verdicts.items():
        side = _SIDES.get(verdict, 0)
        rows = table[(np.asarray(table["dataset"]) == name) & (side != 0)]
        if not len(rows):
            continue
        if side > 0 and _are_clumps(rows):
            lines.append(
                f"The excess of structure of {name} is clumps, not noise of particles: Gini is lower."
            )
        departure = "lack of structure" if side < 0 else "excess of structure"
        known = rows[(rows["p_holm"] < SIGNIFICANCE) & (rows["low"] > 0) & (rows["z_difference"] * side > 0)]
        if not len(known):
            lines.append(f"No morphology number accounts for the {departure} of {name}.")
            continue
        best = known[np.argmax(known["share"])]
        adjective = NUMBERS[str(best["number"])][int(best["difference"] > 0)]
        lines.append(
            f"{name} galaxies are {adjective} than real ones observed equally well; this accounts for "
            f"{best['share']:.0%} ({best['low']:.0%} to {best['high']:.0%}) of their {departure}."
        )
    return lines
