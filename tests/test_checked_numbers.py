"""The table of docs/checked-numbers.md: every number again, beside the independent one."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(shared_data):
    """Rows of the table made anew."""
    pytest.importorskip("galsim")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from check_observed import observed_rows
        from check_simulated import simulated_rows

        return [*simulated_rows(shared_data), *observed_rows(shared_data)]
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


def test_every_number_agrees_with_the_independent_one(made):
    assert len(made) > 100
    assert [row for row in made if not row.agrees] == []


def test_the_table_in_the_documentation_is_today_s(made):
    text = (ROOT / "docs" / "checked-numbers.md").read_text()
    lines = text.split("<!-- table begins -->")[1].split("<!-- table ends -->")[0].splitlines()
    written = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")
    ]
    written = [cells for cells in written if re.match(r"-?[0-9]", cells[2])]
    assert [cells[:2] for cells in written] == [list(row.cells()[:2]) for row in made]
    for cells, row in zip(written, made, strict=True):
        allowed = float(row.tolerance * (abs(row.independent) if row.relative else 1))
        assert float(cells[2]) == pytest.approx(row.ours, rel=1e-4, abs=allowed / 4)
