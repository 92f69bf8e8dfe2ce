"""Encoders from images to vectors: registered ones by name, a user's own by where it stands."""

import importlib
import importlib.metadata
from collections.abc import Callable

import numpy as np

__all__ = ["ENCODER_GROUP", "Encoder", "find_encoder", "is_import"]

Encoder = Callable[[np.ndarray], np.ndarray]

ENCODER_GROUP = "simcompare.encoders"
"""Group of entry points: functions that take images (n, band, y, x) and return vectors (n, d)."""


def is_import(name: str) -> bool:
    """Whether a name is that of a function to import, ``module:function``, not of a registered encoder."""
    return ":" in name


def find_encoder(name: str, *, may_import: bool) -> Encoder:
    """Find an encoder by its name.

    Parameters
    ----------
    name : str
        An entry point in `ENCODER_GROUP`, or ``"module:function"``; the function takes images
        (n, band, y, x) and returns vectors (n, d).
    may_import : bool
        Whether the user has named it for this very command. A name that was read from a file must not
        choose what is imported.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        When there is no encoder of this name, or it must not be imported.
    """
    if is_import(name):
        if not may_import:
            raise ValueError(
                f"encoder {name!r} was read from a file, which must not choose code; "
                f"name it on the command line, or register it as an entry point in {ENCODER_GROUP!r}."
            )
        return _imported(name)
    registered = importlib.metadata.entry_points(group=ENCODER_GROUP)
    if name not in registered.names:
        known = ", ".join(sorted(registered.names)) or "none"
        raise ValueError(
            f"no encoder {name!r} is registered (known: {known}); register it, or name it as "
            "'module:function'."
        )
    try:
        encoder = registered[name].load()
    except Exception as error:  # a stranger's code may raise anything
        raise ValueError(f"encoder {name!r} ({registered[name].value}) cannot be loaded: {error}.") from error
    if not callable(encoder):
        raise ValueError(f"encoder {name!r} ({registered[name].value}) is not a function.")
    return encoder


def _imported(name: str) -> Encoder:
    """Import the function that the user has named."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise ValueError(f"encoder is {name!r}; name it as 'module:function'.")
    try:
        encoder = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        raise ValueError(f"encoder {name!r}: {error}; put its folder on PYTHONPATH.") from error
    if not callable(encoder):
        raise ValueError(f"encoder {name!r}: {module} holds no function {function!r}.")
    return encoder
