"""Image sets and models to a score run: likelihoods, typicality, nearest real galaxies, maps."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from flows import FlowModel
from flows.training.distributed import choose_device
from simcompare.data.shipped import ensemble_members, find_model, reference_table
from simcompare.images.image_set import LINEAR_UNIT, ImageSet
from simcompare.kinds import Kind
from simcompare.models.density import SKY, Density, check_prepared_alike
from simcompare.models.storage import load_model, model_hash
from simcompare.runs.files import file_state
from simcompare.runs.folder import open_run
from simcompare.runs.names import SCORES
from simcompare.runs.products import make_files
from simcompare.runs.time_limit import Watch
from simcompare.scores.bare_sky import with_sky
from simcompare.scores.encoders import find_encoder
from simcompare.scores.files import count_rows, joined_blocks, joined_form, read_form, write_blocks
from simcompare.scores.joining import stack_scores
from simcompare.scores.likelihood import score, warn_of_doubts
from simcompare.scores.pixel_maps import write_maps
from simcompare.scores.ranking import place_scores
from simcompare.scores.record import Scores
from simcompare.scores.run_inputs import run_scores
from simcompare.settings import ScoreSettings
from simcompare.synthetic.blank_sky import blank_sky_of

__all__ = ["messages", "score_image_sets", "write_scores"]

logger = logging.getLogger(__name__)

_CHUNKS = "chunks"
_IMAGES_PER_TASK = 192
_HEADLINE = "background"


def score_image_sets(settings: ScoreSettings) -> Scores:
    """Score as `write_scores`, and read all scores."""
    return run_scores(write_scores(settings).parent).with_reference(settings.reference)


def write_scores(settings: ScoreSettings) -> Path:
    """Score image sets under a model, or several seeds of it, and its backgrounds.

    Where real images are among them, the frames of the held-out ones without their galaxies, data set
    "blank sky", are scored too, as a control.

    Returns
    -------
    pathlib.Path
        ``settings.out / "scores.parquet"``, one row per image of all sets: the columns of
        `simcompare.scores.likelihood.score` and, where real images are among the sets, those of
        `simcompare.scores.ranking.place_scores`. Beside it lie ``spaces.h5`` and, on request, ``maps/``.
        Chunks scored by an interrupted run are kept. Memory holds some rows at a time, and one number of
        each.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing inputs, an unknown reference or embedding, or images prepared unlike the model's.
    """
    models = [*_members(settings), *_background_paths(settings)]
    inputs = [*settings.images, *map(find_model, models)]
    with open_run(settings.out, "score", settings, inputs) as run:
        embedding = find_encoder(settings.embedding, may_import=True) if settings.embedding else None
        sets = [ImageSet.open(folder) for folder in settings.images]
        done = run.ledger((path for images in sets for path in images.files), *_identity(settings).values())
        if done.is_of_other():
            raise ValueError(
                f"the images or models that {run.folder} was made from have changed since; choose another "
                "--out, or delete the folder to start again."
            )
        if done.has(SCORES):
            logger.info("%s exists already", run.folder / SCORES)
            shutil.rmtree(run.folder / _CHUNKS, ignore_errors=True)  # left by a run killed at its very end
            return run.folder / SCORES
        done.record()
        settings = settings.model_copy(update={"device": choose_device(settings.device)})
        reference = _reference(sets, settings.reference)
        sets += [
            blank_sky_of(images, settings.seed)
            for images in sets
            if images.name == reference and images.unit == LINEAR_UNIT
        ]
        chunks = [chunk for images in sets for chunk in _chunks(images, settings)]
        folder = run.folder / _CHUNKS
        folder.mkdir(exist_ok=True)
        paths = [folder / f"scores-{number:06d}.parquet" for number in range(len(chunks))]
        make_files(run, _score_chunk, paths, chunks, gpu=settings.device.startswith("cuda"))
        form = joined_form(paths, reference)
        form = replace(form, meta=dict(form.meta) | _identity(settings))
        read = partial(joined_blocks, paths, form)
        warn_of_doubts(read(["dataset", "is_finite", "outside_domain"]))
        if reference is None:
            logger.info("no single set of real images: 'compare' will add typicality and neighbours")
            blocks = joined_blocks(*_with_held_out(paths, form, settings))
        else:
            model = _model_once(settings.model, settings.device)
            blocks = place_scores(
                read, form, sets, model, run.folder,
                seed=settings.seed, neighbours=settings.neighbours, embedding=embedding,
            )  # fmt: skip
        for images in sets if settings.maps else ():
            _write_maps(images, settings)
        write_blocks(blocks, run.folder / SCORES)
        done.record(SCORES)
        shutil.rmtree(folder)
    return run.folder / SCORES


def _with_held_out(paths: list[Path], form: Scores, settings: ScoreSettings) -> tuple[list[Path], Scores]:
    """Add the scores of the real galaxies that come with a shipped model, to compare simulations with."""
    path = reference_table(settings.model)
    if path is None:
        return paths, form
    try:
        form = stack_scores([form, read_form(path)])
    except ValueError as error:
        logger.info("held-out real galaxies of %s not added: %s", settings.model, error)
        return paths, form
    logger.info("added %d held-out real galaxies", count_rows(path))
    return [*paths, path], form


def _reference(sets: Sequence[ImageSet], asked: str | None) -> str | None:
    """Name of the real images: the one asked for, or the only observed set."""
    names = [images.name for images in sets]
    if asked is not None:
        if asked not in names:
            raise ValueError(f"reference {asked!r} is not among the image sets: {', '.join(names)}.")
        return asked
    observed = [images.name for images in sets if images.kind == Kind.OBSERVED]
    return observed[0] if len(observed) == 1 else None


def _versus(settings: ScoreSettings) -> dict[str, Path]:
    """Further backgrounds by name."""
    paths = {}
    for entry in settings.versus:
        name, is_named, path = entry.partition("=")
        if not is_named or not name or name in (_HEADLINE, SKY, *paths):
            raise ValueError(
                f"--versus is {entry!r}; write 'name=path', each name once, not {_HEADLINE!r} or {SKY!r}."
            )
        paths[name] = Path(path)
    return paths


def _members(settings: ScoreSettings) -> list[Path]:
    """Find the model, and the same from other seeds."""
    return ensemble_members(settings.model, settings.ensemble)


def _background_paths(settings: ScoreSettings) -> list[Path]:
    """Models of all backgrounds."""
    return [*([settings.background] if settings.background else []), *_versus(settings).values()]


def _identity(settings: ScoreSettings) -> dict[str, str]:
    """Hashes of the models' weights, so that scores of unlike models are never taken together."""
    names = {_HEADLINE: settings.background} if settings.background else {}
    names |= _versus(settings)
    return {
        "model": ",".join(map(model_hash, _members(settings))),
        "background": ",".join(f"{name}:{model_hash(path)}" for name, path in names.items()),
    }


