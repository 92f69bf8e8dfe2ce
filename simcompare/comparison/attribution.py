"""How much of a difference comes from each ingredient of the mock observation: in nats, and its floor."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Row, Table

from mocks.streams import stream
from simcompare.comparison.report_table import FurtherTable, read_further
from simcompare.comparison.structure import Verdict
from simcompare.runs.documents import read_json_object
from simcompare.runs.ledger import check_hash
from simcompare.scores.record import Scores
from simcompare.statistics.intervals import Estimate, expanded_tail, percentile_interval
from simcompare.statistics.means import Clustered, mean_of
from simcompare.statistics.resampling import resampled_counts

__all__ = [
    "ATTRIBUTION",
    "attribution_tables",
    "ladder",
    "quadratic_floor",
    "systematic_floor",
    "with_floors",
]

ATTRIBUTION = "attribution.json"
_FLOORS = {"fraction": "systematic_floor", "nats": "systematic_floor_nats"}
"""Column of the headline table by the unit of a run."""


def ladder(
    steps: Mapping[str, Scores],
    dataset: str,
    seed: int,
    *,
    n_bootstrap: int = 2000,
    confidence: float = 0.95,
) -> Table:
    """Divide the difference to real galaxies over the steps of an observation.

    Parameters
    ----------
    steps : mapping of str to Scores
        Of the same galaxies after each step, in the order of the observation: for instance "ideal",
        "rebinned", "PSF", "Poisson", "sky", "neighbours". The last must hold the reference too; its headline
        is divided.
    dataset : str
    seed : int
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
        When steps, or galaxies of the reference, are fewer than two, or steps share no galaxy with finite
        scores.
    """
    if len(steps) < 2:
        raise ValueError(f"a ladder needs at least two steps, found {', '.join(steps) or 'none'}.")
    last = list(steps.values())[-1]
    common, means = _common_means(steps, dataset, last.headline)
    real, reference = _reference_means(last), last.named_reference
    if real.size < 2:
        raise ValueError(
            f"a ladder needs at least two galaxies of {reference!r} with finite {last.headline}, "
            f"{real.size} found: give more real images (--real)."
        )
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
        rows.append({"step": name, "n_galaxies": n, **change.columns("change"), **to_real.columns("to_real")})
    table = Table(rows=rows)
    table.meta = {"dataset": dataset, "reference": reference, "score": last.headline}
    return table


def _estimate(value: float, resampled: np.ndarray, tail: float, n: int) -> Estimate:
    """Interval of a mean over galaxies; none for one galaxy."""
    if n < 2:
        return Estimate(float(value), np.nan, np.nan, np.nan)
    return percentile_interval(float(value), resampled, tail)


def _common_means(steps: Mapping[str, Scores], dataset: str, score: str) -> tuple[np.ndarray, np.ndarray]:
    """Galaxies that every step has with a finite score, and their mean scores, shape (n_steps, n)."""
    means_of_steps = []
    for name, scores in steps.items():
        if score not in scores:
            raise ValueError(f"step {name!r} has no column {score!r}; score all steps under the same models.")
        sample = scores[scores.held_out(dataset) & np.isfinite(scores.numbers(score))]
        if not len(sample):
            raise ValueError(f"step {name!r} has no finite score of {dataset!r}.")
        means = sample.clustered(column=score).means
        means_of_steps.append(dict(zip(sample.words("galaxy_id"), means, strict=True)))
    common = sorted(set(means_of_steps[0]).intersection(*means_of_steps[1:]))
    if not common:
        raise ValueError(
            f"no galaxy of {dataset!r} has a finite score in every step; score the same images in all."
        )
    return np.array(common), np.array([[step[name] for name in common] for step in means_of_steps])


def _reference_means(scores: Scores) -> np.ndarray:
    """Mean score of each held-out real galaxy."""
    real = scores.reference_sample()
    if not np.isfinite(real.numbers()).any():
        raise ValueError(f"the last step holds no held-out galaxy of {scores.reference!r}.")
    return real.clustered().means


def systematic_floor(
    perturbed: Mapping[str, Mapping[str, Scores]],
    dataset: str,
    seed: int,
    *,
    ingredients: Mapping[str, str],
    uncertainties: Mapping[str, float] | None = None,
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
    ingredients : mapping of str to str
        For each perturbation what of the mock it is about, of which the worst counts.
    uncertainties : mapping of str to float, optional
        For each perturbation how uncertain that ingredient really is, in units of the perturbation made:
        0.5 when the PSF is known to 5 % and was changed by 10 %. Default 1.
    n_bootstrap : int

    Returns
    -------
    Table
        ``perturbation``, ``n_galaxies``, ``shift`` of the mean score with ``_low``, ``_high``, ``_error``,
        ``weight``.
    float
        Floor [nats]: the quadratic sum, over ingredients, of the largest weighted shift.
    """
    uncertainties = dict(uncertainties or {})
    rows = []
    for name, pair in perturbed.items():
        score = pair["baseline"].headline
        common, means = _common_means(pair, dataset, score)
        pairs = Clustered.of(means[1] - means[0], common)
        shift = mean_of(pairs, stream(seed, name, "floor"), n_bootstrap=n_bootstrap)
        weight = uncertainties.get(name, 1.0)
        rows.append(
            {
                "perturbation": name,
                "n_galaxies": common.size,
                **shift.columns("shift"),
                "weight": weight,
            }
        )
    table = Table(rows=rows)
    table.meta = {"dataset": dataset, "score": score}
    return table, quadratic_floor(table, ingredients)


