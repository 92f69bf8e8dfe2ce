"""Scores on disk: Parquet with the units, descriptions and meta data that astropy writes, read in parts."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table
from astropy.table import meta as table_meta

from simcompare.kinds import Kind
from simcompare.runs.documents import damage_named
from simcompare.runs.files import atomic_path
from simcompare.runs.names import SCORES
from simcompare.runs.tables import plain, refuse_large_parquet
from simcompare.scores.columns import Column, column_of
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores, headline_of
from simcompare.scores.values import arrow_values, joined_values

__all__ = [
    "arrow_table",
    "count_rows",
    "joined_blocks",
    "joined_form",
    "joined_scores",
    "read_blocks",
    "read_form",
    "scores_file",
    "write_blocks",
]

ROWS = 2_000  # rows per row group and per block in memory: some 2 MB
_BEFORE = "scores.ecsv"  # name and format in runs of versions before Parquet
_YAML = "table_meta_yaml"  # keys of astropy's own Parquet files
_LENGTH = "table::len::"


def scores_file(run: str | os.PathLike) -> Path:
    """Find the scores of a run of ``score`` or ``compare``, also of one that an earlier version made.

    Raises
    ------
    FileNotFoundError
        When there are none.
    """
    path, before = Path(run) / SCORES, Path(run) / _BEFORE
    if path.is_file() or not before.is_file():
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist; run 'simcompare score' with --out {run} first.")
        return path
    return before


def write_blocks(blocks: Iterable[Scores], path: str | os.PathLike) -> int:
    """Write scores from blocks of their rows, of which one at a time is in memory; whole or not at all.

    How the rows are divided in blocks changes no byte of the file.

    Parameters
    ----------
    blocks : iterable of Scores
        At least one; of the same columns and types. The meta data are those of the first.
    path : path-like

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    OSError
        As `simcompare.runs.files.atomic_path`.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        rows = _write(blocks, file)
    _give_back()
    return rows


def _write(blocks: Iterable[Scores], file: BinaryIO) -> int:
    """Write row groups of equal size, and at the end what only all rows tell."""
    writer, form, rows, lengths = None, None, 0, {}
    for part in _even(blocks):
        if writer is None:
            form, writer = part[:0], pq.ParquetWriter(file, _schema(part), store_schema=False)
        rows += len(part)
        for name in filter(part.is_text, part.colnames):
            lengths[name] = max(lengths.get(name, 1), *map(len, part.words(name)), 1)
        writer.write_table(arrow_table(part))
    writer.add_key_value_metadata(_metadata(form, lengths))
    writer.close()
    return rows


def _even(blocks: Iterable[Scores]) -> Iterator[Scores]:
    """Blocks of `ROWS` rows each but for the last; one without rows where there are none."""
    kept, n, first = [], 0, True
    for block in blocks:
        kept.append(block)
        n += len(block)
        while n >= ROWS:
            whole = kept[0] if len(kept) == 1 else _stacked(kept)
            yield whole[:ROWS]
            kept, n, first = [whole[ROWS:]], n - ROWS, False
    if n or first:
        yield kept[0] if len(kept) == 1 else _stacked(kept)


def _stacked(blocks: Sequence[Scores]) -> Scores:
    """Blocks of the same columns one below the other."""
    sizes = list(map(len, blocks))
    columns = {
        name: joined_values([block.columns[name] for block in blocks], sizes) for name in blocks[0].columns
    }
    return replace(blocks[0], columns=columns)


def _schema(scores: Scores) -> pa.Schema:
    """Types of the columns in the file; text is text there, and its pages hold each word once."""
    return pa.schema(
        [
            (name, pa.string() if scores.is_text(name) else pa.from_numpy_dtype(scores.columns[name].dtype))
            for name in scores.colnames
        ]
    )


