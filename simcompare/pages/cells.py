"""Tables of the page: columns by their names in words, numbers as a person writes them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Row, Table

from simcompare.comparison.answer import UNBOUNDED, number
from simcompare.comparison.report_table import FurtherTable
from simcompare.kinds import Kind
from simcompare.scores.columns import column_of

__all__ = ["DECIDING", "heading", "main_rows", "shown_table", "value_text"]

# Columns that decide, beside the name of the data set: heading, column, digits, whether an interval follows.
DECIDING = (
    ("galaxies", "n_galaxies", 0, False),
    ("structure fraction f", "structure_fraction", 2, True),
    ("z", "structure_z_weighted", 2, False),
    ("p (Holm)", "structure_p_holm", None, False),
    ("verdict", "verdict", None, False),
)
_FURTHER = (
    ("images", "n_images", 0, False),
    ("false alarms at this N", "structure_false_alarms", None, False),
    ("extrapolated", "share_extrapolated", None, False),
    ("p of the sky", "surroundings_p", None, False),
    ("Δ mean [nats]", "delta_mean", 1, True),
    ("Δ median [nats]", "delta_median", 1, True),
    ("p of Δ mean (Holm)", "p_holm", None, False),
    ("AUC", "auc", 2, True),
    ("KS distance", "ks", 2, True),
    ("Wasserstein distance [nats]", "wasserstein", 1, True),
    ("overlap", "overlap", 2, True),
    ("below 2.5% of real", "fraction_below_2p5", None, False),
    ("above 97.5% of real", "fraction_above_97p5", None, False),
    ("detectable Δ [nats]", "min_detectable", 1, False),
    ("Δ raw log-likelihood [nats]", "delta_log_prob", 1, True),
)
_SHARES = (
    "share", "fraction_below", "fraction_above", "fraction_outside", "false_alarms", "holds_1", "power",
    "probability", "predicted", "observed", "structure_false_alarms",
)  # fmt: skip
_HEADINGS = {
    "dataset": "data set",
    "n_galaxies": "galaxies",
    "n_images": "images",
    "n_reference": "real galaxies",
    "n_pairs": "pairs",
    "n_parts": "parts of the box",
    "n_real_patches": "patches of real sky",
    "n_patches": "patches of mock sky",
    "n": "number",
    "noise_ratio": "noise, mock / real",
    "ks_pixels": "KS distance of pixels",
    "adjacent_real": "neighbour correlation, real",
    "adjacent": "neighbour correlation, mock",
    "sky_auc": "classifier AUC of the sky",
    "sky_ks_p": "p (KS) of the sky",
    "sky_passed": "sky passes",
    "sky_unclear": "unclear",
    "most_different": "most different in",
    "ks_psf_fwhm": "KS distance of seeing",
    "ks_mag": "KS distance of magnitude",
    "ks_half_light_radius": "KS distance of half-light radius",
    "name": "scale or band",
    "structure_z_weighted": "z",
    "structure_fraction": "structure fraction f",
    "p_value": "p",
    "p_holm": "p (Holm)",
    "fraction": "structure fraction f",
    "fraction_matched": "structure fraction f",
    "fraction_adjusted": "structure fraction f",
    "fraction_jackknife": "structure fraction f",
    "delta_fraction": "f, first minus second",
    "fraction_end_error": "error of the ends of f",
    "z_end_error": "error of the ends of z",
    "holds_1": "intervals that hold 1",
    "n_sets": "sets drawn",
    "n_first": "galaxies of the first",
    "n_second": "galaxies of the second",
    "change": "change by this step",
    "change_nats": "change [nats]",
    "shift_nats": "shift [nats]",
    "delta_plain": "plain difference",
    "delta_adjusted": "adjusted difference",
    "delta_matched": "matched difference",
    "delta_jackknife": "difference",
    "delta_mean": "difference of means",
    "delta": "first minus second",
    "share_extrapolated": "extrapolated",
    "imbalance_before": "imbalance before",
    "imbalance_after": "imbalance after",
    "difference_before": "difference before",
    "difference_after": "difference after",
    "ks_before": "KS before",
    "ks_after": "KS after",
    "column": "property",
    "first": "first simulation",
    "second": "second simulation",
    "mean_residual": "mean residual",
    "share_below_5": "share with p < 0.05",
    "false_alarms": "false alarms",
    "defect": "defect tried",
    "predicted": "predicted share",
    "observed": "observed share",
    "low": "from",
    "high": "to",
    "tau": "Kendall's τ",
    "slope": "change per step",
    "to_real": "difference to real",
    "mean_difference": "mean difference",
    "rank": "rank",
}
_LEFT_TO_THE_FILE = ("n_drawn", "null_95")
_P_VALUES = ("p_value", "p_holm", "ks_p", "structure_p", "surroundings_p")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LIMIT = 1e-4  # smaller p-values are written as "< 0.0001"


@dataclass(frozen=True)
class ShownTable:
    """A table as the template wants it.

    Parameters
    ----------
    title, note : str
    anchor : str
        Its place on the page.
    heads : list of str
    rows : list of list of dict
        Cells: ``text``, and ``range``, which is empty where there is no interval.
    """

    title: str
    note: str
    anchor: str
    heads: list[str]
    rows: list[list[dict]]


def heading(name: str) -> str:
    """Heading of a column in words."""
    return _HEADINGS.get(name) or column_of(name).label or name.replace("_", " ")


def value_text(value: object, name: str, digits: int | None = None) -> str:
    """Write a value as a person would: no nan, no minus zero, no exponent.

    Parameters
    ----------
    value : str, bool, int or float
    name : str
        Column, which tells a probability or a share from other numbers.
    digits : int, optional
        Decimal places; default three significant digits.

    Returns
    -------
    str
        Empty where there is no value.
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if not isinstance(value, float | np.floating):
        return _word(str(value))
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return UNBOUNDED
    if name in _P_VALUES or name.endswith(("_p", "_p_holm")):
        return f"< {_LIMIT:.4f}" if value < _LIMIT else _p_value(value)
    if name.startswith(_SHARES):
        return _percent(value)
    if digits is not None:
        return number(value, digits)
    return _three_digits(value, may_be_tiny=name in ("low", "high"))


