"""What all figures share: widths, fonts, legends, axes, files."""

import functools
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.resources import as_file, files
from pathlib import Path
from textwrap import fill
from typing import ParamSpec, TypeVar

import matplotlib
import matplotlib.style
import numpy as np
from astropy.table import Table
from fontTools import subset
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from simcompare.figures.dataset_styles import table_styles
from simcompare.runs.files import atomic_path
from simcompare.runs.tables import write_table

__all__ = [
    "COLUMN",
    "PAGE",
    "ShownFigure",
    "new_axes",
    "new_figure",
    "save_figure",
    "style",
    "styled",
]

COLUMN, PAGE = 3.3, 7.0  # widths of one column and of the text [inch]

RULES = ("GSUB", "GPOS", "GDEF", "BASE", "MATH", "kern")  # tables of a font by which text is composed

_MOST_TICKS = 4
_LETTERS = 16  # of a legend that fit into an inch
_HANDLE = 4  # letters that the line or marker beside an entry takes

P = ParamSpec("P")
T = TypeVar("T")

_TIMES = {"font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 9}
_LOOKS: dict[str, tuple[float, Mapping[str, object]]] = {
    "report": (1.0, {}),
    "aas": (3.35 / COLUMN, _TIMES | {"font.size": 8.5}),
    "mnras": (1.0, _TIMES),
    "talk": (2.0, {"font.size": 16}),
}
_LOOK: ContextVar[str] = ContextVar("look", default="report")
_WIDTH: ContextVar[float | None] = ContextVar("width", default=None)  # of new figures [inch]


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw every figure made inside for a journal or a talk: width, font and size of letters.

    Parameters
    ----------
    name : str
        "report", the default; "aas" (columns of 3.35 inch) and "mnras" (3.3), with letters like Times; or
        "talk", everything twice as large.

    Raises
    ------
    ValueError
        For another name.
    """
    if name not in _LOOKS:
        raise ValueError(f"style {name!r} is unknown; choose from {', '.join(_LOOKS)}.")
    before = _LOOK.set(name)
    try:
        yield
    finally:
        _LOOK.reset(before)


def _settings() -> dict[str, object]:
    """Give matplotlib's settings: the publication style, larger for a talk, in the font of a journal."""
    with as_file(files("simcompare") / "data" / "simcompare.mplstyle") as path:
        settings = dict(matplotlib.rc_params_from_file(path, use_default_template=False))
    factor, own = _LOOKS[_LOOK.get()]
    if factor > 1.5:
        for name, value in settings.items():
            if name.endswith(("width", "markersize")):
                settings[name] = factor * value
    return settings | dict(own)


def styled(function: Callable[P, T]) -> Callable[P, T]:
    """Run a drawing function under the publication style, leaving the global settings alone."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> T:
        # Whatever matplotlibrc lies where the command is given: one may even call LaTeX.
        with matplotlib.style.context(_settings(), after_reset=True):
            return function(*args, **kwargs)

    return inside


class ShownFigure(Figure):
    """Figure that a notebook shows, also where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        """Give the picture that a notebook shows."""
        packed = io.BytesIO()
        with matplotlib.rc_context({"savefig.facecolor": "white"}):
            self.savefig(packed, format="png", dpi=110)
        return packed.getvalue()


def new_axes(ax: Axes | None, width: float = COLUMN, height: float = 2.7) -> Axes:
    """Return the axes given, or axes of a new figure that no global register holds.

    Parameters
    ----------
    ax : Axes, optional
    width, height : float
        Of a new figure [inch].
    """
    if ax is not None:
        return ax
    return new_figure(width, height).add_subplot()


def _factor() -> float:
    """Give how much larger figures are than in the report."""
    return _LOOKS[_LOOK.get()][0]


def new_figure(width: float, height: float) -> ShownFigure:
    """Make a figure that no global register holds.

    Parameters
    ----------
    width, height : float
        In the look of the report [inch]. In others a figure is larger; and as wide as asked for.
    """
    width, height = _factor() * width, _factor() * height
    asked = _WIDTH.get() or width
    figure = ShownFigure(figsize=(asked, height * max(1.0, asked / width)))
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def new_width(width: float | None) -> Iterator[None]:
    """Make figures of this width [inch] inside; None: as wide as before."""
    before = _WIDTH.set(width or _WIDTH.get())
    try:
        yield
    finally:
        _WIDTH.reset(before)


def panels_across(most: int, minimum: float = 1.5) -> int:
    """Count the panels of a minimum width [inch] that new figures as wide as a page have side by side."""
    asked = (_WIDTH.get() or PAGE * _factor()) / _factor()
    return max(1, min(most, int(asked / minimum)))


@styled
def save_figure(
    figure: Figure, table: Table | None, folder: str | os.PathLike, name: str, *, description: str = ""
) -> list[Path]:
    """Write a figure as PDF and PNG, and the numbers it shows as ECSV beside them.

    Parameters
    ----------
    figure : Figure
    table : Table or None
        The numbers drawn.
    folder : path-like
        Made when it does not exist.
    name : str
        File name without ending.
    description : str
        What is seen, for readers without sight; kept in the PNG.

    Returns
    -------
    list of Path
        The files written, PNG first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{name}.{ending}" for ending in ("png", "pdf")]
    dpi, figure.dpi = figure.dpi, matplotlib.rcParams["savefig.dpi"]
    if table is not None:
        _spell_out(figure, table)
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
    # The canvases draw once each, where figure.savefig draws twice to lay out again what is laid out.
    with atomic_path(written[0]) as path:
        about = {"Software": None, "Description": description or None}
        FigureCanvasAgg(figure).print_png(path, metadata=about)
    with atomic_path(written[1]) as path, _fonts_without_rules():
        FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None})
    FigureCanvasAgg(figure)
    figure.dpi = dpi
    if table is not None:
        write_table(table, folder / f"{name}.ecsv")
        written.append(folder / f"{name}.ecsv")
    return written


@contextmanager
def _fonts_without_rules() -> Iterator[None]:
    """Embed fonts without the rules that matplotlib has followed already: half the time of a PDF."""
    usual = subset.Options._drop_tables_default  # the one way in: matplotlib makes the options itself
    subset.Options._drop_tables_default = [*usual, *RULES]
    try:
        yield
    finally:
        subset.Options._drop_tables_default = usual


def _spell_out(figure: Figure, table: Table) -> None:
    """Draw names of data sets and galaxies that hold a dollar sign as they are, not as formulae."""
    words = [str(each) for each in table.meta.values()]
    texts = [table[name] for name in table.colnames if table[name].dtype.kind == "U"]
    words += [word for column in texts for word in np.unique(column).tolist()]
    names = ["".join(word.split()) for word in words if "$" in word]
    for text in figure.findobj(Text) if names else ():
        written = "".join(text.get_text().split())
        text.set_parse_math(not any(name in written for name in names))


def entry_of(name: str) -> str:
    """Return the name as a legend shows it, which leaves out what begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


def count_label(name: str, n_galaxies: int, n_images: int | None = None) -> str:
    """Legend entry: the data set and how many galaxies (and images, where they are more) it has."""
    name = entry_of(name)
    if n_images is None or n_images == n_galaxies:
        return f"{name}  ({n_galaxies})"
    return f"{name}  ({n_galaxies}; {n_images} images)"


def legend_above(ax: Axes) -> None:
    """Put the legend above the axes, where it hides no data, in as many columns as there is room for."""
    handles, entries = ax.get_legend_handles_labels()
    look = {"title": "galaxies in brackets", "alignment": "left", "columnspacing": 1.0}
    if isinstance(ax.figure, ShownFigure) and ax.figure.axes == [ax]:  # the whole width is ours
        columns = legend_columns(ax.figure, entries)
        ax.figure.legend(handles, entries, loc="outside upper left", ncols=columns, **look)
    else:
        columns = 2 if len(entries) > 2 and max(map(len, entries)) <= 21 else 1
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2, ncols=columns, **look)


