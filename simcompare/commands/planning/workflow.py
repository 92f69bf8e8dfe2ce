"""The whole chain from one TOML file: fetched files, real images, flows, mocks, scores, report."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mocks.views import kind_of_view
from simcompare.commands.planning.table import COMMANDS, SECTIONS, Command
from simcompare.data.shipped import reference_table
from simcompare.runs.documents import read_toml
from simcompare.runs.names import file_names
from simcompare.scores.encoders import is_import
from simcompare.settings import Settings, WorkflowSettings, likely_name, problems_of

__all__ = ["Step", "caution_of_views", "plan_workflow", "read_workflow"]

_SHARED = ("survey", "bands", "size", "views", "seed", "workers", "scheduler")


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
        TOML file, as `simcompare.commands.workflows.init.workflow_template` makes them.
    overrides : sequence of str
        Such as ``"train.epochs=20"``: dotted key and value, in TOML or as plain text.

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

    Raises
    ------
    ValueError
        For an unknown key (with the likely one), a wrong value, or a missing section.
    """
    file = _checked(content, source)
    fetched = _fetched(file)
    prepared, real = _real_images(file)
    steps = fetched + prepared
    images = {"real": real} if real else {}
    scoring = dict(file.section("score"))
    if "model" not in scoring:
        trained, models = _trained(file, real)
        steps += trained
        images["twins"] = file.out / "twins"
        scoring |= {name: str(path) for name, path in models.items()}
    folders = file_names(file.mocks)
    for name, entry in file.mocks.items():
        images[name] = folder = file.out / "mocks" / folders[name]
        borrows = real and file.shared.real_conditions and "conditions" not in entry
        borrowed = {"conditions": real} if borrows else {}
        steps.append(file.step("mock", {"name": name} | entry, name, out=folder, **borrowed))
    scored = []
    for name, folder in images.items():
        scored.append(file.out / "scores" / folders.get(name, name))
        steps.append(file.step("score", scoring, images=[folder], out=scored[-1]))
    comparison = file.out / "comparison"
    steps.append(file.step("compare", scores=scored, out=comparison))
    steps.append(file.step("report", run=comparison))
    return steps


def caution_of_views(steps: Sequence[Step]) -> str:
    """Say which simulations of a workflow are to be seen from other directions than others.

    Returns
    -------
    str
        Empty where all have the same kinds of views; their numbers may differ.
    """
    mocks = [step.settings for step in steps if step.verb == "mock"]
    if len({frozenset(map(kind_of_view, mock.directions)) for mock in mocks}) < 2:
        return ""
    views = ", ".join(f"{mock.name} {mock.views!r}" for mock in mocks)
    return f"simulations are seen from different directions ({views}): set views once, at the top of the file"


@dataclass(frozen=True)
class _File:
    """Content of a workflow file, of which the top is checked."""

    source: str
    shared: WorkflowSettings
    sections: Mapping[str, Mapping]

    @property
    def out(self) -> Path:
        """Folder of the whole workflow."""
        return self.shared.out

    @property
    def fetches(self) -> Mapping[str, Mapping]:
        """Sections of what is fetched."""
        return self.sections.get("fetch", {})

    @property
    def mocks(self) -> Mapping[str, Mapping]:
        """Sections of the simulations."""
        return self.sections.get("mock", {})

    def section(self, verb: str) -> Mapping:
        """Give what the file says of a verb."""
        return self.sections.get(verb, {})

    def step(self, verb: str, given: Mapping | None = None, name: str = "", **wired: object) -> Step:
        """One command, of what its section says, what the workflow fills in, and what all share."""
        command, label = COMMANDS[verb], f"[{verb}.{name}]" if name else f"[{verb}]"
        given = self.section(verb) if given is None else given
        refused = sorted(set(given) & set(command.section.wired))
        if refused:
            raise ValueError(
                f"{self.source}: {label} sets {', '.join(refused)}, which the workflow sets itself."
            )
        names = [name for name in _SHARED if name in command.settings.model_fields]
        known = {name: getattr(self.shared, name) for name in names}
        return Step(verb, _settings(command.settings, given, known | wired, self.source, label, also=names))


