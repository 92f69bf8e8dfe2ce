"""Which galaxies the data sets hold: classes, masses, shares of quenched ones and of satellites."""

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes

from simcompare.figures.dataset_styles import table_styles
from simcompare.figures.drawing import drawing
from simcompare.figures.looks import (
    COLUMN,
    count_label,
    legend_above,
    logarithmic,
    new_axes,
)
from simcompare.figures.samples import datasets_of
from simcompare.kinds import Kind
from simcompare.scores.columns import axis_label
from simcompare.scores.record import Scores

__all__ = [
    "draw_fractions",
    "draw_mass_function",
    "fraction_numbers",
    "galaxy_classes",
    "mass_function_numbers",
    "with_derived_columns",
]

SPECIFIC_RATE = "specific_star_formation_rate"
QUENCHED = 1e-11  # yr^-1; Zanisi et al. 2021
EARLY_SERSIC, EARLY_CONCENTRATION = 2.5, 3.2
"""Above these a galaxy counts as early type; 5 log10(r80 / r20) is 2.8 for a disc and 4 for n = 2.5
without seeing, which lowers it."""


def with_derived_columns(scores: Scores) -> Scores:
    """Add what follows from other columns: the specific star formation rate, the twin's Sersic index.

    Returns
    -------
    Scores
        With those of `Scores.derived`, and ``sersic_n_<band>`` of real galaxies from the fit of their twin.
    """
    scores = scores.derived()
    is_twin = scores.equals("kind", Kind.TWINS) if "kind" in scores else np.zeros(len(scores), bool)
    for name in [each for each in scores.colnames if each.startswith("sersic_n_")]:
        values = scores.numbers(name).copy()
        parent = ~is_twin & ~np.isfinite(values)
        if is_twin.any() and parent.any():
            galaxy = scores.galaxies
            twins, first = np.unique(galaxy[is_twin], return_index=True)
            place = np.minimum(np.searchsorted(twins, galaxy[parent]), twins.size - 1)
            own = values[is_twin][first][place]
            values[parent] = np.where(twins[place] == galaxy[parent], own, np.nan)
        scores = scores.with_columns(**{name: values})
    return scores


def galaxy_classes(scores: Scores) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Tell classes of galaxies apart, as far as the columns allow.

    Parameters
    ----------
    scores : Scores
        After `with_derived_columns`.

    Returns
    -------
    dict of str to (ndarray of bool, ndarray of bool)
        By the name of the class: its rows, and the rows for which the class is known. Early and late
        types by Sersic index (2.5) or else concentration (3.2), quenched and star-forming by specific
        star formation rate (1e-11 / yr), centrals and satellites.
    """
    classes = {}
    sersic = [name for name in scores.colnames if name.startswith(("sersic_n_", "sersic_index"))]
    shape = next((name for name in sersic if _known_widely(scores, name)), "concentration")
    limit = EARLY_CONCENTRATION if shape == "concentration" else EARLY_SERSIC
    label = "concentration" if shape == "concentration" else "Sersic n"
    for name, cut, above, below in (
        (shape, limit, f"early type ({label} > {limit})", f"late type ({label} < {limit})"),
        (SPECIFIC_RATE, QUENCHED, "star-forming", "quenched"),
        ("is_central", 0.5, "centrals", "satellites"),
    ):
        if name not in scores:
            continue
        values = scores.numbers(name)
        known = np.isfinite(values)
        if name == "is_central":
            known &= _has_centrals(scores)
        if known.any():
            classes[above] = (known & (values > cut), known)
            classes[below] = (known & (values <= cut), known)
    return classes


def _has_centrals(scores: Scores) -> np.ndarray:
    """Mark rows of data sets with a central: where none is, the column is blank, not false."""
    names = scores[np.asarray(scores["is_central"], bool)].datasets
    return np.any([np.zeros(len(scores), bool), *(scores.equals("dataset", name) for name in names)], axis=0)


def _known_widely(scores: Scores, column: str) -> bool:
    """Whether a column is known of every data set."""
    return scores[np.isfinite(scores.numbers(column))].datasets == scores.datasets


def mass_function_numbers(scores: Scores, *, column: str = "stellar_mass", step: float = 0.25) -> Table:
    """Share of galaxies in bins of stellar mass, of all, of quenched and of star-forming ones.

    Parameters
    ----------
    scores : Scores
        After `with_derived_columns`.
    column : str
        Mass [Msun].
    step : float
        Width of the bins [dex].

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``n_galaxies`` (of the data set), ``population`` ("all", "quenched",
        "star-forming"), ``low``, ``high`` [Msun], ``number`` in the bin, ``per_dex``: share of the data
        set per dex, and ``per_dex_error``, Poisson. Volumes are not known here, so these are shares.

    Raises
    ------
    ValueError
        When no data set has masses.
    """
    samples = _galaxies(scores, column)
    pooled = np.log10(np.concatenate([mass for mass, _ in samples.values()]))
    edges = np.arange(np.floor(pooled.min() / step), np.ceil(pooled.max() / step) + 1.5) * step
    rows = []
    for name, (mass, rate) in samples.items():
        populations = {"all": np.ones(mass.size, bool)}
        if np.isfinite(rate).any():
            populations |= {"quenched": rate <= QUENCHED, "star-forming": rate > QUENCHED}
        for population, chosen in populations.items():
            counts = np.histogram(np.log10(mass[chosen]), edges)[0]
            rows += [
                {
                    "dataset": name,
                    "kind": scores.kind_of(name),
                    "n_galaxies": mass.size,
                    "population": population,
                    "low": 10 ** edges[k],
                    "high": 10 ** edges[k + 1],
                    "number": int(counts[k]),
                    "per_dex": counts[k] / mass.size / step,
                    "per_dex_error": np.sqrt(counts[k]) / mass.size / step,
                }
                for k in range(counts.size)
            ]
    table = Table(rows=rows)
    table.meta = {"column": column, "reference": scores.reference}
    return table


def _populations(scores: Scores) -> list[str]:
    """Name the data sets of galaxies; controls carry the columns of their parents."""
    return [name for name in datasets_of(scores) if scores.kind_of(name) in (Kind.OBSERVED, Kind.SIMULATED)]


def _galaxies(scores: Scores, column: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mass and specific rate of one view of each galaxy with a mass, by data set."""
    values = {}
    for name in _populations(scores) if column in scores else ():
        mass = scores.numbers(column)
        rows = scores.first_views(np.flatnonzero(scores.held_out(name) & np.isfinite(mass) & (mass > 0)))
        if rows.size:
            has_rate = SPECIFIC_RATE in scores
            rate = scores.numbers(SPECIFIC_RATE)[rows] if has_rate else np.full(rows.size, np.nan)
            values[name] = (mass[rows], rate)
    if not values:
        raise ValueError(f"no data set has values of {column!r}; nothing to count.")
    return values


