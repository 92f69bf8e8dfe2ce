"""TOML that somebody else may have written: parsed in bounded time, or refused."""

import re
import tomllib

__all__ = ["parse_toml"]

_LARGEST = 4 * 1024**2  # characters
# Each dot costs the parser a walk from the top.
_DEEP_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){50}")


def parse_toml(text: str) -> dict:
    """Content of a TOML text.

    Raises
    ------
    ValueError
        When it is not TOML, nested too deeply, or absurdly large.
    """
    if len(text) > _LARGEST:
        raise ValueError(f"{len(text)} characters; at most {_LARGEST} are read")
    if _DEEP_KEY.search(text):
        raise ValueError("a key of 50 parts or more")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