def _p_value(value: float) -> str:
    """Write a p-value with two significant digits."""
    text = number(value, 1 - _power(value))
    return text.rstrip("0").rstrip(".") if float(text) >= 1 else text


def _word(text: str) -> str:
    """Text of a cell; the name of a column becomes its label."""
    if text in ("N/A", "--", "nan", "None"):
        return ""  # a blank, read back
    column = column_of(text)
    return column.label if "_" in text and column.meaning and column.label else text


def _power(value: float) -> int:
    """Power of ten of the first digit, at most 0."""
    return min(0, int(np.floor(np.log10(abs(value))))) if value else 0


def _percent(value: float) -> str:
    """Write a share; small ones with one decimal place."""
    if 0 < value < 0.0005:
        return "< 0.1%"
    return f"{number(100 * value, 0 if value >= 0.1 or value == 0 else 1)}%"


def _three_digits(value: float, *, may_be_tiny: bool) -> str:
    """Write a number with three significant digits, powers of ten only for masses and the like."""
    size = abs(value)
    if size >= 1e6 or (may_be_tiny and 1e-15 < size < 1e-4):
        power = int(np.floor(np.log10(size)))
        return (
            f"{number(value / 10.0**power, 1)} \N{MULTIPLICATION SIGN} 10{str(power).translate(_SUPERSCRIPT)}"
        )
    if size < 5e-5:
        return "0"
    return number(value, int(np.clip(2 - np.floor(np.log10(size)), 0, 4)))


def _interval(row: Row, ends: Sequence[str], name: str, digits: int | None) -> str:
    """Interval below a value; empty where it is not known."""
    bounds = [float(row[end]) for end in ends]
    if np.isnan(bounds).any():
        return ""
    if np.isinf(bounds).any():
        return UNBOUNDED
    return " to ".join(value_text(bound, name, digits) for bound in bounds)


def main_rows(table: Table, *, every: bool = False) -> tuple[list[str], list[dict]]:
    """Headings and rows of the headline table.

    Parameters
    ----------
    table : Table
        From `simcompare.comparison.headline.compare`.
    every : bool
        All columns rather than those that decide.

    Returns
    -------
    heads : list of str
    rows : list of dict
        ``name``, ``anchor``, ``cells``, and whether it is a ``control``.
    """
    columns = [each for each in DECIDING + (_FURTHER if every else ()) if each[1] in table.colnames]
    rows = []
    for place, row in enumerate(table):
        cells = []
        for _, name, digits, has_interval in columns:
            interval = _interval(row, (f"{name}_low", f"{name}_high"), name, digits) if has_interval else ""
            cells.append({"text": value_text(row[name], name, digits), "range": interval})
        control = row["kind"] != Kind.SIMULATED
        rows.append(
            {"name": str(row["dataset"]), "anchor": f"row-{place}", "cells": cells, "control": control}
        )
    return ["data set", *(head for head, *_ in columns)], rows


def shown_table(further: FurtherTable) -> ShownTable:
    """Prepare a further table: interval ends below their value, no blank columns, equal ones in the note."""
    table, anchor = further.table, f"table-{further.name}"
    if table is None or not len(table):
        return ShownTable(further.title, further.note, anchor, [], [])
    names = [name for name in table.colnames if not name.endswith(("_low", "_high", "_error"))]
    names = [name for name in names if name not in _LEFT_TO_THE_FILE]
    if "value" in names:  # low and high are the ends of its interval
        names = [name for name in names if name not in ("low", "high")]
    texts = {name: [value_text(value, name) for value in table[name]] for name in names}
    names = [name for name in names if any(texts[name])]
    if "column" in names and texts["column"] == texts.get("score"):
        names.remove("column")  # its name in words is the score's
    equal = [name for name in names[1:] if len(table) > 2 and len(set(texts[name])) == 1]
    names = [name for name in names if name not in equal]
    same = "; ".join(f"{heading(name)} {texts[name][0]}" for name in equal)
    note = f"{further.note} In all rows: {same}." if equal else further.note
    note = f"{note} All columns: tables/{further.name}.ecsv.".strip()
    rows = [
        [{"text": texts[name][k], "range": _range_of(row, name)} for name in names]
        for k, row in enumerate(table)
    ]
    return ShownTable(further.title, note, anchor, [heading(name) for name in names], rows)


def _range_of(row: Row, name: str) -> str:
    """Interval of a value of a further table, where it has one."""
    ends = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    return _interval(row, ends, name, None) if set(ends) <= set(row.colnames) else ""
