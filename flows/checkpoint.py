"""Folders of safetensors, TOML and CSV for models and snapshots of a training; nothing is unpickled."""

import csv
import hashlib
import os
import re
import shutil
import tomllib
from pathlib import Path

import tomli_w
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

__all__ = ["SCHEMA", "load_model", "load_snapshot", "save_model", "save_snapshot"]

FORMAT = "simcompare flow"
_CARD = "README.md"
_HASHED = {"weights_sha256": "weights.safetensors", "history_sha256": "history.csv"}
# Each dot costs the parser a walk from the top.
_DEEP_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){50}")
SCHEMA = 1  # raise with every change of the layout that older readers would misread


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
    card = folder / _CARD
    return tensors, facts, history, card.read_text(encoding="utf-8") if card.is_file() else ""


def save_snapshot(
    folder: Path, tensors: dict[str, torch.Tensor], state: dict, history: list[dict[str, float]]
) -> None:
    """Write the state of a training in place of the previous one."""
    _write(folder, "snapshot.toml", tensors, {"format": FORMAT, "schema": SCHEMA, "state": state}, history)


def load_snapshot(folder: Path) -> tuple[dict[str, torch.Tensor], dict, list[dict[str, float]]]:
    """Tensors, state and history of a training."""
    tensors, facts, history = _read(folder, "snapshot.toml")
    return tensors, facts["state"], history


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
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in tensors.items()},
            fresh / "weights.safetensors",
        )
        with open(fresh / "history.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(history[0]) if history else ["epoch"])
            writer.writeheader()
            writer.writerows(history)
        facts = _plain(facts | {stem: _sha256(fresh / part) for stem, part in _HASHED.items()})
        text = tomli_w.dumps(facts | {"facts_sha256": _facts_hash(facts)})
        (fresh / name).write_text(text, encoding="utf-8")
        if card:
            (fresh / _CARD).write_text(card, encoding="utf-8")
        if folder.exists():
            old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
            folder.rename(old)
            fresh.rename(folder)
            shutil.rmtree(old)
        else:
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _read(folder: Path, name: str) -> tuple[dict[str, torch.Tensor], dict, list[dict[str, float]]]:
    """Read and verify a folder written by `_write`."""
    for part in (name, "weights.safetensors", "history.csv"):
        if not (folder / part).is_file():
            raise FileNotFoundError(
                f"{folder / part} does not exist; a model is the folder that FlowModel.save wrote."
            )
    try:
        text = (folder / name).read_text(encoding="utf-8")
        if _DEEP_KEY.search(text):
            raise ValueError("a key of 50 parts or more")
        facts = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{folder / name} is not readable TOML ({error}); train or copy the model again."
        ) from error
    if facts.get("format") != FORMAT:
        raise ValueError(
            f"{folder / name} has format {facts.get('format')!r}, not {FORMAT!r}: not one of our models."
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
            raise ValueError(f"{folder / part} is damaged: its sha256 is not that of {name}. Copy it again.")
    if facts.get("facts_sha256", (found := _facts_hash(facts))) != found:
        raise ValueError(f"{folder / name} is damaged: it has not the hash that it states. Copy it again.")
    try:
        tensors = load_file(folder / "weights.safetensors")
        with open(folder / "history.csv", newline="", encoding="utf-8") as file:
            history = [
                {key: int(value) if key == "epoch" else float(value) for key, value in row.items()}
                for row in csv.DictReader(file)
            ]
    except (SafetensorError, ValueError, TypeError) as error:
        raise ValueError(f"{folder} is damaged: {error}. Copy it again.") from error
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
        f"{key} is a {type(value).__name__}; metadata may hold text, numbers, truths, lists and dictionaries."
    )
