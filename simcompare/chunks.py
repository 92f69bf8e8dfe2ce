"""A score table in many files: too large to be held, joined a file at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from simcompare.scoretables import blank_of, headline_score, nuisance_columns, stack_scores

__all__ = ["filled_blocks", "gather", "with_form_of"]

# Beside the headline and the nuisances, what typicality, neighbours and warnings are made from.
_KEPT = ("dataset", "galaxy_id", "view", "kind", "split", "image_index", "is_finite", "outside_domain")


def gather(paths: Sequence[Path]) -> tuple[Table, Table]:
    """Read what all rows together are needed for.

    Parameters
    ----------
    paths : sequence of Path
        Score tables, as of `simcompare.scoring.score`.

    Returns
    -------
    form : Table
        Without rows: every column that any file has, with its type and unit, and the meta data of all.
    scores : Table
        All rows of the headline score, the nuisances and the names.

    Raises
    ------
    ValueError
        As `simcompare.scoretables.stack_scores`.
    """
    form, blocks = None, []
    for path in paths:
        table = Table.read(path)
        form = with_form_of(form, table)
        kept = {*_KEPT, headline_score(table), *nuisance_columns(table)}
        blocks.append({name: np.array(table[name]) for name in table.colnames if name in kept})
    scores = Table(meta=dict(form.meta))
    sizes = [len(block["dataset"]) for block in blocks]
    for name in form.colnames:
        # Column by column, so that no second copy of all is needed.
        parts = [block.pop(name, None) for block in blocks]
        known = [part for part in parts if part is not None]
        if known:
            blank = blank_of(known[0].dtype)
            pairs = zip(sizes, parts, strict=True)
            scores[name] = np.concatenate([np.full(n, blank) if part is None else part for n, part in pairs])
    return form, scores


def with_form_of(form: Table | None, table: Table) -> Table:
    """Form that also has the columns and meta data of a table; raises as `gather` does."""
    return stack_scores([table[:0]] if form is None else [form, table[:0]])


def filled_blocks(paths: Sequence[Path], form: Table, placed: Table) -> Iterator[Table]:
    """Rows of all files, a file at a time.

    Parameters
    ----------
    paths : sequence of Path
        As for `gather`; rows of files after those that it read have no further columns.
    form : Table
        From `gather`.
    placed : Table
        Its scores, with further columns.

    Yields
    ------
    Table
        Every column of ``form``, then the further ones of ``placed``.
    """
    further = [name for name in placed.colnames if name not in form.colnames]
    start = 0
    for path in paths:
        table = Table.read(path)
        table.meta = dict(form.meta)  # `gather` has compared them
        table = stack_scores([form, table])
        stop = start + len(table)
        for name in further:
            table[name] = placed[name][start:stop]
        table.meta = form.meta
        start = stop
        yield table
