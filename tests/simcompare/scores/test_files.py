"""Scores on disk: Parquet that others open, written and read in parts, and what earlier versions wrote."""

import gc
import weakref

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from simcompare.runs.tables import write_table
from simcompare.scores import files
from simcompare.scores.files import (
    count_rows,
    joined_blocks,
    joined_form,
    joined_scores,
    read_blocks,
    read_form,
    scores_file,
    write_blocks,
)
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores


def odd_scores(n, seed=0):
    """Columns of every type, with blanks, quotes, letters beyond ASCII and numbers that are none."""
    rng = np.random.default_rng(seed)
    table = Table({"galaxy_id": [f'ä "{k}"\n# b' if k % 3 else "" for k in range(n)]})
    table["dataset"] = np.array(["second", "first"])[np.arange(n) % 2] if n else np.zeros(0, "U6")
    table["mag_r"] = rng.normal(size=n) * u.mag
    table["mag_r"][: n // 2] = np.nan
    table["tilt"] = np.arange(n) * u.rad
    table["tilt"].description = "of the disc"
    table["single"] = rng.normal(size=n).astype(np.float32)
    table["count"] = np.arange(n)
    table["is_it"] = rng.uniform(size=n) < 0.5
    table["log_prob"] = rng.normal(size=n)
    table.meta = {"survey": "sdss", "scale_names": ["fine", "coarse"], "not_finite": {"first": 1}}
    return Scores.of(table)


def equal(first, second):
    assert first.colnames == second.colnames
    for name in first.colnames:
        ours, theirs = first[name], second[name]
        assert ours.dtype.kind == theirs.dtype.kind
        if ours.dtype.kind != "U":
            assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize("n", [0, 1, 9, 10, 25])
def test_what_is_written_is_read_back_whatever_the_blocks(tmp_path, monkeypatch, n):
    monkeypatch.setattr(files, "ROWS", 5)
    scores, contents = odd_scores(n), []
    for step in (3, 5, 100):
        blocks = (scores[start : start + step] for start in range(0, max(n, 1), step))
        assert write_blocks(blocks, tmp_path / "s.parquet") == n
        contents.append((tmp_path / "s.parquet").read_bytes())
    assert contents[0] == contents[1] == contents[2]
    path = tmp_path / "s.parquet"
    form = read_form(path)
    assert (len(form), form.meta, count_rows(path)) == (0, scores.meta, n)
    equal(joined_scores([path], form), scores)
    assert [len(block) for block in read_blocks(path)] == [5] * (n // 5) + [n % 5] * (n % 5 > 0 or n == 0)
    equal(stack_scores(list(read_blocks(path))), scores)
    some = joined_scores([path], form, ["count", "galaxy_id", "absent"])
    assert some.colnames == ["galaxy_id", "count"]
    assert some.table["galaxy_id"].tolist() == scores["galaxy_id"].tolist()
    back = form.table
    assert (back["mag_r"].unit, back["tilt"].unit, back["tilt"].description) == (u.mag, u.rad, "of the disc")


def test_astropy_and_others_open_it(tmp_path):
    scores, path = odd_scores(50), tmp_path / "s.parquet"
    write_blocks([scores], path)
    assert pq.ParquetFile(path).metadata.row_group(0).column(1).encodings[0] in ("PLAIN", "RLE_DICTIONARY")
    assert "RLE_DICTIONARY" in pq.ParquetFile(path).metadata.row_group(0).column(1).encodings
    pandas = pytest.importorskip("pandas", reason="pandas is not installed; pip install 'simcompare[test]'")
    assert pandas.read_parquet(path)["dataset"].tolist() == scores["dataset"].tolist()
    table = Table.read(path)
    assert (table["mag_r"].unit, table["mag_r"].description) == (u.mag, "magnitude in r (AB)")
    assert table.meta == scores.meta
    equal(Scores.of(table), scores)
    duckdb = pytest.importorskip("duckdb")
    counts = duckdb.sql(
        f"select dataset, count(*) from '{path}' group by dataset order by dataset"
    ).fetchall()
    assert counts == [("first", 25), ("second", 25)]
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(path, columns=["count"])["count"].sum() == sum(range(50))


def test_one_block_at_a_time_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROWS", 3)
    made, most = [], []

    def blocks():
        for seed in range(5):
            gc.collect()
            most.append(sum(each() is not None for each in made))
            block = odd_scores(3, seed)
            made.append(weakref.ref(block))
            yield block

    assert write_blocks(blocks(), tmp_path / "s.parquet") == 15
    assert max(most) <= 1


def scored(n, dataset, seed, **further):
    """Scores as one task writes them."""
    rng = np.random.default_rng(seed)
    table = Table({"galaxy_id": [f"{dataset}{k}" for k in range(n)], "dataset": [dataset] * n, **further})
    for name in ("kind", "split"):
        table[name] = "simulated"
    for name in ("mag_r", "log_prob", "log_likelihood_ratio", "concentration"):
        table[name] = rng.normal(size=n)
    table["image_index"] = np.arange(n)
    table.meta = {"survey": "sdss", "not_finite": {dataset: seed}}
    return table


def test_files_joined_are_the_scores_of_all(tmp_path):
    made = [scored(4, "a", 1), scored(3, "long name", 2, mass=[1.0, 2.0, 3.0])]
    made.append(scored(2, "a", 3, halo=[7, 8], mag_z=[3.0, 4.0], note=["x", "y"]))
    paths = [tmp_path / f"{k}.parquet" for k in range(3)]
    for table, path in zip(made, paths, strict=True):
        write_blocks([Scores.of(table)], path)
    form, whole = joined_form(paths), stack_scores(list(map(Scores.of, made)))
    assert form.meta == whole.meta
    assert form.meta["not_finite"] == {"a": 4, "long name": 2}
    equal(joined_scores(paths, form), whole)
    equal(stack_scores(list(joined_blocks(paths, form))), whole)
    assert whole["halo"].tolist() == 7 * [-1] + [7, 8]
    assert whole["note"].tolist() == 7 * [""] + ["x", "y"]
    some = joined_scores(paths, form, ["dataset", "mass"])
    np.testing.assert_array_equal(some["mass"], [np.nan] * 4 + [1, 2, 3] + [np.nan] * 2)
    write_blocks(joined_blocks(paths, form), tmp_path / "joined.parquet")
    write_blocks([whole], tmp_path / "whole.parquet")
    assert (tmp_path / "joined.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    made[2].meta["survey"] = "hsc"
    write_blocks([Scores.of(made[2])], paths[2])
    with pytest.raises(ValueError, match="survey is sdss in one and hsc in another"):
        joined_form(paths)


def test_scores_of_earlier_versions_are_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"scores\.parquet does not exist; run 'simcompare score'"):
        scores_file(tmp_path)
    table = scored(4, "a", 1)
    table["mass"] = [1.0, np.nan, 3.0, 4.0]
    write_table(table, tmp_path / "scores.ecsv")
    path = scores_file(tmp_path)
    assert path.name == "scores.ecsv"
    equal(joined_scores([path], read_form(path)), Scores.of(table))
    assert count_rows(path) == 4
    write_blocks([Scores.of(table)[:2]], tmp_path / "scores.parquet")
    assert count_rows(scores_file(tmp_path)) == 2  # made anew in the same folder


@pytest.mark.parametrize("content", [b"", b"PAR1", b"# %ECSV 1.0\n"])
def test_what_is_no_parquet_is_refused_by_name(tmp_path, content):
    path = tmp_path / "scores.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"scores\.parquet is damaged or not Parquet"):
        read_form(path)
    write_blocks([odd_scores(30)], path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="damaged or not Parquet"):
        count_rows(path)


@pytest.mark.parametrize(
    "words", [b"{", b"[" * 100_000, b"null", b"{}", b"1", b"\xff\xfe", b"datatype: 3", b"datatype: [{}]"]
)
def test_foreign_words_about_the_columns_are_damage_in_one_line(words, tmp_path):
    path = tmp_path / "scores.parquet"
    content = pa.table({"galaxy_id": ["a"], "dataset": ["real"], "log_prob": [1.0]})
    pq.write_table(content.replace_schema_metadata({b"table_meta_yaml": words}), path)
    with pytest.raises((OSError, ValueError), match=r"scores\.parquet") as error:
        read_form(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "values",
    [[[1.0]], [{"a": 1}], [b"x"], pa.array([0], pa.timestamp("s")), pa.array([1]).cast(pa.decimal128(38, 2))],
    ids=["list", "struct", "bytes", "time", "decimal"],
)
@pytest.mark.parametrize("name", ["galaxy_id", "log_prob", "mag_r", "view"])
def test_a_column_of_neither_numbers_nor_words_is_named(name, values, tmp_path):
    columns = {"dataset": ["real"], "galaxy_id": ["a"], "log_prob": [1.0], "mag_r": [17.0], "view": [0]}
    pq.write_table(pa.table(columns | {name: values}), tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match=rf"scores\.parquet: column {name} holds"):
        read_form(tmp_path / "scores.parquet")


def test_scores_that_do_not_say_whose_they_are_are_refused(tmp_path):
    pq.write_table(pa.table({"galaxy_id": ["a"], "log_prob": [1.0]}), tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match="no column 'dataset'"):
        read_form(tmp_path / "scores.parquet")
