"""Are the mocks like the real images, the p-values as they should be, and matched samples apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table, vstack
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mocks.streams import stream
from simcompare.comparison.matching import Match
from simcompare.figures.dataset_styles import (
    order_of,
    table_styles,
)
from simcompare.figures.distributions import MOST_BANDS, density_numbers
from simcompare.figures.drawing import drawing
from simcompare.figures.grids import draw_bins, stack_panels
from simcompare.figures.looks import (
    COLUMN,
    PAGE,
    count_label,
    draw_steps,
    entry_of,
    legend_above,
    legend_columns,
    new_axes,
    new_figure,
    panels_across,
    step_rows,
    wrapped,
)
from simcompare.kinds import Kind
from simcompare.scores.columns import axis_label, in_words
from simcompare.scores.record import Scores
from simcompare.statistics.resampling import blocks, resampled_counts
from simcompare.statistics.two_sample import ks_statistic

__all__ = [
    "draw_matched",
    "draw_realism",
    "draw_sky",
    "draw_typicality",
    "matched_numbers",
    "realism_numbers",
    "typicality_numbers",
]


def realism_numbers(scores: Scores, seed: int, *, columns: Sequence[str] | None = None) -> Table:
    """Distributions of brightness, size, noise and seeing in every data set.

    Parameters
    ----------
    scores : Scores
    seed : int
    columns : sequence of str, optional
        Default: the nuisances.

    Returns
    -------
    Table
        `simcompare.figures.distributions.density_numbers` of each column one below the other, with ``column``
        and ``ks``, the Kolmogorov-Smirnov distance of the data set to the reference.
    """
    tables = []
    for column in columns or scores.nuisances:
        real = _finite(scores, scores.named_reference, column)
        if real.size < 2:
            continue
        usable = scores.select(column)[np.isfinite(scores.numbers(column))]
        table = density_numbers(usable, seed, column=column, n_bootstrap=60)
        table["column"] = column
        distances = {name: ks_statistic(_finite(scores, name, column), real) for name in order_of(table)}
        table["ks"] = [distances[str(name)] for name in table["dataset"]]
        table.meta = {}
        tables.append(table)
    if not tables:
        raise ValueError("the scores have no nuisance column with finite values of real galaxies.")
    joined = vstack(tables)
    joined.meta = {"reference": scores.reference}
    return joined


def _finite(scores: Scores, dataset: str, column: str) -> np.ndarray:
    """Finite values of a column of one data set."""
    values = scores.numbers(column)[scores.held_out(dataset)]
    return values[np.isfinite(values)]


@drawing
def draw_realism(table: Table) -> Figure:
    """Draw the distributions that mocks and real images should share, one panel for each.

    Curves, or ridges where data sets are many.

    Parameters
    ----------
    table : Table
        From `realism_numbers`.
    """
    columns = order_of(table, "column")
    if len(table_styles(table)) > MOST_BANDS:
        return _realism_ridges(table, columns)
    n_across = panels_across(min(3, len(columns)), 1.7)
    n_down = -(-len(columns) // n_across)
    figure = new_figure(PAGE, 0.6 + 1.9 * n_down)
    axes = figure.subplots(n_down, n_across, squeeze=False)
    styles = table_styles(table)
    for ax, column in zip(axes.flat, columns, strict=False):
        for name, style in styles.items():
            rows = table[(np.asarray(table["column"]) == column) & (np.asarray(table["dataset"]) == name)]
            if not len(rows):
                continue
            label = count_label(name, rows["n_galaxies"][0])
            ax.plot(rows["value"], rows["density"], color=style.color, ls=style.line, lw=1, label=label)
        worst = np.max(table["ks"][np.asarray(table["column"]) == column])
        ax.set_title(f"KS up to {worst:.2f}", loc="right", fontsize="small")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.set_xlabel(wrapped(axis_label(column), 0.85 * figure.get_figwidth() / n_across))
        ax.set_yticks([])
        ax.set_ylim(0, None)
    for ax in axes.flat[len(columns) :]:
        ax.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    legend = {"loc": "outside upper left", "title": "galaxies in brackets", "alignment": "left"}
    figure.legend(handles, labels, ncols=legend_columns(figure, labels), **legend)
    return figure


def _realism_ridges(table: Table, columns: Sequence[str]) -> Figure:
    """Draw the distributions of each column as ridges, with the largest distance to the reference."""
    panels = {}
    for column in columns:
        rows = table[np.asarray(table["column"]) == column]
        rows.meta = {"reference": table.meta["reference"], "column": column}
        panels[f"{in_words([column])}: KS up to {np.max(rows['ks']):.2f}"] = rows
    return draw_bins(stack_panels(panels))


def typicality_numbers(scores: Scores, *, n_bins: int = 20) -> Table:
    """Histogram of the two-sided p-values of every data set.

    Parameters
    ----------
    scores : Scores
        From `simcompare.scores.typicality.add_typicality`.
    n_bins : int

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``low``, ``high``, ``share`` of images in the bin.
    """
    edges = np.linspace(0, 1, n_bins + 1)
    rows = []
    for name in sorted(scores.datasets, key=lambda name: (name != scores.reference, name)):
        sample = scores[scores.held_out(name) & np.isfinite(scores["typicality_p"])]
        if not len(sample):
            continue
        rows += step_rows(
            sample["typicality_p"],
            edges,
            dataset=name,
            kind=scores.kind_of(name),
            n_galaxies=sample.n_galaxies,
        )
    result = Table(rows=rows)
    result.meta = {"reference": scores.reference}
    return result


@drawing
def draw_typicality(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the p-values: flat is typical, a peak at zero is not, a slope to one is too typical.

    Parameters
    ----------
    table : Table
        From `typicality_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    draw_steps(ax, table)
    ax.axhline(np.mean(table["high"] - table["low"]), color="0.6", lw=0.7, ls=":")
    ax.set_xlim(0, 1)
    ax.set_xlabel("two-sided p-value among real galaxies")
    ax.set_ylabel("share of images")
    legend_above(ax)
    return ax


def matched_numbers(
    scores: Scores, matches: Mapping[str, Match], seed: int, *, n_bootstrap: int = 400
) -> Table:
    """Mean headline of matched samples in resamples of the pairs.

    Parameters
    ----------
    scores : Scores
    matches : mapping of str to Match
        By data set.
    seed : int
        Each data set has a stream of its own.
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies`` (pairs), ``mean`` of the data set and ``mean_real`` of its
        partners in each resample [nats].
    """
    tables = []
    for name, pairs in matches.items():
        values = [scores.numbers()[rows] for rows in (pairs.first, pairs.second)]
        finite = np.isfinite(values).all(axis=0)
        size, drawn, rng = int(finite.sum()), [], stream(seed, name, "matched resamples")
        for n in blocks(n_bootstrap, size):
            counts = resampled_counts(size, n, rng)
            drawn.append([counts @ value[finite] / size for value in values])
        means = np.concatenate(drawn, axis=1)
        tables.append(
            Table(
                {
                    "dataset": np.full(n_bootstrap, name),
                    "kind": np.full(n_bootstrap, Kind.SIMULATED),
                    "n_galaxies": np.full(n_bootstrap, size),
                    "mean": means[0],
                    "mean_real": means[1],
                }
            )
        )
    table = vstack(tables)
    table.meta = {"column": scores.headline, "matched in": list(next(iter(matches.values())).columns)}
    return table


@drawing
def draw_matched(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the distribution of the mean score of each data set and, dotted, of its real partners.

    Parameters
    ----------
    table : Table
        From `matched_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    for name, style in table_styles(table).items():
        rows = table[np.asarray(table["dataset"]) == name]
        gap = np.asarray(rows["mean"] - rows["mean_real"])
        label = f"{entry_of(name)}  ({rows['n_galaxies'][0]} pairs)  {gap.mean():+.1f} ± {gap.std():.1f}"
        for values, line in ((rows["mean"], "-"), (rows["mean_real"], ":")):
            counts, edges = np.histogram(values, 24, density=True)
            ax.stairs(counts, edges, color=style.color, ls=line, lw=1.1, label=label if line == "-" else None)
    ax.set_xlabel(f"mean {axis_label(table.meta['column'])}")
    ax.set_ylabel("density of resamples")
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2, alignment="left",
        title=f"matched in {in_words(table.meta['matched in'])}; dotted: real",
    )  # fmt: skip
    return ax


@drawing
def draw_sky(table: Table) -> Figure:
    """Draw blank sky: the histogram of its pixels and the correlation between them, one row per band.

    Parameters
    ----------
    table : Table
        From `simcompare.comparison.realism.sanity_curves`.
    """
    bands = order_of(table, "band")
    figure = new_figure(PAGE, 0.6 + 2.0 * len(bands))
    axes = figure.subplots(len(bands), 2, squeeze=False)
    for row, band in zip(axes, bands, strict=True):
        for ax, quantity in zip(row, ("histogram", "correlation"), strict=True):
            for name, style in table_styles(table).items():
                chosen = (np.asarray(table["band"]) == band) & (np.asarray(table["quantity"]) == quantity)
                rows = table[chosen & (np.asarray(table["dataset"]) == name)]
                if len(rows):
                    look = {"color": style.color, "ls": style.line, "label": entry_of(name)}
                    ax.plot(rows["x"], rows["value"], lw=1, **look)
            ax.set_title(f"band {band}", loc="right", fontsize="small")
        row[0].set_xlabel("pixel of blank sky  [median real noise]")
        row[0].set_yscale("log")
        row[1].set_xlabel("separation along a row  [pixels]")
        row[1].set_ylabel("correlation")
        row[1].axhline(0, color="0.6", lw=0.7, ls=":")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=legend_columns(figure, labels))
    return figure
