"""Any name as a file name, as a word of a shell, and as text on one line."""

import hashlib
import logging
import os
import shlex
from collections.abc import Iterable
from copy import copy

__all__ = ["SCORES", "PrintableFormatter", "file_name", "file_names", "printable", "shell_word"]

SCORES = "scores.parquet"
"""Scores of a run of ``score`` or ``compare``."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._+-")
_RESERVED = frozenset(  # reserved on Windows, with any ending
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in range(10)]
)
_LONGEST = 120  # of the 255 bytes allowed, so that callers can add numbers and endings
_HEAD = 60


def file_name(name: str) -> str:
    """Turn any name into a file name: different names give different ones, on every file system.

    Small letters, digits and ``._+-`` stay. Other characters become ``=`` and their bytes in UTF-8, in
    hexadecimal; so do a dot or dash at the beginning, a dot at the end, and the first letter of what Windows
    reserves. Where capitals were, ``~`` and digits tell which, as some file systems do not tell letters by
    their case. What is longer than 120 characters is cut, with its SHA-256.

    Returns
    -------
    str
        Without an ending of its own: to be followed by one, or to be a folder.

    Examples
    --------
    >>> file_name("tng100-1"), file_name("TNG100-1"), file_name("../a b")
    ('tng100-1', 'TNG100-1~e', '=2e.=2fa=20b')
    """
    letters = list(name)
    pieces = [_piece(letter) for letter in letters]
    if letters and letters[0] in ".-":
        pieces[0] = _escaped(letters[0])
    if letters and letters[-1] == ".":
        pieces[-1] = _escaped(".")
    if name.partition(".")[0].lower().rstrip() in _RESERVED:
        pieces[0] = _escaped(letters[0])
    text = "".join(pieces) or "="
    capitals = "".join("1" if letter.isupper() else "0" for letter in letters if _is_letter(letter)).rstrip(
        "0"
    )
    if capitals:
        padded = capitals.ljust(-(-len(capitals) // 4) * 4, "0")
        text += f"~{int(padded, 2):0{len(padded) // 4}x}"
    if len(text) > _LONGEST:
        text = f"{text[:_HEAD]}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
    return text


def _is_letter(letter: str) -> bool:
    """Whether a character is a letter that stays."""
    return letter.lower() in _PLAIN and letter.isalpha() and letter.isascii()


def _piece(letter: str) -> str:
    """One character as it stands in a file name."""
    return letter if letter in _PLAIN or _is_letter(letter) else _escaped(letter)


def _escaped(letter: str) -> str:
    """One character by its bytes."""
    return "".join(f"={byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))


def file_names(names: Iterable[str]) -> dict[str, str]:
    """File names of names that lie together, each as it is where that is safe.

    Returns
    -------
    dict of str
        By name. A name keeps its capitals without further mark if no other differs from it by them alone.
    """
    names = list(dict.fromkeys(names))
    alike: dict[str, int] = {}
    for name in names:
        alike[name.lower()] = alike.get(name.lower(), 0) + 1
    return {
        name: name
        if file_name(name.lower()) == name.lower() and alike[name.lower()] == 1
        else file_name(name)
        for name in names
    }


def shell_word(text: object) -> str:
    """Quote a text so that a POSIX shell takes it as one word.

    Raises
    ------
    ValueError
        For a zero byte, which no shell can hold.
    """
    if "\0" in str(text):
        raise ValueError(f"{str(text)!r} holds a zero byte.")
    return shlex.quote(str(text))


def printable(text: object, keep: str = "") -> str:
    r"""Show control characters, line breaks among them, as Python writes them: ``\n``, ``\x1b``.

    Parameters
    ----------
    text : object
    keep : str
        Characters that stay as they are.
    """
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in str(text)
    )


class PrintableFormatter(logging.Formatter):
    """Format lines of a log so that no name in them acts on the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; a line break in a name begins no line."""
        if isinstance(record.args, tuple):
            record = copy(record)
            record.args = tuple(
                printable(each) if isinstance(each, str | os.PathLike | BaseException) else each
                for each in record.args
            )
        return printable(super().format(record), keep="\n\t")
