"""``simcompare run``: the whole chain of a workflow file."""

import logging
from collections.abc import Iterator
from pathlib import Path

import tomli_w

from simcompare.commands.planning.changes import put_aside
from simcompare.commands.planning.dry_run import Estimate, estimate_workflow, summary
from simcompare.commands.planning.workflow import Step, caution_of_views, plan_workflow, read_workflow
from simcompare.runs.files import write_text
from simcompare.settings import RunSettings

__all__ = ["failure_tables", "messages", "run_workflow"]

logger = logging.getLogger(__name__)


def run_workflow(settings: RunSettings) -> Path | list[Estimate]:
    """Run the whole chain of a workflow file; what is done already is skipped.

    A step whose settings have changed, and what depends on it, is made again; the log says so.

    Returns
    -------
    pathlib.Path or list of Estimate
        The report; with ``dry_run`` what each step would do.

    Raises
    ------
    FileNotFoundError, ValueError
        As the steps do.
    """
    if settings.dry_run:
        return estimate_workflow(settings.config, settings.overrides)
    content, steps = _plan(settings)
    if caution := caution_of_views(steps):
        logger.warning("%s", caution)
    out = steps[-1].folder.parent
    out.mkdir(parents=True, exist_ok=True)
    put_aside(steps, out)
    write_text(out / "workflow.toml", tomli_w.dumps(content))
    result = None
    for number, step in enumerate(steps, start=1):
        logger.info("[%d of %d] %s: %s", number, len(steps), step.verb, step.folder)
        result = step.run()
    return result


def _plan(settings: RunSettings) -> tuple[dict, list[Step]]:
    """Content of the file with other values put in, and its steps."""
    content = read_workflow(settings.config, settings.overrides)
    return content, plan_workflow(content, str(settings.config))


def failure_tables(settings: RunSettings) -> list[Path]:
    """List where the steps name what failed."""
    return [path for step in _plan(settings)[1] for path in step.command.failure_tables(step.settings)]


def messages(settings: RunSettings, product: Path | list[Estimate]) -> Iterator[str]:
    """Say where the report is, or the estimates."""
    yield summary(product) if settings.dry_run else f"report in {product}"
