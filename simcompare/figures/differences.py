"""Differences between data sets: forest plot, budget over scales, and what the null panel shows."""

import numpy as np
from astropy.table import Row, Table, vstack
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mocks.streams import stream
from simcompare.comparison.headline import split_differences
from simcompare.figures.dataset_styles import table_styles
from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    COLUMN,
    PAGE,
    count_label,
    legend_above,
    new_axes,
    wrapped,
)
from simcompare.figures.samples import datasets_of
from simcompare.kinds import Kind
from simcompare.scores.columns import column_of
from simcompare.scores.record import Scores
from simcompare.statistics.means import bootstrap_means, difference_of_means

__all__ = ["draw_forest", "draw_scales", "null_numbers", "scale_numbers"]


@drawing
def draw_forest(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the structure fraction of every data set with its interval, the nearest to real galaxies on top.

    Parameters
    ----------
    table : Table
        From `simcompare.comparison.headline.compare`. Without a structure score the difference of the mean
        score is drawn.
    ax : Axes, optional
    """
    ax = new_axes(ax, PAGE * 0.72, 0.9 + 0.21 * len(table))
    is_structure = "structure_fraction" in table.colnames and np.isfinite(table["structure_fraction"]).any()
    name = "structure_fraction" if is_structure else "delta_mean"
    values, low, high = (np.asarray(table[f"{name}{end}"], float) for end in ("", "_low", "_high"))
    ax.axvline(1 if is_structure else 0, color="black", lw=0.7)
    if is_structure:
        ax.axvline(0, color="0.6", lw=0.7, ls=":")
        ax.set_xlim(*_reach(values, low, high))
    for level, (row, style) in enumerate(zip(table, table_styles(table).values(), strict=True)):
        y = len(table) - 1 - level
        if is_structure:
            _draw_null_band(ax, row, y)
        face = style.color if row["kind"] == Kind.SIMULATED else "white"
        if not np.isnan([low[level], high[level]]).any():
            ends = np.clip([low[level], high[level]], *(ax.get_xlim() if is_structure else (-np.inf, np.inf)))
            ax.plot(ends, [y, y], color=style.color, lw=1.2, solid_capstyle="butt")
            for end, bound, arrow in zip(ends, (low[level], high[level]), "<>", strict=True):
                ax.plot(end, y, arrow if end != bound else "|", color=style.color, ms=4, clip_on=False)
        if np.isfinite(values[level]):
            ax.plot(values[level], y, style.marker, color=style.color, mfc=face)
        text = str(row["verdict"]) if is_structure else f"AUC {row['auc']:.2f}"
        ax.text(1.02, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    labels = [count_label(row["dataset"], row["n_galaxies"], row["n_images"]) for row in table]
    ax.set_yticks(range(len(table) - 1, -1, -1), labels)
    ax.tick_params(axis="y", which="both", length=0)
    ax.yaxis.minorticks_off()
    ax.set_ylim(-0.6, len(table) - 0.4)
    reference, confidence = table.meta["reference"], table.meta.get("confidence", 0.95)
    if is_structure:
        ax.set_xlabel(f"structure fraction\n(0: smooth twins, 1: real galaxies of {reference})")
    else:
        label = column_of(table.meta["score"]).label or table.meta["score"]
        ax.set_xlabel(f"difference of the mean {label} to {reference}  [nats]")
    has_null = is_structure and "structure_null_low" in table.colnames
    note = "grey: 95% of sets of as many real galaxies" if has_null else "galaxies in brackets"
    shown = wrapped(f"{confidence:.0%} intervals; {note}", 0.6 * ax.figure.get_figwidth())
    ax.set_title(shown, loc="left", fontsize="small")
    return ax


def _draw_null_band(ax: Axes, row: Row, y: float) -> None:
    """Shade where 95 % of sets of as many real galaxies lie."""
    ends = [
        row[f"structure_null_{end}"] for end in ("low", "high") if f"structure_null_{end}" in row.colnames
    ]
    if len(ends) == 2 and np.isfinite(ends).all():
        ends = np.clip(ends, *ax.get_xlim())
        ax.barh(y, ends[1] - ends[0], left=ends[0], height=0.6, color="0.9", zorder=0)


def _reach(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Limits of the axis: all fractions, and intervals as far as they do not dwarf them."""
    known = values[np.isfinite(values)]
    first, last = min(-0.5, known.min() - 0.3), max(1.8, known.max() + 0.3)
    room = last - first
    bounds = np.concatenate([low, high])
    bounds = bounds[np.isfinite(bounds)]
    if bounds.size:
        first, last = max(min(first, bounds.min()), first - room), min(max(last, bounds.max()), last + room)
    margin = 0.03 * (last - first)
    return first - margin, last + margin


@drawing
def draw_scales(table: Table, ax: Axes | None = None) -> Axes:
    """Draw how many nats of the difference to real galaxies each scale of the image contributes.

    Parameters
    ----------
    table : Table
        From `scale_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    styles = table_styles(table)
    drawn = [name for name in styles if name != table.meta["reference"]]
    ax.axhline(0, color="black", lw=0.7)
    for number, name in enumerate(drawn):
        rows = table[np.asarray(table["dataset"]) == name]
        style = styles[name]
        x = np.asarray(rows["scale"]) + 0.6 * ((number + 0.5) / len(drawn) - 0.5)
        low = np.nan_to_num(rows["delta_mean"] - rows["delta_mean_low"])
        high = np.nan_to_num(rows["delta_mean_high"] - rows["delta_mean"])
        ax.errorbar(
            x, rows["delta_mean"], yerr=[low, high], fmt=style.marker, color=style.color, capsize=1.5, lw=1,
            label=count_label(name, rows["n_galaxies"][0]),
        )  # fmt: skip
    first = table[np.asarray(table["dataset"]) == table["dataset"][0]]
    ax.set_xticks(
        np.asarray(first["scale"]), [str(name) for name in first["scale_name"]], rotation=25, ha="right"
    )
    ax.xaxis.minorticks_off()
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.set_ylabel(f"difference to {table.meta['reference']}  [nats]")
    ax.set_xlabel("scale, finest first")
    legend_above(ax)
    return ax


def null_numbers(
    scores: Scores, comparison: Table, rng: np.random.Generator, *, n_splits: int = 200
) -> Table:
    """Differences of means between random halves of the real galaxies, and the claimed ones.

    Parameters
    ----------
    scores : Scores
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    rng : numpy.random.Generator
        Draws the halves.
    n_splits : int

    Returns
    -------
    Table
        ``role`` ("null" or "claim"), ``dataset``, ``kind``, ``n_galaxies``, ``delta_mean``,
        ``delta_mean_low``, ``delta_mean_high``, ``p_value``.
    """
    means = scores.clustered(scores.named_reference).means
    half = means.size // 2
    delta, p_values = split_differences(means, rng, n_splits) if half else np.full((2, n_splits), np.nan)
    nulls = Table(
        {
            "role": np.full(n_splits, "null", dtype="U5"),
            "dataset": np.full(n_splits, f"{scores.reference} (half)"),
            "kind": np.full(n_splits, Kind.NULL),
            "n_galaxies": np.full(n_splits, half),
            "delta_mean": delta,
            "delta_mean_low": np.full(n_splits, np.nan),
            "delta_mean_high": np.full(n_splits, np.nan),
            "p_value": p_values,
        }
    )
    simulated = comparison[np.asarray(comparison["kind"]) == Kind.SIMULATED]
    claims = simulated[
        "dataset", "kind", "n_galaxies", "delta_mean", "delta_mean_low", "delta_mean_high", "p_value"
    ]
    claims["role"] = np.full(len(claims), "claim", dtype="U5")
    claims.meta = {}
    table = vstack([nulls, claims[nulls.colnames]], metadata_conflicts="silent")
    for name in table.colnames:
        table[name].description = None
    table.meta = {"reference": scores.reference, "column": scores.headline}
    return table


def scale_numbers(scores: Scores, seed: int, *, n_bootstrap: int = 1000) -> Table:
    """Which scales of the image carry the difference to real galaxies.

    Parameters
    ----------
    scores : Scores
        With columns ``log_likelihood_ratio_scale_<k>`` (or, without background, ``log_prob_scale_<k>``).
    seed, n_bootstrap
        As for `density_numbers`.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``scale`` (0 finest), ``scale_name``, ``mean``, ``mean_low``,
        ``mean_high``, ``delta_mean`` (to the reference), ``delta_mean_low``, ``delta_mean_high`` [nats].

    Raises
    ------
    ValueError
        When there are no such columns.
    """
    rows, reference = [], scores.named_reference
    for dataset in datasets_of(scores):
        for k, (column, scale_name) in enumerate(scores.named_scales().items()):
            rng = stream(seed, dataset, column)
            sample, real = scores.clustered(dataset, column), scores.clustered(reference, column)
            own = np.full(2, np.nan)
            if sample.n_galaxies > 1:
                own = np.quantile(bootstrap_means(sample, rng, n_bootstrap), [0.025, 0.975])
            delta = difference_of_means(sample, real, rng, n_bootstrap=n_bootstrap)
            is_reference = dataset == reference
            rows.append(
                {
                    "dataset": dataset,
                    "kind": scores.kind_of(dataset),
                    "n_galaxies": sample.n_galaxies,
                    "scale": k,
                    "scale_name": scale_name,
                    "mean": float(sample.means.mean()),
                    "mean_low": own[0],
                    "mean_high": own[1],
                    "delta_mean": 0.0 if is_reference else delta.value,
                    "delta_mean_low": 0.0 if is_reference else delta.low,
                    "delta_mean_high": 0.0 if is_reference else delta.high,
                }
            )
    table = Table(rows=rows)
    table.meta = {"column": f"{scores.headline}_scale_", "reference": reference}
    return table
