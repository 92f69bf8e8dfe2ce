"""The later steps of the chain on run folders: score, compare, report."""

import logging
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from astropy.table import Table

from flows import FlowModel
from mocks import stream
from simcompare.analysis import further_tables
from simcompare.comparison import compare, stack_scores
from simcompare.config import CompareSettings, ReportSettings, ScoreSettings
from simcompare.drawing import draw_figures
from simcompare.files import remove_leftovers
from simcompare.imageset import ImageSet
from simcompare.locking import lock_folder
from simcompare.making import make_files
from simcompare.report import write_report
from simcompare.results import read_comparison, write_comparison
from simcompare.runs import open_run, read_provenance, read_settings, write_table
from simcompare.scoring import check_prepared_alike, context_of, score, warn_of_doubts
from simcompare.sources import is_toy, run_image_sets, run_models, run_scores, score_runs
from simcompare.training import load_model
from simcompare.watch import Watch

__all__ = ["compare_runs", "recompare_runs", "report_run", "score_image_sets"]

logger = logging.getLogger(__name__)

_SAMPLES = 8
_SCORES = "scores.ecsv"
_IMAGES_PER_TASK = 192


def score_image_sets(settings: ScoreSettings) -> Table:
    """Score image sets under one model and its background.

    Parameters
    ----------
    settings : ScoreSettings

    Returns
    -------
    Table
        One row per image of all sets, as `simcompare.scoring.score` makes them; also in
        ``settings.out / "scores.ecsv"``. Sets scored by an interrupted run are not scored again.
    """
    inputs = [*settings.images, settings.model, *([settings.background] if settings.background else [])]
    with open_run(settings.out, "score", settings, inputs) as run:
        if run.has(_SCORES):
            logger.info("%s is there already", run.folder / _SCORES)
            return Table.read(run.folder / _SCORES)
        chunks = [chunk for folder in settings.images for chunk in _chunks(folder, settings)]
        folder = run.folder / "chunks"
        folder.mkdir(exist_ok=True)
        paths = [folder / f"scores-{number:06d}.ecsv" for number in range(len(chunks))]
        make_files(run, _score_chunk, paths, chunks, gpu=settings.device.startswith("cuda"))
        scores = stack_scores([Table.read(path) for path in paths])
        warn_of_doubts(scores)
        write_table(scores, run.folder / _SCORES)
        run.record(_SCORES)
        shutil.rmtree(folder)
    return scores


@dataclass(frozen=True)
class _Chunk:
    """Neighbouring images of one set, scored by one task."""

    images: ImageSet
    start: int
    settings: ScoreSettings


def _chunks(folder: Path, settings: ScoreSettings) -> list[_Chunk]:
    """Divide an image set among tasks, into whole batches: these decide the last bits of a score."""
    images = ImageSet.open(folder)
    logger.info("scoring %s", images)
    for path in filter(None, (settings.model, settings.background)):
        check_prepared_alike(images, _model_once(path, settings.device))
    step = settings.batch_size * max(1, round(_IMAGES_PER_TASK / settings.batch_size))
    return [
        _Chunk(images.slab(start, start + step), start, settings) for start in range(0, len(images), step)
    ]


@lru_cache(maxsize=4)
def _model_once(path: Path, device: str) -> FlowModel:
    """Read a model once per process."""
    return load_model(path).to(device)


def _score_chunk(path: Path, chunk: _Chunk, watch: Watch) -> None:
    """Score some images and write their table; the same bits whatever the number of cores."""
    settings = chunk.settings
    with watch("images"):
        model = _model_once(settings.model, settings.device)
        background = _model_once(settings.background, settings.device) if settings.background else None
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            table = score(
                chunk.images,
                model,
                background,
                batch_size=settings.batch_size,
                symmetries=settings.symmetries,
                warn=False,
            )
        finally:
            torch.set_num_threads(threads)
    table["image_index"] += chunk.start
    write_table(table, path)


def compare_runs(settings: CompareSettings) -> Table:
    """Compare the data sets of score runs with real galaxies.

    Parameters
    ----------
    settings : CompareSettings

    Returns
    -------
    Table
        As `simcompare.comparison.compare` makes it; also in ``settings.out``, with all scores.
    """
    return _compare(settings, replace=False)


def recompare_runs(settings: CompareSettings) -> Table:
    """Compare as `compare_runs`, in place of a comparison of fewer or other runs in the same folder."""
    return _compare(settings, replace=True)


def _compare(settings: CompareSettings, *, replace: bool) -> Table:
    """Make the comparison and write it."""
    with open_run(settings.out, "compare", settings, settings.scores, replace=replace) as run:
        scores = stack_scores([run_scores(folder) for folder in settings.scores])
        rng = stream(settings.seed, "compare")
        table = compare(scores, settings.reference, rng, n_bootstrap=settings.bootstrap)
        write_table(scores, run.folder / "scores.ecsv")
        write_comparison(table, run.folder)
    return table


def report_run(settings: ReportSettings) -> Path:
    """Draw all figures of a comparison run and write its page.

    Parameters
    ----------
    settings : ReportSettings

    Returns
    -------
    pathlib.Path
        ``report.html`` in the run folder; ``report.json`` and ``figures/`` lie beside it.

    Raises
    ------
    FileNotFoundError
        When the folder holds no comparison.
    """
    comparison = read_comparison(settings.run)
    with lock_folder(settings.run, "report"):
        remove_leftovers(settings.run)
        return _write_page(settings.run, comparison)


def _write_page(folder: Path, comparison: Table) -> Path:
    """Figures, tables and page of a comparison."""
    scores = run_scores(folder)
    compared = read_settings(folder)
    image_sets = run_image_sets(folder)
    model = run_models(folder).get("model")
    figures = draw_figures(
        scores,
        comparison,
        folder / "figures",
        seed=compared["seed"],
        image_sets=image_sets,
        history=Table(rows=model.history) if model is not None else None,
        samples=_samples(model, scores, comparison.meta["reference"], compared["seed"]),
    )
    provenance = {"compare": read_provenance(folder)}
    provenance |= {f"score {path}": read_provenance(path) for path in score_runs(folder)}
    further = further_tables(scores, comparison.meta["reference"], compared["seed"])
    toy = is_toy(image_sets.values())
    return write_report(folder, comparison, figures, toy=toy, provenance=provenance, further=further)


def _samples(model, scores: Table, reference: str, seed: int) -> list[np.ndarray] | None:
    """Images drawn from the flow under the conditions of some real galaxies."""
    if model is None:
        return None
    real = scores[np.asarray(scores["dataset"]) == reference][:_SAMPLES]
    context = context_of(real, model.context_names)
    generator = torch.Generator().manual_seed(seed)
    return list(np.asarray(model.sample(len(real), context, generator=generator)))
