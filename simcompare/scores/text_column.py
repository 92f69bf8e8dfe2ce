"""Text columns of large tables: each different word is held once."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Column
from astropy.utils.data_info import MixinInfo

__all__ = ["Words", "equals", "ordered", "words_of"]


class _WordsInfo(MixinInfo):
    """Name and description of the column."""

    attrs_from_parent = frozenset({"dtype"})


class Words:
    """Column of an astropy table that holds a number for each row, and each different word once.

    For numpy it is an array of text: `numpy.asarray` gives it, as long as that is needed.

    Parameters
    ----------
    words : ndarray of bytes, shape (n_words,)
        UTF-8, increasing; all rows of a column and of its parts share them.
    codes : ndarray of int, shape (n,)
        Index of the word of each row.
    """

    info = _WordsInfo()

    def __init__(self, words: np.ndarray, codes: np.ndarray) -> None:
        self.words, self.codes = words, codes

    @classmethod
    def of(cls, text: np.ndarray) -> "Words":
        """Hold an array of text."""
        words, codes = np.unique(text, return_inverse=True)
        return cls(np.char.encode(words, "utf-8"), codes.astype(np.int32))

    @classmethod
    def joined(cls, parts: Sequence["Words"]) -> "Words":
        """Hold columns one after the other."""
        words, place = np.unique(np.concatenate([part.words for part in parts]), return_inverse=True)
        place = place.astype(np.min_scalar_type(max(words.size - 1, 0)))
        stops = np.cumsum([part.words.size for part in parts])
        codes = [
            place[stop - part.words.size : stop][part.codes] for part, stop in zip(parts, stops, strict=True)
        ]
        return cls(words, np.concatenate(codes))

    @property
    def dtype(self) -> np.dtype:
        """Type of the array of text."""
        return np.dtype(f"U{max(self.words.dtype.itemsize, 1)}")

    @property
    def shape(self) -> tuple[int]:
        """Number of rows."""
        return self.codes.shape

    def __len__(self) -> int:
        return len(self.codes)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        text = np.char.decode(self.words, "utf-8")[self.codes]
        return text if dtype is None else text.astype(dtype)

    def __getitem__(self, item):
        """One word, or the column of some rows."""
        codes = self.codes[item]
        if np.ndim(codes) == 0:
            return str(self.words[codes], "utf-8")
        part = Words(self.words, codes)
        if "info" in self.__dict__:
            part.info = self.info
        return part

    def __eq__(self, word: str) -> np.ndarray:
        """Mark the rows with this word."""
        return (self.words == word.encode())[self.codes]

    __hash__ = None

    def copy(self) -> "Words":
        """Return a column of the same words."""
        return Words(self.words, self.codes.copy())


def words_of(column: Column | Words) -> list[str]:
    """List the different words of a column, in order."""
    if isinstance(column, Words):
        there = np.bincount(column.codes, minlength=len(column.words)) > 0
        return np.char.decode(column.words[there], "utf-8").tolist()
    return np.unique(np.asarray(column)).tolist()


def equals(column: Column | Words, word: str) -> np.ndarray:
    """Mark the rows of a column with a word, shape (n,)."""
    return column == word if isinstance(column, Words) else np.asarray(column) == word


def ordered(column: Column | Words) -> np.ndarray:
    """Numbers or texts that are equal, and in order, as those of a column are.

    Parameters
    ----------
    column : Column or Words
        Those of a `Words` mean the same in all parts of one table only.

    Returns
    -------
    ndarray, shape (n,)
    """
    return column.codes if isinstance(column, Words) else np.asarray(column)
