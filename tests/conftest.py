"""Fixtures shared by all tests."""

import fcntl
import logging
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from simcompare.cli import main

LONGEST = (  # test_demo makes the demo that test_docs and test_notebooks need: they come when it is there
    "test_demo.py", "test_chain_real.py", "test_recipes.py", "test_kills.py", "test_walks.py", "test_docs.py",
    "test_damaged_files.py", "test_checked_numbers.py", "test_notebooks.py", "test_failures.py",
    "test_facade.py", "test_tasks.py", "test_figures.py", "test_mock.py", "test_train.py", "test_slurm.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list) -> None:
    """Begin with the files that take longest: at the end no process waits for one that has them left."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real survey images and simulated galaxies; the test is skipped where it is absent."""
    default = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("SIMCOMPARE_DATA", default))
    if not (folder / "observed").is_dir() or not (folder / "simulated").is_dir():
        pytest.skip(f"real data not found in {folder}; set SIMCOMPARE_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Path:
    """Folder of the whole demo, made once for all tests; ``SIMCOMPARE_DEMO`` may name a finished one."""
    if "SIMCOMPARE_DEMO" in os.environ:
        return Path(os.environ["SIMCOMPARE_DEMO"])
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # of all processes of this run
    out = shared / "demo" / "run"
    out.parent.mkdir(exist_ok=True)
    with open(shared / "demo.lock", "w") as lock:  # the first process makes it, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        finished = shared / "demo.finished"  # a second call would lock the folder while another test uses it
        if not finished.exists():
            assert main(["demo", "--out", str(out)]) == 0
            finished.touch()
    return out


@pytest.fixture(scope="session")
def stamps(tmp_path_factory) -> Path:
    """Stack of twelve round galaxies in the SDSS r band, as HDF5."""
    rng, (y, x) = np.random.default_rng(1), np.mgrid[:96, :96] - 48.0
    radii = np.linspace(2, 5, 12)
    images = [50 * np.exp(-np.hypot(x, y) / r) / r**2 + rng.normal(0, 0.02, x.shape) for r in radii]
    path = tmp_path_factory.mktemp("stamps") / "stamps.h5"
    with h5py.File(path, "w") as file:
        file["image"] = np.array(images, dtype=np.float32)[:, None]
        # In the middle of the cells by which real galaxies are split.
        file["ra_deg"], file["dec_deg"] = 10.05 + np.arange(12) / 10, np.full(12, 0.05)
        attributes = {"bands": "r", "pixel_scale_arcsec": 0.396, "units": "nanomaggy", "psf_fwhm_arcsec": 1.3}
        file.attrs.update(attributes)
    return path


@pytest.fixture(scope="session")
def star_columns():
    """Give a maker of a disc of stars: kpc in the box, Msun, scale factors of birth, mass fractions."""

    def make(n=3000, seed=0, size=3.0, centre=(30000.0,) * 3, z=0.0):
        rng = np.random.default_rng(seed)
        return {
            "position": rng.normal(0, size, (n, 3)) * [1, 1, 0.3] + centre,
            "mass": 1e6 * rng.uniform(0.5, 1.5, n),
            "birth": rng.uniform(0.2, 0.99 / (1 + z), n),
            "metallicity": rng.uniform(0.005, 0.03, n),
        }

    return make


@pytest.fixture(scope="session")
def write_stars():
    """Give a writer of such stars as a Gadget-like file in ckpc/h and 1e10 Msun/h.

    ``header`` changes its header's entries, None takes one out; ``groups`` adds attributes of other groups,
    ``fields`` datasets of the stars; ``gfm`` gives them TNG's names.
    """

    def write(path, stars, z=0.0, *, h=0.6774, box=75000.0, gfm=True, header=None, groups=None, fields=None):
        a, n = 1 / (1 + z), len(stars["mass"])
        counts = np.array([0, 0, 0, 0, n, 0])
        usual = {"BoxSize": box, "Time": a, "Redshift": z, "HubbleParam": h, "Omega0": 0.3089}
        usual |= {"OmegaLambda": 0.6911, "NumFilesPerSnapshot": 1, "MassTable": np.zeros(6)}
        usual |= {"NumPart_Total": counts, "NumPart_ThisFile": counts}
        columns = {"Coordinates": stars["position"] / a * h, "Masses": stars["mass"] * h / 1e10}
        if gfm:
            columns["GFM_InitialMass"] = 1.4 * columns["Masses"]
        columns["GFM_StellarFormationTime" if gfm else "StellarFormationTime"] = stars["birth"]
        columns["GFM_Metallicity" if gfm else "Metallicity"] = stars["metallicity"]
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            for name, attributes in ({"Header": usual | (header or {})} | (groups or {})).items():
                group = file.create_group(name)
                group.attrs.update({k: v for k, v in attributes.items() if v is not None})
            group = file.create_group("PartType4")
            for name, values in (columns | (fields or {})).items():
                if values is not None:
                    group[name] = values
        return path

    return write


@pytest.fixture(autouse=True)
def fresh_loggers():
    """Undo what a command run by another test, or by a fixture of its module, did to our loggers."""
    for name in ("simcompare", "mocks", "flows"):
        package = logging.getLogger(name)
        package.setLevel(logging.NOTSET)
        package.handlers.clear()
