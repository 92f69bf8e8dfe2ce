"""Kinds of files that `damaged_files.py` damages: how each is made, and read as a command reads it."""

import io
import logging
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import damaged_snapshots
import h5py
import numpy as np
from astropy.io import fits
from astropy.table import Table
from damaged_snapshots import read_galaxy
from PIL import Image

from flows import FlowConfig, FlowModel
from mocks import checked_hdf5, load_survey
from mocks.light.grid import read_grid, write_grid
from mocks.toys import toy_galaxies, write_eagle_extract, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands.planning.workflow import plan_workflow, read_workflow
from simcompare.comparison.board import board
from simcompare.comparison.report_table import read_comparison, read_further
from simcompare.images.image_set import ImageSet, Stack, part_path, write_part
from simcompare.images.preparation.prepare import Preparation
from simcompare.models.storage import load_model, model_metadata
from simcompare.observed.formats import read_stamps
from simcompare.observed.places import read_places
from simcompare.runs import ledger
from simcompare.runs.folder import read_provenance, runs_behind
from simcompare.runs.ledger import Ledger, write_record
from simcompare.scores.run_inputs import run_image_sets, run_models, run_scores

__all__ = ["Kind", "forget", "kinds"]

SIZE, BANDS = 8, ("r",)


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Parameters
    ----------
    name : str
    make : callable
        From a folder to the file to damage, and what reads it and returns its numbers.
    is_hashed : bool
        Whether its hash is known, so that any change must be noticed.
    """

    name: str
    make: Callable[[Path], tuple[Path, Callable[[], object]]]
    is_hashed: bool = False


def forget() -> None:
    """Forget files that were read, as a new command has."""
    ledger._hash_once.cache_clear()
    checked_hdf5._remembered.cache_clear()


def _set(folder: Path, name: str, kind: str, n: int, seed: int) -> None:
    """Image set of clumps on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    image = rng.normal(size=(n, 1, SIZE, SIZE)) + 5 * np.exp(-(x**2 + y**2) / 4)
    stack = Stack(
        image=image,
        variance=np.ones_like(image),
        mask=np.zeros(image.shape, np.uint8),
        psf=np.full((n, 1, 5, 5), 1 / 25),
        quantum=np.full((n, 1), 0.01),
    )
    table = Table({"galaxy_id": [f"{name}-{k}" for k in range(n)], "dataset": [name] * n})
    table["view"], table["flags"], table["sky_level_r"] = 0, 0, 0.0
    table["split"] = "test" if kind == "simulated" else ["train", "validation", "test", "test"] * (n // 4)
    for column, value in (
        ("mag_r", 17.0),
        ("sky_sigma_r", 1.0),
        ("psf_fwhm_r", 1.2),
        ("half_light_radius", 2),
    ):
        table[column] = value * rng.uniform(0.9, 1.1, n)
    path = part_path(folder, 0)
    write_part(
        path, stack, table, name=name, kind=kind, survey="sdss", bands=BANDS, pixel_scale=0.396,
        preparation=Preparation(size=SIZE), provenance={"seed": seed},
    )  # fmt: skip
    write_record(path, {})


@lru_cache(maxsize=1)
def world(folder: Path) -> Path:
    """Image sets, models, scores and a comparison."""
    home = folder / "world"
    for seed, (name, kind, n) in enumerate((("real", "observed", 80), ("toy", "simulated", 24))):
        _set(home / name, name, kind, n, seed)
    images = ImageSet.open(home / "real")
    for name in ("model", "background"):
        config = FlowConfig(size=SIZE, n_bands=1, softening=(0.1,), widths=(4,), steps=(1,))
        model = FlowModel(config, model_metadata(images, images.split("train")))
        model.history = [{"epoch": 1, "train": 0.5, "validation": 0.25}]
        model.summary = {"n_train": 20, "gap_nats_per_pixel": 0.25}
        model.save(home / name / "model")
    words = [
        "--model",
        home / "model",
        "--background",
        home / "background",
        "--workers",
        "1",
        "--no-symmetries",
    ]
    command = ["score", home / "real", home / "toy", *words, "--out", home / "scores"]
    compare = ["compare", home / "scores", "--bootstrap", "100", "--out", home / "comparison"]
    for each in (command, compare):
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            status = main(["-q", *map(str, each)])
        assert status == 0, each
    logging.disable()  # what is warned of while damaged files are read
    return home


def _in_world(place: str, read: Callable[[Path], object], copy: str = "") -> Callable:
    """Maker of a file of the world, copied so that each kind has its own."""

    def make(folder: Path) -> tuple[Path, Callable[[], object]]:
        home = shutil.copytree(world(folder), folder / (copy or f"of-{place.replace('/', '-')}"))
        return home / place, lambda: read(home)

    return make


def _image_set(home: Path) -> list:
    """All that an image set holds."""
    images = ImageSet.open(home / "real")
    stack, table = images.read(), images.catalogue
    facts = [images.name, images.kind, images.bands, images.pixel_scale, images.unit, images.provenance]
    pixels = [stack.image, stack.variance, stack.mask, stack.psf, stack.quantum]
    return [
        *facts,
        images.preparation_hash,
        *pixels,
        {name: np.asarray(table[name]) for name in table.colnames},
    ]


def _unrecorded(folder: Path) -> tuple[Path, Callable[[], object]]:
    """Part of an image set without a record."""
    path, read = _in_world("real/images/part-0000.h5", _image_set, "unrecorded")(folder)
    path.with_suffix(".json").unlink()
    return path, read


def _scores(home: Path) -> object:
    """Score table."""
    table = run_scores(home / "scores")
    table = getattr(table, "table", table)
    table = table() if callable(table) else table
    return {name: np.asarray(table[name]) for name in table.colnames}


def _comparison(home: Path) -> object:
    """Comparison with its further tables."""
    table, further = read_comparison(home / "comparison"), read_further(home / "comparison" / "tables")
    return [
        {name: np.asarray(table[name]) for name in table.colnames},
        [
            (each.name, each.title, each.note, None if each.table is None else len(each.table))
            for each in further
        ],
    ]


def _board(home: Path) -> object:
    """Ranking of one comparison."""
    table = board([home / "comparison" / "record.json"])
    return {name: np.asarray(table[name]) for name in table.colnames}


def _model(home: Path) -> object:
    """Weights and facts of a model."""
    model = load_model(home / "model")
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    return [weights, model.metadata, model.history, model.summary]


def _run(home: Path) -> object:
    """Look up what is behind a comparison."""
    folder = home / "comparison"
    behind = [path.name for path in runs_behind(folder)]
    sets = {name: len(images) for name, images in run_image_sets(folder).items()}
    return [behind, sets, sorted(run_models(folder)), sorted(read_provenance(folder))]


def _ledger(home: Path) -> object:
    """Finished products of a comparison."""
    known = Ledger(home / "comparison" / "products.json", "x")
    return [known.is_of_other(), known.has("comparison.ecsv")]


def _file(name: str, write: Callable[[Path], object], read: Callable[[Path], object]) -> Callable:
    """Maker of a file that stands alone."""

    def make(folder: Path) -> tuple[Path, Callable[[], object]]:
        path = folder / "alone" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        made = write(path)
        path = made if isinstance(made, Path) else path
        return path, lambda: read(path)

    return make


def _places(path: Path) -> object:
    """Catalogue of places."""
    table = read_places(path)
    return {name: np.asarray(table[name]) for name in table.colnames}


def _write_places(path: Path) -> None:
    """Catalogue in the form that its ending says."""
    rng = np.random.default_rng(1)
    table = Table(
        {"name": [f"g{k}" for k in range(20)], "ra": rng.uniform(0, 360, 20), "dec": rng.uniform(-90, 90, 20)}
    )
    table.write(path, **({"format": "votable"} if path.suffix == ".xml" else {}))


def _stamps(path: Path) -> object:
    """Survey images, as `prepare` reads them: a problem of one galaxy is counted."""
    bands = ("R", "G", "B") if path.suffix in ("", ".jpg") else BANDS
    return [
        (stamp.galaxy_id, stamp.problem, stamp.image, stamp.pixel_scale) for stamp in read_stamps(path, bands)
    ]


def _write_stack(path: Path) -> None:
    """Stack of galaxies in HDF5."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file["image"] = rng.normal(size=(4, 1, 16, 16)).astype("f4")
        file["ra_deg"], file["dec_deg"] = 10.05 + np.arange(4) / 10, np.full(4, 0.05)
        file["galaxy_id"] = [f"galaxy {k}" for k in range(4)]
        file.attrs.update(
            {"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy", "psf_fwhm_arcsec": 1.3}
        )


def _write_cutout(path: Path) -> None:
    """Cut-out of one galaxy in FITS, with its PSF."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[-4:5, -4:5]
    header = fits.Header({"BUNIT": "nanomaggy", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0,
                          "CRVAL2": 1.0, "CRPIX1": 8.5, "CRPIX2": 8.5, "CDELT1": -1.1e-4, "CDELT2": 1.1e-4,
                          "FILTER": "r"})  # fmt: skip
    image = fits.PrimaryHDU(rng.normal(size=(16, 16)).astype("f4"), header)
    fits.HDUList([image, fits.ImageHDU(np.exp(-(x**2 + y**2) / 3.0), name="PSF")]).writeto(path)


def _write_pictures(path: Path) -> Path:
    """Folder of one JPEG."""
    rng = np.random.default_rng(1)
    path.mkdir()
    Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(path / "a.jpg")
    return path / "a.jpg"


def _write_tar(path: Path) -> None:
    """Tar of cut-outs, and that of their PSFs."""
    _write_cutout(path.with_name("1-cutout-HSC-R-9813-pdr3.fits"))
    for name in (path, path.with_name(path.name.replace(".tar", "-psf.tar"))):
        with tarfile.open(name, "w") as archive:
            archive.add(path.with_name("1-cutout-HSC-R-9813-pdr3.fits"), "arch/1-cutout-HSC-R-9813-pdr3.fits")


def _tng(folder: Path) -> tuple[Path, Callable[[], object]]:
    """Snapshot of IllustrisTNG."""
    home = write_tng_snapshot(folder / "tng" / "toy-1", toy_galaxies("toy-1", 2, 3), n_files=1)
    path = home / "output" / "snapdir_099" / "snap_099.0.hdf5"
    return path, lambda: read_galaxy(home)


def _survey_text(path: Path) -> object:
    """Survey of a user's file."""
    survey = load_survey(path)
    return [survey.name, survey.pixel_scale, {name: repr(band) for name, band in survey.bands.items()}]


def _copy_survey(path: Path) -> None:
    """Survey file of our own under another name."""
    path.write_text((files("mocks") / "surveys" / "sdss.toml").read_text(encoding="utf-8"))


def _grid(path: Path) -> object:
    """Grid of spectra."""
    grid = read_grid(path)
    return [grid.metallicity, grid.log_age, grid.wavelength, grid.spectra]


def _write_grid(path: Path) -> None:
    """Small grid of spectra."""
    from mocks.light.grid import SpectralGrid

    write_grid(path, SpectralGrid(
        metallicity=np.array([0.01, 0.02]), log_age=np.array([6.0, 8.0, 10.0]),
        wavelength=np.linspace(3000, 11000, 50), spectra=np.ones((2, 3, 50), "f4"),
        living_fraction=np.ones((2, 3)), attributes={"imf": "Kroupa", "source": "ones"},
    ))  # fmt: skip


WORKFLOW = """out = "run"
survey = "sdss"
size = 32
[prepare]
inputs = ["frames"]
train = 0.7
[train]
epochs = 3
[mock.TNG]
inputs = ["toy 1"]
redshift = 0.05
where = "n_stars > 1"
[compare]
reference = "real"
"""


def _workflow(path: Path) -> object:
    """Plan a workflow."""
    return [(step.verb, step.settings.as_dict()) for step in plan_workflow(read_workflow(path), str(path))]


def kinds(folder: Path) -> Iterator[Kind]:
    """All kinds; a new format is one entry here."""
    yield Kind("image set", _in_world("real/images/part-0000.h5", _image_set), is_hashed=True)
    yield Kind("image set without record", _unrecorded)
    yield Kind("record of a part", _in_world("real/images/part-0000.json", _image_set))
    scores = next(path.name for path in (world(folder) / "scores").glob("scores.*") if path.suffix != ".json")
    yield Kind("score table", _in_world(f"scores/{scores}", _scores), is_hashed=True)
    yield Kind("comparison", _in_world("comparison/comparison.ecsv", _comparison), is_hashed=True)
    yield Kind("list of tables", _in_world("comparison/tables/index.json", _comparison), is_hashed=True)
    yield Kind("record of the board", _in_world("comparison/record.json", _board), is_hashed=True)
    yield Kind("run configuration", _in_world("comparison/config.toml", _run))
    yield Kind("score configuration", _in_world("scores/config.toml", _run))
    yield Kind("provenance", _in_world("comparison/provenance.json", _run))
    yield Kind("ledger", _in_world("comparison/products.json", _ledger))
    yield Kind("weights", _in_world("model/model/weights.safetensors", _model), is_hashed=True)
    yield Kind("facts of a model", _in_world("model/model/model.toml", _model), is_hashed=True)
    yield Kind("history of a model", _in_world("model/model/history.csv", _model), is_hashed=True)
    yield Kind("survey file", _file("survey.toml", _copy_survey, _survey_text))
    yield Kind("workflow file", _file("flow.toml", lambda path: path.write_text(WORKFLOW), _workflow))
    for ending in ("csv", "ecsv", "fits", "xml"):
        yield Kind(f"catalogue.{ending}", _file(f"places.{ending}", _write_places, _places))
    yield Kind("stack of galaxies", _file("stack.h5", _write_stack, _stamps))
    yield Kind("cut-out", _file("cutout-r.fits", _write_cutout, _stamps))
    yield Kind("picture", _file("pictures", _write_pictures, lambda path: _stamps(path.parent)))
    yield Kind("tar of cut-outs", _file("hsc.tar", _write_tar, _stamps))
    yield Kind("grid of spectra", _file("grid.h5", _write_grid, _grid))
    yield Kind("snapshot of TNG", _tng)
    yield Kind("extract of EAGLE", _file(
        "eagle.hdf5", lambda path: write_eagle_extract(path, toy_galaxies("toy-1", 1, 3)),
        read_galaxy,
    ))  # fmt: skip
    for name, make in damaged_snapshots.kinds():
        yield Kind(name, make)
