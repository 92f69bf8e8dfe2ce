"""Scores in many files: joined some rows at a time, or only the columns that are wanted of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from simcompare.kinds import Kind
from simcompare.runs.tables import read_blocks, read_form
from simcompare.scores.joining import stack_scores
from simcompare.scores.record import Scores

__all__ = ["joined_blocks", "joined_form", "joined_scores"]


def joined_form(paths: Sequence[Path], reference: str | None = None) -> Scores:
    """Read what all files together have: every column with its type and unit, and the meta data; no rows.

    Parameters
    ----------
    paths : sequence of Path
        Files of scores, as of `simcompare.scores.likelihood.score`.
    reference : str, optional

    Returns
    -------
    Scores

    Raises
    ------
    ValueError
        As `simcompare.scores.joining.stack_scores`.
    """
    form = stack_scores([Scores.of(read_form(path)) for path in paths[:1]])
    for path in paths[1:]:
        form = stack_scores([form, Scores.of(read_form(path))])
    return form.with_reference(reference)


def joined_blocks(
    paths: Sequence[Path], form: Scores, columns: Collection[str] | None = None
) -> Iterator[Scores]:
    """Read the rows of all files, some at a time.

    Parameters
    ----------
    paths : sequence of Path
    form : Scores
        From `joined_form`.
    columns : collection of str, optional
        Those wanted of the form's columns; default all.

    Yields
    ------
    Scores
    """
    kept = {name: each for name, each in form.columns.items() if columns is None or name in columns}
    part = replace(form, columns=kept)
    for path in paths:
        for table in read_blocks(path, columns):
            block = replace(Scores.of(table), meta=form.meta)  # `joined_form` has compared them
            yield replace(part, columns=stack_scores([part, block]).columns)


def joined_scores(paths: Sequence[Path], form: Scores, columns: Collection[str] | None = None) -> Scores:
    """Read some columns of all files into as little memory as they need.

    Parameters
    ----------
    paths, form, columns
        As for `joined_blocks`.

    Returns
    -------
    Scores
        Its reference, where the form has none, is the one data set of real galaxies.
    """
    scores = stack_scores(list(joined_blocks(paths, form, columns)))
    real = scores.of_kind(Kind.OBSERVED)
    reference = form.reference or (real[0] if len(real) == 1 else None)
    return replace(scores, reference=reference, meta=form.meta)
