"""Fixtures shared by all tests."""

import logging
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from simcompare.cli import main


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
    out = tmp_path_factory.mktemp("demo") / "run"
    assert main(["demo", "--out", str(out)]) == 0
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


@pytest.fixture(autouse=True)
def fresh_loggers():
    """Undo what a command run by another test, or by a fixture of its module, did to our loggers."""
    for name in ("simcompare", "mocks", "flows"):
        package = logging.getLogger(name)
        package.setLevel(logging.NOTSET)
        package.handlers.clear()
