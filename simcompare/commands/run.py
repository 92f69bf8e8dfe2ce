"""``simcompare run``: the whole chain of a workflow file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import tomli_w

from simcompare.commands.workflow import plan_workflow, read_workflow
from simcompare.runs.files import write_text

__all__ = ["run_workflow"]


def run_workflow(
    path: str | Path, overrides: Sequence[str] = (), report: Callable[[str], None] | None = None
) -> Path:
    """Run the whole chain of a workflow file; what is done already is skipped.

    Parameters
    ----------
    path : path-like
        TOML file.
    overrides : sequence of str
        As for `read_workflow`.
    report : callable, optional
        Told of each step as it begins.

    Returns
    -------
    pathlib.Path
        The report.

    Raises
    ------
    FileNotFoundError, ValueError
        As the steps do.
    """
    content = read_workflow(path, overrides)
    steps = plan_workflow(content, str(path))
    out = steps[-1].folder.parent
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "workflow.toml", tomli_w.dumps(content))
    result = None
    for number, step in enumerate(steps, start=1):
        if report is not None:
            report(f"[{number} of {len(steps)}] {step.verb}: {step.folder}")
        result = step.run()
    return result
