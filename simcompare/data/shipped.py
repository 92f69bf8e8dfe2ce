"""Models that come with the package, known by name: they need no data and no network."""

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "HELD_OUT",
    "MEMBER",
    "count_folds",
    "default_background",
    "ensemble_members",
    "find_model",
    "reference_table",
    "shipped_models",
]

MEMBER = "member-"
"""Start of the names of the folders in which an ensemble keeps its members."""

HELD_OUT = "held-out.parquet"
"""Scores of real galaxies, beside a shipped model that has not learned from them."""

_FOLDER = Path(__file__).parent / "models"
_BACKGROUND = "-twins"


def shipped_models() -> tuple[str, ...]:
    """Names of the models of real galaxies; the background of each is its name and ``-twins``."""
    names = sorted(path.parent.name for path in _FOLDER.glob("*/model.toml"))
    return tuple(name for name in names if not name.endswith(_BACKGROUND))


def find_model(model: str | Path) -> Path:
    """Folder of a model given by path, or by the name of one that comes with the package.

    Parameters
    ----------
    model : str or path
        A folder of that name goes before a shipped model.

    Raises
    ------
    FileNotFoundError
        Neither, naming the shipped models.
    """
    path = Path(model)
    if path.exists():
        return path
    if path.name == str(model) and (_FOLDER / path / "model.toml").is_file():
        return _FOLDER / path
    known = ", ".join(shipped_models())
    raise FileNotFoundError(f"{model} is neither a folder nor a model shipped with simcompare ({known}).")


def ensemble_members(model: Path, ensemble: Iterable[Path]) -> list[Path]:
    """Model and the further members of its ensemble, each once.

    Parameters
    ----------
    model : path
    ensemble : iterable of path
        Models, training runs of several members, or folders that `flows.Ensemble.save` wrote.
    """
    by_real_path = {os.path.realpath(model): Path(model)}
    for path in map(Path, ensemble):
        members = sorted(path.glob(f"{MEMBER}*"), key=lambda member: (len(member.name), member.name))
        is_model = not members or (path / "model").is_dir()
        for each in [path] * is_model + members:
            by_real_path.setdefault(os.path.realpath(each), each)
    return list(by_real_path.values())


def count_folds(model: str | Path) -> int:
    """Count the flows that an image goes through: those of all folds of a cross-fitted model, else one."""
    path = Path(model)
    folder = path if path.exists() or path.name != str(model) else _FOLDER / path
    return max(1, len(list(folder.glob("fold-*"))))


def default_background(model: str | Path) -> str | None:
    """Name of the background that belongs to a shipped model; None for any other model."""
    if str(model) not in shipped_models() or Path(model).exists():
        return None
    name = f"{model}{_BACKGROUND}"
    return name if (_FOLDER / name).is_dir() else None


def reference_table(model: str | Path) -> Path | None:
    """Score table of real galaxies that a shipped model has not seen; None for any other model."""
    path = _FOLDER / Path(model) / HELD_OUT
    return path if default_background(model) and path.is_file() else None
