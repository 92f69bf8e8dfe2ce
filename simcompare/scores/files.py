"""A score table in many files: joined some rows at a time, or only the columns that are wanted of it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.runs.tables import count_rows, read_blocks, read_form
from simcompare.scores.table import stack_scores
from simcompare.scores.text_column import Words

__all__ = ["joined_blocks", "joined_form", "joined_table"]


def joined_form(paths: Sequence[Path]) -> Table:
    """Read what all files together have: every column with its type and unit, and the meta data; no rows.

    Parameters
    ----------
    paths : sequence of Path
        Score tables, as of `simcompare.scores.likelihood.score`.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        As `simcompare.scores.table.stack_scores`.
    """
    form = stack_scores([read_form(path) for path in paths[:1]])
    for path in paths[1:]:
        form = stack_scores([form, read_form(path)])
    return form


def joined_blocks(
    paths: Sequence[Path], form: Table, columns: Collection[str] | None = None
) -> Iterator[Table]:
    """Read the rows of all files, some at a time.

    Parameters
    ----------
    paths : sequence of Path
    form : Table
        From `joined_form`.
    columns : collection of str, optional
        Those wanted of the form's columns; default all.

    Yields
    ------
    Table
    """
    part = form if columns is None else form[[name for name in form.colnames if name in columns]]
    for path in paths:
        for block in read_blocks(path, columns):
            block.meta = dict(form.meta)  # `joined_form` has compared them
            block = stack_scores([part, block])
            block.meta = form.meta
            yield block


def joined_table(paths: Sequence[Path], form: Table, columns: Collection[str]) -> Table:
    """Read some columns of all files into as little memory as they need.

    Parameters
    ----------
    paths, form, columns
        As for `joined_blocks`.

    Returns
    -------
    Table
        Its columns of text are `simcompare.scores.text_column.Words`.
    """
    n, start = sum(count_rows(path) for path in paths), 0
    found: dict[str, np.ndarray | list[Words]] = {}
    for block in joined_blocks(paths, form, columns):
        for name in block.colnames:
            values = np.asarray(block[name])
            if values.dtype.kind == "U":
                found.setdefault(name, []).append(Words.of(values))
            else:
                found.setdefault(name, np.empty(n, values.dtype))[start : start + len(block)] = values
        start += len(block)
    table = Table(meta=form.meta)
    for name in list(found):
        values = found.pop(name)
        table.add_column(Words.joined(values) if isinstance(values, list) else values, name=name, copy=False)
    return table
