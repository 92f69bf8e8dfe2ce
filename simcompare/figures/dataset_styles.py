"""Colour, line and marker of each data set, the same in every figure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType
from zlib import crc32

import numpy as np
from astropy.table import Table

from simcompare.kinds import Kind

__all__ = [
    "DatasetStyle",
    "colored",
    "fixed_styles",
    "names_and_kinds",
    "order_of",
    "styles_of",
    "table_styles",
]

OBSERVED, CONTROL = "#000000", "#7f7f7f"
# Okabe and Ito's colours, then Tol's "muted" ones: distinct for all common kinds of colour vision.
_KNOWN = {
    "tng50": "#0072B2",
    "tng100": "#56B4E9",
    "tng300": "#332288",
    "illustris": "#E69F00",
    "eagle": "#009E73",
    "horizon": "#CC79A7",
    "simba": "#D55E00",
    "magneticum": "#882255",
    "camels": "#999933",
    "colibre": "#44AA99",
    "newhorizon": "#AA4499",
}
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#332288", "#999933", "#882255")
_LINES = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)), (0, (2, 1)))
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")


@dataclass(frozen=True)
class DatasetStyle:
    """How one data set is drawn in every figure."""

    color: str
    line: str | tuple
    marker: str


_FIXED: ContextVar[Mapping[str, DatasetStyle]] = ContextVar("styles", default=MappingProxyType({}))


def styles_of(names: Iterable[str], kinds: Iterable[str] | None = None) -> dict[str, DatasetStyle]:
    """Colour, line and marker of each data set.

    A simulation that is known by name always has the same colour. Others take one by their name, and the next
    free one when it is taken. Data sets of one colour differ in line and marker. Those of `fixed_styles` keep
    theirs.

    Parameters
    ----------
    names : iterable of str
        Data sets.
    kinds : iterable of str, optional
        Kind of each: observed ones are black, twins and nulls grey.
    """
    names = list(names)
    kinds = dict(zip(names, kinds, strict=True)) if kinds is not None else {}
    styles = dict(_FIXED.get())
    used = Counter(style.color for style in styles.values())
    for name in sorted(set(names) - styles.keys()):
        kind = kinds.get(name, Kind.SIMULATED)
        if kind == Kind.OBSERVED:
            color = OBSERVED
        elif kind != Kind.SIMULATED:
            color = CONTROL
        else:
            color = _simulation_color(name, set(used))
        styles[name] = DatasetStyle(
            color, _LINES[used[color] % len(_LINES)], _MARKERS[used[color] % len(_MARKERS)]
        )
        used[color] += 1
    return {name: styles[name] for name in names}


@contextmanager
def fixed_styles(names: Iterable[str], kinds: Iterable[str]) -> Iterator[None]:
    """Draw these data sets alike in every figure made inside, whichever of them it shows.

    Parameters
    ----------
    names, kinds : iterable of str
        As for `styles_of`; styles that are fixed already stay.
    """
    before = _FIXED.set(_FIXED.get() | styles_of(names, kinds))
    try:
        yield
    finally:
        _FIXED.reset(before)


@contextmanager
def colored(table: Table, colors: Mapping[str, str], labels: Mapping[str, str]) -> Iterator[None]:
    """Draw the data sets of a table in these colours, and under other names as under their own.

    Parameters
    ----------
    table : Table
    colors, labels : mapping of str to str
        By the names in the table.
    """
    styles = table_styles(table) if {"dataset", "kind"} <= set(table.colnames) else {}
    named = {
        labels.get(name, name): replace(look, color=colors.get(name, look.color))
        for name, look in styles.items()
    }
    before = _FIXED.set(_FIXED.get() | named)
    try:
        yield
    finally:
        _FIXED.reset(before)


def _simulation_color(name: str, taken: set[str]) -> str:
    """Colour of a simulation."""
    letters = "".join(letter for letter in name.lower() if letter.isalnum())
    for start, color in _KNOWN.items():
        if letters.startswith(start):
            return color
    first = crc32(name.encode()) % len(_PALETTE)
    order = _PALETTE[first:] + _PALETTE[:first]
    return next((color for color in order if color not in taken), order[0])


def table_styles(table: Table) -> dict[str, DatasetStyle]:
    """Style of each data set of a table with a ``kind``, in order of appearance."""
    return styles_of(*names_and_kinds(table))


def names_and_kinds(table: Table) -> tuple[list[str], list[str]]:
    """List the data sets of a table, in order of appearance, and the ``kind`` of each."""
    names, first = np.unique(np.asarray(table["dataset"]), return_index=True)
    order = np.argsort(first)
    return names[order].tolist(), [str(table["kind"][k]) for k in first[order]]


def order_of(table: Table, column: str = "dataset") -> Sequence[str]:
    """Values of a column in order of first appearance."""
    return list(dict.fromkeys(str(value) for value in table[column]))
