"""Expressions over catalogues: right values, bounded numbers, no code, and an end in one line."""

import time

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from mocks.expressions import DEEPEST, LONGEST, evaluate, select_rows

TABLE = Table(
    {
        "mag_r": np.array([16.0, 18.0, np.nan, 17.0], "f4"),
        "flags": np.array([0, 4, 6, 255], "u1"),
        "objid": np.array([2**60, 2**60 + 1, -1, 0]),
        "large": np.array([2**63, 2**64 - 1, 0, 1], "u8"),
        "dataset": ["TNG", "EAGLE", "TNG", "SDSS"],
        "is_central": [True, False, True, True],
        "vector": np.zeros((4, 2)),
        "bytes": [b"a", b"b", b"a", b"c"],
        "seen": MaskedColumn([1, 2, 3, 4], mask=[False, True, False, False]),
    }
)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("flags + 1", [1, 5, 7, 256]),  # no 8-bit wrapping
        ("-flags", [0, -4, -6, -255]),
        ("flags - 5 < 0", [1, 1, 0, 0]),
        ("flags * flags * flags", [0, 64, 216, 16581375]),
        ("objid * objid > 0", [1, 1, 1, 0]),  # beyond 64 bits: floats
        ("objid == 1152921504606846977", [0, 1, 0, 0]),  # 2**60 + 1, exact
        ("large > 9223372036854775807", [1, 1, 0, 0]),
        ("large + 1 > 1e19", [0, 1, 0, 0]),
        ("flags & 2 ** 2", [0, 4, 4, 4]),
        ("flags % 4 == 0", [1, 1, 0, 0]),
        ("mag_r ** 2", [256, 324, np.nan, 289]),
        ("2 ** flags > 1e70", [0, 0, 0, 1]),
        ("10 ** 3 + 0 * flags", [1000] * 4),
        ("1e300 * 1e300 > mag_r", [1, 1, 0, 1]),
        ("(-8) ** 0.5 == mag_r", [0] * 4),
        ("flags / 0 > 1", [0, 1, 1, 1]),
        ("bytes == 'a'", [1, 0, 1, 0]),
        ("bytes in ('a', 'c')", [1, 0, 1, 1]),
        ("seen < 9", [1, 0, 1, 1]),  # what is masked is missing
        ("flags in (4, 6)", [0, 1, 1, 0]),
        ("flags not in ()", [1, 1, 1, 1]),
        ("0 < flags < 10 and mag_r > 0", [0, 1, 0, 0]),
        ("is_central + is_central", [2, 0, 2, 2]),
        ("1 < 2", [1, 1, 1, 1]),
    ],
)
def test_values(expression, expected):
    np.testing.assert_array_equal(np.asarray(evaluate(expression, TABLE), float), expected)


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9**9", "10**400", "mag_r < 10**400", "1" + "0" * 5000,
        "1e400 ** 2 ** 2 ** 999 + 10.0**999", "0 ** -1", "1 / 0", "1 % 0", "+".join(["1"] * 4000),
        "+".join(["mag_r"] * 1000), "-" * 9000 + "1", "not " * 2000 + "is_central",
        "(" * 4000 + "1" + ")" * 4000, "[" * 300 + "]" * 300, "a" * (LONGEST + 1), "'a' * 999999999",
        "dataset * 9", "dataset + 'x'", "'%999999999d' % 1", "dataset > 3", "mag_r == 'x'",
        "mag_r in ('a', 'b')", "mag_r in ('a', 1)", "mag_r in mag_r", "mag_r in 'TNG'", "log10(dataset)",
        "abs('x')", "not dataset", "dataset and mag_r", "mag_r & 4", "'a' == 'a'", "'a' in ('a', 'b')",
        "-'a'", "vector > 0", "flags @ flags", "flags << 999999", "flags // 2", "flags ^ 1", "~flags",
        "mag_r is 3", "mag_r == None", "mag_r == 1j", "mag_r == ...", "mag_r == b'a'", "f'{mag_r}'",
        "mag_r()", "log10()", "log10(mag_r, 2)", "abs(x=mag_r)", "log10(*mag_r)", "().__class__",
        "mag_r.data", "mag_r[0]", "lambda: 1", "__import__('os')", "(x := 1)", "[x for x in mag_r]",
        "mag_r if 1 else 2", "mag_r <", "", "a b", "mag_r\n=1", "\0", "\ud800", "absent > 1",
        "yield mag_r", "await mag_r", "{1: 2}", "{1}", "mag_r == 0x" + "f" * 2000,
    ],
)  # fmt: skip
def test_whatever_is_no_expression_ends_soon_in_one_line(expression):
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"\S") as error:
        evaluate(expression, TABLE)
    assert time.monotonic() - start < 1
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)
    assert "read: ." not in str(error.value)


def test_depth_and_length_have_their_limits():
    assert evaluate("(" * 50 + "mag_r" + ")" * 50, TABLE).shape == (4,)
    assert evaluate("+".join(["1"] * (DEEPEST - 2)), TABLE)[0] == DEEPEST - 2
    many = ", ".join(map(str, range(1500)))
    assert select_rows(TABLE, f"flags in ({many})").all()
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        evaluate("+".join(["1"] * (DEEPEST + 1)), TABLE)
