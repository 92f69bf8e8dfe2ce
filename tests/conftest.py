"""Fixtures shared by all tests."""

import logging
import os
from pathlib import Path

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


@pytest.fixture(autouse=True)
def fresh_loggers():
    """Undo what a command run by another test, or by a fixture of its module, did to our loggers."""
    for name in ("simcompare", "mocks", "flows"):
        package = logging.getLogger(name)
        package.setLevel(logging.NOTSET)
        package.handlers.clear()
