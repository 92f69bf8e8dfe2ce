"""What a command has finished, by hash, and from what it was made: the memory of a rerun."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from simcompare import __version__
from simcompare.runs.documents import read_json_object
from simcompare.runs.files import sha256, write_text
from simcompare.settings import Settings

__all__ = [
    "PAGE_PRODUCTS",
    "PRODUCTS",
    "Ledger",
    "check_hash",
    "content_hash",
    "digest",
    "forget_record",
    "read_record",
    "write_record",
]

PRODUCTS, PAGE_PRODUCTS = "products.json", "report-products.json"
"""Ledgers of a run folder: of its command, and of the report drawn in it."""


@dataclass(frozen=True)
class Ledger:
    """Finished products of a folder, kept in a JSON file of it.

    What was made from something else counts as not there.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    made_from : str
        From `digest`.
    """

    path: Path
    made_from: str

    def record(self, *names: str) -> None:
        """Note the hashes of finished products, given by their paths within the folder."""
        products = self._products() | {name: sha256(self.path.parent / name) for name in names}
        content = {"made_from": self.made_from, "products": products}
        write_text(self.path, json.dumps(content, indent=1, sort_keys=True))

    def has(self, *names: str) -> bool:
        """Whether products are there as they were recorded."""
        products = self._products()
        paths = {name: self.path.parent / name for name in names}
        return all(path.is_file() and products.get(name) == sha256(path) for name, path in paths.items())

    def has_all(self, last: str) -> bool:
        """Whether a product, the last one made, and every other recorded one are there."""
        return self.has(last, *self._products())

    def is_of_other(self) -> bool:
        """Whether something was recorded that was made from other things."""
        return self._read().get("made_from", self.made_from) != self.made_from

    def _products(self) -> dict[str, str]:
        """Give the recorded hashes by name."""
        products = {} if self.is_of_other() else self._read().get("products", {})
        if not isinstance(products, dict):
            raise ValueError(f"{self.path} is damaged: its list of products is not valid; delete it.")
        return products

    def _read(self) -> dict:
        """Content of the file."""
        return read_json_object(self.path) if self.path.is_file() else {}


def digest(settings: Settings, files: Iterable[Path], *further: str) -> str:
    """Hash of all that a result depends on: version, settings, content of files.

    Parameters
    ----------
    settings : Settings
    files : iterable of Path
        Of those with a record see `content_hash`.
    *further : str
        Hashes and names.
    """
    # A run may be called from another folder or moved; the content of files says which they are.
    paths = settings.path_names()
    values = {name: value for name, value in settings.of_result().items() if name not in paths}
    hasher = hashlib.sha256(json.dumps([__version__, values, *further]).encode())
    for path in files:
        hasher.update(f"{path.name} {content_hash(path)}\n".encode())
    return hasher.hexdigest()


def _record_path(path: Path) -> Path:
    """JSON file beside a product that is one of many."""
    return path.with_suffix(".json")


def write_record(path: Path, notes: Mapping[str, object]) -> None:
    """Note that a file is finished, or that there was nothing to write, with its hash, size and time."""
    record = {"sha256": None, **notes}
    if path.is_file():
        record |= {"sha256": sha256(path), "size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
    write_text(_record_path(path), json.dumps(record, indent=1))


def forget_record(path: Path) -> None:
    """Remove what `write_record` noted of a file that is made again."""
    _record_path(path).unlink(missing_ok=True)


def read_record(path: Path) -> dict:
    """Read what `write_record` noted of a file; empty where it noted nothing, or the note is damaged."""
    record = _record_path(path)
    if record == path or not record.is_file():  # a JSON file has no record beside it
        return {}
    try:
        return read_json_object(record)
    except ValueError:
        return {}


def check_hash(path: Path) -> None:
    """Refuse a product that is not what was written, where its hash was recorded; once for each state of it.

    Size and time of the last change are not enough: a copy keeps them. Reading for the hash costs a second
    for each GB.

    Parameters
    ----------
    path : path
        With a record beside it, or listed in the ``products.json`` of its folder or of one above.

    Raises
    ------
    OSError
        When its content is another, saying how to remake it.
    """
    state, path = os.stat(path), Path(path)
    recorded = _listed_hash(path) or _noted_hash(path)
    if recorded is None:
        return
    actual = _hash_once(str(path), (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))
    if actual != recorded:
        raise OSError(
            f"{path} has changed since it was written: its SHA-256 is {actual[:12]}..., but "
            f"{str(recorded)[:12]}... was recorded. Copy it again, or delete it and give the command of its "
            "run folder again, which makes what is missing."
        )


@lru_cache(maxsize=65536)
def _hash_once(path: str, _state: tuple) -> str:
    """SHA-256 of a file in the state that it has."""
    return sha256(path)


def _noted_hash(path: Path) -> str | None:
    """Hash in the record beside a product; a JSON file of another kind may lie there, too."""
    record = _record_path(path)
    if record == path or not record.is_file():
        return None
    content = read_json_object(record)
    if "sha256" not in content:
        return None
    if not isinstance(content["sha256"], str):
        raise OSError(f"{record} says that there is no {path.name}; delete one of them, or copy both again.")
    return content["sha256"]


def _listed_hash(path: Path) -> str | None:
    """Hash of a product in the ledger of its run folder."""
    for folder in (path.parent, path.parent.parent):
        name = path.relative_to(folder).as_posix()
        for ledger in (folder / PRODUCTS, folder / PAGE_PRODUCTS):
            products = read_json_object(ledger).get("products") if ledger.is_file() else None
            if isinstance(products, dict) and name in products:
                return products[name]
    return None


def content_hash(path: Path) -> str:
    """SHA-256 of a file, taken from its record as long as size and time of the last change agree."""
    record, now = read_record(path), path.stat()
    if (record.get("size"), record.get("mtime_ns")) == (now.st_size, now.st_mtime_ns):
        return record["sha256"]
    return sha256(path)
