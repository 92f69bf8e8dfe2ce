"""What each ingredient of a mock contributes: images with and without it, scored, in a budget."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np
from astropy.table import Table

from mocks import Galaxy, IdealImage, load_survey, stellar_population, stream
from mocks.dust.registry import DUST
from simcompare.commands.score import score_image_sets
from simcompare.comparison.attribution import ATTRIBUTION, ladder, systematic_floor
from simcompare.comparison.budget import fraction_floor, fraction_ladder
from simcompare.comparison.report_table import FurtherTable, write_further
from simcompare.data.shipped import find_model, reference_table
from simcompare.images.build import Images, Source, make_parts
from simcompare.images.image_set import ImageSet
from simcompare.images.preparation.prepare import Preparation
from simcompare.images.stamps import PreparedStamp
from simcompare.kinds import Kind
from simcompare.runs.files import write_text
from simcompare.runs.folder import Run, open_run
from simcompare.runs.tables import plain, readable
from simcompare.runs.time_limit import Watch
from simcompare.scores.files import joined_form, joined_scores
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores
from simcompare.scores.structure import Structure, learn_structure
from simcompare.settings import AttributeSettings, ScoreSettings
from simcompare.synthetic.assumptions import assumptions
from simcompare.synthetic.mocks import n_views, read_galaxy, sky_file, target_sources
from simcompare.synthetic.observing import Make, observe_all, read_bank
from simcompare.synthetic.targets import Target, select_targets
from simcompare.synthetic.variations import BASELINE, LADDER, Variation, VariedView, variations

__all__ = ["Attribution", "attribute_mocks", "messages"]

logger = logging.getLogger(__name__)

_SCORES = "scores"
_NOTES = {
    "fraction": "Change of the structure fraction by each step, the same galaxies before and after it; the "
    "changes add up. change_nats: of the mean log-likelihood ratio.",
    "nats": "Nats; the changes add up.",
}


@dataclass(frozen=True, eq=False)
class Attribution:
    """What the ingredients of a mock contribute.

    Parameters
    ----------
    ladder : Table
        From `simcompare.comparison.budget.fraction_ladder`, with the change in nats beside it; where there is
        no structure fraction from `simcompare.comparison.attribution.ladder`.
    perturbations : Table
        From `simcompare.comparison.budget.fraction_floor`, or likewise `systematic_floor`.
    gap, gap_low, gap_high : float
        Difference of the finished mocks to held-out real galaxies: structure fraction less 1, or nats.
    floor : float
        Systematic floor under it.
    unit : str
        "fraction" or "nats".
    """

    ladder: Table
    perturbations: Table
    gap: float
    gap_low: float
    gap_high: float
    floor: float
    unit: str = "nats"

    @property
    def verdict(self) -> str:
        """One sentence; the whole interval, not the value alone, must lie beyond the floor."""
        digits, unit = (1, " nats") if self.unit == "nats" else (2, " of the structure fraction")
        floor = f"the systematic floor of {self.floor:.{digits}f}{unit if self.unit == 'nats' else ''}"
        gap = f"{self.gap:+.{digits}f}"
        if not np.isfinite([self.gap_low, self.gap_high]).all():
            return f"the gap to real galaxies, {gap}{unit}, has no interval to compare with {floor}"
        least = max(self.gap_low, -self.gap_high, 0)
        does = "exceeds" if least > self.floor else "does not exceed"
        interval = f"{gap} ({self.gap_low:+.{digits}f} to {self.gap_high:+.{digits}f}){unit}"
        return f"the gap to real galaxies, {interval}, {does} {floor}"


def attribute_mocks(settings: AttributeSettings) -> Attribution:
    """Observe simulated galaxies step by step and with one thing changed, and score all images.

    Returns
    -------
    Attribution
        In ``settings.out``: ``images/``, one image set whose column ``variation`` says which is which;
        ``scores/``, a score run; ``tables/`` and ``attribution.json``. What an interrupted run finished is
        kept.

    Raises
    ------
    FileNotFoundError, ValueError
        As the mock and the score do, and when no galaxy can be observed in all steps.
    """
    models = map(find_model, filter(None, [settings.model, settings.background]))
    others = filter(None, [settings.real, settings.twins, settings.real_sky])
    with open_run(settings.out, "attribute", settings, [*settings.inputs, *models, *others]) as run:
        images = _make_images(run, settings)
        _forget_scores_of_others(run, images)
        scored = ScoreSettings(
            images=[settings.out, settings.real, *([settings.twins] if settings.twins else [])],
            out=settings.out / _SCORES,
            model=settings.model,
            background=settings.background,
            symmetries=settings.symmetries,
            neighbours=0,
            seed=settings.seed,
            workers=settings.workers,
            scheduler=settings.scheduler,
            reference=ImageSet.open(settings.real).name,
        )
        scores = score_image_sets(scored)
        attribution = _attributed(scores, images.name, settings)
        write_further(
            [
                FurtherTable(
                    "ladder", "What each step contributes", _NOTES[attribution.unit], attribution.ladder
                ),
                FurtherTable(
                    "perturbations",
                    "What an error would change",
                    attribution.verdict,
                    attribution.perturbations,
                ),
            ],
            run.folder / "tables",
        )
        names = ("gap", "gap_low", "gap_high", "floor", "unit", "verdict")
        summary = {name: getattr(attribution, name) for name in names}
        summary |= {"dataset": images.name, "model": scores.meta["model"]}
        write_text(run.folder / ATTRIBUTION, json.dumps(plain(summary), indent=1))
        run.record_tables(ATTRIBUTION)
    return attribution


def _forget_scores_of_others(run: Run, images: ImageSet) -> None:
    """Remove the scores where galaxies have come since, whose files could not be read before."""
    done = run.ledger(images.files)
    if done.is_of_other():
        logger.info("some images are not scored yet: all are scored again")
        shutil.rmtree(run.folder / _SCORES, ignore_errors=True)
    done.record()


@dataclass(frozen=True)
class _Task:
    """A galaxy, observed in every way."""

    target: Target
    ways: tuple[Variation, ...]
    settings: AttributeSettings
    preparation: Preparation
    dataset: str
    sky: Path | None

    @property
    def sources(self) -> list[Source]:
        """What it reads."""
        return target_sources([self.target], self.dataset)


def _make_images(run, settings: AttributeSettings) -> ImageSet:
    """Make the image set of all variations."""
    mock = settings.mock
    targets, simulation = select_targets(mock)
    real = ImageSet.open(settings.real)
    ways = _ways(settings, has_particles=not any(target.is_image for target in targets))
    if settings.real_sky is None:
        logger.info("no --sky: the last step is synthetic sky, without neighbours")
    preparation = real.preparation
    sky = sky_file(settings.mock, run.folder, preparation.window)
    tasks = [_Task(target, tuple(ways), settings, preparation, simulation, sky) for target in targets]
    logger.info(
        "%d galaxies of %s, %d views, %d variations",
        len(targets),
        simulation,
        len(settings.directions),
        len(ways),
    )
    has_particles, light = not all(target.is_image for target in targets), (mock.population, mock.dust)
    assumed = assumptions(load_survey(settings.survey), *(light if has_particles else ()))
    for sentence in assumed:
        logger.info(sentence)
    description = {
        "name": simulation,
        "kind": Kind.SIMULATED,
        "survey": real.survey_record,
        "bands": settings.filters,
        "pixel_scale": preparation.pixel_scale_of(load_survey(settings.survey).pixel_scale),
        "preparation": preparation,
        "provenance": {
            "settings": settings.of_result(),
            "is_toy": simulation.startswith("toy"),
            "assumed": assumed,
        },
    }
    return make_parts(run, _observe, tasks, description, attrgetter("sources"))


def _ways(settings: AttributeSettings, *, has_particles: bool) -> list[Variation]:
    """All ways to observe a galaxy, the finished image first, on which the early steps lean."""
    dusts = [name for name in settings.dusts.split(",") if name and name != settings.dust]
    if unknown := [name for name in dusts if name not in DUST]:
        raise ValueError(f"--dusts names {', '.join(unknown)}; known: {', '.join(DUST)}.")
    has_sky = settings.real_sky is not None
    populations = [name for name in settings.populations.split(";") if name and name != settings.population]
    for name in populations:
        stellar_population(name)  # refuses what is not there before any work is done
    ways = variations(
        _percents(settings.percents), dusts, populations, has_particles=has_particles, has_sky=has_sky
    )
    return sorted(ways, key=lambda way: (way.step != BASELINE, way.name != BASELINE))


def _percents(text: str) -> list[float]:
    """Numbers between commas."""
    try:
        percents = [float(number) for number in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--percents is {text!r}; write numbers between commas, as '5,10,20'.") from error
    if not all(0 < percent < 100 for percent in percents):
        raise ValueError(f"--percents is {text!r}; numbers between 0 and 100 are allowed.")
    return percents


def _observe(task: _Task, watch: Watch) -> Images:
    """Observe the galaxy of one part in every way."""
    return observe_all(
        task.sources, partial(read_galaxy, task.settings, task.dataset), partial(_images, task), watch
    )


def _images(task: _Task, galaxy_id: str, subject: Galaxy | IdealImage) -> Iterator[tuple[str, Make]]:
    """List the images of a galaxy: every view in every way."""
    mock = task.settings.mock
    bank = read_bank(task.settings.real if task.settings.real_conditions else None, task.sky)
    for number in range(n_views(subject, mock)):
        view = VariedView(subject, galaxy_id, number, mock, task.preparation, bank)
        for way in task.ways:
            yield f"view {number}, {way.name}", partial(_image, task, view, way)


def _image(task: _Task, view: VariedView, way: Variation) -> PreparedStamp:
    """One view in one way; each way is a data set of its own."""
    observed = view.observe(way)
    extra = {"dataset": f"{task.dataset}, {way.name}", "view": view.number, "split": "test"}
    return replace(observed, row=observed.row | extra | {"variation": way.name})


def _attributed(scores: Scores, dataset: str, settings: AttributeSettings) -> Attribution:
    """Budget of the scores, in units of the structure fraction where there is one."""
    mocks = scores[scores.equals("kind", Kind.SIMULATED) & np.isfinite(scores.numbers())]
    mocks = mocks.with_columns(dataset=np.full(len(mocks), dataset))
    ours = {name: mocks[mocks.equals("variation", name)] for name in mocks.words("variation")}
    steps = _in_common({step: ours[step] for step in LADDER if step in ours})
    ways = {way.name: way for way in _ways(settings, has_particles=True)}
    perturbed = {name: each for name, each in ours.items() if not ways[name].is_step}
    shifts = {name: _in_common({"baseline": ours[BASELINE], name: perturbed[name]}) for name in perturbed}
    weights = {name: ways[name].weight(settings.known_to) for name in perturbed}
    ingredients = {name: ways[name].ingredient for name in perturbed}
    in_nats = _in_nats(scores, dataset, settings, steps, (shifts, weights, ingredients))
    structure = _structure(scores, settings)
    if structure is None:
        return in_nats
    budget = fraction_ladder(steps, dataset, structure, settings.seed)
    budget["change_nats"] = in_nats.ladder["change"]
    table, floor = fraction_floor(
        shifts, dataset, structure, settings.seed, ingredients=ingredients, weights=weights
    )
    table["shift_nats"] = in_nats.perturbations["shift"]
    end = budget[-1]
    gap = [float(end[f"fraction{end_of}"]) - 1 for end_of in ("", "_low", "_high")]
    return Attribution(budget, table, *gap, floor, "fraction")


def _in_nats(
    scores: Scores, dataset: str, settings: AttributeSettings, steps: dict[str, Scores], changes: tuple
) -> Attribution:
    """Budget of the mean log-likelihood ratio."""
    shifts, weights, ingredients = changes
    last = list(steps)[-1]
    real = scores[scores.equals("dataset", scores.named_reference)]
    budget = ladder(steps | {last: stack_scores([steps[last], real])}, dataset, settings.seed)
    table, floor = systematic_floor(
        shifts, dataset, settings.seed, ingredients=ingredients, uncertainties=weights
    )
    end = budget[-1]
    return Attribution(budget, table, end["to_real"], end["to_real_low"], end["to_real_high"], floor)


def _structure(scores: Scores, settings: AttributeSettings) -> Structure | None:
    """Real galaxies and twins that give the structure fraction: those scored here, or the shipped model's."""
    if settings.twins is None:
        path = reference_table(settings.model)
        if path is None:
            logger.info("no --twins of the real galaxies: the budget is in nats")
            return None
        shipped = joined_scores([path], joined_form([path]))
        shipped = shipped.with_reference(shipped.of_kind(Kind.OBSERVED)[0])
        if any(shipped.meta.get(name) != scores.meta.get(name) for name in ("model", "background")):
            logger.info("another background than the shipped one, and no --twins: the budget is in nats")
            return None
        scores = shipped
    try:
        structure = learn_structure(scores, stream(settings.seed, "structure folds"))
    except ValueError as error:
        logger.info("the budget is in nats: %s", error)
        return None
    if not structure.has_twins:
        logger.info("too few of the real galaxies have a scored twin: the budget is in nats")
    return structure if structure.has_twins else None


def _in_common(steps: dict[str, Scores]) -> dict[str, Scores]:
    """Rows of those views that every step has."""
    keys = {
        name: list(zip(each["galaxy_id"].tolist(), each["view"].tolist(), strict=True))
        for name, each in steps.items()
    }
    common = set.intersection(*map(set, keys.values()))
    if not common:
        raise ValueError("no view of a galaxy has a finite score in all steps; see failures.ecsv.")
    return {name: each[np.array([key in common for key in keys[name]])] for name, each in steps.items()}


def messages(settings: AttributeSettings, attribution: Attribution) -> Iterator[str]:
    """Show both tables and the verdict."""
    for table, name in ((attribution.ladder, "change"), (attribution.perturbations, "shift")):
        shown = table[table.colnames[0], "n_galaxies", name, f"{name}_low", f"{name}_high"]
        for column in shown.colnames[2:]:
            shown[column].info.format = "+.1f" if attribution.unit == "nats" else "+.2f"
        yield from readable(shown).pformat(max_width=-1, max_lines=-1)
    yield attribution.verdict
    yield f"give {settings.out} to 'simcompare compare' as --attribution"