def quadratic_floor(shifts: Table, ingredients: Mapping[str, str]) -> float:
    """Give the quadratic sum, over ingredients, of the largest weighted shift.

    Parameters
    ----------
    shifts : Table
        ``perturbation``, ``shift``, ``weight``.
    ingredients : mapping of str to str
        What of the mock each perturbation is about.
    """
    worst: dict[str, float] = {}
    for row in shifts:
        ingredient = ingredients[str(row["perturbation"])]
        worst[ingredient] = max(worst.get(ingredient, 0.0), abs(row["weight"] * row["shift"]))
    return float(np.sqrt(sum(value**2 for value in worst.values())))


def attribution_tables(folders: Sequence[str | os.PathLike]) -> list[FurtherTable]:
    """Tables of runs of ``simcompare attribute``, each named after its data set."""
    tables, used = [], []
    for folder in folders:
        dataset = _summary(folder)["dataset"]
        plain = (letter.isascii() and letter.isalnum() for letter in dataset)
        short = "".join(a if known else "-" for a, known in zip(dataset.lower(), plain, strict=True))
        used.append(short)
        short += f"-{used.count(short)}" * (used.count(short) > 1)
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
        With ``systematic_floor`` of the structure fraction (``systematic_floor_nats`` of a run without one),
        NaN where no run tells it; unchanged without runs.

    Raises
    ------
    FileNotFoundError
        For a folder without such a run.
    ValueError
        For a run of a data set that is not compared, or one scored by another flow.
    """
    floors = {}
    for folder in folders:
        summary = _summary(folder)
        if summary["dataset"] not in comparison["dataset"]:
            raise ValueError(
                f"{folder}: attribution of {summary['dataset']}, which is not among the data sets compared: "
                f"{', '.join(map(str, comparison['dataset']))}."
            )
        if model is not None and summary["model"] != model:
            raise ValueError(
                f"{folder}: made with another flow than the scores; run 'simcompare attribute' with theirs."
            )
        unit = _FLOORS[summary["unit"]]
        floors.setdefault(unit, {})[summary["dataset"]] = (
            np.nan if summary["floor"] is None else summary["floor"]
        )
    if not floors:
        return comparison
    table = comparison.copy()
    for column, known in floors.items():
        table[column] = [known.get(str(name), np.nan) for name in table["dataset"]]
    caution = [
        "; ".join(filter(None, [str(row["caution"]), *(_doubt(row, column) for column in floors)]))
        for row in table
    ]
    table.remove_column("caution")
    table["caution"] = caution  # stays the last word
    return table


def _doubt(row: Row, column: str) -> str:
    """Say where a difference is within what its mocks may be wrong by; empty where it is not."""
    floor = row[column]
    if column == _FLOORS["nats"]:
        least = max(row["delta_mean_low"], -row["delta_mean_high"], 0)
        claim = f"the mean ratio differs by less than the systematic floor of its mocks ({floor:.1f} nats)"
        return claim if least <= floor else ""
    low, high = row["structure_fraction_low"], row["structure_fraction_high"]
    differs = str(row["verdict"]) in (Verdict.SMOOTHER, Verdict.CLUMPIER)
    distance = abs(row["structure_fraction"] - 1)
    if distance <= floor or (differs and max(low - 1, 1 - high, 0) <= floor):
        return (
            f"the structure fraction need not differ from 1 by more than the systematic floor of its mocks "
            f"({floor:.2f})"
        )
    return ""


def _summary(folder: str | os.PathLike) -> dict:
    """Read in short what a run of ``simcompare attribute`` found."""
    path = Path(folder) / ATTRIBUTION
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; run 'simcompare attribute' with --out {folder} first."
        )
    try:
        check_hash(path)
        record = read_json_object(path)
        summary = {name: record[name] for name in ("dataset", "model", "floor", "unit")}
        if not isinstance(summary["dataset"], str) or summary["unit"] not in _FLOORS:
            raise ValueError(f"dataset {summary['dataset']!r}, unit {summary['unit']!r}")
        summary["floor"] = None if summary["floor"] is None else float(summary["floor"])
        return summary
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or of another version; run the 'simcompare attribute' of {folder} again."
        ) from error
