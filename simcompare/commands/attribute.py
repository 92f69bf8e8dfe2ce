"""How many nats each ingredient of a mock is worth: images with it and without, scored, in a budget."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from mocks import ConditionsBank, load_survey
from mocks.dust.registry import DUST
from mocks.observing.sky_bank import SkyBank
from simcompare.commands.score import score_image_sets
from simcompare.comparison.attribution import ATTRIBUTION, ladder, systematic_floor
from simcompare.comparison.report_table import FurtherTable, write_further
from simcompare.data.shipped import find_model
from simcompare.images.build import Images, make_parts
from simcompare.images.image_set import ImageSet
from simcompare.images.notes import collect_log
from simcompare.images.parts import collect_stamps
from simcompare.images.preparation.prepare import Preparation
from simcompare.runs.files import write_text
from simcompare.runs.folder import open_run
from simcompare.runs.tables import plain
from simcompare.runs.time_limit import Watch
from simcompare.scores.table import headline_score
from simcompare.settings import AttributeSettings, ScoreSettings
from simcompare.synthetic.conditions import conditions_bank
from simcompare.synthetic.mocks import notes_of, sky_file
from simcompare.synthetic.targets import Target, read_target, select_targets
from simcompare.synthetic.variations import BASELINE, LADDER, Variation, variations, varied_stamps

__all__ = ["Attribution", "attribute_mocks", "messages"]

logger = logging.getLogger(__name__)

_KNOWN = ("PSF", "noise", "background")
_NOT_SYSTEMATIC = ("view", "resolution")  # scatter of the sample, and physics


@dataclass(frozen=True, eq=False)
class Attribution:
    """What the ingredients of a mock are worth.

    Parameters
    ----------
    ladder : Table
        From `simcompare.comparison.attribution.ladder`: the changes add up to the last difference to real
        galaxies.
    perturbations : Table
        From `simcompare.comparison.attribution.systematic_floor`.
    gap, gap_low, gap_high : float
        Difference of the finished mocks to held-out real galaxies [nats].
    floor : float
        Systematic floor under it [nats].
    """

    ladder: Table
    perturbations: Table
    gap: float
    gap_low: float
    gap_high: float
    floor: float

    @property
    def verdict(self) -> str:
        """One sentence; the whole interval, not the mean alone, must lie beyond the floor."""
        floor = f"the systematic floor of {self.floor:.1f} nats"
        if not np.isfinite(self.gap_low):
            return f"the gap to real galaxies, {self.gap:+.1f} nats, has no interval to hold against {floor}"
        least = max(self.gap_low, -self.gap_high, 0)
        does = "exceeds" if least > self.floor else "does not exceed"
        interval = f"{self.gap:+.1f} ({self.gap_low:+.1f} to {self.gap_high:+.1f}) nats"
        return f"the gap to real galaxies, {interval}, {does} {floor}"


def attribute_mocks(settings: AttributeSettings) -> Attribution:
    """Observe simulated galaxies step by step and with one thing changed, and score all images.

    Parameters
    ----------
    settings : AttributeSettings

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
    others = filter(None, [settings.real, settings.real_sky])
    with open_run(settings.out, "attribute", settings, [*settings.inputs, *models, *others]) as run:
        images = _make_images(run, settings)
        scored = ScoreSettings(
            images=[settings.out, settings.real],
            out=settings.out / "scores",
            model=settings.model,
            background=settings.background,
            symmetries=settings.symmetries,
            neighbours=0,
            seed=settings.seed,
            workers=settings.workers,
            scheduler=settings.scheduler,
        )
        scores = score_image_sets(scored)
        found = _attributed(scores, images.name, ImageSet.open(settings.real).name, settings)
        write_further(
            [
                FurtherTable("ladder", "What each step is worth", "Nats; the changes add up.", found.ladder),
                FurtherTable("perturbations", "What an error is worth", found.verdict, found.perturbations),
            ],
            run.folder / "tables",
        )
        summary = {name: getattr(found, name) for name in ("gap", "gap_low", "gap_high", "floor", "verdict")}
        summary |= {"dataset": images.name, "model": scores.meta["model"]}
        write_text(run.folder / ATTRIBUTION, json.dumps(plain(summary), indent=1))
    return found


@dataclass(frozen=True)
class _Task:
    """Some galaxies, observed in every way."""

    targets: tuple[Target, ...]
    ways: tuple[Variation, ...]
    settings: AttributeSettings
    preparation: Preparation
    dataset: str
    sky: Path | None


def _make_images(run, settings: AttributeSettings) -> ImageSet:
    """Make the image set of all variations."""
    mock = settings.mock
    targets, simulation = select_targets(mock)
    real = ImageSet.open(settings.real)
    dusts = [name for name in settings.dusts.split(",") if name and name != settings.dust]
    if unknown := [name for name in dusts if name not in DUST]:
        raise ValueError(f"--dusts names {', '.join(unknown)}; known are {', '.join(DUST)}.")
    ways = variations(
        _percents(settings.percents),
        dusts,
        has_particles=not any(target.is_image for target in targets),
        has_sky=settings.real_sky is not None,
    )
    if settings.real_sky is None:
        logger.info("no --sky: the ladder ends with synthetic sky, without neighbours")
    preparation = real.preparation
    sky = sky_file(settings.mock, run.folder, preparation.window)
    tasks = [_Task((target,), tuple(ways), settings, preparation, simulation, sky) for target in targets]
    logger.info(
        "%d galaxies of %s in %d views and %d ways", len(targets), simulation, settings.views, len(ways)
    )
    description = {
        "name": simulation,
        "kind": "simulated",
        "survey": real.survey_record,
        "bands": tuple(settings.bands),
        "pixel_scale": preparation.pixel_scale_of(load_survey(settings.survey).pixel_scale),
        "preparation": preparation,
        "provenance": {"settings": settings.of_result(), "is_toy": simulation.startswith("toy")},
    }
    return make_parts(run, _observe, tasks, description)


