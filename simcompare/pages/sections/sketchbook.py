"""Where drawn figures are kept: files beside each other, entries of the report."""

import logging
from collections.abc import Callable
from pathlib import Path

from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simcompare.figures.descriptions import described
from simcompare.figures.looks import save_figure
from simcompare.pages.page import ReportFigure
from simcompare.runs.ledger import Ledger
from simcompare.runs.names import file_name

__all__ = ["Sketchbook"]

logger = logging.getLogger(__name__)


class Sketchbook:
    """Figures drawn so far.

    Parameters
    ----------
    folder : Path
        Where PNG, PDF and ECSV go.
    done : Ledger, optional
        Of the folder around it: figures that are finished already, and those drawn now.
    """

    def __init__(self, folder: Path, done: Ledger | None = None) -> None:
        self.folder, self.done = folder, done
        self.figures: list[ReportFigure] = []
        self.section = "scores"  # section of the next figures

    def draw(
        self,
        name: str,
        title: str,
        caption: str,
        make: Table | Callable[[], Table],
        function: Callable[[Table], Axes | Figure],
        *,
        wide: bool = False,
    ) -> None:
        """Draw one figure; where the data do not allow it, say so in the log and go on.

        Parameters
        ----------
        name : str
            File name without ending.
        title, caption : str
        make : Table or callable
            The numbers, or what makes them; a `ValueError` of it leaves the figure out.
        function : callable
            Draws the numbers.
        wide : bool
            Whether it takes the width of the page.
        """
        name = file_name(name)
        entry = ReportFigure(name, title, caption, self.folder / f"{name}.png", wide, self.section)
        files = [f"{self.folder.name}/{name}.{ending}" for ending in ("png", "pdf", "ecsv")]
        if self.done is not None and self.done.has(*files):
            self.figures.append(entry)
            return
        try:
            table = make if isinstance(make, Table) else make()
        except ValueError as error:
            logger.info("figure '%s' skipped: %s", name, error)
            return
        drawing = function(table)
        figure = drawing if isinstance(drawing, Figure) else drawing.figure
        save_figure(figure, table, self.folder, name, description=described(table))
        self.figures.append(entry)
        if self.done is not None:
            self.done.record(*files)
