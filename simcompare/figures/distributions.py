"""Distributions of scores: curves with bands, ridges, ROC curves and the null."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from mocks.streams import stream
from simcompare.figures.dataset_styles import table_styles
from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    COLUMN,
    count_label,
    legend_above,
    new_axes,
)
from simcompare.figures.samples import datasets_of
from simcompare.scores.columns import axis_label, column_of
from simcompare.scores.record import Scores
from simcompare.statistics.means import Clustered
from simcompare.statistics.resampling import resamples

__all__ = [
    "FEW",
    "FINE",
    "MOST_BANDS",
    "POINTS",
    "density_numbers",
    "draw_density",
    "draw_null",
    "draw_ridges",
    "draw_roc",
    "draw_violins",
    "roc_numbers",
]


@drawing
def draw_density(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the smoothed distribution of a score in every data set, with bootstrap bands where they are few.

    Parameters
    ----------
    table : Table
        From `density_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    styles = table_styles(table)
    for name, style in styles.items():
        rows = table[np.asarray(table["dataset"]) == name]
        label = count_label(name, rows["n_galaxies"][0])
        if len(styles) <= MOST_BANDS:
            band = rows["density_low"], rows["density_high"]
            ax.fill_between(rows["value"], *band, color=style.color, alpha=0.18, lw=0)
        ax.plot(rows["value"], rows["density"], color=style.color, ls=style.line, label=label)
    ax.set_xlabel(axis_label(table.meta["column"]))
    per_nat = "  [per nat]" if column_of(table.meta["column"]).unit == "nat" else ""
    ax.set_ylabel(f"probability density{per_nat}")
    ax.set_xlim(table["value"].min(), table["value"].max())
    ax.set_ylim(0, None)
    legend_above(ax)
    return ax


@drawing
def draw_ridges(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the distributions one above the other, each scaled to its peak, the reference behind each.

    Parameters
    ----------
    table : Table
        From `density_numbers`.
    ax : Axes, optional
    """
    styles = table_styles(table)
    ax = new_axes(ax, COLUMN * 1.25, 0.9 + 0.36 * len(styles))
    real = table[np.asarray(table["dataset"]) == table.meta["reference"]]
    step = 0.8  # in heights of a curve
    for level, (name, style) in enumerate(reversed(styles.items())):
        rows = table[np.asarray(table["dataset"]) == name]
        base = level * step
        curve = base + rows["density"] / np.max(rows["density"])
        ax.fill_between(rows["value"], base, curve, color=style.color, alpha=0.35, lw=0)
        ax.plot(rows["value"], curve, color=style.color, lw=1)
        if name != table.meta["reference"] and len(real):
            curve = base + real["density"] / np.max(real["density"])
            ax.plot(real["value"], curve, color="black", lw=0.6, ls=":")
    labels = [count_label(n, table["n_galaxies"][np.asarray(table["dataset"]) == n][0]) for n in styles]
    ax.set_yticks([level * step for level in range(len(styles))], labels[::-1])
    ax.minorticks_off()
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(0, None)
    ax.set_xlim(table["value"].min(), table["value"].max())
    ax.set_xlabel(axis_label(table.meta["column"]), loc="right")
    ax.set_title(f"dotted: {table.meta['reference']}; galaxies in brackets", loc="right")
    return ax