@drawing
def draw_mass_function(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the share of galaxies per dex of mass.

    Parameters
    ----------
    table : Table
        Rows of one population of `mass_function_numbers`.
    ax : Axes, optional
    """
    ax = new_axes(ax, COLUMN, 2.9)
    for name, style in table_styles(table).items():
        rows = table[(np.asarray(table["dataset"]) == name) & (np.asarray(table["number"]) > 0)]
        if not len(rows):
            continue
        middle = np.sqrt(rows["low"] * rows["high"])
        n = int(np.max(rows["n_galaxies"]))
        ax.errorbar(
            middle, rows["per_dex"], yerr=rows["per_dex_error"], color=style.color, ls=style.line,
            marker=style.marker, ms=3, capsize=1.5, label=count_label(name, n),
        )  # fmt: skip
    logarithmic(ax, "x")
    shares = np.asarray(table["per_dex"])[np.asarray(table["number"]) > 0]
    ax.set_ylim(0.3 * shares.min(), 3 * shares.max())  # an error bar that reaches zero leaves the figure
    logarithmic(ax, "y")
    ax.set_xlabel(axis_label(table.meta["column"]))
    ax.set_ylabel("share of the data set per dex")
    legend_above(ax)
    return ax


def fraction_numbers(scores: Scores) -> Table:
    """Shares of the classes of galaxies in every data set.

    Parameters
    ----------
    scores : Scores
        After `with_derived_columns`.

    Returns
    -------
    Table
        ``dataset``, ``kind``, ``group`` (class), ``n_galaxies`` of known class, ``share``, ``share_low``,
        ``share_high``: 16 and 84 % of the posterior under Jeffreys' prior.

    Raises
    ------
    ValueError
        When no class is known.
    """
    from scipy.stats import beta

    rows = []
    for group, (inside, known) in galaxy_classes(scores).items():
        for name in _populations(scores):
            chosen = scores.first_views(np.flatnonzero(scores.held_out(name) & known))
            if not chosen.size:
                continue
            k, n = int(inside[chosen].sum()), chosen.size
            low, high = beta.ppf([0.16, 0.84], k + 0.5, n - k + 0.5)
            rows.append(
                {
                    "dataset": name,
                    "kind": scores.kind_of(name),
                    "group": group,
                    "n_galaxies": n,
                    "share": k / n,
                    "share_low": min(low, k / n),
                    "share_high": max(high, k / n),
                }
            )
    if not rows:
        raise ValueError("the scores have no column that tells classes of galaxies apart.")
    table = Table(rows=rows)
    table.meta = {"reference": scores.reference}
    return table


@drawing
def draw_fractions(table: Table, ax: Axes | None = None) -> Axes:
    """Draw the share of each class in every data set.

    Parameters
    ----------
    table : Table
        From `fraction_numbers`.
    ax : Axes, optional
    """
    groups = list(dict.fromkeys(str(each) for each in table["group"]))
    ax = new_axes(ax, COLUMN * 1.4, 1.1 + 0.36 * len(groups))
    styles = table_styles(table)
    for number, (name, style) in enumerate(styles.items()):
        rows = table[np.asarray(table["dataset"]) == name]
        y = np.array([groups[::-1].index(str(each)) for each in rows["group"]], float)
        y += 0.7 * (0.5 - (number + 0.5) / len(styles))
        reach = [rows["share"] - rows["share_low"], rows["share_high"] - rows["share"]]
        ax.errorbar(
            rows["share"], y, xerr=reach, fmt=style.marker, color=style.color, ms=3, capsize=1.5, lw=1,
            label=count_label(name, int(np.max(rows["n_galaxies"]))),
        )  # fmt: skip
    ax.set_yticks(range(len(groups)), groups[::-1])
    ax.tick_params(axis="y", which="both", length=0)
    ax.yaxis.minorticks_off()
    ax.set_xlim(-0.03, 1.03)
    ax.set_xlabel("share of galaxies of known class", loc="right")
    legend_above(ax)
    return ax
