"""The answer in words: one sentence from the headline table, by the one rule of its verdicts."""

from collections.abc import Mapping

import numpy as np
from astropy.table import Row, Table
from scipy import stats

from simcompare.comparison.structure import SIGNIFICANCE, UNRANKED, Verdict
from simcompare.kinds import Kind
from simcompare.scores.columns import column_of

__all__ = ["UNBOUNDED", "answer", "null_lines", "number"]

UNBOUNDED = "unbounded"
"""How an infinite bound is written."""


def number(value: float, digits: int = 2) -> str:
    """Write a number as a person would: no -0, no exponent, no nan."""
    if np.isnan(value):
        return "unknown"
    if np.isinf(value):
        return UNBOUNDED
    text = f"{value:.{digits}f}"
    text = text.removeprefix("-") if not text.strip("-0.") else text
    return text.replace("-", "\N{MINUS SIGN}")


def _p(value: float) -> str:
    """Write a p-value."""
    if np.isnan(value):
        return "p unknown"
    return f"p < {0.0001}" if value < 1e-4 else f"p = {value:.2g}"


def answer(table: Table) -> str:
    """Say which simulation is closest to real galaxies, how close, and whether it differs from them.

    Parameters
    ----------
    table : Table
        From `simcompare.comparison.headline.compare`.

    Returns
    -------
    str
        Begins with a control that failed, if one did.
    """
    simulated = table[np.asarray(table["kind"]) == Kind.SIMULATED]
    reference = table.meta["reference"]
    if not len(simulated):
        return f"No simulation was compared with {reference}; the rows below are controls."
    failed = " ".join(_failed_controls(table))
    return f"{failed} {_claim(table, simulated)}".strip()


def _failed_controls(table: Table) -> list[str]:
    """Sentences on controls that should differ from real galaxies and do not."""
    failed = []
    for row in table[np.asarray(table["kind"]) == Kind.TWINS]:
        if row["n_structure"] > 1 and not row["structure_p"] < SIGNIFICANCE:
            failed.append(
                f"The control fails: {row['dataset']}, smooth models, cannot be told apart from real "
                f"galaxies ({_p(row['structure_p'])}), so finding no difference means nothing here."
            )
    simulated = np.asarray(table["delta_mean"])[np.asarray(table["kind"]) == Kind.SIMULATED]
    for row in table[np.asarray(table["kind"]) == Kind.CONTROL]:
        if (row["delta_mean"] > simulated).any():
            failed.append(f"The control fails: {row['dataset']} scores higher than a simulation.")
    return failed


def _claim(table: Table, simulated: Table) -> str:
    """Sentence on the best simulation, and one on the others that differ."""
    best = simulated[0]
    verdict = str(best["verdict"])
    if verdict == Verdict.UNKNOWN:
        return _by_the_mean(table, simulated)
    if verdict == Verdict.SINGLE:
        return (
            "Only single galaxies were compared; one galaxy gives no error, so there is no result "
            f"(structure fraction of {best['dataset']}: {number(best['structure_fraction'])})."
        )
    if verdict == Verdict.EXTRAPOLATED:
        return (
            f"No simulation can be ranked: {best['share_extrapolated']:.0%} of the galaxies of "
            f"{best['dataset']} are brighter, fainter, larger or smaller than the real ones of "
            f"{table.meta['reference']}{_range(table)}."
        )
    if verdict == Verdict.INVALID:
        return (
            f"Nothing can be said: of sets of real galaxies as large as {best['dataset']}, "
            f"{best['structure_false_alarms']:.0%} are found to differ from the others (5% expected)."
        )
    n_claims = int((np.asarray(simulated["n_structure"]) > 1).sum())
    ranked = simulated[[str(each) not in UNRANKED for each in simulated["verdict"]]]
    subject = best["dataset"] if len(ranked) == 1 else f"Of {len(ranked)} simulations, {best['dataset']}"
    verb = "has" if len(ranked) == 1 else "is closest to real galaxies, with"
    holm = f", Holm-corrected over {n_claims} simulations" if n_claims > 1 else ""
    text = (
        f"{subject} {verb} {_fraction(best, table)} the structure of real {table.meta['reference']} galaxies "
        f"({best['n_structure']} against {table.meta['structure']['n_reference']} galaxies): "
        f"{_meaning(best, _p(best['structure_p_holm']) + holm)}."
    )
    others = [
        f"{row['dataset']} is {row['verdict']} ({_fraction(row, table, short=True)})"
        for row in ranked[1:]
        if str(row["verdict"]) in (Verdict.SMOOTHER, Verdict.CLUMPIER)
    ]
    return f"{text} {'; '.join(others)}." if others else text


