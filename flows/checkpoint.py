"""Folders of safetensors, TOML and CSV for models and snapshots of a training; nothing is unpickled.

A folder appears under its name only whole: it is written beside it, flushed to the disk and renamed. What an
interrupted call leaves is removed by the next one.
"""

import csv
import hashlib
import io
import logging
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import tomli_w
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

__all__ = [
    "SCHEMA",
    "DamagedError",
    "find_snapshot",
    "load_model",
    "load_snapshot",
    "save_model",
    "save_snapshot",
    "snapshot_path",
]

log = logging.getLogger(__name__)

FORMAT = "simcompare flow"
_CARD = "README.md"
_HASHED = {"weights_sha256": "weights.safetensors", "history_sha256": "history.csv"}
# Each dot costs the parser a walk from the top.
_DEEP_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){50}")
_LARGEST_TEXT = 2**26  # bytes of facts and history
SCHEMA = 1  # raise with every change of the layout that older readers would misread
_KEPT = 2  # snapshots: if the last one is damaged there is one before it
_SNAPSHOT = re.compile(r"snapshot-(\d{6,})")


class DamagedError(ValueError):
    """A model or snapshot that is foreign, or not as it was written."""


def save_model(
    folder: Path, tensors: dict[str, torch.Tensor], facts: dict, history: list[dict[str, float]], card: str
) -> Path:
    """Write ``model.toml``, ``weights.safetensors``, ``history.csv`` and the card as ``README.md``.

    An existing model in the folder is replaced only once the new one is complete on disk.
    """
    return _write(folder, "model.toml", tensors, {"format": FORMAT, "schema": SCHEMA} | facts, history, card)


def load_model(folder: Path) -> tuple[dict[str, torch.Tensor], dict, list[dict[str, float]], str]:
    """Tensors, facts, history and card of a model.

    Raises
    ------
    FileNotFoundError
        No model in this folder.
    ValueError
        Foreign, damaged, or written by a newer version.
    """
    tensors, facts, history = _read(folder, "model.toml")
    if not all(bool(each.isfinite().all()) for each in tensors.values()):
        raise DamagedError(
            f"{folder / 'weights.safetensors'} holds numbers that are not finite. "
            "Copy the model again, or train it again."
        )
    card = folder / _CARD
    return tensors, facts, history, card.read_text(encoding="utf-8") if card.is_file() else ""


def snapshot_path(folder: Path, epoch: int) -> Path:
    """Where the snapshot after an epoch lies."""
    return folder / f"snapshot-{epoch:06d}"


def save_snapshot(
    folder: Path, epoch: int, tensors: dict[str, torch.Tensor], state: dict, history: list[dict[str, float]]
) -> Path:
    """Write the state of a training after an epoch; of those before it one is kept."""
    facts = {"format": FORMAT, "schema": SCHEMA, "state": state}
    path = _write(snapshot_path(folder, epoch), "snapshot.toml", tensors, facts, history)
    for old in _snapshots(folder)[:-_KEPT]:
        _remove(old)
    return path


def load_snapshot(folder: Path) -> tuple[dict[str, torch.Tensor], dict, list[dict[str, float]]]:
    """Tensors, state and history of a training.

    Raises
    ------
    DamagedError
        When it is foreign, or not as it was written.
    ValueError
        Written by a newer version.
    """
    try:
        tensors, facts, history = _read(folder, "snapshot.toml")
        state = facts["state"]
    except (FileNotFoundError, KeyError) as error:
        raise DamagedError(f"{folder} is damaged: {error} is missing.") from error
    return tensors, state, history


def find_snapshot(folder: Path) -> int | None:
    """Epoch of the last whole snapshot, None where there is none.

    Damaged ones are set aside as ``damaged-snapshot-...``, with a warning. What an interrupted call left is
    removed.

    Raises
    ------
    ValueError
        For a snapshot written by a newer version.
    """
    _remove_leftovers(folder, _SNAPSHOT.pattern)
    for path in reversed(_snapshots(folder)):
        try:
            load_snapshot(path)
        except DamagedError as error:
            aside = path.with_name(f"damaged-{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            log.warning(
                "%s Moved to %s; training resumes from the previous snapshot, if there is one",
                error,
                aside.name,
            )
        else:
            return int(_SNAPSHOT.fullmatch(path.name)[1])
    return None


def _snapshots(folder: Path) -> list[Path]:
    """Snapshots of a training, the last one last."""
    snapshots = [path for path in folder.glob("snapshot-*") if _SNAPSHOT.fullmatch(path.name)]
    return sorted(snapshots, key=lambda path: int(_SNAPSHOT.fullmatch(path.name)[1]))


