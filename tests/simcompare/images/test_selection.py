"""Selection by expression: columns, numbers and words, and nothing that runs code."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.images.selection import select_rows

TABLE = Table({
    "mag_r": [16.0, 18.0, np.nan, 17.0],
    "flags": [0, 4, 6, 1],
    "dataset": ["TNG", "EAGLE", "TNG", "SDSS"],
    "is_central": [True, False, True, True],
})  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("mag_r < 17.5", [1, 0, 0, 1]),
        ("16.5 < mag_r <= 18", [0, 1, 0, 1]),
        ("flags & 4 == 0", [1, 0, 0, 1]),
        ("dataset == 'TNG' and not flags & 4", [1, 0, 0, 0]),
        ("dataset in ('TNG', 'EAGLE')", [1, 1, 1, 0]),
        ("dataset not in ['TNG'] or mag_r < 17", [1, 1, 0, 1]),
        ("is_central", [1, 0, 1, 1]),
        ("isfinite(mag_r) and 10 ** (-0.4 * (mag_r - 22.5)) > 100", [1, 0, 0, 1]),
        ("not mag_r > 17", [1, 0, 1, 1]),
    ],
)
def test_rows(expression, expected):
    assert select_rows(TABLE, expression).astype(int).tolist() == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("mag_r <", "cannot be read"),
        ("mag_q < 17", "no column 'mag_q' in the catalogue; it has mag_r, flags"),
        ("mag_r + 1", "not true or false"),
        ("1 < 2", "not true or false"),
        ("__import__('os').system('true')", "not understood"),
        ("mag_r.__class__ == 1", "not understood"),
        ("[x for x in mag_r]", "not understood"),
        ("mag_r is 3", "not understood"),
    ],
)
def test_what_is_not_a_selection_is_refused(expression, message):
    with pytest.raises(ValueError, match=message):
        select_rows(TABLE, expression)