@drawing
def draw_violins(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the distributions side by side, as for generations of a simulation, with median and quartiles.

    Parameters
    ----------
    table : Table
        From `density_numbers`.
    ax : Axes, optional
    """
    styles = table_styles(table)
    ax = new_axes(ax, max(COLUMN, 0.9 + 0.62 * len(styles)), 3.0)
    real = table[np.asarray(table["dataset"]) == table.meta["reference"]]
    for end in ("quartile_low", "median", "quartile_high") if len(real) else ():
        ax.axhline(real[end][0], color="black", lw=0.6, ls="-" if end == "median" else ":")
    for x, (name, style) in enumerate(styles.items()):
        rows = table[np.asarray(table["dataset"]) == name]
        wide = 0.42 * rows["density"] / np.max(rows["density"])
        seen = np.asarray(wide) > 0.002
        ax.fill_betweenx(
            rows["value"][seen], x - wide[seen], x + wide[seen], color=style.color, alpha=0.35, lw=0
        )
        ax.vlines(x, rows["quartile_low"][0], rows["quartile_high"][0], color=style.color, lw=3)
        ax.plot(x, rows["median"][0], "o", color="white", mec=style.color, ms=4)
    counts = [table["n_galaxies"][np.asarray(table["dataset"]) == name][0] for name in styles]
    room = 14 * ax.figure.get_figwidth() / len(styles)  # letters below each
    is_turned = max(map(len, styles)) > room
    gap = "  " if is_turned else "\n"
    labels = [f"{name}{gap}({n})" for name, n in zip(styles, counts, strict=True)]
    turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if is_turned else {}
    ax.set_xticks(range(len(styles)), labels, **turned)
    ax.tick_params(axis="x", which="both", length=0)
    ax.xaxis.minorticks_off()
    ax.set_ylabel(axis_label(table.meta["column"]))
    ax.set_title(f"medians, quartiles; lines: {table.meta['reference']}\ngalaxies in brackets", loc="left")
    return ax


@drawing
def draw_roc(table: Table, ax: Axes | None = None) -> Axes:
    """Draw how well the score tells each data set from real galaxies.

    Parameters
    ----------
    table : Table
        From `roc_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 3.1 + 0.11 * len(table_styles(table)))
    ax.plot([0, 1], [0, 1], color="0.6", lw=0.7, ls=":")
    for name, style in table_styles(table).items():
        rows = table[np.asarray(table["dataset"]) == name]
        label = f"{name}  ({rows['n_galaxies'][0]})  AUC {rows['auc'][0]:.2f}"
        ax.plot(rows["real_below"], rows["simulated_below"], color=style.color, ls=style.line, label=label)
    ax.set_xlabel(f"share of real galaxies below  ({table.meta['reference']})")
    ax.set_ylabel("share of data set below")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    legend_above(ax)
    return ax


@drawing
def draw_null(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the differences between random halves of the real galaxies beside those that are claimed.

    Parameters
    ----------
    table : Table
        From `simcompare.figures.differences.null_numbers`: rows of ``role`` "null" and "claim".
    ax : Axes, optional
    """
    role = np.asarray(table["role"])
    nulls, claims = table[role == "null"], table[role == "claim"]
    ax = new_axes(ax, COLUMN, 2.2 + 0.2 * len(claims))
    height, _, _ = ax.hist(np.asarray(nulls["delta_mean"]), bins=25, color="0.75")
    styles = table_styles(claims) if len(claims) else {}
    room = 1 + 0.25 * len(styles)  # the halves fill the lower part, each claim has a line above
    ax.set_ylim(0, room * max(height.max(), 1))
    for level, (name, style) in enumerate(styles.items()):
        row = claims[np.asarray(claims["dataset"]) == name][0]
        y = (1 + 0.25 * (len(styles) - level - 0.7)) / room
        reach = [[row["delta_mean"] - row["delta_mean_low"]], [row["delta_mean_high"] - row["delta_mean"]]]
        look = {"color": style.color, "transform": ax.get_xaxis_transform()}
        ax.errorbar(row["delta_mean"], y, xerr=np.nan_to_num(reach), fmt=style.marker, capsize=2, **look)
        ax.annotate(
            count_label(name, row["n_galaxies"]), (row["delta_mean"], y), xycoords=ax.get_xaxis_transform(),
            xytext=(0, 3), textcoords="offset points", ha="center", fontsize="small", color=style.color,
        )  # fmt: skip
    ax.set_xlabel(f"mean {axis_label(table.meta['column'])}, minus real")
    ax.set_ylabel("number of random halves")
    ax.set_title(f"grey: real against real, {len(nulls)} random halves", loc="left", fontsize="small")
    return ax


MOST_BANDS = 4  # data sets whose bands can be told from each other


FINE = 1024  # cells that values are gathered in before smoothing


POINTS = 240  # points of a drawn curve


FEW = 40  # data sets with fewer galaxies are shown galaxy by galaxy


def density_numbers(
    scores: Scores,
    seed: int,
    *,
    column: str | None = None,
    n_bootstrap: int = 300,
) -> Table:
    """Smoothed distribution of a score in every data set, with a bootstrap band.

    Parameters
    ----------
    scores : Scores
    seed : int
        Of the galaxies drawn for the bands; each data set has a stream of its own.
    column : str, optional
        Score; default the headline.
    n_bootstrap : int

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``n_images``, ``value``, ``density``, ``density_low`` and
        ``density_high`` (2.5 and 97.5 %), a Gaussian kernel of Silverman's width for the number of galaxies;
        ``median``, ``quartile_low``, ``quartile_high`` of the data set.
    """
    column = column or scores.headline
    samples = {name: scores.clustered(name, column) for name in datasets_of(scores)}
    low, high = _common_range([sample.values for sample in samples.values()])
    edges = np.linspace(low, high, FINE + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    points = np.linspace(low, high, POINTS)
    tables = []
    for name, sample in samples.items():
        width = max(_silverman(sample), edges[1] - edges[0])
        kernel = np.exp(-0.5 * ((points[:, None] - centres) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        rng = stream(seed, name, "density", column)
        cells = np.searchsorted(edges, sample.values, side="right")  # 0 and FINE + 1 lie outside the range
        curves = [
            kernel
            @ np.bincount(cells, row[sample.codes] * sample.weights, FINE + 2)[1:-1]
            / sample.n_galaxies
            for row in chain([np.ones(sample.n_galaxies)], resamples(sample.n_galaxies, n_bootstrap, rng))
        ]
        band = np.quantile(curves[1:], [0.025, 0.975], axis=0)
        n = len(points)
        tables.append(
            {
                "dataset": np.full(n, name),
                "kind": np.full(n, scores.kind_of(name)),
                "n_galaxies": np.full(n, sample.n_galaxies),
                "n_images": np.full(n, sample.values.size),
                "value": points,
                "density": curves[0],
                "density_low": band[0],
                "density_high": band[1],
                "median": np.full(n, _quantile(sample, 0.5)),
                "quartile_low": np.full(n, _quantile(sample, 0.25)),
                "quartile_high": np.full(n, _quantile(sample, 0.75)),
            }
        )
    return _joined(tables, column=column, reference=scores.reference)


def _quantile(sample: Clustered, share: float) -> float:
    """Value below which a share of the images lies, every galaxy counted once."""
    total = np.cumsum(sample.weights)
    return float(sample.values[min(np.searchsorted(total, share * total[-1]), total.size - 1)])


def _common_range(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """Range that shows all data sets, each without its farthest outliers, with a margin."""
    ends = np.array([np.quantile(each, [0.002, 0.998]) for each in values])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def _silverman(sample: Clustered) -> float:
    """Width of the kernel for this spread and number of galaxies."""
    low, high = np.quantile(sample.values, [0.25, 0.75])
    spread = sample.values.std()
    if sample.n_galaxies >= FEW and high > low:  # quartiles of a few galaxies mean little
        spread = min(spread, (high - low) / 1.349)
    return 0.9 * spread * sample.n_galaxies**-0.2


def _joined(tables: Sequence[Mapping[str, np.ndarray]], **meta: object) -> Table:
    """Tables of equal columns one below the other."""
    joined = Table({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})
    joined.meta = dict(meta)
    return joined


def roc_numbers(scores: Scores) -> Table:
    """Share of simulated against share of real images below each value of the headline.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies``, ``real_below``, ``simulated_below``, ``auc``.
    """
    real, tables = scores.clustered(scores.named_reference), []
    for name in datasets_of(scores):
        if name == scores.reference:
            continue
        sample = scores.clustered(name)
        grid = np.unique(np.concatenate([real.values, sample.values]))
        below = [_share_below(each, grid) for each in (real, sample)]
        n = grid.size + 1
        pick = np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(int))
        auc = float(np.trapezoid(below[1], below[0]))
        n = pick.size
        tables.append(
            {
                "dataset": np.full(n, name),
                "kind": np.full(n, scores.kind_of(name)),
                "n_galaxies": np.full(n, sample.n_galaxies),
                "real_below": below[0][pick],
                "simulated_below": below[1][pick],
                "auc": np.full(n, auc),
            }
        )
    return _joined(tables, column=scores.headline, reference=scores.reference)


def _share_below(sample: Clustered, grid: np.ndarray) -> np.ndarray:
    """Distribution function at and below each grid value, starting at 0."""
    lower = np.concatenate([[0.0], np.cumsum(sample.weights)])
    share = lower[np.searchsorted(sample.values, grid, side="right")] / lower[-1]
    return np.concatenate([[0.0], share])
