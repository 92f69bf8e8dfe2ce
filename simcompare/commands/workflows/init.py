"""A commented workflow file, made from the settings themselves so that it cannot fall behind them."""

import json
import types
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Union, get_args, get_origin

from pydantic.fields import FieldInfo

from simcompare.commands.planning.table import COMMANDS, SECTIONS
from simcompare.runs.files import write_text
from simcompare.settings import InitSettings, WorkflowSettings

__all__ = ["messages", "recipe", "workflow_template", "write_template"]

_HEAD = """\
# Workflow of simcompare: compare simulations with real galaxies, from files to report.
# Fill in the two 'inputs', then: simcompare run {name} --dry-run, and simcompare run {name}
# Keys behind '#' show a default or an example; --set section.key=value overrides any key.
# Run again to resume. To add a simulation, add a [mock.NAME] section and run again.
"""
# Keys of the short file; "" is its top.
_USUAL = {
    "": ("out", "survey", "bands", "size", "views", "real"),
    "prepare": ("inputs", "catalogue", "properties"),
    "twins": (),
    "train": ("minutes",),
    "mock": ("inputs", "redshift", "dust", "min_stellar_mass"),
    "score": ("model", "background"),
    "compare": ("generations",),
    "report": (),
}
_ALL = "# 'simcompare init --all' writes every key.\n"
_EXAMPLES = {float: 0.5, int: 1, str: "...", Path: "path", bool: True}
_SECTION_NAME = {"mock": "mock.MySimulation"}
_SHARED = set(WorkflowSettings.model_fields) - {"out"}


def write_template(settings: InitSettings) -> Path:
    """Write a workflow file to fill in.

    Raises
    ------
    ValueError
        When there is such a file already.
    """
    path = settings.path
    if path.exists():
        raise ValueError(f"{path} exists already; give another name, or move it away.")
    if settings.recipe and settings.every_key:
        raise ValueError("--recipe writes the keys that it needs; leave out --all.")
    text = recipe(settings.recipe, path) if settings.recipe else None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text or workflow_template(path.name, every=settings.every_key))
    return path


def recipe(name: str, path: Path) -> str:
    """Text of a workflow file that starts from public archives.

    Parameters
    ----------
    name : str
        One of those in ``data/recipes``.
    path : Path
        Of the file, for its first lines.
    """
    text = files("simcompare").joinpath("data", "recipes", f"{name}.toml").read_text(encoding="utf-8")
    return text.replace("{name}", path.name)


def workflow_template(name: str = "simcompare.toml", *, every: bool = False) -> str:
    """Text of a commented workflow file.

    Parameters
    ----------
    name : str
        Of the file, for its first lines.
    every : bool
        Every key there is, rather than the usual ones.
    """
    lines = [_HEAD.format(name=name) + ("" if every else _ALL)]
    shown = WorkflowSettings.model_fields.items()
    lines += [_entry(key, item, active=not every) for key, item in shown if every or key in _USUAL[""]]
    for section, kind in SECTIONS.items():
        if section == "fetch":  # in recipes only, which know what can be fetched
            continue
        part = COMMANDS[section].section
        lines.append(f"\n# {part.about}\n[{_SECTION_NAME.get(section, section)}]")
        hidden = {*part.wired, *_SHARED}
        if section == "mock":
            hidden.add("name")
        own = {key: item for key, item in kind.model_fields.items() if key not in hidden}
        if not every:
            own = {key: item for key, item in own.items() if key in _USUAL[section] or item.is_required()}
        if section == "score":  # both come from [train] unless flows trained before are named
            lines += [_entry(key, own.pop(key), optional=True) for key in ("model", "background")]
        lines += [_entry(key, item) for key, item in own.items()]
    return "\n".join(lines) + "\n"


def _entry(key: str, item: FieldInfo, optional: bool = False, *, active: bool = False) -> str:
    """One key: its meaning and limits as a comment, then key and value, active where its default is known."""
    required = item.is_required() and not optional
    default = None if item.is_required() else item.get_default()
    unset = default is None or default == []
    value = _example(item) if unset else default
    mark = "" if required or (active and not unset) else "# "
    limits = _limits(item)
    about = f"# {item.description}{f' ({limits})' if limits else ''}"
    return f"{about}\n{mark}{key} = {_toml(value)}{'  # example; not set' if unset and not required else ''}"


def _example(item: FieldInfo) -> object:
    """Give an example of a value: the field's own, or one of its type."""
    if item.examples:
        return item.examples[0]
    kinds = [item.annotation]
    while get_origin(kinds[0]) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(kinds[0]) if kind is not type(None)]
    if get_origin(kinds[0]) is list:
        return [_EXAMPLES.get(get_args(kinds[0])[0], "...")]
    return _EXAMPLES.get(kinds[0], "...")


def _limits(item: FieldInfo) -> str:
    """Limits of a number in words."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    limits = [
        f"{word} {getattr(limit, name)}"
        for limit in item.metadata
        for name, word in words.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(limits)


def _toml(value: object) -> str:
    """Value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return repr(value) if isinstance(value, int | float) else json.dumps(str(value))


def messages(settings: InitSettings, path: Path) -> Iterator[str]:
    """Say what to do next."""
    if settings.recipe:
        yield f"{path} written; 'simcompare run {path} --dry-run' says what it fetches and computes"
    else:
        yield f"{path} written; fill in its inputs, then 'simcompare run' it"
