"""What stands behind a run of scores or of a comparison: its table, image sets and flow."""

import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from mocks.checked_hdf5 import open_contained
from simcompare.data.shipped import find_model
from simcompare.images.image_set import ImageSet
from simcompare.runs.folder import read_config
from simcompare.runs.ledger import check_hash
from simcompare.scores.files import joined_form, joined_scores, scores_file
from simcompare.scores.record import Scores

__all__ = ["is_toy", "model_names", "run_image_sets", "run_maps", "run_models", "run_scores", "score_runs"]

logger = logging.getLogger(__name__)


def run_scores(run: str | Path, wanted: Callable[[Scores], Collection[str]] | None = None) -> Scores:
    """Read the scores of a run of ``score`` or ``compare``.

    Parameters
    ----------
    run : path-like
    wanted : callable, optional
        Chooses from scores without rows the columns to be read; default all.

    Raises
    ------
    FileNotFoundError
        When there is none.
    """
    path = scores_file(run)
    check_hash(path)
    form = joined_form([path])
    return joined_scores([path], form, None if wanted is None else wanted(form))


def score_runs(run: str | Path) -> list[Path]:
    """Name the runs of ``score`` behind a run of ``compare``, or the run itself.

    Raises
    ------
    FileNotFoundError
        When the folder is not a run.
    ValueError
        When it is a run of another command.
    """
    verb, settings = read_config(run)
    if verb == "score":
        return [Path(run)]
    if verb != "compare":
        raise ValueError(f"{run} is a run of '{verb}'; give one of 'score' or 'compare'.")
    return [Path(path) for path in _paths(run, settings, "scores")]


def _paths(run: str | Path, settings: dict, name: str) -> list[str]:
    """Paths that a run was made from."""
    paths = settings.get(name)
    if not isinstance(paths, list) or not paths:
        raise ValueError(f"{run}: its config.toml names no {name}; is it damaged? Make the run again.")
    return paths


def run_image_sets(run: str | Path) -> dict[str, ImageSet]:
    """Open the image sets of a run by name; one that no longer exists is skipped with a warning."""
    image_sets = {}
    for each in score_runs(run):
        for folder in _paths(each, read_config(each)[1], "images"):
            try:
                images = ImageSet.open(folder)
            except OSError as error:
                logger.warning("pictures of %s skipped: %s", folder, error)
                continue
            image_sets[images.name] = images
    return image_sets


def run_maps(run: str | Path) -> dict[str, Callable[[int], np.ndarray]]:
    """Offer the stored maps of the log-likelihood ratio to the background, by data set.

    Parameters
    ----------
    run : path-like
        Run of ``score`` or ``compare``.

    Returns
    -------
    dict of str to callable
        From ``image_index`` to the map, shape (y, x) [nats per pixel]. Empty without ``score --maps``, or
        where the model was scored without a background.
    """
    readers = {}
    for folder in (each / "maps" for each in score_runs(run)):
        for path in sorted(folder.glob("*.h5")):
            with open_contained(path) as file:
                if {"log_prob", "log_prob_background"} <= set(file):
                    readers.setdefault(str(file.attrs["dataset"]), partial(_ratio_map, folder))
    return {name: partial(read, name) for name, read in readers.items()}


def _ratio_map(folder: Path, dataset: str, image_index: int) -> np.ndarray:
    """Map of the log-likelihood ratio of one image, shape (y, x) [nats per pixel]."""
    from simcompare.scores.pixel_maps import read_map  # loads torch

    maps = read_map(folder, dataset, image_index)
    return maps["log_prob"] - maps["log_prob_background"]


def model_names(run: str | Path) -> list[str]:
    """Say which of ``model`` and ``background`` behind a run are still there, without loading them."""
    settings = read_config(score_runs(run)[0])[1]
    names = [name for name in ("model", "background") if name in settings]
    return [name for name in names if _is_there(str(settings[name]))]


def _is_there(model: str) -> bool:
    """Whether a model is a folder, or ships with the package."""
    try:
        return find_model(model).is_dir()
    except FileNotFoundError:
        return False


def run_models(run: str | Path) -> dict[str, object]:
    """Read the flows behind a run: ``model`` and ``background``, as far as they are still there."""
    from simcompare.models.storage import load_model  # loads torch, which comparing does not need

    models = {}
    settings = read_config(score_runs(run)[0])[1]
    for name in ("model", "background"):
        if name not in settings:
            continue
        try:
            models[name] = load_model(Path(str(settings[name])))
        except (OSError, ValueError) as error:
            logger.warning("figures of the flow %s skipped: %s", settings[name], error)
    return models


def is_toy(image_sets: Iterable[ImageSet]) -> bool:
    """Whether any of the image sets holds toy galaxies."""
    return any(part.get("is_toy") for images in image_sets for part in images.provenance)
