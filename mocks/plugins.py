"""What other installed packages add: entry points, of which a bad one never stops the others."""

import importlib.metadata
import logging
from collections.abc import Container

__all__ = ["load_plugins"]

logger = logging.getLogger(__name__)


def load_plugins(group: str, kind: type, description: str, ours: Container[str]) -> dict:
    """Load the entries that installed packages offer in a group; those that cannot serve are left out.

    Parameters
    ----------
    group : str
        Of entry points, for example ``"simcompare.simulations"``.
    kind : type
        What an entry must be.
    description : str
        The same in words, for the log.
    ours : container of str
        Names that are taken.

    Returns
    -------
    dict
        Entries by name. Each that is left out is warned of.
    """
    plugins = {}
    for point in importlib.metadata.entry_points(group=group):
        try:
            entry = point.load()
        except Exception:  # a stranger's code may raise anything, and must not stop the others
            logger.warning(
                "plug-in %s (%s) cannot be loaded and is skipped", point.name, point.value, exc_info=True
            )
            continue
        if not isinstance(entry, kind):
            logger.warning("plug-in %s (%s) is not a %s and is skipped", point.name, point.value, description)
        elif point.name in ours:
            logger.warning(
                "plug-in %s (%s) has the name of a built-in one and is skipped", point.name, point.value
            )
        else:
            plugins[point.name] = entry
    return plugins