def wrapped(text: str, inches: float) -> str:
    """Break a text into lines that fit into a width [inch]."""
    return fill(
        text, max(12, int(_LETTERS * inches / _factor())), break_long_words=False, break_on_hyphens=False
    )


def legend_columns(figure: Figure, entries: Sequence[str]) -> int:
    """Count the columns of a legend that fit into the width of a figure."""
    letters = _LETTERS * figure.get_figwidth() / _factor()
    return max(1, min(4, len(entries), int(letters // (max(map(len, entries)) + _HANDLE))))


def logarithmic(ax: Axes, axis: str) -> None:
    """Make an axis ("x" or "y") logarithmic, with few and short tick labels."""
    getattr(ax, f"set_{axis}scale")("log")
    low, high = sorted(getattr(ax, f"get_{axis}lim")())
    one = getattr(ax, f"{axis}axis")
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [
            step * 10.0**k
            for k in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
            for step in steps
        ]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= _MOST_TICKS:
            break
    if len(ticks) > _MOST_TICKS:
        return  # many decades: matplotlib's own choice
    one.set_major_locator(FixedLocator(ticks) if len(ticks) > 1 else MaxNLocator(_MOST_TICKS - 1))
    one.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    one.set_minor_formatter(NullFormatter())


def _power(value: float) -> str:
    """Write a round number plainly, or with a power of ten where that is shorter."""
    if value <= 0 or 1e-3 <= value < 1e4:  # ticks made for a short stretch may begin at zero
        return f"{value:g}"
    power = int(np.floor(np.log10(value) + 1e-9))
    leading = f"{value / 10.0**power:.2g}"
    return rf"$10^{{{power}}}$" if leading == "1" else rf"${leading}{{\times}}10^{{{power}}}$"


def draw_steps(ax: Axes, table: Table) -> None:
    """Draw the histogram (``low``, ``high``, ``share``) of each data set of a table."""
    for name, style in table_styles(table).items():
        rows = table[np.asarray(table["dataset"]) == name]
        edges = np.append(rows["low"], rows["high"][-1])
        label = count_label(name, rows["n_galaxies"][0])
        ax.stairs(rows["share"], edges, color=style.color, ls=style.line, label=label, lw=1.1)


def step_rows(values: np.ndarray, edges: np.ndarray, **common: str | int) -> list[dict]:
    """Rows of a data set for ``draw_steps``: what they have in common, and its share in each bin."""
    share = np.histogram(values, edges)[0] / max(values.size, 1)
    return [
        common | {"low": low, "high": high, "share": float(part)}
        for low, high, part in zip(edges[:-1], edges[1:], share, strict=True)
    ]
