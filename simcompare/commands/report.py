"""A comparison run to its report."""

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.commands.cite import cite_run
from simcompare.comparison.report_table import INDEX, FurtherTable, read_comparison, read_further
from simcompare.runs.files import remove_leftovers
from simcompare.runs.folder import read_config, read_provenance, read_settings, runs_behind
from simcompare.runs.ledger import PAGE_PRODUCTS, Ledger, digest
from simcompare.runs.lock import lock_folder
from simcompare.runs.tables import write_table
from simcompare.scores.files import scores_file
from simcompare.scores.record import Scores
from simcompare.scores.run_inputs import is_toy, model_names, run_image_sets, run_models, run_scores
from simcompare.settings import ReportSettings

__all__ = ["messages", "report_run"]

logger = logging.getLogger(__name__)

_PAGE = "report.html"
_SAMPLES = 8
_SANITY = (
    "What mocks and real images should share before any galaxy is scored. A classifier of blank sky should "
    "be at 0.5 ± 0.02 with p above 0.01. KS: Kolmogorov-Smirnov distances to the real images; magnitudes and "
    "sizes also differ where the samples do."
)


def report_run(settings: ReportSettings) -> Path:
    """Draw all figures of a comparison run and write its page.

    Returns
    -------
    pathlib.Path
        ``report.html`` in the run folder; ``report.json`` and ``figures/`` lie beside it. What an earlier
        call has finished from the same comparison and images is kept; a page that was removed is made again.

    Raises
    ------
    FileNotFoundError
        When the folder holds no comparison.
    """
    comparison, folder = read_comparison(settings.run), settings.run
    with lock_folder(folder, "report"):
        remove_leftovers(folder)
        image_sets = run_image_sets(folder)
        files = [scores_file(folder), folder / "comparison.ecsv", folder / "tables" / INDEX]
        files += [path for images in image_sets.values() for path in images.files]
        done = Ledger(folder / PAGE_PRODUCTS, digest(settings, files, *model_names(folder)))
        if done.has_all(_PAGE):
            logger.info("%s is up to date; delete it to draw it again", folder / _PAGE)
            return folder / _PAGE
        page = _write_page(folder, comparison, settings.embedding, image_sets, run_models(folder), done)
        done.record(_PAGE, "report.json")
    return page


def _write_page(
    folder: Path, comparison: Table, embedding: str, image_sets: dict, models: dict, done: Ledger
) -> Path:
    """Figures, tables and page of a comparison."""
    # Loaded when there is something to draw: a page that is up to date is given back in a moment.
    from simcompare.comparison.realism import sanity_curves, sanity_notes, sanity_table
    from simcompare.pages.cards import example_pictures
    from simcompare.pages.page import report_content, write_report
    from simcompare.pages.scatter import scatter_data
    from simcompare.pages.sections import draw_figures, figure_columns

    scores = run_scores(folder, partial(figure_columns, models=models))
    scores = scores.with_reference(comparison.meta["reference"])
    compared = read_settings(folder)
    further, notes = read_further(folder / "tables"), []
    model = models.get("model")
    reference, seed = scores.named_reference, compared["seed"]
    checked = image_sets if reference in image_sets else None
    if checked is not None:
        table = sanity_table(checked, reference, seed)
        notes = sanity_notes(table)
        write_table(table, folder / "tables" / "sanity.ecsv")
        further = [FurtherTable("sanity", "Mocks against real images", _SANITY, table), *further]
    figures = draw_figures(
        scores,
        comparison,
        folder / "figures",
        seed=seed,
        image_sets=image_sets,
        history=Table(rows=model.history) if model is not None and model.history else None,
        samples=_samples(model, scores, seed),
        models=models,
        further=further,
        embedding=embedding,
        done=done,
        sky=None if checked is None else sanity_curves(checked, reference, seed),
    )
    _remove_old_figures(folder / "figures", {figure.name for figure in figures})
    said, toy, citations = (comparison, figures, further), is_toy(image_sets.values()), cite_run(folder)
    content = report_content(*said, toy=toy, provenance=_provenance(folder), notes=notes, citations=citations)
    pictures, scatter = example_pictures(scores, image_sets), scatter_data(scores, image_sets, seed)
    return write_report(folder, content, *said, citations=citations, pictures=pictures, scatter=scatter)


def _provenance(folder: Path) -> dict[str, dict]:
    """Read what was run, of each run behind a comparison."""
    return {
        f"{read_config(run)[0]} {os.path.relpath(run, folder.parent)}": read_provenance(run)
        for run in runs_behind(folder)
    }


def _remove_old_figures(folder: Path, names: set[str]) -> None:
    """Take away what an earlier report drew and this one does not."""
    for path in folder.iterdir():
        if path.suffix in (".png", ".pdf", ".ecsv") and path.stem not in names:
            path.unlink()


def _samples(model, scores: Scores, seed: int) -> list[np.ndarray] | None:
    """Images drawn from the flow under the conditions of some real galaxies."""
    if model is None:
        return None
    import torch

    from simcompare.models.density import context_of

    real = scores[np.flatnonzero(scores.equals("dataset", scores.named_reference))[:_SAMPLES]]
    context = context_of(real, model.context_names)
    generator = torch.Generator().manual_seed(seed)
    return list(np.asarray(model.sample(len(real), context, generator=generator)))


def messages(settings: ReportSettings, page: Path) -> Iterator[str]:
    """Say where the page is, or all that is in it."""
    content = page.with_suffix(".json")
    yield content.read_text(encoding="utf-8") if settings.machine else f"report in {page}"