def arrow_table(scores: Scores) -> pa.Table:
    """Columns as files take them: text as text."""
    schema = _schema(scores)
    arrays = [
        column.cast(pa.string())
        if isinstance(column, pa.DictionaryArray)
        else pa.array(np.ascontiguousarray(column))
        for column in scores.columns.values()
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _metadata(form: Scores, lengths: dict[str, int]) -> dict[str, str]:
    """Describe the columns as astropy's Parquet does: as in ECSV, and the length of each text."""
    table = form.table
    table.meta = plain(dict(form.meta))
    lines = table_meta.get_yaml_from_table(table)
    return {_YAML: "\n".join(lines)} | {f"{_LENGTH}{name}": str(n) for name, n in lengths.items()}


_KINDS = (
    pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_string,
    pa.types.is_large_string, pa.types.is_null,
)  # fmt: skip


def _opened(path: str | os.PathLike) -> pq.ParquetFile:
    """Open a file of scores; what an earlier version wrote is converted in memory."""
    path = source = Path(path)
    if path.suffix == ".ecsv":
        source = BytesIO()
        _write([Scores.of(Table.read(path, format="ascii.ecsv"))], source)
    try:
        file = pq.ParquetFile(source)
        if source is path:
            refuse_large_parquet(file, path.stat().st_size)
        texts = [each.name for each in file.schema_arrow if pa.types.is_string(each.type)]
        return pq.ParquetFile(source, metadata=file.metadata, read_dictionary=texts)
    except pa.ArrowException as error:
        raise ValueError(f"{path} is damaged or not Parquet ({error}); make it again.") from error


def _column(file: pq.ParquetFile, name: str) -> np.ndarray | pa.DictionaryArray:
    """All values of a column."""
    return arrow_values(file.read([name], use_threads=False)[name])


def _blocks(file: pq.ParquetFile, names: Sequence[str]) -> Iterator[tuple[int, dict]]:
    """Give number of rows and columns of each row group; once of no rows where there are none."""
    if not file.num_row_groups:
        yield 0, {}
    for number in range(file.num_row_groups):
        part = file.read_row_group(number, list(names), use_threads=False)
        yield part.num_rows, {name: arrow_values(part[name]) for name in names}


def count_rows(path: str | os.PathLike) -> int:
    """Count the rows of a file of scores."""
    return _opened(path).metadata.num_rows


def read_form(path: str | os.PathLike) -> Scores:
    """Read columns, types, units and meta data of a file of scores, without rows.

    Raises
    ------
    ValueError, OSError
        When the file is damaged.
    """
    with damage_named(path):
        return _form(_opened(path))


def _form(file: pq.ParquetFile) -> Scores:
    """Columns, types, units and meta data."""
    for each in file.schema_arrow:
        kind = each.type.value_type if pa.types.is_dictionary(each.type) else each.type
        if not any(is_kind(kind) for is_kind in _KINDS):
            raise ValueError(f"column {each.name} holds {kind}, neither numbers nor text; make it again.")
    if "dataset" not in file.schema_arrow.names:
        raise ValueError("no column 'dataset'; make it again.")
    lines = file.metadata.metadata.get(_YAML.encode(), b"").decode().split("\n")
    header = table_meta.get_header_from_yaml(lines) if any(lines) else {"datatype": []}
    described = {
        each["name"]: Column(each.get("description", ""), str(each.get("unit", "")))
        for each in header["datatype"]
    }
    own = {
        name: each for name, each in described.items() if each != Column("") and not column_of(name).meaning
    }
    columns = {each.name: arrow_values(pa.chunked_array([], each.type)) for each in file.schema_arrow}
    return Scores(columns, None, headline_of(columns), dict(header.get("meta", {})), own)


def read_blocks(path: str | os.PathLike, columns: Collection[str] | None = None) -> Iterator[Scores]:
    """Read a file of scores, some rows at a time.

    Parameters
    ----------
    path : path-like
    columns : collection of str, optional
        Those wanted of the columns that are there; default all.

    Yields
    ------
    Scores
        One without rows where there are none.
    """
    return joined_blocks([path], read_form(path), columns)


def joined_form(paths: Sequence[str | os.PathLike], reference: str | None = None) -> Scores:
    """Read what all files together have: every column with its type and unit, and the meta data; no rows.

    Parameters
    ----------
    paths : sequence of path-like
        Files of scores, as of `simcompare.scores.likelihood.score`.
    reference : str, optional

    Raises
    ------
    ValueError
        As `simcompare.scores.joining.stack_scores`, and when a file is damaged.
    """
    form = stack_scores([read_form(path) for path in paths[:1]])
    for path in paths[1:]:
        form = stack_scores([form, read_form(path)])
    return form.with_reference(reference)


def joined_blocks(
    paths: Sequence[str | os.PathLike], form: Scores, columns: Collection[str] | None = None
) -> Iterator[Scores]:
    """Read the rows of all files, some at a time.

    Parameters
    ----------
    paths : sequence of path-like
    form : Scores
        From `joined_form`.
    columns : collection of str, optional
        Those wanted of the form's columns; default all.

    Yields
    ------
    Scores
    """
    wanted = _wanted(form, columns)
    for path in paths:
        file = _opened(path)
        for n, block in _blocks(file, [name for name in wanted if name in file.schema_arrow.names]):
            kept = {name: joined_values([form.columns[name], block.get(name)], [0, n]) for name in wanted}
            yield replace(form, columns=kept)
        _give_back()


def joined_scores(
    paths: Sequence[str | os.PathLike], form: Scores, columns: Collection[str] | None = None
) -> Scores:
    """Read some columns of all files, one column after the other.

    Parameters
    ----------
    paths, form, columns
        As for `joined_blocks`.

    Returns
    -------
    Scores
        Its reference, where the form has none, is the one data set of real galaxies.
    """
    files = [_opened(path) for path in paths]
    sizes = [file.metadata.num_rows for file in files]
    values = {}
    for name in _wanted(form, columns):
        parts = [_column(file, name) if name in file.schema_arrow.names else None for file in files]
        values[name] = joined_values([form.columns[name], *parts], [0, *sizes])
    _give_back()
    scores = replace(form, columns=values)
    real = scores.of_kind(Kind.OBSERVED) if form.reference is None else []
    return replace(scores, reference=real[0]) if len(real) == 1 else scores


def _give_back() -> None:
    """Return to the system what Arrow keeps of memory that it needed to unpack files."""
    pa.default_memory_pool().release_unused()


def _wanted(form: Scores, columns: Collection[str] | None) -> list[str]:
    """Those of the columns that are wanted, in their order."""
    return [name for name in form.columns if columns is None or name in columns]