def _write(
    folder: Path,
    name: str,
    tensors: dict[str, torch.Tensor],
    facts: dict,
    history: list[dict[str, float]],
    card: str = "",
) -> Path:
    """Write a folder beside the final one, then put it in its place."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / name).is_file())):
        raise FileExistsError(f"{folder} exists and holds no {name}; give a new or empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _bring_back(folder)
    _remove_leftovers(folder.parent, re.escape(folder.name))
    fresh = _beside(folder, "tmp")
    fresh.mkdir()
    try:
        for part, content in _files(name, tensors, facts, history, card):
            _write_file(fresh / part, content)
        _flush(fresh)
        if folder.exists():
            old = _beside(folder, "old")
            folder.rename(old)
            fresh.rename(folder)
            shutil.rmtree(old)
        else:
            fresh.rename(folder)
        _flush(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _files(
    name: str, tensors: dict[str, torch.Tensor], facts: dict, history: list[dict[str, float]], card: str
) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files of a folder."""
    contents = {
        "weights.safetensors": save(
            {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        ),
        "history.csv": _table(history),
    }
    yield from contents.items()
    facts = _plain(
        facts | {stem: hashlib.sha256(contents[part]).hexdigest() for stem, part in _HASHED.items()}
    )
    yield name, tomli_w.dumps(facts | {"facts_sha256": _facts_hash(facts)}).encode()
    if card:
        yield _CARD, card.encode()


def _table(history: list[dict[str, float]]) -> bytes:
    """History as CSV."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(history[0]) if history else ["epoch"])
    writer.writeheader()
    writer.writerows(history)
    return table.getvalue().encode()


def _write_file(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(folder: Path, ending: str) -> Path:
    """Hidden place beside a folder, of this process."""
    return folder.with_name(f".{folder.name}.{os.getpid()}.{ending}")


def _remove(folder: Path) -> None:
    """Remove a folder so that no part of it is left under its name."""
    doomed = _beside(folder, "tmp")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def _bring_back(folder: Path) -> None:
    """Give a folder its name again that an interrupted call had moved away to replace it."""
    if not folder.exists():
        for old in _leftovers(folder.parent, re.escape(folder.name), "old"):
            old.rename(folder)
            break


def _remove_leftovers(parent: Path, names: str) -> None:
    """Remove what interrupted calls left of folders whose names match."""
    for left in _leftovers(parent, names, "tmp|old"):
        shutil.rmtree(left)


def _leftovers(parent: Path, names: str, endings: str) -> list[Path]:
    """Find what interrupted calls left of folders whose names match."""
    wanted = re.compile(rf"\.({names})\.\d+\.({endings})")
    return [path for path in parent.glob(".*") if wanted.fullmatch(path.name)]


def _read(folder: Path, name: str) -> tuple[dict[str, torch.Tensor], dict, list[dict[str, float]]]:
    """Read and verify a folder written by `_write`."""
    _bring_back(folder)
    for part in (name, "weights.safetensors", "history.csv"):
        if not (folder / part).is_file():
            raise FileNotFoundError(
                f"{folder / part} does not exist; a model is the folder that FlowModel.save wrote."
            )
        if part != "weights.safetensors" and (folder / part).stat().st_size > _LARGEST_TEXT:
            raise DamagedError(
                f"{folder / part} has more than {_LARGEST_TEXT / 1e6:.0f} MB; ours have kB. Copy it again."
            )
    try:
        text = (folder / name).read_text(encoding="utf-8")
        if _DEEP_KEY.search(text):
            raise ValueError("a key of 50 parts or more")
        facts = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedError(
            f"{folder / name} is not readable TOML ({error}); train or copy the model again."
        ) from error
    if facts.get("format") != FORMAT:
        raise DamagedError(
            f"{folder / name} has format {facts.get('format')!r}, not {FORMAT!r}: not a simcompare model."
        )
    if not isinstance(facts.get("schema"), int) or facts["schema"] > SCHEMA:
        raise ValueError(
            f"{folder / name} has schema {facts.get('schema')!r}; this version reads up to {SCHEMA}. "
            "Update simcompare."
        )
    # Models of earlier versions know the hash of their weights alone.
    known = {stem: part for stem, part in _HASHED.items() if stem in facts or stem == "weights_sha256"}
    for stem, part in known.items():
        if facts.get(stem) != _sha256(folder / part):
            raise DamagedError(
                f"{folder / part} is damaged: its SHA-256 is not the one in {name}. Copy it again."
            )
    if facts.get("facts_sha256", (actual_hash := _facts_hash(facts))) != actual_hash:
        raise DamagedError(f"{folder / name} is damaged: its hash does not match its content. Copy it again.")
    try:
        tensors = load_file(folder / "weights.safetensors")
        with open(folder / "history.csv", newline="", encoding="utf-8") as file:
            history = [
                {key: int(value) if key == "epoch" else float(value) for key, value in row.items()}
                for row in csv.DictReader(file)
            ]
    except (SafetensorError, ValueError, TypeError) as error:
        raise DamagedError(f"{folder} is damaged: {error}. Copy it again.") from error
    return tensors, facts, history


def _facts_hash(facts: dict) -> str:
    """SHA-256 of all facts but the hash itself."""
    rest = {key: value for key, value in facts.items() if key != "facts_sha256"}
    return hashlib.sha256(tomli_w.dumps(rest).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(value: object, key: str = "") -> object:
    """Value as TOML can hold it: NumPy numbers and paths made plain, None left out of tables."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, dict):
        return {str(name): _plain(item, str(name)) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item, key) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, str | bool | int | float):
        return value
    raise TypeError(
        f"{key} is a {type(value).__name__}; allowed are text, numbers, booleans, lists and dictionaries."
    )
