"""Train the same flows again where nothing should change: other seeds, halves, pixel transforms."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows import FlowConfig, FlowModel, TrainingConfig, train
from mocks import stream
from simcompare.comparison.nulls import NULLS
from simcompare.comparison.report_table import FurtherTable, write_further
from simcompare.comparison.stability import fraction_stability, model_null, stability
from simcompare.data.shipped import find_model
from simcompare.images.image_set import ImageSet
from simcompare.models.density import context_of
from simcompare.models.storage import load_model, model_metadata
from simcompare.runs.files import write_text
from simcompare.runs.folder import open_run, read_settings
from simcompare.runs.names import SCORES
from simcompare.runs.products import make_files
from simcompare.runs.time_limit import Watch
from simcompare.scores.bare_sky import with_sky
from simcompare.scores.files import joined_scores, read_form, write_blocks
from simcompare.scores.joining import stack_scores
from simcompare.scores.likelihood import score
from simcompare.scores.record import Scores
from simcompare.scores.structure import CONDITIONS, STRUCTURE, Structure, learn_structure
from simcompare.settings import NullsSettings

__all__ = ["make_nulls", "messages"]

logger = logging.getLogger(__name__)

_BASE = "unaltered"
_HALVES = ("half 1", "half 2")
_SOFTER, _HARDER = 2.0, 0.4  # factors on the softening, by default five times the noise
_NOISES_PER_SOFTENING = 5.0


@dataclass(frozen=True)
class _Variant:
    """One way to train again."""

    name: str
    group: str
    seed: int
    half: int = -1
    softening: float = 1.0
    pixels: str = ""


@dataclass(frozen=True)
class _Task:
    """One variant, trained and applied."""

    variant: _Variant
    settings: NullsSettings
    real: Path
    twins: Path | None

    @property
    def folder(self) -> Path:
        """Where its models and scores are kept."""
        return self.settings.out / "variants" / self.variant.name.replace(" ", "-")


def make_nulls(settings: NullsSettings) -> list[FurtherTable]:
    """Repeat training and scoring under other seeds, disjoint halves and pixel transforms.

    Every variant is trained from nothing for the same time, the unaltered one too: a shorter training than
    that of the model scored with is enough to see what the choices change.

    Parameters
    ----------
    settings : NullsSettings
        Its model and background are training runs, whose image sets are used again.

    Returns
    -------
    list of FurtherTable
        Seeds, pixel transforms, halves: the structure fraction of every data set under each variant; and
        the two flows of disjoint halves against each other. Also in ``settings.out / "tables"``; what
        ``simcompare compare --nulls`` needs is in ``nulls.json``. Variants finished by an interrupted run are
        kept.

    Raises
    ------
    FileNotFoundError, ValueError
        When a model is no training run, or the image sets lack real galaxies.
    """
    models = [path for path in (settings.model, settings.background) if path is not None]
    for path in models:
        if find_model(path) != path:
            raise ValueError(
                f"{path} comes without its training images, and 'nulls' trains it again; give a run of "
                "'simcompare train'."
            )
    with open_run(settings.out, "nulls", settings, [*settings.images, *models]) as run:
        real, twins = (
            None if path is None else Path(read_settings(path)["images"])
            for path in (settings.model, settings.background)
        )
        tasks = [_Task(variant, settings, real, twins) for variant in _variants(settings, real)]
        for task in tasks:
            task.folder.mkdir(parents=True, exist_ok=True)
        paths = [task.folder / SCORES for task in tasks]
        make_files(run, _run, paths, tasks)
        name = ImageSet.open(real).name
        scores = {
            task.variant: joined_scores([path], read_form(path)).with_reference(name)
            for task, path in zip(tasks, paths, strict=True)
        }
        tables, spreads = _tables(scores, settings.seed)
        write_further(tables, run.folder / "tables")
        write_text(run.folder / NULLS, json.dumps(spreads, indent=1))
        run.record_tables(NULLS)
    return tables


def _variants(settings: NullsSettings, real: Path) -> list[_Variant]:
    """List what is trained; pictures of 8 bits have one transform alone."""
    seed = settings.seed
    variants = [_Variant(_BASE, "base", seed)]
    variants += [_Variant(f"seed {k}", "seeds", seed + k) for k in range(1, settings.seeds + 1)]
    variants += [_Variant(name, "halves", seed, half=k) for k, name in enumerate(_HALVES)]
    if load_model(settings.model).config.pixels != "rgb":
        variants += [
            _Variant("softer pixels", "transforms", seed, softening=_SOFTER),
            _Variant("harder pixels", "transforms", seed, softening=_HARDER),
            _Variant("stabilised pixels", "transforms", seed, pixels="stabilised"),
        ]
    return variants


def _run(path: Path, task: _Task, watch: Watch) -> None:
    """Train one variant and score all image sets with it."""
    settings, base = task.settings, load_model(task.settings.model)
    real, background = ImageSet.open(task.real), settings.background
    config = _config(base.config, task.variant, real)
    model = _trained(task, real, config, None, "real")
    if background is not None:
        background = _trained(task, ImageSet.open(task.twins), config, model, "background")
    backgrounds = {} if background is None else {"background": background}
    sets = [ImageSet.open(folder) for folder in settings.images]
    if task.twins is not None and ImageSet.open(task.twins).name not in [images.name for images in sets]:
        sets.append(ImageSet.open(task.twins))  # needed for the structure fraction
    parts = [
        score(images, model, with_sky(backgrounds, images, model), symmetries=settings.symmetries)
        for images in sets
    ]
    scores = stack_scores(parts)
    kept = [STRUCTURE, *CONDITIONS, *(name for name in scores.colnames if name.startswith("psf_fwhm_"))]
    write_blocks([scores.select("view", "log_prob", parts[0].headline, *kept)], path)


def _config(config: FlowConfig, variant: _Variant, real: ImageSet) -> FlowConfig:
    """Flow of a variant."""
    softening = tuple(variant.softening * each for each in config.softening)
    if variant.pixels != "stabilised":
        return config.replace(softening=softening)
    names = [f"electrons_per_nanomaggy_{band}" for band in real.bands]
    if set(names) <= set(real.catalogue.colnames):
        gain = tuple(float(np.nanmedian(np.asarray(real.catalogue[name], float))) for name in names)
    else:
        gain = tuple(
            band.gain[0] * band.counts_per_nanomaggy for band in real.survey_record.select(real.bands)
        )
    noise = tuple(each / _NOISES_PER_SOFTENING for each in softening)
    return config.replace(pixels="stabilised", softening=noise, gain=gain)


def _trained(
    task: _Task, images: ImageSet, config: FlowConfig, init: FlowModel | None, name: str
) -> FlowModel:
    """Flow of the train split, or of one half of its galaxies; trained once."""
    path = task.folder / name
    if path.is_dir():
        return load_model(path)
    settings, variant = task.settings, task.variant
    train_set, held_out = (
        _half(images.split(each), variant, settings.seed) for each in ("train", "validation")
    )
    training = TrainingConfig() if settings.epochs is None else TrainingConfig(epochs=settings.epochs)
    model = train(
        train_set.read().image,
        context_of(train_set.catalogue, config.context),
        config=config,
        training=training,
        validation=(held_out.read().image, context_of(held_out.catalogue, config.context)),
        seed=variant.seed,
        init=init,
        time_limit=settings.minutes and 60 * settings.minutes,
        metadata=model_metadata(images, train_set),
    )
    model.save(path)
    return model


def _half(images: ImageSet, variant: _Variant, seed: int) -> ImageSet:
    """One of two halves that share no galaxy; the whole set for other variants."""
    if variant.half < 0:
        return images
    galaxy = np.asarray(images.catalogue["galaxy_id"]).astype(str)
    side = {name: stream(seed, name, "null half").integers(2) for name in np.unique(galaxy)}
    half = images.subset(np.flatnonzero([side[name] == variant.half for name in galaxy]))
    if len(half) < 2:
        raise ValueError(f"half of {images.name} is {len(half)} images, too few to train on.")
    return half


def _tables(
    scores: Mapping[_Variant, Scores], seed: int
) -> tuple[list[FurtherTable], dict[str, dict[str, float]]]:
    """Tables of the nulls, and their spread by data set."""
    groups = {
        group: {each.name: of_variant for each, of_variant in scores.items() if each.group in kept}
        for group, kept in (
            ("seeds", ("base", "seeds")), ("transforms", ("base", "transforms")), ("halves", ("halves",)),
        )
    }  # fmt: skip
    titles = {
        "seeds": "Other training seeds",
        "transforms": "Other pixel transforms",
        "halves": "Flows of disjoint halves of the real galaxies",
    }
    columns = {"seeds": "seed_scatter", "transforms": "transform_scatter", "halves": "half_difference"}
    structures = _structures({each.name: of_variant for each, of_variant in scores.items()}, seed)
    unit = "fraction" if structures else "nats"
    tables, spreads = [], {name: {"unit": unit} for name in next(iter(scores.values())).others}
    for group, variants in groups.items():
        if len(variants) < 2:
            continue
        table = fraction_stability(variants, structures) if structures else stability(variants, seed)
        changes = "changes" if table.meta["order_changes"] else "does not change"
        quantity = "Structure fraction" if structures else "Difference of the mean to real galaxies, nats"
        note = f"{quantity}; the order of simulations {changes}."
        tables.append(FurtherTable(f"null_{group}", titles[group], note, table))
        for name, scatter in table.meta["scatter"].items():
            value = scatter * np.sqrt(2) if group == "halves" else scatter
            spreads.setdefault(name, {})[columns[group]] = float(value)
    pair = model_null(*(groups["halves"][name] for name in _HALVES), seed)
    note = "log_prob under the first half's flow minus the second's, of the same images, nats."
    tables.append(FurtherTable("null_models", "Two flows of disjoint halves", note, pair))
    return tables, spreads


def _structures(scores: Mapping[str, Scores], seed: int) -> dict[str, Structure]:
    """Learn the real galaxies and twins under every variant; empty where one has no structure fraction."""
    structures = {}
    for name, each in scores.items():
        try:
            structures[name] = learn_structure(each, stream(seed, "structure folds"))
        except ValueError as error:
            logger.info("the nulls are in nats: %s", error)
            return {}
        if not structures[name].has_twins:
            logger.info("the nulls are in nats: too few real galaxies have a scored twin")
            return {}
    return structures


def messages(settings: NullsSettings, tables: list[FurtherTable]) -> Iterator[str]:
    """Say what each table shows."""
    for each in tables:
        yield f"{each.title}. {each.note}"
    yield f"give {settings.out} to 'simcompare compare' as --nulls"
