"""What a command line names: folders of single files, and options of a reader written as text."""

import inspect
from collections.abc import Iterable
from pathlib import Path

from mocks.ideal.files import band_groups, is_ideal_image, read_ideal_image
from mocks.ideal.record import IdealImage
from mocks.readers.registry import recognise

__all__ = ["grouped", "members", "parse_options", "read_image"]

WORDS = {"true": True, "false": False}


def members(path: str | Path) -> tuple[list[Path], dict[Path, str]]:
    """Snapshots and ready-made images at a path: itself, or the single files of a folder.

    Parameters
    ----------
    path : str or Path
        File, snapshot folder, or folder of cut-outs, extracts or images.

    Returns
    -------
    list of Path
        Inputs in the order of their names.
    dict of str
        Other files of the folder, and why they are none.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        When nothing there can be read; see `recognise`.
    """
    path = Path(path)
    if is_ideal_image(path):
        return [path], {}
    try:
        recognise(path)
    except ValueError:
        files = sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else []
        others = {file: reason for file in files if (reason := _reason_against(file))}
        if len(others) == len(files):
            raise
        return [file for file in files if file not in others], others
    return [path], {}


def grouped(files: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Put images together that have a file for each band; every other file is an input alone.

    Parameters
    ----------
    files : iterable of Path
        Of `members`.

    Returns
    -------
    list of tuple of Path
        Images first.
    """
    images, others = [], []
    for file in files:
        (images if is_ideal_image(file) else others).append(file)
    return [*band_groups(images), *((file,) for file in others)]


def read_image(paths: Iterable[Path], options: dict) -> IdealImage:
    """Read a ready-made image with options as a command line states them.

    Parameters
    ----------
    paths : iterable of Path
        One file with all bands, or one for each.
    options : dict
        Of `mocks.ideal.read_ideal_image`.

    Raises
    ------
    OSError, ValueError
        As `read_ideal_image`, and for an option that images do not have.
    """
    paths = list(paths)
    known = [
        name
        for name, item in inspect.signature(read_ideal_image).parameters.items()
        if item.kind is item.KEYWORD_ONLY
    ]
    if unknown := sorted(set(options) - set(known)):
        asked = [name for name in known if name not in ("cosmology", "filters", "simulation")]
        raise ValueError(
            f"{paths[0]}: images have no option {', '.join(unknown)}; they have {', '.join(asked)}."
        )
    return read_ideal_image(paths, **options)


def _reason_against(file: Path) -> str:
    """Why a file is not an input; empty when it is one."""
    try:
        if not is_ideal_image(file):
            recognise(file)
    except OSError:
        return ""  # meant to be one: opening it says what is wrong
    except ValueError:
        return "no snapshot and no image in a known format"
    return ""


def _value(text: str) -> bool | int | float | str | list:
    """Read what a text stands for: true, false, a number, numbers with commas, or itself."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    parts = [_value(part) for part in text.split(",")] if "," in text else [text]
    return parts if all(isinstance(part, int | float) for part in parts) else text


def parse_options(texts: Iterable[str]) -> dict:
    """Options of `mocks.readers.open_snapshot` from texts.

    Parameters
    ----------
    texts : iterable of str
        ``"key=value"``; ``"fields.birth=BornAt"`` for an entry of a dictionary, ``"centre=1,2,3"`` for
        several numbers.

    Raises
    ------
    ValueError
        When a text has no ``=``.

    Examples
    --------
    >>> parse_options(["length=Mpc", "a=0.5", "fields.birth=BornAt"])
    {'length': 'Mpc', 'a': 0.5, 'fields': {'birth': 'BornAt'}}
    """
    options: dict = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{text!r} is not an option of a reader; write key=value, such as snapshot=99.")
        into = options
        *above, last = name.strip().split(".")
        for key in above:
            into = into.setdefault(key, {})
        into[last] = _value(value.strip())
    return options
