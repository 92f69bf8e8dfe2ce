"""One self-contained page that answers the question, and the same content for machines."""

import base64
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from astropy.table import Table
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from simcompare import __version__
from simcompare.comparison.answer import answer, null_lines
from simcompare.comparison.report_table import FurtherTable, as_json
from simcompare.pages.cards import cards_of
from simcompare.pages.cells import main_rows, shown_table
from simcompare.pages.citations import Citations, short_reference
from simcompare.runs.files import write_text
from simcompare.runs.names import file_name
from simcompare.runs.tables import plain
from simcompare.scores.columns import column_of

__all__ = ["ReportFigure", "cautions", "closely", "report_content", "write_report"]

# Sections of figures in the order of the page: name, title, what the folded figures are called.
SECTIONS = (
    ("galaxies", "Galaxies", "More images, maps and profiles"),
    ("scores", "Distributions of the scores", "More distributions"),
    ("properties", "Scores against properties", "More properties"),
    ("checks", "Checks of the mocks and the model", "More checks"),
)
FIRST = "difference"  # figure beside the answer
_DPI = 220.0  # for a figure that does not state it
_COLUMN = 5.0  # inch; wider figures may be scrolled on a phone


@dataclass(frozen=True)
class ReportFigure:
    """One figure of the report.

    Parameters
    ----------
    name : str
        File name without ending.
    title, caption : str
        What it shows, and how to read it.
    path : Path
        PNG file, embedded in the page.
    wide : bool
        Whether it takes the width of the page.
    section : str
        Name of its section, see `SECTIONS`.
    """

    name: str
    title: str
    caption: str
    path: Path
    wide: bool = False
    section: str = "scores"


def closely(dataset: str) -> str:
    """Name of the figure that looks closely at galaxies of a data set."""
    return f"panels_{''.join(letter if letter.isalnum() else '-' for letter in dataset)}"


def cautions(table: Table) -> list[tuple[str, str]]:
    """Name and doubts of each row that has some."""
    return [(str(row["dataset"]), str(row["caution"])) for row in table if str(row["caution"])]


def report_content(
    comparison: Table,
    figures: Sequence[ReportFigure],
    further: Sequence[FurtherTable] = (),
    *,
    toy: bool = False,
    provenance: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    citations: Citations | None = None,
) -> dict:
    """Say what a report says, machine-readable.

    Parameters
    ----------
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    figures : sequence of ReportFigure
        In the order shown.
    further : sequence of FurtherTable
        Tables beside the headline, see `simcompare.comparison.further_tables.further_tables`.
    toy : bool
        Show the banner that these are toy data.
    provenance : mapping of str to anything
        Sections of what was run: configuration, versions, seeds, hashes.
    notes : sequence of str
        Paragraphs below the answer.
    citations : Citations, optional
        Papers and acknowledgements of what the run used, see `simcompare.commands.cite.cite_run`.
    """
    return {
        "schema": "simcompare.report/1",
        "title": "How realistic are these simulated galaxies?",
        "toy": toy,
        "version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "notes": list(notes),
        **_results(comparison, figures, further),
        "citations": plain(citations) if citations is not None else None,
        "provenance": plain(dict(provenance or {})),
    }


