"""Verbs as functions: settings are keywords, image sets and models may replace folders."""

import inspect
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin
from weakref import WeakKeyDictionary

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from simcompare.commands.planning.table import COMMANDS, Command
from simcompare.runs.temporary import TemporaryFolder
from simcompare.settings import likely_name, problems_of

__all__ = ["load_model", "verb"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Place:
    """Folder of a product, and the temporary folders kept as long as it exists."""

    path: Path
    keeps: tuple[TemporaryFolder, ...] = ()


_PLACES: WeakKeyDictionary[object, _Place] = WeakKeyDictionary()


def verb(name: str) -> Callable[..., Any]:
    """Make the Python function of a verb.

    Parameters
    ----------
    name : str
        Verb, such as "mock".

    Returns
    -------
    callable
        Takes the settings of the verb as keywords; positional arguments of the command line come first.
    """
    command = COMMANDS[name]
    signature = _signature(command)

    def function(*args: Any, **options: Any) -> Any:
        _refuse_unknown(command, options)
        try:
            given = signature.bind(*args, **options).arguments
        except TypeError as error:
            raise TypeError(f"{name}(): {error}; see help(simcompare.{name}) for its settings.") from None
        return _call(command, given)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "simcompare"
    function.__signature__ = signature
    function.__doc__ = _docstring(command)
    return function


def load_model(model: str | os.PathLike, device: str = "cpu") -> Any:
    """Load a trained flow.

    Parameters
    ----------
    model : str or path-like
        Run folder of ``train``, folder of a model, or name of a shipped model, such as "sdss-r".
    device : str
        Torch device: "cpu", "cuda" or "mps".

    Returns
    -------
    flows.FlowModel, or simcompare.models.CrossFitted
        ``CrossFitted`` for a model with one flow per fold of its sample.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such model, or its files are damaged.
    """
    from simcompare.models.storage import load_model as read

    flow = read(Path(model)).to(device)
    _PLACES[flow] = _Place(Path(model))
    return flow


def _signature(command: Command) -> inspect.Signature:
    """Signature with the settings of a command; a folder that may be temporary has the default None."""
    parameters = []
    for name, item in command.settings.model_fields.items():
        if item.exclude:
            continue
        default = inspect.Parameter.empty if item.is_required() else item.get_default()
        annotation = item.annotation
        if _may_be_temporary(command, name):
            default, annotation = None, annotation | None
        kind = (
            inspect.Parameter.POSITIONAL_OR_KEYWORD
            if name in command.positional.split()
            else inspect.Parameter.KEYWORD_ONLY
        )
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return inspect.Signature(sorted(parameters, key=lambda each: each.kind))


def _may_be_temporary(command: Command, name: str) -> bool:
    """Whether a setting is the folder of a product that Python holds."""
    return command.is_held and name == command.folder


def _docstring(command: Command) -> str:
    """Docstring of the function of a verb, made of its settings."""
    lines = [command.settings.__doc__, "", "Parameters", "----------"]
    for name, parameter in _signature(command).parameters.items():
        item = command.settings.model_fields[name]
        lines.append(f"{name} : {_type_name(parameter)}")
        text = item.description
        if _may_be_temporary(command, name):
            text += " Default: a temporary folder, deleted with the returned object."
        lines.append(f"    {text}")
    lines += ["", "Returns", "-------", command.returns]
    lines += ["", "Raises", "------", "TypeError", "    For an unknown or missing setting."]
    lines += ["ValueError, OSError", "    For an invalid value, or an error while the command runs."]
    return "\n".join(lines)


def _type_name(parameter: inspect.Parameter) -> str:
    """Type of a parameter in words, with its default."""
    shown = inspect.formatannotation(parameter.annotation).replace("pathlib.Path", "path-like")
    if parameter.default is inspect.Parameter.empty:
        return shown
    return f"{shown.removesuffix(' | None')}, default {parameter.default!r}"


def _refuse_unknown(command: Command, options: dict[str, Any]) -> None:
    """Raise for the first setting that the command does not have, naming the likely one."""
    known = [name for name, item in command.settings.model_fields.items() if not item.exclude]
    for name in options:
        if name not in known:
            raise TypeError(f"{command.verb}() has no setting {name!r}; {likely_name(name, known)}")


def _call(command: Command, given: dict[str, Any]) -> Any:
    """Do the work with the settings given, and remember where the product lies."""
    needed: list[TemporaryFolder] = []
    fields = command.settings.model_fields
    values = {name: _setting(name, fields[name], value, needed) for name, value in given.items()}
    if command.is_held and values.get(command.folder) is None:
        needed = [TemporaryFolder(needed)]
        values[command.folder] = needed[0].path
    elif command.is_held and needed:
        logger.warning(
            "%s: inputs are temporary; save them first to be able to resume",
            command.verb,
        )
    try:
        settings = command.settings(**values)
    except ValidationError as error:
        raise ValueError(f"{command.verb}(): {'; '.join(problems_of(error))}.") from error
    product = command.find(command.python or command.function)(settings)
    path = getattr(settings, command.folder, None)
    return product if path is None else _placed(product, _Place(Path(path), tuple(needed)))


def _placed(product: Any, place: _Place) -> Any:
    """Return the product, which keeps the temporary folders that it lies in, and remember where it is."""
    from simcompare.images.image_set import ImageSet

    if isinstance(product, ImageSet):
        return product.kept_by(place.keeps[0]) if place.keeps else product
    with suppress(TypeError):  # numbers, texts and lists are not runs
        _PLACES[product] = place
    return product


def _setting(name: str, item: FieldInfo, value: Any, needed: list[TemporaryFolder]) -> Any:
    """Value of a setting: paths of what stands for a path, a list of what stands alone."""
    if value is None:
        return None
    is_list = get_origin(item.annotation) is list
    if Path in (item.annotation, *get_args(item.annotation)):
        if not is_list:
            return _path_of(name, value, needed)
        values = value if isinstance(value, list | tuple) else [value]
        return [_path_of(name, each, needed) for each in values]
    return [value] if is_list and not isinstance(value, list | tuple) else value


def _path_of(name: str, value: Any, needed: list[TemporaryFolder]) -> Path:
    """Folder of a product, or a path as given; temporary folders are noted as needed."""
    from simcompare.images.image_set import ImageSet

    if isinstance(value, ImageSet):
        needed += value.kept
        return value.folder or _written(value.save, needed)
    if isinstance(value, str | os.PathLike):
        return Path(value)
    place = None
    with suppress(TypeError):
        place = _PLACES.get(value)
    if place is not None:
        needed += place.keeps
        return place.path
    if hasattr(value, "log_prob") and hasattr(value, "save"):  # a flow from elsewhere
        return _written(value.save, needed)
    raise TypeError(
        f"{name} is a {type(value).__name__}; give a path or an unmodified object returned by a simcompare"
        " function. ImageSet.from_arrays makes an image set from arrays."
    )


def _written(save: Callable[[Path], Any], needed: list[TemporaryFolder]) -> Path:
    """Write a product to a temporary folder."""
    folder = TemporaryFolder(needed)
    save(folder.path / "kept")
    needed.append(folder)
    return folder.path / "kept"
