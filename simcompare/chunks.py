"""A score table in many files: too large to be held, joined some rows at a time."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from astropy.table import Table

from simcompare.scoretables import stack_scores
from simcompare.tables import read_blocks, read_form

__all__ = ["joined_blocks", "joined_form"]


def joined_form(paths: Sequence[Path]) -> Table:
    """Read what all files together have: every column with its type and unit, and the meta data; no rows.

    Parameters
    ----------
    paths : sequence of Path
        Score tables, as of `simcompare.scoring.score`.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        As `simcompare.scoretables.stack_scores`.
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
