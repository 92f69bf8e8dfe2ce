"""The later steps of the chain on run folders: score, compare, report."""

import logging
from pathlib import Path

import numpy as np
import torch
from astropy.table import Table

from mocks import stream
from simcompare.analysis import further_tables
from simcompare.comparison import compare, stack_scores
from simcompare.config import CompareSettings, ReportSettings, ScoreSettings
from simcompare.drawing import draw_figures
from simcompare.imageset import ImageSet
from simcompare.progress import meter
from simcompare.report import write_report
from simcompare.results import read_comparison, write_comparison
from simcompare.runs import open_run, read_provenance, read_settings, write_table
from simcompare.scoring import context_of, score
from simcompare.training import load_model

__all__ = ["compare_runs", "recompare_runs", "report_run", "score_image_sets"]

logger = logging.getLogger(__name__)

_SAMPLES = 8


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
        path = run.folder / "scores.ecsv"
        if path.is_file():
            logger.info("%s is there already", path)
            return Table.read(path)
        model = load_model(settings.model)
        background = load_model(settings.background) if settings.background else None
        tables = []
        for number, folder in enumerate(settings.images):
            part = run.folder / f"scores-{number:03d}.ecsv"
            if not part.is_file():
                images = ImageSet.open(folder)
                logger.info("scoring %s", images)
                with meter(f"score: {images.name}", len(images)) as tell:
                    table = score(
                        images,
                        model,
                        background,
                        batch_size=settings.batch_size,
                        symmetries=settings.symmetries,
                        progress=tell,
                    )
                write_table(table, part)
            tables.append(Table.read(part))
        scores = stack_scores(tables)
        write_table(scores, path)
        for number in range(len(tables)):
            (run.folder / f"scores-{number:03d}.ecsv").unlink()
    return scores


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
        scores = stack_scores([Table.read(_scores_file(folder)) for folder in settings.scores])
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
    folder = settings.run
    comparison = read_comparison(folder)
    scores = Table.read(_scores_file(folder))
    compared = read_settings(folder)
    score_runs = [Path(path) for path in compared["scores"]]
    image_sets = _image_sets(score_runs)
    model = _model(score_runs)
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
    provenance |= {f"score {path}": read_provenance(path) for path in score_runs}
    is_toy = any(part.get("is_toy") for images in image_sets.values() for part in images.provenance)
    further = further_tables(scores, comparison.meta["reference"], compared["seed"])
    return write_report(folder, comparison, figures, toy=is_toy, provenance=provenance, further=further)


def _scores_file(folder: Path) -> Path:
    """Score table of a run."""
    path = Path(folder) / "scores.ecsv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; run 'simcompare score' with --out {folder} first.")
    return path


def _image_sets(score_runs: list[Path]) -> dict[str, ImageSet]:
    """Image sets behind score runs by name; one that has gone is left out of the galleries."""
    found = {}
    for run in score_runs:
        for folder in read_settings(run)["images"]:
            try:
                images = ImageSet.open(folder)
            except OSError as error:
                logger.warning("no gallery of %s: %s", folder, error)
                continue
            found[images.name] = images
    return found


def _model(score_runs: list[Path]):
    """Flow of real galaxies behind the first score run, None when it has gone."""
    path = Path(read_settings(score_runs[0])["model"])
    try:
        return load_model(path)
    except OSError as error:
        logger.warning("no training curve and no samples: %s", error)
        return None


def _samples(model, scores: Table, reference: str, seed: int) -> list[np.ndarray] | None:
    """Images drawn from the flow under the conditions of some real galaxies."""
    if model is None:
        return None
    real = scores[np.asarray(scores["dataset"]) == reference][:_SAMPLES]
    context = context_of(real, model.context_names)
    generator = torch.Generator().manual_seed(seed)
    return list(np.asarray(model.sample(len(real), context, generator=generator)))
