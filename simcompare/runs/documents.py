"""JSON and TOML that somebody else may have written or damaged: read whole, or refused in one line."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mocks.toml import parse_toml

__all__ = ["damage_named", "parse_json", "read_json", "read_json_object", "read_toml"]

_LARGEST = 64 * 1024**2  # bytes; ours have kB


def parse_json(text: str | bytes, where: object) -> object:
    """Content of a JSON text.

    Parameters
    ----------
    text : str or bytes
    where : object
        File or attribute that it comes from, for the message.

    Raises
    ------
    ValueError
        When it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is not JSON ({error}); copy or make it again.") from error


def read_json(path: str | os.PathLike) -> object:
    """Content of a JSON file.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is not JSON, nested too deeply or absurdly large.
    """
    return parse_json(_bytes(path), path)


def read_json_object(path: str | os.PathLike) -> dict:
    """Content of a JSON file that holds names and values; raises as `read_json`."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not keys and values; make it again.")
    return content


def read_toml(path: str | os.PathLike) -> dict:
    """Content of a TOML file.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is not TOML, nested too deeply or absurdly large.
    """
    try:
        return parse_toml(_bytes(path).decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not TOML ({error}); text values stand in double quotes.") from error


@contextmanager
def damage_named(path: str | os.PathLike) -> Iterator[None]:
    """Have whatever goes wrong while a file is read end in one line that names it.

    Libraries raise errors of many kinds for damaged files, often without the file's name.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ValueError, OSError
        Those of the block, with the path where they lack it; OSError for errors of any other kind.
    """
    try:
        yield
    except FileNotFoundError:  # names the file that is missing, which may be another
        raise
    except (ValueError, OSError) as error:
        if Path(path).name in str(error):
            raise
        kind = ValueError if isinstance(error, ValueError) else OSError
        raise kind(f"{path}: {' '.join(str(error).split())}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise OSError(f"{path} cannot be read ({reason}); damaged? Fetch or make it again.") from error


def _bytes(path: str | os.PathLike) -> bytes:
    """Content of a file of bounded size."""
    size = Path(path).stat().st_size
    if size > _LARGEST:
        raise ValueError(
            f"{path} has {size / 1e6:.0f} MB; a file of its kind has at most {_LARGEST / 1e6:.0f}."
        )
    return Path(path).read_bytes()
