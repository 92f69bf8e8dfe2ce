"""Scores of several image sets in one."""

from collections.abc import Sequence
from dataclasses import replace
from math import isclose

from simcompare.scores.record import Scores
from simcompare.scores.values import joined_values

__all__ = ["stack_scores"]

_ALIKE = ("survey", "bands", "pixel_scale", "preparation_hash", "scale_names", "model", "background")
_OF_MODELS = ("log_", "ensemble_")  # columns that a model makes begin so


def _same(mine: object, theirs: object) -> bool:
    """Whether two facts agree; a pixel scale may come from a rotation matrix, with its rounding."""
    if isinstance(mine, float) and isinstance(theirs, float):
        return isclose(mine, theirs, rel_tol=1e-6)
    return mine == theirs


def stack_scores(parts: Sequence[Scores]) -> Scores:
    """Put the scores of several image sets into one.

    Parameters
    ----------
    parts : sequence of Scores
        As made by `simcompare.scores.likelihood.score`, under the same models.

    Returns
    -------
    Scores
        All rows; catalogue columns that a part lacks are NaN, -1 or empty there. The reference is that of
        the parts, where they have one alone.

    Raises
    ------
    ValueError
        When parts differ in their scores, or come from other surveys or preparations.
    """
    if not parts:
        raise ValueError("no scores given; name at least one score run.")
    first = parts[0]
    for part in parts[1:]:
        for key in _ALIKE:
            if not _same(part.meta.get(key), first.meta.get(key)):
                raise ValueError(
                    f"scores cannot be joined: {key} is {first.meta.get(key)} in one "
                    f"and {part.meta.get(key)} in another."
                )
        odd = {name for name in set(first.columns) ^ set(part.columns) if name.startswith(_OF_MODELS)}
        if odd:
            raise ValueError(
                f"scores cannot be joined: only some have the columns {', '.join(sorted(odd))}; "
                "score all image sets with the same model and backgrounds."
            )
    names, sizes = (
        dict.fromkeys(name for part in parts for name in part.columns),
        [len(part) for part in parts],
    )
    columns = {}
    for name in names:
        try:
            columns[name] = joined_values([part.columns.get(name) for part in parts], sizes)
        except ValueError as error:
            raise ValueError(f"scores cannot be joined: column {name!r} is {error}.") from error
    counts: dict[str, int] = {}
    for part in parts:
        for name, n in part.meta.get("not_finite", {}).items():
            counts[name] = counts.get(name, 0) + n
    references = {part.reference for part in parts} - {None}
    return replace(
        first,
        columns=columns,
        reference=references.pop() if len(references) == 1 else None,
        meta=dict(first.meta) | {"not_finite": counts},
        own={name: column for part in reversed(parts) for name, column in part.own.items()},
    )
