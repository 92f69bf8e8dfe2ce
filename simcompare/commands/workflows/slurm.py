"""Job scripts that run a whole workflow under SLURM."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from simcompare.commands.planning.workflow import Step, plan_workflow, read_workflow
from simcompare.runs.failures import SOME_FAILED
from simcompare.runs.files import write_text
from simcompare.runs.names import printable, shell_word
from simcompare.settings import Settings, SlurmSettings

__all__ = ["command_of", "messages", "write_jobs"]


@dataclass(frozen=True)
class _Job:
    """Commands that one script runs: one, several in a row, or one for each element of an array."""

    name: str
    steps: tuple[Step, ...]
    after: tuple[str, ...]

    @property
    def kind(self) -> str:
        """How it runs, see `simcompare.commands.planning.table.Section`."""
        return self.steps[0].command.section.job

    @property
    def is_array(self) -> bool:
        """Whether its steps run beside each other."""
        return self.steps[0].command.section.is_array

    @property
    def needs_gpu(self) -> bool:
        """Whether it is sent to nodes with GPUs."""
        device = getattr(self.steps[0].settings, "device", "")
        return self.kind == "torchrun" or device.startswith("cuda")


def write_jobs(settings: SlurmSettings) -> Path:
    """Write the job scripts of a workflow and the script that submits them all.

    Returns
    -------
    pathlib.Path
        ``submit.sh``; its three lines on top are all that has to be edited.

    Raises
    ------
    FileNotFoundError, ValueError
        When the workflow file is missing or wrong.
    """
    steps = plan_workflow(read_workflow(settings.config), str(settings.config))
    jobs = _jobs(steps)
    folder = settings.out
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    templates = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    templates.filters |= {"quote": shell_word, "printable": printable}
    shared = {
        "settings": settings,
        "folder": shell_word(folder.absolute()),
        "work": shell_word(os.getcwd()),
        "activate": shell_word(_activation()),
        "time": _clock(settings.hours),
        "some_failed": SOME_FAILED,
    }

    def write(template: str, name: str, **values: object) -> Path:
        text = files("simcompare").joinpath("data", f"slurm_{template}.j2").read_text(encoding="utf-8")
        write_text(folder / name, templates.from_string(text).render(**shared, **values))
        (folder / name).chmod(0o755)
        return folder / name

    write("job.sh", "job.sh")
    for job in jobs:
        commands = [command_of(step) for step in job.steps]
        write("script.sh", f"{job.name}.sh", job=job, commands=commands)
    return write("submit.sh", "submit.sh", jobs=jobs)


def command_of(step: Step) -> list[str]:
    """Words of the command line that do one step of a workflow; what has its default is left out.

    Returns
    -------
    list of str
        Beginning with the verb.
    """
    positional = step.command.positional
    given = getattr(step.settings, positional)
    names = map(str, given if isinstance(given, list) else [given])
    arguments = [step.verb, *(f"./{name}" if name.startswith("-") else name for name in names)]
    for name, item in type(step.settings).model_fields.items():
        value = getattr(step.settings, name)
        if name != positional and (item.is_required() or value != item.get_default()):
            arguments += _option(name, value)
    return arguments


def _option(name: str, value: object) -> list[str]:
    """One setting as words of a command line."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    if isinstance(value, tuple):
        return [f"--{flag}", *map(str, value)]
    words = []
    for each in map(str, value if isinstance(value, list) else [value]):
        # One that begins with a dash would be taken for an option.
        words += [f"--{flag}={each}"] if each.startswith("-") else [f"--{flag}", each]
    return words


def _jobs(steps: list[Step]) -> list[_Job]:
    """Jobs of the steps: an array of one verb, plain steps in a row, or one step."""
    groups: list[list[Step]] = []
    for step in steps:
        before, section = groups[-1][0] if groups else None, step.command.section
        joins = before and (
            (step.verb == before.verb and section.is_array)
            or section.job == before.command.section.job == "plain"
        )
        if joins:
            groups[-1].append(step)
        else:
            groups.append([step])
    makers: dict[Path, str] = {}
    jobs = []
    for number, group in enumerate(groups, start=1):
        name = f"{number:02d}-{group[0].verb}"
        needed = {makers[path] for step in group for path in _paths(step.settings) if path in makers}
        jobs.append(_Job(name, tuple(group), tuple(sorted(needed))))
        makers |= {step.folder: name for step in group}
    return jobs


def _paths(settings: Settings) -> set[Path]:
    """Every path among the values of settings."""
    values = [getattr(settings, name) for name in type(settings).model_fields]
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return {value for value in flat if isinstance(value, Path)}


def _activation() -> str:
    """Shell command that makes this Python the one of the jobs."""
    script = Path(sys.prefix) / "bin" / "activate"
    if script.is_file():
        return f"source {shell_word(script)}"
    return f"export PATH={shell_word(Path(sys.executable).parent)}:$PATH"


def _clock(hours: float) -> str:
    """Time as SLURM writes it."""
    seconds = round(3600 * hours)
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def messages(settings: SlurmSettings, path: Path) -> Iterator[str]:
    """Say what to do next."""
    yield f"edit the three lines on top of {path}, then: bash {path}"
