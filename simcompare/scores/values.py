"""Columns as scores hold them: arrays of numbers, and text as numbers of words."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "arrow_values",
    "blank_of",
    "column_values",
    "is_number",
    "joined_values",
    "some_rows",
    "word_codes",
]


def blank_of(dtype: np.dtype) -> str | float | bool | int:
    """Value of a column where nothing is known."""
    return {"U": "", "S": "", "f": np.nan, "b": False}.get(dtype.kind, -1)


def arrow_values(values: pa.ChunkedArray) -> np.ndarray | pa.DictionaryArray:
    """Column as `Scores` holds it, of what pyarrow has read; nothing is left null."""
    if pa.types.is_dictionary(values.type) or pa.types.is_string(values.type):
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        whole = values.unify_dictionaries().combine_chunks()
        if isinstance(whole, pa.ChunkedArray):  # older pyarrow, of no chunks
            whole = pa.array([], values.type)
        if whole.null_count:
            whole = whole.cast(pa.string()).fill_null("").dictionary_encode()
        words = whole.dictionary
        order = pc.array_sort_indices(words).to_numpy()
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return _text(rank[word_codes(whole)] if len(rank) else np.zeros(0, int), words.take(pa.array(order)))
    if values.null_count:
        values = values.fill_null(pa.scalar(blank_of(np.dtype(values.type.to_pandas_dtype())), values.type))
    return values.to_numpy()


def is_number(column: np.ndarray | pa.DictionaryArray) -> bool:
    """Whether a column holds numbers."""
    return isinstance(column, np.ndarray) and column.dtype.kind in "fiu"


def column_values(name: str, values: Any) -> np.ndarray | pa.DictionaryArray:
    """Column as `Scores` holds it; nothing is left masked."""
    if isinstance(values, pa.DictionaryArray):
        return values
    if isinstance(values, np.ma.MaskedArray):
        values = values.filled(blank_of(values.dtype))
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise ValueError(
            f"column {name!r} of the scores has shape {values.shape} and type {values.dtype}; "
            "give one number, text or truth value for each image."
        )
    if values.dtype.kind not in "US":
        return values
    words, codes = np.unique(values.astype(str, copy=False), return_inverse=True)
    return _text(codes, words)


def _text(codes: np.ndarray, words: np.ndarray | pa.Array) -> pa.DictionaryArray:
    """Column of text, whose different words are given in increasing order."""
    codes = codes.astype(np.min_scalar_type(-max(len(words), 1)), copy=False)
    return pa.DictionaryArray.from_arrays(
        pa.array(codes), words if isinstance(words, pa.Array) else pa.array(words, pa.string()), safe=False
    )


def word_codes(column: pa.DictionaryArray) -> np.ndarray:
    """Numbers of the texts of a column of text."""
    return column.indices.to_numpy(zero_copy_only=False)


def some_rows(column: np.ndarray | pa.DictionaryArray, rows: slice | np.ndarray | Sequence) -> Any:
    """Take some rows of a column."""
    if isinstance(column, np.ndarray):
        return column[rows]
    return pa.DictionaryArray.from_arrays(pa.array(word_codes(column)[rows]), column.dictionary, safe=False)


def joined_values(parts: Sequence[np.ndarray | pa.DictionaryArray | None], sizes: Sequence[int]) -> Any:
    """Put columns one below the other.

    Parameters
    ----------
    parts : sequence of ndarray or pyarrow.DictionaryArray or None
        None where a part has no such column, and gets blanks; see `blank_of`.
    sizes : sequence of int
        Rows of each part.

    Returns
    -------
    ndarray or pyarrow.DictionaryArray

    Raises
    ------
    ValueError
        When some are text and others not.
    """
    model = next(part for part in parts if part is not None)
    if len({isinstance(part, np.ndarray) for part in parts if part is not None}) > 1:
        raise ValueError("text in some, numbers in others")
    if isinstance(model, np.ndarray):
        blank = blank_of(model.dtype)
        return np.concatenate(
            [
                np.full(n, blank, model.dtype) if part is None else part
                for part, n in zip(parts, sizes, strict=True)
            ]
        )
    dictionaries = [pa.array([""]) if part is None else part.dictionary for part in parts]
    words = pa.concat_arrays(dictionaries).unique()
    words = words.take(pc.array_sort_indices(words))
    codes = []
    for part, each, n in zip(parts, dictionaries, sizes, strict=True):
        place = pc.index_in(each, value_set=words).to_numpy(zero_copy_only=False)
        codes.append(place[np.zeros(n, int) if part is None else word_codes(part)])
    return _text(np.concatenate(codes), words)
