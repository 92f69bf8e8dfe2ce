"""The whole chain from one TOML file: real images, twins, flows, mocks, scores, comparison, report."""

import logging
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from simcompare.commands.planning.table import COMMANDS, SECTIONS, Command
from simcompare.runs.documents import read_toml
from simcompare.runs.names import file_names
from simcompare.scores.encoders import is_import
from simcompare.settings import Settings, WorkflowSettings

__all__ = ["Step", "plan_workflow", "read_workflow"]

logger = logging.getLogger(__name__)

_SHARED = ("survey", "bands", "size", "seed", "workers", "scheduler")


@dataclass(frozen=True)
class Step:
    """One command of a workflow.

    Parameters
    ----------
    verb : str
    settings : Settings
        As if they had been given on the command line.
    """

    verb: str
    settings: Settings

    @property
    def command(self) -> Command:
        """Its row of the table."""
        return COMMANDS[self.verb]

    @property
    def folder(self) -> Path:
        """Where its products lie."""
        return getattr(self.settings, self.command.folder)

    def run(self) -> object:
        """Do it; what is done already is skipped by the command itself."""
        return self.command.find(self.command.section.function or self.command.function)(self.settings)


def read_workflow(path: str | Path, overrides: Sequence[str] = ()) -> dict:
    """Read a workflow file and put other values in.

    Parameters
    ----------
    path : path-like
        TOML file, as `simcompare.commands.init.workflow_template` makes them.
    overrides : sequence of str
        Such as ``"train.epochs=20"``: dotted key and value, in TOML or as plain text.

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError
        When the file does not exist.
    ValueError
        When it is not TOML, or an override has no key.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; 'simcompare init {path}' writes one to fill in.")
    content = read_toml(path)
    _refuse_code(content, path)
    for override in overrides:
        key, equals, text = override.partition("=")
        names = [name.strip() for name in key.split(".")]
        if not equals or not all(names):
            raise ValueError(f"--set {override!r} is not of the form section.key=value.")
        place = content
        for name in names[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ValueError(f"--set {override!r}: {name} is a value in {path}, not a section.")
        place[names[-1]] = _toml_value(text.strip())
    return content


def _refuse_code(content: Mapping, path: Path) -> None:
    """Refuse a file that chooses what is imported, or with whom pickles are exchanged; ``--set`` may."""
    for section in ("score", "compare"):
        given = content.get(section)
        name = given.get("embedding") if isinstance(given, dict) else None
        if isinstance(name, str) and is_import(name):
            raise ValueError(
                f"{path}: [{section}] embedding = {name!r} would import code; name a registered encoder, or "
                f"give --set {section}.embedding={name}."
            )
    for place in _tables(content):
        scheduler = place.get("scheduler", "slurm")
        if scheduler != "slurm":
            raise ValueError(
                f"{path}: scheduler = {scheduler!r} is a cluster that may run code here; only 'slurm' may "
                f"stand in a file; give --set scheduler={scheduler}."
            )


def _tables(content: Mapping) -> Iterator[Mapping]:
    """Tables of a TOML file, at any depth."""
    waiting = [content]
    while waiting:
        table = waiting.pop()
        yield table
        waiting += [value for value in table.values() if isinstance(value, dict)]


def _toml_value(text: str) -> object:
    """Value of an override: TOML where it is, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def plan_workflow(content: Mapping, source: str = "workflow") -> list[Step]:
    """Turn a workflow into the commands that make it up, in their order.

    Parameters
    ----------
    content : mapping
        From `read_workflow`.
    source : str
        Name of the file in messages.

    Returns
    -------
    list of Step

    Raises
    ------
    ValueError
        For an unknown key (with the likely one), a wrong value, or a missing section.
    """
    sections = {name: content[name] for name in SECTIONS if name in content}
    top = {name: value for name, value in content.items() if name not in SECTIONS}
    shared = _settings(WorkflowSettings, top, {}, source, "the top level", also=SECTIONS)
    mocks = sections.get("mock", {})
    if not mocks or not all(isinstance(entry, dict) for entry in mocks.values()):
        raise ValueError(f"{source}: give each simulation a section of its own, such as [mock.TNG100].")
    for name, entry in sections.items():
        if not isinstance(entry, dict):
            raise ValueError(f"{source}: {name} is a section; write [{name}] and its keys below.")
    out = shared.out
    common = {name: getattr(shared, name) for name in _SHARED}

    def settings(section: str, given: Mapping, **wired: object) -> Settings:
        kind, label = SECTIONS[section], f"[{section}]"
        refused = sorted(set(given) & set(COMMANDS[section].section.wired))
        if refused:
            raise ValueError(f"{source}: {label} sets {', '.join(refused)}, which the workflow does itself.")
        known = {name: value for name, value in common.items() if name in kind.model_fields}
        return _settings(kind, given, known | wired, source, label)

    for name in mocks:
        if Path(name).name != name or name in ("", ".."):
            raise ValueError(f"{source}: {name!r} names a folder of mocks; give a plain name, without '/'.")
        if name.lower() in ("real", "twins"):
            raise ValueError(f"{source}: the name {name!r} is taken; call [mock.{name}] otherwise.")
    folders = file_names(mocks)
    steps, real = [], shared.real
    if real is None:
        if "prepare" not in sections:
            raise ValueError(f"{source}: there is neither a [prepare] section nor 'real', a prepared set.")
        real = out / "real"
        steps.append(Step("prepare", settings("prepare", sections["prepare"], out=real)))
    elif "prepare" in sections:
        raise ValueError(f"{source}: give either [prepare] or real = {str(real)!r}, not both.")
    scoring = dict(sections.get("score", {}))
    images = {"real": real}
    if "model" not in scoring:
        twins, train = out / "twins", sections.get("train", {})
        images["twins"] = twins
        models = {"model": out / "models" / "real", "background": out / "models" / "twins"}
        steps += [
            Step("twins", settings("twins", sections.get("twins", {}), images=real, out=twins)),
            Step("train", settings("train", train, images=real, out=models["model"])),
            Step(
                "train",
                settings("train", train, images=twins, out=models["background"], init=models["model"]),
            ),
        ]
        scoring |= {name: str(path) for name, path in models.items()}
    for name, entry in mocks.items():
        images[name] = folder = out / "mocks" / folders[name]
        borrowed = {"conditions": real} if shared.real_conditions and "conditions" not in entry else {}
        steps.append(Step("mock", settings("mock", {"name": name} | entry, out=folder, **borrowed)))
    scored = []
    for name, folder in images.items():
        scored.append(out / "scores" / folders.get(name, name))
        steps.append(Step("score", settings("score", scoring, images=[folder], out=scored[-1])))
    comparison = out / "comparison"
    comparing = settings("compare", sections.get("compare", {}), scores=scored, out=comparison)
    steps.append(Step("compare", comparing))
    steps.append(Step("report", settings("report", sections.get("report", {}), run=comparison)))
    return steps


def _settings(
    kind: type[Settings], given: Mapping, wired: Mapping, source: str, label: str, also: Sequence[str] = ()
) -> Settings:
    """Make settings; unknown names and wrong values are refused in words a user understands."""
    known = [name for name in kind.model_fields if name not in wired or name in given] + list(also)
    for name in given:
        if name not in kind.model_fields:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
            raise ValueError(f"{source}: {label} has no key {name!r}; {hint}")
    try:
        return kind(**{**wired, **given})
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ValueError(f"{source}: {label}: {'; '.join(problems)}.") from error
