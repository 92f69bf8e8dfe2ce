"""Surveys as data: one TOML file each, every number with its reference."""

from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

from mocks.plugins import load_plugins
from mocks.surveys.reading import parse_survey
from mocks.surveys.record import FRAMES, Band, Survey

__all__ = ["FRAMES", "SURVEYS", "Band", "Survey", "load_survey", "parse_survey", "surveys"]

SURVEYS: dict[str, Path] = {path.stem: path for path in sorted(Path(str(files(__package__))).glob("*.toml"))}
"""Name of every survey that ships with the package, and its file. Adding a file adds a survey."""

PLUGIN_GROUP = "simcompare.surveys"


@cache
def _plugins() -> dict[str, Path]:
    """Find the survey files that other installed packages offer."""
    plugins = load_plugins(PLUGIN_GROUP, str | Path, "path of a survey file", SURVEYS)
    return {name: Path(path) for name, path in plugins.items()}


def surveys() -> dict[str, Path]:
    """List all surveys by name: of plug-ins (entry points in ``simcompare.surveys``), then our own.

    Returns
    -------
    dict of Path
        Each survey's file.
    """
    return _plugins() | SURVEYS


def load_survey(survey: "str | Path | Survey") -> Survey:
    """Read a survey from its data file.

    Parameters
    ----------
    survey : str or Path
        Name in ``surveys()`` or path of a TOML file. A ``Survey`` is returned as it is.

    Raises
    ------
    ValueError
        For an unknown name, a file that is not TOML, a missing entry, or a number without reference.
    FileNotFoundError
        For a path that does not exist.
    """
    if isinstance(survey, Survey):
        return survey
    path = surveys().get(str(survey), Path(survey))
    if not path.is_file():
        if path.suffix == ".toml":
            raise FileNotFoundError(f"survey file {path} does not exist.")
        raise ValueError(
            f"survey {str(survey)!r} is unknown; choose from {', '.join(surveys())}; or give a .toml file."
        )
    try:
        loaded = parse_survey(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a TOML file: {error}.") from error
    if str(survey) in surveys() and loaded.name != str(survey):
        raise ValueError(
            f"{path}: its name is {loaded.name!r}, but it is offered as {survey!r}; make them one."
        )
    # Those that everybody has need not travel with images.
    return replace(loaded, text="") if path in SURVEYS.values() else loaded