def _range(table: Table) -> str:
    """Signal-to-noise of the real galaxies, in brackets."""
    ends = table.meta["structure"].get("snr")
    return f" (signal-to-noise {number(ends[0], 0)} to {number(ends[1], 0)})" if ends else ""


def _fraction(row: Row, table: Table, *, short: bool = False) -> str:
    """Structure fraction with its interval."""
    value, low, high = (row[f"structure_fraction{end}"] for end in ("", "_low", "_high"))
    if np.isnan(value):
        z = f"z = {number(row['structure_z'])}"
        return z if short else f"a mean structure score of {z}, compared with"
    bounds = UNBOUNDED if np.isinf([low, high]).any() else f"{number(low)} to {number(high)}"
    if short:
        return f"{number(value)}, {bounds}"
    return f"{number(value)} ({table.meta['confidence']:.0%} interval {bounds}) of"


def _meaning(row: Row, p: str) -> str:
    """Put the verdict into words, with its p-value and with what could have been seen."""
    verdict = str(row["verdict"])
    if verdict == Verdict.SMOOTHER:
        below = " (below 0: smoother than Sersic models of real galaxies)"
        return f"it is smoother than real galaxies{below if row['structure_fraction_high'] < 0 else ''} ({p})"
    if verdict == Verdict.CLUMPIER:
        return f"it is clumpier or noisier than real galaxies, which is a defect too ({p})"
    low, high = row["structure_fraction_low"], row["structure_fraction_high"]
    if np.isnan(row["structure_fraction"]):
        return f"no difference found ({p}); without scored twins the power is unknown"
    if verdict == Verdict.UNDECIDED or not np.isfinite([low, high]).all():
        return f"too few galaxies to tell: half of the structure could be missing unnoticed ({p})"
    reach = 0.5 * (high - low) * (stats.norm.ppf(0.8) + stats.norm.ppf(0.975)) / stats.norm.ppf(0.975)
    return f"no difference found ({p}); differences above {number(reach)} would be detectable (80% power)"


def _by_the_mean(table: Table, simulated: Table) -> str:
    """Sentence where there is no structure score: by the mean of the headline."""
    best, note = simulated[0], table.meta.get("structure", {}).get("note", "").rstrip(".")
    label = column_of(table.meta["score"]).label
    side = "below" if best["delta_mean"] < 0 else "above"
    text = (
        f"There is no structure score ({note}). The mean {label} of {best['dataset']} lies "
        f"{number(abs(best['delta_mean']), 1)} nats {side} that of {table.meta['reference']}"
    )
    if not np.isfinite(best["delta_mean_low"]):
        return f"{text}; one galaxy gives no error."
    bounds = f"{number(best['delta_mean_low'], 1)} to {number(best['delta_mean_high'], 1)}"
    return f"{text} (95% interval {bounds}; {_p(best['p_value'])}); it depends on the mix of magnitudes."


def null_lines(table: Table) -> list[str]:
    """Say what the nulls and controls show, one sentence each.

    Parameters
    ----------
    table : Table
        From `simcompare.comparison.headline.compare`.
    """
    about = table.meta.get("structure", {})
    lines = [_null_line(null) for null in about.get("nulls") or ()]
    null = table.meta.get("null") or {}
    if about.get("nulls"):
        pass  # the nulls of the headline say more than halves of the mean ratio
    elif null.get("n_splits"):
        lines.append(
            f"In 95% of {null['n_splits']} random splits of {table.meta['reference']}, mean ratios of the "
            f"halves differ by less than {number(null['delta_95'], 1)} nats."
        )
    else:
        lines.append("Too few held-out real galaxies to split into halves.")
    for row in table[np.asarray(table["kind"]) != Kind.SIMULATED]:
        if row["n_structure"] > 1:
            lines.append(
                f"{row['dataset']}: structure fraction {_fraction(row, table, short=True)} "
                f"({_p(row['structure_p'])}, AUC {row['auc']:.2f})."
            )
    return lines + list(table.meta.get("null_lines", ()))


def _null_line(null: Mapping[str, float]) -> str:
    """Say what sets of real galaxies get."""
    text = (
        f"Of {null['n_sets']} random sets of {null['n_galaxies']} real galaxies, {null['false_alarms']:.1%} "
        f"({null['false_alarms_low']:.1%} to {null['false_alarms_high']:.1%}) get p < 0.05 (5% expected)"
    )
    if not np.isfinite([null["fraction_low"], null["fraction_high"]]).all():
        return f"{text}."
    return (
        f"{text}; 95% have a structure fraction between {number(null['fraction_low'])} and "
        f"{number(null['fraction_high'])} (± {number(null['fraction_end_error'])})."
    )
