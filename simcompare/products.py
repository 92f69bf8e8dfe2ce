"""What the verbs return in Python where the command line writes files: comparisons, nulls, pages."""

import os
import webbrowser
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from simcompare.commands.browse import browse_run
from simcompare.commands.compare import compare_runs, main_columns
from simcompare.commands.nulls import make_nulls
from simcompare.commands.report import report_run
from simcompare.comparison.answer import answer
from simcompare.comparison.report_table import FurtherTable, read_further
from simcompare.pages.browse_server import BrowseServer
from simcompare.runs.tables import readable
from simcompare.settings import BrowseSettings, CompareSettings, NullsSettings, ReportSettings

__all__ = ["Comparison", "Nulls", "Page", "browse", "compare", "nulls", "report"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Data sets compared with real galaxies.

    Parameters
    ----------
    table : Table
        One row for each data set, best first, see `simcompare.comparison.headline.compare`.
    further : tuple of FurtherTable
        Matched and adjusted differences, tests of features, nulls, ...
    """

    table: Table
    further: tuple[FurtherTable, ...] = ()

    @property
    def reference(self) -> str:
        """Data set of real galaxies."""
        return str(self.table.meta["reference"])

    @property
    def answer(self) -> str:
        """How realistic the data sets are, in words."""
        return answer(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, dataset: str) -> Table.Row:
        """Row of a data set."""
        rows = np.flatnonzero(np.asarray(self.table["dataset"]) == dataset)
        if not rows.size:
            raise KeyError(f"no data set {dataset!r}; there are {', '.join(map(str, self.table['dataset']))}")
        return self.table[int(rows[0])]

    def __repr__(self) -> str:
        return f"<Comparison with {self.reference}: {', '.join(map(str, self.table['dataset']))}>"

    def __str__(self) -> str:
        return "\n".join(
            [self.answer, *readable(main_columns(self.table)).pformat(max_width=-1, max_lines=-1)]
        )

    def _repr_html_(self) -> str:
        shown = readable(main_columns(self.table))
        shown["caution"] = [escape(str(text)) for text in self.table["caution"]]
        lines = shown.pformat(max_width=-1, max_lines=-1, html=True, show_unit=False)
        return f"<p>{escape(self.answer)}</p>" + "\n".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """Draw the difference of every data set to real galaxies with its interval.

        Parameters
        ----------
        ax : Axes, optional

        Returns
        -------
        Axes
        """
        from simcompare.figures import draw_forest

        return draw_forest(self.table, ax)


@dataclass(frozen=True, eq=False, repr=False)
class Nulls:
    """What training again changes where nothing should change.

    Parameters
    ----------
    tables : tuple of FurtherTable
        Seeds, pixel transforms, halves.
    """

    tables: tuple[FurtherTable, ...]

    def __repr__(self) -> str:
        return f"<Nulls: {', '.join(each.title for each in self.tables)}>"


@dataclass(frozen=True, eq=False)
class Page(os.PathLike):
    """A page to look at.

    Parameters
    ----------
    path : pathlib.Path
        HTML file that needs no other.
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        return f'<a href="{escape(self.path.absolute().as_uri())}">{escape(self.path.name)}</a>'

    def show(self) -> None:
        """Open it in a browser."""
        webbrowser.open(self.path.absolute().as_uri())


def compare(settings: CompareSettings) -> Comparison:
    """Compare score runs, see `simcompare.commands.compare.compare_runs`."""
    table = compare_runs(settings)
    return Comparison(table, tuple(read_further(settings.out / "tables")))


def nulls(settings: NullsSettings) -> Nulls:
    """Train again, see `simcompare.commands.nulls.make_nulls`."""
    return Nulls(tuple(make_nulls(settings)))


def report(settings: ReportSettings) -> Page:
    """Write the page of a comparison, see `simcompare.commands.report.report_run`."""
    return Page(report_run(settings))


def browse(settings: BrowseSettings) -> Page | BrowseServer:
    """Write the page of a run or make its server, see `simcompare.commands.browse.browse_run`."""
    product = browse_run(settings)
    return Page(product) if isinstance(product, Path) else product
