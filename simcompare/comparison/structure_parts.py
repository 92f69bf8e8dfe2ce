"""Where the structure of a data set departs from that of real galaxies: scale, band, and which way."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.comparison.structure import SIGNIFICANCE, verdict_of_part
from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.scores.structure import STRUCTURE, Structure, learn_structure
from simcompare.statistics.significance import adjust_claims

__all__ = ["reading_of", "structure_by_part"]

_FINE, _COARSE = 0.7, 2.0
"""Ratio of the mean z of the two coarsest scales to that of the two finest, below and above which mostly one
of them departs. Of real galaxies: blurred 0.1, noise of particles and point-like clumps 0.9 to 1.1, structure
times 0.5 or 2 1.4 to 1.6, clumps 2.5 arcsec wide 3.5 (``benchmarks/bench_parts.py``)."""
_NOTE = (
    "Each scale and band tested separately, like the whole: f above 1 is clumpier or noisier than real "
    "galaxies, below 1 smoother; p (Holm) over all scales and bands of the simulations."
)


def structure_by_part(
    scores: Scores, names: Sequence[str], seed: int, conditions: Sequence[str] = ()
) -> Table:
    """Judge the structure at each scale, and in each band, by itself.

    Parameters
    ----------
    scores : Scores
    names : sequence of str
        Data sets.
    seed : int
        Of the folds.
    conditions : sequence of str
        Beside signal-to-noise and resolution.

    Returns
    -------
    Table
        A row for each data set and part: ``dataset``, ``part`` ("scale" or "band"), ``name``,
        ``structure_z_weighted`` with its error, ``structure_fraction`` with its interval, ``p_value``,
        ``p_holm`` over all rows of simulations, ``verdict`` by the rule of the headline. ``meta["note"]``
        says how each simulation reads, see `reading_of`.

    Raises
    ------
    ValueError
        When nothing can be learned, with the reason.
    """
    rows, reason = [], f"the scores have no {STRUCTURE} by scale or band"
    for part, label, column in _parts(scores):
        try:
            structure = learn_structure(scores, stream(seed, "structure folds"), column, conditions)
        except ValueError as error:
            reason = str(error)
            continue
        rows += [
            {"dataset": name, "part": part, "name": label} | _judged(structure, scores.sample(name))
            for name in names
        ]
    if not rows:
        raise ValueError(reason)
    table = Table(rows=rows)
    simulated = scores.of_kind(Kind.SIMULATED)
    table["p_holm"] = adjust_claims(table["p_value"], np.isin(np.asarray(table["dataset"]), simulated))
    table["verdict"] = [str(verdict_of_part(row)) for row in table]
    table.remove_columns(["n_galaxies", "share_extrapolated"])
    readings = [(name, reading_of(table[np.asarray(table["dataset"]) == name])) for name in simulated]
    table.meta["note"] = " ".join([_NOTE, *(f"{name}: {text}." for name, text in readings if text)])
    return table


def _parts(scores: Scores) -> list[tuple[str, str, str]]:
    """Kind, name and column of every scale, finest first, and every band."""
    names = [str(name) for name in scores.meta.get("scale_names", ())]
    parts = [
        ("scale", names[k] if k < len(names) else f"scale {k}", f"{STRUCTURE}_scale_{k}")
        for k in range(len(scores.colnames))
        if f"{STRUCTURE}_scale_{k}" in scores
    ]
    stem = f"{STRUCTURE}_band_"
    return parts + [("band", name[len(stem) :], name) for name in scores.colnames if name.startswith(stem)]


def _judged(structure: Structure, sample: Scores) -> dict[str, float]:
    test = structure.test(sample)
    return {
        "structure_z_weighted": test.z_weighted, "structure_z_error": test.error,
        "structure_fraction": test.fraction, "structure_fraction_low": test.low,
        "structure_fraction_high": test.high, "p_value": test.p_value,
        "n_galaxies": structure.n_galaxies(sample), "share_extrapolated": structure.extrapolated(sample),
    }  # fmt: skip


def reading_of(rows: Table) -> str:
    """Name what departs in one data set, from its scales: particle noise, clumps, blur, missing structure.

    Light of few particles and small clumps are both points seen through the PSF: by scale they are the same,
    and both are named.

    Parameters
    ----------
    rows : Table
        Of one data set, from `structure_by_part`.

    Returns
    -------
    str
        Empty where no scale or band departs after Holm.
    """
    significant = rows[np.asarray(rows["p_holm"], float) < SIGNIFICANCE]
    if not len(significant):
        return ""
    ways = {bool(row["structure_z_weighted"] > 0) for row in significant}
    where = {
        way: ", ".join(
            str(row["name"]) for row in significant if bool(row["structure_z_weighted"] > 0) == way
        )
        for way in ways
    }
    if len(ways) > 1:
        return f"too structured in {where[True]}, too smooth in {where[False]}"
    way = ways.pop()
    kind = _kind(rows[np.asarray(rows["part"]) == "scale"], is_excess=way)
    text = f"too {'structured' if way else 'smooth'} in {where[way]}"
    return f"{text}: {kind}" if kind else text


def _kind(scales: Table, *, is_excess: bool) -> str:
    """Name a departure by how it falls or grows with scale; empty where scales are fewer than four."""
    z = np.asarray(scales["structure_z_weighted"], float)
    if len(z) < 4 or not np.isfinite(z).all() or (z[:2].mean() > 0) != is_excess:
        return "at coarse scales" if len(z) >= 4 and np.isfinite(z).all() else ""
    ratio = z[-2:].mean() / z[:2].mean()
    if is_excess:
        return (
            "mostly at coarse scales, like large clumps or neighbours"
            if ratio > _COARSE
            else "at all scales, like noise of few particles, small clumps or too strong features"
        )
    return (
        "mostly at the finest scales, like blur" if ratio < _FINE else "at all scales, like missing structure"
    )
