"""The whole story on toy galaxies: simulations in true file formats, a toy survey, scores, a report."""

import logging
import os
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np

from flows import FlowConfig, TrainingConfig
from mocks import Galaxy, stream
from mocks.toys import (
    TOY_GENERATIONS,
    ToyStructure,
    toy_galaxy,
    toy_structure,
    write_eagle_extract,
    write_ramses_output,
    write_tng_snapshot,
)
from simcompare.commands.compare import compare_runs
from simcompare.commands.mock import make_mocks
from simcompare.commands.report import report_run
from simcompare.commands.score import score_image_sets
from simcompare.commands.train import train_model
from simcompare.commands.twins import make_twins
from simcompare.comparison.answer import answer
from simcompare.kinds import Kind
from simcompare.runs.lock import lock_folder
from simcompare.settings import (
    CompareSettings,
    DemoSettings,
    MockSettings,
    ReportSettings,
    ScoreSettings,
    TrainSettings,
    TwinsSettings,
)

__all__ = ["DATASETS", "NATURE", "finished_demo", "messages", "run_demo", "write_toy_simulations"]

logger = logging.getLogger(__name__)

NATURE = "toy-real"
"""Toy physics that stands for nature, and name of the toy survey's data set."""

DATASETS = ("toy-1", "toy-2", "toy-3", "toy-EAGLE", "toy-RAMSES")
"""Toy simulations, the three generations first; the last two are the third in other file formats."""

_N_NATURE = 240
_N_GENERATION = 60
_N_OTHER_FORMAT = 24
_LEAST_MASS = 1.5e10  # Msun; arms and clumps of fainter galaxies drown in the noise
_REDSHIFT = 0.07
_SIZE = 32
_TRAINING = TrainingConfig(epochs=50)
_SHIPPED, _SHIPPED_SIZE = "sdss-r", 64


def write_toy_simulations(folder: Path, seed: int) -> dict[str, Path]:
    """Write the toy simulations as TNG snapshot folders, an EAGLE extract and a RAMSES output.

    Parameters
    ----------
    folder : pathlib.Path
        What is there already is kept.
    seed : int
        Of all toy galaxies.

    Returns
    -------
    dict of str to pathlib.Path
        Path to give to ``simcompare mock`` by data set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    formats = {
        "toy-EAGLE": ("toy-3", folder / "toy-EAGLE.hdf5", write_eagle_extract),
        "toy-RAMSES": ("toy-3", folder / "toy-RAMSES", write_ramses_output),
    }
    paths = {}
    for name in (*TOY_GENERATIONS, *formats):
        physics, path, write = formats.get(name, (name, folder / name, write_tng_snapshot))
        paths[name] = path
        if not _is_written(path):
            write(path, _toy_sample(name, physics, seed))
            _mark_written(path)
    paths["toy-RAMSES"] = next(paths["toy-RAMSES"].glob("output_*"))
    return paths


def _toy_sample(name: str, physics: str, seed: int) -> list[Galaxy]:
    """Make the galaxies of one toy simulation; all share their structures, so that only physics differs."""
    n = _N_OTHER_FORMAT if name not in TOY_GENERATIONS else _N_NATURE if name == NATURE else _N_GENERATION
    population = "nature" if name == NATURE else "initial conditions"
    structures = _structures(stream(seed, population), n)
    return [
        toy_galaxy(physics, stream(seed, name, i), structure=structure, subhalo_id=i)
        for i, structure in enumerate(structures)
    ]


def _structures(rng: np.random.Generator, n: int) -> list[ToyStructure]:
    """Structures of massive galaxies."""
    drawn = (toy_structure(rng) for _ in count())
    return list(islice((each for each in drawn if each.stellar_mass >= _LEAST_MASS), n))


def run_demo(settings: DemoSettings) -> Path:
    """Run the whole chain on toy galaxies; an interrupted demo goes on where it stopped.

    Returns
    -------
    pathlib.Path
        The report.

    Raises
    ------
    BlockingIOError
        When another demo works in the folder.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    with lock_folder(settings.out, "demo"):
        return _run(settings)