def _percents(text: str) -> list[float]:
    """Numbers between commas."""
    try:
        percents = [float(word) for word in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--percents is {text!r}; write numbers between commas, as '5,10,20'.") from error
    if not all(0 < percent < 100 for percent in percents):
        raise ValueError(f"--percents is {text!r}; numbers between 0 and 100 are allowed.")
    return percents


@lru_cache(maxsize=2)
def _bank(real: Path | None, sky: Path | None) -> ConditionsBank | SkyBank | None:
    """Bank that conditions are drawn from, read once per process; None for the survey file."""
    if sky is not None:
        return SkyBank.load(sky)
    return None if real is None else conditions_bank(ImageSet.open(real))


def _observe(task: _Task, watch: Watch) -> Images:
    """Observe the galaxies of one part in every way."""
    settings, stamps, failures, notes = task.settings, [], [], []
    bank = _bank(settings.real if settings.real_conditions else None, task.sky)
    for target in task.targets:
        name = target.label(task.dataset)
        try:
            with watch(f"{target.path} {target.subhalo_id}"):
                subject = read_target(target, settings.mock)
        except (ValueError, OSError) as error:
            failures.append({"source": target.path, "galaxy_id": name, "reason": str(error)})
            continue
        name = f"{task.dataset}-{name}" if target.is_image else subject.galaxy_id
        notes += notes_of(subject, settings.mock)
        for view in range(1 if target.is_image else settings.views):
            with collect_log("mocks", notes):
                ways = list(
                    varied_stamps(subject, name, view, task.ways, settings.mock, task.preparation, bank)
                )
            for way, made in ways:
                if isinstance(made, ValueError):
                    reason = f"view {view}, {way.name}: {made}"
                    failures.append({"source": target.path, "galaxy_id": name, "reason": reason})
                    continue
                # The same view of the same galaxy, many times: each way is a data set of its own.
                extra = {"dataset": f"{task.dataset}, {way.name}", "view": view, "split": "test"}
                extra["variation"] = way.name
                stamps.append(replace(made, row=made.row | extra))
    if not stamps:
        return Images(None, None, tuple(failures), tuple(notes))
    return Images(*collect_stamps(stamps), tuple(failures), tuple(notes))


def _attributed(scores: Table, dataset: str, reference: str, settings: AttributeSettings) -> Attribution:
    """Budget of the scores."""
    score = headline_score(scores)
    real = np.asarray(scores["dataset"]) == reference
    mocks = scores[(np.asarray(scores["kind"]) == "simulated") & np.isfinite(scores[score])]
    mocks["dataset"] = dataset
    names = np.asarray(mocks["variation"]).astype(str)
    ours = {str(name): mocks[names == name] for name in np.unique(names)}
    steps = _in_common({step: ours[step] for step in LADDER if step in ours})
    last = list(steps)[-1]
    steps[last] = _with_real(steps[last], scores[real])
    budget = ladder(steps, dataset, reference, settings.seed, score=score)
    perturbed, shifts, weights = ours[BASELINE], {}, {}
    for name, table in ours.items():
        if name in LADDER:
            continue
        shifts[name] = _in_common({"baseline": perturbed, name: table})
        ingredient = name.split()[0]
        if ingredient in _KNOWN:
            weights[name] = settings.known_to / abs(float(name.split()[1]))
        elif ingredient in _NOT_SYSTEMATIC:
            weights[name] = 0.0
    table, floor = systematic_floor(shifts, dataset, settings.seed, uncertainties=weights, score=score)
    end = budget[-1]
    return Attribution(budget, table, end["to_real"], end["to_real_low"], end["to_real_high"], floor)


def _in_common(tables: dict[str, Table]) -> dict[str, Table]:
    """Rows of those views that every table has."""
    keys = {
        name: np.char.add(
            np.char.add(np.asarray(t["galaxy_id"]).astype(str), "\n"), np.asarray(t["view"]).astype(str)
        )
        for name, t in tables.items()
    }
    common = set.intersection(*(set(each.tolist()) for each in keys.values()))
    if not common:
        raise ValueError("no view of a galaxy has a finite score in all steps; see failures.ecsv.")
    return {name: table[np.isin(keys[name], sorted(common))] for name, table in tables.items()}


def _with_real(table: Table, real: Table) -> Table:
    """Both in one table, with the columns they share."""
    return vstack([table, real], join_type="inner", metadata_conflicts="silent")


def messages(settings: AttributeSettings, found: Attribution) -> Iterator[str]:
    """Show both tables and the verdict."""
    for table, name in ((found.ladder, "change"), (found.perturbations, "shift")):
        shown = table[table.colnames[0], "n_galaxies", name, f"{name}_low", f"{name}_high"]
        for column in shown.colnames[2:]:
            shown[column].info.format = "+.1f"
        yield from shown.pformat(max_width=-1, max_lines=-1)
    yield found.verdict
    yield f"give {settings.out} to 'simcompare compare' as --attribution"