def write_report(
    folder: str | os.PathLike,
    content: Mapping[str, Any],
    comparison: Table,
    figures: Sequence[ReportFigure],
    further: Sequence[FurtherTable] = (),
    *,
    citations: Citations | None = None,
    pictures: Mapping[str, bytes] | None = None,
    scatter: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html`` and ``report.json``.

    Parameters
    ----------
    folder : path-like
        Made when it does not exist.
    content : mapping
        From `report_content`, of the same comparison, figures, tables and citations.
    comparison, figures, further, citations
        As there.
    pictures : mapping of str to bytes, optional
        Example images of the data sets as PNG, see `simcompare.pages.cards.example_pictures`.
    scatter : mapping, optional
        Points of the interactive scatter, see `simcompare.pages.scatter.scatter_data`.

    Returns
    -------
    Path
        The page: one file that needs no other and no network.

    Raises
    ------
    FileNotFoundError
        When a figure file is missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [str(figure.path) for figure in figures if not Path(figure.path).is_file()]
    if missing:
        raise FileNotFoundError(f"figure files not found: {', '.join(missing)}; draw the figures first.")
    write_text(folder / "report.json", json.dumps(content, indent=1, allow_nan=False))
    page = _rendered(
        content, comparison, folder, figures, further, citations, pictures=pictures or {}, scatter=scatter
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _results(comparison: Table, figures: Sequence[ReportFigure], further: Sequence[FurtherTable]) -> dict:
    """Results of the comparison, machine-readable."""
    return {
        "answer": answer(comparison),
        "comparison": as_json(comparison),
        "nulls": null_lines(comparison),
        "cautions": [{"dataset": name, "caution": text} for name, text in cautions(comparison)],
        "figures": [
            {"name": figure.name, "section": figure.section, "title": figure.title, "caption": figure.caption}
            for figure in figures
        ],
        "further": [
            {"name": each.name, "title": each.title, "note": each.note}
            | ({} if each.table is None else as_json(each.table))
            for each in further
        ],
    }


def _rendered(
    content: Mapping[str, Any],
    comparison: Table,
    folder: Path,
    figures: Sequence[ReportFigure],
    further: Sequence[FurtherTable],
    citations: Citations | None,
    *,
    pictures: Mapping[str, bytes],
    scatter: Mapping[str, Any] | None,
) -> str:
    """Fill the template of the page."""
    source, *script = (
        (files("simcompare") / "data" / name).read_text(encoding="utf-8")
        for name in ("report.html.j2", "scatter.js", "report.js")
    )
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    heads, rows = main_rows(comparison)
    all_heads, all_rows = main_rows(comparison, every=True)
    return template.render(
        **{key: content[key] for key in ("title", "toy", "version", "created", "answer", "notes", "nulls")},
        reference=comparison.meta["reference"],
        heads=heads,
        rows=rows,
        footnote=_footnote(),
        all_heads=all_heads,
        all_rows=all_rows,
        all_footnote=_footnote_of_all(comparison),
        cautions=cautions(comparison),
        cards=cards_of(comparison, pictures, _anchors(comparison, figures)),
        further=[shown_table(each) for each in further],
        first=[_embedded(figure, folder) for figure in figures if figure.name == FIRST],
        sections=list(_sections(figures, folder)),
        scatter=_script_json(scatter) if scatter else None,
        script=Markup("".join(script)),
        **_cited(citations),
        provenance=[(name, json.dumps(section, indent=1)) for name, section in content["provenance"].items()],
    )


def _script_json(data: Mapping[str, Any]) -> Markup:
    """Write data as JSON that no markup in it can end."""
    return Markup(json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))


def _cited(citations: Citations | None) -> dict[str, list[str]]:
    """List what to cite, as the template wants it."""
    if citations is None:
        return {"references": [], "acknowledgements": [], "uncited": []}
    return {
        "references": [short_reference(paper) for paper in citations.papers.values()],
        "acknowledgements": list(citations.acknowledgements),
        "uncited": list(citations.unknown),
    }


def _footnote() -> str:
    """How to read the columns that decide."""
    return (
        "Structure fraction f: 1 is as structured as real galaxies of equal brightness and resolution, 0 as "
        "smooth as Sersic models of them, above 1 clumpier or noisier. z: mean structure score minus that of "
        "real galaxies. A data set differs from real galaxies where p, Holm-corrected over the simulations, "
        "is below 0.05. Grey rows are controls."
    )


def _footnote_of_all(table: Table) -> str:
    """How to read the other columns."""
    return (
        "Extrapolated: share of galaxies beyond the brightness and size of the real ones. Δ: data set minus "
        f"held-out {table.meta['reference']}, in {column_of(table.meta['score']).label}. AUC: chance that "
        "an image of the data set scores lower than a real one; 0.5 is no difference. Ranges: "
        f"{table.meta['confidence']:.0%} intervals from {table.meta['n_bootstrap']} resamples of galaxies, "
        "views of one galaxy kept together. Below and above: share outside the percentiles of real galaxies, "
        "2.5% expected on each side. Detectable Δ: smallest difference found with 80% probability. Raw "
        "log-likelihood: mostly follows noise and brightness."
    )


def _anchors(table: Table, figures: Sequence[ReportFigure]) -> dict[str, list[tuple[str, str]]]:
    """Figures of the page that show one data set alone, by its name."""
    names = [str(table.meta["reference"]), *(str(name) for name in table["dataset"])]
    return {
        name: [
            (f"figure-{figure.name}", "galaxies in detail")
            for figure in figures
            if figure.name == file_name(closely(name))
        ]
        for name in names
    }


def _sections(figures: Sequence[ReportFigure], folder: Path) -> Iterator[dict]:
    """Sections that have figures, as the template wants them."""
    for name, title, more in SECTIONS:
        own = [figure for figure in figures if figure.section == name and figure.name != FIRST]
        if own:
            shown = [_embedded(figure, folder) for figure in own]
            yield {"anchor": name, "title": title, "more": f"{more} ({len(own) - 1})", "figures": shown}


def _smaller(path: Path) -> bytes:
    """PNG for the page, of few colours: a quarter of the file's size."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    packed = io.BytesIO()
    picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(packed, "PNG")
    return packed.getvalue()


def _embedded(figure: ReportFigure, folder: Path) -> dict:
    """Figure as the template wants it."""
    path = Path(figure.path)
    shown = os.path.relpath(path.with_suffix(""), folder)
    beside = [ending for ending in (".ecsv", ".pdf") if path.with_suffix(ending).is_file()]
    with Image.open(path) as image:
        inches = image.width / image.info.get("dpi", (_DPI,))[0]
        seen = image.info.get("Description", "")
    return {
        "name": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "alt": f"{figure.title}. {seen or figure.caption}",
        "wide": figure.wide or inches > _COLUMN,
        "inches": f"{inches:.2f}",
        "png": base64.b64encode(_smaller(path)).decode("ascii"),
        "files": ", ".join(f"{shown}{ending}" for ending in beside),
    }