def _run(settings: DemoSettings) -> Path:
    """Run the chain in a folder that no other demo works in."""
    start, out, seed, workers = time.monotonic(), settings.out, settings.seed, settings.workers

    def step(text: str) -> None:
        logger.info("[%3.0f s] %s", time.monotonic() - start, text)

    step("writing toy simulations in the formats of TNG, EAGLE and RAMSES")
    snapshots = write_toy_simulations(out / "simulations", seed)
    step("observing them as SDSS would; TOY data, no real galaxy is involved")
    common = {"redshift": _REDSHIFT, "size": _SIZE, "seed": seed, "workers": workers}
    folders = {}
    for name, path in snapshots.items():
        folders[name] = out / "images" / name
        mock = MockSettings(inputs=[path], out=folders[name], name=name, **common)
        if name == NATURE:
            make_mocks(mock, kind=Kind.OBSERVED, fractions=(0.6, 0.15, 0.25))
        else:
            make_mocks(mock)
    step("making the smooth Sersic twin of every toy-real galaxy")
    folders["twins"] = out / "images" / "twins"
    make_twins(TwinsSettings(images=folders[NATURE], out=folders["twins"], seed=seed, workers=workers))
    step("learning the density of toy-real galaxies and of their twins")
    galaxies, twins = out / "models" / "galaxies", out / "models" / "twins"
    train_model(TrainSettings(images=folders[NATURE], out=galaxies, seed=seed), _flow(), _TRAINING)
    train_model(TrainSettings(images=folders["twins"], out=twins, init=galaxies, seed=seed), None, _TRAINING)
    step("scoring, comparing, drawing")
    scores = ScoreSettings(
        images=list(folders.values()), out=out / "scores", model=galaxies, background=twins
    )
    score_image_sets(scores)
    comparison = CompareSettings(
        scores=[scores.out],
        out=out / "comparison",
        reference=NATURE,
        generations=",".join(DATASETS[:3]),
        seed=seed,
    )
    compare_runs(comparison)
    page = report_run(ReportSettings(run=comparison.out))
    step("holding two of the toy simulations against real SDSS galaxies, by the flow that comes along")
    _hold_against_real_galaxies(out, snapshots, common)
    step("done")
    return page


def finished_demo(folder: str | Path | None = None) -> Path:
    """Find the demo of an earlier call, or make it: what notebooks and examples start from.

    Parameters
    ----------
    folder : path-like, optional
        Default: that in the environment variable ``SIMCOMPARE_DEMO``, else ``simcompare-demo`` here.

    Returns
    -------
    pathlib.Path
        Folder with ``images``, ``models``, ``scores`` and ``comparison``.
    """
    out = Path(folder or os.environ.get("SIMCOMPARE_DEMO", DemoSettings().out))
    if not (out / "comparison" / "report.html").is_file():
        run_demo(DemoSettings(out=out))
    return out


def _hold_against_real_galaxies(out: Path, snapshots: dict[str, Path], common: dict) -> None:
    """Score the first and the last toy generation under the shipped flow of real galaxies.

    Toys are not galaxies, and the shipped flow has seen few; it shows that a simulation can be held
    against real galaxies without any data, and what that looks like.
    """
    folders = []
    for name in (DATASETS[0], DATASETS[2]):
        folders.append(out / "images" / f"{name}-{_SHIPPED_SIZE}")
        make_mocks(
            MockSettings(
                inputs=[snapshots[name]], out=folders[-1], name=name, every=2,
                **common | {"size": _SHIPPED_SIZE},
            )
        )  # fmt: skip
    settings = ScoreSettings(images=folders, out=out / "scores-sdss", model=_SHIPPED)
    score_image_sets(settings)
    table = compare_runs(
        CompareSettings(scores=[settings.out], out=out / "comparison-sdss", seed=common["seed"])
    )
    logger.info("%s: %s", _SHIPPED, answer(table))


def _flow() -> FlowConfig:
    """Small flow of small images."""
    return FlowConfig(size=_SIZE, context=("log_sky_sigma_r", "psf_fwhm_r"))


def _mark(path: Path) -> Path:
    """File that says that a toy simulation is written whole."""
    return path.with_name(f"{path.name}.complete")


def _mark_written(path: Path) -> None:
    _mark(path).touch()


def _is_written(path: Path) -> bool:
    return _mark(path).is_file()


def messages(settings: DemoSettings, page: Path) -> Iterator[str]:
    """Say where the page is."""
    yield f"report in {page}"
