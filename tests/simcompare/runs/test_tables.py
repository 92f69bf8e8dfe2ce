import gc
import io
import weakref

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from simcompare.runs import tables
from simcompare.runs.tables import (
    count_rows,
    filled,
    filled_table,
    numbers_of,
    read_blocks,
    read_ecsv,
    write_blocks,
    write_table,
)
from simcompare.scores.files import joined_blocks, joined_form
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores


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


@pytest.mark.parametrize("n", [0, 1, 9, 10, 25])
def test_blocks_make_the_file_that_one_piece_makes(tmp_path, monkeypatch, n):
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", 5)
    table, whole = odd_table(n), io.StringIO()
    table.write(whole, format="ascii.ecsv")
    write_table(table, tmp_path / "table.ecsv")
    assert (tmp_path / "table.ecsv").read_text() == whole.getvalue()
    assert count_rows(tmp_path / "table.ecsv") == n
    back, expected = read_ecsv(tmp_path / "table.ecsv"), Table.read(tmp_path / "table.ecsv")
    assert back.meta == expected.meta == table.meta
    assert back["value"].unit == u.mag
    some = read_ecsv(tmp_path / "table.ecsv", ["count", "value", "absent"])
    assert some.colnames == ["value", "count"]
    assert some.meta == table.meta
    np.testing.assert_array_equal(some["count"], np.arange(n))
    assert [len(block) for block in read_blocks(tmp_path / "table.ecsv")][:-1] == [5] * (-(-n // 5) - 1)
    for name in table.colnames:
        assert back[name].dtype.kind == expected[name].dtype.kind
        assert list(map(str, back[name])) == list(map(str, expected[name]))


def test_one_block_at_a_time_is_in_memory(tmp_path):
    made, most = [], []

    def blocks():
        for seed in range(5):
            gc.collect()
            most.append(sum(each() is not None for each in made))
            block = odd_table(3, seed)
            made.append(weakref.ref(block))
            yield block

    assert write_blocks(blocks(), tmp_path / "t.ecsv") == 15
    assert max(most) <= 1


def scores(n, dataset, seed, **further):
    """Score table as one task writes it."""
    rng = np.random.default_rng(seed)
    table = Table({"galaxy_id": [f"{dataset}{k}" for k in range(n)], "dataset": [dataset] * n, **further})
    for name in ("kind", "split"):
        table[name] = "simulated"
    for name in ("mag_r", "log_prob", "log_likelihood_ratio", "concentration"):
        table[name] = rng.normal(size=n)
    table["image_index"] = np.arange(n)
    table.meta = {"survey": "sdss", "not_finite": {dataset: seed}}
    return table


def test_files_joined_one_by_one_are_the_table_of_all(tmp_path):
    made = [scores(4, "a", 1), scores(3, "long name", 2, mass=[1.0, 2.0, 3.0])]
    made.append(scores(2, "a", 3, halo=[7, 8], mag_z=[3.0, 4.0]))
    paths = [tmp_path / f"{k}.ecsv" for k in range(3)]
    for table, path in zip(made, paths, strict=True):
        write_table(table, path)
    form = joined_form(paths)
    whole = stack_scores(list(map(Scores.of, made)))
    assert form.colnames == whole.colnames
    assert form.meta == whole.meta
    assert form.meta["not_finite"] == {"a": 4, "long name": 2}
    some = stack_scores(list(joined_blocks(paths, form, ["dataset", "mass"])))
    assert some.colnames == ["dataset", "mass"]
    for name in some.colnames:
        np.testing.assert_array_equal(some[name], whole[name])
    write_blocks((block.table for block in joined_blocks(paths, form)), tmp_path / "joined.ecsv")
    write_table(whole.table, tmp_path / "whole.ecsv")
    assert (tmp_path / "joined.ecsv").read_text() == (tmp_path / "whole.ecsv").read_text()
    made[2].meta["survey"] = "hsc"
    write_table(made[2], paths[2])
    with pytest.raises(ValueError, match="survey is sdss in one and hsc in another"):
        joined_form(paths)


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
