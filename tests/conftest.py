"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real survey images and simulated galaxies; the test is skipped where it is absent."""
    default = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("SIMCOMPARE_DATA", default))
    if not (folder / "observed").is_dir() or not (folder / "simulated").is_dir():
        pytest.skip(f"real data not found in {folder}; set SIMCOMPARE_DATA to its folder")
    return folder
