"""What a command line names: folders of single files, and options of a reader written as text."""

from collections.abc import Iterable
from pathlib import Path

from mocks.ideal.files import is_ideal_image
from mocks.readers.registry import recognise

__all__ = ["members", "parse_options"]

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


def _reason_against(file: Path) -> str:
    """Why a file is no input; empty when it is one."""
    try:
        if not is_ideal_image(file):
            recognise(file)
    except OSError as error:
        return str(error)
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

    Returns
    -------
    dict

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
            raise ValueError(f"{text!r} is no option of a reader; write key=value, such as snapshot=99.")
        into = options
        *above, last = name.strip().split(".")
        for key in above:
            into = into.setdefault(key, {})
        into[last] = _value(value.strip())
    return options