@dataclass(frozen=True)
class _Chunk:
    """Neighbouring images of one set, scored by one task."""

    images: ImageSet
    start: int
    settings: ScoreSettings


def _chunks(images: ImageSet, settings: ScoreSettings) -> Iterator[_Chunk]:
    """Divide an image set among tasks, into whole batches: these decide the last bits of a score."""
    logger.info("scoring %s", images)
    for path in (*_members(settings), *_background_paths(settings)):
        check_prepared_alike(images, _model_once(path, settings.device))
    step = settings.batch_size * max(1, round(_IMAGES_PER_TASK / settings.batch_size))
    for start in range(0, len(images), step):
        yield _Chunk(images.slab(start, start + step), start, settings)


def _model_once(path: Path, device: str) -> FlowModel:
    """Read a model once per process, and again when another lies at its place."""
    return _model_in_state(path, device, file_state(find_model(path)))


@lru_cache(maxsize=8)
def _model_in_state(path: Path, device: str, _state: tuple) -> FlowModel:
    """Read a model."""
    return load_model(path).to(device)


def _backgrounds(settings: ScoreSettings, images: ImageSet) -> dict[str, Density]:
    """Backgrounds by name, the headline's first; bare sky is added where pixels are fluxes."""
    backgrounds = {_HEADLINE: settings.background} if settings.background else {}
    backgrounds = {
        name: _model_once(path, settings.device) for name, path in (backgrounds | _versus(settings)).items()
    }
    return with_sky(backgrounds, images, _model_once(settings.model, settings.device))


def _score_chunk(path: Path, chunk: _Chunk, watch: Watch) -> None:
    """Score some images and write their table; the same bits whatever the number of cores."""
    settings = chunk.settings
    with watch("images"):
        models = [_model_once(each, settings.device) for each in _members(settings)]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            scores = score(
                chunk.images.slab(0, len(chunk.images)),  # its catalogue goes with it
                models,
                _backgrounds(settings, chunk.images),
                batch_size=settings.batch_size,
                symmetries=settings.symmetries,
                warn=False,
            )
        finally:
            torch.set_num_threads(threads)
    scores = scores.with_columns(image_index=scores["image_index"] + chunk.start)
    write_blocks([scores], path)


def _write_maps(images: ImageSet, settings: ScoreSettings) -> None:
    """Write maps of the model and of its backgrounds, whose differences are those of the ratios."""
    backgrounds = _backgrounds(settings, images)
    densities = {"log_prob": _model_once(settings.model, settings.device)}
    densities |= {f"log_prob_{name}": density for name, density in backgrounds.items()}
    logger.info("mapping %s", images)
    write_maps(
        images,
        densities,
        settings.out / "maps",
        batch_size=settings.batch_size,
        symmetries=settings.symmetries,
    )


def messages(settings: ScoreSettings, path: Path) -> Iterator[str]:
    """Say how many images were scored."""
    yield f"{count_rows(path)} images scored in {path}"
