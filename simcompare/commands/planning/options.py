"""How the command line shows a setting: panel of the help, kind of its value, completion."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

__all__ = ["PANELS", "completion_of", "metavar_of", "panel_of"]

INPUT, GALAXY, LIGHT = "Input", "Galaxies", "Light"
OBSERVATION, MODEL, ANALYSIS = "Observation", "Model", "Analysis"
OUTPUT, RUNNING = "Output", "Running"

_PANELS = {
    INPUT: (
        "inputs", "images", "scores", "runs", "run", "path", "config", "archive", "simulation", "name",
        "reader", "real", "twins", "catalogue", "properties", "match_radius", "radius",
        "units", "domain", "kind", "targets",
        "field", "release", "base", "overrides",
    ),
    GALAXY: (
        "min_stellar_mass", "log_stellar_mass", "subhalo", "where", "every", "aperture", "centre",
        "companions", "views", "redshift", "own_redshift", "k_correction", "limit", "region",
    ),
    LIGHT: ("population", "populations", "nebular", "dust", "dusts"),
    OBSERVATION: (
        "survey", "bands", "size", "field_of_view", "arcsec", "radii", "conditions", "real_conditions",
        "sky", "neighbours", "per_field", "clear", "percents", "known_to",
    ),
    MODEL: (
        "model", "background", "versus", "ensemble", "init", "architecture", "epochs", "minutes",
        "batch_size", "precision", "compile", "members", "symmetries", "seeds", "train", "validation",
    ),
    ANALYSIS: (
        "reference", "bootstrap", "match", "bins", "condition", "generations", "nulls", "attribution",
        "embedding",
    ),
    OUTPUT: (
        "out", "fits", "stages", "rgb", "maps", "layout", "tensorboard", "machine",
        "every_key", "recipe", "report_every",
        "width", "labels", "colors", "style", "datasets", "title",
    ),
    RUNNING: (
        "seed", "device", "workers", "scheduler", "timeout", "dry_run", "parallel", "rate", "serve", "port",
        "hours", "nodes", "cores", "gpus", "warning",
    ),
}  # fmt: skip
PANELS = tuple(_PANELS)
"""Headings in the order of the help."""
_PANEL = {name: panel for panel, names in _PANELS.items() for name in names}
_PANEL_IN = {
    "compare": {"name": OUTPUT, "population": ANALYSIS},
    "score": {"neighbours": ANALYSIS},
    "prepare": {"train": GALAXY, "validation": GALAXY},
}  # names that mean something else in these verbs
_WORDS = {int: "N", float: "X", Path: "PATH", str: "TEXT"}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def panel_of(name: str, verb: str = "") -> str:
    """Panel of the help in which a setting of a verb stands."""
    return _PANEL_IN.get(verb, {}).get(name) or _PANEL.get(name, ANALYSIS)


def metavar_of(item: FieldInfo) -> str:
    """Describe the value of a setting in the help: choices, or kind and limits; nothing for a switch."""
    kinds = [each for each in get_args(item.annotation) if each is not type(None)] or [item.annotation]
    kind = kinds[0]
    for each in (item.annotation, kind):
        if get_origin(each) is Literal:
            return "|".join(map(str, get_args(each)))
    for each in (item.annotation, kind):
        if get_origin(each) is tuple:
            return " ".join(["LOW HIGH"] * (len(get_args(each)) // 2))
    if kind is bool:
        return " "
    placeholder = _WORDS.get(kind, "TEXT")
    limits = [
        f"{sign}{getattr(limit, key):g}"
        for limit in item.metadata
        for key, sign in _SIGNS.items()
        if getattr(limit, key, None) is not None and kind in (int, float)
    ]
    return f"{placeholder} {' '.join(limits)}".strip()


def completion_of(name: str) -> Callable[[str], list[str]] | None:
    """Give what completes the values of a setting in the shell, where there is a list of them.

    Returns
    -------
    callable or None
        From the beginning of a value to the values that begin so.
    """
    if name not in _VALUES:
        return None
    return lambda incomplete: [value for value in _VALUES[name]() if value.startswith(incomplete)]


def _surveys() -> list[str]:
    from mocks.surveys import surveys

    return list(surveys())


def _dusts() -> list[str]:
    from mocks.dust import DUST

    return list(DUST)


def _populations() -> list[str]:
    from mocks.light import POPULATIONS

    return list(POPULATIONS)


def _simulations() -> list[str]:
    from mocks.readers import SIMULATIONS

    return list(SIMULATIONS)


def _models() -> list[str]:
    from simcompare.data.shipped import shipped_models

    return list(shipped_models())


def _archives() -> list[str]:
    from simcompare.archives.services import ARCHIVES

    return ["list", *ARCHIVES]


_VALUES: dict[str, Callable[[], list[str]]] = {
    "survey": _surveys,
    "dust": _dusts,
    "population": _populations,
    "simulation": _simulations,
    "model": _models,
    "background": _models,
    "archive": _archives,
    "device": lambda: ["auto", "cpu", "cuda", "mps"],
}