def _checked(content: Mapping, source: str) -> _File:
    """Check the top of a workflow, and that its sections are sections."""
    top = {name: value for name, value in content.items() if name not in SECTIONS}
    shared = _settings(WorkflowSettings, top, {}, source, "the top level", also=SECTIONS)
    sections = {
        name: _filled_in(content[name], {"{out}": str(shared.out)}) for name in SECTIONS if name in content
    }
    for name, entry in sections.items():
        if not isinstance(entry, dict):
            raise ValueError(f"{source}: {name} is a section; write [{name}] and its keys below.")
    mocks, fetches = sections.get("mock", {}), sections.get("fetch", {})
    if not mocks or not all(isinstance(entry, dict) for entry in mocks.values()):
        raise ValueError(f"{source}: give each simulation a section of its own, such as [mock.TNG100].")
    if not all(isinstance(entry, dict) for entry in fetches.values()):
        raise ValueError(f"{source}: give what is fetched sections of their own, such as [fetch.frames].")
    for kind, name in [*(("mocks", name) for name in mocks), *(("files", name) for name in fetches)]:
        if Path(name).name != name or name in ("", ".."):
            raise ValueError(f"{source}: {name!r} names a folder of {kind}; give a plain name, without '/'.")
        if kind == "mocks" and name.lower() in ("real", "twins"):
            raise ValueError(f"{source}: the name {name!r} is taken; rename [mock.{name}].")
    return _File(source, shared, sections)


def _filled_in(value: object, words: Mapping[str, str]) -> object:
    """Value of a section with other words for some, at any depth."""
    if isinstance(value, str):
        for word, meaning in words.items():
            value = value.replace(word, meaning)
    elif isinstance(value, list):
        return [_filled_in(each, words) for each in value]
    elif isinstance(value, dict):
        return {key: _filled_in(each, words) for key, each in value.items()}
    return value


def _fetched(file: _File) -> list[Step]:
    """Make the steps that fetch files, each into a folder of its own unless the file names one."""
    steps = []
    for (name, entry), folder in zip(file.fetches.items(), file_names(file.fetches).values(), strict=True):
        step = file.step("fetch", entry, name, out=file.out / "files" / folder)
        if not step.settings.out.resolve().is_relative_to(file.out.resolve()):
            raise ValueError(
                f"{file.source}: [fetch.{name}] out = {str(step.settings.out)!r} lies outside {file.out}, "
                "the workflow's folder; name one in it, as '{out}/files'."
            )
        steps.append(step)
    return steps


def _real_images(file: _File) -> tuple[list[Step], Path | None]:
    """Step that prepares the real images, if any, and where they are; None for those of a shipped model."""
    real = file.shared.real
    if real is None and "prepare" not in file.sections:
        if reference_table(file.section("score").get("model", "")):
            return [], None
        raise ValueError(
            f"{file.source}: give a [prepare] section, or real = a prepared image set, or a shipped model in "
            "[score]."
        )
    if real is None:
        return [file.step("prepare", out=file.out / "real")], file.out / "real"
    if "prepare" in file.sections:
        raise ValueError(f"{file.source}: give either [prepare] or real = {str(real)!r}, not both.")
    return [], real


def _trained(file: _File, real: Path) -> tuple[list[Step], dict[str, Path]]:
    """Train the flows of real galaxies and of their twins: the steps, and where the flows will be."""
    twins, folder = file.out / "twins", file.out / "models"
    models = {"model": folder / "real", "background": folder / "twins"}
    steps = [
        file.step("twins", images=real, out=twins),
        file.step("train", images=real, out=models["model"]),
        file.step("train", images=twins, out=models["background"], init=models["model"]),
    ]
    return steps, models


def _settings(
    kind: type[Settings], given: Mapping, wired: Mapping, source: str, label: str, also: Sequence[str] = ()
) -> Settings:
    """Make settings; unknown names and wrong values are refused in words a user understands."""
    known = [name for name in kind.model_fields if name not in wired or name in given] + list(also)
    for name in given:
        if name not in kind.model_fields:
            raise ValueError(f"{source}: {label} has no key {name!r}; {likely_name(name, known)}")
    try:
        return kind(**{**wired, **given})
    except ValidationError as error:
        raise ValueError(f"{source}: {label}: {'; '.join(problems_of(error))}.") from error
