"""One self-contained page that answers the question, and the same content for machines."""

import base64
import io
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Row, Table
from jinja2 import Environment, StrictUndefined
from PIL import Image

from simcompare import __version__
from simcompare.comparison.answer import answer, null_lines
from simcompare.comparison.report_table import FurtherTable, as_json
from simcompare.kinds import Kind
from simcompare.pages.citations import Citations, short_reference
from simcompare.runs.files import write_text
from simcompare.runs.tables import plain, write_table
from simcompare.scores.columns import column_of

__all__ = ["ReportFigure", "cautions", "write_report"]

_MAIN = ("data set", "structure fraction", "verdict")  # columns that a phone shows

# Heading, column, format, whether an interval stands below it.
_COLUMNS = (
    ("galaxies", "n_galaxies", "{:d}", False),
    ("structure fraction", "structure_fraction", "{:.2f}", True),
    ("z", "structure_z_weighted", "{:+.2f}", False),
    ("p (Holm)", "structure_p_holm", "{:.2g}", False),
    ("verdict", "verdict", "{}", False),
    ("false alarms at this N", "structure_false_alarms", "{:.0%}", False),
    ("extrapolated", "share_extrapolated", "{:.0%}", False),
    ("p of the sky", "surroundings_p", "{:.2g}", False),
    ("images", "n_images", "{:d}", False),
    ("Δ mean [nats]", "delta_mean", "{:+.1f}", True),
    ("Δ median [nats]", "delta_median", "{:+.1f}", True),
    ("p of Δ mean (Holm)", "p_holm", "{:.2g}", False),
    ("AUC", "auc", "{:.3f}", True),
    ("KS", "ks", "{:.2f}", True),
    ("Wasserstein [nats]", "wasserstein", "{:.1f}", True),
    ("overlap", "overlap", "{:.2f}", True),
    ("below 2.5 %", "fraction_below_2p5", "{:.1%}", False),
    ("above 97.5 %", "fraction_above_97p5", "{:.1%}", False),
    ("detectable Δ [nats]", "min_detectable", "{:.1f}", False),
    ("raw Δ [nats]", "delta_log_prob", "{:+.1f}", True),
)


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
    """

    name: str
    title: str
    caption: str
    path: Path
    wide: bool = False


def cautions(table: Table) -> list[tuple[str, str]]:
    """Name and doubts of each row that has some."""
    return [(str(row["dataset"]), str(row["caution"])) for row in table if str(row["caution"])]


def write_report(
    folder: str | os.PathLike,
    comparison: Table,
    figures: Sequence[ReportFigure],
    *,
    title: str = "How realistic are these simulated galaxies?",
    toy: bool = False,
    provenance: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    further: Sequence[FurtherTable] = (),
    there: Collection[str] = (),
    citations: Citations | None = None,
) -> Path:
    """Write ``report.html`` and ``report.json``.

    Parameters
    ----------
    folder : path-like
        Made when it does not exist.
    comparison : Table
        From `simcompare.comparison.headline.compare`.
    figures : sequence of ReportFigure
        In the order shown.
    title : str
    toy : bool
        Show the banner that these are toy data.
    provenance : mapping of str to anything
        Sections of what was run: configuration, versions, seeds, hashes.
    notes : sequence of str
        Paragraphs below the answer.
    further : sequence of FurtherTable
        Tables beside the headline, see `simcompare.comparison.further_tables.further_tables`; also written as
        ECSV into ``tables/``.
    there : collection of str
        Names of tables that lie there already, as their own command has written them.
    citations : Citations, optional
        Papers and acknowledgements of what the run used, see `simcompare.commands.cite.cite_run`.

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
    provenance = plain(dict(provenance or {}))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    content = {
        "schema": "simcompare.report/1",
        "title": title,
        "toy": toy,
        "version": __version__,
        "created": created,
        "answer": answer(comparison),
        "notes": list(notes),
        "comparison": as_json(comparison),
        "nulls": null_lines(comparison),
        "cautions": [{"dataset": name, "caution": text} for name, text in cautions(comparison)],
        "figures": [
            {"name": figure.name, "title": figure.title, "caption": figure.caption} for figure in figures
        ],
        "further": [
            {"name": each.name, "title": each.title, "note": each.note}
            | ({} if each.table is None else as_json(each.table))
            for each in further
        ],
        "citations": plain(citations) if citations is not None else None,
        "provenance": provenance,
    }
    (folder / "tables").mkdir(exist_ok=True)
    for each in further:
        if each.table is not None and each.name not in there:
            write_table(each.table, folder / "tables" / f"{each.name}.ecsv")
    write_text(folder / "report.json", json.dumps(content, indent=1, allow_nan=False))
    source = (files("simcompare") / "data" / "report.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    page = template.render(
        **{key: content[key] for key in ("title", "toy", "version", "created", "answer", "notes", "nulls")},
        reference=comparison.meta["reference"],
        main=_MAIN,
        heads=["data set", *(head for head, *_ in _columns_of(comparison))],
        rows=[_row(row, _columns_of(comparison)) for row in comparison],
        footnote=_footnote(comparison),
        cautions=cautions(comparison),
        further=[_shown(each) for each in further],
        figures=[_embedded(figure, folder) for figure in figures],
        references=[short_reference(paper) for paper in citations.papers.values()] if citations else [],
        acknowledgements=list(citations.acknowledgements) if citations else [],
        uncited=list(citations.unknown) if citations else [],
        provenance=[(name, json.dumps(section, indent=1)) for name, section in provenance.items()],
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _columns_of(table: Table) -> list[tuple]:
    """Columns of the page that the table has."""
    return [column for column in _COLUMNS if column[1] in table.colnames]


def _row(row: Row, columns: Sequence[tuple]) -> dict:
    """Cells of one row as text."""
    cells = [{"text": str(row["dataset"]), "range": ""}]
    for _, name, form, has_interval in columns:
        value = row[name]
        if isinstance(value, str):
            cells.append({"text": value, "range": ""})
            continue
        known = np.isfinite(value)
        interval = ""
        if has_interval and known and not np.isnan(row[f"{name}_low"]):
            bounds = [row[f"{name}_{end}"] for end in ("low", "high")]
            interval = " to ".join(form.format(each) for each in bounds)
            interval = interval if np.isfinite(bounds).all() else "unbounded"
        text = form.format(value) if known else ""
        if name.endswith("p_holm") and value < 1e-4:
            text = "< 0.0001"
        cells.append({"text": text, "range": interval})
    return {"cells": cells, "control": row["kind"] != Kind.SIMULATED}


def _shown(further: FurtherTable) -> dict:
    """Table as the template wants it; interval ends go below their value."""
    shown = {"title": further.title, "note": further.note, "heads": [], "rows": []}
    if further.table is None or not len(further.table):
        return shown
    names = [name for name in further.table.colnames if not name.endswith(("_low", "_high", "_error"))]
    names = [name for name in names if name not in ("low", "high")]
    shown["heads"] = [name.replace("_", " ") for name in names]
    shown["rows"] = [[_cell(row, name, further.table.colnames) for name in names] for row in further.table]
    return shown


def _cell(row: Row, name: str, columns: Sequence[str]) -> dict:
    """Value of a generic table as text, with its interval where it has one."""
    value = row[name]
    if not isinstance(value, float | np.floating):
        return {"text": "" if str(value) == "N/A" else str(value), "range": ""}  # a blank, read back
    ends = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    interval = ""
    if all(end in columns and np.isfinite(row[end]) for end in ends):
        interval = f"{row[ends[0]]:.3g} to {row[ends[1]]:.3g}"
    return {"text": f"{value:.3g}" if np.isfinite(value) else "none", "range": interval}


def _footnote(table: Table) -> str:
    """How to read the table."""
    return (
        "Structure fraction: 1 is as structured as real galaxies at equal brightness and resolution, 0 as "
        "their smooth Sersic twins, above 1 clumpier or noisier. z: mean structure score minus that of real "
        "galaxies. A data set differs where p (Holm) is below 0.05; that one rule makes the verdict. "
        "Extrapolated: share of galaxies beyond the brightness and size of the real ones. "
        f"Δ: data set minus held-out {table.meta['reference']}, of the "
        f"{column_of(table.meta['score']).label} in nats. AUC: probability that an image of the data set "
        "scores lower than a real one; 0.5 is no "
        f"difference. Ranges: {table.meta['confidence']:.0%} intervals from {table.meta['n_bootstrap']} "
        "resamples of galaxies, views of one galaxy kept together. Below and above: share outside the "
        "percentiles of real galaxies, 2.5 % expected on each side. Detectable Δ: the smallest difference "
        "found with 80 % probability. Raw Δ: difference of the plain log-likelihood, which mostly follows "
        "noise and brightness. Grey rows are controls."
    )


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
    return {
        "title": figure.title,
        "caption": figure.caption,
        "wide": figure.wide,
        "png": base64.b64encode(_smaller(path)).decode("ascii"),
        "files": ", ".join(f"{shown}{ending}" for ending in beside),
    }
