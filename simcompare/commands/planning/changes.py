"""What a changed workflow makes again: steps with other settings than their folder, and what follows."""

import logging
from collections.abc import Sequence
from pathlib import Path

from simcompare.commands.planning.workflow import Step
from simcompare.runs.folder import changed_settings

__all__ = ["put_aside", "stale_steps"]

logger = logging.getLogger(__name__)

_MAKE_ALL_AGAIN = ("compare", "report")  # they replace their own products


def stale_steps(steps: Sequence[Step]) -> dict[Path, str]:
    """Find the steps that are done, but not as the workflow says now.

    Parameters
    ----------
    steps : sequence of Step
        In their order.

    Returns
    -------
    dict of pathlib.Path to str
        Folder and reason of each step to be made again: its settings, or that an input is made again.
    """
    stale: dict[Path, str] = {}
    for step in steps:
        if not (step.folder / "config.toml").is_file():
            continue
        differ = changed_settings(step.folder, step.verb, step.settings)
        again = [path for path in _inputs(step) if path in stale]
        if differ:
            stale.setdefault(step.folder, "; ".join(differ))
        elif again:
            stale.setdefault(step.folder, f"its input {again[0]} is made again")
    return stale


def _inputs(step: Step) -> list[Path]:
    """Paths that a step reads."""
    values = [getattr(step.settings, name) for name in step.settings.path_names() if name != "out"]
    return [
        Path(path) for value in values if value for path in (value if isinstance(value, list) else [value])
    ]


def put_aside(steps: Sequence[Step], home: Path) -> None:
    """Move what is stale out of the way, and say so; the same command then makes it again.

    Parameters
    ----------
    steps : sequence of Step
    home : pathlib.Path
        Folder of the workflow; the old folders go to ``replaced-1`` (2, ...) in it.
    """
    verbs = {step.folder: step.verb for step in steps}
    stale = stale_steps(steps)
    moved = [folder for folder in stale if verbs[folder] not in _MAKE_ALL_AGAIN]
    number = 1
    while (home / f"replaced-{number}").exists():
        number += 1
    for folder, reason in stale.items():
        logger.info("redone: %s (%s)", folder, reason)
    for folder in moved:
        target = home / f"replaced-{number}" / folder.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
    if moved:
        logger.info(
            "the old products are kept in %s; delete them when no longer needed", home / f"replaced-{number}"
        )
