"""What a figure shows, in a sentence, for readers who cannot see it."""

from collections.abc import Callable

import numpy as np
from astropy.table import Table

from simcompare.figures.dataset_styles import order_of
from simcompare.scores.columns import column_of

__all__ = ["described"]

_MOST = 10  # data sets or panels spelled out


def described(table: Table) -> str:
    """Say what the figure of some numbers shows.

    Parameters
    ----------
    table : Table
        The numbers drawn.

    Returns
    -------
    str
        Values by data set where there is one that sums it up; else what is compared.
    """
    columns = set(table.colnames)
    if "panel" in columns:
        return _of_panels(table)
    for needed, describe in _DESCRIBED:
        if needed <= columns and len(table):
            return describe(table)
    return f"Shown: {_listed(order_of(table))}." if "dataset" in columns and len(table) else ""


def _listed(items: list[str]) -> str:
    """Words in a row, the last of many left out."""
    rest = len(items) - _MOST
    return ", ".join(items[:_MOST]) + (f" and {rest} more" if rest > 0 else "")


def _by_dataset(table: Table, text: Callable) -> str:
    """Join a phrase for the first row of each data set."""
    names = np.asarray(table["dataset"]).tolist()
    return _listed([f"{name} {text(table[names.index(name)])}" for name in order_of(table)])


def _forest(table: Table) -> str:
    def text(row) -> str:
        ends = [row["structure_fraction_low"], row["structure_fraction_high"]]
        interval = f" ({ends[0]:.2f} to {ends[1]:.2f})" if np.isfinite(ends).all() else ""
        value = row["structure_fraction"]
        return f"{value:.2f}{interval}, {row['verdict']}" if np.isfinite(value) else str(row["verdict"])

    return f"Structure fraction with 95% interval: {_by_dataset(table, text)}."


def _density(table: Table) -> str:
    label = column_of(table.meta.get("column", "")).label or "value"
    medians = _by_dataset(table, lambda row: f"{row['median']:.3g}")
    return f"Median {label}: {medians}."


def _roc(table: Table) -> str:
    areas = _by_dataset(table, lambda row: f"{row['auc']:.2f}")
    return f"Area under the curve: {areas}."


def _null(table: Table) -> str:
    is_null = np.asarray(table["role"]) == "null"
    width = np.nanquantile(np.abs(np.asarray(table["delta_mean"], float)[is_null]), 0.95)
    claims = "" if is_null.all() else _by_dataset(table[~is_null], lambda row: f"{row['delta_mean']:+.3g}")
    return f"95% of random halves differ by less than {width:.3g}. Differences found: {claims or 'none'}."


def _gallery(table: Table) -> str:
    groups, names = order_of(table, "group"), _listed(order_of(table))
    return f"{len(table)} images of galaxies: {names}; columns: {_listed(groups)}."


def _fractions(table: Table) -> str:
    return f"Shares of {_listed(order_of(table, 'group'))} in {_listed(order_of(table))}."


def _training(table: Table) -> str:
    losses = [f"{name} {table[name][-1]:.4g}" for name in ("train", "validation")]
    return f"{len(table)} epochs; loss at the last: {', '.join(losses)}."


def _budget(table: Table) -> str:
    return f"Galaxies {_listed(order_of(table, 'galaxy_id'))} of {table['dataset'][0]}."


def _of_panels(table: Table) -> str:
    titles = [title.removeprefix("_") for title in order_of(table, "panel")]
    words = [(column_of(title).label or title).strip(": ") for title in titles]
    names = f"; data sets: {_listed(order_of(table))}" if "dataset" in table.colnames else ""
    return f"Panels: {_listed(words)}{names}."


_DESCRIBED: tuple[tuple[set[str], Callable[[Table], str]], ...] = (
    ({"structure_fraction", "verdict"}, _forest),
    ({"real_below", "auc"}, _roc),
    ({"role", "delta_mean"}, _null),
    ({"density", "median"}, _density),
    ({"group", "image_index"}, _gallery),
    ({"group", "share"}, _fractions),
    ({"epoch", "train", "validation"}, _training),
    ({"scale_name", "ratio", "galaxy_id"}, _budget),
)
