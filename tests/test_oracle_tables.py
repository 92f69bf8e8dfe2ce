"""Some rows of the table against other programs in docs/checked-numbers.md, and that it stands there."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def oracles():
    """Import the modules of the benchmarks."""
    pytest.importorskip("galsim")
    pytest.importorskip("statmorph")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import oracle_images
        import oracle_light
        import oracle_optics
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return oracle_images, oracle_light, oracle_optics


def test_psfs_profiles_blurring_and_noise_are_galsim_s(oracles, shared_data):
    rows = oracles[2].optics_rows(shared_data)
    assert len(rows) == 29
    assert [row for row in rows if not row.agrees] == []


def test_light_of_stars_is_that_which_tng_stores(oracles, shared_data):
    rows = list(oracles[1].tng_rows(shared_data))
    assert len(rows) == 21
    assert [row for row in rows if not row.agrees] == []


def test_a_skirt_image_is_seen_as_by_galsim_and_measured_as_by_statmorph(oracles, shared_data):
    images = oracles[0]
    path = shared_data / "simulated" / "illustris1_skirt_sdss_snap135" / "broadband_599084.fits"
    ours, theirs = images.seen(images.skirt_images(shared_data)["599084"]), images._through_galsim(path)
    assert np.abs(ours - theirs).max() < 2e-3 * theirs.max()
    found = images.measured(ours)
    assert found.at_theirs == pytest.approx(found.theirs, abs=0.12)


def test_the_table_in_the_documentation_agrees():
    text = (ROOT / "docs" / "checked-numbers.md").read_text()
    table = text.split("<!-- oracles begin -->")[1].split("<!-- oracles end -->")[0]
    rows = [line for line in table.splitlines() if re.search(r"\| [+-]?[0-9.e-]+ %? *\|", line)]
    assert len(rows) > 100
    assert not [line for line in rows if "**" in line]
