"""The structure fraction beside the headline: in bins, in pairs, between simulations, along an order.

Every table follows the one rule of `simcompare.comparison.structure.verdict_of`, or that of `finding_of` for
differences of two fractions.
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

import numpy as np
from astropy.table import Table
from scipy import stats

from mocks.streams import stream
from simcompare.comparison.matching import match
from simcompare.comparison.structure import SEEN, SIGNIFICANCE, Verdict, verdict_of_part
from simcompare.kinds import Kind
from simcompare.scores.nuisance import read_columns
from simcompare.scores.record import Scores
from simcompare.scores.structure import Structure, condition_columns, learn_structure
from simcompare.statistics.contrast import combine_fractions
from simcompare.statistics.intervals import UNKNOWN, Estimate
from simcompare.statistics.significance import adjust_claims, adjust_p_values
from simcompare.statistics.structure import StructureTest

__all__ = [
    "Change",
    "adjusted_fractions",
    "finding_of",
    "fraction_contrasts",
    "fraction_jackknife",
    "fraction_trend",
    "fractions_in_bins",
    "judged_bins",
    "matched_fractions",
]

LEAST_OF_BIN = 5  # galaxies of either sample


class Change(StrEnum):
    """What a difference of two structure fractions allows to be said."""

    MORE = "more structure"
    LESS = "less structure"
    NONE = "no difference found"
    UNDECIDED = "cannot tell"


def finding_of(difference: Estimate, p_holm: float) -> Change:
    """Say what a difference of two fractions shows: the p-value decides, then whether half could hide."""
    if not np.isfinite([difference.low, difference.high, p_holm]).all():
        return Change.UNDECIDED
    if p_holm < SIGNIFICANCE:
        return Change.MORE if difference.value > 0 else Change.LESS
    return Change.NONE if max(-difference.low, difference.high) <= SEEN else Change.UNDECIDED


def _columns(test: StructureTest, name: str = "structure_fraction") -> dict[str, float]:
    return {name: test.fraction, f"{name}_low": test.low, f"{name}_high": test.high}


def fraction_contrasts(scores: Scores, structure: Structure) -> Table:
    """Compare the structure fractions of every two simulations with each other.

    Returns
    -------
    Table
        ``first``, ``second``, ``n_first``, ``n_second``; ``delta_fraction``, first minus second, with
        ``_low``, ``_high``, ``_error``; ``p_value``, ``p_holm`` over all pairs; ``finding``, about the first.
        The error that the two share, that of the reference, counts as far as it does not cancel.

    Raises
    ------
    ValueError
        When there are fewer than two simulations.
    """
    pairs = scores.pairs_of_simulations()
    samples = {name: scores.sample(name) for name in scores.of_kind(Kind.SIMULATED)}
    fractions = {name: structure.fraction(sample) for name, sample in samples.items()}
    counts = {name: structure.n_galaxies(sample) for name, sample in samples.items()}
    rows, differences = [], []
    for first, second in pairs:
        pair = fractions[first], fractions[second]
        known = None not in pair
        difference, p_value = combine_fractions(pair, (1, -1)) if known else (UNKNOWN, np.nan)
        differences.append(difference)
        rows.append(
            {"first": first, "second": second, "n_first": counts[first], "n_second": counts[second]}
            | difference.columns("delta_fraction")
            | {"p_value": p_value}
        )
    table = Table(rows=rows)
    table["p_holm"] = adjust_p_values(table["p_value"])
    table["finding"] = [
        str(finding_of(*each)) for each in zip(differences, np.asarray(table["p_holm"]), strict=True)
    ]
    return table


def fractions_in_bins(
    scores: Scores, structure: Structure, column: str, edges: Sequence[float], confidence: float = 0.95
) -> Table:
    """Structure fraction in bins of a column, each compared with the real galaxies of the bin.

    Parameters
    ----------
    scores : Scores
    structure : Structure
    column : str
    edges : sequence of float
        Increasing limits of the bins.
    confidence : float

    Returns
    -------
    Table
        ``dataset``, ``low``, ``high``, ``n_galaxies``, ``n_reference``, ``structure_fraction`` with its
        interval, ``structure_z_weighted``, ``p_value``, ``p_holm`` over all bins of the simulations, and the
        ``verdict``; "cannot tell" where either sample has fewer than 5 galaxies.
    """
    place = read_columns(scores, [column])[:, 0]
    simulated, rows = set(scores.of_kind(Kind.SIMULATED)), []
    real = scores.held_out(scores.named_reference)
    for name in scores.others:
        for low, high in pairwise(edges):
            inside = (place >= low) & (place < high)
            sample = scores[scores.held_out(name) & inside]
            among = np.intersect1d(scores[real & inside]["galaxy_id"], structure.galaxies)
            n = structure.n_galaxies(sample)
            enough = min(n, len(among)) >= LEAST_OF_BIN
            test = structure.test(sample, confidence, among=among) if enough else StructureTest(*[np.nan] * 7)
            rows.append(
                {"dataset": name, "low": low, "high": high, "n_galaxies": n, "n_reference": len(among)}
                | _columns(test)
                | {"structure_z_weighted": test.z_weighted, "p_value": test.p_value}
                | {"share_extrapolated": structure.extrapolated(sample) if enough else np.nan}
            )
    table = Table(rows=rows)
    claims = np.isin(np.asarray(table["dataset"]), list(simulated))
    table = judged_bins(table, claims)
    table.meta = {"column": column, "reference": scores.reference, "score": scores.headline}
    return table


def judged_bins(table: Table, claims: np.ndarray) -> Table:
    """Add ``p_holm``, over the bins of simulations, and the ``verdict``.

    Parameters
    ----------
    table : Table
        Rows as of `fractions_in_bins`.
    claims : ndarray of bool, shape (n_rows,)
        Which are of simulations.

    Returns
    -------
    Table
        The same; a bin without a p-value "cannot tell".
    """
    table["p_holm"] = adjust_claims(table["p_value"], claims)
    table["verdict"] = [
        str(verdict_of_part(row) if np.isfinite(row["p_value"]) else Verdict.UNDECIDED) for row in table
    ]
    return table


def matched_fractions(scores: Scores, structure: Structure, columns: Sequence[str]) -> Table:
    """Structure fraction of galaxies that are each paired with a real one.

    Parameters
    ----------
    scores : Scores
    structure : Structure
    columns : sequence of str
        What galaxies are paired in.

    Returns
    -------
    Table
        ``dataset``, ``n_pairs``, ``n_galaxies``, ``fraction_matched`` with ``_low``, ``_high``; ``p_value``
        of the paired differences; ``imbalance_before``, ``imbalance_after``; ``note``: why there is none.
    """
    rows = []
    nothing = StructureTest(*[np.nan] * 7)
    for name in scores.others:
        row = {"dataset": name, "n_pairs": 0, "n_galaxies": 0, **_columns(nothing, "fraction_matched")}
        row |= {"p_value": np.nan, "imbalance_before": np.nan, "imbalance_after": np.nan, "note": ""}
        try:
            pairs = match(scores, name, columns)
        except ValueError as error:
            rows.append(row | {"note": str(error)})
            continue
        test = structure.test_pairs(scores, pairs.first, pairs.second)
        rows.append(
            row
            | {"n_pairs": len(pairs), "n_galaxies": pairs.n_first, "p_value": test.p_value}
            | _columns(test, "fraction_matched")
            | {
                f"imbalance_{when}": float(np.abs(pairs.balance[f"difference_{when}"]).max())
                for when in ("before", "after")
            }
        )
    table = Table(rows=rows)
    table.meta = {"columns": list(columns), "reference": scores.reference}
    return table


def adjusted_fractions(scores: Scores, structure: Structure, columns: Sequence[str], seed: int) -> Table:
    """Structure fraction where real galaxies are to be equal in further nuisances too.

    Parameters
    ----------
    scores : Scores
    structure : Structure
        Of the headline, whose conditions stay.
    columns : sequence of str
        Nuisances; those among the conditions already are passed over.
    seed : int
        Of the folds.

    Returns
    -------
    Table
        ``dataset``, ``n_galaxies``, ``fraction_adjusted`` with ``_low``, ``_high``; ``p_value``, ``p_holm``
        over the simulations; ``share_extrapolated``, galaxies beyond the real ones in one of them.

    Raises
    ------
    ValueError
        When no nuisance is left, or real galaxies are too few for so many.
    """
    known = set(condition_columns(structure.further))
    extra = [name for name in columns if name not in known]
    n_real = len(structure.galaxies)
    if not extra or n_real < 10 * (2 + len(structure.further) + len(extra)):
        raise ValueError(
            f"{n_real} held-out real galaxies are too few to adjust for {len(extra)} more nuisances; name "
            "fewer columns."
            if extra
            else "there is no nuisance beside the conditions of the headline."
        )
    adjusted = learn_structure(
        scores, stream(seed, "structure folds"), structure.column, (*structure.further, *extra)
    )
    rows = []
    for name in scores.others:
        sample = scores.sample(name)
        test, n = adjusted.test(sample), adjusted.n_galaxies(sample)
        if n:
            rows.append(
                {"dataset": name, "n_galaxies": n, **_columns(test, "fraction_adjusted")}
                | {"p_value": test.p_value, "share_extrapolated": adjusted.extrapolated(sample)}
            )
    table = Table(rows=rows)
    claims = np.isin(np.asarray(table["dataset"]), scores.of_kind(Kind.SIMULATED))
    table["p_holm"] = adjust_p_values(np.where(claims, np.asarray(table["p_value"], float), np.nan))
    table.meta = {"reference": scores.reference, "columns": list(extra)}
    return table


def fraction_trend(scores: Scores, structure: Structure, order: Sequence[str]) -> Table:
    """Test whether the structure fraction changes along generations of simulations.

    Parameters
    ----------
    scores : Scores
    structure : Structure
    order : sequence of str
        Data sets, oldest first.

    Returns
    -------
    Table
        One row: ``order``; ``fractions`` of each; ``slope``, change of the fraction per step, with ``_low``,
        ``_high``, ``_error``; two-sided ``p_value`` of no slope; ``finding``.

    Raises
    ------
    ValueError
        For an unknown data set, fewer than two, or one without a fraction that has an error.
    """
    unknown = [name for name in order if name not in scores.datasets]
    if unknown or len(order) < 2:
        raise ValueError(
            f"a trend needs two data sets or more; unknown: {', '.join(unknown) or 'none'}; there are "
            f"{', '.join(scores.datasets)}."
        )
    fractions = [structure.fraction(scores.sample(name)) for name in order]
    if lacking := [name for name, each in zip(order, fractions, strict=True) if each is None]:
        raise ValueError(f"{', '.join(lacking)}: no structure fraction with an error; there is no trend.")
    steps = np.arange(len(order)) - (len(order) - 1) / 2
    slope, p_value = combine_fractions(fractions, steps / (steps**2).sum())
    values = [each.value for each in fractions]
    finding = "no trend found"
    if p_value < SIGNIFICANCE:
        way = "rises" if slope.value > 0 else "falls"
        aim = "towards" if abs(values[-1] - 1) < abs(values[0] - 1) else "away from"
        finding = f"structure {way}, {aim} that of real galaxies"
    row = {"order": ", ".join(order), "fractions": ", ".join(f"{value:.2f}" for value in values)}
    return Table(rows=[row | slope.columns("slope") | {"p_value": p_value, "finding": finding}])


def fraction_jackknife(scores: Scores, structure: Structure) -> Table:
    """Structure fraction of every simulation with the error that its finite volume causes.

    Parameters
    ----------
    scores : Scores
        With ``sub_box``.
    structure : Structure

    Returns
    -------
    Table
        ``dataset``, ``n_parts``, ``fraction_jackknife`` with ``_low``, ``_high``, ``_error``: each part left
        out in turn, Student's interval for the number of parts; the reference's error is added.

    Raises
    ------
    ValueError
        When no simulation lies in three parts of a box or more.
    """
    rows, reasons = [], []
    for name in scores.of_kind(Kind.SIMULATED):
        sample = scores.sample(name)
        sample = sample[sample["sub_box"] >= 0]
        part = sample["sub_box"]
        parts, whole = np.unique(part), structure.fraction(sample) if len(sample) else None
        left_out = [structure.fraction(sample[part != each]) for each in parts]
        if parts.size < 3 or whole is None or None in left_out:
            reasons.append(f"{name!r} lies in {parts.size} parts of the box; a jackknife needs at least 3.")
            continue
        values = np.array([each.value for each in left_out])
        variance = (parts.size - 1) / parts.size * ((values - values.mean()) ** 2).sum()
        error = float(np.sqrt(variance + whole.influence @ whole.influence))
        reach = float(stats.t.ppf(0.975, parts.size - 1) * error)
        estimate = Estimate(whole.value, whole.value - reach, whole.value + reach, error)
        rows.append({"dataset": name, "n_parts": parts.size, **estimate.columns("fraction_jackknife")})
    if not rows:
        raise ValueError(reasons[0] if reasons else "there is no simulation.")
    return Table(rows=rows)
