import io

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from simcompare.runs.tables import filled, filled_table, numbers_of, plain, readable, write_table


def odd_table(n, seed=0):
    """Columns of every type, with blanks, spaces, quotes and numbers that are none."""
    rng = np.random.default_rng(seed)
    table = Table({"name": [f'a "{k}" # b' if k % 3 else "" for k in range(n)]}, meta={"a": {"b": [1, 2.5]}})
    table["value"] = rng.normal(size=n) * u.mag
    table["value"][: n // 2] = np.nan
    table["single"] = rng.normal(size=n).astype(np.float32)
    table["count"] = np.arange(n)
    table["is_it"] = rng.uniform(size=n) < 0.5
    table["unknown"] = MaskedColumn(np.arange(n), mask=np.arange(n) % 5 == 1)
    return table


@pytest.mark.parametrize("n", [0, 1, 25])
def test_tables_are_written_as_astropy_writes_them(tmp_path, n):
    table, whole = odd_table(n), io.StringIO()
    table.write(whole, format="ascii.ecsv")
    write_table(table, tmp_path / "table.ecsv")
    assert (tmp_path / "table.ecsv").read_text() == whole.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["table.ecsv"]


def test_meta_data_become_plain_values(tmp_path):
    table = Table({"a": [1]}, meta={"path": tmp_path, "n": np.int64(3), "none": np.nan, "set": (1, 2)})
    write_table(table, tmp_path / "table.ecsv")
    again = Table.read(tmp_path / "table.ecsv")
    assert again.meta == {"path": str(tmp_path), "n": 3, "none": None, "set": [1, 2]}
    assert plain({1: np.arange(2)}) == {"1": [0, 1]}


def test_what_is_masked_is_missing_whatever_lies_under_the_mask():
    values = np.ma.array([1.0, 1e20, 3.0], mask=[False, True, False])
    np.testing.assert_array_equal(numbers_of(values), [1, np.nan, 3])
    np.testing.assert_array_equal(numbers_of(MaskedColumn([1, 999999], mask=[0, 1])), [1, np.nan])
    np.testing.assert_array_equal(numbers_of([1, 2]), [1, 2])
    assert filled(MaskedColumn(["a", "b"], mask=[0, 1])).tolist() == ["a", ""]
    assert filled(MaskedColumn(np.array([4, 5], "u1"), mask=[0, 1])).tolist() == [4, -1]
    table = Table({"x": MaskedColumn(values, unit=u.mag, description="what"), "y": [1, 2, 3]}, meta={"a": 1})
    whole = filled_table(table)
    assert np.isnan(whole["x"][1])
    assert (whole["x"].unit, whole["x"].description, whole.meta) == (u.mag, "what", {"a": 1})
    assert table["x"].mask.tolist() == [False, True, False]


def test_numbers_are_shown_as_a_person_writes_them():
    table = Table({"name": ["a", "b", "c", "d"], "f": [0.984, -0.001, np.nan, -1.2], "n": [1, 2, 3, 4]})
    table["z"] = MaskedColumn([-0.001, 0.002, 3.0, 1.0], mask=[0, 0, 1, 0])
    table["f"].info.format, table["z"].info.format = ".2f", "+.2f"
    shown = readable(table)
    assert shown["f"].tolist() == ["0.98", "0.00", "-", "-1.20"]
    assert shown["z"].tolist() == ["0.00", "0.00", "-", "+1.00"]
    assert shown["n"].tolist() == [1, 2, 3, 4]
    assert table["f"].dtype.kind == "f"
    assert len(readable(table[:0])) == 0
