"""A file that is not whole yet, and a note beside it of which edition of the server's file it is a part."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from simcompare.runs.files import open_own

__all__ = ["Unfinished", "edition_of", "is_another"]

_MARKS = ("ETag", "Last-Modified")


def edition_of(answer: httpx.Response) -> dict[str, str]:
    """Tell what distinguishes one edition of a server's file from another.

    Parameters
    ----------
    answer : httpx.Response
        200 with the whole file, or 206 with a part of it.

    Returns
    -------
    dict of str
        Length of the whole file [bytes], ETag and Last-Modified, each where the server states it.
    """
    if answer.status_code == 206:
        ranged = re.fullmatch(r"bytes \d+-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        length = ranged[1] if ranged else None
    else:
        length = answer.headers.get("Content-Length")
    marks = {"Length": length} | {name: answer.headers.get(name) for name in _MARKS}
    return {name: value for name, value in marks.items() if value}


def is_another(edition: dict[str, str], first: dict[str, str]) -> bool:
    """Whether two editions differ in anything that is stated of both."""
    return any(edition[name] != first[name] for name in edition.keys() & first.keys())


@dataclass(frozen=True)
class Unfinished:
    """What has come of a file.

    Parameters
    ----------
    path : Path
        Of the whole file; the part is ``<name>.part`` beside it, its note ``<name>.part.json``.
    """

    path: Path

    @property
    def part(self) -> Path:
        """What is there of the file."""
        return self.path.with_name(self.path.name + ".part")

    @property
    def note(self) -> Path:
        """Edition of the file that the part is of."""
        return self.path.with_name(self.path.name + ".part.json")

    def edition(self) -> dict[str, str]:
        """Edition of the part; empty where that is not known."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def size(self) -> int:
        """Bytes after which the file can be gone on with; 0 where nothing says of which edition they are."""
        return self.part.stat().st_size if self.part.is_file() and self.edition() else 0

    def begin(self, edition: dict[str, str]) -> None:
        """Drop what is there, and note of which edition the next bytes are."""
        self.discard()
        with os.fdopen(open_own(self.note, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write(json.dumps(edition))

    def append(self) -> BinaryIO:
        """Open the part for what comes next, which no link may lead elsewhere; see `open_own`."""
        return os.fdopen(open_own(self.part, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")

    def discard(self) -> None:
        """Drop part and note."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
