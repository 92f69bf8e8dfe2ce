"""How many nats of the gap come from each ingredient of the mock observation."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table

from mocks.streams import stream
from simcompare.comparison.report_table import FurtherTable, read_further
from simcompare.runs.documents import read_json_object
from simcompare.scores.table import headline_score, reference_rows
from simcompare.statistics.intervals import Estimate, expanded_tail, percentile_interval
from simcompare.statistics.resampling import resampled_counts
from simcompare.statistics.two_sample import Clustered, difference_of_means, galaxy_means

__all__ = ["ATTRIBUTION", "attribution_tables", "ladder", "systematic_floor", "with_floors"]

ATTRIBUTION = "attribution.json"


def ladder(
    steps: Mapping[str, Table],
    dataset: str,
    reference: str,
    seed: int,
    *,
    score: str | None = None,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> Table:
    """Divide the difference to real galaxies over the steps of an observation.

    Parameters
    ----------
    steps : mapping of str to Table
        Score tables of the same galaxies after each step, in the order of the observation: for instance
        "ideal", "rebinned", "PSF", "Poisson", "sky", "neighbours". The last must hold the reference too.
    dataset, reference : str
    seed : int
    score : str, optional
    n_bootstrap, confidence : int, float
        Galaxies are resampled; the same galaxies serve all steps, so that changes are paired.

    Returns
    -------
    Table
        ``step``, ``n_galaxies``, ``change`` of the mean score by this step with ``_low``, ``_high``,
        ``_error``; ``to_real``, difference to real galaxies after it, likewise. The first row is that
        of the first step; all changes add up to the last ``to_real``, the physical gap.

    Raises
    ------
    ValueError
        When steps are fewer than two, or share no galaxy with finite scores.
    """
    if len(steps) < 2:
        raise ValueError(f"a ladder needs at least two steps, found {', '.join(steps) or 'none'}.")
    last = list(steps.values())[-1]
    score = score or headline_score(last)
    common, means = _common_means(steps, dataset, score)
    real = _reference_means(last, reference, score)
    levels, n = means.mean(axis=1), common.size
    tail = expanded_tail(means[-1], real, confidence)
    drawn = resampled_counts(n, n_bootstrap, stream(seed, dataset, "ladder")) @ means.T / n
    drawn_real = (
        resampled_counts(real.size, n_bootstrap, stream(seed, reference, "ladder")) @ real / real.size
    )
    rows = []
    for k, name in enumerate(steps):
        to_real = _estimate(levels[k] - real.mean(), drawn[:, k] - drawn_real, tail, n)
        change = (
            to_real
            if k == 0
            else _estimate(levels[k] - levels[k - 1], drawn[:, k] - drawn[:, k - 1], tail, n)
        )
        rows.append({"step": name, "n_galaxies": n, **_flat("change", change), **_flat("to_real", to_real)})
    table = Table(rows=rows)
    table.meta = {"dataset": dataset, "reference": reference, "score": score}
    return table


def _estimate(value: float, resampled: np.ndarray, tail: float, n: int) -> Estimate:
    """Interval of a mean over galaxies; none for one galaxy."""
    if n < 2:
        return Estimate(float(value), np.nan, np.nan, np.nan)
    return percentile_interval(float(value), resampled, tail)


def _flat(name: str, estimate: Estimate) -> dict[str, float]:
    """Columns of an estimate."""
    return {
        name: estimate.value,
        f"{name}_low": estimate.low,
        f"{name}_high": estimate.high,
        f"{name}_error": estimate.error,
    }


def _common_means(steps: Mapping[str, Table], dataset: str, score: str) -> tuple[np.ndarray, np.ndarray]:
    """Galaxies that every step has with a finite score, and their mean scores, shape (n_steps, n)."""
    found = []
    for name, table in steps.items():
        if score not in table.colnames:
            raise ValueError(f"step {name!r} has no column {score!r}; score all steps under the same models.")
        values = np.asarray(table[score], float)
        rows = reference_rows(table, dataset) & np.isfinite(values)
        galaxy = np.asarray(table["galaxy_id"])[rows].astype(str)
        if not galaxy.size:
            raise ValueError(f"step {name!r} has no finite score of {dataset!r}.")
        found.append(dict(zip(np.unique(galaxy), galaxy_means(values[rows], galaxy), strict=True)))
    common = sorted(set(found[0]).intersection(*found[1:]))
    if not common:
        raise ValueError(
            f"no galaxy of {dataset!r} has a finite score in every step; the steps must be of one set."
        )
    return np.array(common), np.array([[step[name] for name in common] for step in found])


def _reference_means(table: Table, reference: str, score: str) -> np.ndarray:
    """Mean score of each held-out real galaxy."""
    values = np.asarray(table[score], float)
    rows = reference_rows(table, reference) & np.isfinite(values)
    if not rows.any():
        raise ValueError(f"the last step holds no held-out galaxy of {reference!r}.")
    return galaxy_means(values[rows], np.asarray(table["galaxy_id"])[rows].astype(str))


def systematic_floor(
    perturbed: Mapping[str, Mapping[str, Table]],
    dataset: str,
    seed: int,
    *,
    uncertainties: Mapping[str, float] | None = None,
    score: str | None = None,
    n_bootstrap: int = 1000,
) -> tuple[Table, float]:
    """Shift of the score when an ingredient of the mock is wrong, and the floor under any claim.

    Parameters
    ----------
    perturbed : mapping of str to mapping
        By name, like "PSF +5 %" or "dust none": scores ``"baseline"`` of the mocks as they are, and, under
        the same name again, of the same galaxies with one ingredient changed.
    dataset : str
    seed : int
    uncertainties : mapping of str to float, optional
        For each perturbation how uncertain that ingredient really is, in units of the perturbation made:
        0.5 when the PSF is known to 5 % and was changed by 10 %. Default 1.
    score : str, optional
    n_bootstrap : int

    Returns
    -------
    Table
        ``perturbation``, ``n_galaxies``, ``shift`` of the mean score with ``_low``, ``_high``, ``_error``,
        ``weight``.
    float
        Floor [nats]: the quadratic sum, over ingredients, of the largest weighted shift. The ingredient is
        what comes before the first blank of the name.
    """
    uncertainties = dict(uncertainties or {})
    rows, worst = [], {}
    for name, pair in perturbed.items():
        score = score or headline_score(pair["baseline"])
        common, means = _common_means(pair, dataset, score)
        pairs = Clustered.of(means[1] - means[0], common)
        shift = _mean_shift(pairs, stream(seed, name, "floor"), n_bootstrap)
        weight = uncertainties.get(name, 1.0)
        rows.append(
            {
                "perturbation": name,
                "n_galaxies": common.size,
                **_flat("shift", shift),
                "weight": weight,
            }
        )
        ingredient = name.split()[0].rstrip("+-")
        worst[ingredient] = max(worst.get(ingredient, 0.0), abs(weight * shift.value))
    table = Table(rows=rows)
    table.meta = {"dataset": dataset, "score": score}
    return table, float(np.sqrt(sum(value**2 for value in worst.values())))


def _mean_shift(pairs: Clustered, rng: np.random.Generator, n_bootstrap: int) -> Estimate:
    """Mean of paired differences."""
    zero = Clustered.of(np.zeros(2), np.arange(2))
    return difference_of_means(pairs, zero, rng, n_bootstrap=n_bootstrap)


def attribution_tables(folders: Sequence[str | os.PathLike]) -> list[FurtherTable]:
    """Tables of runs of ``simcompare attribute``, each named after its data set."""
    tables = []
    for folder in folders:
        dataset = _summary(folder)["dataset"]
        short = "".join(letter if letter.isalnum() else "-" for letter in dataset)
        for each in read_further(Path(folder) / "tables"):
            title = f"{each.title}: {dataset}"
            tables.append(replace(each, name=f"{each.name}_{short}", title=title))
    return tables


def with_floors(comparison: Table, folders: Sequence[str | os.PathLike], model: str | None = None) -> Table:
    """Headline table with the systematic floor under each gap, and a doubt where the gap does not exceed it.

    Parameters
    ----------
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    folders : sequence of path-like
        Runs of ``simcompare attribute``.
    model : str, optional
        Identity of the flow that made the comparison's scores.

    Returns
    -------
    Table
        With ``systematic_floor`` [nats], NaN where no run tells it; unchanged without runs.

    Raises
    ------
    FileNotFoundError
        For a folder without such a run.
    ValueError
        For a run of a data set that is not compared, or one scored by another flow.
    """
    floors = {}
    for folder in folders:
        found = _summary(folder)
        if found["dataset"] not in comparison["dataset"]:
            raise ValueError(
                f"{folder}: attribution of {found['dataset']}, which is not among the data sets compared: "
                f"{', '.join(map(str, comparison['dataset']))}."
            )
        if model is not None and found["model"] != model:
            raise ValueError(
                f"{folder}: attribution by another flow than the scores'; run 'simcompare attribute' with it."
            )
        floors[found["dataset"]] = np.nan if found["floor"] is None else found["floor"]
    if not floors:
        return comparison
    table = comparison.copy()
    caution = [str(text) for text in table["caution"]]
    for k, row in enumerate(table):
        floor = floors.get(str(row["dataset"]), np.nan)
        if max(row["delta_mean_low"], -row["delta_mean_high"], 0) <= floor:
            doubt = f"the gap does not exceed the systematic floor of its mocks ({floor:.1f} nats)"
            caution[k] = "; ".join(filter(None, [caution[k], doubt]))
    table["systematic_floor"] = [floors.get(str(name), np.nan) for name in table["dataset"]]
    table.remove_column("caution")
    table["caution"] = caution  # stays the last word
    return table


def _summary(folder: str | os.PathLike) -> dict:
    """Read in short what a run of ``simcompare attribute`` found."""
    path = Path(folder) / ATTRIBUTION
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; run 'simcompare attribute' with --out {folder} first."
        )
    try:
        found = read_json_object(path)
        return {name: found[name] for name in ("dataset", "model", "floor")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or of another version; give the 'simcompare attribute' of {folder} again."
        ) from error
